"""Weekly expiries against 34 years of real trading days."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse.data import market_data
from alluse.domain.expiries import good_friday, next_weekly_expiry, weekly_expiry


def trading_days() -> list[date]:
    entries = [entry for symbol in ("AAPL", "SP500") for entry in market_data().series(symbol)]
    return sorted({entry.day(place) for entry in entries for place in range(len(entry.days))})


def test_the_expiry_is_the_last_trading_day_of_every_week_since_1990() -> None:
    last_of_week: dict[tuple[int, int], date] = {}
    days = trading_days()
    for day in days:
        last_of_week[day.isocalendar()[:2]] = day
    del last_of_week[days[-1].isocalendar()[:2]]
    assert len(last_of_week) > 1_800
    wrong = [day for day in last_of_week.values() if weekly_expiry(day) != day]
    assert wrong == []


@pytest.mark.parametrize(
    ("day", "expiry"),
    [
        (date(2024, 6, 18), date(2024, 6, 21)),
        (date(2024, 6, 20), date(2024, 6, 21)),
        (date(2024, 6, 21), date(2024, 6, 28)),
        (date(2024, 6, 22), date(2024, 6, 28)),
        # Good Friday: Thursday expires, and on Thursday itself the week is over.
        (date(2024, 3, 27), date(2024, 3, 28)),
        (date(2024, 3, 28), date(2024, 4, 5)),
        (date(2024, 3, 29), date(2024, 4, 5)),
        # Independence Day on a Saturday is kept on Friday, New Year is not.
        (date(2026, 7, 1), date(2026, 7, 2)),
        (date(2021, 12, 30), date(2021, 12, 31)),
        (date(2026, 6, 17), date(2026, 6, 18)),
    ],
)
def test_next_expiry(day: date, expiry: date) -> None:
    assert next_weekly_expiry(day) == expiry


@given(st.dates(date(1990, 1, 1), date(2100, 1, 1)), st.integers(1, 60))
def test_an_expiry_comes_soon_after_the_days_asked_for(day: date, least: int) -> None:
    expiry = next_weekly_expiry(day, least)
    assert day + timedelta(days=least) <= expiry <= day + timedelta(days=least + 8)
    assert expiry.weekday() in (3, 4) or expiry == date(2001, 9, 10)
    assert weekly_expiry(expiry) == expiry


@pytest.mark.parametrize(
    "day", [date(1999, 4, 2), date(2008, 3, 21), date(2024, 3, 29), date(2025, 4, 18), date(2038, 4, 23)]
)
def test_good_friday(day: date) -> None:
    assert good_friday(day.year) == day
