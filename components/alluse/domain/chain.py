"""Option chains: choosing from a listed one, and making a synthetic one.

No price of an option is in the shipped data. The synthetic chain is Black–Scholes on a smile,
IV(K, T) = IV_atm · (1 − 0.10 · ln(K/S) / √T), with a bid–ask spread of 4 % and at least 2 cents.
"""

from collections.abc import Sequence
from math import log, sqrt

from alluse.domain import options
from alluse.domain.errors import InvalidInputError
from alluse.schemas.chain import ChainEntry, ListedOption
from alluse.schemas.common import OptionType

SMILE_SLOPE = 0.10
#: The smile never leaves these multiples of the volatility at the money.
SMILE_BOUNDS = (0.5, 2.0)
SPREAD_SHARE = 0.04
LEAST_SPREAD = 0.02
#: Distance of strikes by the price of the underlying: the first whose bound the price does not pass.
STRIKE_STEPS = ((25.0, 0.5), (100.0, 1.0), (250.0, 2.5), (1_000.0, 5.0), (float("inf"), 25.0))
STRIKES_EACH_SIDE = 20
#: A delta may exceed its target by rounding alone.
_ROUNDING = 1e-9


def choose_listed(
    chain: Sequence[ChainEntry],
    kind: OptionType,
    target_delta: float,
    spot: float,
    years: float,
    rate: float,
    dividend: float = 0.0,
) -> ListedOption | None:
    """The listed option whose delta is nearest to the target without exceeding it.

    Each delta is taken at the option's own volatility. Options without a volatility and with a price that
    has none (nothing bid, or outside the bounds without arbitrage) are passed over.
    """
    best: ListedOption | None = None
    for entry in chain:
        mid = 0.5 * (entry.bid + entry.ask)
        sigma = entry.iv
        if sigma is None:
            try:
                sigma = options.implied_volatility(kind, mid, spot, entry.strike, years, rate, dividend)
            except InvalidInputError:
                continue
        delta = abs(options.greeks(kind, spot, entry.strike, years, rate, sigma, dividend).delta)
        if delta <= target_delta + _ROUNDING and (best is None or delta > best.delta):
            best = ListedOption(
                strike=entry.strike, delta=min(delta, 1.0), iv=sigma, bid=entry.bid, ask=entry.ask, mid=mid
            )
    return best


def smile(atm_volatility: float, spot: float, strike: float, years: float) -> float:
    """Volatility of a strike, clipped to 0.5 to 2 times that at the money."""
    low, high = SMILE_BOUNDS
    slope = 1.0 - SMILE_SLOPE * log(strike / spot) / sqrt(years)
    return atm_volatility * min(max(slope, low), high)


def synthetic_chain(
    kind: OptionType, spot: float, atm_volatility: float, days: int, rate: float
) -> list[ListedOption]:
    """Strikes around the spot, ascending, with computed quotes. `atm_volatility` must be positive."""
    years = days / options.DAYS_PER_YEAR
    step = next(step for bound, step in STRIKE_STEPS if spot <= bound)
    middle = round(spot / step)
    quotes = []
    for place in range(middle - STRIKES_EACH_SIDE, middle + STRIKES_EACH_SIDE + 1):
        strike = place * step
        if strike <= 0.0:
            continue
        sigma = smile(atm_volatility, spot, strike, years)
        value = options.price(kind, spot, strike, years, rate, sigma)
        spread = max(LEAST_SPREAD, SPREAD_SHARE * value)
        bid, ask = max(value - 0.5 * spread, 0.0), value + 0.5 * spread
        delta = abs(options.greeks(kind, spot, strike, years, rate, sigma).delta)
        quotes.append(
            ListedOption(
                strike=strike,
                delta=min(delta, 1.0),
                iv=sigma,
                bid=round(bid, 2),
                ask=round(ask, 2),
                mid=round(0.5 * (bid + ask), 4),
            )
        )
    return quotes
