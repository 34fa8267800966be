"""Value at risk, expected shortfall and the test whether a value at risk holds.

    P. Jorion, "Value at Risk", 3rd ed. (2006); A. McNeil, R. Frey, P. Embrechts, "Quantitative Risk
    Management", 2nd ed. (2015); P. Kupiec, "Techniques for verifying the accuracy of risk measurement
    models", J. Derivatives 3 (1995)

A loss is positive. Value at risk and expected shortfall are at least 0: a portfolio that gains even in its
tail has no loss to report. Expected shortfall is never below the value at risk of the same level.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, erfc, inf, log, sqrt

import numpy as np

from alluse.domain.covariance import Array
from alluse.domain.errors import InsufficientDataError, InvalidInputError
from alluse.domain.options import normal_pdf, normal_quantile

#: The two levels that every answer states.
LEVELS = (0.95, 0.99)
#: n(1 − α) is meant exactly; without this, rounding of 1 − α takes one observation too many.
_RANK_SLACK = 1e-9


@dataclass(frozen=True, slots=True)
class Tail:
    """Value at risk and expected shortfall at one level, both in the unit of what they were computed from."""

    level: float
    var: float
    cvar: float


@dataclass(frozen=True, slots=True)
class Coverage:
    """Kupiec's test of the proportion of failures over a number of days."""

    days: int
    exceptions: int
    expected: float
    statistic: float
    p_value: float

    def rejected(self, significance: float) -> bool:
        """Whether the count of exceptions contradicts the level."""
        return self.p_value < significance


def parametric_tail(value: float, deviation: float, level: float, mean: float = 0.0) -> Tail:
    """Tail of a normal profit: VaR = V(z·σ − μ), CVaR = V(σ·φ(z)/(1 − α) − μ).

    `value` in USD, `deviation` and `mean` of the daily return as fractions of it.
    """
    _check_level(level)
    if deviation < 0:
        raise InvalidInputError("deviation", f"must not be negative, but is {deviation}")
    quantile = normal_quantile(level)
    var = value * (quantile * deviation - mean)
    cvar = value * (deviation * normal_pdf(quantile) / (1.0 - level) - mean)
    return Tail(level, max(var, 0.0), max(cvar, var, 0.0))


def empirical_tail(losses: Array, level: float) -> Tail:
    """Tail of observed or simulated losses: the ⌈n(1 − α)⌉-th largest, and the mean of those not below it."""
    _check_level(level)
    if losses.size == 0:
        raise InsufficientDataError("losses", "there are none")
    rank = tail_rank(losses.size, level)
    tail = np.sort(losses)[losses.size - rank :]
    # Losses equal to the quantile but ranked below it belong to the mean: they change it by nothing
    # when counted as often as they occur, so they are taken in.
    equal = int(np.count_nonzero(losses == tail[0])) - int(np.count_nonzero(tail == tail[0]))
    var = float(tail[0])
    cvar = (float(tail.sum()) + equal * var) / (rank + equal)
    return Tail(level, max(var, 0.0), max(cvar, var, 0.0))


def tail_rank(count: int, level: float) -> int:
    """Rank from the top of the loss that is the value at risk of `count` losses."""
    return max(ceil(count * (1.0 - level) - _RANK_SLACK), 1)


def kupiec(exceptions: int, days: int, level: float) -> Coverage:
    """Likelihood ratio of the observed against the promised share of exceptions, χ² with one degree.

    LR = −2 ln[(1−p)^(T−x) p^x] + 2 ln[(1−x/T)^(T−x) (x/T)^x] with p = 1 − α; the tail of χ²₁ is
    erfc(√(LR/2)).
    """
    _check_level(level)
    if days <= 0:
        raise InsufficientDataError("days", "a backtest needs at least one day")
    if not 0 <= exceptions <= days:
        raise InvalidInputError("exceptions", f"must lie between 0 and {days}, not {exceptions}")
    promised, observed = 1.0 - level, exceptions / days
    statistic = 2.0 * (
        _log_likelihood(exceptions, days, observed) - _log_likelihood(exceptions, days, promised)
    )
    statistic = max(statistic, 0.0)
    return Coverage(days, exceptions, promised * days, statistic, erfc(sqrt(statistic / 2.0)))


def exceptions(losses: Sequence[float] | Array, forecasts: Sequence[float] | Array) -> int:
    """On how many days the loss was larger than what had been forecast for it."""
    if len(losses) != len(forecasts):
        raise InvalidInputError("forecasts", f"there are {len(forecasts)} for {len(losses)} losses")
    return int(np.count_nonzero(np.asarray(losses) > np.asarray(forecasts)))


def _log_likelihood(exceptions: int, days: int, probability: float) -> float:
    return _times_log(exceptions, probability) + _times_log(days - exceptions, 1.0 - probability)


def _times_log(count: int, probability: float) -> float:
    if count == 0:
        return 0.0
    return count * log(probability) if probability > 0 else -inf


def _check_level(level: float) -> None:
    if not 0.5 <= level < 1.0:
        raise InvalidInputError("level", f"must be at least 0.5 and below 1, not {level}")
