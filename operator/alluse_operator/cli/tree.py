"""`status`: the system's components as a tree, each under the dependency that it comes after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from alluse_operator.cli.picture import Picture, Row
from alluse_operator.cli.words import ago, ahead, plain, span
from alluse_operator.core.times import parse_time

_BAD: Final = frozenset({"Unhealthy", "Failed", "Blocked"})
_SOFT: Final = frozenset({"Degraded", "Recovering", "Unknown", "Starting", "Waiting", "Stopping", "Stopped"})


@dataclass(frozen=True, slots=True)
class Line:
    """One line and how it looks: good, bad, dim, bold or nothing."""

    text: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class Strokes:
    """What trees are drawn with."""

    branch: str
    last: str
    down: str


LINES: Final = Strokes("├─ ", "└─ ", "│  ")
ASCII: Final = Strokes("|- ", "`- ", "|  ")


def strokes(encoding: str | None) -> Strokes:
    """Lines where the stream can carry them."""
    try:
        LINES.branch.encode(encoding or "ascii")
    except (UnicodeError, LookupError):
        return ASCII
    return LINES


def status(picture: Picture, drawn: Strokes, width: int) -> list[Line]:
    """The lines of `status`; none is longer than `width`."""
    lines = [_title(picture)]
    if cause := picture.status.get("cause"):
        lines.append(Line(f"cause: {cause}", "bad"))
    lines += _conditions(picture)
    rows = _rows(picture, drawn)
    if not rows:
        lines.append(Line("the operator has not spoken of its components yet; is it running?"))
    names = max((len(label) for label, _ in rows), default=0)
    states = max((len(row.state) for _, row in rows), default=0)
    ages = [span(picture.now - row.since) if row.since is not None else "" for _, row in rows]
    wide = max(map(len, ages), default=0)
    for (label, row), age in zip(rows, ages, strict=True):
        text = f"{label:{names}}  {row.state:{states}}  {age:{wide}}  {_detail(picture, row)}"
        lines.append(Line(text.rstrip(), _style(row.state)))
    lines += _interlocks(picture)
    lines += _recovery(picture)
    return [Line(_cut(line.text, width), line.style) for line in lines]


def changes(before: Mapping[str, Row], after: Mapping[str, Row]) -> list[tuple[Row | None, Row]]:
    """Rows whose state or reason is another than before, for those who follow without a terminal."""
    return [
        (before.get(name), row)
        for name, row in after.items()
        if name not in before or (before[name].state, before[name].reason) != (row.state, row.reason)
    ]


def change_line(picture: Picture, old: Row | None, new: Row) -> str:
    """One line of the followed status."""
    was = f"{old.state} -> " if old is not None and old.state != new.state else ""
    detail = _detail(picture, new)
    return plain(f"{new.name}: {was}{new.state}{f': {detail}' if detail else ''}")


def _title(picture: Picture) -> Line:
    status = picture.status
    parts = [f"{status.get('ready', '?')} ready"]
    parts += [f"{key} {status[key]}" for key in ("environment", "version") if status.get(key)]
    state = str(status.get("state") or "Pending")
    style = "good" if state == "Running" else "bad" if state in ("Degraded", "Stalled") else "bold"
    return Line(f"{picture.namespace}/{picture.name}: {state}, {', '.join(parts)}", style)


def _conditions(picture: Picture) -> list[Line]:
    """Conditions that a person has to know of; the rest is in the tree."""
    lines = []
    for kind, bad in (("SpecValid", "False"), ("Stalled", "True"), ("RecoverySuspended", "True")):
        condition = picture.condition(kind)
        if condition.get("status") == bad:
            since = parse_time(condition.get("lastTransitionTime"))
            when = f" {ago(since, picture.now)}" if since is not None else ""
            lines.append(Line(f"{kind}={bad}{when}: {condition.get('message', '')}", "bad"))
    return lines


def _rows(picture: Picture, drawn: Strokes) -> list[tuple[str, Row]]:
    """Each component once, under the last of its dependencies to start, with the tree's strokes."""
    order = {name: index for index, name in enumerate(picture.rows)}
    under: dict[str, list[str]] = {}
    for name in picture.rows:
        parents = [edge.name for edge in picture.edges(name) if edge.name in order]
        under.setdefault(max(parents, key=order.__getitem__, default=""), []).append(name)
    return _branch(picture, drawn, under, under.get("", ()), "", top=True)


def _branch(
    picture: Picture,
    drawn: Strokes,
    under: Mapping[str, Sequence[str]],
    names: Sequence[str],
    indent: str,
    *,
    top: bool = False,
) -> list[tuple[str, Row]]:
    found: list[tuple[str, Row]] = []
    for name in names:
        last = name == names[-1]
        stroke, below = ("", "") if top else (drawn.last, "   ") if last else (drawn.branch, drawn.down)
        found.append((f"{indent}{stroke}{name}", picture.rows[name]))
        found += _branch(picture, drawn, under, under.get(name, ()), indent + below)
    return found


def _detail(picture: Picture, row: Row) -> str:
    """Why it is not simply healthy, and what comes next."""
    if row.state in ("Healthy", "Completed", "Disabled"):
        return ""
    parts = []
    if row.waiting_for:
        parts.append(f"waits for {', '.join(str(wait.get('name')) for wait in row.waiting_for)}")
    else:
        parts.append(f"{row.reason}: {row.message}" if row.message else row.reason)
    if row.caused_by:
        parts.insert(0, f"because of {', '.join(row.caused_by)}")
    if row.next_action_at is not None:
        parts.insert(0, f"next {row.rung or 'attempt'} {ahead(row.next_action_at, picture.now)}")
    return "; ".join(filter(None, parts))


def _interlocks(picture: Picture) -> list[Line]:
    lines = []
    for lock in picture.status.get("interlocks") or ():
        since = parse_time(lock.get("since"))
        when = f" {ago(since, picture.now)}" if since is not None else ""
        closed = lock.get("state") == "Closed"
        text = f"interlock {lock.get('name', '?')}: {lock.get('state', '?')}{when}"
        said = lock.get("message")
        lines.append(Line(f"{text}: {said}" if said and closed else text, "bad" if closed else "dim"))
    return lines


def _recovery(picture: Picture) -> list[Line]:
    """How much of the recovery's budget is used, when any is; alerts that are firing."""
    lines = []
    recovery = picture.status.get("recovery") or {}
    if used := recovery.get("actionsInWindow"):
        lines.append(Line(f"recovery: {used} {'action' if used == 1 else 'actions'} in the window", "dim"))
    if given_up := recovery.get("exhausted"):
        lines.append(Line(f"recovery is exhausted for {', '.join(given_up)}: see `why`, or `retry`", "bad"))
    for alert in picture.status.get("alerts") or ():
        if alert.get("state") == "Firing" and not alert.get("inhibitedBy"):
            about = f" {alert['subject']}" if alert.get("subject") else ""
            text = f"alert {alert.get('severity', '')} {alert.get('name', '')}{about}"
            lines.append(Line(f"{text}: {alert.get('message', '')}", "bad"))
    return lines


def _style(state: str) -> str:
    if state in _BAD:
        return "bad"
    return "dim" if state == "Disabled" else "bold" if state in _SOFT else ""


def _cut(text: str, width: int) -> str:
    line = plain(text)
    return line if len(line) <= width else line[: max(1, width - 1)] + ("…" if width > 1 else "")
