"""Covariance of daily returns: Ledoit–Wolf shrinkage, correlations, and how to count what has no returns.

    O. Ledoit, M. Wolf, "A well-conditioned estimator for large-dimensional covariance matrices",
    J. Multivariate Analysis 88 (2004)

A matrix of returns has one row a day (oldest first) and one column a symbol; returns are simple, daily,
fractions. Nothing here annualises.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt

from alluse.domain.errors import InsufficientDataError, InvalidInputError

Array = npt.NDArray[np.float64]

#: A variance below this is rounding noise of a constant series.
_NO_VARIANCE = 1e-20


@dataclass(frozen=True, slots=True)
class Shrunk:
    """A shrunk covariance (k × k) and the weight of its target, 0 (sample) to 1 (scaled identity)."""

    covariance: Array
    intensity: float


def checked_returns(returns: Array, *, least: int) -> Array:
    """The matrix itself when it is a finite (n × k) matrix of at least `least` rows and one column."""
    if returns.ndim != 2 or returns.shape[1] == 0:
        raise InvalidInputError(
            "returns", f"must be a matrix of days by symbols, not of shape {returns.shape}"
        )
    if not np.isfinite(returns).all():
        raise InvalidInputError("returns", "must be finite numbers")
    if returns.shape[0] < least:
        raise InsufficientDataError("returns", f"{returns.shape[0]} days are given and {least} are needed")
    return returns


def ledoit_wolf(returns: Array) -> Shrunk:
    """Sample covariance (divisor n) shrunk towards the identity scaled by the mean variance.

    δ = min(β, d²)/d² with d² the distance of the sample S from the target and β the mean distance of the
    single days' outer products from S. A day's distance is |x|⁴ − 2 xᵀSx + ‖S‖², whose mean is
    mean|x|⁴ − ‖S‖²: no k × k matrix a day is built.
    """
    checked_returns(returns, least=2)
    days, width = returns.shape
    centred = returns - returns.mean(axis=0)
    sample = centred.T @ centred / days
    mean_variance = float(np.trace(sample)) / width
    squared_norm = float(np.sum(sample * sample))
    distance = squared_norm / width - mean_variance**2
    if distance <= _NO_VARIANCE * max(mean_variance**2, _NO_VARIANCE):
        return Shrunk(sample, 0.0)
    fourth = float(np.mean(np.sum(centred * centred, axis=1) ** 2))
    noise = (fourth - squared_norm) / (days * width)
    intensity = min(max(noise, 0.0), distance) / distance
    shrunk = (1.0 - intensity) * sample
    shrunk.flat[:: width + 1] += intensity * mean_variance
    return Shrunk(shrunk, intensity)


def correlations(returns: Array) -> Array:
    """Pearson correlations (k × k); a series that does not move correlates with nothing."""
    checked_returns(returns, least=2)
    centred = returns - returns.mean(axis=0)
    norms = np.sqrt(np.sum(centred * centred, axis=0))
    moves = norms > sqrt(_NO_VARIANCE)
    scaled = np.where(moves, centred / np.where(moves, norms, 1.0), 0.0)
    matrix: Array = np.clip(scaled.T @ scaled, -1.0, 1.0)
    np.fill_diagonal(matrix, 1.0)
    return matrix


def completed(covariance: Array, exposures: Array, deviations: Array, signed: Array) -> Array:
    """Covariance with further symbols of which only the deviation is known, assumed to fall together.

    `covariance` (k × k) and `exposures` (k) describe what has returns; `deviations` (m, daily) and `signed`
    (m) the others and the sign of their exposure. Each of the others is assumed to move in full step with
    the known part and with each other, in the direction that hurts: the deviation of the whole is then the
    sum σ_known + Σ|w|σ, the largest that any correlation allows. Returns (k+m × k+m), positive semidefinite.
    """
    known = sqrt(max(float(exposures @ covariance @ exposures), 0.0))
    adverse = np.where(signed < 0, -1.0, 1.0) * deviations
    cross = np.outer(adverse, covariance @ exposures / known) if known > 0 else None
    size, more = covariance.shape[0], deviations.shape[0]
    whole = np.zeros((size + more, size + more))
    whole[:size, :size] = covariance
    whole[size:, size:] = np.outer(adverse, adverse)
    if cross is not None:
        whole[size:, :size] = cross
        whole[:size, size:] = cross.T
    return whole


def square_root(covariance: Array) -> Array:
    """A matrix L with L·Lᵀ = covariance, also where the covariance is singular (by eigenvalues)."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.clip(values, 0.0, None)), dtype=np.float64)
