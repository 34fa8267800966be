"""Options and volatility against the libraries that are the usual references for them."""

import math

import numpy as np
import pytest
from arch.univariate import EWMAVariance
from hypothesis import assume, given
from hypothesis import strategies as st
from vollib.black_scholes_merton import black_scholes_merton
from vollib.black_scholes_merton.greeks import analytical
from vollib.black_scholes_merton.implied_volatility import implied_volatility as reference_volatility

from alluse.data import market_data
from alluse.domain.indicators import TRADING_DAYS, forecast_volatility, log_returns
from alluse.domain.options import greeks, implied_volatility, price
from alluse.schemas.common import OptionType

FLAGS = {OptionType.PUT: "p", OptionType.CALL: "c"}

kinds = st.sampled_from(OptionType)
spots = st.floats(1.0, 2_000.0)
ratios = st.floats(0.7, 1.4)
years = st.floats(1 / 365, 2.0)
rates = st.floats(0.0, 0.1)
sigmas = st.floats(0.05, 1.5)
dividends = st.floats(0.0, 0.05)


@given(kinds, spots, ratios, years, rates, sigmas, dividends)
def test_prices_and_greeks(
    kind: OptionType, spot: float, ratio: float, t: float, r: float, sigma: float, q: float
) -> None:
    flag, strike = FLAGS[kind], spot * ratio
    assert price(kind, spot, strike, t, r, sigma, q) == pytest.approx(
        black_scholes_merton(flag, spot, strike, t, r, sigma, q), abs=1e-11 * spot
    )
    found = greeks(kind, spot, strike, t, r, sigma, q)
    terms = (flag, spot, strike, t, r, sigma, q)
    assert found.delta == pytest.approx(analytical.delta(*terms), abs=1e-11)
    assert found.gamma == pytest.approx(analytical.gamma(*terms), rel=1e-9, abs=1e-12)
    assert found.theta_per_day == pytest.approx(analytical.theta(*terms), abs=1e-10 * spot)
    # The reference gives vega and rho for one hundredth of volatility and rate.
    assert found.vega / 100 == pytest.approx(analytical.vega(*terms), abs=1e-10 * spot)
    assert found.rho / 100 == pytest.approx(analytical.rho(*terms), abs=1e-10 * spot)


@given(kinds, spots, st.floats(0.85, 1.15), st.floats(7 / 365, 2.0), rates, st.floats(0.1, 1.5), dividends)
def test_implied_volatility(
    kind: OptionType, spot: float, ratio: float, t: float, r: float, sigma: float, q: float
) -> None:
    strike = spot * ratio
    value = price(kind, spot, strike, t, r, sigma, q)
    assume(min(price(k, spot, strike, t, r, sigma, q) for k in OptionType) > 1e-6 * spot)
    wanted = reference_volatility(value, spot, strike, t, r, q, FLAGS[kind])
    assert implied_volatility(kind, value, spot, strike, t, r, q) == pytest.approx(wanted, rel=1e-7)


@pytest.mark.parametrize("symbol", ["AAPL", "SP500", "XOM", "TSLA"])
def test_the_forecast_is_riskmetrics(symbol: str) -> None:
    history, _ = market_data().history(symbol)
    returns = log_returns(history.closes)[-251:]
    # One more value, so that the recursion's last step is the forecast.
    values = np.append(returns[20:], 0.0)
    variances = np.empty_like(values)
    EWMAVariance(0.94).compute_variance(
        np.empty(0),
        values,
        variances,
        float(np.var(returns[:20], ddof=1)),
        np.tile([0.0, 1e9], (len(values), 1)),
    )
    assert forecast_volatility(returns) == pytest.approx(math.sqrt(variances[-1] * TRADING_DAYS), rel=1e-9)
