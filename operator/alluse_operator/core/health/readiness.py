"""Rules about services whose pods run but are not ready, or not ready yet."""

from __future__ import annotations

from alluse_operator.api.conditions import ComponentReason
from alluse_operator.api.status import ActionType, ComponentState
from alluse_operator.core.health.words import (
    end_reason,
    last_words,
    partly,
    say,
    start_deadline,
    too_late,
    trouble,
)
from alluse_operator.core.observed import PodView
from alluse_operator.core.sight import Sight
from alluse_operator.core.verdicts import Assessment


def hung(sight: Sight) -> Assessment | None:
    """A container runs that was ready and is not any more: it hangs, or its readiness check says no."""
    hung = [
        (pod.ready_changed_at, pod)
        for pod in sight.unready
        if _has_been_ready(pod) and not pod.containers_ready
    ]
    if sight.ready_count >= sight.wanted_replicas or not hung:
        return None
    lost_at, pod = min(hung, key=lambda found: (found[0] or sight.now, found[1].name))
    lost_at = lost_at or sight.now
    patience = lost_at + sight.component.health.patience
    return partly(
        sight,
        ComponentState.UNHEALTHY,
        ComponentReason.NOT_READY,
        f"pod {pod.name} runs but is not ready any more",
        lost_at,
        recheck_at=None if sight.now >= patience else patience,
        suspect=pod.uid if sight.now >= patience else "",
    )


def unheard(sight: Sight) -> Assessment | None:
    """Its node was called not ready, as happens to all nodes when the API server has been away; the node is
    back, and its kubelet, which calls the containers ready, has yet to say so of the pod. A restart would
    disturb what runs."""
    pods = [pod for pod in sight.unready if _has_been_ready(pod) and pod.containers_ready]
    if sight.ready_count >= sight.wanted_replicas or not pods:
        return None
    pod = min(pods, key=lambda pod: pod.name)
    return trouble(
        sight,
        ComponentReason.NODE_UNREACHABLE,
        f"node {pod.node} was not heard for a while; the containers of pod {pod.name} are ready, "
        "its kubelet has yet to say so of the pod",
        pod.ready_changed_at,
    )


def restarted(sight: Sight) -> Assessment | None:
    """The kubelet has restarted a crashed container, which is not ready again yet."""
    if sight.ready_count >= sight.wanted_replicas:
        return None
    for pod in sight.unready:
        if pod.restarts == 0 or not pod.running or pod.last_exit is None or pod.running_since is None:
            continue
        deadline = pod.running_since + sight.component.start_deadline
        if sight.now < deadline:
            return partly(
                sight,
                ComponentState.RECOVERING,
                end_reason(pod),
                f"pod {pod.name} ended ({last_words(pod)}) and runs again, restart {pod.restarts} "
                "by the kubelet; not ready yet",
                pod.running_since,
                recheck_at=deadline,
            )
    return None


def recovering(sight: Sight) -> Assessment | None:
    """Our own attempt is under way: the pod was evicted and its successor is not ready yet.

    What moves to another revision meanwhile starts anew, but for the way back, which is the attempt.
    """
    if sight.ready_count >= sight.wanted_replicas or not sight.under_recovery:
        return None
    last = sight.attempts[-1]
    moves = any(not sight.is_asked(pod) for pod in sight.live)
    if moves and last.action is not ActionType.ROLLBACK_COMPONENT:
        return None
    return partly(
        sight,
        ComponentState.RECOVERING,
        ComponentReason.RECOVERY_IN_PROGRESS,
        f"its pod was restarted ({last.reason}, attempt {last.number}); the new one is not ready yet",
        last.at,
        recheck_at=last.at + sight.component.start_deadline,
    )


def replaced(sight: Sight) -> Assessment | None:
    """It was healthy in this revision, and pods of it are gone or not up yet; nobody has said why."""
    if sight.ready_count >= sight.wanted_replicas or not sight.was_healthy:
        return None
    if not sight.asked:
        return partly(
            sight,
            ComponentState.UNHEALTHY,
            ComponentReason.MISSING,
            "its pods are gone; the workload's controller has to make new ones",
        )
    if (late := too_late(sight)) is not None:
        return late
    return partly(
        sight,
        ComponentState.RECOVERING,
        ComponentReason.NOT_YET_READY,
        f"{sight.ready_count} of {sight.wanted_replicas} pods ready; a new pod takes the place of a lost one",
        recheck_at=start_deadline(sight),
    )


def starting(sight: Sight) -> Assessment | None:
    if sight.ready_count >= sight.wanted_replicas:
        return None
    if (late := too_late(sight)) is not None:
        return late
    old = [pod for pod in sight.live if pod not in sight.asked]
    reason, message = ComponentReason.CREATED, "created; no pod runs yet"
    if old:
        reason = ComponentReason.ROLLING_OUT
        message = f"{sight.ready_count} of {sight.wanted_replicas} pods of the new revision ready"
    elif any(pod.running for pod in sight.unready):
        reason = ComponentReason.NOT_YET_READY
        message = f"{sight.ready_count} of {sight.wanted_replicas} pods ready; the rest run, not ready yet"
    return say(
        sight, ComponentState.STARTING, reason, message, sight.began_at, recheck_at=start_deadline(sight)
    )


def _has_been_ready(pod: PodView) -> bool:
    """Ready changed after the container had passed its startup probe: it went away, it did not stay away."""
    return (
        pod.started
        and pod.ready_changed_at is not None
        and (pod.running_since is None or pod.ready_changed_at > pod.running_since)
    )
