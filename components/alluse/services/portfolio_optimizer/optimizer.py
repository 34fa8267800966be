"""Handlers and self-test of portfolio-optimizer.

Returns come from the caller or from market-analyzer. The means are estimates from the past: an answer's
`expected_return` is what was optimised with and no forecast.
"""

from itertools import combinations

import numpy as np

from alluse.domain.covariance import Array, correlations
from alluse.domain.errors import InsufficientDataError
from alluse.domain.estimates import LOOKBACK_DAYS, Estimates, estimate
from alluse.domain.portfolio import Selected, Task, allowed_weights, frontier, select
from alluse.domain.rebalance import Advice, advise
from alluse.runtime.context import Context
from alluse.runtime.errors import NotFoundError
from alluse.runtime.service import Call, Endpoint, Service
from alluse.schemas.portfolio import (
    Constraints,
    CorrelationAnswer,
    CorrelationRequest,
    FrontierAnswer,
    FrontierPoint,
    FrontierRequest,
    MeanEstimate,
    Objective,
    OptimizeAnswer,
    OptimizeRequest,
    Pair,
    PortfolioPath,
    RebalanceAnswer,
    RebalanceRequest,
    Trade,
)
from alluse.services.golden import expect
from alluse.services.golden_window import SYMBOLS, golden_returns
from alluse.services.parameters import PROTOCOL_CHECK, Parameters
from alluse.services.portfolio_optimizer.optimizing import (
    DIGITS,
    Market,
    State,
    best_weights,
    by_symbol,
    estimate_from,
    read_market,
    vector,
)

#: Milliseconds in which an optimisation should be answered.
BUDGET_MS = 1000.0
CLOSE, UNRELATED = 0.7, 0.1


async def open_state(context: Context[State]) -> State:
    return State(Parameters(context.config), context.cache("optimizations"), context.cache("latest"))


async def optimize(call: Call[State], request: OptimizeRequest) -> OptimizeAnswer:
    market = await read_market(call.context, request, LOOKBACK_DAYS)
    answer = await best_weights(call.context, request, market)
    if request.portfolio_id is not None:
        call.state.latest.put(request.portfolio_id, answer)
        await call.context.events.emit(
            "portfolio.optimized",
            {
                "portfolio_id": request.portfolio_id,
                "objective": request.objective,
                "weights": answer.weights,
                "turnover": answer.turnover,
                "net_gain": None,
            },
            subject=request.portfolio_id,
        )
    return answer


async def draw_frontier(call: Call[State], request: FrontierRequest) -> FrontierAnswer:
    market = await read_market(call.context, request, LOOKBACK_DAYS)
    sectors = call.state.parameters.protocol.sectors

    def compute() -> tuple[Estimates, list[Selected]]:
        estimates = estimate_from(request, market)
        allowed = allowed_weights(estimates.symbols, request.constraints, sectors)
        task = Task(Objective.MIN_VARIANCE, request.risk_free_rate)
        return estimates, frontier(estimates, task, allowed, request.constraints, request.n)

    estimates, points = await call.context.compute(compute)
    return FrontierAnswer(
        points=[
            FrontierPoint(
                expected_return=point.expected_return,
                expected_volatility=point.volatility,
                sharpe_ratio=point.sharpe,
                weights=by_symbol(request.symbols, point.weights),
            )
            for point in points
        ],
        as_of=market.as_of,
        observations=estimates.days,
        shrinkage=estimates.shrinkage,
        synthetic=list(market.synthetic),
    )


async def correlate(call: Call[State], request: CorrelationRequest) -> CorrelationAnswer:
    market = await read_market(call.context, request, request.days)
    returns = market.returns[-request.days :]
    if len(returns) < 2:
        raise InsufficientDataError("symbols", "their returns share no two days")
    matrix = correlations(returns)
    pairs = [
        Pair(symbols=(request.symbols[row], request.symbols[column]), value=float(matrix[row, column]))
        for row, column in combinations(range(len(request.symbols)), 2)
    ]
    ordered = sorted(pairs, key=lambda pair: pair.value)
    return CorrelationAnswer(
        average=float(np.mean([pair.value for pair in pairs])),
        highest=ordered[-1],
        lowest=ordered[0],
        above=[pair for pair in reversed(ordered) if pair.value > CLOSE],
        below=[pair for pair in ordered if pair.value < UNRELATED],
        matrix={
            symbol: by_symbol(request.symbols, row)
            for symbol, row in zip(request.symbols, matrix, strict=True)
        },
        as_of=market.as_of,
        observations=len(returns),
        synthetic=list(market.synthetic),
    )


async def rebalance(call: Call[State], request: RebalanceRequest) -> RebalanceAnswer:
    market = await read_market(call.context, request, LOOKBACK_DAYS)
    target = request.target_weights
    if target is None:
        target = (await best_weights(call.context, request, market)).weights
    estimates = await call.context.compute(estimate_from, request, market)
    current = vector(request.symbols, request.current_weights)
    wanted = vector(request.symbols, target)
    advice = advise(current, wanted, estimates)
    answer = _rebalance_answer(request, market, advice, current, wanted)
    if advice.advised and request.portfolio_id is not None:
        await call.context.events.emit(
            "portfolio.rebalance_advised",
            {
                "portfolio_id": request.portfolio_id,
                "objective": None if request.target_weights else request.objective,
                "weights": answer.weights,
                "turnover": advice.turnover,
                "net_gain": advice.net_gain,
            },
            subject=request.portfolio_id,
        )
    return answer


async def latest(call: Call[State], request: PortfolioPath) -> OptimizeAnswer:
    found = call.state.latest.get(request.portfolio_id)
    if found is None:
        raise NotFoundError(f"nothing is remembered of {request.portfolio_id}; POST /v1/optimize")
    return found


def _rebalance_answer(
    request: RebalanceRequest, market: Market, advice: Advice, current: Array, wanted: Array
) -> RebalanceAnswer:
    trades = [
        Trade(
            symbol=symbol, from_weight=before, to_weight=after, usd=round((after - before) * request.value, 2)
        )
        for symbol, before, after in zip(request.symbols, current.tolist(), wanted.tolist(), strict=True)
        if abs(after - before) > 10.0**-DIGITS
    ]
    return RebalanceAnswer(
        portfolio_id=request.portfolio_id,
        advised=advice.advised,
        reason=advice.reason,
        max_drift=advice.max_drift,
        turnover=advice.turnover,
        cost=advice.cost,
        gain=advice.gain,
        net_gain=advice.net_gain,
        weights=by_symbol(request.symbols, wanted),
        trades=trades if advice.advised else [],
        as_of=market.as_of,
        synthetic=list(market.synthetic),
    )


def golden() -> None:
    """Three portfolios of six shares over 252 days to 2022-12-28."""
    estimates = estimate(SYMBOLS, golden_returns(), MeanEstimate.HISTORICAL)
    constraints = Constraints()
    allowed = allowed_weights(SYMBOLS, constraints, {})
    wanted = {
        Objective.MIN_VARIANCE: {"KO": 0.4, "UNH": 0.3013, "XOM": 0.1765, "JPM": 0.1141},
        Objective.MAX_SHARPE: {"KO": 0.4, "XOM": 0.4, "UNH": 0.2},
        Objective.RISK_PARITY: {"AAPL": 0.1172, "MSFT": 0.1248, "KO": 0.2378, "UNH": 0.1932},
    }
    for objective, weights in wanted.items():
        found = select(estimates, Task(objective), allowed, constraints)
        expect(f"{objective} converged", found.converged, True)
        for symbol, weight in weights.items():
            got = float(found.weights[SYMBOLS.index(symbol)])
            expect(f"{objective} {symbol}", got, weight)
        if objective is Objective.MAX_SHARPE:
            expect("Sharpe ratio", found.sharpe, 1.5918)
        if objective is Objective.MIN_VARIANCE:
            expect("volatility", found.volatility, 0.18058)


SERVICE: Service[State] = Service(
    name="portfolio-optimizer",
    open=open_state,
    selftest=golden,
    checks=(PROTOCOL_CHECK,),
    endpoints=(
        Endpoint(
            "POST",
            "/v1/optimize",
            optimize,
            OptimizeRequest,
            OptimizeAnswer,
            "The best weights for an objective",
            budget=BUDGET_MS,
            errors=(404, 409, 422, 503),
        ),
        Endpoint(
            "POST",
            "/v1/frontier",
            draw_frontier,
            FrontierRequest,
            FrontierAnswer,
            "The efficient frontier",
            budget=BUDGET_MS,
            errors=(404, 409, 422, 503),
        ),
        Endpoint(
            "POST",
            "/v1/correlation",
            correlate,
            CorrelationRequest,
            CorrelationAnswer,
            "How alike symbols move",
            budget=BUDGET_MS,
            errors=(404, 409, 422, 503),
        ),
        Endpoint(
            "POST",
            "/v1/rebalance",
            rebalance,
            RebalanceRequest,
            RebalanceAnswer,
            "Whether moving to other weights pays",
            budget=BUDGET_MS,
            errors=(404, 409, 422, 503),
        ),
        Endpoint(
            "GET",
            "/v1/portfolios/{portfolio_id}",
            latest,
            PortfolioPath,
            OptimizeAnswer,
            "The last weights found for a portfolio since the start",
            errors=(404, 422),
        ),
    ),
)
