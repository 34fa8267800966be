"""Recovery attempts, kept as JSON in an annotation of the workload they were made on.

The record is written before the deed. So an operator that is killed in between finds the attempt, finds
the pod still there, and resumes; one that is killed later finds the attempt and counts it. Whoever
deletes the annotation gives the component a clean record: back-off starts again, nothing else is lost.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

#: Attempts kept. More than any `intensity.maxActions`, so that trimming never hides one that counts.
KEPT = 64


@dataclass(frozen=True, slots=True)
class Attempt:
    """One recovery action on one pod."""

    pod_uid: str
    at: datetime
    reason: str
    """Reason of the assessment that led to it, for example ProbeFailed."""
    number: int
    """Position in the present run of trouble, from 1."""
    generation: int
    """Generation of the spec at that time; a newer one ends the run."""
    after_exhaustion: bool = False
    """One of the rare attempts made after the budget was used up."""


def parse(text: str) -> tuple[Attempt, ...]:
    """Attempts in order of time. What cannot be read is left out: a damaged record must not stop recovery."""
    try:
        rows = json.loads(text) if text else []
    except ValueError:
        return ()
    if not isinstance(rows, list):
        return ()
    attempts = [attempt for row in rows if (attempt := _attempt(row)) is not None]
    return tuple(sorted(attempts, key=lambda attempt: attempt.at))


def render(attempts: tuple[Attempt, ...]) -> str:
    """The annotation's value: compact JSON, newest `KEPT` attempts."""
    return json.dumps([_row(attempt) for attempt in attempts[-KEPT:]], separators=(",", ":"))


def forget_before(attempts: tuple[Attempt, ...], horizon: datetime) -> tuple[Attempt, ...]:
    """Drops attempts that no rule looks at any more; the newest always stays, it carries the run's number."""
    return tuple(a for i, a in enumerate(attempts) if a.at > horizon or i == len(attempts) - 1)


def within(attempts: tuple[Attempt, ...], window: timedelta, until: datetime) -> tuple[Attempt, ...]:
    """Attempts in the half-open window (until - window, until]."""
    return tuple(a for a in attempts if until - window < a.at <= until)


def _row(attempt: Attempt) -> dict[str, object]:
    row: dict[str, object] = {
        "pod": attempt.pod_uid,
        "at": attempt.at.astimezone(UTC).isoformat(timespec="milliseconds"),
        "reason": attempt.reason,
        "number": attempt.number,
        "generation": attempt.generation,
    }
    if attempt.after_exhaustion:
        row["afterExhaustion"] = True
    return row


def _attempt(row: object) -> Attempt | None:
    if not isinstance(row, dict):
        return None
    try:
        at = datetime.fromisoformat(str(row["at"]))
        if at.tzinfo is None:
            return None
        return Attempt(
            pod_uid=str(row["pod"]),
            at=at,
            reason=str(row["reason"]),
            number=int(row["number"]),
            generation=int(row["generation"]),
            after_exhaustion=row.get("afterExhaustion") is True,
        )
    except (KeyError, TypeError, ValueError):
        return None
