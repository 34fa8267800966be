"""The shipped data: intact, labelled, chosen by date and never mixed; the simulated part is reproducible."""

import hashlib
import io
import json
import zipfile
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from tools.marketdata.synthetic import PATHS, simulate

import alluse.data
from alluse.data import DamagedDataError, expected_digest, market_data
from alluse.domain.errors import InsufficientDataError, InvalidInputError, UnknownSymbolError
from alluse.domain.market_data import MarketData

DIRECTORY = Path(alluse.data.__file__).parent
DATA = market_data()
GOLDEN = ["AAPL", "MSFT", "JPM", "KO", "XOM", "UNH"]


def test_the_file_is_the_one_that_was_built_and_small() -> None:
    content = (DIRECTORY / "market.npz").read_bytes()
    assert hashlib.sha256(content).hexdigest() == expected_digest()
    assert expected_digest() in (DIRECTORY / "SOURCES.md").read_text()
    assert len(content) < 3_000_000


def test_a_damaged_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = tmp_path / "market.npz"
    damaged.write_bytes((DIRECTORY / "market.npz").read_bytes()[:-1] + b"x")
    monkeypatch.setattr(alluse.data, "_FILE", damaged)
    with pytest.raises(DamagedDataError, match="SHA-256"):
        market_data.__wrapped__()


def test_each_licence_travels_with_the_data() -> None:
    for package in ("skfolio", "hvsampledata", "arch"):
        assert "Copyright" in (DIRECTORY / "licences" / f"{package}.txt").read_text()


def test_simulated_series_are_those_of_the_generator_and_labelled() -> None:
    shipped = {path.symbol: DATA.series(path.symbol) for path in PATHS}
    days = shipped["SPY"][0].days
    for series in simulate(days):
        (entry,) = shipped[series.symbol]
        assert entry.source == "synthetic"
        assert entry.describe(0, 10).synthetic
        for name, values in series.fields.items():
            np.testing.assert_array_equal(entry.fields[name], values)


def test_simulated_prices_are_consistent_bars_that_end_where_they_start() -> None:
    for path in PATHS:
        (entry,) = DATA.series(path.symbol)
        open_, high, low, close = (entry.fields[name] for name in ("open", "high", "low", "close"))
        assert np.all(low <= np.minimum(open_, close))
        assert np.all(high >= np.maximum(open_, close))
        assert close[-1] == path.level * 1000


def test_every_symbol_with_an_observed_series_has_no_simulated_one() -> None:
    for symbol in DATA.symbols:
        sources = {entry.source for entry in DATA.series(symbol)}
        assert sources == {"synthetic"} or "synthetic" not in sources


@pytest.mark.parametrize(
    ("symbol", "until", "source", "last"),
    [
        ("AAPL", None, "hvsampledata", date(2024, 12, 30)),
        ("AAPL", date(2022, 6, 16), "hvsampledata", date(2022, 6, 16)),
        ("AAPL", date(2019, 2, 1), "skfolio", date(2019, 2, 1)),
        ("AAPL", date(2018, 6, 1), "skfolio", date(2018, 6, 1)),
        ("SP500", None, "skfolio", date(2022, 12, 28)),
        ("SP500", date(2018, 12, 24), "arch", date(2018, 12, 24)),
        ("SP500", date(2018, 12, 25), "arch", date(2018, 12, 24)),
        ("SP500", date(2020, 6, 1), "skfolio", date(2020, 6, 1)),
        ("TSLA", date(2030, 1, 1), "synthetic", date(2024, 12, 30)),
    ],
)
def test_one_series_answers_a_question(symbol: str, until: date | None, source: str, last: date) -> None:
    history, origin = DATA.history(symbol, until)
    assert (origin.source, origin.last_bar, history.last_date) == (source, last, last)


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(UnknownSymbolError, match="NOPE"):
        DATA.history("NOPE")
    with pytest.raises(UnknownSymbolError, match="VIX"):
        DATA.history("VIX")
    with pytest.raises(InsufficientDataError, match="begin on 1990"):
        DATA.history("MSFT", date(1980, 1, 1))
    with pytest.raises(InsufficientDataError):
        DATA.returns(["MSFT", "TSLA"], 10, date(2000, 1, 1))


def test_returns_of_several_symbols_come_from_one_source_and_the_same_days() -> None:
    found = DATA.returns(GOLDEN, 252, date(2022, 12, 28))
    assert {entry.source for entry in found.data.values()} == {"skfolio"}
    assert (len(found.days), found.days[-1]) == (252, date(2022, 12, 28))
    assert {len(values) for values in found.values.values()} == {252}
    # The same window without a date: the last day that all of them have.
    assert DATA.returns(GOLDEN, 252).days == found.days


def test_returns_with_a_simulated_symbol_say_so() -> None:
    found = DATA.returns(["AAPL", "TSLA"], 100)
    assert found.data["TSLA"].synthetic
    assert not found.data["AAPL"].synthetic
    assert found.days[-1] == date(2024, 12, 30)


def test_returns_include_dividends_where_the_source_adjusts_for_them() -> None:
    found = DATA.returns(["AAPL"], 1, date(2024, 8, 12))
    # 0.25 USD were paid on that day: the adjusted return is larger than that of the closes.
    history, _ = DATA.history("AAPL", date(2024, 8, 12))
    assert found.values["AAPL"][-1] > history.closes[-1] / history.closes[-2] - 1


def test_bars_between_two_days() -> None:
    bars, origin = DATA.bars("AAPL", date(2024, 12, 23), date(2024, 12, 26))
    assert [bar.date.day for bar in bars] == [23, 24, 26]
    assert bars[0].open
    assert origin.bars == 3
    none, empty = DATA.bars("AAPL", date(2024, 12, 28), date(2024, 12, 29))
    assert (none, empty.bars, empty.first_bar) == ([], 0, None)
    assert len(DATA.bars("MSFT", None, None)[0]) == 2_600


def test_another_format_is_refused() -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("manifest.json", json.dumps({"format": 2}))
    with pytest.raises(InvalidInputError, match="format 2 is not 1"):
        MarketData.parse(content.getvalue())
