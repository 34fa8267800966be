"""How a rule says what it has found, and the times that several rules reckon with."""

from __future__ import annotations

from datetime import datetime

from alluse_operator.api.conditions import ComponentReason
from alluse_operator.api.status import ComponentState
from alluse_operator.core.observed import PodView
from alluse_operator.core.sight import Sight
from alluse_operator.core.verdicts import Assessment


def say(
    sight: Sight,
    state: ComponentState,
    reason: str,
    message: str,
    evidence: datetime | None = None,
    *,
    recheck_at: datetime | None = None,
    started: bool = False,
    healthy: bool = False,
    completed: bool = False,
    failed: bool = False,
    suspect: str = "",
) -> Assessment:
    """`since` is what the status says of the same state, else the cluster's own stamp, else now."""
    before = sight.previous
    kept = before.since if before is not None and before.state is state else None
    since = kept or evidence or sight.now
    return Assessment(
        state=state,
        reason=str(reason),
        message=message,
        since=min(since, sight.now),
        recheck_at=recheck_at,
        started=started,
        healthy=healthy,
        completed=completed,
        failed=failed,
        suspect=suspect,
    )


def trouble(sight: Sight, reason: str, message: str, evidence: datetime | None) -> Assessment:
    return partly(sight, ComponentState.UNHEALTHY, reason, message, evidence)


def partly(
    sight: Sight,
    state: ComponentState,
    reason: str,
    message: str,
    evidence: datetime | None = None,
    *,
    recheck_at: datetime | None = None,
    suspect: str = "",
) -> Assessment:
    """The same trouble is worth a lower state while other pods serve."""
    lowered = ComponentState.DEGRADED if sight.serving else state
    return say(sight, lowered, reason, message, evidence, recheck_at=recheck_at, suspect=suspect)


def start_deadline(sight: Sight) -> datetime:
    return sight.began_at + sight.component.start_deadline


def too_late(sight: Sight) -> Assessment | None:
    deadline = start_deadline(sight)
    if sight.now < deadline:
        return None
    running = [pod for pod in sight.unready if pod.running]
    return partly(
        sight,
        ComponentState.UNHEALTHY,
        ComponentReason.START_DEADLINE_EXCEEDED,
        f"not ready {int(sight.component.start_deadline.total_seconds())} s after its start began: "
        f"{sight.ready_count} of {sight.wanted_replicas} pods ready",
        deadline,
        suspect=running[0].uid if running else "",
    )


def good_since(sight: Sight) -> datetime:
    """Since when everything has been good without a gap."""
    moments = [pod.ready_changed_at or pod.created_at for pod in sight.ready]
    for pod in sight.ready:
        reading = sight.reading(pod)
        if reading is not None and reading.since is not None and _failed_before(sight):
            moments.append(reading.since)
    if not moments and sight.workload is not None:
        moments.append(sight.workload.rollout_started_at or sight.workload.created_at)
    return max(moments, default=sight.now)


def _failed_before(sight: Sight) -> bool:
    return sight.previous is not None and sight.previous.reason == ComponentReason.PROBE_FAILED


def end_reason(pod: PodView) -> ComponentReason:
    """What the latest end of its container is called."""
    killed = pod.last_exit is not None and pod.last_exit.reason == "OOMKilled"
    return ComponentReason.OUT_OF_MEMORY if killed else ComponentReason.CRASHED


def last_words(pod: PodView) -> str:
    end = pod.last_exit
    if end is None:
        return "no exit recorded"
    return f"{end.reason or 'exit'}, code {end.exit_code}"
