"""What a portfolio is exposed to, sorted by what is known about each symbol.

A symbol has either a history of returns, or only a volatility that the caller gave, or nothing. The three
are kept apart from here on, because the second is counted carefully and the third is never counted as 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from math import sqrt

import numpy as np

from alluse.domain.covariance import Array
from alluse.domain.exposure import TRADING_DAYS, Leg, daily, leg, net_exposures
from alluse.schemas.common import Portfolio, PositionKind

#: With fewer returns a symbol counts as having none.
LEAST_DAYS = 60
VOLATILITY_DAYS = 21


@dataclass(frozen=True, slots=True)
class History:
    """Market data of the symbols that have at least 60 days of them.

    `returns` (n × k) simple daily returns, oldest first, columns as `symbols`; `index` (n) those of the
    market; `spots` last closes in USD; `dollar_volumes` means of the last 20 days in USD.
    """

    symbols: tuple[str, ...]
    returns: Array
    last_date: date
    spots: Mapping[str, float] = field(default_factory=dict)
    dollar_volumes: Mapping[str, float] = field(default_factory=dict)
    index: Array | None = None
    synthetic: frozenset[str] = frozenset()

    def columns(self, symbols: tuple[str, ...], days: int) -> Array:
        """The last `days` returns of some symbols, in their order."""
        return self.returns[-days:, [self.symbols.index(symbol) for symbol in symbols]]


def empty_history(as_of: date) -> History:
    """No market data at all."""
    return History((), np.zeros((0, 0)), as_of)


@dataclass(frozen=True, slots=True)
class Book:
    """Exposures as fractions of the total value, sorted by how they can be measured."""

    legs: tuple[Leg, ...]
    known: tuple[str, ...]
    weights: Array
    by_volatility: tuple[str, ...]
    given_weights: Array
    deviations: Array
    unmeasured: tuple[str, ...]

    @property
    def has_options(self) -> bool:
        return any(item.kind != PositionKind.STOCK for item in self.legs)


def read_book(portfolio: Portfolio, history: History, *, as_of: date, rate: float) -> Book:
    """Reduce positions to exposures and sort them by what is known about their symbols."""
    has_history = history.symbols if history.returns.shape[0] >= LEAST_DAYS else ()
    volatilities: dict[str, float] = {}
    for position in portfolio.positions:
        if position.volatility is not None:
            larger = max(volatilities.get(position.symbol, 0.0), position.volatility)
            volatilities[position.symbol] = larger
    recent = dict(zip(has_history, _recent_volatility(history), strict=True)) if has_history else {}
    legs = tuple(
        leg(
            position,
            spot=_spot(portfolio, history, position.symbol),
            sigma=recent.get(position.symbol) or volatilities.get(position.symbol),
            as_of=as_of,
            rate=rate,
        )
        for position in portfolio.positions
        if position.quantity != 0 or position.market_value != 0
    )
    exposures = net_exposures(legs)
    known = tuple(symbol for symbol in exposures if symbol in has_history)
    others = [symbol for symbol in exposures if symbol not in has_history]
    given = tuple(symbol for symbol in others if symbol in volatilities)
    value = portfolio.total_value
    return Book(
        legs=legs,
        known=known,
        weights=np.array([exposures[symbol] / value for symbol in known]),
        by_volatility=given,
        given_weights=np.array([exposures[symbol] / value for symbol in given]),
        deviations=np.array([daily(volatilities[symbol]) for symbol in given]),
        unmeasured=tuple(symbol for symbol in others if symbol not in volatilities),
    )


def _recent_volatility(history: History) -> list[float]:
    deviations = history.returns[-VOLATILITY_DAYS:].std(axis=0, ddof=1)
    return [float(deviation) * sqrt(TRADING_DAYS) for deviation in deviations]


def _spot(portfolio: Portfolio, history: History, symbol: str) -> float | None:
    """Price of an underlying: of the stock in the same book, else the last close."""
    for position in portfolio.positions:
        if position.symbol == symbol and position.kind == PositionKind.STOCK and position.price > 0:
            return position.price
    return history.spots.get(symbol)
