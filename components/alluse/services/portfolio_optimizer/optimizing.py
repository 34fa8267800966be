"""One optimisation: returns of the caller or the market, estimates, and the best weights for an objective."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from alluse.domain.covariance import Array
from alluse.domain.errors import UnknownSymbolError
from alluse.domain.estimates import Estimates, estimate
from alluse.domain.portfolio import Selected, Task, allowed_weights, select
from alluse.runtime.cache import Cache
from alluse.runtime.context import Context
from alluse.schemas.portfolio import MarketInput, OptimizeAnswer, OptimizeRequest
from alluse.services.market_feed import known_symbols, returns_of
from alluse.services.parameters import Parameters

DIGITS = 10


@dataclass(frozen=True, slots=True)
class Market:
    """Returns (n × k) in the order of the request's symbols, and what they rest on."""

    returns: Array
    as_of: date | None
    synthetic: tuple[str, ...]


@dataclass(slots=True)
class State:
    """Parameters, answers by what was asked, and the last answer of each portfolio (lost at a restart)."""

    parameters: Parameters
    answers: Cache[str, OptimizeAnswer]
    latest: Cache[str, OptimizeAnswer]


async def read_market(context: Context[State], request: MarketInput, days: int) -> Market:
    """The caller's returns, cut to their common length, or the shipped ones."""
    if request.returns is not None:
        length = min(len(request.returns[symbol]) for symbol in request.symbols)
        columns = [
            np.array(request.returns[symbol][len(request.returns[symbol]) - length :])
            for symbol in request.symbols
        ]
        return Market(np.column_stack(columns), request.as_of, ())
    if foreign := sorted(set(request.symbols) - await known_symbols(context)):
        raise UnknownSymbolError("symbols", f"no data are shipped for {', '.join(foreign)}; give `returns`")
    found = await returns_of(context, request.symbols, days, request.as_of)
    order = [found.symbols.index(symbol) for symbol in request.symbols]
    return Market(found.values[:, order], found.days[-1], tuple(sorted(found.synthetic)))


def estimate_from(request: OptimizeRequest, market: Market) -> Estimates:
    return estimate(tuple(request.symbols), market.returns, request.mu, request.expected_returns)


async def best_weights(context: Context[State], request: OptimizeRequest, market: Market) -> OptimizeAnswer:
    state = context.state
    sectors = state.parameters.protocol.sectors
    content = f"{request.model_dump_json()}|{market.as_of}|{sorted(sectors.items())}"
    key = hashlib.sha256(content.encode()).hexdigest()
    found = state.answers.get(key)
    if found is None:
        started = time.monotonic()
        found = await context.compute(_compute, request, market, sectors)
        context.metrics.histogram(
            "alluse_optimizer_seconds", "Duration of an optimisation", ("objective",)
        ).observe(time.monotonic() - started, objective=request.objective)
        state.answers.put(key, found)
    return found


def _compute(request: OptimizeRequest, market: Market, sectors: Mapping[str, str]) -> OptimizeAnswer:
    estimates = estimate_from(request, market)
    allowed = allowed_weights(estimates.symbols, request.constraints, sectors)
    task = Task(request.objective, request.risk_free_rate, request.target_return, request.target_risk)
    found = select(estimates, task, allowed, request.constraints)
    current = request.current_weights
    turnover = None
    if current is not None:
        turnover = 0.5 * float(np.abs(found.weights - vector(request.symbols, current)).sum())
    return OptimizeAnswer(
        portfolio_id=request.portfolio_id,
        objective=request.objective,
        weights=by_symbol(request.symbols, found.weights),
        expected_return=found.expected_return,
        expected_volatility=found.volatility,
        sharpe_ratio=found.sharpe,
        risk_contributions=by_symbol(request.symbols, found.contributions),
        converged=found.converged,
        status=_status(found),
        constraints_satisfied=not found.violations,
        active_constraints=list(found.active),
        shrinkage=estimates.shrinkage,
        mean_shrinkage=estimates.mean_shrinkage,
        iterations=found.iterations,
        as_of=market.as_of,
        observations=estimates.days,
        synthetic=list(market.synthetic),
        turnover=turnover,
    )


def _status(found: Selected) -> str:
    if found.violations:
        return f"constraints broken: {', '.join(found.violations)}"
    return "optimal" if found.converged else "not proved optimal"


def by_symbol(symbols: Sequence[str], values: Array) -> dict[str, float]:
    return {symbol: round(float(value), DIGITS) for symbol, value in zip(symbols, values, strict=True)}


def vector(symbols: Sequence[str], weights: dict[str, float]) -> Array:
    """Weights in the order of the symbols, made to sum to exactly one."""
    values = np.array([weights.get(symbol, 0.0) for symbol in symbols])
    total = float(values.sum())
    return values / total if total > 0 else values
