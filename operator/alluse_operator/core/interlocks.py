"""Interlocks: gates that are open only while the components they stand on can be relied upon.

This is the one place where not to know is bad. A gate that is open stays open while one of its components
has been unwell, or unknown, for no longer than the interlock's limit; a gate that is closed, or of which
nothing is known, opens only when all of them are well. The guarded component looks for itself as well, so
that the gate also closes when no operator runs; what is said here is for people and alerts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from alluse_operator.api.status import InterlockState
from alluse_operator.core.desired import Interlock, System
from alluse_operator.core.gate import WELL
from alluse_operator.core.losses import unwell_since
from alluse_operator.core.observed import PreviousStatus
from alluse_operator.core.plan import ComponentPlan
from alluse_operator.core.times import parse_time
from alluse_operator.core.verdicts import InterlockView


@dataclass(frozen=True, slots=True)
class _Before:
    state: str
    since: datetime | None


def check(
    system: System, plans: Mapping[str, ComponentPlan], status: PreviousStatus, now: datetime
) -> tuple[InterlockView, ...]:
    """All interlocks of the system, with the time at which an open one closes if nothing changes."""
    known = {
        str(row.get("name")): _Before(str(row.get("state")), parse_time(row.get("since")))
        for row in status.raw.get("interlocks") or ()
    }
    return tuple(_check(lock, plans, status, known.get(lock.name), now) for lock in system.interlocks)


def _check(
    lock: Interlock,
    plans: Mapping[str, ComponentPlan],
    status: PreviousStatus,
    before: _Before | None,
    now: datetime,
) -> InterlockView:
    words: list[str] = []
    closes_at: list[datetime] = []
    for name in lock.requires:
        plan = plans.get(name)
        if plan is None or plan.removed:
            words.append(f"{name} does not run")
            closes_at.append(now)
        elif plan.recovery.exhausted:
            words.append(f"{name} is in its safe state")
            closes_at.append(now)
        elif plan.assessment.state not in WELL:
            words.append(f"{name} is {plan.assessment.state} ({plan.assessment.reason})")
            closes_at.append(unwell_since(status.components.get(name), plan.assessment) + lock.within)
    was_open = before is not None and before.state == InterlockState.OPEN
    in_time = was_open and bool(closes_at) and now < min(closes_at)
    state = InterlockState.OPEN if not closes_at or in_time else InterlockState.CLOSED
    since = now
    if before is not None and before.state == state and before.since is not None:
        since = min(before.since, now)
    message = ""
    if state is InterlockState.CLOSED:
        message = f"{lock.guards} is in its safe state: {', '.join(words)}"
    return InterlockView(lock.name, state, since, message, min(closes_at) if in_time else None)
