"""The observed series, read from the wheels, and how a set of series becomes one file.

The file is an uncompressed NPZ with fixed time stamps, so that its bytes depend on nothing but the data:
a compressor's output changes with its version. Prices are integers of a thousandth of a dollar (the
finest that any source has), volumes are integers, days are counted from 1970-01-01.
"""

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

import numpy as np
from numpy.typing import NDArray

MILLS = 1000
MANIFEST = "manifest.json"
FORMAT = 1

NAMES = {
    "AAPL": "Apple",
    "AMD": "Advanced Micro Devices",
    "AMZN": "Amazon (simulated)",
    "BAC": "Bank of America",
    "BBY": "Best Buy",
    "CVX": "Chevron",
    "GE": "General Electric",
    "HD": "Home Depot",
    "JNJ": "Johnson & Johnson",
    "JPM": "JPMorgan Chase",
    "KO": "Coca-Cola",
    "LLY": "Eli Lilly",
    "MRK": "Merck",
    "MSFT": "Microsoft",
    "MTUM": "momentum factor fund",
    "NASDAQ": "NASDAQ Composite index",
    "NVDA": "NVIDIA (simulated)",
    "PEP": "PepsiCo",
    "PFE": "Pfizer",
    "PG": "Procter & Gamble",
    "QUAL": "quality factor fund",
    "RRC": "Range Resources",
    "SIZE": "size factor fund",
    "SP500": "S&P 500 index",
    "SPY": "S&P 500 fund (simulated)",
    "TSLA": "Tesla (simulated)",
    "UNH": "UnitedHealth",
    "USMV": "minimum volatility factor fund",
    "VIX": "S&P 500 implied volatility index, percent",
    "VLUE": "value factor fund",
    "WMT": "Walmart",
    "XOM": "ExxonMobil",
}


@dataclass(frozen=True, slots=True)
class Series:
    """One symbol from one source: days and, by field name, integers of the same length."""

    symbol: str
    source: str
    days: NDArray[np.int32]
    fields: Mapping[str, NDArray[np.int64]]
    note: str = ""
    parameters: Mapping[str, object] = field(default_factory=dict)


def observed(wheels: Mapping[str, zipfile.ZipFile]) -> list[Series]:
    """Every observed series, checked: days ascend, prices are positive, no value is missing."""
    found = [
        *_skfolio(wheels["skfolio"]),
        _hvsampledata(wheels["hvsampledata"]),
        *_arch(wheels["arch"]),
    ]
    for series in found:
        check(series)
    return found


def check(series: Series) -> None:
    """Raises ValueError for a series that no rule could use."""
    where = f"{series.source}/{series.symbol}"
    if not np.all(np.diff(series.days) > 0):
        raise ValueError(f"{where}: days do not ascend")
    for name, values in series.fields.items():
        if len(values) != len(series.days):
            raise ValueError(f"{where}: {name} has {len(values)} values for {len(series.days)} days")
        if values.min() < (0 if name == "volume" else 1):
            raise ValueError(f"{where}: {name} has a value that is not positive")


def pack(series: Iterable[Series], facts: Mapping[str, object]) -> bytes:
    """One file of all series with its manifest; equal input gives equal bytes."""
    buffer = io.BytesIO()
    entries = []
    calendars: dict[bytes, str] = {}
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:

        def add(name: str, content: bytes) -> None:
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)

        def add_array(name: str, values: NDArray[np.int64]) -> None:
            narrow = values.astype("<i8" if values.max() > np.iinfo(np.int32).max else "<i4")
            content = io.BytesIO()
            np.lib.format.write_array(content, narrow, version=(1, 0))
            add(name + ".npy", content.getvalue())

        for entry in sorted(series, key=lambda entry: (entry.source, entry.symbol)):
            key = f"{entry.source}/{entry.symbol}"
            calendar = calendars.get(entry.days.tobytes())
            if calendar is None:
                calendar = calendars[entry.days.tobytes()] = f"{key}/days"
                add_array(calendar, entry.days.astype(np.int64))
            for name, values in entry.fields.items():
                add_array(f"{key}/{name}", values)
            entries.append(
                {
                    "symbol": entry.symbol,
                    "name": NAMES[entry.symbol],
                    "source": entry.source,
                    "days": calendar,
                    "fields": list(entry.fields),
                    "note": entry.note,
                    "parameters": dict(entry.parameters),
                }
            )
        manifest = {"format": FORMAT, "mills": MILLS, **facts, "series": entries}
        add(MANIFEST, json.dumps(manifest, indent=1, sort_keys=True).encode())
    return buffer.getvalue()


def _rows(archive: zipfile.ZipFile, path: str) -> list[dict[str, str]]:
    content = archive.read(path)
    if path.endswith(".gz"):
        content = gzip.decompress(content)
    return list(csv.DictReader(io.StringIO(content.decode())))


def _days(texts: Iterable[str], form: str = "%Y-%m-%d") -> NDArray[np.int32]:
    epoch = date(1970, 1, 1).toordinal()
    return np.array([datetime.strptime(text, form).toordinal() - epoch for text in texts], dtype=np.int32)


def _mills(texts: Iterable[str]) -> NDArray[np.int64]:
    return np.array([round(float(text) * MILLS) for text in texts], dtype=np.int64)


def _column(rows: list[dict[str, str]], name: str) -> list[str]:
    return [row[name] for row in rows]


def _skfolio(wheel: zipfile.ZipFile) -> list[Series]:
    found = []
    for name in ("sp500_dataset", "sp500_index", "factors_dataset"):
        rows = _rows(wheel, f"skfolio/datasets/data/{name}.csv.gz")
        days = _days(_column(rows, "Date"))
        for symbol in rows[0]:
            if symbol == "Date":
                continue
            kind = "close" if symbol == "SP500" else "adjusted"
            found.append(Series(symbol, "skfolio", days, {kind: _mills(_column(rows, symbol))}))
    return found


def _hvsampledata(wheel: zipfile.ZipFile) -> Series:
    rows = _rows(wheel, "hvsampledata/_data/apple_stocks.csv")
    fields = {name: _mills(_column(rows, name)) for name in ("open", "high", "low", "close")}
    fields["adjusted"] = _mills(_column(rows, "adj_close"))
    fields["volume"] = np.array([int(row["volume"]) for row in rows], dtype=np.int64)
    return Series("AAPL", "hvsampledata", _days(_column(rows, "date")), fields)


def _arch(wheel: zipfile.ZipFile) -> list[Series]:
    found = []
    for symbol, path in (("SP500", "sp500"), ("NASDAQ", "nasdaq")):
        rows = _rows(wheel, f"arch/data/{path}/{path}.csv.gz")
        if _column(rows, "Close") != _column(rows, "Adj Close"):
            raise ValueError(
                f"arch/{symbol}: an index pays no dividend, so its closes must need no adjustment"
            )
        fields = {name.lower(): _mills(_column(rows, name)) for name in ("Open", "High", "Low", "Close")}
        fields["volume"] = np.array([int(row["Volume"]) for row in rows], dtype=np.int64)
        found.append(Series(symbol, "arch", _days(_column(rows, "Date"), "%m/%d/%Y"), fields))
    rows = [row for row in _rows(wheel, "arch/data/vix/vix.csv.gz") if row["vix"] != "."]
    days = _days(_column(rows, "Date"), "%m/%d/%Y")
    return [*found, Series("VIX", "arch", days, {"close": _mills(_column(rows, "vix"))}, note="percent")]
