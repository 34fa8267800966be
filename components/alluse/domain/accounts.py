"""The ledger's rules: three accounts of one capital, what may be booked, when an account splits or merges.

Amounts are integer cents throughout. A `Booking` is what an operation writes: the accounts after it and one
line per account that it touched. No operation makes or loses a cent: the lines of everything but openings,
premiums, deposits, withdrawals, fees and closings sum to zero, and an account's balance is always the sum of
its lines.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from alluse.domain.errors import InvalidInputError
from alluse.schemas.common import AccountType
from alluse.schemas.ledger import EntryKind
from alluse.schemas.protocol import Protocol

CENTS: Final = 100
#: Kinds that are the world's money: paid in from outside or taken out, and so no gain or loss.
EXTERNAL: Final = frozenset({EntryKind.OPENING, EntryKind.DEPOSIT, EntryKind.WITHDRAWAL, EntryKind.CLOSING})
#: Kinds that move money between the accounts of one user.
INTERNAL: Final = frozenset({EntryKind.TRANSFER, EntryKind.FORK, EntryKind.MERGE})


class Refusal(StrEnum):
    """Why the rules do not allow an operation now."""

    PRESENT = "accounts_present"
    NO_ACCOUNTS = "no_accounts"
    CLOSED = "account_closed"
    NO_WITHDRAWALS = "no_withdrawals"
    OVERDRAWN = "overdrawn"
    SAME_ACCOUNT = "same_account"
    NOT_A_GEN_ACC = "not_a_gen_acc"
    SURPLUS_TOO_SMALL = "surplus_too_small"
    NOT_FORKED = "not_forked"
    BELOW_MERGE_THRESHOLD = "below_merge_threshold"
    POSITIONS_OPEN = "positions_open"
    NO_TARGET = "no_target"
    NOT_REINVESTING = "not_reinvesting"
    NOT_A_QUARTER_END = "not_a_quarter_end"
    ALREADY_REINVESTED = "already_reinvested"
    NOTHING_EARNED = "nothing_earned"


class RefusedError(Exception):
    """The rules stand against the operation; the text says what would have to change."""

    def __init__(self, reason: Refusal, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Account:
    """One account in cents. `contracts` and `leaps` are parts of the balance set aside by reinvestment.

    `income` is premiums less fees since the last reinvestment. `set_id` names the accounts that were opened
    together; `parent` is the account it was forked from.
    """

    account_id: str
    type: AccountType
    balance: int
    base: int
    peak: int
    set_id: str
    parent: str | None = None
    contracts: int = 0
    leaps: int = 0
    income: int = 0
    net_flows: int = 0
    #: `YYYY-Qn` of the last reinvestment.
    reinvested: str | None = None
    closed: bool = False

    @property
    def surplus(self) -> int:
        return max(0, self.balance - self.base)

    @property
    def free(self) -> int:
        """What is not set aside."""
        return self.balance - self.contracts - self.leaps

    @property
    def drawdown(self) -> float:
        return 0.0 if self.peak <= 0 else max(0.0, 1.0 - self.balance / self.peak)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the ledger: signed cents of one account and its balance after. `set_aside` are cents that
    only changed their purpose within the account."""

    account_id: str
    kind: EntryKind
    amount: int
    balance: int
    ref: str = ""
    set_aside: int = 0


@dataclass(frozen=True, slots=True)
class Booking:
    """What an operation writes: changed accounts and lines, both in the order of writing."""

    accounts: tuple[Account, ...]
    lines: tuple[Line, ...]

    @property
    def cash_flow(self) -> dict[str, int]:
        """Cents that each account was given (or gave) without earning (or losing) them."""
        flows: dict[str, int] = {}
        for line in self.lines:
            if line.kind in EXTERNAL or line.kind in INTERNAL:
                flows[line.account_id] = flows.get(line.account_id, 0) + line.amount
        return flows

    @property
    def external_flow(self) -> int:
        """Cents that came into all accounts from outside (negative: went out)."""
        return sum(line.amount for line in self.lines if line.kind in EXTERNAL)


def cents_of(usd: float) -> int:
    return round(usd * CENTS)


def usd_of(cents: int) -> float:
    return cents / CENTS


def buffer_of(account: Account, protocol: Protocol) -> int:
    """The part of the balance that stays in cash, rounded up to the cent."""
    share = protocol.account(account.type).cash_buffer
    return -int(-account.balance * round(share * 1_000_000) // 1_000_000)


def investable_of(account: Account, protocol: Protocol) -> int:
    return account.balance - buffer_of(account, protocol)


def split(total: int, protocol: Protocol) -> dict[AccountType, int]:
    """The capital by account; the parts sum to the total to the cent."""
    parts: dict[AccountType, int] = {}
    share, given = 0.0, 0
    for kind in AccountType:
        share += protocol.account(kind).share
        upto = total if kind is list(AccountType)[-1] else round(total * share)
        parts[kind], given = upto - given, upto
    return parts


def open_accounts(
    present: Sequence[Account],
    total: int,
    ids: Mapping[AccountType, str],
    set_id: str,
    protocol: Protocol,
    replacing: bool = False,
) -> Booking:
    """Open the three accounts. Raises RefusedError when there are some and they are not to be replaced."""
    living = [account for account in present if not account.closed]
    if living and not replacing:
        raise RefusedError(
            Refusal.PRESENT, "this user has accounts; `replace` closes them and opens new ones"
        )
    accounts: list[Account] = []
    lines: list[Line] = []
    for account in living:
        accounts.append(_emptied(account))
        lines.append(Line(account.account_id, EntryKind.CLOSING, -account.balance, 0, "replaced"))
    for kind, amount in split(total, protocol).items():
        opened = Account(ids[kind], kind, amount, amount, amount, set_id)
        accounts.append(opened)
        lines.append(Line(opened.account_id, EntryKind.OPENING, amount, amount))
    return Booking(tuple(accounts), tuple(lines))


def book(
    account: Account, kind: EntryKind, amount: int, ref: str, protocol: Protocol, other: Account | None = None
) -> Booking:
    """Book a premium (signed), deposit, withdrawal, fee or transfer (positive).

    Raises RefusedError where the account does not allow it, InvalidInputError for other kinds.
    """
    for each in (account, other):
        if each is not None and each.closed:
            raise RefusedError(Refusal.CLOSED, f"{each.account_id} is closed")
    rules = protocol.account(account.type)
    match kind:
        case EntryKind.DEPOSIT:
            changed = _with_flow(account, amount)
        case EntryKind.PREMIUM:
            changed = _with_result(account, amount)
        case EntryKind.FEE:
            amount = -amount
            changed = _with_result(account, amount)
        case EntryKind.WITHDRAWAL | EntryKind.TRANSFER:
            if not rules.withdrawals:
                raise RefusedError(
                    Refusal.NO_WITHDRAWALS,
                    f"nothing may be taken out of a {account.type.display}: its gains are to compound",
                )
            if amount > account.free:
                raise RefusedError(
                    Refusal.OVERDRAWN,
                    f"{account.account_id} has {usd_of(account.free):.2f} USD that are not set aside",
                )
            amount = -amount
            changed = _with_flow(account, amount)
        case _:
            raise InvalidInputError("kind", f"{kind} is not booked by hand")
    if changed.balance < 0 or changed.free < 0:
        raise RefusedError(
            Refusal.OVERDRAWN,
            f"{account.account_id} has {usd_of(account.free):.2f} USD that are not set aside; book a "
            "deposit first",
        )
    line = Line(account.account_id, kind, amount, changed.balance, ref)
    if other is None:
        return Booking((changed,), (line,))
    if other.account_id == account.account_id:
        raise RefusedError(Refusal.SAME_ACCOUNT, "a transfer needs two accounts")
    given = _with_flow(other, -amount)
    return Booking((changed, given), (line, Line(other.account_id, kind, -amount, given.balance, ref)))


def fork(account: Account, ids: Mapping[AccountType, str], set_id: str, protocol: Protocol) -> Booking:
    """Split a Gen-Acc's surplus into a new Gen-Acc and a new Com-Acc, half each (odd cent to the Gen-Acc).

    The part that `protocol.fork.retain_fraction` keeps back joins the account's base.
    """
    if account.closed:
        raise RefusedError(Refusal.CLOSED, f"{account.account_id} is closed")
    if account.type is not AccountType.GEN_ACC:
        raise RefusedError(
            Refusal.NOT_A_GEN_ACC, f"only a Gen-Acc splits; {account.account_id} is a {account.type.display}"
        )
    trigger = cents_of(protocol.fork.surplus_trigger)
    if account.surplus < trigger:
        raise RefusedError(
            Refusal.SURPLUS_TOO_SMALL,
            f"the surplus over the base is {usd_of(account.surplus):.2f} USD; "
            f"{usd_of(trigger - account.surplus):.2f} USD are missing to {usd_of(trigger):.2f}",
        )
    leaving = account.surplus - round(account.surplus * protocol.fork.retain_fraction)
    if leaving > account.free:
        raise RefusedError(Refusal.POSITIONS_OPEN, "part of the surplus is set aside for positions")
    kept = account.surplus - leaving
    parent = _with_flow(account, -leaving)
    parent = replace(parent, base=account.base + kept)
    half = leaving // 2
    parts = {AccountType.GEN_ACC: leaving - half, AccountType.COM_ACC: half}
    born = [
        Account(ids[kind], kind, amount, amount, amount, set_id, parent=account.account_id, net_flows=0)
        for kind, amount in parts.items()
    ]
    lines = [Line(account.account_id, EntryKind.FORK, -leaving, parent.balance, "split")]
    lines += [
        Line(child.account_id, EntryKind.FORK, child.balance, child.balance, account.account_id)
        for child in born
    ]
    return Booking((parent, *born), tuple(lines))


def merge(
    account: Account, everything: Sequence[Account], positions_closed: bool, protocol: Protocol
) -> Booking:
    """Move a grown forked account into the Com-Acc that stands beside its parent."""
    if account.closed:
        raise RefusedError(Refusal.CLOSED, f"{account.account_id} is closed")
    if account.parent is None:
        raise RefusedError(Refusal.NOT_FORKED, f"{account.account_id} was not forked from another account")
    threshold = cents_of(protocol.fork.merge_threshold)
    if account.balance < threshold:
        raise RefusedError(
            Refusal.BELOW_MERGE_THRESHOLD,
            f"{account.account_id} holds {usd_of(account.balance):.2f} USD; it merges from "
            f"{usd_of(threshold):.2f} USD",
        )
    if not positions_closed or account.contracts or account.leaps:
        raise RefusedError(Refusal.POSITIONS_OPEN, "close the account's positions first and state it")
    target = merge_target(account, everything)
    if target is None:
        raise RefusedError(Refusal.NO_TARGET, "there is no open Com-Acc above this account")
    given = _with_flow(target, account.balance)
    lines = (
        Line(account.account_id, EntryKind.MERGE, -account.balance, 0, target.account_id),
        Line(target.account_id, EntryKind.MERGE, account.balance, given.balance, account.account_id),
    )
    return Booking((_emptied(account), given), lines)


def merge_target(account: Account, everything: Sequence[Account]) -> Account | None:
    """The open Com-Acc beside the nearest ancestor that has one."""
    by_id = {each.account_id: each for each in everything}
    ancestor = by_id.get(account.parent or "")
    while ancestor is not None:
        beside = [
            each
            for each in everything
            if each.set_id == ancestor.set_id
            and each.type is AccountType.COM_ACC
            and not each.closed
            and each.account_id != account.account_id
        ]
        if beside:
            return beside[0]
        ancestor = by_id.get(ancestor.parent or "")
    return None


def reinvest(account: Account, year: int, month: int, protocol: Protocol) -> Booking:
    """Set the income since the last reinvestment aside: three quarters for contracts, the rest for LEAPS.

    Nothing leaves the account; never more than what is free beyond its cash buffer.
    """
    rules = protocol.reinvestment
    if account.closed:
        raise RefusedError(Refusal.CLOSED, f"{account.account_id} is closed")
    if account.type is AccountType.GEN_ACC:
        raise RefusedError(Refusal.NOT_REINVESTING, "a Gen-Acc grows by splitting, not by reinvestment")
    if month not in rules.months:
        months = ", ".join(str(each) for each in rules.months)
        raise RefusedError(
            Refusal.NOT_A_QUARTER_END, f"income is reinvested in months {months}; this is month {month}"
        )
    quarter = f"{year}-Q{(month + 2) // 3}"
    if account.reinvested == quarter:
        raise RefusedError(Refusal.ALREADY_REINVESTED, f"{account.account_id} was reinvested in {quarter}")
    amount = min(account.income, account.free - buffer_of(account, protocol))
    if amount <= 0:
        raise RefusedError(
            Refusal.NOTHING_EARNED, f"{account.account_id} has earned nothing to reinvest since the last time"
        )
    contracts = round(amount * rules.contracts_share)
    changed = replace(
        account,
        contracts=account.contracts + contracts,
        leaps=account.leaps + amount - contracts,
        income=account.income - amount,
        reinvested=quarter,
    )
    lines = tuple(
        Line(account.account_id, EntryKind.ALLOCATION, 0, account.balance, name, part)
        for name, part in (("contracts", contracts), ("leaps", amount - contracts))
    )
    return Booking((changed,), lines)


def may_fork(account: Account, protocol: Protocol) -> bool:
    return (
        not account.closed
        and account.type is AccountType.GEN_ACC
        and account.surplus >= cents_of(protocol.fork.surplus_trigger)
    )


def _with_result(account: Account, amount: int) -> Account:
    """After a gain or loss: neither base nor flows change."""
    balance = account.balance + amount
    return replace(account, balance=balance, peak=max(account.peak, balance), income=account.income + amount)


def _with_flow(account: Account, amount: int) -> Account:
    """After money was paid in (or taken out): the base follows, and the peak is scaled like the balance, so
    that the drawdown before and after is the same. What is taken out is surplus first."""
    balance = account.balance + amount
    base = account.base + amount if amount > 0 else min(account.base, balance)
    if account.balance > 0 and balance >= 0:
        peak = -(-account.peak * balance // account.balance)
    else:
        peak = account.peak + amount
    return replace(
        account,
        balance=balance,
        base=max(0, base),
        peak=max(peak, balance),
        net_flows=account.net_flows + amount,
    )


def _emptied(account: Account) -> Account:
    return replace(
        account,
        balance=0,
        base=0,
        peak=0,
        contracts=0,
        leaps=0,
        income=0,
        net_flows=account.net_flows - account.balance,
        closed=True,
    )
