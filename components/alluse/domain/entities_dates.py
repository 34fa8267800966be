"""Days, periods and days to expiry in a message, counted from a given day.

"Thursday" and "this Thursday" are the first one from today on, "next Thursday" the first one after today,
"Thursday next week" that of the calendar week after this (Monday to Sunday). Periods are ISO 8601:
durations (`P1W` for "weekly") or intervals of whole days (`2025-03-03/2025-03-09`).
"""

import re
from calendar import monthrange
from collections.abc import Callable, Iterator
from datetime import date, timedelta

from alluse.domain.entities_text import NUMBER, START, Found, Text, number
from alluse.schemas.entities import EntityType

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY_FORMS = {
    form: place
    for place, name in enumerate(_DAYS)
    for form in (name, f"{name}s", name[:3], {1: "tues", 2: "weds", 3: "thurs"}.get(place, name))
}
_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
    "november", "december",
)  # fmt: skip
_MONTH_FORMS = {
    form: place + 1 for place, name in enumerate(_MONTHS) for form in (name, name[:3], f"{name[:3]}.")
} | {"sept": 9}


def _any(forms: dict[str, int]) -> str:
    return "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))


#: "sun" and "sat" are words of their own, "mon" and "wed" seldom days.
_DAY = rf"(?P<day>{_any({form: 0 for form in _DAY_FORMS if form not in ('sun', 'sat', 'mon', 'wed')})})(?!\w)"
_MONTH = rf"(?P<month>{_any(_MONTH_FORMS)})(?!\w)"
_YEAR = r"(?:,? ?(?P<year>(?:19|20)[0-9]{2})(?![0-9]))?"
_UNIT = r"(?P<unit>days?|d|weeks?|wks?|months?|quarters?|years?|yrs?)(?!\w)"
_COUNT = rf"(?P<count>{START}{NUMBER}|(?<!\w)an?)"
_SIZES = {"d": "D", "w": "W", "m": "M", "q": "Q", "y": "Y"}

Reading = tuple[EntityType, float | str]
Reader = Callable[[re.Match[str], date, bool], Reading | None]


def times(text: Text, today: date, *, day_first: bool) -> Iterator[Found]:
    """All dates, periods and days to expiry; more special rules first."""
    for rule, reader in _RULES:
        for match in rule.finditer(text.low):
            try:
                reading = reader(match, today, day_first)
            except (ValueError, OverflowError):
                continue  # there is no such day
            if reading is not None:
                kind, value = reading
                yield Found(kind, value, *match.span(), 0.9, "days" if kind is EntityType.DTE else None)


# -- days to expiry --------------------------------------------------------------------------------


def _dte(match: re.Match[str], today: date, day_first: bool) -> Reading | None:
    days = number(match["count"]) * (7 if match["unit"].startswith("w") else 1)
    return (EntityType.DTE, float(days)) if 0 <= days <= 3650 and days == int(days) else None


# -- single days -----------------------------------------------------------------------------------


def _day(day: date) -> Reading:
    return EntityType.DATE, day.isoformat()


def _iso(match: re.Match[str], today: date, day_first: bool) -> Reading:
    return _day(date(int(match["y"]), int(match["m"]), int(match["d"])))


def _slashed(match: re.Match[str], today: date, day_first: bool) -> Reading:
    first, second = int(match["a"]), int(match["b"])
    day, month = (first, second) if day_first else (second, first)
    if month > 12 >= day:
        day, month = month, day
    if match["y"] is None:
        return _day(_coming(today, month, day))
    year = int(match["y"])
    return _day(date(year + 2000 if year < 100 else year, month, day))


def _named(match: re.Match[str], today: date, day_first: bool) -> Reading:
    month, day = _MONTH_FORMS[match["month"]], int(match["d"])
    if match["year"]:
        return _day(date(int(match["year"]), month, day))
    return _day(_coming(today, month, day))


def _coming(today: date, month: int, day: int) -> date:
    """This day of the year, or of the next when it is more than half a year past."""
    this_year = date(today.year, month, day)
    return this_year if (today - this_year).days <= 182 else date(today.year + 1, month, day)


def _near_day(match: re.Match[str], today: date, day_first: bool) -> Reading:
    word = match["word"]
    offset = {"today": 0, "tonight": 0, "now": 0, "tomorrow": 1, "yesterday": -1}.get(word.split()[-1], 0)
    if word.startswith("day after"):
        offset = 2
    elif word.startswith("day before"):
        offset = -2
    return _day(today + timedelta(days=offset))


def _weekday(match: re.Match[str], today: date, day_first: bool) -> Reading:
    wanted = _DAY_FORMS[match["day"]]
    which = (match["which"] or "").strip()
    ahead = (wanted - today.weekday()) % 7
    if match["later"]:
        return _day(_monday(today) + timedelta(days=7 + wanted))
    if which in ("last", "past"):
        return _day(today - timedelta(days=(today.weekday() - wanted) % 7 or 7))
    if which in ("next", "coming"):
        ahead = ahead or 7
    return _day(today + timedelta(days=ahead))


def _distant(match: re.Match[str], today: date, day_first: bool) -> Reading:
    count = _count(match)
    return _day(_shift(today, -count if match["ago"] else count, match["unit"]))


def _month_end(match: re.Match[str], today: date, day_first: bool) -> Reading:
    if match["month"]:
        month = _MONTH_FORMS[match["month"]]
        year = int(match["year"]) if match["year"] else _coming(today, month, 28).year
        return _day(date(year, month, monthrange(year, month)[1]))
    interval = _around(today, match["unit"][0], 1 if match["which"] == "next" else 0)
    return _day(interval[1])


# -- periods ---------------------------------------------------------------------------------------


def _span(first: date, last: date) -> Reading:
    return EntityType.TIME_PERIOD, f"{first.isoformat()}/{last.isoformat()}"


def _duration(count: int, unit: str) -> Reading:
    size = _SIZES[unit[0]]
    return EntityType.TIME_PERIOD, f"P{count * 3}M" if size == "Q" else f"P{count}{size}"


def _calendar(match: re.Match[str], today: date, day_first: bool) -> Reading:
    which = match["which"]
    offset = (
        1 if which in ("next", "coming", "following") else -1 if which in ("last", "previous", "past") else 0
    )
    return _span(*_around(today, match["unit"][0], offset))


def _back(match: re.Match[str], today: date, day_first: bool) -> Reading:
    count = _count(match)
    if match["which"] in ("next", "coming", "following"):
        return _span(today, _shift(today, count, match["unit"]))
    return _span(_shift(today, -count, match["unit"]), today)


def _to_date(match: re.Match[str], today: date, day_first: bool) -> Reading:
    unit = {"ytd": "y", "mtd": "m", "qtd": "q"}.get(match[0], match[0][0])
    return _span(_around(today, unit, 0)[0], today)


def _since(match: re.Match[str], today: date, day_first: bool) -> Reading | None:
    if match["day"]:
        return _span(today - timedelta(days=(today.weekday() - _DAY_FORMS[match["day"]]) % 7), today)
    month = _MONTH_FORMS[match["month"]]
    year = int(match["year"]) if match["year"] else today.year - (month > today.month)
    first = date(year, month, 1)
    return _span(first, today) if first <= today else None


def _in_month(match: re.Match[str], today: date, day_first: bool) -> Reading:
    month = _MONTH_FORMS[match["month"]]
    year = int(match["year"]) if match["year"] else _coming(today, month, 1).year
    return _span(date(year, month, 1), date(year, month, monthrange(year, month)[1]))


def _quarter(match: re.Match[str], today: date, day_first: bool) -> Reading:
    year = int(match["year"]) if match["year"] else today.year
    return _span(*_around(date(year, 3 * int(match["q"]) - 2, 1), "q", 0))


def _year(match: re.Match[str], today: date, day_first: bool) -> Reading:
    return _span(*_around(date(int(match["year"]), 1, 1), "y", 0))


_RECURRING = {
    "daily": "P1D", "weekly": "P1W", "biweekly": "P2W", "bi-weekly": "P2W", "fortnightly": "P2W",
    "monthly": "P1M", "quarterly": "P3M", "yearly": "P1Y", "annually": "P1Y", "annual": "P1Y",
    "fortnight": "P2W",
}  # fmt: skip


def _recurring(match: re.Match[str], today: date, day_first: bool) -> Reading:
    return EntityType.TIME_PERIOD, _RECURRING[match[0]]


def _each(match: re.Match[str], today: date, day_first: bool) -> Reading:
    return _duration(1, match["unit"])


def _lasting(match: re.Match[str], today: date, day_first: bool) -> Reading | None:
    count = _count(match)
    return _duration(count, match["unit"]) if count > 0 else None


# -- calendar --------------------------------------------------------------------------------------


def _count(match: re.Match[str]) -> int:
    """Whole number of units up to 100,000; raises ValueError for any other."""
    value = 1.0 if match["count"] in ("a", "an") else number(match["count"])
    if value > 100_000 or value != int(value):
        raise ValueError(match["count"])
    return int(value)


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _shift(day: date, count: int, unit: str) -> date:
    """The day so many days, weeks, months, quarters or years later; a month's end stays one."""
    if unit[0] in "dw":
        return day + timedelta(days=count * (7 if unit[0] == "w" else 1))
    months = day.year * 12 + day.month - 1 + count * {"m": 1, "q": 3, "y": 12}[unit[0]]
    year, month = divmod(months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def _around(day: date, unit: str, offset: int) -> tuple[date, date]:
    """First and last day of the day, week, month, quarter or year that lies `offset` from that of `day`."""
    first = {
        "d": day,
        "w": _monday(day),
        "m": day.replace(day=1),
        "q": date(day.year, (day.month - 1) // 3 * 3 + 1, 1),
        "y": date(day.year, 1, 1),
    }[unit]
    first = _shift(first, offset, unit)
    return first, _shift(first, 1, unit) - timedelta(days=1)


_WHICH = r"(?<!\w)(?P<which>this|current|next|coming|following|last|previous|past) "
_RULES: tuple[tuple[re.Pattern[str], Reader], ...] = tuple(
    (re.compile(pattern), reader)
    for pattern, reader in (
        (rf"{START}(?P<count>[0-9]+)[ -]?(?P<unit>dte)(?!\w)", _dte),
        (
            rf"{_COUNT}[ -]?{_UNIT}(?: left)?(?: to| until| till| before) (?:expiry|expiration|expire|"
            rf"it expires|maturity)(?!\w)",
            _dte,
        ),
        (rf"(?<!\w)expir(?:y|ing|es?|ation)(?: is| date)?(?: in) {_COUNT}[ -]?{_UNIT}", _dte),
        (
            rf"{_COUNT}[ -](?P<unit>days?|weeks?)(?= (?:out )?(?:expiry|expiration|puts?|calls?|"
            rf"options?)(?!\w))",
            _dte,
        ),
        (r"(?<!\w)(?P<unit>dte)(?: of| is|:| =)* ?(?P<count>[0-9]+)(?!\w)", _dte),
        (r"(?<![0-9-])(?P<y>(?:19|20)[0-9]{2})-(?P<m>[0-9]{1,2})-(?P<d>[0-9]{1,2})(?![0-9-])", _iso),
        (
            r"(?<![\w/.-])(?P<a>[0-9]{1,2})/(?P<b>[0-9]{1,2})(?:/(?P<y>(?:[0-9]{2}){1,2}))?(?![\w/])",
            _slashed,
        ),
        (rf"(?<!\w){_MONTH} (?:the )?(?P<d>[0-9]{{1,2}})(?:st|nd|rd|th)?(?!\w){_YEAR}", _named),
        (rf"(?<![\w.,])(?P<d>[0-9]{{1,2}})(?:st|nd|rd|th)? (?:of )?{_MONTH}{_YEAR}", _named),
        (
            rf"(?<!\w)(?:the )?end of (?:(?P<which>the|this|next) )?(?:{_MONTH}{_YEAR}|(?P<unit>week|"
            rf"month|quarter|year)(?!\w))",
            _month_end,
        ),
        (
            r"(?<!\w)(?P<month>)(?P<which>)(?P<unit>month|quarter|year)[ -]end(?!\w)",
            _month_end,
        ),
        (
            r"(?<!\w)(?:the )?(?P<word>day after tomorrow|day before yesterday|today|tonight|tomorrow|"
            r"yesterday)(?!\w)",
            _near_day,
        ),
        (rf"(?<!\w)since (?:last )?(?:{_DAY}|{_MONTH}{_YEAR})", _since),
        (rf"(?<!\w)(?P<which>)(?:on )?{_DAY}(?P<later> next week| of next week)", _weekday),
        (rf"(?<!\w)(?P<which>)(?P<later>next week)(?:'s)? (?:on )?{_DAY}", _weekday),
        (rf"(?<!\w)(?P<which>(?:this|next|coming|last|past) )?{_DAY}(?P<later>)", _weekday),
        (rf"(?<!\w)in {_COUNT} {_UNIT}(?: time)?(?P<ago>)?", _distant),
        (rf"{_COUNT} {_UNIT} (?P<ago>ago|back)(?!\w)", _distant),
        (rf"{_WHICH}{_COUNT} {_UNIT}", _back),
        (rf"{_WHICH}(?P<unit>week|month|quarter|year)(?:'s)?(?!\w)", _calendar),
        (r"(?<!\w)(?:ytd|mtd|qtd|(?:year|month|quarter)[ -]to[ -]date)(?!\w)", _to_date),
        (rf"(?<!\w)(?:q(?P<q>[1-4]))(?: of)?{_YEAR}(?!\w)", _quarter),
        (rf"(?<!\w)(?:in|during|for|of) {_MONTH}{_YEAR}", _in_month),
        (r"(?<!\w)(?:in|during|for|of) (?P<year>(?:19|20)[0-9]{2})(?![\w,.]*[0-9])(?!\w)", _year),
        (rf"(?<!\w)(?:{'|'.join(sorted(_RECURRING, key=len, reverse=True))})(?!\w)", _recurring),
        (r"(?<!\w)(?:per|each|every) (?P<unit>day|week|month|quarter|year)(?!\w)", _each),
        (rf"(?P<count>{START}{NUMBER})[ -]?(?P<unit>days?|weeks?|months?|quarters?|years?)(?!\w)", _lasting),
    )
)
