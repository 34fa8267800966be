"""What a short option can lose: all of it, in a sudden fall, and within a day."""

from dataclasses import dataclass
from math import exp, sqrt

import numpy as np

from alluse.domain import options
from alluse.domain.indicators import TRADING_DAYS
from alluse.domain.kelly import ShortOption
from alluse.domain.money import cents
from alluse.schemas.common import OptionType
from alluse.schemas.protocol import TailShock

_Z_95, _Z_99 = options.normal_quantile(0.95), options.normal_quantile(0.99)


@dataclass(frozen=True, slots=True)
class Losses:
    """USD, positive: underlying at zero, at the tail shock (both at expiry), value at risk of one day."""

    total: float
    at_shock: float
    var_95: float
    var_99: float


def assess_losses(
    option: ShortOption, shares: int, implied: float, forecast: float, rate: float, tail: TailShock
) -> Losses:
    """Losses of `shares` sold. The day's moves follow the forecast; the option is revalued at its implied
    volatility with the same time left, so that no decay flatters the figure."""
    at_zero, at_shock = option.profit(np.array([0.0, option.spot * (1.0 + tail.shock)]))

    def one_day(deviations: float) -> float:
        fallen = option.spot * exp(-deviations * forecast / sqrt(TRADING_DAYS))
        years = option.days / options.DAYS_PER_YEAR
        value, today = (
            options.price(option.kind, spot, option.strike, years, rate, implied)
            for spot in (fallen, option.spot)
        )
        # A covered call gains on the option and loses on the share; a short put loses on the option.
        loss = value - today if option.kind is OptionType.PUT else option.spot - fallen + value - today
        return cents(max(loss, 0.0) * shares)

    return Losses(
        total=cents(max(-float(at_zero), 0.0) * shares),
        at_shock=cents(max(-float(at_shock), 0.0) * shares),
        var_95=one_day(_Z_95),
        var_99=one_day(_Z_99),
    )
