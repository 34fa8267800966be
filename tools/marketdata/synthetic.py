"""Simulated series for symbols of the protocol that no package has data for; labelled `synthetic`.

Correlated GARCH(1,1) paths with multivariate t shocks on the trading days of the observed data. They
resemble daily prices in volatility clustering, fat tails and co-movement; they are not the prices of these
companies on any day. Each path ends exactly where it starts, at a round number of the order of a real price:
nobody mistakes it for one, and no drift is promised.

α, β and ν were estimated by maximum likelihood (t shocks, variance targeting) from the 2,520 returns to
2022-12-28 of AMD (α 0.160, β 0.712, ν 4.0, yearly volatility 0.576) and the S&P 500 (0.182, 0.796, 5.9,
0.177); the correlations (AMD with the index 0.48, AMD with AAPL and MSFT 0.40) are of the same days. The
shares TSLA and NVDA take AMD's figures, SPY the index's; AMZN takes AMD's α and β at the volatility half
way to the index. One ν = 5 serves all, because joint shocks share it.
"""

from dataclasses import asdict, dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from tools.marketdata.series import MILLS, Series

#: Chosen among others so that the last day shows weeks of different kinds; it says nothing of any market.
SEED = 70
DEGREES_OF_FREEDOM = 5
FIRST_DAY = "2014-01-02"
TRADING_DAYS = 252
CORRELATION_WITH_INDEX = 0.48
CORRELATION_OF_SHARES = 0.40
#: Part of a day's deviation by which highs and lows exceed open and close, and by which the open gaps.
_RANGE, _GAP = 0.5, 0.3
NOTE = "simulated; not the prices of this company on any day"


@dataclass(frozen=True, slots=True)
class Path:
    """What one path follows: first and last level (USD), yearly volatility, α and β, shares a day."""

    symbol: str
    level: float
    volatility: float
    alpha: float
    beta: float
    shares: float


PATHS = (
    Path("SPY", 600.0, 0.177, 0.18, 0.80, 8e7),
    Path("TSLA", 400.0, 0.576, 0.16, 0.71, 1e8),
    Path("NVDA", 150.0, 0.576, 0.16, 0.71, 5e7),
    Path("AMZN", 200.0, 0.376, 0.16, 0.71, 6e7),
)


def simulate(days: NDArray[np.int32]) -> list[Series]:
    """All paths on the given trading days; the mean of each path's log returns is exactly zero."""
    # The legacy generator's streams are frozen for ever; those of the new one may change with numpy.
    random = np.random.RandomState(SEED)
    symbols, length = len(PATHS), len(days)
    correlation = np.full((symbols, symbols), CORRELATION_OF_SHARES)
    correlation[0, :] = correlation[:, 0] = CORRELATION_WITH_INDEX
    np.fill_diagonal(correlation, 1.0)
    normals = random.standard_normal((length, symbols)) @ np.linalg.cholesky(correlation).T
    mixing = np.sqrt(random.chisquare(DEGREES_OF_FREEDOM, (length, 1)) / DEGREES_OF_FREEDOM)
    shocks = normals / mixing * sqrt((DEGREES_OF_FREEDOM - 2) / DEGREES_OF_FREEDOM)
    return [
        _path(path, days, shocks[:, column], random.standard_normal((length, 4)))
        for column, path in enumerate(PATHS)
    ]


def _path(
    path: Path, days: NDArray[np.int32], shocks: NDArray[np.float64], noise: NDArray[np.float64]
) -> Series:
    long_run = path.volatility**2 / TRADING_DAYS
    variance = long_run
    returns, deviations = np.empty(len(days)), np.empty(len(days))
    for day, shock in enumerate(shocks):
        deviations[day] = sqrt(variance)
        returns[day] = deviations[day] * shock
        carried = path.alpha * returns[day] ** 2 + path.beta * variance
        variance = long_run * (1.0 - path.alpha - path.beta) + carried
    returns[0] = 0.0
    returns[1:] -= returns[1:].mean()
    closes = path.level * np.exp(np.cumsum(returns))
    before = np.concatenate(([path.level], closes[:-1]))
    opens = before * np.exp(_GAP * deviations * noise[:, 0])
    highs = np.maximum(opens, closes) * np.exp(_RANGE * deviations * np.abs(noise[:, 1]))
    lows = np.minimum(opens, closes) * np.exp(-_RANGE * deviations * np.abs(noise[:, 2]))
    busy = 0.25 * np.abs(shocks) + 0.25 * noise[:, 3] - 0.25
    fields = {
        name: np.rint(values * MILLS).astype(np.int64)
        for name, values in (("open", opens), ("high", highs), ("low", lows), ("close", closes))
    }
    fields["volume"] = np.rint(path.shares * np.exp(busy) / 100).astype(np.int64) * 100
    parameters = {**asdict(path), "seed": SEED, "degrees_of_freedom": DEGREES_OF_FREEDOM}
    return Series(path.symbol, "synthetic", days, fields, note=NOTE, parameters=parameters)


def trading_days(series: list[Series]) -> NDArray[np.int32]:
    """The days from 2014 on that the observed shares traded."""
    first = np.datetime64(FIRST_DAY).astype("datetime64[D]").astype(np.int32)
    shares = [entry.days for entry in series if entry.source in ("skfolio", "hvsampledata")]
    days = np.unique(np.concatenate(shares)).astype(np.int32)
    later: NDArray[np.int32] = days[days >= first]
    return later
