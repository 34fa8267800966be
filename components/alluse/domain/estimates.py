"""Yearly means and covariance of returns as portfolio selection needs them.

    Σ   Ledoit–Wolf of daily returns × 252
    μ   historical means × 252, or those shrunk towards the mean of the minimum-variance portfolio:
        P. Jorion, "Bayes–Stein estimation for portfolio analysis", J. Financial and Quantitative
        Analysis 21 (1986)

Historical means are mostly noise (R. Merton, "On estimating the expected return on the market", J.
Financial Economics 8 (1980)), which is why the shrunk ones are the default.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from alluse.domain.covariance import Array, checked_returns, ledoit_wolf
from alluse.domain.errors import InsufficientDataError, InvalidInputError
from alluse.domain.exposure import TRADING_DAYS
from alluse.schemas.portfolio import MeanEstimate

LEAST_DAYS = 60
LOOKBACK_DAYS = 252
#: Smallest eigenvalue, relative to the largest, of a covariance that can be inverted.
_DEPENDENT = 1e-10


@dataclass(frozen=True, slots=True)
class Estimates:
    """Yearly mean (k) and covariance (k × k) in the order of `symbols`, and how strongly each was shrunk."""

    symbols: tuple[str, ...]
    mean: Array
    covariance: Array
    shrinkage: float
    mean_shrinkage: float
    days: int


def estimate(
    symbols: tuple[str, ...],
    returns: Array,
    mode: MeanEstimate,
    given: Mapping[str, float] | None = None,
) -> Estimates:
    """Estimates from daily returns (n × k), the last 252 days of them, at least 60."""
    recent = checked_returns(returns, least=LEAST_DAYS)[-LOOKBACK_DAYS:]
    still = [name for name, spread in zip(symbols, np.ptp(recent, axis=0), strict=True) if spread <= 0]
    if still:
        raise InsufficientDataError("symbols", f"{', '.join(still)} did not move on any day")
    shrunk = ledoit_wolf(recent)
    covariance = shrunk.covariance * TRADING_DAYS
    spectrum = np.linalg.eigvalsh(covariance)
    if spectrum[0] <= _DEPENDENT * spectrum[-1]:
        raise InvalidInputError("symbols", "the returns of some determine those of others; leave one out")
    historical = recent.mean(axis=0) * TRADING_DAYS
    weight = 0.0
    if mode is MeanEstimate.GIVEN:
        if given is None or any(symbol not in given for symbol in symbols):
            raise InvalidInputError("expected_returns", "must name every symbol")
        mean = np.array([given[symbol] for symbol in symbols])
    elif mode is MeanEstimate.HISTORICAL:
        mean = historical
    else:
        mean, weight = bayes_stein(historical, covariance, recent.shape[0])
    return Estimates(symbols, mean, covariance, shrunk.intensity, weight, recent.shape[0])


def bayes_stein(mean: Array, covariance: Array, days: int) -> tuple[Array, float]:
    """Means drawn towards that of the minimum-variance portfolio, and how far (0 not, 1 entirely).

    φ = (k + 2)/((k + 2) + n·(μ − μ₀1)ᵀΣ⁻¹(μ − μ₀1)) with yearly μ and Σ of n daily returns: in daily terms
    the quadratic form is 252 times smaller.
    """
    size = mean.shape[0]
    inverse_ones = np.linalg.solve(covariance, np.ones(size))
    target = float(inverse_ones @ mean / inverse_ones.sum())
    apart = mean - target
    quadratic = float(apart @ np.linalg.solve(covariance, apart)) / TRADING_DAYS
    weight = (size + 2.0) / (size + 2.0 + days * max(quadratic, 0.0))
    return (1.0 - weight) * mean + weight * target, weight
