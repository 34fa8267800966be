"""Handlers, loop and self-test of drawdown-protection."""

import sqlite3
import time
from datetime import UTC, datetime, timedelta

from alluse.domain.drawdown import (
    Observation,
    Rules,
    observe,
    restart,
    standing,
)
from alluse.domain.errors import InvalidInputError
from alluse.domain.reduction import confirmed, holdings_of, propose
from alluse.runtime.context import Context
from alluse.runtime.errors import CheckFailedError, NotFoundError
from alluse.runtime.service import Call, Check, Endpoint, Service, Task
from alluse.schemas.common import Portfolio
from alluse.schemas.drawdown import (
    ActivateAnswer,
    ActivateRequest,
    Change,
    CheckAnswer,
    CheckRequest,
    PortfolioPath,
    PortfolioQuery,
    PortfolioState,
    ProtectedList,
    Protection,
    ProtectionLevel,
    ResetRequest,
)
from alluse.schemas.protocol import Protocol
from alluse.services.drawdown_protection import records
from alluse.services.drawdown_protection.observing import (
    State,
    observation_of,
    observe_and_save,
    rules_of,
    show_level,
    take_ledger,
    take_value,
    tell,
)
from alluse.services.golden import expect
from alluse.services.parameters import PROTOCOL_CHECK, Parameters

BUDGET = "components.risk_management.monitoring_interval"
KEY_INTERVAL = "components.risk_management.protection_interval_s"


async def open_state(context: Context[State]) -> State:
    # Every state must be readable before anything is answered from it.
    await context.store.read(records.load_all)
    return State(Parameters(context.config), time.monotonic())


async def check(call: Call[State], request: CheckRequest) -> CheckAnswer:
    at, rules = datetime.now(UTC), _rules(call)
    state = await call.context.store.write(
        lambda db: observe_and_save(call.context, db, request, request.cash_flow, at, rules)
    )
    show_level(call.context, state)
    return standing(state, at, rules)


async def activate(call: Call[State], request: ActivateRequest) -> ActivateAnswer:
    """Propose reductions; a dry run observes nothing and remembers only that it was asked."""
    at, rules = datetime.now(UTC), _rules(call)
    portfolio = request.portfolio
    implied = None
    if request.drawdown:
        if portfolio.total_value <= 0:
            raise InvalidInputError(
                "portfolio.total_value", "must be positive for a drawdown to mean anything"
            )
        implied = portfolio.total_value / (1.0 - request.drawdown)

    def work(db: sqlite3.Connection) -> ActivateAnswer:
        if not request.dry_run:
            observed = observe_and_save(call.context, db, portfolio, portfolio.cash_flow, at, rules, implied)
            state, answer = propose(observed, portfolio.positions, {}, at, rules, dry_run=False)
            records.save(db, state)
            return answer
        known = records.load(db, portfolio.portfolio_id)
        seen = observation_of(known, portfolio, portfolio.cash_flow, at, implied)
        supposed, _ = observe(known, portfolio.portfolio_id, seen, rules)
        asked, answer = propose(supposed, portfolio.positions, {}, at, rules, dry_run=True)
        if known is not None and asked is not supposed:
            proposal = {"proposed_at": asked.proposed_at, "proposed_level": asked.proposed_level}
            records.save(db, known.model_copy(update=proposal))
        return answer

    return await call.context.store.write(work)


async def report(call: Call[State], request: Portfolio) -> CheckAnswer:
    """The positions as they are after the reductions: an outstanding proposal counts as carried out."""
    if request.portfolio_id != call.params.portfolio_id:
        raise InvalidInputError(
            "portfolio_id", f"is {request.portfolio_id} in the body; the path says {call.params.portfolio_id}"
        )
    at, rules = datetime.now(UTC), _rules(call)

    def work(db: sqlite3.Connection) -> Protection:
        state = confirmed(observe_and_save(call.context, db, request, 0.0, at, rules), at)
        records.save(db, state)
        return state

    state = await call.context.store.write(work)
    show_level(call.context, state)
    return standing(state, at, rules)


async def show(call: Call[State], request: PortfolioQuery) -> PortfolioState:
    def read(db: sqlite3.Connection) -> tuple[Protection, list[Change]]:
        return _known(db, request.portfolio_id), records.changes_of(db, request.portfolio_id, request.history)

    state, changes = await call.context.store.read(read)
    now = standing(state, datetime.now(UTC), _rules(call))
    return PortfolioState(**dict(now), account_type=state.account_type, history=changes)


async def list_all(call: Call[State]) -> ProtectedList:
    states = await call.context.store.read(records.load_all)
    now, rules = datetime.now(UTC), _rules(call)
    return ProtectedList(portfolios=[standing(state, now, rules) for state in states])


async def reset(call: Call[State], request: ResetRequest) -> CheckAnswer:
    at, rules = datetime.now(UTC), _rules(call)

    def work(db: sqlite3.Connection) -> Protection:
        before = _known(db, call.params.portfolio_id)
        state, change = restart(before, at, request.by, request.reason)
        records.save(db, state, [change])
        if before.level is not ProtectionLevel.NONE:
            tell(call.context, db, state, change.model_copy(update={"kind": "ended"}), rules)
        return state

    state = await call.context.store.write(work)
    call.context.log.warning(
        "protection reset", portfolio=state.portfolio_id, by=request.by, reason=request.reason
    )
    show_level(call.context, state)
    return standing(state, at, rules)


async def loop(context: Context[State]) -> None:
    """Read every state: the store works, and the gauges tell of every portfolio after a restart."""
    states = await context.store.read(records.load_all)
    for state in states:
        show_level(context, state)
    context.state.portfolios = len(states)
    context.state.protected = sum(state.level is not ProtectionLevel.NONE for state in states)
    context.state.looped_at = time.monotonic()
    context.state.loops += 1


def _rules(call: Call[State]) -> Rules:
    return rules_of(call.state.parameters.protocol)


def _known(db: sqlite3.Connection, portfolio_id: str) -> Protection:
    state = records.load(db, portfolio_id)
    if state is None:
        raise NotFoundError(f"{portfolio_id} was never checked; POST /v1/check first")
    return state


async def _check_loop(context: Context[State]) -> str:
    age, interval = time.monotonic() - context.state.looped_at, context.config.number(KEY_INTERVAL)
    if age > 2 * interval:
        raise CheckFailedError(f"the states were last read {age:.0f} s ago, more than 2 x {interval:.0f} s")
    return f"{context.state.portfolios} portfolios, {context.state.protected} under protection"


def golden() -> None:
    """A fall by levels, half recovered and held, nine tenths recovered; and reductions of a tenth."""
    start, rules = datetime(2026, 1, 5, tzinfo=UTC), rules_of(Protocol())
    state, _ = observe(None, "golden", Observation(100_000, start), rules)
    for hours, value, level, factor in (
        (0, 95_000, ProtectionLevel.LIGHT, 0.8),
        (0, 90_000, ProtectionLevel.MODERATE, 0.6),
        (0, 85_000, ProtectionLevel.AGGRESSIVE, 0.4),
        (0, 80_000, ProtectionLevel.EMERGENCY, 0.2),
        (1, 90_000, ProtectionLevel.EMERGENCY, 0.2),
        (24, 90_000, ProtectionLevel.EMERGENCY, 0.2),
        (25, 90_000, ProtectionLevel.AGGRESSIVE, 0.4),
        (26, 98_000, ProtectionLevel.NONE, 1.0),
    ):
        at = start + timedelta(hours=hours)
        state, _ = observe(state, "golden", Observation(value, at), rules)
        expect(f"level at {value}", state.level, level)
        expect(f"exposure at {value}", standing(state, at, rules).exposure_factor, factor)
    expect("peak", state.peak, 100_000.0)
    book = Portfolio.model_validate(
        {
            "portfolio_id": "golden",
            "cash": 35_000,
            "peak_value": 50_000,
            "positions": [{"symbol": "AAPL", "quantity": 100, "price": 100}],
        }
    )
    seen = Observation(book.total_value, start, book.peak_value, holdings=holdings_of(book.positions))
    state, _ = observe(None, "golden", seen, rules)
    _, answer = propose(state, book.positions, {}, start, rules, dry_run=True)
    expect("level of a tenth", answer.protection_level, ProtectionLevel.MODERATE)
    expect("remaining quantity", [adjustment.to for adjustment in answer.adjustments_made], [60.0])


SERVICE: Service[State] = Service(
    name="drawdown-protection",
    open=open_state,
    selftest=golden,
    migrations=records.MIGRATIONS,
    durable=True,
    checks=(PROTOCOL_CHECK, Check("loop", _check_loop)),
    tasks=(Task("loop", loop, lambda context: context.config.number(KEY_INTERVAL)),),
    consumers={
        "risk.assessed": take_value,
        "memory.accounts_created": take_ledger,
        "memory.forked": take_ledger,
        "memory.merged": take_ledger,
        "memory.reinvested": take_ledger,
        "memory.booked": take_ledger,
        "memory.erased": take_ledger,
    },
    endpoints=(
        Endpoint(
            "POST",
            "/v1/check",
            check,
            CheckRequest,
            CheckAnswer,
            "How far a portfolio has fallen and how it is protected",
            budget=BUDGET,
            changes_state=True,
            errors=(422,),
        ),
        Endpoint(
            "POST",
            "/v1/activate",
            activate,
            ActivateRequest,
            ActivateAnswer,
            "Propose the reductions of the present level",
            budget=BUDGET,
            changes_state=True,
            errors=(422,),
        ),
        Endpoint(
            "PUT",
            "/v1/portfolios/{portfolio_id}",
            report,
            Portfolio,
            CheckAnswer,
            "Report the positions after the reductions",
            params=PortfolioPath,
            errors=(422,),
        ),
        Endpoint(
            "GET",
            "/v1/portfolios/{portfolio_id}",
            show,
            PortfolioQuery,
            PortfolioState,
            "A portfolio with its changes of level",
            errors=(404, 422),
        ),
        Endpoint("GET", "/v1/portfolios", list_all, answer=ProtectedList, summary="Every portfolio seen"),
        Endpoint(
            "POST",
            "/v1/portfolios/{portfolio_id}/reset",
            reset,
            ResetRequest,
            CheckAnswer,
            "Begin anew from the present value",
            params=PortfolioPath,
            changes_state=True,
            errors=(404, 422),
        ),
    ),
)
