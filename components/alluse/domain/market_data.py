"""The shipped market data as values: series by symbol, chosen by date, never mixed.

A symbol may have several series from different sources. A question is answered from one of them, whole;
the answer names it. Parsing is pure: the bytes are the caller's business.
"""

import io
import json
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from alluse.domain.errors import InsufficientDataError, InvalidInputError, UnknownSymbolError
from alluse.domain.market import LEAST_BARS, History, Series
from alluse.schemas.common import MAX_BARS, Bar
from alluse.schemas.market import DataSource

MANIFEST = "manifest.json"
FORMAT = 1
SYNTHETIC = "synthetic"
#: Symbols for which the VIX is the implied volatility.
VIX_OF = frozenset({"SP500"})
_VIX = "VIX"
_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class DailySeries:
    """One symbol from one source. `days` counts from 1970-01-01; prices in `fields` are in 1/1000 USD."""

    symbol: str
    name: str
    source: str
    days: NDArray[np.int32]
    fields: Mapping[str, NDArray[np.int64]]

    @property
    def closes(self) -> NDArray[np.int64]:
        """Closes as quoted, or (where a source has no others) adjusted for dividends."""
        return self.fields["close"] if "close" in self.fields else self.fields["adjusted"]

    @property
    def adjusted(self) -> NDArray[np.int64]:
        """Closes adjusted for dividends; those of an index or a simulated share need no adjustment."""
        return self.fields["adjusted"] if "adjusted" in self.fields else self.fields["close"]

    def count(self, until: date | None) -> int:
        """Number of days up to and with `until`."""
        return len(self.days) if until is None else int(np.searchsorted(self.days, _number(until), "right"))

    def day(self, place: int) -> date:
        return date.fromordinal(_EPOCH + int(self.days[place]))

    def describe(self, start: int, stop: int) -> DataSource:
        """The origin of the bars from `start` up to but not with `stop`."""
        return DataSource(
            source=self.source,
            synthetic=self.source == SYNTHETIC,
            bars=stop - start,
            first_bar=self.day(start) if stop > start else None,
            last_bar=self.day(stop - 1) if stop > start else None,
        )


@dataclass(frozen=True, slots=True)
class Returns:
    """Simple daily returns of several symbols on common days, oldest first."""

    days: list[date]
    values: dict[str, Series]
    data: dict[str, DataSource]


class MarketData:
    """All series of the file, by symbol."""

    def __init__(self, series: Sequence[DailySeries], mills: int) -> None:
        self._mills = mills
        self._by_symbol: dict[str, list[DailySeries]] = {}
        for entry in series:
            self._by_symbol.setdefault(entry.symbol, []).append(entry)

    @classmethod
    def parse(cls, content: bytes) -> "MarketData":
        """Read the file's bytes. Raises InvalidInputError for another format."""
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            manifest = json.loads(archive.read(MANIFEST))
            if manifest["format"] != FORMAT:
                raise InvalidInputError("market data", f"format {manifest['format']} is not {FORMAT}")

            def array(name: str) -> NDArray[np.int64]:
                values: NDArray[np.int64] = np.lib.format.read_array(io.BytesIO(archive.read(name + ".npy")))
                return values

            calendars = {
                name: array(name).astype(np.int32) for name in {e["days"] for e in manifest["series"]}
            }
            series = [
                DailySeries(
                    symbol=entry["symbol"],
                    name=entry["name"],
                    source=entry["source"],
                    days=calendars[entry["days"]],
                    fields={
                        name: array(f"{entry['source']}/{entry['symbol']}/{name}") for name in entry["fields"]
                    },
                )
                for entry in manifest["series"]
            ]
        return cls(series, manifest["mills"])

    @property
    def symbols(self) -> list[str]:
        """Every symbol that can be traded or analysed; the VIX is a volatility, not a price."""
        return sorted(symbol for symbol in self._by_symbol if symbol != _VIX)

    @property
    def last_day(self) -> date:
        """The last day of any symbol."""
        return max(entry.day(-1) for symbol in self.symbols for entry in self._by_symbol[symbol])

    def series(self, symbol: str) -> list[DailySeries]:
        """Every series of a symbol. Raises UnknownSymbolError."""
        if symbol not in self._by_symbol or symbol == _VIX:
            raise UnknownSymbolError("symbol", f"no data are shipped for {symbol}; give bars of your own")
        return self._by_symbol[symbol]

    def choose(self, symbol: str, until: date | None = None) -> DailySeries:
        """The series that knows a symbol best on a day: enough bars, the latest bar, the most fields."""

        def merit(entry: DailySeries) -> tuple[bool, int, int]:
            count = entry.count(until)
            return count >= LEAST_BARS, int(entry.days[count - 1]) if count else 0, len(entry.fields)

        return max(self.series(symbol), key=merit)

    def history(self, symbol: str, until: date | None = None) -> tuple[History, DataSource]:
        """Up to 2,600 bars ending on `until`. Raises InsufficientDataError when there is none."""
        chosen = self.choose(symbol, until)
        stop = chosen.count(until)
        if stop == 0:
            raise InsufficientDataError("as_of", f"the data of {symbol} begin on {chosen.day(0)}")
        start = max(stop - MAX_BARS, 0)

        def column(name: str, scale: float) -> Series | None:
            return chosen.fields[name][start:stop] / scale if name in chosen.fields else None

        history = History(
            closes=chosen.closes[start:stop] / self._mills,
            volumes=column("volume", 1.0),
            highs=column("high", self._mills),
            lows=column("low", self._mills),
            last_date=chosen.day(stop - 1),
        )
        return history, chosen.describe(start, stop)

    def bars(self, symbol: str, since: date | None, until: date | None) -> tuple[list[Bar], DataSource]:
        """The latest bars, at most 2,600, between two days (both included)."""
        chosen = self.choose(symbol, until)
        stop = chosen.count(until)
        first = 0 if since is None else int(np.searchsorted(chosen.days, _number(since), "left"))
        start = min(max(first, stop - MAX_BARS, 0), stop)
        prices = [name for name in ("open", "high", "low") if name in chosen.fields]
        bars = [
            Bar(
                date=chosen.day(place),
                close=int(chosen.closes[place]) / self._mills,
                volume=int(chosen.fields["volume"][place]) if "volume" in chosen.fields else None,
                **{name: int(chosen.fields[name][place]) / self._mills for name in prices},
            )
            for place in range(start, stop)
        ]
        return bars, chosen.describe(start, stop)

    def returns(self, symbols: Sequence[str], days: int, until: date | None = None) -> Returns:
        """The last `days` simple returns of dividend-adjusted closes on the days all symbols share.

        One source is preferred that has many of the symbols, so that their days and adjustments agree.
        Raises InsufficientDataError when fewer than two days are common.
        """
        chosen = self._choose_together(list(dict.fromkeys(symbols)), until)
        common = reduce(np.intersect1d, (entry.days[: entry.count(until)] for entry in chosen.values()))
        common = common[-(days + 1) :]
        if len(common) < 2:
            raise InsufficientDataError("symbols", f"{', '.join(chosen)} share no two days")
        values, data = {}, {}
        for symbol, entry in chosen.items():
            places = np.searchsorted(entry.days, common)
            closes = entry.adjusted[places] / self._mills
            values[symbol] = closes[1:] / closes[:-1] - 1.0
            data[symbol] = entry.describe(int(places[0]), int(places[-1]) + 1)
        return Returns([date.fromordinal(_EPOCH + int(day)) for day in common[1:]], values, data)

    def _choose_together(self, symbols: Sequence[str], until: date | None) -> dict[str, DailySeries]:
        latest = {}
        for symbol in symbols:
            ends = [entry.days[entry.count(until) - 1] for entry in self.series(symbol) if entry.count(until)]
            if not ends:
                raise InsufficientDataError("as_of", f"the data of {symbol} begin later")
            latest[symbol] = max(ends)
        common_end = date.fromordinal(_EPOCH + int(min(latest.values())))
        current = {
            symbol: [
                entry
                for entry in self.series(symbol)
                if (count := entry.count(common_end)) and entry.days[count - 1] >= min(latest.values()) - 7
            ]
            for symbol in symbols
        }
        popularity = Counter(entry.source for entries in current.values() for entry in entries)
        return {
            symbol: max(entries, key=lambda entry: (popularity[entry.source], len(entry.fields)))
            for symbol, entries in current.items()
        }

    def index_volatility(self, symbol: str, day: date | None) -> tuple[float, tuple[float, ...]] | None:
        """Implied volatility of an index on exactly that day, and its values until then; else None."""
        if symbol not in VIX_OF or day is None or _VIX not in self._by_symbol:
            return None
        vix = self._by_symbol[_VIX][0]
        stop = vix.count(day)
        if stop == 0 or vix.day(stop - 1) != day:
            return None
        values = vix.closes[:stop] / self._mills / 100.0
        return float(values[-1]), tuple(values.tolist())


def _number(day: date) -> int:
    return day.toordinal() - _EPOCH
