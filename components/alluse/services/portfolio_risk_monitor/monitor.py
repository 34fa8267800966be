"""Handlers, checks and self-test of portfolio-risk-monitor.

An assessment that somebody asks for changes nothing and is told to nobody. A watched portfolio is assessed
when it changes and every `loop_interval_s`.
"""

import sqlite3
import time
from datetime import UTC, datetime

import numpy as np

from alluse.domain.backtest import WINDOW, backtest
from alluse.domain.book import History, read_book
from alluse.domain.covariance import ledoit_wolf
from alluse.domain.errors import InsufficientDataError, InvalidInputError
from alluse.domain.risk import assess
from alluse.domain.tail_risk import parametric_tail
from alluse.runtime.context import Context
from alluse.runtime.errors import (
    CheckDegradedError,
    CheckFailedError,
    NotFoundError,
    SelfTestError,
)
from alluse.runtime.events import Event
from alluse.runtime.service import Call, Check, Endpoint, Reply, Service, Task
from alluse.schemas.risk import (
    Assessment,
    AssessRequest,
    Backtest,
    BacktestQuery,
    PortfolioPath,
    PortfolioQuery,
    WatchedList,
    WatchedPortfolio,
    WatchedSummary,
    WatchRequest,
)
from alluse.services.golden import expect
from alluse.services.golden_window import LAST_DAY, SYMBOLS, golden_returns
from alluse.services.market_feed import known_symbols, returns_of
from alluse.services.portfolio_risk_monitor import records
from alluse.services.portfolio_risk_monitor.assessing import RATE, State, assess_portfolio
from alluse.services.portfolio_risk_monitor.records import Watched
from alluse.services.portfolio_risk_monitor.watching import drop, reassess, sweep, take_ledger

BUDGET = "components.risk_management.monitoring_interval"
KEY_INTERVAL = "components.risk_management.loop_interval_s"
_SIGNIFICANCE = 0.05


async def open_state(context: Context[State]) -> State:
    return State(swept_at=time.monotonic(), problems={})


async def assess_now(call: Call[State], request: AssessRequest) -> Assessment:
    kept = await call.context.store.read(lambda db: records.load(db, request.portfolio_id))
    return await assess_portfolio(call.context, request, kept.peak if kept else None)


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
    await reassess(call.context, watched)
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
    drop(call.context, request.portfolio_id)


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
    book = read_book(portfolio, history, as_of=as_of or found.days[-1], rate=RATE)
    exposed = dict(zip(book.known, book.weights, strict=True))
    weights = np.array([exposed.get(symbol, 0.0) for symbol in found.symbols])
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


async def refresh_market(context: Context[State], event: Event) -> None:
    """A symbol's condition changed: what is remembered of the market may be old."""
    context.cache("market").clear()


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
        "memory.booked": take_ledger,
        "memory.erased": take_ledger,
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
            also=(201,),
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
