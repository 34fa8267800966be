"""Indicators of a price series: plain formulas over numpy arrays, oldest value first.

Prices are positive, returns are logarithmic and daily, volatilities are yearly with 252 days. A formula
that needs more observations than it got raises InsufficientDataError; one whose result may be missing for
other reasons returns None. No formula returns a default, or NaN for finite positive prices.
"""

from math import expm1, isfinite, sqrt

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from alluse.domain.errors import InsufficientDataError

Series = NDArray[np.float64]

TRADING_DAYS = 252
#: Decay of RiskMetrics for daily data (J.P. Morgan/Reuters, RiskMetrics Technical Document, 1996).
EWMA_DECAY = 0.94
#: Returns from which the average starts, so that the first day alone does not decide.
EWMA_SEED = 20
#: Scatter of log prices below which a series is constant and rounding would pass for a trend.
_FLAT = 1e-9
#: Largest log ratio whose exponential is still a number.
_LARGEST_LOG_RATIO = 700.0


def log_returns(closes: Series) -> Series:
    return np.diff(np.log(closes))


def sample_deviation(returns: Series) -> float:
    """Standard deviation with n − 1; needs two values."""
    return float(np.std(returns, ddof=1))


def historical_volatility(returns: Series, window: int = 20) -> float:
    """Yearly volatility of the last `window` returns."""
    _require(returns, window)
    return sample_deviation(returns[-window:]) * sqrt(TRADING_DAYS)


def rolling_volatility(returns: Series, window: int = 20) -> Series:
    """Yearly volatility of each run of `window` returns; empty when there is none."""
    if len(returns) < window:
        return np.empty(0)
    deviations: Series = sliding_window_view(returns, window).std(axis=1, ddof=1)
    return deviations * sqrt(TRADING_DAYS)


def forecast_volatility(returns: Series) -> float:
    """Yearly volatility expected for the next day: exponentially weighted mean of squared returns.

    σ²(t+1) = λ σ²(t) + (1 − λ) r²(t) over the last 251 returns, started at the sample variance of the
    first 20 of them.
    """
    window = returns[-(TRADING_DAYS - 1) :]
    _require(window, EWMA_SEED)
    squares = window[EWMA_SEED:] ** 2
    ages = np.arange(len(squares) - 1, -1, -1)
    seed = float(np.var(window[:EWMA_SEED], ddof=1)) * EWMA_DECAY ** len(squares)
    variance = seed + (1.0 - EWMA_DECAY) * float(squares @ EWMA_DECAY**ages)
    return sqrt(variance * TRADING_DAYS)


def trend_fit(closes: Series, window: int = 50) -> float:
    """R² (0 to 1) of the straight line through the last `window` log closes against time.

    It is the share of the movement that a steady drift explains, whatever the drift's size or sign.
    """
    _require(closes, window)
    logs = np.log(closes[-window:])
    time = np.arange(window) - (window - 1) / 2
    deviations = logs - logs.mean()
    scatter = float(deviations @ deviations)
    if scatter <= window * _FLAT**2:
        return 0.0
    explained = float(time @ deviations) ** 2 / float(time @ time)
    return min(max(explained / scatter, 0.0), 1.0)


def moving_average(values: Series, window: int) -> float:
    _require(values, window)
    return float(values[-window:].mean())


def relative_strength(closes: Series, period: int = 14) -> float:
    """RSI (0 to 100) with Wilder's smoothing over the last 252 closes; 50 when nothing moves.

    J. W. Wilder, New Concepts in Technical Trading Systems (1978).
    """
    changes = np.diff(closes[-TRADING_DAYS:])
    _require(changes, period)
    gain = _wilder(np.maximum(changes, 0.0), period)
    loss = _wilder(np.maximum(-changes, 0.0), period)
    return 100.0 * gain / (gain + loss) if gain + loss > 0.0 else 50.0


def average_true_range(highs: Series, lows: Series, closes: Series, period: int = 14) -> float:
    """ATR in USD with Wilder's smoothing over the last 252 bars."""
    highs, lows, closes = (values[-TRADING_DAYS:] for values in (highs, lows, closes))
    _require(closes, period + 1)
    before = closes[:-1]
    ranges = np.maximum(highs[1:], before) - np.minimum(lows[1:], before)
    return _wilder(ranges, period)


def rate_of_change(closes: Series, days: int = 10) -> float:
    """Relative change over `days` trading days."""
    _require(closes, days + 1)
    change = float(np.log(closes[-1]) - np.log(closes[-1 - days]))
    return expm1(min(change, _LARGEST_LOG_RATIO))


def volume_ratio(volumes: Series, window: int = 20) -> float | None:
    """Last volume against the mean of the `window` before it; None when nothing was traded then."""
    if len(volumes) <= window:
        return None
    usual = float(volumes[-1 - window : -1].mean())
    ratio = float(volumes[-1]) / usual if usual > 0.0 else float("inf")
    return ratio if isfinite(ratio) else None


def share_below(history: Series, value: float, least: int = 60) -> float | None:
    """Share (0 to 1) of the last 252 values that lie below `value`; None under `least` values."""
    recent = history[-TRADING_DAYS:]
    return float(np.mean(recent < value)) if len(recent) >= least else None


def _wilder(values: Series, period: int) -> float:
    """Wilder's average: the mean of the first `period` values, then 1/period of each further one."""
    decay = 1.0 - 1.0 / period
    later = values[period:]
    ages = np.arange(len(later) - 1, -1, -1)
    start = float(values[:period].mean())
    return start * decay ** len(later) + float(later @ decay**ages) / period


def _require(values: Series, least: int) -> None:
    if len(values) < least:
        raise InsufficientDataError("bars", f"{len(values)} observations are too few; {least} are needed")
