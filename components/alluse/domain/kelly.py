"""The share of an account that grows fastest when a short option is sold again and again.

    J. L. Kelly, "A New Interpretation of Information Rate", Bell System Technical J. 35 (1956)
    E. O. Thorp, "The Kelly Criterion in Blackjack, Sports Betting and the Stock Market" (2006)
    L. MacLean, E. Thorp, W. Ziemba, The Kelly Capital Growth Investment Criterion (2011): fractions of it

The price of the underlying at expiry is log-normal at the *forecast* volatility with no drift above the
riskless rate, plus one node for a sudden fall. The only edge is then a premium that pays for more
volatility than is forecast; where there is none the answer is zero.
"""

from dataclasses import dataclass
from math import expm1, sqrt

import numpy as np
from numpy.typing import NDArray

from alluse.domain.options import DAYS_PER_YEAR
from alluse.schemas.common import OptionType
from alluse.schemas.protocol import TailShock

_NODES = np.linspace(-6.0, 6.0, 1201)
_DENSITY = np.exp(-0.5 * _NODES**2)
_WEIGHTS = _DENSITY / _DENSITY.sum()
#: The account must keep something after the worst outcome, or the logarithm has no value.
_SURVIVING_SHARE = 0.999
_HALVINGS = 60

Series = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ShortOption:
    """One option to be sold, per share: prices in USD, `capital` is what it ties up."""

    kind: OptionType
    spot: float
    strike: float
    days: int
    premium: float
    capital: float

    def profit(self, prices: Series) -> Series:
        """Profit per share at expiry of a short put, or of a covered call with its share."""
        if self.kind is OptionType.PUT:
            return self.premium - np.maximum(self.strike - prices, 0.0)
        return self.premium + np.minimum(prices, self.strike) - self.spot


@dataclass(frozen=True, slots=True)
class Growth:
    """`edge` is the mean return on capital, `fraction` the growth-optimal share of the account (0 to 1)."""

    edge: float
    fraction: float


def optimal_growth(option: ShortOption, forecast: float, rate: float, tail: TailShock) -> Growth:
    """Maximize Σ w ln(1 + f R) over 0 ≤ f ≤ min(1, 0.999 / |worst R|) by bisection on the derivative.

    A covered call's share is financed at `rate`: the riskless interest on it would otherwise pass for an
    edge.
    """
    years = option.days / DAYS_PER_YEAR
    exponents = (rate - 0.5 * forecast * forecast) * years + forecast * sqrt(years) * _NODES
    prices = option.spot * np.append(np.exp(exponents), 1.0 + tail.shock)
    weights = np.append(_WEIGHTS * (1.0 - tail.probability), tail.probability)
    returns = (option.profit(prices) - _financing(option, rate, years)) / option.capital
    edge = float(weights @ returns)
    if edge <= 0.0:
        return Growth(edge, 0.0)

    def slope(fraction: float) -> float:
        return float(weights @ (returns / (1.0 + fraction * returns)))

    worst = -float(returns.min())
    high = 1.0 if worst <= 0.0 else min(1.0, _SURVIVING_SHARE / worst)
    if slope(high) >= 0.0:
        return Growth(edge, high)
    low = 0.0
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if slope(middle) > 0.0:
            low = middle
        else:
            high = middle
    return Growth(edge, low)


def _financing(option: ShortOption, rate: float, years: float) -> float:
    return option.spot * expm1(rate * years) if option.kind is OptionType.CALL else 0.0
