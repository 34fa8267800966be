"""market-analyzer: what kind of week a symbol is in, and the shipped bars.

"Today" is the last day of a symbol's data or `market_data.as_of`: the answers name the day, and say where
the bars come from.
"""

import hashlib
from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import date
from math import nan

from pydantic import TypeAdapter, ValidationError

from alluse.data import expected_digest, market_data
from alluse.domain.analysis import GIVEN, answer_analysis, answer_chain
from alluse.domain.errors import InvalidInputError
from alluse.domain.expiries import next_weekly_expiry
from alluse.domain.market import analyze, summarize
from alluse.domain.market_data import MarketData
from alluse.domain.week import classify_week
from alluse.runtime.cache import Cache
from alluse.runtime.configuration import Config
from alluse.runtime.context import Context
from alluse.runtime.errors import CheckFailedError
from alluse.runtime.service import Call, Check, Endpoint, Reply, Service
from alluse.schemas.chain import ChainAnswer, ChainRequest, ExpiriesAnswer, ExpiriesRequest, Expiry
from alluse.schemas.common import Condition, Day
from alluse.schemas.market import (
    AnalyzeRequest,
    BarsAnswer,
    BarsRequest,
    MarketAnalysis,
    MarketSummary,
    Quality,
    ReturnsAnswer,
    ReturnsRequest,
    SummaryRequest,
    SymbolEntry,
    SymbolsAnswer,
    WeekAnswer,
    WeekRequest,
)
from alluse.schemas.protocol import Protocol
from alluse.services.golden import expect
from alluse.services.parameters import PROTOCOL_CHECK, Parameters

BUDGET = "components.trading_engine.analysis_timeout"
KEY_CACHE = "components.trading_engine.cache_enabled"
JSON = "application/json"
KEY_AS_OF = "market_data.as_of"
LAST = "last"
#: Analyses are of use for a quarter of an hour, whatever the general time to live.
CACHE_LIMIT_S = 900.0
_DAY: TypeAdapter[date] = TypeAdapter(Day)


@dataclass(slots=True)
class State:
    """Parameters, data, cache, and the last known condition of each symbol by the day it was of."""

    parameters: Parameters
    data: MarketData
    #: Analyses as they are sent: a fraction of the memory, and not written anew for each who asks.
    cache: Cache[Hashable, bytes]
    conditions: dict[str, tuple[date, Condition]] = field(default_factory=dict)


async def open_state(context: Context[State]) -> State:
    """Raises DamagedDataError while the shipped file is not the one that was built."""
    data = await context.compute(market_data)
    return State(Parameters(context.config), data, context.cache("analysis", CACHE_LIMIT_S))


async def analyze_symbol(call: Call[State], request: AnalyzeRequest) -> Reply:
    shipped = request.bars is None and request.historical_prices is None
    body = None if shipped else hashlib.sha256(call.body).digest()
    return Reply(await _written(call.context, request, body), headers={"content-type": JSON})


async def summarize_symbols(call: Call[State], request: SummaryRequest) -> MarketSummary:
    analyses = [
        await _analysis(call.context, AnalyzeRequest(symbol=symbol, as_of=request.as_of))
        for symbol in dict.fromkeys(request.symbols)
    ]
    days = [analysis.as_of for analysis in analyses if analysis.as_of is not None]
    return summarize(analyses, max(days, default=None))


async def bars_of(call: Call[State], request: BarsRequest) -> BarsAnswer:
    until = _until(request.until, call.context.config)
    bars, source = call.state.data.bars(request.symbol, request.since, until)
    return BarsAnswer(symbol=request.symbol, data=source, bars=bars)


async def returns_of(call: Call[State], request: ReturnsRequest) -> ReturnsAnswer:
    until = _until(request.as_of, call.context.config)
    found = call.state.data.returns(request.symbols, request.days, until)
    values = {symbol: returns.tolist() for symbol, returns in found.values.items()}
    return ReturnsAnswer(dates=found.days, returns=values, data=found.data)


async def list_symbols(call: Call[State]) -> SymbolsAnswer:
    entries = []
    for symbol in call.state.data.symbols:
        newest = call.state.data.choose(symbol)
        source = newest.describe(0, len(newest.days))
        entries.append(SymbolEntry(symbol=symbol, name=newest.name, data=source))
    return SymbolsAnswer(symbols=entries)


async def name_week(call: Call[State], request: WeekRequest) -> WeekAnswer:
    return classify_week(request)


async def chain_of(call: Call[State], request: ChainRequest) -> ChainAnswer:
    question = AnalyzeRequest(symbol=request.symbol, as_of=request.as_of)
    analysis = await _analysis(call.context, question)
    return answer_chain(request, analysis)


async def expiries_after(call: Call[State], request: ExpiriesRequest) -> ExpiriesAnswer:
    day = _until(request.as_of, call.context.config) or call.state.data.last_day
    expiries = []
    expiry = day
    for _ in range(request.count):
        expiry = next_weekly_expiry(expiry)
        expiries.append(Expiry(day=expiry, dte=(expiry - day).days))
    return ExpiriesAnswer(as_of=day, expiries=expiries)


async def _analysis(context: Context[State], request: AnalyzeRequest) -> MarketAnalysis:
    """One analysis of the shipped data."""
    return MarketAnalysis.model_validate_json(await _written(context, request, None))


async def _written(context: Context[State], request: AnalyzeRequest, body: bytes | None) -> bytes:
    """One analysis as JSON, from the cache when the same was asked before; `body` identifies bars of the
    caller."""
    state, until = context.state, _until(request.as_of, context.config)
    protocol = state.parameters.protocol
    history = tuple(request.iv_history or ())
    key = (
        request.symbol,
        until,
        request.current_price,
        request.implied_volatility,
        history,
        protocol.synthetic_iv_premium,
        body,
    )
    cached = context.config.flag(KEY_CACHE)
    found = state.cache.get(key) if cached else None
    if found is not None:
        return found
    analysis = answer_analysis(request, until, state.data, protocol)
    written = analysis.model_dump_json(by_alias=True).encode()
    if cached:
        state.cache.put(key, written)
    if analysis.quality is Quality.OK:
        await _tell(context, analysis)
    return written


def _until(requested: date | None, config: Config) -> date | None:
    """The day of a question: its own, else the configured one, else (None) the last of the data."""
    if requested is not None:
        return requested
    configured = config.text(KEY_AS_OF)
    if configured == LAST:
        return None
    try:
        return _DAY.validate_python(configured)
    except ValidationError:
        raise InvalidInputError(
            KEY_AS_OF, f"the configuration holds {configured!r}, which is no day"
        ) from None


async def _tell(context: Context[State], analysis: MarketAnalysis) -> None:
    """Metrics and events of a new analysis. A caller's own bars say nothing of the symbol's condition."""
    condition, day = analysis.market_condition, analysis.as_of
    if condition is None or day is None:
        return
    await context.events.emit(
        "market.analyzed",
        {
            "symbol": analysis.symbol,
            "condition": condition,
            "confidence": analysis.confidence,
            "as_of": day.isoformat(),
        },
        subject=analysis.symbol,
    )
    if analysis.data.source == GIVEN:
        return
    known = context.state.conditions.get(analysis.symbol)
    if known is not None and day < known[0]:
        return
    context.state.conditions[analysis.symbol] = (day, condition)
    gauge = context.metrics.gauge(
        "alluse_market_condition", "1 for the condition a symbol is in, else 0", ("symbol", "condition")
    )
    for word in Condition:
        gauge.set(float(word is condition), symbol=analysis.symbol, condition=word)
    if known is not None and known[1] is not condition:
        await context.events.emit(
            "market.condition_changed",
            {"symbol": analysis.symbol, "from": known[1], "to": condition, "as_of": day.isoformat()},
            subject=analysis.symbol,
        )


async def _check_data(context: Context[State]) -> str:
    state = context.state
    try:
        _until(None, context.config)
    except InvalidInputError as error:
        raise CheckFailedError(str(error)) from None
    return f"{len(state.data.symbols)} symbols to {state.data.last_day}, digest {expected_digest()[:12]}"


def golden() -> None:
    """Days whose analysis is known, from the shipped bars: a quiet, a rising and two falling markets."""
    data, protocol = market_data(), Protocol()
    for symbol, day, historical, forecast, fit, rsi, condition, confidence in (
        ("AAPL", date(2024, 6, 18), 0.3103, 0.3194, 0.8738, 73.56, Condition.GREEN, 0.9),
        ("AAPL", date(2024, 12, 30), 0.1630, 0.1717, 0.6736, 60.19, Condition.CHOP, 0.7),
        ("AAPL", date(2022, 6, 16), 0.4162, 0.4424, 0.8103, 33.79, Condition.RED, 1.0),
        ("SP500", date(2008, 10, 10), 0.6285, 0.5911, 0.6133, 22.98, Condition.RED, 0.8),
    ):
        history, source = data.history(symbol, day)
        answer = analyze(symbol, history, source, protocol)
        name = f"{symbol} on {day}"
        details, trend, momentum = answer.volatility_analysis, answer.trend, answer.momentum
        expect(
            f"{name}: historical volatility", details.historical_volatility if details else nan, historical
        )
        expect(f"{name}: forecast volatility", details.forecast_volatility if details else nan, forecast)
        expect(f"{name}: trend", trend.strength_score if trend else nan, fit)
        expect(f"{name}: RSI", momentum.rsi if momentum else nan, rsi)
        expect(f"{name}: condition", answer.market_condition, condition)
        expect(f"{name}: confidence", answer.confidence, confidence)


SERVICE: Service[State] = Service(
    name="market-analyzer",
    open=open_state,
    selftest=golden,
    checks=(PROTOCOL_CHECK, Check("market-data", _check_data)),
    endpoints=(
        Endpoint(
            "POST",
            "/v1/analyze",
            analyze_symbol,
            AnalyzeRequest,
            MarketAnalysis,
            "Classify a symbol",
            budget=BUDGET,
            errors=(404, 409, 422),
        ),
        Endpoint(
            "POST",
            "/v1/summary",
            summarize_symbols,
            SummaryRequest,
            MarketSummary,
            "Classify several symbols and the market they make",
            errors=(404, 409, 422),
        ),
        Endpoint(
            "GET",
            "/v1/bars/{symbol}",
            bars_of,
            BarsRequest,
            BarsAnswer,
            "Bars of a symbol",
            errors=(404, 422),
        ),
        Endpoint(
            "GET",
            "/v1/returns",
            returns_of,
            ReturnsRequest,
            ReturnsAnswer,
            "Daily returns of several symbols on common days",
            errors=(404, 409, 422),
        ),
        Endpoint("GET", "/v1/symbols", list_symbols, answer=SymbolsAnswer, summary="What data are shipped"),
        Endpoint(
            "POST",
            "/v1/week",
            name_week,
            WeekRequest,
            WeekAnswer,
            "Name a week that has ended",
            errors=(422,),
        ),
        Endpoint(
            "GET",
            "/v1/chain/{symbol}",
            chain_of,
            ChainRequest,
            ChainAnswer,
            "A synthetic option chain",
            errors=(404, 409, 422),
        ),
        Endpoint(
            "GET",
            "/v1/expiries",
            expiries_after,
            ExpiriesRequest,
            ExpiriesAnswer,
            "The next weekly expiries",
            errors=(422,),
        ),
    ),
)
