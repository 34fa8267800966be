"""How far a start is: slots, seconds, and the deadline of the whole system."""

from __future__ import annotations

from datetime import datetime

from alluse_operator.api.conditions import ComponentReason, ConditionType, Reason
from alluse_operator.api.status import ComponentState
from alluse_operator.core.desired import System
from alluse_operator.core.observed import Snapshot
from alluse_operator.core.sight import Sight
from alluse_operator.core.verdicts import Assessment

#: What is in such trouble will not be done soon: it keeps nobody else from starting.
_TROUBLE = frozenset(
    {
        ComponentReason.POD_REFUSED,
        ComponentReason.IMAGE_PULL_FAILED,
        ComponentReason.CONTAINER_CONFIG_ERROR,
        ComponentReason.CRASH_LOOP,
        ComponentReason.START_DEADLINE_EXCEEDED,
    }
)


def takes_slot(sight: Sight, assessment: Assessment) -> bool:
    """Whether the component counts against `startup.maxParallel`.

    It does until its first pod of the wanted revision has started, but no longer than its start deadline.
    A Job that has begun may then take as long as it likes.
    """
    if sight.workload is not None and sight.workload.deleted_at is not None:
        # On its way out, to be made anew.
        return sight.now < sight.workload.deleted_at + sight.component.start_deadline
    return (
        sight.current
        and not assessment.started
        and not sight.was_healthy
        and sight.ready_count < sight.wanted_replicas
        and assessment.reason not in _TROUBLE
        and sight.now < sight.began_at + sight.component.start_deadline
        and not (assessment.completed or assessment.failed)
    )


def start_seconds(sight: Sight, assessment: Assessment) -> int | None:
    """Whole seconds from the creation of what runs to its first being healthy (Job: completed).

    Once known it is kept for the revision: the cluster's stamps say only when a pod was *last* ready. The
    pods' stamps are enough: whoever waited for the workload's controller as well would write the status
    of every start twice.
    """
    before = sight.previous
    if (
        before is not None
        and before.start_seconds is not None
        and (before.revision == sight.revision or not sight.component.managed)
    ):
        return before.start_seconds
    workload = sight.workload
    if workload is None or not sight.current:
        return None
    if assessment.completed and workload.completed_at is not None:
        return _seconds(workload.created_at, workload.completed_at)
    well = assessment.healthy or assessment.state is ComponentState.HEALTHY
    if not well or not sight.ready:
        return None
    return _seconds(
        min(pod.created_at for pod in sight.ready),
        max(pod.ready_changed_at or pod.created_at for pod in sight.ready),
    )


def first_created_at(snapshot: Snapshot) -> datetime | None:
    """When the first component of the system was created; kept from the status, as objects come and go."""
    status = snapshot.resource.status
    created = [workload.created_at for workload in snapshot.workloads.values() if workload.ours]
    return status.started_at or min(created, default=None)


def began_at(snapshot: Snapshot, now: datetime) -> datetime:
    """When the system set out for the state that it is not in yet: with its creation, with a new
    generation, or with the trouble that took it out of Ready. The condition Reconciling carries the time
    from pass to pass."""
    resource = snapshot.resource
    status = resource.status
    if status.observed_generation == 0:
        return resource.created_at if resource.identity.generation <= 1 else now
    reconciling = status.conditions.get(ConditionType.RECONCILING)
    if reconciling is None or reconciling.observed_generation != resource.identity.generation:
        return now
    return reconciling.last_transition_time


def overdue(system: System, snapshot: Snapshot, now: datetime) -> bool:
    """Whether a system that is not ready has been so for too long; once so, until it is ready or changed."""
    stalled = snapshot.resource.status.conditions.get(ConditionType.STALLED)
    if (
        stalled is not None
        and stalled.reason == Reason.STARTUP_DEADLINE_EXCEEDED
        and stalled.observed_generation == snapshot.resource.identity.generation
    ):
        return True
    return now >= deadline(system, snapshot, now)


def deadline(system: System, snapshot: Snapshot, now: datetime) -> datetime:
    """When a system that is on its way is to be called stalled."""
    return began_at(snapshot, now) + system.startup.deadline


def _seconds(begin: datetime, end: datetime) -> int:
    return max(0, round((end - begin).total_seconds()))
