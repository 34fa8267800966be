"""How the command line writes times: short, and always with what they are measured from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def span(length: timedelta) -> str:
    """A length of time in one or two units, rounded down: `7 s`, `2 min 5 s`, `3 h 4 min`, `2 d 1 h`."""
    seconds = max(0, int(length.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    units = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    first = next(index for index, (_, size) in enumerate(units) if seconds >= size)
    (name, size), (lower, lower_size) = units[first], units[first + 1]
    rest = seconds % size // lower_size
    return f"{seconds // size} {name} {rest} {lower}" if rest else f"{seconds // size} {name}"


def clock(moment: datetime) -> str:
    """The time of day in UTC, as the operator's own messages write it."""
    return f"{moment.astimezone(UTC):%H:%M:%SZ}"


def ago(moment: datetime | None, now: datetime) -> str:
    """`since 09:12:03Z (14 s)`; empty when it is not known."""
    return "" if moment is None else f"since {clock(moment)} ({span(now - moment)})"


def ahead(moment: datetime, now: datetime) -> str:
    """`at 09:12:03Z (in 14 s)`, or that it is due."""
    left = moment - now
    return f"at {clock(moment)} ({f'in {span(left)}' if left > timedelta(0) else 'due now'})"


def plain(text: str) -> str:
    """The text on one line, without what would move a cursor: it may be a component's own words."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
