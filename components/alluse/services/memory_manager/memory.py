"""memory-manager as a component: endpoints, consumers, health, and its golden case."""

import sqlite3
import time
from typing import Any

from alluse.domain.accounts import CENTS, book, fork, open_accounts, reinvest
from alluse.runtime.context import Context
from alluse.runtime.errors import CheckDegradedError, CheckFailedError
from alluse.runtime.events import Event
from alluse.runtime.service import Check, Endpoint, Service, Task
from alluse.schemas.common import AccountType
from alluse.schemas.ledger import (
    AccountPath,
    AccountsAnswer,
    AccountsRequest,
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
from alluse.schemas.memory import (
    ContextAnswer,
    EraseAnswer,
    ExportAnswer,
    Message,
    MessageRequest,
    MessagesAnswer,
    MessagesQuery,
    ProtocolStateAnswer,
    SummaryAnswer,
    TurnAnswer,
    TurnRequest,
)
from alluse.schemas.protocol import Protocol
from alluse.schemas.users import PreferencesAnswer, PreferencesPatch, UserPath, WeekClass, WeekRequest
from alluse.services.golden import expect
from alluse.services.memory_manager import accounts, talks
from alluse.services.memory_manager.conversation_records import put_signal
from alluse.services.memory_manager.state import State, fresh_state, now
from alluse.services.memory_manager.tables import MIGRATIONS
from alluse.services.parameters import PROTOCOL_CHECK

BUDGET = "components.agent_core.response_timeout"
PROBE_EVERY_S = 5.0
#: What half of the writes of a minute may take: the slowest are those of a machine that is busy elsewhere;
#: and a disk that syncs in tens of milliseconds is no illness. From here on answers come too late.
PROBE_LIMIT_S = 0.25
ENOUGH_PROBES = 3
#: An age from which on the store does not write any more.
PROBE_STALE_S = 20.0
USER = "/v1/users/{user_id}"


async def open_state(context: Context[State]) -> State:
    # What is erased shall not stay readable in the file's free pages.
    await context.store.read(lambda db: db.execute("PRAGMA secure_delete = ON").fetchall())
    await context.store.write(_probe)
    return fresh_state(context)


def _probe(db: sqlite3.Connection) -> None:
    db.execute("INSERT OR REPLACE INTO probe VALUES (1, ?)", (time.time(),))


async def probe(context: Context[State]) -> None:
    """Write a row, and remember how long that took."""
    started = time.monotonic()
    await context.store.write(_probe)
    context.state.probed_at = time.monotonic()
    context.state.probes.add(context.state.probed_at - started)


async def _check_store(context: Context[State]) -> str:
    age = time.monotonic() - context.state.probed_at
    if age > PROBE_STALE_S:
        raise CheckFailedError(f"the store was last written {age:.0f} s ago")
    usual = context.state.probes.percentile(0.5, enough=ENOUGH_PROBES)
    if usual is None:
        return f"written {age:.0f} s ago"
    if usual > PROBE_LIMIT_S:
        raise CheckDegradedError(f"a write takes {usual * 1000:.0f} ms, more than {PROBE_LIMIT_S * 1000:.0f}")
    return f"a write takes {usual * 1000:.1f} ms"


async def take_condition(context: Context[State], event: Event) -> None:
    await _keep(context, "market", event.data.get("symbol"), event)


async def take_protection(context: Context[State], event: Event) -> None:
    await _keep(context, "protection", event.data.get("portfolio_id"), event)


async def take_optimisation(context: Context[State], event: Event) -> None:
    await _keep(context, "optimisation", event.data.get("portfolio_id"), event)


async def _keep(context: Context[State], kind: str, subject: object, event: Event) -> None:
    if isinstance(subject, str) and subject:
        data = {"event": event.name, **event.data}
        await context.store.write(lambda db: put_signal(db, kind, subject, now().isoformat(), data))


def golden() -> None:
    """50,000 USD in three accounts; a surplus of 52,000 split in halves; a quarter's 1,000 set aside."""
    protocol = Protocol()
    ids = {kind: kind.value.lower() for kind in AccountType}
    opened = open_accounts((), 50_000 * CENTS, ids, "first", protocol)
    balances = [account.balance // CENTS for account in opened.accounts]
    expect("balances after setup", balances, [20_000, 15_000, 15_000])
    gen, rev, _ = opened.accounts
    grown = book(gen, EntryKind.PREMIUM, 52_000 * CENTS, "", protocol).accounts[0]
    born = {kind: f"{kind.value.lower()}-2" for kind in AccountType}
    halves = fork(grown, born, "second", protocol).accounts
    expect("balances after the fork", [each.balance // CENTS for each in halves], [20_000, 26_000, 26_000])
    earned = book(rev, EntryKind.PREMIUM, 1_000 * CENTS, "", protocol).accounts[0]
    aside = reinvest(earned, 2026, 3, protocol).accounts[0]
    expect("set aside", [aside.contracts, aside.leaps, aside.balance], [75_000, 25_000, 1_600_000])


def _post(path: str, handler: Any, request: Any, answer: Any, summary: str, **more: Any) -> Endpoint:
    fields = {"params": UserPath, "errors": (403, 404, 409, 422), **more}
    return Endpoint("POST", USER + path, handler, request, answer, summary, **fields)


def _get(path: str, handler: Any, answer: Any, summary: str, request: Any = UserPath) -> Endpoint:
    return Endpoint(
        "GET", USER + path, handler, request, answer, summary, budget=BUDGET, errors=(403, 404, 422)
    )


SERVICE: Service[State] = Service(
    name="memory-manager",
    open=open_state,
    selftest=golden,
    migrations=MIGRATIONS,
    durable=True,
    checks=(PROTOCOL_CHECK, Check("store", _check_store)),
    tasks=(Task("probe", probe, PROBE_EVERY_S),),
    consumers={
        "market.condition_changed": take_condition,
        "protection.activated": take_protection,
        "protection.escalated": take_protection,
        "protection.relaxed": take_protection,
        "protection.ended": take_protection,
        "portfolio.optimized": take_optimisation,
        "portfolio.rebalance_advised": take_optimisation,
    },
    endpoints=(
        _post("/messages", talks.post_message, MessageRequest, Message, "Append a message", status=201),
        _get("/messages", talks.get_messages, MessagesAnswer, "The latest messages", MessagesQuery),
        _get("/summary", talks.get_summary, SummaryAnswer, "Topics, stage and engagement"),
        _post(
            "/turns",
            talks.post_turn,
            TurnRequest,
            TurnAnswer,
            "Store a whole turn",
            status=201,
            budget=BUDGET,
        ),
        _get("/context", talks.get_context, ContextAnswer, "What the agent has to know"),
        Endpoint(
            "PUT",
            USER + "/accounts",
            accounts.put_accounts,
            AccountsRequest,
            AccountsAnswer,
            "Open the three accounts",
            status=201,
            params=UserPath,
            errors=(403, 409, 422),
        ),
        _get("/accounts", accounts.get_accounts, AccountsAnswer, "The open accounts"),
        _post(
            "/accounts/{account_id}/entries",
            accounts.post_entry,
            EntryRequest,
            BookingAnswer,
            "Book a premium, deposit, withdrawal, fee or transfer",
            params=AccountPath,
        ),
        _get(
            "/accounts/{account_id}/entries",
            accounts.get_entries,
            EntriesAnswer,
            "An account's bookings",
            EntriesQuery,
        ),
        _post("/fork", accounts.post_fork, ForkRequest, BookingAnswer, "Split a Gen-Acc"),
        _post("/merge", accounts.post_merge, MergeRequest, BookingAnswer, "Merge a grown forked account"),
        _post(
            "/reinvest", accounts.post_reinvest, ReinvestRequest, BookingAnswer, "Reinvest a quarter's income"
        ),
        _get(
            "/fork-outlook", accounts.get_outlook, ForkOutlookAnswer, "How far each Gen-Acc is from a split"
        ),
        _get(
            "/performance", accounts.get_performance, Performance, "Time-weighted returns", PerformanceQuery
        ),
        _get(
            "/protocol-state",
            talks.get_protocol_state,
            ProtocolStateAnswer,
            "Accounts, week, decisions, forks",
        ),
        Endpoint(
            "PUT",
            USER + "/week",
            talks.put_week,
            WeekRequest,
            WeekClass,
            "Classify the week",
            params=UserPath,
            errors=(403, 422),
        ),
        _get("/preferences", talks.get_preferences, PreferencesAnswer, "Stated and inferred preferences"),
        Endpoint(
            "PATCH",
            USER + "/preferences",
            talks.patch_preferences,
            PreferencesPatch,
            PreferencesAnswer,
            "State preferences",
            params=UserPath,
            errors=(403, 422),
        ),
        _get("/export", talks.export_user, ExportAnswer, "Everything that is kept of a user"),
        Endpoint(
            "DELETE",
            USER,
            talks.erase_user,
            UserPath,
            EraseAnswer,
            "Erase a user",
            errors=(403, 422),
        ),
    ),
)
