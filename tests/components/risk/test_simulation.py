"""Simulated returns have the covariance they are asked for and fat tails; options are worth their model."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse.domain.covariance import ledoit_wolf
from alluse.domain.errors import InvalidInputError
from alluse.domain.exposure import Leg
from alluse.domain.options import price
from alluse.domain.simulation import draw_returns, seed_of, simulate_losses
from alluse.domain.tail_risk import empirical_tail, parametric_tail
from alluse.schemas.common import OptionType, PositionKind
from windows import golden_returns, random_returns


def test_draws_have_the_covariance_and_heavier_tails() -> None:
    covariance = ledoit_wolf(golden_returns()).covariance
    returns = draw_returns(covariance, seed=7, draws=200_000)
    assert np.cov(returns.T) == pytest.approx(covariance, rel=0.05)
    assert returns.mean(axis=0) == pytest.approx(np.zeros(6), abs=2e-4)
    weights = np.full(6, 1 / 6)
    book = returns @ weights
    deviation = float(np.sqrt(weights @ covariance @ weights))
    # Of a Student t with ν = 5 of unit variance: quantiles 1.561 at 95 % and 2.606 at 99 %.
    assert empirical_tail(-book, 0.95).var == pytest.approx(1.561 * deviation, rel=0.02)
    assert empirical_tail(-book, 0.99).var == pytest.approx(2.606 * deviation, rel=0.03)
    assert empirical_tail(-book, 0.99).var > parametric_tail(1.0, deviation, 0.99).var


@given(st.integers(0, 1000), st.integers(1, 6))
def test_the_same_seed_gives_the_same_draws(seed: int, width: int) -> None:
    covariance = ledoit_wolf(random_returns(seed, 80, width)).covariance
    first, again = (draw_returns(covariance, seed=seed, draws=100) for _ in range(2))
    assert np.array_equal(first, again)


def test_seeds_differ_by_portfolio_and_day() -> None:
    assert seed_of("a", "2024-06-18") == seed_of("a", "2024-06-18")
    assert len({seed_of("a", "2024-06-18"), seed_of("b", "2024-06-18"), seed_of("a", "2024-06-19")}) == 3


@pytest.mark.parametrize("kind", [PositionKind.PUT, PositionKind.CALL])
@pytest.mark.parametrize("strike", [80.0, 100.0, 120.0])
def test_an_option_is_revalued_by_its_model_one_day_later(kind: PositionKind, strike: float) -> None:
    item = Leg("AAA", kind, -300.0, 100.0, -300.0, 0.4, strike, 7 / 365, 0.4)
    covariance = np.array([[0.02**2]])
    losses = simulate_losses([item], ["AAA"], covariance, seed=3, rate=0.02, draws=500)
    spots = 100.0 * (1 + draw_returns(covariance, seed=3, draws=500)[:, 0])
    option = OptionType(kind.value)
    before = price(option, 100.0, strike, 7 / 365, 0.02, 0.4)
    exact = [300.0 * (price(option, float(s), strike, 6 / 365, 0.02, 0.4) - before) for s in spots]
    assert losses == pytest.approx(exact, abs=0.5)


def test_no_draws_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="draws"):
        draw_returns(np.eye(1), seed=1, draws=0)
