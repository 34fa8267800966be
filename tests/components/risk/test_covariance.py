"""Shrinkage, correlations and the completion by what has only a volatility."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from alluse.domain.covariance import completed, correlations, ledoit_wolf, square_root
from alluse.domain.errors import InsufficientDataError, InvalidInputError
from windows import random_returns

shapes = st.tuples(st.integers(2, 40), st.integers(1, 8))
matrices = shapes.flatmap(lambda shape: arrays(np.float64, shape, elements=st.floats(-0.5, 0.5)))
seeds = st.integers(0, 10_000)


@given(matrices)
def test_shrunk_covariance_is_one(returns: np.ndarray) -> None:
    shrunk = ledoit_wolf(returns)
    assert 0 <= shrunk.intensity <= 1
    assert np.allclose(shrunk.covariance, shrunk.covariance.T)
    assert np.linalg.eigvalsh(shrunk.covariance).min() >= -1e-12
    sample = np.cov(returns.T, bias=True).reshape(shrunk.covariance.shape)
    assert np.trace(shrunk.covariance) == pytest.approx(np.trace(sample), abs=1e-12)


@given(seeds, st.integers(3, 60), st.integers(2, 12))
def test_the_short_form_is_the_definition(seed: int, days: int, width: int) -> None:
    returns = random_returns(seed, days, width)
    centred = returns - returns.mean(axis=0)
    sample = centred.T @ centred / days
    target = np.eye(width) * np.trace(sample) / width
    distance = np.sum((sample - target) ** 2)
    noise = np.mean([np.sum((np.outer(day, day) - sample) ** 2) for day in centred]) / days
    intensity = min(noise, distance) / distance
    assert ledoit_wolf(returns).intensity == pytest.approx(intensity, rel=1e-6)


@given(matrices)
def test_correlations_are_correlations(returns: np.ndarray) -> None:
    found = correlations(returns)
    assert np.all(np.diag(found) == 1)
    assert np.all(np.abs(found) <= 1)
    assert np.allclose(found, found.T)


@given(seeds, st.integers(1, 5), st.integers(1, 3), st.booleans())
def test_what_has_no_returns_adds_its_full_deviation(seed: int, known: int, more: int, short: bool) -> None:
    generator = np.random.default_rng(seed)
    covariance = ledoit_wolf(random_returns(seed, 80, known)).covariance
    weights = generator.uniform(-1, 1, known)
    others = generator.uniform(0, 1, more) * (-1 if short else 1)
    deviations = generator.uniform(0.001, 0.05, more)
    whole = completed(covariance, weights, deviations, others)
    both = np.concatenate([weights, others])
    expected = np.sqrt(weights @ covariance @ weights) + np.abs(others) @ deviations
    assert np.sqrt(both @ whole @ both) == pytest.approx(expected, rel=1e-9)
    assert np.linalg.eigvalsh(whole).min() >= -1e-12
    root = square_root(whole)
    assert np.allclose(root @ root.T, whole, atol=1e-12)


def test_completion_without_anything_known() -> None:
    whole = completed(np.zeros((0, 0)), np.zeros(0), np.array([0.01, 0.02]), np.array([1.0, -1.0]))
    assert np.sqrt(np.array([1.0, -1.0]) @ whole @ np.array([1.0, -1.0])) == pytest.approx(0.03)


@pytest.mark.parametrize(
    ("returns", "error", "match"),
    [
        (np.zeros(3), InvalidInputError, "matrix"),
        (np.zeros((3, 0)), InvalidInputError, "matrix"),
        (np.array([[np.nan], [0.0]]), InvalidInputError, "finite"),
        (np.zeros((1, 2)), InsufficientDataError, "1 days"),
    ],
)
def test_refusals(returns: np.ndarray, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        ledoit_wolf(returns)
