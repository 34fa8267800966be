"""The ledger's rules over any sequence of operations: no cent is made or lost."""

from collections import defaultdict
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from alluse.domain.accounts import (
    CENTS,
    EXTERNAL,
    Account,
    Booking,
    RefusedError,
    book,
    buffer_of,
    cents_of,
    fork,
    investable_of,
    may_fork,
    merge,
    open_accounts,
    reinvest,
    split,
    usd_of,
)
from alluse.domain.accounts_performance import Day, figures, outlook, trading_day
from alluse.domain.errors import InvalidInputError
from alluse.schemas.common import AccountType
from alluse.schemas.ledger import EntryKind
from alluse.schemas.protocol import Protocol

PROTOCOL = Protocol()
cents = st.integers(1, 200_000 * CENTS)


class Ledger(RuleBasedStateMachine):
    """One user's accounts; beside them a model that knows the lines alone."""

    def __init__(self) -> None:
        super().__init__()
        self.accounts: dict[str, Account] = {}
        self.lines: dict[str, int] = defaultdict(int)
        self.outside = 0
        self.earned = 0
        self.births = 0

    def ids(self) -> tuple[dict[AccountType, str], str]:
        self.births += 1
        return {kind: f"{kind.value[:3].lower()}-{self.births}" for kind in AccountType}, f"set-{self.births}"

    def write(self, booking: Booking) -> None:
        self.accounts |= {account.account_id: account for account in booking.accounts}
        for line in booking.lines:
            self.lines[line.account_id] += line.amount
            if line.kind in EXTERNAL:
                self.outside += line.amount
            if line.kind in (EntryKind.PREMIUM, EntryKind.FEE):
                self.earned += line.amount
        inner = sum(
            line.amount
            for line in booking.lines
            if line.kind not in EXTERNAL and line.kind not in (EntryKind.PREMIUM, EntryKind.FEE)
        )
        assert inner == 0

    def living(self) -> list[Account]:
        return [each for each in self.accounts.values() if not each.closed]

    @precondition(lambda self: len(self.accounts) < 12)
    @rule(total=st.integers(100_000, 10**9), replacing=st.booleans())
    def open(self, total: int, replacing: bool) -> None:
        ids, set_id = self.ids()
        living = self.living()
        try:
            booking = open_accounts(list(self.accounts.values()), total, ids, set_id, PROTOCOL, replacing)
        except RefusedError:
            assert living
            assert not replacing
        else:
            self.write(booking)
            assert sum(each.balance for each in self.living()) == total

    @precondition(lambda self: self.accounts)
    @rule(data=st.data(), kind=st.sampled_from(["premium", "deposit", "withdrawal", "fee"]), amount=cents)
    def entry(self, data: st.DataObject, kind: str, amount: int) -> None:
        account = data.draw(st.sampled_from(list(self.accounts.values())))
        if kind == "premium" and data.draw(st.booleans()):
            amount = -amount
        before = account.drawdown
        try:
            booking = book(account, EntryKind(kind), amount, "", PROTOCOL)
        except RefusedError:
            return
        self.write(booking)
        after = booking.accounts[0]
        if (
            kind in ("deposit", "withdrawal")
            and account.balance > CENTS * 100
            and after.balance > CENTS * 100
        ):
            assert after.drawdown == pytest.approx(before, abs=1e-3)

    @precondition(lambda self: len(self.accounts) > 1)
    @rule(data=st.data(), amount=cents)
    def transfer(self, data: st.DataObject, amount: int) -> None:
        names = st.sampled_from(list(self.accounts.values()))
        giver, taker = data.draw(names), data.draw(names)
        try:
            self.write(book(giver, EntryKind.TRANSFER, amount, "", PROTOCOL, taker))
        except RefusedError:
            return
        assert giver.type is not AccountType.COM_ACC
        assert giver.account_id != taker.account_id

    @precondition(lambda self: self.accounts)
    @rule(data=st.data())
    def grow_and_fork(self, data: st.DataObject) -> None:
        account = data.draw(st.sampled_from(list(self.accounts.values())))
        ids, set_id = self.ids()
        able = may_fork(account, PROTOCOL)
        try:
            booking = fork(account, ids, set_id, PROTOCOL)
        except RefusedError:
            assert not able or account.free < account.surplus
            return
        self.write(booking)
        parent, gen, com = booking.accounts
        assert parent.balance == parent.base
        assert gen.balance + com.balance == account.surplus
        assert 0 <= gen.balance - com.balance <= 1

    @precondition(lambda self: self.accounts)
    @rule(data=st.data(), closed=st.booleans())
    def merge_one(self, data: st.DataObject, closed: bool) -> None:
        account = data.draw(st.sampled_from(list(self.accounts.values())))
        try:
            booking = merge(account, list(self.accounts.values()), closed, PROTOCOL)
        except RefusedError:
            return
        self.write(booking)
        assert closed
        assert account.parent is not None
        assert account.balance >= 500_000 * CENTS

    @precondition(lambda self: self.accounts)
    @rule(data=st.data(), year=st.integers(2024, 2026), month=st.integers(1, 12))
    def reinvest_one(self, data: st.DataObject, year: int, month: int) -> None:
        account = data.draw(st.sampled_from(list(self.accounts.values())))
        try:
            booking = reinvest(account, year, month, PROTOCOL)
        except RefusedError:
            return
        self.write(booking)
        after = booking.accounts[0]
        assert month in (3, 6, 9, 12)
        assert account.type is not AccountType.GEN_ACC
        assert after.balance == account.balance
        aside = after.contracts - account.contracts + after.leaps - account.leaps
        assert aside == sum(line.set_aside for line in booking.lines) > 0
        with pytest.raises(RefusedError):
            reinvest(after, year, month, PROTOCOL)

    @invariant()
    def balances(self) -> None:
        assert sum(each.balance for each in self.accounts.values()) == self.outside + self.earned
        for name, account in self.accounts.items():
            assert account.balance == self.lines[name] >= 0
            assert account.free >= 0
            assert account.base >= 0
            assert account.peak >= account.balance
            assert 0 <= account.drawdown <= 1
            assert buffer_of(account, PROTOCOL) + investable_of(account, PROTOCOL) == account.balance
            assert not account.closed or account.balance == 0


TestLedger = Ledger.TestCase
TestLedger.settings = settings(max_examples=25, stateful_step_count=25)


@given(st.integers(100_000, 10**12))
def test_a_capital_is_divided_to_the_cent(total: int) -> None:
    parts = split(total, PROTOCOL)
    assert sum(parts.values()) == total
    for kind, part in parts.items():
        assert abs(part - total * PROTOCOL.account(kind).share) <= 1


@given(st.integers(-(10**12), 10**12))
def test_money_survives_the_way_to_dollars_and_back(amount: int) -> None:
    assert cents_of(usd_of(amount)) == amount


def test_a_retained_part_joins_the_base() -> None:
    keeping = PROTOCOL.model_copy(update={"fork": PROTOCOL.fork.model_copy(update={"retain_fraction": 0.5})})
    grown = Account("gen", AccountType.GEN_ACC, 7_200_000, 2_000_000, 7_200_000, "s")
    ids = {kind: kind.value for kind in AccountType}
    parent, gen, com = fork(grown, ids, "t", keeping).accounts
    assert (parent.balance, parent.base, gen.balance, com.balance) == (
        4_600_000,
        4_600_000,
        1_300_000,
        1_300_000,
    )
    assert not may_fork(parent, keeping)


def test_a_fork_of_a_fork_merges_beside_its_own_parent() -> None:
    first = Account("g1", AccountType.GEN_ACC, 1, 1, 1, "s1")
    com1 = Account("c1", AccountType.COM_ACC, 1, 1, 1, "s1")
    second = Account("g2", AccountType.GEN_ACC, 1, 1, 1, "s2", parent="g1")
    com2 = Account("c2", AccountType.COM_ACC, 1, 1, 1, "s2", parent="g1")
    third = Account("g3", AccountType.GEN_ACC, 60_000_000, 1, 60_000_000, "s3", parent="g2")
    done = merge(third, [first, com1, second, com2, third], True, PROTOCOL)
    assert done.accounts[1].account_id == "c2"
    without = merge(third, [first, com1, second, third], True, PROTOCOL)
    assert without.accounts[1].account_id == "c1"


def test_what_is_not_booked_by_hand() -> None:
    account = Account("g", AccountType.GEN_ACC, 1, 1, 1, "s")
    with pytest.raises(InvalidInputError, match="not booked by hand"):
        book(account, EntryKind.FORK, 1, "", PROTOCOL)


def test_weeks_to_a_split_are_counted_at_the_target() -> None:
    account = Account("g", AccountType.GEN_ACC, 2_000_000, 2_000_000, 2_000_000, "s")
    found = outlook(account, PROTOCOL)
    assert (found.missing, found.ready, found.weeks_at_target) == (50_000, False, 85)
    empty = outlook(Account("g", AccountType.GEN_ACC, 0, 0, 0, "s"), PROTOCOL)
    assert empty.weeks_at_target is None


MONDAY = date(2026, 1, 5)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(-500, 500)), max_size=20), st.integers(-1000, 1000))
def test_a_flow_is_no_return(changes: list[tuple[int, int]], flow: int) -> None:
    """The same results with a deposit or withdrawal before the first of them give a return of its own size."""
    value, days = 1_000_000, {MONDAY: Day(MONDAY, 1_000_000, 1_000_000)}
    for offset, result in sorted(dict(changes).items()):
        day = trading_day(MONDAY + timedelta(days=offset + 1))
        value += result
        days[day] = Day(day, value, 0)
    found = figures(list(days.values()), MONDAY, MONDAY + timedelta(days=70))
    assert found.total_return == pytest.approx(value / 1_000_000 - 1, abs=1e-9)
    last = MONDAY + timedelta(days=70)
    days[last] = Day(last, value + flow, flow)
    with_flow = figures(list(days.values()), MONDAY, last)
    assert with_flow.total_return == pytest.approx(found.total_return, abs=1e-9)
    assert with_flow.max_drawdown == pytest.approx(found.max_drawdown, abs=1e-9)


def test_too_few_days_carry_no_yearly_figure() -> None:
    days = [Day(MONDAY, 100, 100), Day(MONDAY + timedelta(days=1), 101, 0)]
    found = figures(days, MONDAY, MONDAY + timedelta(days=10))
    assert found.total_return == pytest.approx(0.01)
    assert (found.annualised_return, found.volatility, found.sharpe) == (None, None, None)
    assert len(found.notes) == 2
    opened_with_result = figures([Day(MONDAY, 101, 100)], MONDAY, MONDAY)
    assert opened_with_result.total_return == pytest.approx(0.01)
    assert trading_day(date(2026, 1, 10)) == trading_day(date(2026, 1, 11)) == date(2026, 1, 12)
