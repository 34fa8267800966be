"""Prices of European options: bounds, parity, inverses, and the closed forms' known values."""

from contextlib import suppress
from math import exp, isfinite

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from alluse.domain.errors import InvalidInputError
from alluse.domain.options import (
    greeks,
    implied_volatility,
    normal_cdf,
    price,
    probability_itm,
    strike_from_delta,
)
from alluse.schemas.common import OptionType
from trading import kinds

PUT, CALL = OptionType.PUT, OptionType.CALL

spots = st.floats(0.5, 5_000.0)
moneyness = st.floats(0.3, 3.0)
years = st.floats(1 / 365, 3.0)
rates = st.floats(-0.05, 0.15)
sigmas = st.floats(0.02, 3.0)
dividends = st.floats(0.0, 0.1)


@pytest.mark.parametrize(
    ("spot", "sigma", "days", "delta", "strike"),
    [(100.0, 0.30, 7, 0.45, 99.6034), (400.0, 0.18, 7, 0.25, 393.604), (400.0, 0.18, 1, 0.25, 397.506)],
)
def test_strike_of_a_known_delta(spot: float, sigma: float, days: int, delta: float, strike: float) -> None:
    assert strike_from_delta(PUT, spot, delta, days / 365, 0.02, sigma) == pytest.approx(strike, rel=1e-5)


def test_price_of_the_textbook_option() -> None:
    # Hull, Options, Futures and Other Derivatives: S 42, K 40, six months, r 10 %, σ 20 %.
    assert price(CALL, 42, 40, 0.5, 0.1, 0.2) == pytest.approx(4.7594, abs=1e-4)
    assert price(PUT, 42, 40, 0.5, 0.1, 0.2) == pytest.approx(0.8086, abs=1e-4)


@given(kinds, spots, moneyness, years, rates, sigmas, dividends)
def test_a_price_lies_within_the_bounds_without_arbitrage(
    kind: OptionType, spot: float, ratio: float, t: float, r: float, sigma: float, q: float
) -> None:
    strike = spot * ratio
    asset, bond = spot * exp(-q * t), strike * exp(-r * t)
    value = price(kind, spot, strike, t, r, sigma, q)
    lower, upper = (asset - bond, asset) if kind is CALL else (bond - asset, bond)
    assert max(lower, 0.0) <= value <= upper


@given(spots, moneyness, years, rates, sigmas, dividends)
def test_put_and_call_keep_parity(
    spot: float, ratio: float, t: float, r: float, sigma: float, q: float
) -> None:
    strike = spot * ratio
    difference = price(CALL, spot, strike, t, r, sigma, q) - price(PUT, spot, strike, t, r, sigma, q)
    assert difference == pytest.approx(
        spot * exp(-q * t) - strike * exp(-r * t), abs=1e-10 * max(spot, strike)
    )


@given(kinds, spots, st.floats(0.001, 0.94), years, rates, st.floats(0.02, 1.5), st.floats(0.0, 0.02))
def test_the_strike_of_a_delta_has_that_delta(
    kind: OptionType, spot: float, delta: float, t: float, r: float, sigma: float, q: float
) -> None:
    strike = strike_from_delta(kind, spot, delta, t, r, sigma, q)
    assert abs(abs(greeks(kind, spot, strike, t, r, sigma, q).delta) - delta) < 1e-9


@given(kinds, spots, st.floats(0.6, 1.6), years, rates, st.floats(0.05, 2.0), dividends)
def test_implied_volatility_reproduces_the_price(
    kind: OptionType, spot: float, ratio: float, t: float, r: float, sigma: float, q: float
) -> None:
    strike = spot * ratio
    value = price(kind, spot, strike, t, r, sigma, q)
    outside = min(price(k, spot, strike, t, r, sigma, q) for k in OptionType)
    # Below this the price no longer carries the volatility's digits.
    assume(outside > 1e-7 * spot)
    found = implied_volatility(kind, value, spot, strike, t, r, q)
    assert price(kind, spot, strike, t, r, found, q) == pytest.approx(value, abs=1e-12 * spot)
    assert found == pytest.approx(sigma, rel=1e-6)


@given(kinds, spots, moneyness, years, rates, sigmas, st.floats(1.01, 2.0))
def test_more_volatility_never_cheapens_an_option(
    kind: OptionType, spot: float, ratio: float, t: float, r: float, sigma: float, more: float
) -> None:
    strike = spot * ratio
    dearer = price(kind, spot, strike, t, r, sigma * more)
    assert dearer >= price(kind, spot, strike, t, r, sigma) - 1e-12 * spot


@given(
    kinds,
    st.floats(1.0, 1_000.0),
    st.floats(0.8, 1.25),
    st.floats(0.02, 2.0),
    rates,
    st.floats(0.1, 1.0),
    dividends,
)
def test_greeks_are_the_slopes_of_the_price(
    kind: OptionType, spot: float, ratio: float, t: float, r: float, sigma: float, q: float
) -> None:
    strike = spot * ratio
    found = greeks(kind, spot, strike, t, r, sigma, q)

    def value(spot: float = spot, t: float = t, r: float = r, sigma: float = sigma) -> float:
        return price(kind, spot, strike, t, r, sigma, q)

    step, move = 1e-4, 1e-4 * spot
    assert found.delta == pytest.approx((value(spot + move) - value(spot - move)) / (2 * move), abs=1e-4)
    by_sigma = (value(sigma=sigma + step) - value(sigma=sigma - step)) / (2 * step)
    assert found.vega == pytest.approx(by_sigma, abs=1e-4 * spot)
    by_rate = (value(r=r + step) - value(r=r - step)) / (2 * step)
    assert found.rho == pytest.approx(by_rate, abs=1e-4 * spot)
    by_time = (value(t=t - 1e-5) - value(t=t + 1e-5)) / 2e-5
    assert found.theta_per_day * 365 == pytest.approx(by_time, abs=1e-4 * spot)
    assert found.gamma > 0


def test_the_tail_of_the_normal_distribution_keeps_its_digits() -> None:
    assert normal_cdf(-10) == pytest.approx(7.619853e-24, rel=1e-6)
    assert 0 < price(PUT, 100, 70, 7 / 365, 0.02, 0.3) < 1e-15


@given(kinds, st.floats(), st.floats(), st.floats(), st.floats(), st.floats(), st.floats())
def test_any_input_gives_a_finite_number_or_is_refused(
    kind: OptionType, spot: float, strike: float, t: float, r: float, sigma: float, q: float
) -> None:
    calls = (
        lambda: price(kind, spot, strike, t, r, sigma, q),
        lambda: strike_from_delta(kind, spot, strike, t, r, sigma, q),
        lambda: implied_volatility(kind, sigma, spot, strike, t, r, q),
        lambda: probability_itm(kind, spot, strike, t, r, sigma, q),
        lambda: greeks(kind, spot, strike, t, r, sigma, q).delta,
    )
    for call in calls:
        with suppress(InvalidInputError):
            assert isfinite(call())


def test_without_time_or_volatility_only_the_intrinsic_value_is_left() -> None:
    assert price(PUT, 90, 100, 0, 0.02, 0.3) == 10
    assert price(CALL, 90, 100, 0, 0.02, 0.3) == 0
    assert price(PUT, 90, 100, 1, 0.0, 0.0) == pytest.approx(10)


def test_a_put_ends_in_the_money_more_often_than_its_delta() -> None:
    strike = strike_from_delta(PUT, 214.29, 0.50, 7 / 365, 0.02, 0.3513)
    assert probability_itm(PUT, 214.29, strike, 7 / 365, 0.02, 0.3513) == pytest.approx(0.5194, rel=1e-3)


@pytest.mark.parametrize(
    ("premium", "reason"),
    [
        (0.0, "worth nothing"),
        (-1.0, "below zero"),
        (99.97, "the discounted strike"),
        (float("nan"), "no number"),
    ],
)
def test_a_premium_without_a_volatility_is_refused(premium: float, reason: str) -> None:
    with pytest.raises(InvalidInputError, match="premium"):
        implied_volatility(PUT, premium, 100, 100, 7 / 365, 0.02)
