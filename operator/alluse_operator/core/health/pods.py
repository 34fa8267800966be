"""Rules about the workload and about pods that do not come up: what the kubelet, the scheduler and the
admission say.
"""

from __future__ import annotations

from datetime import timedelta

from alluse_operator.api.conditions import ComponentReason
from alluse_operator.api.spec import ComponentType
from alluse_operator.api.status import ComponentState
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
#: `status.reason` of pods that did not end by themselves.
_EVICTED_REASONS = frozenset(
    {
        "Evicted",
        "NodeAffinity",
        "NodeLost",
        "NodeShutdown",
        "OutOfcpu",
        "OutOfmemory",
        "OutOfpods",
        "Preempting",
        "Terminated",
        "UnexpectedAdmissionError",
    }
)
#: Reasons of the condition DisruptionTarget. Evictions by the API are not among them: most are our own.
_DISRUPTIONS = {
    "DeletionByTaintManager": "its node had been away for too long",
    "PreemptionByScheduler": "a pod of higher priority needed its place",
    "TerminationByKubelet": "its node needed what it used, or shut down",
}

#: The scheduler says so of every pod whose claim is still being bound; for so long it is not believed.
_UNSCHEDULABLE_GRACE = timedelta(seconds=5)


def absent(sight: Sight) -> Assessment | None:
    if sight.workload is not None:
        return None
    if sight.component.managed:
        return say(sight, ComponentState.WAITING, ComponentReason.CREATED, "not created yet")
    return say(
        sight,
        ComponentState.UNHEALTHY,
        ComponentReason.MISSING,
        "no workload of that name exists, and the component is only observed",
    )


def stopping(sight: Sight) -> Assessment | None:
    if sight.workload is None or not sight.workload.deleting:
        return None
    return say(sight, ComponentState.STOPPING, ComponentReason.STOPPING, "its workload is being deleted")


def stranded(sight: Sight) -> Assessment | None:
    """Its pods are on a node that has gone away: nothing that is done to the component helps."""
    if not sight.lost_node:
        return None
    node = sight.nodes.get(sight.lost_node)
    what = "is not ready" if node is not None else "is gone"
    return trouble(
        sight,
        ComponentReason.NODE_UNREACHABLE,
        f"node {sight.lost_node} {what}; its pods get another place when the cluster gives that node up",
        node.since if node is not None else None,
    )


def refused(sight: Sight) -> Assessment | None:
    """Quota, Pod Security, an admission webhook: the controller may not create the pods."""
    if sight.workload is None or not sight.workload.refusal or sight.ready_count >= sight.wanted_replicas:
        return None
    return trouble(
        sight, ComponentReason.POD_REFUSED, f"the cluster refuses its pods: {sight.workload.refusal}", None
    )


def pod_trouble(sight: Sight) -> Assessment | None:
    """What the kubelet or the scheduler says about pods that do not come up."""
    if sight.ready_count >= sight.wanted_replicas:
        return None
    for pod in sight.unready:
        said = f"{pod.waiting_reason}: {pod.waiting_message}" if pod.waiting_message else pod.waiting_reason
        if pod.waiting_reason in _IMAGE_REASONS:
            return trouble(
                sight, ComponentReason.IMAGE_PULL_FAILED, f"pod {pod.name}: {said}", pod.created_at
            )
        if pod.waiting_reason in _CONFIG_REASONS:
            return trouble(
                sight, ComponentReason.CONTAINER_CONFIG_ERROR, f"pod {pod.name}: {said}", pod.created_at
            )
        if pod.waiting_reason == "CrashLoopBackOff":
            return trouble(
                sight,
                ComponentReason.CRASH_LOOP,
                f"pod {pod.name} keeps ending ({last_words(pod)}, {pod.restarts} restarts); "
                "the kubelet waits before it starts it again",
                pod.last_exit.finished_at if pod.last_exit else None,
            )
        if sight.component.kind is ComponentType.JOB:
            # A pod of a Job may end; what that means the Job's controller says.
            continue
        if pod.last_exit is not None and not pod.running and pod.phase != "Pending":
            return trouble(
                sight,
                end_reason(pod),
                f"pod {pod.name} ended ({last_words(pod)}); the kubelet starts it again",
                pod.last_exit.finished_at,
            )
    return None


def unschedulable(sight: Sight) -> Assessment | None:
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
        return partly(
            sight, beginning, ComponentReason.CREATED, "created; waits for a node", recheck_at=believed_at
        )
    if sight.serving or sight.now >= deadline:
        return trouble(sight, ComponentReason.UNSCHEDULABLE, message, pod.unscheduled_since)
    return say(
        sight,
        beginning,
        ComponentReason.UNSCHEDULABLE,
        message,
        pod.unscheduled_since,
        recheck_at=deadline,
    )


def evicted(sight: Sight) -> Assessment | None:
    """A pod was taken away by the cluster, and its successor is not ready yet."""
    if sight.ready_count >= sight.wanted_replicas or too_late(sight) is not None:
        return None
    taken = [(p.ended_at, p.name, p) for p in sight.pods if p.ended_at is not None and _was_evicted(sight, p)]
    if not taken:
        return None
    ended_at, _, pod = max(taken)
    if sight.now >= ended_at + sight.component.start_deadline:
        return None
    why = _DISRUPTIONS.get(pod.disruption) or pod.failed_message or pod.failed_reason
    return partly(
        sight,
        ComponentState.RECOVERING if sight.asked else ComponentState.UNHEALTHY,
        ComponentReason.EVICTED,
        f"pod {pod.name} was evicted: {why}; a new pod takes its place",
        ended_at,
        recheck_at=start_deadline(sight) if sight.asked else ended_at + sight.component.start_deadline,
    )


def _was_evicted(sight: Sight, pod: PodView) -> bool:
    if not sight.is_asked(pod):
        return False
    failed = pod.phase == "Failed" and pod.failed_reason in _EVICTED_REASONS
    return failed or (pod.deleting and pod.disruption in _DISRUPTIONS)
