"""Tails and the test of them: bounds that hold for every input, and closed forms."""

from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse.domain.errors import InsufficientDataError, InvalidInputError
from alluse.domain.tail_risk import empirical_tail, exceptions, kupiec, parametric_tail, tail_rank

losses = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300).map(np.array)
levels = st.floats(0.5, 0.999)


@given(losses)
def test_higher_level_never_lowers_an_empirical_tail(found: np.ndarray) -> None:
    low, high = empirical_tail(found, 0.95), empirical_tail(found, 0.99)
    assert high.var >= low.var
    assert high.cvar >= low.cvar - 1e-6 * (1 + abs(low.cvar))


@given(losses, levels)
def test_shortfall_is_never_below_value_at_risk(found: np.ndarray, level: float) -> None:
    tail = empirical_tail(found, level)
    assert tail.cvar >= tail.var >= 0


@given(losses, levels)
def test_no_more_losses_lie_above_the_value_at_risk_than_promised(found: np.ndarray, level: float) -> None:
    tail = empirical_tail(found, level)
    assert np.count_nonzero(found > tail.var) <= found.size * (1 - level) + 1


@given(losses, st.floats(0, 1e6))
def test_a_larger_loss_every_day_never_lowers_the_tail(found: np.ndarray, more: float) -> None:
    before, after = empirical_tail(found, 0.95), empirical_tail(found + more, 0.95)
    assert after.var >= before.var
    assert after.cvar >= before.cvar - 1e-6 * (1 + abs(before.cvar))


@given(st.floats(0, 1e9), st.floats(0, 1), st.floats(0, 1), levels)
def test_more_volatility_never_lowers_a_parametric_tail(
    value: float, deviation: float, more: float, level: float
) -> None:
    before = parametric_tail(value, deviation, level)
    after = parametric_tail(value, deviation + more, level)
    assert after.var >= before.var
    assert after.cvar >= before.cvar
    assert before.cvar >= before.var >= 0


@pytest.mark.parametrize(
    ("count", "level", "rank"),
    [(252, 0.95, 13), (252, 0.99, 3), (100, 0.95, 5), (1000, 0.99, 10), (10, 0.99, 1), (1, 0.95, 1)],
)
def test_rank_is_the_exact_ceiling(count: int, level: float, rank: int) -> None:
    assert tail_rank(count, level) == rank


def test_ties_at_the_quantile_all_belong_to_the_shortfall() -> None:
    tail = empirical_tail(np.array([5.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]), 0.8)
    assert tail.var == 1.0
    assert tail.cvar == pytest.approx((5 + 1 + 1 + 1) / 4)


@given(st.integers(1, 2000).flatmap(lambda days: st.tuples(st.just(days), st.integers(0, days))))
def test_kupiec_is_its_closed_form(case: tuple[int, int]) -> None:
    days, count = case
    p, observed = 0.05, count / days

    def likelihood(probability: float) -> float:
        hit = count * log(probability) if count else 0.0
        miss = (days - count) * log(1 - probability) if days > count else 0.0
        return hit + miss

    found = kupiec(count, days, 0.95)
    assert found.statistic == pytest.approx(max(2 * (likelihood(observed) - likelihood(p)), 0), abs=1e-8)
    assert 0 <= found.p_value <= 1
    assert found.expected == pytest.approx(0.05 * days)


@pytest.mark.parametrize(
    ("level", "days", "above", "below"),
    [
        # The published regions in which the count does not reject the model at 95 % confidence.
        (0.95, 255, 6, 21),
        (0.95, 510, 16, 36),
        (0.95, 1000, 37, 65),
        (0.99, 255, -1, 7),
        (0.99, 510, 1, 11),
        (0.99, 1000, 4, 17),
    ],
)
def test_kupiec_rejects_where_the_published_table_does(
    level: float, days: int, above: int, below: int
) -> None:
    for count in range(days // 10):
        within = above < count < below
        # With few days, no exception at all at 99 % is on the edge: its statistic is 5.13.
        if level == 0.99 and days == 255 and count == 0:
            continue
        assert kupiec(count, days, level).rejected(0.05) is not within, count


def test_exceptions_are_days_beyond_the_forecast() -> None:
    assert exceptions([1.0, 2.0, 3.0], [1.0, 1.0, 4.0]) == 1
    with pytest.raises(InvalidInputError, match="forecasts"):
        exceptions([1.0], [])


def test_refusals_name_the_field() -> None:
    with pytest.raises(InsufficientDataError, match="losses"):
        empirical_tail(np.array([]), 0.95)
    with pytest.raises(InvalidInputError, match="level"):
        parametric_tail(1.0, 0.1, 1.0)
    with pytest.raises(InvalidInputError, match="deviation"):
        parametric_tail(1.0, -0.1, 0.95)
    with pytest.raises(InvalidInputError, match="exceptions"):
        kupiec(11, 10, 0.95)
    with pytest.raises(InsufficientDataError, match="days"):
        kupiec(0, 0, 0.95)
