"""Whether moving a portfolio to other weights pays.

Turnover is half the sum of the changes. The gain is the difference of μᵀw − ½γwᵀΣw (γ = 3) at the same
estimates; it is a year's worth, the cost is paid once. Act when some weight has drifted by 0.05 and the
gain less the cost is at least 0.001.
"""

from dataclasses import dataclass

import numpy as np

from alluse.domain.covariance import Array
from alluse.domain.estimates import Estimates

DRIFT = 0.05
COST = 0.001
LEAST_GAIN = 0.001
RISK_AVERSION = 3.0
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Advice:
    """The figures of a move, as fractions of the portfolio, and whether it is advised."""

    advised: bool
    reason: str
    max_drift: float
    turnover: float
    cost: float
    gain: float
    net_gain: float


def utility(weights: Array, estimates: Estimates) -> float:
    """Mean less half the risk aversion times the variance, yearly."""
    variance = float(weights @ estimates.covariance @ weights)
    return float(estimates.mean @ weights) - 0.5 * RISK_AVERSION * variance


def advise(current: Array, target: Array, estimates: Estimates) -> Advice:
    """Compare two portfolios of the same symbols."""
    change = np.abs(target - current)
    drift, turnover = float(change.max()), 0.5 * float(change.sum())
    cost = turnover * COST
    gain = utility(target, estimates) - utility(current, estimates)
    net = gain - cost
    if drift < DRIFT - _ROUNDING:
        reason = f"the largest drift {drift:.4f} is below {DRIFT}"
    elif net < LEAST_GAIN - _ROUNDING:
        reason = f"the gain {gain:.5f} less the cost {cost:.5f} is below {LEAST_GAIN}"
    else:
        reason = f"drift {drift:.4f} and net gain {net:.5f} are large enough"
    advised = drift >= DRIFT - _ROUNDING and net >= LEAST_GAIN - _ROUNDING
    return Advice(advised, reason, drift, turnover, cost, gain, net)
