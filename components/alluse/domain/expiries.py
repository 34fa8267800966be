"""Days on which weekly options expire: Fridays, or the trading day before where Friday is a holiday.

The holidays are those of the New York Stock Exchange that can fall on a Friday, by rule, and the two
weeks since 1990 that it cut short for another reason.
"""

from datetime import date, timedelta

_FRIDAY = 4
#: Weeks that ended early for no holiday: the attacks of 2001, the mourning for President Reagan.
_CUT_WEEKS = {date(2001, 9, 14): date(2001, 9, 10), date(2004, 6, 11): date(2004, 6, 10)}
#: Juneteenth is a holiday of the exchange from this year on.
_JUNETEENTH_SINCE = 2022


def next_weekly_expiry(day: date, least_days: int = 1) -> date:
    """The first weekly expiry that is at least `least_days` after `day`."""
    earliest = day + timedelta(days=least_days)
    expiry = weekly_expiry(earliest)
    return expiry if expiry >= earliest else weekly_expiry(earliest + timedelta(days=7))


def weekly_expiry(day: date) -> date:
    """The expiry of the calendar week (Monday to Sunday) that holds `day`."""
    friday = day + timedelta(days=_FRIDAY - day.weekday())
    if friday in _CUT_WEEKS:
        return _CUT_WEEKS[friday]
    return friday - timedelta(days=1) if is_holiday_friday(friday) else friday


def is_holiday_friday(friday: date) -> bool:
    """Whether the exchange keeps a holiday on a Friday."""
    following = friday + timedelta(days=1)
    fixed = [(7, 4), (12, 25)]
    if friday.year >= _JUNETEENTH_SINCE:
        fixed.append((6, 19))
    # A holiday on a Saturday is kept on the Friday before, but New Year is not (it would close the books).
    kept = any((day.month, day.day) in fixed for day in (friday, following))
    new_year = (friday.month, friday.day) == (1, 1)
    return kept or new_year or friday == good_friday(friday.year)


def good_friday(year: int) -> date:
    """Two days before Easter, which follows the Gregorian rule of Meeus, Jones and Butcher."""
    golden = year % 19
    century, rest = divmod(year, 100)
    leaps, odd = divmod(century, 4)
    epact = (19 * golden + century - leaps - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    quarters, remainder = divmod(rest, 4)
    weekday = (32 + 2 * odd + 2 * quarters - epact - remainder) % 7
    correction = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * correction + 114, 31)
    return date(year, month, day + 1) - timedelta(days=2)
