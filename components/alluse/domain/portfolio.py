"""Portfolio selection: six objectives under bounds, sector limits and limits of count.

    min_variance    argmin wᵀΣw                      max_return      argmax μᵀw (a linear programme)
    max_sharpe      argmax (μ − r)ᵀw/√(wᵀΣw)         risk_parity     equal contributions to wᵀΣw
    target_return   argmin wᵀΣw with μᵀw ≥ m         target_risk     argmax μᵀw with wᵀΣw ≤ σ²

More positions than allowed: the smallest are dropped and the rest is solved again. Fewer than demanded: the
missing ones that cost least get a small weight. What cannot be met is refused with what could be.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

import numpy as np

from alluse.domain import solver
from alluse.domain.covariance import Array
from alluse.domain.errors import InvalidInputError
from alluse.domain.estimates import Estimates
from alluse.domain.feasible import TOLERANCE, Feasible, Group, feasible
from alluse.domain.solver import Solution
from alluse.schemas.portfolio import Constraints, Objective

#: A smaller weight is no position.
HELD = 1e-4
#: Weight given to a position that only the minimum count demands.
SMALL_POSITION = 0.01


@dataclass(frozen=True, slots=True)
class Task:
    """What to optimise; targets and the risk-free rate are yearly fractions."""

    objective: Objective
    risk_free_rate: float = 0.02
    target_return: float | None = None
    target_risk: float | None = None


@dataclass(frozen=True, slots=True)
class Selected:
    """An optimised portfolio with its figures, all yearly and by the estimates it was optimised with."""

    weights: Array
    expected_return: float
    volatility: float
    sharpe: float
    contributions: Array
    converged: bool
    iterations: int
    violations: tuple[str, ...]
    active: tuple[str, ...]


def allowed_weights(
    symbols: tuple[str, ...], constraints: Constraints, sectors: Mapping[str, str]
) -> Feasible:
    """The weights that constraints allow; the request's own sectors go before the protocol's."""
    known = {**sectors, **(constraints.sectors or {})}
    members: dict[str, list[int]] = {}
    for index, symbol in enumerate(symbols):
        if symbol in known:
            members.setdefault(known[symbol], []).append(index)
    groups = tuple(Group(name, tuple(each), constraints.sector_limit) for name, each in members.items())
    if len(symbols) < constraints.min_positions:
        raise InvalidInputError(
            "symbols", f"{len(symbols)} are named and {constraints.min_positions} positions are demanded"
        )
    if constraints.min_weight > 0 and len(symbols) > constraints.max_positions:
        raise InvalidInputError(
            "constraints.min_weight",
            f"cannot hold for {len(symbols)} symbols of which at most {constraints.max_positions} are held",
        )
    size = len(symbols)
    return feasible(
        symbols, np.full(size, constraints.min_weight), np.full(size, constraints.max_weight), groups
    )


def select(estimates: Estimates, task: Task, allowed: Feasible, constraints: Constraints) -> Selected:
    """The best portfolio for a task; raises InvalidInputError with the attainable range if there is none."""
    solution = _solve(estimates, task, allowed)
    iterations = solution.iterations
    held = np.flatnonzero(solution.weights > HELD)
    if held.size > constraints.max_positions:
        keep = np.argsort(-solution.weights, kind="stable")[: constraints.max_positions]
        upper = np.zeros_like(allowed.upper)
        upper[keep] = allowed.upper[keep]
        allowed = allowed.narrowed(upper=upper)
        solution = _solve(estimates, task, allowed)
    elif held.size < constraints.min_positions:
        allowed = _demanded(estimates, solution.weights, allowed, constraints.min_positions - held.size)
        solution = _solve(estimates, task, allowed)
    else:
        iterations = 0
    return _figures(estimates, task, solution, allowed, constraints, iterations)


def frontier(
    estimates: Estimates, task: Task, allowed: Feasible, constraints: Constraints, points: int
) -> list[Selected]:
    """Efficient portfolios at evenly spaced returns, from the least volatile to the highest return."""
    calm = solver.min_variance(estimates.covariance, allowed)
    best = allowed.best(estimates.mean)
    low, high = float(estimates.mean @ calm.weights), float(estimates.mean @ best)
    chosen = []
    for target in np.linspace(low, high, points):
        found = solver.min_variance(
            estimates.covariance, allowed, mean=estimates.mean, least_return=min(float(target), high)
        )
        chosen.append(_figures(estimates, task, found, allowed, constraints, 0))
    return chosen


def attainable(estimates: Estimates, allowed: Feasible) -> tuple[tuple[float, float], tuple[float, float]]:
    """Ranges of return and of volatility along the efficient frontier."""
    calm = solver.min_variance(estimates.covariance, allowed).weights
    best = allowed.best(estimates.mean)
    returns = float(estimates.mean @ calm), float(estimates.mean @ best)
    return returns, (_volatility(calm, estimates), _volatility(best, estimates))


def _solve(estimates: Estimates, task: Task, allowed: Feasible) -> Solution:
    mean, covariance = estimates.mean, estimates.covariance
    match task.objective:
        case Objective.MIN_VARIANCE:
            return solver.min_variance(covariance, allowed)
        case Objective.MAX_RETURN:
            return Solution(allowed.best(mean), True, 0)
        case Objective.RISK_PARITY:
            return solver.risk_parity(covariance, allowed)
        case Objective.MAX_SHARPE:
            return _max_sharpe(estimates, task, allowed)
        case Objective.TARGET_RETURN:
            return _at_return(estimates, task, allowed)
        case Objective.TARGET_RISK:
            return _at_risk(estimates, task, allowed)


def _max_sharpe(estimates: Estimates, task: Task, allowed: Feasible) -> Solution:
    excess = estimates.mean - task.risk_free_rate
    best = float(excess @ allowed.best(excess))
    if best <= TOLERANCE:
        raise InvalidInputError(
            "objective",
            f"no allowed portfolio has an expected return above the risk-free rate {task.risk_free_rate:.4f} "
            f"(the highest is {best + task.risk_free_rate:.4f}); use min_variance or risk_parity",
        )
    return solver.max_sharpe(excess, estimates.covariance, allowed)


def _at_return(estimates: Estimates, task: Task, allowed: Feasible) -> Solution:
    if task.target_return is None:
        raise InvalidInputError("target_return", "is needed for this objective")
    highest = float(estimates.mean @ allowed.best(estimates.mean))
    if task.target_return > highest + TOLERANCE:
        (low, high), _ = attainable(estimates, allowed)
        raise InvalidInputError(
            "target_return",
            f"{task.target_return:.4f} is not attainable; choose from {low:.4f} to {high:.4f}",
        )
    return solver.min_variance(
        estimates.covariance,
        allowed,
        mean=estimates.mean,
        least_return=min(task.target_return, highest),
    )


def _at_risk(estimates: Estimates, task: Task, allowed: Feasible) -> Solution:
    if task.target_risk is None:
        raise InvalidInputError("target_risk", "is needed for this objective")
    best = allowed.best(estimates.mean)
    if _volatility(best, estimates) <= task.target_risk:
        return Solution(best, True, 0)
    _, (low, high) = attainable(estimates, allowed)
    if task.target_risk < low * (1.0 - TOLERANCE):
        raise InvalidInputError(
            "target_risk", f"{task.target_risk:.4f} is not attainable; choose from {low:.4f} to {high:.4f}"
        )
    return solver.max_return_at_risk(
        estimates.mean, estimates.covariance, allowed, max(task.target_risk, low)
    )


def _demanded(estimates: Estimates, weights: Array, allowed: Feasible, missing: int) -> Feasible:
    """Give the `missing` symbols that raise the variance least a small minimum weight."""
    cost = np.where(weights > HELD, np.inf, estimates.covariance @ weights)
    lower = allowed.lower.copy()
    chosen = np.argsort(cost, kind="stable")[:missing]
    lower[chosen] = np.minimum(np.maximum(lower[chosen], SMALL_POSITION), allowed.upper[chosen])
    return allowed.narrowed(lower=lower)


def _figures(
    estimates: Estimates,
    task: Task,
    solution: Solution,
    allowed: Feasible,
    constraints: Constraints,
    iterations: int,
) -> Selected:
    weights = solution.weights
    mean, volatility = float(estimates.mean @ weights), _volatility(weights, estimates)
    broken = allowed.violations(weights)
    count = int(np.count_nonzero(weights > HELD))
    if not constraints.min_positions <= count <= constraints.max_positions:
        broken.append(f"positions:{count}")
    return Selected(
        weights=weights,
        expected_return=mean,
        volatility=volatility,
        sharpe=(mean - task.risk_free_rate) / volatility,
        contributions=solver.contributions(weights, estimates.covariance),
        converged=solution.converged,
        iterations=iterations + solution.iterations,
        violations=tuple(broken),
        active=tuple(allowed.active(weights)),
    )


def _volatility(weights: Array, estimates: Estimates) -> float:
    return sqrt(max(float(weights @ estimates.covariance @ weights), 0.0))
