"""Indicators against the textbook recursions, written the slow way."""

from math import isfinite, log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse.domain import indicators
from alluse.domain.errors import InsufficientDataError

series = st.lists(st.floats(1e-3, 1e9), min_size=60, max_size=300).map(np.array)


def slow_forecast(returns: list[float]) -> float:
    window = returns[-251:]
    mean = sum(window[:20]) / 20
    variance = sum((value - mean) ** 2 for value in window[:20]) / 19
    for value in window[20:]:
        variance = 0.94 * variance + 0.06 * value**2
    return sqrt(252 * variance)


def slow_wilder(values: list[float], period: int) -> float:
    average = sum(values[:period]) / period
    for value in values[period:]:
        average += (value - average) / period
    return average


@given(series)
def test_the_forecast_is_the_recursion(closes: np.ndarray) -> None:
    returns = indicators.log_returns(closes)
    assert indicators.forecast_volatility(returns) == pytest.approx(slow_forecast(returns.tolist()), rel=1e-9)


@given(series)
def test_rsi_is_wilders_recursion(closes: np.ndarray) -> None:
    changes = np.diff(closes[-252:]).tolist()
    gain = slow_wilder([max(change, 0) for change in changes], 14)
    loss = slow_wilder([max(-change, 0) for change in changes], 14)
    wanted = 50.0 if gain + loss == 0 else 100 - 100 / (1 + gain / loss) if loss else 100.0
    assert indicators.relative_strength(closes) == pytest.approx(wanted, rel=1e-6, abs=1e-6)


@given(series)
def test_trend_fit_is_the_squared_correlation_with_time(closes: np.ndarray) -> None:
    logs = np.log(closes[-50:])
    fit = indicators.trend_fit(closes)
    assert 0 <= fit <= 1
    if logs.std() > 1e-6:
        assert fit == pytest.approx(np.corrcoef(logs, np.arange(50))[0, 1] ** 2, abs=1e-9)


@given(series)
def test_every_indicator_is_finite(closes: np.ndarray) -> None:
    returns = indicators.log_returns(closes)
    found = (
        indicators.historical_volatility(returns),
        indicators.forecast_volatility(returns),
        indicators.relative_strength(closes),
        indicators.rate_of_change(closes),
        indicators.average_true_range(closes * 1.01, closes * 0.99, closes),
        *indicators.rolling_volatility(returns),
    )
    assert all(isfinite(value) for value in found)


def test_a_straight_line_in_logs_is_a_perfect_trend_and_a_constant_is_none() -> None:
    assert indicators.trend_fit(np.exp(0.01 * np.arange(50))) == pytest.approx(1.0)
    assert indicators.trend_fit(np.full(50, 0.1)) == 0.0


def test_volatility_of_alternating_returns() -> None:
    closes = np.array([100.0 if place % 2 == 0 else 101.0 for place in range(21)])
    deviation = log(1.01) * sqrt(20 / 19)
    found = indicators.historical_volatility(indicators.log_returns(closes))
    assert found == pytest.approx(deviation * sqrt(252))


def test_true_range_counts_the_gap_from_the_close_before() -> None:
    closes = np.array([10.0] * 15 + [20.0])
    highs, lows = closes + 1, closes - 1
    # 14 ranges of 2, then one from the close of 10 to the high of 21.
    assert indicators.average_true_range(highs, lows, closes) == pytest.approx((2 * 13 + 11) / 14)
    falling = closes[::-1].copy()
    falling[1:-1] = 20.0
    assert indicators.average_true_range(falling + 1, falling - 1, falling) == pytest.approx(
        (2 * 13 + 11) / 14
    )


def test_rsi_at_its_ends() -> None:
    assert indicators.relative_strength(np.arange(1.0, 40.0)) == 100
    assert indicators.relative_strength(np.arange(40.0, 1.0, -1.0)) == 0
    assert indicators.relative_strength(np.full(40, 5.0)) == 50


def test_volume_is_compared_with_the_days_before() -> None:
    assert indicators.volume_ratio(np.array([100.0] * 20 + [150.0])) == 1.5
    assert indicators.volume_ratio(np.array([0.0] * 20 + [150.0])) is None
    assert indicators.volume_ratio(np.array([100.0] * 20)) is None


def test_a_rank_needs_sixty_values() -> None:
    assert indicators.share_below(np.arange(59.0), 30) is None
    assert indicators.share_below(np.arange(100.0), 25) == 0.25
    # Only the last 252 count.
    assert indicators.share_below(np.concatenate((np.zeros(500), np.full(252, 9.0))), 5) == 0


@pytest.mark.parametrize(
    "compute",
    [
        lambda few: indicators.historical_volatility(few),
        lambda few: indicators.forecast_volatility(few),
        lambda few: indicators.trend_fit(few),
        lambda few: indicators.moving_average(few, 10),
        lambda few: indicators.relative_strength(few),
        lambda few: indicators.rate_of_change(few),
        lambda few: indicators.average_true_range(few, few, few),
    ],
)
def test_too_few_observations_are_an_error_and_never_a_default(compute: object) -> None:
    with pytest.raises(InsufficientDataError, match="needed"):
        compute(np.ones(9))  # type: ignore[operator]
