"""The record of recovery: what was done to a workload and what is still owed to it, as JSON in an annotation
of that workload.

The record is written before the deed. So an operator that is killed in between finds the attempt, finds
the pod still there, and resumes; one that is killed later finds the attempt and counts it. Whoever
deletes the annotation gives the component a clean record: back-off starts again, nothing else is lost.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from alluse_operator.api.status import ActionType

#: Attempts kept. More than any `intensity.maxActions`, so that trimming never hides one that counts.
KEPT = 64


@dataclass(frozen=True, slots=True)
class Attempt:
    """One recovery action on one component."""

    pod_uid: str
    """uid of the pod that was sick; empty where none was (a restart that was owed)."""
    at: datetime
    reason: str
    """Reason of the assessment that led to it, for example ProbeFailed."""
    number: int
    """Position in the present run of trouble, from 1; 0: no part of a run (a restart that was owed)."""
    generation: int
    """Generation of the spec at that time; a newer one ends the run."""
    after_exhaustion: bool = False
    """One of the rare attempts made after the budget was used up."""
    action: ActionType = ActionType.RESTART_POD
    targets: tuple[str, ...] = ()
    """uids of the pods that were to be evicted; empty: `pod_uid` alone for RestartPod, none for the rest."""
    note: str = ""
    """What the action was given: the revision that was rolled back, the node that is avoided."""

    @property
    def evicted(self) -> tuple[str, ...]:
        """uids of the pods that go with this attempt."""
        alone = (self.pod_uid,) if self.action is ActionType.RESTART_POD else ()
        return self.targets or alone

    @property
    def counts(self) -> bool:
        """Whether it is a step of the ladder."""
        return self.action is not ActionType.RESTART_ON_RECOVERY


@dataclass(frozen=True, slots=True)
class Debt:
    """A restart that is owed: the dependency has failed and is waited for."""

    dependency: str
    since: datetime
    """When the dependency lost its health."""


def parse(text: str) -> tuple[Attempt, ...]:
    """Attempts in order of time. What cannot be read is left out: a damaged record must not stop recovery."""
    attempts = [attempt for row in _rows(text) if (attempt := _attempt(row)) is not None]
    return tuple(sorted(attempts, key=lambda attempt: attempt.at))


def parse_debts(text: str) -> tuple[Debt, ...]:
    """Restarts that are owed, by the name of the dependency; one for each."""
    found = {debt.dependency: debt for row in _rows(text) if (debt := _debt(row)) is not None}
    return tuple(found[name] for name in sorted(found))


def render(attempts: tuple[Attempt, ...], debts: tuple[Debt, ...] = ()) -> str:
    """The annotation's value: compact JSON, newest `KEPT` attempts, then what is owed."""
    rows = [_row(attempt) for attempt in attempts[-KEPT:]]
    rows += [{"owedFor": debt.dependency, "since": _stamp(debt.since)} for debt in debts]
    return json.dumps(rows, separators=(",", ":"))


def forget_before(attempts: tuple[Attempt, ...], horizon: datetime, run: int = 0) -> tuple[Attempt, ...]:
    """Drops attempts that no rule looks at any more. The newest always stays, as it carries the run's number,
    and so do the newest `run`."""
    kept = len(attempts) - max(run, 1)
    return tuple(a for i, a in enumerate(attempts) if a.at > horizon or i >= kept)


def within(attempts: tuple[Attempt, ...], window: timedelta, until: datetime) -> tuple[Attempt, ...]:
    """Attempts in the half-open window (until - window, until]."""
    return tuple(a for a in attempts if until - window < a.at <= until)


def _rows(text: str) -> list[dict[str, object]]:
    try:
        rows = json.loads(text) if text else []
    except ValueError:
        return []
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def _time(value: object) -> datetime:
    """Raises ValueError for what is no time, or knows no time zone."""
    moment = datetime.fromisoformat(str(value))
    if moment.tzinfo is None:
        raise ValueError(value)
    return moment


def _row(attempt: Attempt) -> dict[str, object]:
    row: dict[str, object] = {
        "pod": attempt.pod_uid,
        "at": _stamp(attempt.at),
        "reason": attempt.reason,
        "number": attempt.number,
        "generation": attempt.generation,
    }
    if attempt.after_exhaustion:
        row["afterExhaustion"] = True
    if attempt.action is not ActionType.RESTART_POD:
        row["action"] = attempt.action.value
    if attempt.targets:
        row["targets"] = list(attempt.targets)
    if attempt.note:
        row["note"] = attempt.note
    return row


def _attempt(row: dict[str, object]) -> Attempt | None:
    targets = row.get("targets")
    try:
        return Attempt(
            pod_uid=str(row["pod"]),
            at=_time(row["at"]),
            reason=str(row["reason"]),
            number=_whole(row["number"]),
            generation=_whole(row["generation"]),
            after_exhaustion=row.get("afterExhaustion") is True,
            action=ActionType(str(row.get("action", ActionType.RESTART_POD))),
            targets=tuple(map(str, targets)) if isinstance(targets, list) else (),
            note=str(row.get("note", "")),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _debt(row: dict[str, object]) -> Debt | None:
    try:
        return Debt(str(row["owedFor"]), _time(row["since"]))
    except (KeyError, ValueError):
        return None


def _whole(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(value)
    return value
