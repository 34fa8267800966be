"""Handlers, sweep and self-test of portfolio-risk-monitor.

An assessment that somebody asks for changes nothing and is told to nobody. A watched portfolio is assessed
when it changes and every `loop_interval_s`; its result, its alerts and their events are written in one
transaction.
"""

import hashlib
import sqlite3
import time
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from alluse.domain.backtest import WINDOW, backtest
from alluse.domain.book import LEAST_DAYS, History, read_book
from alluse.domain.covariance import ledoit_wolf
from alluse.domain.errors import DomainError, InsufficientDataError, InvalidInputError
from alluse.domain.risk import assess
from alluse.domain.risk_score import Limits
from alluse.domain.tail_risk import parametric_tail
from alluse.runtime.context import Context
from alluse.runtime.errors import (
    CheckDegradedError,
    CheckFailedError,
    NotFoundError,
    SelfTestError,
    UnavailableError,
)
from alluse.runtime.events import Event
from alluse.runtime.service import Call, Check, Endpoint, Reply, Service, Task
from alluse.schemas.risk import (
    AlertEntry,
    Assessment,
    AssessRequest,
    Backtest,
    BacktestQuery,
    HistoryEntry,
    PortfolioPath,
    PortfolioQuery,
    WatchedList,
    WatchedPortfolio,
    WatchedSummary,
    WatchRequest,
)
from alluse.services.golden import expect
from alluse.services.golden_window import LAST_DAY, SYMBOLS, golden_returns
from alluse.services.market_feed import MarketHistory, known_symbols, market_history, returns_of
from alluse.services.portfolio_risk_monitor import records
from alluse.services.portfolio_risk_monitor.records import Watched

BUDGET = "components.risk_management.monitoring_interval"
KEY_INTERVAL = "components.risk_management.loop_interval_s"
KEY_THRESHOLD = "components.risk_management.alert_threshold"
#: The risk of a portfolio that is asked again with the same market is the same.
RESULTS_CACHE = "assessments"
_SIGNIFICANCE = 0.05
#: Risk-free rate at which options are priced.
_RATE = 0.02


@dataclass(slots=True)
class State:
    """When the last sweep ended (monotonic seconds), and what it could not assess, by portfolio."""

    swept_at: float
    problems: dict[str, str]
    watched: int = 0


async def open_state(context: Context[State]) -> State:
    return State(swept_at=time.monotonic(), problems={})


async def assess_now(call: Call[State], request: AssessRequest) -> Assessment:
    kept = await call.context.store.read(lambda db: records.load(db, request.portfolio_id))
    return await _assess(call.context, request, kept.peak if kept else None)


async def watch(call: Call[State], request: WatchRequest) -> Reply:
    """Keep a portfolio under watch; answered with its first assessment, or with why there is none yet."""
    portfolio_id = call.params.portfolio_id
    if request.portfolio_id != portfolio_id:
        raise InvalidInputError(
            "portfolio_id", f"is {request.portfolio_id} in the body; the path says {portfolio_id}"
        )
    at = datetime.now(UTC)

    def update(db: sqlite3.Connection) -> tuple[Watched, bool]:
        before = records.load(db, portfolio_id)
        after = records.updated(before, request, at)
        records.save(db, after)
        return after, before is None

    watched, new = await call.context.store.write(update)
    await _reassess(call.context, watched)
    return Reply(await _read(call.context, portfolio_id, 0), status=201 if new else 200)


async def show(call: Call[State], request: PortfolioQuery) -> WatchedPortfolio:
    return await _read(call.context, request.portfolio_id, request.history)


async def list_watched(call: Call[State]) -> WatchedList:
    watched = await call.context.store.read(records.load_all)
    return WatchedList(
        portfolios=[
            WatchedSummary(
                portfolio_id=each.portfolio_id,
                total_value=each.portfolio.total_value,
                peak_value=round(each.peak, 2),
                assessed_at=each.assessed_at,
                overall_risk_level=each.assessment.overall_risk_level if each.assessment else None,
                risk_score=each.assessment.risk_score if each.assessment else None,
                problem=each.problem,
            )
            for each in watched
        ]
    )


async def forget(call: Call[State], request: PortfolioPath) -> None:
    if not await call.context.store.write(lambda db: records.remove(db, request.portfolio_id)):
        raise NotFoundError(f"{request.portfolio_id} is not watched")
    call.state.problems.pop(request.portfolio_id, None)
    _var_gauge(call.context).drop(portfolio=request.portfolio_id, level="0.95")
    _var_gauge(call.context).drop(portfolio=request.portfolio_id, level="0.99")


async def test_back(call: Call[State], request: BacktestQuery) -> Backtest:
    watched = await call.context.store.read(lambda db: records.load(db, request.portfolio_id))
    if watched is None:
        raise NotFoundError(f"{request.portfolio_id} is not watched; PUT it first")
    portfolio = watched.portfolio
    as_of = request.as_of or portfolio.as_of
    symbols = sorted({position.symbol for position in portfolio.positions})
    if foreign := sorted(set(symbols) - await known_symbols(call.context)):
        raise InsufficientDataError("portfolio_id", f"there are no returns of {', '.join(foreign)}")
    if not symbols:
        raise InsufficientDataError("portfolio_id", "the portfolio has no positions")
    found = await returns_of(call.context, symbols, WINDOW + request.days, as_of)
    history = History(found.symbols, found.values, found.days[-1])
    book = read_book(portfolio, history, as_of=as_of or found.days[-1], rate=_RATE)
    weights = np.array([book.weights[book.known.index(symbol)] for symbol in found.symbols])
    result = await call.context.compute(backtest, found.values, weights, request.level, request.method)
    return Backtest(
        portfolio_id=request.portfolio_id,
        method=request.method,
        level=request.level,
        days=result.days,
        exceptions=result.exceptions,
        expected=result.expected,
        exception_rate=result.exceptions / result.days,
        statistic=result.statistic,
        p_value=result.p_value,
        accepted=not result.rejected(_SIGNIFICANCE),
        first_date=found.days[WINDOW],
        last_date=found.days[-1],
        synthetic=sorted(found.synthetic),
    )


async def sweep(context: Context[State]) -> None:
    """Assess every watched portfolio."""
    watched = await context.store.read(records.load_all)
    for each in watched:
        await _reassess(context, each)
    context.state.watched = len(watched)
    context.state.swept_at = time.monotonic()


async def take_ledger(context: Context[State], event: Event) -> None:
    """Deposits and withdrawals that the ledger announces: `cash_flow` is USD by portfolio."""
    flows = event.data.get("cash_flow")
    if not isinstance(flows, dict):
        return
    amounts = {str(name): float(usd) for name, usd in flows.items() if isinstance(usd, int | float)}

    def note(db: sqlite3.Connection) -> None:
        for portfolio_id, usd in amounts.items():
            records.announce_flow(db, portfolio_id, usd)

    await context.store.write(note)


async def refresh_market(context: Context[State], event: Event) -> None:
    """A symbol's condition changed: what is remembered of the market may be old."""
    context.cache("market").clear()


async def _assess(context: Context[State], request: AssessRequest, kept_peak: float | None) -> Assessment:
    """Assess with the caller's returns or the market's; 503 where only the market could have helped."""
    market = await _market(context, request)
    limits = Limits(alert_threshold=context.config.number(KEY_THRESHOLD))
    cache = context.cache(RESULTS_CACHE)
    key = _key(request, market.history, kept_peak, limits)
    found: Assessment | None = cache.get(key)
    if found is None:
        try:
            found = await context.compute(_compute, request, market.history, kept_peak, limits)
        except InsufficientDataError as error:
            if market.problem is None:
                raise
            raise UnavailableError(f"{error.message}; {market.problem}") from None
        cache.put(key, found)
    return found


def _compute(request: AssessRequest, history: History, kept_peak: float | None, limits: Limits) -> Assessment:
    return assess(request, history, kept_peak=kept_peak, limits=limits, rate=_RATE)


async def _market(context: Context[State], request: AssessRequest) -> MarketHistory:
    if request.returns is not None:
        return MarketHistory(_given(request.returns, request.as_of or datetime.now(UTC).date()))
    return await market_history(context, [p.symbol for p in request.positions], request.as_of)


def _given(returns: dict[str, list[float]], last_date: date) -> History:
    """The caller's own returns, cut to their common length; too short ones count as none."""
    long_enough = {symbol: values for symbol, values in returns.items() if len(values) >= LEAST_DAYS}
    days = min((len(values) for values in long_enough.values()), default=0)
    columns = [np.array(values[-days:]) for values in long_enough.values()]
    matrix = np.column_stack(columns) if columns else np.zeros((0, 0))
    return History(tuple(long_enough), matrix, last_date)


def _key(request: AssessRequest, history: History, peak: float | None, limits: Limits) -> str:
    content = f"{request.model_dump_json()}|{history.symbols}|{history.last_date}|{peak}|{limits}"
    return hashlib.sha256(content.encode()).hexdigest()


async def _reassess(context: Context[State], watched: Watched) -> None:
    """Assess a watched portfolio and write result, alerts and events together."""
    at = datetime.now(UTC)
    request = AssessRequest.model_validate(watched.portfolio.model_dump())
    try:
        found = await _assess(context, request, watched.peak)
    except (DomainError, UnavailableError) as error:
        problem = str(error)
        context.state.problems[watched.portfolio_id] = problem
        await context.store.write(lambda db: _note_problem(db, watched.portfolio_id, problem))
        return
    context.state.problems.pop(watched.portfolio_id, None)
    await context.store.write(lambda db: _note_result(context, db, watched, found, at))
    if found.var is not None:
        gauge = _var_gauge(context)
        gauge.set(found.var.level_95.ratio, portfolio=watched.portfolio_id, level="0.95")
        gauge.set(found.var.level_99.ratio, portfolio=watched.portfolio_id, level="0.99")


def _note_problem(db: sqlite3.Connection, portfolio_id: str, problem: str) -> None:
    present = records.load(db, portfolio_id)
    if present is not None:
        records.save(db, replace(present, problem=problem))


def _note_result(
    context: Context[State], db: sqlite3.Connection, assessed: Watched, found: Assessment, at: datetime
) -> None:
    present = records.load(db, assessed.portfolio_id)
    if present is None or present.revision != assessed.revision:
        # It was changed or removed meanwhile: the result is of a portfolio that is no more.
        return
    records.save(db, replace(present, assessed_at=at, assessment=found, problem=None))
    records.add_result(db, present.portfolio_id, _entry(found, at))
    _tell(context, db, present, found, at)


def _tell(
    context: Context[State], db: sqlite3.Connection, before: Watched, found: Assessment, at: datetime
) -> None:
    """Events of one assessment: the assessment itself, and limits newly broken or kept again."""
    portfolio_id = found.portfolio_id
    context.events.enqueue(
        db,
        "risk.assessed",
        {
            "portfolio_id": portfolio_id,
            "total_value": found.total_value,
            "peak_value": found.peak_value,
            "level": found.overall_risk_level,
            "score": found.risk_score,
            "net_flows": before.net_flows,
        },
        subject=portfolio_id,
    )
    known = {breach.kind: breach for breach in records.breaches_of(before)}
    present = {breach.kind: breach for breach in found.breaches}
    entries = []
    for state, breaches in (
        ("breach", [breach for kind, breach in present.items() if kind not in known]),
        ("cleared", [breach for kind, breach in known.items() if kind not in present]),
    ):
        for breach in breaches:
            value = breach.value if state == "breach" else _value_now(found, breach.kind)
            context.events.enqueue(
                db,
                f"risk.{state}",
                {
                    "portfolio_id": portfolio_id,
                    "kind": breach.kind,
                    "name": breach.name,
                    "value": value,
                    "limit": breach.limit,
                    "severity": breach.severity,
                    "message": breach.message,
                    "recommended_action": breach.recommended_action,
                },
                subject=portfolio_id,
            )
            entries.append(
                AlertEntry(
                    at=at, kind=breach.kind, state=state, level=breach.level, value=value, limit=breach.limit
                )
            )
    records.add_alerts(db, portfolio_id, entries)


def _value_now(found: Assessment, kind: str) -> float | None:
    """The present figure of a limit that is kept again; null where it is not measured any more."""
    if kind in ("var_95", "var_99"):
        if found.var is None:
            return None
        return (found.var.level_95 if kind == "var_95" else found.var.level_99).ratio
    return next((part.value for part in found.components if part.name == kind), None)


def _entry(found: Assessment, at: datetime) -> HistoryEntry:
    return HistoryEntry(
        at=at,
        as_of=found.as_of,
        total_value=found.total_value,
        overall_risk_level=found.overall_risk_level,
        risk_score=found.risk_score,
        var_95_ratio=found.var.level_95.ratio if found.var else None,
        current_drawdown=found.current_drawdown,
        breaches=[breach.kind for breach in found.breaches],
    )


async def _read(context: Context[State], portfolio_id: str, history: int) -> WatchedPortfolio:
    def read(db: sqlite3.Connection) -> WatchedPortfolio | None:
        found = records.load(db, portfolio_id)
        if found is None:
            return None
        return WatchedPortfolio(
            portfolio_id=portfolio_id,
            portfolio=found.portfolio,
            peak_value=round(found.peak, 2),
            net_flows=round(found.net_flows, 2),
            revision=found.revision,
            updated_at=found.updated_at,
            assessed_at=found.assessed_at,
            assessment=found.assessment,
            problem=found.problem,
            history=records.results(db, portfolio_id, history),
            alerts=records.alerts(db, portfolio_id, min(history, records.MAX_ALERTS)),
        )

    found = await context.store.read(read)
    if found is None:
        raise NotFoundError(f"{portfolio_id} is not watched; PUT it first")
    return found


def _var_gauge(context: Context[Any]) -> Any:
    return context.metrics.gauge(
        "alluse_portfolio_var_ratio",
        "Value at risk of a watched portfolio as a fraction of its value",
        ("portfolio", "level"),
    )


async def _check_sweep(context: Context[State]) -> str:
    age = time.monotonic() - context.state.swept_at
    interval = context.config.number(KEY_INTERVAL)
    if age > 2 * interval:
        raise CheckFailedError(f"the last sweep ended {age:.0f} s ago, more than 2 x {interval:.0f} s")
    if problems := context.state.problems:
        name, text = next(iter(problems.items()))
        raise CheckDegradedError(f"{len(problems)} watched portfolio(s) cannot be assessed; {name}: {text}")
    return f"{context.state.watched} watched, last sweep {age:.0f} s ago"


def golden() -> None:
    """Six shares in equal parts, 100,000 USD, 2022-12-28: losses by two methods, and one scalar book."""
    returns = golden_returns()
    weights = np.full(len(SYMBOLS), 1 / len(SYMBOLS))
    shrunk = ledoit_wolf(returns)
    expect("intensity", shrunk.intensity, 0.03418)
    expect("deviation", float(np.sqrt(weights @ shrunk.covariance @ weights)), 0.013515)
    history = History(SYMBOLS, returns, LAST_DAY)
    positions = [{"symbol": symbol, "quantity": 100 / 6, "price": 1000} for symbol in SYMBOLS]
    for method, var_95, var_99, cvar_95, cvar_99 in (
        ("parametric", 2222.97, 3143.99, 2787.69, 3601.96),
        ("historical", 2416.14, 3207.46, 2945.09, 3759.59),
    ):
        book = {"portfolio_id": "golden", "positions": positions, "method": method}
        found = assess(AssessRequest.model_validate(book), history)
        if found.var is None or found.cvar is None:
            raise SelfTestError(f"{method}: no figures")
        expect(f"{method} VaR95", found.var.level_95.usd, var_95)
        expect(f"{method} VaR99", found.var.level_99.usd, var_99)
        expect(f"{method} CVaR95", found.cvar.level_95.usd, cvar_95)
        expect(f"{method} CVaR99", found.cvar.level_99.usd, cvar_99)
        expect("correlation", found.correlation.average, 0.5424)
        expect("volatility", found.volatility, 0.2038)
        expect("maximum drawdown", found.max_drawdown, 0.1375)
    expect("scalar VaR95", parametric_tail(101_000, 0.358911 / float(np.sqrt(252)), 0.95).var, 3756)


SERVICE: Service[State] = Service(
    name="portfolio-risk-monitor",
    open=open_state,
    selftest=golden,
    migrations=records.MIGRATIONS,
    durable=True,
    checks=(Check("sweep", _check_sweep),),
    tasks=(Task("sweep", sweep, lambda context: context.config.number(KEY_INTERVAL)),),
    consumers={
        "market.condition_changed": refresh_market,
        "memory.accounts_created": take_ledger,
        "memory.forked": take_ledger,
        "memory.merged": take_ledger,
        "memory.reinvested": take_ledger,
    },
    endpoints=(
        Endpoint(
            "POST",
            "/v1/assess",
            assess_now,
            AssessRequest,
            Assessment,
            "Assess a portfolio",
            budget=BUDGET,
            errors=(409, 422, 503),
        ),
        Endpoint(
            "PUT",
            "/v1/portfolios/{portfolio_id}",
            watch,
            WatchRequest,
            WatchedPortfolio,
            "Watch a portfolio, or report how a watched one stands",
            params=PortfolioPath,
            errors=(422,),
        ),
        Endpoint(
            "GET",
            "/v1/portfolios/{portfolio_id}",
            show,
            PortfolioQuery,
            WatchedPortfolio,
            "A watched portfolio with its latest result",
            errors=(404, 422),
        ),
        Endpoint("GET", "/v1/portfolios", list_watched, answer=WatchedList, summary="What is watched"),
        Endpoint(
            "DELETE",
            "/v1/portfolios/{portfolio_id}",
            forget,
            PortfolioPath,
            summary="Watch a portfolio no longer and forget it",
            status=204,
            errors=(404, 422),
        ),
        Endpoint(
            "GET",
            "/v1/backtest",
            test_back,
            BacktestQuery,
            Backtest,
            "Whether the value at risk of a watched portfolio would have held",
            errors=(404, 409, 422, 503),
        ),
    ),
)
