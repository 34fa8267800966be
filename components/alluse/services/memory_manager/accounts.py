"""Handlers of the accounts: opening, bookings, forks, merges, reinvestment, performance."""

import sqlite3
from collections.abc import Callable
from datetime import date
from secrets import token_hex
from typing import Any

from alluse.domain.accounts import (
    Account,
    Booking,
    Refusal,
    RefusedError,
    book,
    cents_of,
    fork,
    may_fork,
    merge,
    open_accounts,
    reinvest,
    usd_of,
)
from alluse.domain.accounts_performance import figures, outlook, trading_day
from alluse.runtime.errors import NotFoundError
from alluse.runtime.service import Call, Reply
from alluse.schemas.common import AccountType
from alluse.schemas.ledger import (
    AccountsAnswer,
    AccountsRequest,
    AccountView,
    BookingAnswer,
    EntriesAnswer,
    EntriesQuery,
    EntryKind,
    EntryRequest,
    ForkOutlookAnswer,
    ForkRequest,
    MergeRequest,
    Performance,
    PerformanceQuery,
    ReinvestRequest,
)
from alluse.schemas.users import UserPath
from alluse.services.memory_manager.ledger_records import (
    Opened,
    load_accounts,
    load_days,
    load_entries,
    snapshots,
    views,
    write_booking,
)
from alluse.services.memory_manager.state import State, change, now, own, tell


def _new_ids() -> tuple[dict[AccountType, str], str]:
    """Names that nobody can guess: an account's id is also its portfolio's, for all users together."""
    return {kind: f"{kind.value[:3].lower()}-{token_hex(8)}" for kind in AccountType}, f"set-{token_hex(6)}"


def _find(opened: list[Opened], account_id: str) -> Account:
    for each in opened:
        if each.account.account_id == account_id:
            return each.account
    raise NotFoundError(f"this user has no account {account_id}")


def answer_accounts(user_id: str, accounts: list[AccountView]) -> AccountsAnswer:
    total = sum(cents_of(account.balance) for account in accounts)
    return AccountsAnswer(user_id=user_id, accounts=accounts, total_balance=usd_of(total))


async def put_accounts(call: Call[State], request: AccountsRequest) -> Reply:
    user_id, context = call.params.user_id, call.context

    def work(db: sqlite3.Connection) -> AccountsAnswer:
        ids, set_id = _new_ids()
        present = [each.account for each in load_accounts(db, user_id)]
        booking = open_accounts(
            present,
            cents_of(request.initial_investment),
            ids,
            set_id,
            call.state.protocol,
            request.replace,
        )
        entries = write_booking(db, user_id, booking, now(), set_id)
        after = load_accounts(db, user_id)
        accounts = views(after, call.state.protocol)
        tell(context, db, "memory.accounts_created", user_id, booking, accounts, entries, _closed(after))
        return answer_accounts(user_id, accounts)

    return await change(call, user_id, "accounts", work, status=201)


async def get_accounts(call: Call[State], request: UserPath) -> AccountsAnswer:
    user_id = own(call, request.user_id)
    opened = await call.context.store.read(lambda db: load_accounts(db, user_id))
    return answer_accounts(user_id, views(opened, call.state.protocol))


async def post_entry(call: Call[State], request: EntryRequest) -> Reply:
    account_id = call.params.account_id

    def rule(accounts: list[Opened]) -> Booking:
        account = _find(accounts, account_id)
        other = None if request.to_account is None else _find(accounts, request.to_account)
        kind, amount = EntryKind(request.kind), cents_of(request.amount)
        return book(account, kind, amount, request.ref, call.state.protocol, other)

    return await _book(call, f"entries {account_id}", rule, "memory.booked")


async def get_entries(call: Call[State], request: EntriesQuery) -> EntriesAnswer:
    user_id = own(call, request.user_id)

    def read(db: sqlite3.Connection) -> EntriesAnswer:
        _find(load_accounts(db, user_id), request.account_id)
        return EntriesAnswer(entries=load_entries(db, user_id, request.account_id, limit=request.limit))

    return await call.context.store.read(read)


async def post_fork(call: Call[State], request: ForkRequest) -> Reply:
    def rule(accounts: list[Opened]) -> Booking:
        if request.account_id is not None:
            account = _find(accounts, request.account_id)
        else:
            able = [each.account for each in accounts if _is_gen_acc(each.account)]
            if not able:
                raise RefusedError(Refusal.NO_ACCOUNTS, "there is no Gen-Acc; open the accounts first")
            account = max(able, key=lambda each: each.surplus)
        ids, set_id = _new_ids()
        return fork(account, ids, set_id, call.state.protocol)

    return await _book(call, "fork", rule, "memory.forked")


async def post_merge(call: Call[State], request: MergeRequest) -> Reply:
    def rule(accounts: list[Opened]) -> Booking:
        account = _find(accounts, request.account_id)
        everything = [each.account for each in accounts]
        return merge(account, everything, request.positions_closed, call.state.protocol)

    return await _book(call, "merge", rule, "memory.merged")


async def post_reinvest(call: Call[State], request: ReinvestRequest) -> Reply:
    day = request.as_of or now().date()

    def rule(accounts: list[Opened]) -> Booking:
        protocol = call.state.protocol
        if request.account_id is not None:
            return reinvest(_find(accounts, request.account_id), day.year, day.month, protocol)
        return _reinvest_all([each.account for each in accounts], day, call.state)

    return await _book(call, "reinvest", rule, "memory.reinvested")


def _reinvest_all(accounts: list[Account], day: date, state: State) -> Booking:
    """Reinvest in every account that can. Raises the refusal of the last one when none can."""
    able = [each for each in accounts if not each.closed and each.type is not AccountType.GEN_ACC]
    refusal = RefusedError(Refusal.NO_ACCOUNTS, "there is no Rev-Acc or Com-Acc; open the accounts first")
    done = []
    for account in able:
        try:
            done.append(reinvest(account, day.year, day.month, state.protocol))
        except RefusedError as error:
            refusal = error
    if not done:
        raise refusal
    return Booking(
        tuple(account for each in done for account in each.accounts),
        tuple(line for each in done for line in each.lines),
    )


def _closed(accounts: list[Opened]) -> list[str]:
    return [each.account.account_id for each in accounts if each.account.closed]


def _is_gen_acc(account: Account) -> bool:
    return account.type is AccountType.GEN_ACC and not account.closed


async def _book(
    call: Call[State], operation: str, rule: Callable[[list[Opened]], Booking], event: str
) -> Reply:
    """Apply a rule to the user's accounts, write what it books and tell of it, all in one transaction."""
    user_id = call.params.user_id

    def work(db: sqlite3.Connection) -> BookingAnswer:
        protocol = call.state.protocol
        before = load_accounts(db, user_id)
        ready_before = {each.account.account_id for each in before if may_fork(each.account, protocol)}
        booking = rule(before)
        entries = write_booking(db, user_id, booking, now(), f"{operation.split()[0]}-{token_hex(6)}")
        after = load_accounts(db, user_id)
        accounts = views(after, protocol)
        tell(call.context, db, event, user_id, booking, accounts, entries, _closed(after))
        ready = {each.account.account_id for each in after if may_fork(each.account, protocol)}
        if newly := ready - ready_before:
            grown = [account for account in accounts if account.account_id in newly]
            tell(call.context, db, "memory.fork_ready", user_id, Booking((), ()), grown, [], [])
        return BookingAnswer(user_id=user_id, accounts=accounts, entries=entries)

    return await change(call, user_id, operation, work)


async def get_outlook(call: Call[State], request: UserPath) -> ForkOutlookAnswer:
    user_id = own(call, request.user_id)
    opened = await call.context.store.read(lambda db: load_accounts(db, user_id))
    found = [outlook(each.account, call.state.protocol) for each in opened if _is_gen_acc(each.account)]
    return ForkOutlookAnswer(user_id=user_id, outlook=found)


async def get_performance(call: Call[State], request: PerformanceQuery) -> Performance:
    user_id = own(call, request.user_id)
    opened, days = await call.context.store.read(
        lambda db: (load_accounts(db, user_id), load_days(db, user_id))
    )
    value = sum(each.account.balance for each in opened)
    empty: dict[str, Any] = {"first_day": None, "last_day": None}
    last = trading_day(now().date())
    first = max(date.fromordinal(last.toordinal() - request.days), days[0].day) if days else last
    found = figures(days, first, last)
    inside = [each for each in days if first <= each.day <= last]
    period = empty if not days else {"first_day": first, "last_day": last}
    return Performance(
        user_id=user_id,
        days=request.days,
        **period,
        observations=found.observations,
        value=usd_of(value),
        net_flows=usd_of(sum(each.flow for each in inside)),
        total_return=found.total_return,
        annualised_return=found.annualised_return,
        volatility=found.volatility,
        sharpe=found.sharpe,
        max_drawdown=found.max_drawdown,
        snapshots=snapshots(inside),
        notes=list(found.notes) if days else ["there are no accounts"],
    )
