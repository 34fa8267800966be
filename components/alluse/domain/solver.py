"""The optimal weights for each objective over a feasible set.

    quadratic      H. Markowitz, "Portfolio selection", J. Finance 7 (1952), by `quadratic`
    Sharpe ratio   the same in y = w/((μ − r)ᵀw): a quadratic programme, constraints made homogeneous
    risk parity    S. Maillard, T. Roncalli, J. Teïletche (2010) in the convex form of F. Spinu (2013)

Every solution says whether it is one, judged by `Feasible.gap` where that proves it.
"""

from dataclasses import dataclass
from math import inf, sqrt

import numpy as np

from alluse.domain import quadratic
from alluse.domain.covariance import Array
from alluse.domain.feasible import Feasible
from alluse.domain.quadratic import Programme

MAX_ITERATIONS = 1000
#: Accepted distance from the optimum; objectives are scaled to order one.
GAP = 1e-6
_PRECISION = 1e-11
#: Keeps the steps towards equal contributions well conditioned.
_LEAST_DAMPING = 1e-6


@dataclass(frozen=True, slots=True)
class Solution:
    """Weights (k), whether they are accepted as optimal, and the steps spent."""

    weights: Array
    converged: bool
    iterations: int


def min_variance(
    covariance: Array, allowed: Feasible, *, mean: Array | None = None, least_return: float = 0.0
) -> Solution:
    """argmin wᵀΣw; with `mean`, among the weights of at least `least_return`."""
    scaled = covariance / _scale(covariance)
    rows, sides = allowed.inequalities()
    if mean is not None:
        # At the very top of the frontier rounding must not empty the set.
        rows, sides = np.vstack([rows, mean]), np.append(sides, least_return - _PRECISION)
    found = _over_simplex(scaled, np.zeros(len(allowed.symbols)), rows, sides, allowed)
    if mean is None:
        proved = allowed.gap(scaled @ found.weights, found.weights) <= GAP
        return Solution(found.weights, proved, found.iterations)
    kept = float(mean @ found.weights) >= least_return - GAP
    return Solution(found.weights, found.converged and kept, found.iterations)


def max_sharpe(excess: Array, covariance: Array, allowed: Feasible) -> Solution:
    """argmax (μ − r)ᵀw/√(wᵀΣw). Some allowed weights must have a positive excess.

    With y = w/(excessᵀw) the ratio is 1/√(yᵀΣy), and G·w ≥ h becomes (G − h·1ᵀ)y ≥ 0.
    """
    rows, sides = allowed.inequalities()
    size = float(np.abs(excess).max())
    found = quadratic.solve(
        Programme(
            quadratic=covariance / _scale(covariance),
            linear=np.zeros_like(excess),
            equal=(excess / size)[None, :],
            equal_to=np.ones(1),
            at_least=rows - sides[:, None],
            bound=np.zeros(sides.size),
        )
    )
    total = float(found.point.sum())
    # A set of a single portfolio can defeat the search; whether the weights are right is judged below.
    reached = found.solved and total > 0
    weights = allowed.settled(found.point / total) if reached else allowed.best(excess)
    variance = float(weights @ covariance @ weights)
    slope = (float(excess @ weights) * (covariance @ weights) / variance - excess) / sqrt(variance)
    return Solution(weights, allowed.gap(slope, weights) <= GAP, found.steps)


def max_return_at_risk(mean: Array, covariance: Array, allowed: Feasible, volatility: float) -> Solution:
    """argmax μᵀw with √(wᵀΣw) ≤ volatility, for a volatility that lies on the frontier.

    Along the frontier the volatility rises with the return, so that a bracketing secant on the return
    (Illinois variant) finds the point; it is approached from the side that keeps the limit.
    """
    calm = min_variance(covariance, allowed)
    low, high = float(mean @ calm.weights), float(mean @ allowed.best(mean))
    below, steps = calm, calm.iterations
    error_low = _volatility(calm.weights, covariance) - volatility
    error_high = _volatility(allowed.best(mean), covariance) - volatility
    for _ in range(MAX_ITERATIONS):
        if high - low <= _PRECISION * max(abs(low), abs(high), 1.0) or abs(error_low) <= GAP * volatility**2:
            break
        target = low + (high - low) * error_low / (error_low - error_high) if error_high > error_low else low
        if not low < target < high:
            target = 0.5 * (low + high)
        found = min_variance(covariance, allowed, mean=mean, least_return=target)
        steps += found.iterations
        error = _volatility(found.weights, covariance) - volatility
        if error <= 0:
            low, error_low, below, error_high = target, error, found, error_high / 2
        else:
            high, error_high, error_low = target, error, error_low / 2
    return Solution(below.weights, below.converged, steps)


def risk_parity(covariance: Array, allowed: Feasible) -> Solution:
    """Weights that contribute equally to the variance; within the bounds as equally as they can.

    argmin ½yᵀΣy − (1/n)Σ ln yᵢ, then w = y/Σy. Where that breaks a bound, the sum of squared differences of
    the contributions is brought down within the bounds.
    """
    held = np.flatnonzero(allowed.upper > 0)
    part = covariance[np.ix_(held, held)]
    inner, iterations = _equal_contributions(part)
    weights = np.zeros(covariance.shape[0])
    weights[held] = inner
    if not allowed.violations(weights):
        spread = float(np.abs(contributions(inner, part) - 1.0 / held.size).max())
        return Solution(weights, spread <= GAP, iterations)
    share = np.where(allowed.upper > 0, 1.0 / held.size, 0.0)
    # Within bounds the problem is no longer convex: take the better of two beginnings.
    tried = [_least_spread(covariance, share, allowed, start) for start in (weights, share)]
    best = min(tried, key=lambda found: _spread(found.weights, covariance, share))
    return Solution(best.weights, best.converged, iterations + sum(each.iterations for each in tried))


def contributions(weights: Array, covariance: Array) -> Array:
    """Share of each symbol in the variance; they sum to one."""
    marginal = covariance @ weights
    return np.asarray(weights * marginal / float(weights @ marginal), dtype=np.float64)


def _equal_contributions(covariance: Array) -> tuple[Array, int]:
    """Cyclical coordinate descent: each coordinate's minimum is the root of a quadratic."""
    size = covariance.shape[0]
    diagonal = [float(value) for value in np.diag(covariance)]
    y = 1.0 / np.sqrt(np.diag(covariance) * size)
    iterations = 0
    while iterations < MAX_ITERATIONS:
        iterations += 1
        before = y.copy()
        for i in range(size):
            rest = float(covariance[i] @ y) - diagonal[i] * float(y[i])
            y[i] = (-rest + sqrt(rest * rest + 4.0 * diagonal[i] / size)) / (2.0 * diagonal[i])
        if np.allclose(y, before, rtol=_PRECISION, atol=0.0):
            break
    return y / y.sum(), iterations


def _least_spread(covariance: Array, share: Array, allowed: Feasible, start: Array) -> Solution:
    """Levenberg–Marquardt on the differences of the contributions from their shares.

    Each step is a quadratic programme over the feasible set; the damping keeps it well conditioned and
    grows until the step improves.
    """
    rows, sides = allowed.inequalities()
    size = share.size
    nearest = _over_simplex(np.eye(size), -start, rows, sides, allowed)
    weights, steps = nearest.weights, nearest.iterations
    damping, before = 1.0, _spread(weights, covariance, share)
    for _ in range(MAX_ITERATIONS):
        slopes = _contribution_slopes(weights, covariance)
        curvature = slopes.T @ slopes
        scale = float(np.trace(curvature)) / size
        curvature[np.diag_indices(size)] += damping * scale
        apart = contributions(weights, covariance) - share
        found = _over_simplex(curvature, slopes.T @ apart - curvature @ weights, rows, sides, allowed)
        steps += found.iterations
        after = _spread(found.weights, covariance, share) if found.converged else inf
        if after < before:
            weights, damping = found.weights, max(damping / 4, _LEAST_DAMPING)
            if before - after <= _PRECISION**2:
                break
            before = after
        elif damping > 1.0 / _LEAST_DAMPING:
            break
        else:
            damping *= 4
    return Solution(weights, not allowed.violations(weights), steps)


def _spread(weights: Array, covariance: Array, share: Array) -> float:
    apart = contributions(weights, covariance) - share
    return float(apart @ apart)


def _contribution_slopes(weights: Array, covariance: Array) -> Array:
    """∂(wᵢ(Σw)ᵢ/wᵀΣw)/∂wⱼ (k × k)."""
    marginal = covariance @ weights
    variance = float(weights @ marginal)
    inner = np.diag(marginal) + weights[:, None] * covariance
    outer = np.outer(weights * marginal, 2.0 * marginal) / variance
    return np.asarray((inner - outer) / variance, dtype=np.float64)


def _over_simplex(curvature: Array, linear: Array, rows: Array, sides: Array, allowed: Feasible) -> Solution:
    """Weights summing to one, with further rows, that minimise a quadratic."""
    size = linear.size
    found = quadratic.solve(Programme(curvature, linear, np.ones((1, size)), np.ones(1), rows, sides))
    return Solution(allowed.settled(found.point), found.solved, found.steps)


def _volatility(weights: Array, covariance: Array) -> float:
    return sqrt(max(float(weights @ covariance @ weights), 0.0))


def _scale(covariance: Array) -> float:
    return float(np.trace(covariance)) / len(covariance)
