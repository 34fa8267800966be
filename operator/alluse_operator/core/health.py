"""What state a component is in: a chain of rules over what is seen, first match wins.

Each rule takes a `Sight` and answers with an `Assessment` or None. A new rule is one function and one
line in a chain. Times come from the cluster's own stamps where it has one, so that a new operator says
the same as the old.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from alluse_operator.api.conditions import ComponentReason
from alluse_operator.api.spec import ComponentType
from alluse_operator.api.status import ComponentState
from alluse_operator.core.observed import PodView, ProbeOutcome
from alluse_operator.core.plan import Assessment
from alluse_operator.core.sight import Sight

Rule = Callable[[Sight], Assessment | None]

_IMAGE_REASONS = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
_CONFIG_REASONS = frozenset(
    {
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "StartError",
        "PreCreateHookError",
        "PostStartHookError",
    }
)

#: The scheduler says so of every pod whose claim is still being bound; for so long it is not believed.
_UNSCHEDULABLE_GRACE = timedelta(seconds=5)


def assess(sight: Sight) -> Assessment:
    """The component's state. Predicates for gates (started, healthy, completed) are set beside it."""
    chain = _JOB_RULES if sight.component.kind is ComponentType.JOB else _SERVICE_RULES
    verdict = next(found for rule in chain if (found := rule(sight)) is not None)
    return replace(
        verdict,
        current=sight.current,
        serving=sight.serving,
        started=sight.current and (verdict.started or any(pod.started for pod in sight.asked)),
        healthy=verdict.healthy and sight.current and sight.workload is not None and sight.workload.settled,
        completed=verdict.completed and sight.current,
        failed=verdict.failed and sight.current,
    )


# -- rules for both ------------------------------------------------------------------------------------


def _absent(sight: Sight) -> Assessment | None:
    if sight.workload is not None:
        return None
    if sight.component.managed:
        return _say(sight, ComponentState.WAITING, ComponentReason.CREATED, "not created yet")
    return _say(
        sight,
        ComponentState.UNHEALTHY,
        ComponentReason.MISSING,
        "no workload of that name exists, and the component is only observed",
    )


def _stopping(sight: Sight) -> Assessment | None:
    if sight.workload is None or not sight.workload.deleting:
        return None
    return _say(sight, ComponentState.STOPPING, ComponentReason.STOPPING, "its workload is being deleted")


def _refused(sight: Sight) -> Assessment | None:
    """Quota, Pod Security, an admission webhook: the controller may not create the pods."""
    if sight.workload is None or not sight.workload.refusal or sight.ready_count >= sight.wanted_replicas:
        return None
    return _trouble(
        sight, ComponentReason.POD_REFUSED, f"the cluster refuses its pods: {sight.workload.refusal}", None
    )


def _pod_trouble(sight: Sight) -> Assessment | None:
    """What the kubelet or the scheduler says about pods that do not come up."""
    if sight.ready_count >= sight.wanted_replicas:
        return None
    for pod in sight.unready:
        said = f"{pod.waiting_reason}: {pod.waiting_message}" if pod.waiting_message else pod.waiting_reason
        if pod.waiting_reason in _IMAGE_REASONS:
            return _trouble(
                sight, ComponentReason.IMAGE_PULL_FAILED, f"pod {pod.name}: {said}", pod.created_at
            )
        if pod.waiting_reason in _CONFIG_REASONS:
            return _trouble(
                sight, ComponentReason.CONTAINER_CONFIG_ERROR, f"pod {pod.name}: {said}", pod.created_at
            )
        if pod.waiting_reason == "CrashLoopBackOff":
            return _trouble(
                sight,
                ComponentReason.CRASH_LOOP,
                f"pod {pod.name} keeps ending ({_last_words(pod)}, {pod.restarts} restarts); "
                "the kubelet waits before it starts it again",
                pod.last_exit.finished_at if pod.last_exit else None,
            )
        if sight.component.kind is ComponentType.JOB:
            # A pod of a Job may end; what that means the Job's controller says.
            continue
        if pod.last_exit is not None and not pod.running and pod.phase != "Pending":
            return _trouble(
                sight,
                ComponentReason.CRASHED,
                f"pod {pod.name} ended ({_last_words(pod)}); the kubelet starts it again",
                pod.last_exit.finished_at,
            )
    return None


def _unschedulable(sight: Sight) -> Assessment | None:
    """Within the start deadline it may yet find a place: a node that comes up, a claim that binds."""
    if sight.ready_count >= sight.wanted_replicas:
        return None
    pod = next((pod for pod in sight.unready if pod.unscheduled_since is not None), None)
    if pod is None or pod.unscheduled_since is None:
        return None
    deadline = pod.unscheduled_since + sight.component.start_deadline
    believed_at = pod.unscheduled_since + _UNSCHEDULABLE_GRACE
    message = f"pod {pod.name} finds no node: {pod.unscheduled_message}"
    beginning = ComponentState.RECOVERING if sight.was_healthy else ComponentState.STARTING
    if sight.now < believed_at:
        return _partly(
            sight, beginning, ComponentReason.CREATED, "created; waits for a node", recheck_at=believed_at
        )
    if sight.serving or sight.now >= deadline:
        return _trouble(sight, ComponentReason.UNSCHEDULABLE, message, pod.unscheduled_since)
    return _say(
        sight,
        beginning,
        ComponentReason.UNSCHEDULABLE,
        message,
        pod.unscheduled_since,
        recheck_at=deadline,
    )


# -- rules for services --------------------------------------------------------------------------------


def _hung(sight: Sight) -> Assessment | None:
    """A container runs that was ready and is not any more: it hangs, or its readiness check says no."""
    hung = [(pod.ready_changed_at, pod) for pod in sight.unready if _has_been_ready(pod)]
    if sight.ready_count >= sight.wanted_replicas or not hung:
        return None
    lost_at, pod = min(hung, key=lambda found: (found[0] or sight.now, found[1].name))
    lost_at = lost_at or sight.now
    patience = lost_at + sight.component.health.patience
    return _partly(
        sight,
        ComponentState.UNHEALTHY,
        ComponentReason.NOT_READY,
        f"pod {pod.name} runs but is not ready any more",
        lost_at,
        recheck_at=None if sight.now >= patience else patience,
        suspect=pod.uid if sight.now >= patience else "",
    )


def _restarted(sight: Sight) -> Assessment | None:
    """The kubelet has restarted a crashed container, which is not ready again yet."""
    if sight.ready_count >= sight.wanted_replicas:
        return None
    for pod in sight.unready:
        if pod.restarts == 0 or not pod.running or pod.last_exit is None or pod.running_since is None:
            continue
        deadline = pod.running_since + sight.component.start_deadline
        if sight.now < deadline:
            return _partly(
                sight,
                ComponentState.RECOVERING,
                ComponentReason.CRASHED,
                f"pod {pod.name} ended ({_last_words(pod)}) and runs again, restart {pod.restarts} "
                "by the kubelet; not ready yet",
                pod.running_since,
                recheck_at=deadline,
            )
    return None


def _recovering(sight: Sight) -> Assessment | None:
    """Our own attempt is under way: the pod was evicted and its successor is not ready yet."""
    if sight.ready_count >= sight.wanted_replicas or not sight.under_recovery:
        return None
    last = sight.attempts[-1]
    return _partly(
        sight,
        ComponentState.RECOVERING,
        ComponentReason.RECOVERY_IN_PROGRESS,
        f"its pod was restarted ({last.reason}, attempt {last.number}); the new one is not ready yet",
        last.at,
        recheck_at=last.at + sight.component.start_deadline,
    )


def _replaced(sight: Sight) -> Assessment | None:
    """It was healthy in this revision, and pods of it are gone or not up yet; nobody has said why."""
    if sight.ready_count >= sight.wanted_replicas or not sight.was_healthy:
        return None
    if not sight.asked:
        return _partly(
            sight,
            ComponentState.UNHEALTHY,
            ComponentReason.MISSING,
            "its pods are gone; the workload's controller has to make new ones",
        )
    if (late := _too_late(sight)) is not None:
        return late
    return _partly(
        sight,
        ComponentState.RECOVERING,
        ComponentReason.NOT_YET_READY,
        f"{sight.ready_count} of {sight.wanted_replicas} pods ready; a new pod takes the place of a lost one",
        recheck_at=_start_deadline(sight),
    )


def _starting(sight: Sight) -> Assessment | None:
    if sight.ready_count >= sight.wanted_replicas:
        return None
    if (late := _too_late(sight)) is not None:
        return late
    old = [pod for pod in sight.live if pod not in sight.asked]
    reason, message = ComponentReason.CREATED, "created; no pod runs yet"
    if old:
        reason = ComponentReason.ROLLING_OUT
        message = f"{sight.ready_count} of {sight.wanted_replicas} pods of the new revision ready"
    elif any(pod.running for pod in sight.unready):
        reason = ComponentReason.NOT_YET_READY
        message = f"{sight.ready_count} of {sight.wanted_replicas} pods ready; the rest run, not ready yet"
    return _say(
        sight, ComponentState.STARTING, reason, message, sight.began_at, recheck_at=_start_deadline(sight)
    )


def _probe_failed(sight: Sight) -> Assessment | None:
    failed = [pod for pod in sight.ready if sight.probe_failed(pod)]
    if not failed:
        return None
    first = min(failed, key=lambda pod: (_probe_since(sight, pod), pod.name))
    reading = sight.reading(first)
    what = reading.message if reading is not None else ""
    said = f"{reading.failures if reading else 0} deep checks in a row failed on pod {first.name}"
    good = len(sight.ready) > len(failed)
    return _say(
        sight,
        ComponentState.DEGRADED if good else ComponentState.UNHEALTHY,
        ComponentReason.PROBE_FAILED,
        f"{said}: {what}" if what else said,
        _probe_since(sight, first),
        suspect=first.uid,
    )


def _probe_silent(sight: Sight) -> Assessment | None:
    """It was failing its deep check when we last knew, and nothing new is known: do not call it healthy."""
    before = sight.previous
    if (
        before is None
        or before.reason not in (ComponentReason.PROBE_FAILED, ComponentReason.RECOVERY_BUDGET_EXHAUSTED)
        or before.state not in (ComponentState.UNHEALTHY, ComponentState.DEGRADED, ComponentState.UNKNOWN)
        or sight.component.health.path is None
    ):
        return None
    silent = [p for p in sight.ready if sight.reading(p) is None and _older_than_verdict(p, before.since)]
    if not silent:
        return None
    return _say(
        sight,
        ComponentState.UNKNOWN,
        ComponentReason.PROBE_FAILED,
        f"pod {silent[0].name} failed its deep checks, and there is no newer answer",
    )


def _settling(sight: Sight) -> Assessment | None:
    """Good, but not for long enough without a gap."""
    settled_at = _good_since(sight) + sight.component.health.healthy_for
    if sight.now >= settled_at:
        return None
    return _say(
        sight,
        ComponentState.RECOVERING if sight.was_healthy else ComponentState.STARTING,
        ComponentReason.SETTLING,
        f"good since {_good_since(sight):%H:%M:%SZ}, counts as healthy after "
        f"{int(sight.component.health.healthy_for.total_seconds())} s without a gap",
        _good_since(sight),
        recheck_at=settled_at,
    )


def _reports_degraded(sight: Sight) -> Assessment | None:
    for pod in sight.ready:
        reading = sight.reading(pod)
        if reading is not None and reading.outcome is ProbeOutcome.DEGRADED:
            return _say(
                sight,
                ComponentState.DEGRADED,
                ComponentReason.REPORTS_DEGRADED,
                f"pod {pod.name} works with something missing: {reading.message or 'it does not say what'}",
                reading.since or reading.at,
                healthy=True,
            )
    return None


def _healthy(sight: Sight) -> Assessment:
    doubted = any(
        (reading := sight.reading(pod)) is not None and reading.outcome is ProbeOutcome.FAILED
        for pod in sight.ready
    )
    return _say(
        sight,
        ComponentState.HEALTHY,
        ComponentReason.HEALTHY,
        f"{sight.ready_count} of {sight.wanted_replicas} pods ready",
        _good_since(sight),
        # One failed check is no verdict yet, but no moment to start others on it either.
        healthy=not doubted,
    )


# -- rules for jobs ------------------------------------------------------------------------------------


def _job_ended(sight: Sight) -> Assessment | None:
    job = sight.workload
    if job is not None and job.completed_at is not None:
        return _say(
            sight,
            ComponentState.COMPLETED,
            ComponentReason.JOB_COMPLETED,
            "the Job has succeeded",
            job.completed_at,
            started=True,
            completed=True,
        )
    if job is not None and job.failed_at is not None:
        return _say(
            sight,
            ComponentState.FAILED,
            ComponentReason.JOB_FAILED,
            f"the Job has failed: {job.failed_message or 'it does not say why'}",
            job.failed_at,
            started=True,
            failed=True,
        )
    return None


def _job_running(sight: Sight) -> Assessment:
    begun = any(
        pod.running or pod.last_exit or pod.phase in ("Failed", "Succeeded")
        for pod in sight.pods
        if sight.is_asked(pod)
    )
    if not begun and (late := _too_late(sight)) is not None:
        return replace(late, suspect="")
    return _say(
        sight,
        ComponentState.STARTING,
        ComponentReason.JOB_RUNNING if begun else ComponentReason.CREATED,
        "the Job runs" if begun else "created; no pod runs yet",
        sight.began_at,
        recheck_at=None if begun else _start_deadline(sight),
        started=begun,
    )


_SERVICE_RULES: tuple[Rule, ...] = (
    _absent,
    _stopping,
    _refused,
    _pod_trouble,
    _unschedulable,
    _hung,
    _restarted,
    _recovering,
    _replaced,
    _starting,
    _probe_failed,
    _probe_silent,
    _settling,
    _reports_degraded,
    _healthy,
)
_JOB_RULES: tuple[Rule, ...] = (
    _absent,
    _stopping,
    _job_ended,
    _refused,
    _pod_trouble,
    _unschedulable,
    _job_running,
)


# -- words and times -----------------------------------------------------------------------------------


def _say(
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


def _trouble(sight: Sight, reason: str, message: str, evidence: datetime | None) -> Assessment:
    return _partly(sight, ComponentState.UNHEALTHY, reason, message, evidence)


def _partly(
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
    return _say(sight, lowered, reason, message, evidence, recheck_at=recheck_at, suspect=suspect)


def _start_deadline(sight: Sight) -> datetime:
    return sight.began_at + sight.component.start_deadline


def _too_late(sight: Sight) -> Assessment | None:
    deadline = _start_deadline(sight)
    if sight.now < deadline:
        return None
    running = [pod for pod in sight.unready if pod.running]
    return _partly(
        sight,
        ComponentState.UNHEALTHY,
        ComponentReason.START_DEADLINE_EXCEEDED,
        f"not ready {int(sight.component.start_deadline.total_seconds())} s after its start began: "
        f"{sight.ready_count} of {sight.wanted_replicas} pods ready",
        deadline,
        suspect=running[0].uid if running else "",
    )


def _has_been_ready(pod: PodView) -> bool:
    """Ready changed after the container had passed its startup probe: it went away, it did not stay away."""
    return (
        pod.started
        and pod.ready_changed_at is not None
        and (pod.running_since is None or pod.ready_changed_at > pod.running_since)
    )


def _good_since(sight: Sight) -> datetime:
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


def _probe_since(sight: Sight, pod: PodView) -> datetime:
    reading = sight.reading(pod)
    return (reading.since or reading.at) if reading is not None else sight.now


def _older_than_verdict(pod: PodView, since: datetime | None) -> bool:
    return since is None or pod.ready_changed_at is None or pod.ready_changed_at <= since


def _last_words(pod: PodView) -> str:
    end = pod.last_exit
    if end is None:
        return "no exit recorded"
    return f"{end.reason or 'exit'}, code {end.exit_code}"
