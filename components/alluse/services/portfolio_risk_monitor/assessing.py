"""One assessment: the portfolio with the caller's returns or the market's, from the cache if it was asked."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np

from alluse.domain.book import LEAST_DAYS, History
from alluse.domain.errors import InsufficientDataError
from alluse.domain.risk import assess
from alluse.domain.risk_score import Limits
from alluse.runtime.context import Context
from alluse.runtime.errors import UnavailableError
from alluse.schemas.risk import Assessment, AssessRequest
from alluse.services.market_feed import MarketHistory, market_history

KEY_THRESHOLD = "components.risk_management.alert_threshold"
#: The risk of a portfolio that is asked again with the same market is the same.
RESULTS_CACHE = "assessments"
#: Risk-free rate at which options are priced.
RATE = 0.02


@dataclass(slots=True)
class State:
    """When the last sweep ended (monotonic seconds; before the first: the opening), how many there were,
    and what could not be assessed, by portfolio."""

    swept_at: float
    problems: dict[str, str]
    watched: int = 0
    sweeps: int = 0


async def assess_portfolio(
    context: Context[State], request: AssessRequest, kept_peak: float | None
) -> Assessment:
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
    return assess(request, history, kept_peak=kept_peak, limits=limits, rate=RATE)


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
