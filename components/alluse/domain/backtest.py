"""Would today's weights have kept their value at risk? One-day forecasts over the past, and Kupiec's test."""

import numpy as np

from alluse.domain.covariance import Array, checked_returns, ledoit_wolf
from alluse.domain.errors import InvalidInputError
from alluse.domain.tail_risk import Coverage, empirical_tail, exceptions, kupiec, parametric_tail
from alluse.schemas.risk import Method

WINDOW = 252
LEAST_FORECASTS = 50


def backtest(returns: Array, weights: Array, level: float, method: Method) -> Coverage:
    """Forecast each day from the 252 before it and count the days whose loss was larger.

    `returns` (252 + n × k) oldest first, `weights` (k) as fractions of the total value. Losses are
    fractions too. Raises InsufficientDataError for fewer than 50 days of forecasts.
    """
    checked_returns(returns, least=WINDOW + LEAST_FORECASTS)
    if method not in (Method.PARAMETRIC, Method.HISTORICAL):
        raise InvalidInputError("method", "a backtest is parametric or historical")
    losses = -(returns @ weights)
    forecasts = np.empty(losses.size - WINDOW)
    for day in range(WINDOW, losses.size):
        if method is Method.HISTORICAL:
            forecasts[day - WINDOW] = empirical_tail(losses[day - WINDOW : day], level).var
        else:
            covariance = ledoit_wolf(returns[day - WINDOW : day]).covariance
            deviation = float(np.sqrt(max(float(weights @ covariance @ weights), 0.0)))
            forecasts[day - WINDOW] = parametric_tail(1.0, deviation, level).var
    return kupiec(exceptions(losses[WINDOW:], forecasts), forecasts.size, level)
