"""The window of the golden cases: 252 returns of six shares up to 2022-12-28, from the shipped file.

Only these six columns are read, so that a component that needs no other market data does not keep them.
"""

from datetime import date
from functools import cache
from pathlib import Path

import numpy as np

from alluse import data
from alluse.domain.covariance import Array

SYMBOLS = ("AAPL", "MSFT", "JPM", "KO", "XOM", "UNH")
LAST_DAY = date(2022, 12, 28)
DAYS = 252
_FILE = Path(data.__file__).parent / "market.npz"


@cache
def golden_returns() -> Array:
    """Simple daily returns of SYMBOLS (252 × 6)."""
    with np.load(_FILE) as archive:
        closes = np.column_stack(
            [archive[f"skfolio/{symbol}/adjusted"][-DAYS - 1 :].astype(np.float64) for symbol in SYMBOLS]
        )
    return np.asarray(closes[1:] / closes[:-1] - 1.0, dtype=np.float64)
