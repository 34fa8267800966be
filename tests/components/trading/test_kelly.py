"""The growth-optimal fraction: against a search by brute force, and where it must be zero."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alluse.domain.kelly import ShortOption, optimal_growth
from alluse.domain.options import price, strike_from_delta
from alluse.schemas.common import OptionType
from alluse.schemas.protocol import TailShock
from trading import kinds

TAIL = TailShock()


def sold(
    kind: OptionType, implied: float, days: int = 7, delta: float = 0.45, margin: float = 0.2
) -> ShortOption:
    years = days / 365
    strike = strike_from_delta(kind, 100.0, delta, years, 0.02, implied)
    premium = price(kind, 100.0, strike, years, 0.02, implied)
    return ShortOption(kind, 100.0, strike, days, premium, capital=100.0 * margin)


def growth_rate(option: ShortOption, forecast: float, fraction: float) -> float:
    z = np.linspace(-6, 6, 1201)
    weights = np.exp(-(z**2) / 2)
    weights = np.append(weights / weights.sum() * (1 - TAIL.probability), TAIL.probability)
    years = option.days / 365
    prices = 100 * np.exp((0.02 - forecast**2 / 2) * years + forecast * np.sqrt(years) * z)
    profits = option.profit(np.append(prices, 100 * (1 + TAIL.shock)))
    if option.kind is OptionType.CALL:
        profits = profits - 100 * np.expm1(0.02 * years)
    returns = profits / option.capital
    return float(weights @ np.log1p(fraction * returns))


@given(kinds, st.floats(0.1, 1.5), st.floats(0.3, 1.2), st.integers(1, 60), st.floats(0.1, 0.7))
@settings(max_examples=50)
def test_no_other_fraction_grows_faster(
    kind: OptionType, implied: float, ratio: float, days: int, delta: float
) -> None:
    option, forecast = sold(kind, implied, days, delta), implied * ratio
    found = optimal_growth(option, forecast, 0.02, TAIL)
    best = growth_rate(option, forecast, found.fraction)
    z = np.linspace(-6, 6, 1201)
    years = days / 365
    prices = 100 * np.exp((0.02 - forecast**2 / 2) * years + forecast * np.sqrt(years) * z)
    financing = 100 * np.expm1(0.02 * years) if kind is OptionType.CALL else 0.0
    worst = -float(((option.profit(np.append(prices, 80.0)) - financing) / option.capital).min())
    limit = min(1.0, 0.999 / worst) if worst > 0 else 1.0
    assert 0 <= found.fraction <= limit
    for fraction in np.linspace(0, limit, 41):
        assert growth_rate(option, forecast, float(fraction)) <= best + 1e-9


@given(kinds, st.floats(0.1, 1.5), st.floats(1.0, 3.0), st.integers(1, 60))
def test_without_an_edge_nothing_is_risked(kind: OptionType, implied: float, ratio: float, days: int) -> None:
    found = optimal_growth(sold(kind, implied, days), implied * ratio, 0.02, TAIL)
    assert found.fraction == 0
    assert found.edge <= 0


@given(kinds, st.floats(0.1, 1.5), st.floats(0.2, 1.0), st.floats(1.0, 1.5), st.integers(1, 60))
def test_a_higher_forecast_never_risks_more(
    kind: OptionType, implied: float, ratio: float, more: float, days: int
) -> None:
    option = sold(kind, implied, days)
    calm = optimal_growth(option, implied * ratio, 0.02, TAIL)
    wild = optimal_growth(option, implied * ratio * more, 0.02, TAIL)
    assert wild.fraction <= calm.fraction + 1e-9


def test_a_worse_shock_never_risks_more() -> None:
    option = sold(OptionType.PUT, 0.30)
    shares = [
        optimal_growth(option, 0.27, 0.02, TailShock(shock=shock, probability=probability)).fraction
        for shock, probability in ((-0.1, 0.001), (-0.2, 0.001), (-0.4, 0.001), (-0.4, 0.005))
    ]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > shares[-1]


@given(kinds, st.floats(0.1, 1.5), st.integers(1, 60), st.floats(0.0, 0.5))
def test_interest_is_no_edge(kind: OptionType, implied: float, days: int, rate: float) -> None:
    years = days / 365
    strike = strike_from_delta(kind, 100.0, 0.45, years, rate, implied)
    premium = price(kind, 100.0, strike, years, rate, implied)
    option = ShortOption(kind, 100.0, strike, days, premium, capital=20.0)
    assert optimal_growth(option, implied, rate, TAIL).fraction == 0


def test_a_covered_call_earns_premium_and_share_up_to_the_strike() -> None:
    option = ShortOption(OptionType.CALL, 100.0, 105.0, 7, 1.0, 100.0)
    assert option.profit(np.array([0.0, 100.0, 105.0, 150.0])) == pytest.approx([-99, 1, 6, 6])
