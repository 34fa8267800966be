"""Profit and loss of a book over one day by simulation, options revalued in full.

The returns of the underlyings are drawn from a multivariate Student t with five degrees of freedom whose
covariance is the given one (McNeil, Frey, Embrechts 2015, §6.2): daily returns have fatter tails than the
normal law allows. Volatility surfaces stay where they are (each option keeps its own volatility), so the
rise of implied volatility in a fall is not in the figure.

The caller gives the seed; the same seed and book give the same draws on every machine.
"""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from alluse.domain.covariance import Array, square_root
from alluse.domain.errors import InvalidInputError
from alluse.domain.exposure import Leg
from alluse.domain.options import DAYS_PER_YEAR, price
from alluse.schemas.common import PositionKind

DRAWS = 10_000
DEGREES_OF_FREEDOM = 5.0
#: Points of the spot grid on which an option is priced; between them it is interpolated (error < γh²/8).
_GRID = 256
#: A simple return cannot take a price to zero or below; draws beyond are cut here.
_LOWEST_RETURN = -0.99


def seed_of(portfolio_id: str, day: str) -> int:
    """The seed of a portfolio's draws on a day: changes with either, and with nothing else."""
    return int.from_bytes(blake2b(f"{portfolio_id}\n{day}".encode(), digest_size=8).digest(), "big")


def draw_returns(covariance: Array, *, seed: int, draws: int = DRAWS) -> Array:
    """Simulated daily returns (draws × k) of mean 0 and the given covariance, Student t with ν = 5."""
    if draws <= 0:
        raise InvalidInputError("draws", f"must be positive, not {draws}")
    generator = np.random.default_rng(seed)
    normal = generator.standard_normal((draws, covariance.shape[0]))
    mixing = generator.chisquare(DEGREES_OF_FREEDOM, size=draws)
    scale = np.sqrt((DEGREES_OF_FREEDOM - 2.0) / mixing)
    return np.asarray((normal * scale[:, None]) @ square_root(covariance).T, dtype=np.float64)


def simulate_losses(
    legs: Sequence[Leg],
    symbols: Sequence[str],
    covariance: Array,
    *,
    seed: int,
    rate: float,
    draws: int = DRAWS,
) -> Array:
    """Losses in USD (draws) of a book over one day.

    `symbols` names the rows of `covariance` and covers every leg's symbol.
    """
    returns = draw_returns(covariance, seed=seed, draws=draws)
    column = {symbol: index for index, symbol in enumerate(symbols)}
    profit = np.zeros(draws)
    for item in legs:
        moves = returns[:, column[item.symbol]]
        if item.kind == PositionKind.STOCK:
            profit += item.value * moves
        elif item.sigma <= 0 or item.years <= 0:
            profit += _at_expiry(item, moves)
        else:
            profit += _revalued(item, np.maximum(moves, _LOWEST_RETURN), rate)
    return -profit


def _at_expiry(item: Leg, moves: Array) -> Array:
    """Change of an option without time or without a volatility: along its delta, the careful reading."""
    return item.units * item.delta * item.spot * moves


def _revalued(item: Leg, moves: Array, rate: float) -> Array:
    """Change of an option's model value, priced one day later at the new spot with its own volatility."""
    spots = item.spot * (1.0 + moves)
    grid = np.geomspace(spots.min(), spots.max() * (1.0 + 1e-12), _GRID)
    years = max(item.years - 1.0 / DAYS_PER_YEAR, 0.0)
    values = [price(item.option_type, float(s), item.strike, years, rate, item.sigma) for s in grid]
    before = price(item.option_type, item.spot, item.strike, item.years, rate, item.sigma)
    return np.asarray(item.units * (np.interp(spots, grid, values) - before), dtype=np.float64)
