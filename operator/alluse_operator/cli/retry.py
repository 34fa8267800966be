"""`retry`: ask the operator to begin anew with a component, or with all of them."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Final

from alluse_operator.api.names import RETRY_ANNOTATION
from alluse_operator.cli.picture import Picture
from alluse_operator.core.times import parse_time

ALL: Final = "*"


def annotation(picture: Picture, component: str) -> str:
    """The annotation as an argument of kubectl: who, and up to when attempts do not count any more.

    Later than the latest attempt in any case: this clock and the operator's may differ.
    """
    attempts = [
        at + timedelta(seconds=1)
        for row in picture.rows.values()
        if component in (ALL, row.name) and (at := parse_time(row.last_action.get("time"))) is not None
    ]
    moment = max([picture.now, *attempts]).astimezone(UTC)
    return (
        f"{RETRY_ANNOTATION}={component} {moment.isoformat(timespec='milliseconds').replace('+00:00', 'Z')}"
    )


def said(picture: Picture, component: str) -> list[str]:
    """What a retry means for the components that it names, as they are now."""
    named = [row for row in picture.rows.values() if component in (ALL, row.name)]
    sick = [row for row in named if row.sick]
    lines = [f"asked: {'every component' if component == ALL else component} begins with a clean record"]
    if not sick:
        lines.append("nothing of it is in trouble now, so nothing will be seen of this")
    lines += [f"{row.name}: {row.state} ({row.reason}); the ladder begins at its first rung" for row in sick]
    if sick:
        lines.append("follow it: kubectl allusesystem status --watch")
    return lines
