"""European options by Black, Scholes and Merton: price, greeks, implied volatility, strike of a delta.

    F. Black, M. Scholes, "The Pricing of Options and Corporate Liabilities", J. Political Economy 81 (1973)
    R. Merton, "Theory of Rational Option Pricing", Bell J. of Economics 4 (1973): continuous dividend yield

Units: spot, strike and price in USD per share; `years` in calendar days / 365; rate, dividend and sigma
are continuous yearly fractions. A `target_delta` is absolute (0.45 for a put of delta −0.45).
Everything here is scalar and exact to rounding; no function returns NaN or infinity for finite input.
"""

from dataclasses import dataclass
from math import erfc, exp, inf, isfinite, log, pi, sqrt
from statistics import NormalDist

from alluse.domain.errors import InvalidInputError
from alluse.schemas.common import OptionType

DAYS_PER_YEAR = 365.0
_SQRT_2 = sqrt(2.0)
_SQRT_2PI = sqrt(2.0 * pi)
_NORMAL = NormalDist()
#: Above this total deviation (σ√T) a price equals its upper bound to the last bit.
_LARGEST_DEVIATION = 80.0
_MAX_STEPS = 200
#: A strike e^40 times away from the spot is no price any more.
_LARGEST_LOG_STRIKE = 40.0


def normal_cdf(x: float) -> float:
    """Φ(x), accurate in the left tail, where 1 − Φ(−x) would lose every digit."""
    return 0.5 * erfc(-x / _SQRT_2)


def normal_pdf(x: float) -> float:
    return exp(-0.5 * x * x) / _SQRT_2PI


def normal_quantile(p: float) -> float:
    """Φ⁻¹(p) for 0 < p < 1."""
    return _NORMAL.inv_cdf(p)


@dataclass(frozen=True, slots=True)
class Greeks:
    """Sensitivities of one option: theta per calendar day, vega and rho per 1.00 of σ and r."""

    delta: float
    gamma: float
    theta_per_day: float
    vega: float
    rho: float


def price(
    kind: OptionType,
    spot: float,
    strike: float,
    years: float,
    rate: float,
    sigma: float,
    dividend: float = 0.0,
) -> float:
    """Value of one option. With no time or no volatility left it is the discounted intrinsic value."""
    _check(spot, strike, years, rate, sigma, dividend)
    asset, bond = spot * exp(-dividend * years), strike * exp(-rate * years)
    return _value(kind, asset, bond, sigma * sqrt(years))


def greeks(
    kind: OptionType,
    spot: float,
    strike: float,
    years: float,
    rate: float,
    sigma: float,
    dividend: float = 0.0,
) -> Greeks:
    """Sensitivities of one option; `years` and `sigma` must be positive."""
    _check(spot, strike, years, rate, sigma, dividend)
    deviation = _positive_deviation(years, sigma)
    asset, bond = spot * exp(-dividend * years), strike * exp(-rate * years)
    d1, d2 = _d1_d2(asset, bond, deviation)
    sign = 1.0 if kind is OptionType.CALL else -1.0
    carry, density = exp(-dividend * years), normal_pdf(d1)
    theta = (
        -asset * density * sigma / (2.0 * sqrt(years))
        - sign * rate * bond * normal_cdf(sign * d2)
        + sign * dividend * asset * normal_cdf(sign * d1)
    )
    return Greeks(
        delta=sign * carry * normal_cdf(sign * d1),
        gamma=carry * density / (spot * deviation),
        theta_per_day=theta / DAYS_PER_YEAR,
        vega=asset * density * sqrt(years),
        rho=sign * bond * years * normal_cdf(sign * d2),
    )


def probability_itm(
    kind: OptionType,
    spot: float,
    strike: float,
    years: float,
    rate: float,
    sigma: float,
    dividend: float = 0.0,
) -> float:
    """Risk-neutral probability that the option ends in the money: Φ(d2) of a call, Φ(−d2) of a put.

    It is not the delta: for a put it is larger by about the density times σ√T.
    """
    _check(spot, strike, years, rate, sigma, dividend)
    deviation = _positive_deviation(years, sigma)
    _, d2 = _d1_d2(spot * exp(-dividend * years), strike * exp(-rate * years), deviation)
    return normal_cdf(d2 if kind is OptionType.CALL else -d2)


def strike_from_delta(
    kind: OptionType,
    spot: float,
    target_delta: float,
    years: float,
    rate: float,
    sigma: float,
    dividend: float = 0.0,
) -> float:
    """The strike whose option has the absolute delta `target_delta`; the exact inverse of the delta."""
    _check(spot, 1.0, years, rate, sigma, dividend)
    deviation = _positive_deviation(years, sigma)
    share = target_delta * exp(dividend * years)
    if not 0.0 < share < 1.0:
        raise InvalidInputError("target_delta", f"{target_delta} has no strike; give a value between 0 and 1")
    # Φ⁻¹(1 − x) = −Φ⁻¹(x), written so that small deltas keep all their digits.
    d1 = normal_quantile(share) if kind is OptionType.CALL else -normal_quantile(share)
    exponent = -d1 * deviation + (rate - dividend) * years + 0.5 * deviation * deviation
    if abs(exponent) > _LARGEST_LOG_STRIKE:
        raise InvalidInputError(
            "sigma", f"{sigma} over {years:.3g} years puts the strike out of every market"
        )
    return spot * exp(exponent)


def implied_volatility(
    kind: OptionType,
    premium: float,
    spot: float,
    strike: float,
    years: float,
    rate: float,
    dividend: float = 0.0,
) -> float:
    """The σ at which the option is worth `premium`.

    Newton's method on the logarithm of the out-of-the-money price, kept inside a shrinking bracket and
    replaced by a bisection whenever it would leave it. Raises InvalidInputError when the premium is at or
    outside the bounds that absence of arbitrage sets (there is no such σ, or it is not finite).
    """
    _check(spot, strike, years, rate, 0.0, dividend)
    if years <= 0.0:
        raise InvalidInputError("years", "an expired option has no implied volatility")
    asset, bond = spot * exp(-dividend * years), strike * exp(-rate * years)
    # An in-the-money price is its intrinsic value plus the price of the opposite option (parity); the
    # opposite one is small, so that its digits carry the volatility.
    sign = 1.0 if kind is OptionType.CALL else -1.0
    intrinsic = max(sign * (asset - bond), 0.0)
    outside = OptionType.CALL if asset <= bond else OptionType.PUT
    target, upper = premium - intrinsic, min(asset, bond)
    if not 0.0 < target < upper:
        raise InvalidInputError(
            "premium",
            f"{premium} must lie between {intrinsic:.6g} and {intrinsic + upper:.6g} to be free of arbitrage",
        )
    return _solve_deviation(outside, asset, bond, target) / sqrt(years)


def _solve_deviation(kind: OptionType, asset: float, bond: float, target: float) -> float:
    low, high = 0.0, _LARGEST_DEVIATION
    # The inflection point of the price (Manaster and Koehler 1982), from where Newton converges.
    guess = min(max(sqrt(2.0 * abs(log(asset / bond))), 1e-3), high / 2)
    wanted = log(target)
    for _ in range(_MAX_STEPS):
        value = _value(kind, asset, bond, guess)
        gap = log(value) - wanted if value > 0.0 else -inf
        if gap < 0.0:
            low = guess
        else:
            high = guess
        d1, _ = _d1_d2(asset, bond, guess)
        slope = asset * normal_pdf(d1) / value if value > 0.0 else 0.0
        step = gap / slope if slope > 0.0 and isfinite(gap) else inf
        following = guess - step
        if not low < following < high:
            following = 0.5 * (low + high)
        if abs(following - guess) <= 1e-15 * guess or following in (low, high):
            return following
        guess = following
    return guess


def _value(kind: OptionType, asset: float, bond: float, deviation: float) -> float:
    """Price from the present values of what is exchanged; held inside the arbitrage bounds by force,
    because rounding of a difference of two large numbers may step outside by one unit in the last place."""
    sign = 1.0 if kind is OptionType.CALL else -1.0
    lower = max(sign * (asset - bond), 0.0)
    if deviation <= 0.0:
        return lower
    d1, d2 = _d1_d2(asset, bond, deviation)
    value = sign * (asset * normal_cdf(sign * d1) - bond * normal_cdf(sign * d2))
    return min(max(value, lower), asset if kind is OptionType.CALL else bond)


def _d1_d2(asset: float, bond: float, deviation: float) -> tuple[float, float]:
    d1 = log(asset / bond) / deviation + 0.5 * deviation
    return d1, d1 - deviation


def _positive_deviation(years: float, sigma: float) -> float:
    deviation = sigma * sqrt(years)
    if deviation <= 0.0:
        raise InvalidInputError("sigma" if sigma <= 0.0 else "years", "must be positive")
    return deviation


def _check(spot: float, strike: float, years: float, rate: float, sigma: float, dividend: float) -> None:
    for field, value, low, high in (
        ("spot", spot, 1e-9, 1e12),
        ("strike", strike, 1e-30, 1e30),
        ("years", years, 0.0, 100.0),
        ("rate", rate, -1.0, 1.0),
        ("sigma", sigma, 0.0, 100.0),
        ("dividend", dividend, -1.0, 1.0),
    ):
        if not low <= value <= high:
            raise InvalidInputError(field, f"must lie between {low:g} and {high:g}, not {value}")
