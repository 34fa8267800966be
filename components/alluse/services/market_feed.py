"""Returns, prices and volumes from market-analyzer, for the components that measure risk with them.

What is fetched is kept in the cache `market`. A symbol that market-analyzer does not know simply has no
returns here; a market-analyzer that does not answer is told apart from that by `MarketHistory.problem`.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from alluse.domain.book import LEAST_DAYS, History, empty_history
from alluse.domain.covariance import Array
from alluse.domain.errors import InsufficientDataError
from alluse.runtime.context import Context
from alluse.runtime.peers import PeerError, PeerRefusedError
from alluse.schemas.market import BarsAnswer, ReturnsAnswer, SymbolsAnswer

MARKET = "market-analyzer"
INDEX = "SP500"
#: Symbols that one request for returns may name.
CHUNK = 50
LOOKBACK_DAYS = 252
VOLUME_DAYS = 20
#: Calendar days that surely hold 20 trading days.
_VOLUME_WINDOW = timedelta(days=45)
#: How market-analyzer says that it has too few data.
_NO_DATA = 409


@dataclass(frozen=True, slots=True)
class Returns:
    """Daily returns (n × k) of known symbols on their common days, oldest first."""

    symbols: tuple[str, ...]
    days: tuple[date, ...]
    values: Array
    synthetic: frozenset[str]


@dataclass(frozen=True, slots=True)
class MarketHistory:
    """What the market says of some symbols; `problem` is why it says nothing, if nobody answered."""

    history: History
    problem: str | None = None


async def known_symbols(context: Context[Any]) -> frozenset[str]:
    """Every symbol with shipped data. Raises PeerError."""
    cache = context.cache("market")
    found: frozenset[str] | None = cache.get("symbols")
    if found is None:
        answer = await context.peers.get(MARKET, "/v1/symbols", SymbolsAnswer)
        found = frozenset(entry.symbol for entry in answer.symbols)
        cache.put("symbols", found)
    return found


async def returns_of(context: Context[Any], symbols: Sequence[str], days: int, as_of: date | None) -> Returns:
    """Returns of symbols that are all known, at most `days` of them.

    Raises PeerError, and InsufficientDataError where their data begin after `as_of` or never meet.
    """
    key = ("returns", tuple(symbols), days, as_of)
    cache = context.cache("market")
    found: Returns | None = cache.get(key)
    if found is None:
        chunks = [symbols[start : start + CHUNK] for start in range(0, len(symbols), CHUNK)]
        answers = await asyncio.gather(*(_ask(context, chunk, days, as_of) for chunk in chunks))
        found = _joined(answers)
        cache.put(key, found)
    return found


async def market_history(context: Context[Any], symbols: Sequence[str], as_of: date | None) -> MarketHistory:
    """History of those of the symbols that are known, with spots, volumes and the index.

    Never raises PeerError: without market-analyzer the history is empty and `problem` says so.
    """
    today = as_of or datetime.now(UTC).date()
    try:
        known = await known_symbols(context)
        wanted = sorted(set(symbols) & known)
        if not wanted:
            return MarketHistory(empty_history(today))
        returns, index, quotes = await asyncio.gather(
            returns_of(context, wanted, LOOKBACK_DAYS, as_of),
            _index(context, as_of, known),
            asyncio.gather(*(_quote(context, symbol, as_of) for symbol in wanted)),
        )
    except InsufficientDataError:
        return MarketHistory(empty_history(today))
    except PeerError as error:
        return MarketHistory(empty_history(today), str(error))
    if len(returns.days) < LEAST_DAYS:
        return MarketHistory(empty_history(today))
    history = History(
        symbols=returns.symbols,
        returns=returns.values,
        last_date=returns.days[-1],
        spots={symbol: close for symbol, (close, _) in zip(wanted, quotes, strict=True) if close},
        dollar_volumes={symbol: usd for symbol, (_, usd) in zip(wanted, quotes, strict=True) if usd},
        index=_aligned(index, returns.days),
        synthetic=returns.synthetic,
    )
    return MarketHistory(history)


async def _ask(context: Context[Any], symbols: Sequence[str], days: int, as_of: date | None) -> ReturnsAnswer:
    query = {"symbols": ",".join(symbols), "days": days, "as_of": as_of}
    try:
        return await context.peers.get(MARKET, "/v1/returns", ReturnsAnswer, query=query)
    except PeerRefusedError as error:
        if error.status != _NO_DATA:
            raise
        raise InsufficientDataError("as_of", error.problem.detail if error.problem else str(error)) from None


async def _index(context: Context[Any], as_of: date | None, known: frozenset[str]) -> Returns | None:
    return await returns_of(context, [INDEX], LOOKBACK_DAYS, as_of) if INDEX in known else None


async def _quote(context: Context[Any], symbol: str, as_of: date | None) -> tuple[float, float]:
    """Last close and mean dollar volume of 20 days; 0 where there is none."""
    key = ("quote", symbol, as_of)
    cache = context.cache("market")
    found: tuple[float, float] | None = cache.get(key)
    if found is None:
        since = None if as_of is None else as_of - _VOLUME_WINDOW
        query = {"from": since, "to": as_of}
        answer = await context.peers.get(MARKET, f"/v1/bars/{symbol}", BarsAnswer, query=query)
        bars = answer.bars[-VOLUME_DAYS:]
        traded = [bar.close * bar.volume for bar in bars if bar.volume is not None]
        complete = bool(bars) and len(traded) == len(bars)
        found = (bars[-1].close if bars else 0.0, sum(traded) / len(traded) if complete else 0.0)
        cache.put(key, found)
    return found


def _joined(answers: Sequence[ReturnsAnswer]) -> Returns:
    """Several answers on the days that all of them have."""
    common = sorted(set.intersection(*(set(answer.dates) for answer in answers)))
    symbols: list[str] = []
    columns: list[Array] = []
    synthetic: set[str] = set()
    for answer in answers:
        place = {day: index for index, day in enumerate(answer.dates)}
        rows = [place[day] for day in common]
        for symbol, values in answer.returns.items():
            symbols.append(symbol)
            columns.append(np.asarray(values, dtype=np.float64)[rows])
            if answer.data[symbol].synthetic:
                synthetic.add(symbol)
    return Returns(tuple(symbols), tuple(common), np.column_stack(columns), frozenset(synthetic))


def _aligned(index: Returns | None, days: Sequence[date]) -> Array | None:
    """The index' returns on exactly these days, or None."""
    if index is None:
        return None
    place = {day: row for row, day in enumerate(index.days)}
    if any(day not in place for day in days):
        return None
    return index.values[[place[day] for day in days], 0]
