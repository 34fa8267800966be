"""Market windows for tests: the golden one from the shipped data, and random ones for properties."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SHIPPED = Path(__file__).parent.parent / "components" / "alluse" / "data" / "market.npz"
GOLDEN_SYMBOLS = ("AAPL", "MSFT", "JPM", "KO", "XOM", "UNH")


def golden_returns(days: int = 252) -> NDArray[np.float64]:
    """Simple daily returns of the golden symbols up to 2022-12-28 (days × 6)."""
    with np.load(SHIPPED) as archive:
        closes = np.column_stack(
            [archive[f"skfolio/{symbol}/adjusted"][-days - 1 :].astype(float) for symbol in GOLDEN_SYMBOLS]
        )
    return closes[1:] / closes[:-1] - 1.0


def random_returns(seed: int, days: int, symbols: int, common: float = 0.01) -> NDArray[np.float64]:
    """Fat-tailed daily returns with one common factor and unequal volatilities (days × symbols)."""
    generator = np.random.default_rng(seed)
    own = generator.standard_t(5, (days, symbols)) * generator.uniform(0.003, 0.02, symbols)
    factor = generator.standard_t(5, (days, 1)) * common
    return np.clip(own + factor, -0.5, 0.5) + generator.normal(0.0, 0.0005, symbols)
