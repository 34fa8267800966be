"""Rules about Jobs: they run once, and their controller says how it ended."""

from __future__ import annotations

from dataclasses import replace

from alluse_operator.api.conditions import ComponentReason
from alluse_operator.api.status import ComponentState
from alluse_operator.core.health.words import say, start_deadline, too_late
from alluse_operator.core.sight import Sight
from alluse_operator.core.verdicts import Assessment


def job_ended(sight: Sight) -> Assessment | None:
    job = sight.workload
    if job is not None and job.completed_at is not None:
        return say(
            sight,
            ComponentState.COMPLETED,
            ComponentReason.JOB_COMPLETED,
            "the Job has succeeded",
            job.completed_at,
            started=True,
            completed=True,
        )
    if job is not None and job.failed_at is not None:
        return say(
            sight,
            ComponentState.FAILED,
            ComponentReason.JOB_FAILED,
            f"the Job has failed: {job.failed_message or 'it does not say why'}",
            job.failed_at,
            started=True,
            failed=True,
        )
    return None


def job_running(sight: Sight) -> Assessment:
    begun = any(
        pod.running or pod.last_exit or pod.phase in ("Failed", "Succeeded")
        for pod in sight.pods
        if sight.is_asked(pod)
    )
    if not begun and (late := too_late(sight)) is not None:
        return replace(late, suspect="")
    return say(
        sight,
        ComponentState.STARTING,
        ComponentReason.JOB_RUNNING if begun else ComponentReason.CREATED,
        "the Job runs" if begun else "created; no pod runs yet",
        sight.began_at,
        recheck_at=None if begun else start_deadline(sight),
        started=begun,
    )
