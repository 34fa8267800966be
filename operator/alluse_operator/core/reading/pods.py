"""A pod as the cluster tells of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from alluse_operator.api.names import COMPONENT_LABEL, REVISION_LABEL
from alluse_operator.core.objects import (
    Object,
    config_maps_used,
    controller_uid,
    is_deleting,
    labels,
    mapping_at,
    metadata,
    uid_of,
)
from alluse_operator.core.observed import ContainerExit, PodView
from alluse_operator.core.reading.fields import EPOCH, condition, number
from alluse_operator.core.times import parse_time


def read_pod(pod: Object) -> PodView:
    meta = metadata(pod)
    status = mapping_at(pod, "status")
    containers = [c for c in status.get("containerStatuses") or () if isinstance(c, Mapping)]
    ready = condition(status, "Ready")
    scheduled = condition(status, "PodScheduled")
    disrupted = condition(status, "DisruptionTarget")
    disruption = str(disrupted.get("reason", "")) if disrupted.get("status") == "True" else ""
    failed = status.get("phase") == "Failed"
    unscheduled = scheduled.get("status") == "False"
    running = bool(containers) and all(mapping_at(c, "state", "running") for c in containers)
    waiting = next((w for c in containers if (w := mapping_at(c, "state", "waiting"))), {})
    starts = [parse_time(mapping_at(c, "state", "running").get("startedAt")) for c in containers]
    known_starts = [start for start in starts if start is not None]
    return PodView(
        name=str(meta.get("name", "")),
        uid=uid_of(pod),
        component=labels(pod).get(COMPONENT_LABEL, ""),
        revision=labels(pod).get(REVISION_LABEL, ""),
        owner_uid=controller_uid(pod) or "",
        phase=str(status.get("phase", "")),
        created_at=parse_time(meta.get("creationTimestamp")) or EPOCH,
        deleting=is_deleting(pod),
        ip=str(status.get("podIP", "")),
        node=str(mapping_at(pod, "spec").get("nodeName", "")),
        running=running,
        started=running and all(c.get("started") is True for c in containers),
        running_since=max(known_starts) if running and known_starts else None,
        ready=ready.get("status") == "True",
        ready_changed_at=parse_time(ready.get("lastTransitionTime")),
        ready_message=str(ready.get("message", "")),
        containers_ready=condition(status, "ContainersReady").get("status") == "True",
        restarts=sum(number(c.get("restartCount")) for c in containers),
        waiting_reason=str(waiting.get("reason", "")),
        waiting_message=str(waiting.get("message", "")),
        last_exit=_last_exit(containers),
        unscheduled_since=parse_time(scheduled.get("lastTransitionTime")) if unscheduled else None,
        unscheduled_message=str(scheduled.get("message", "")) if unscheduled else "",
        config_maps=tuple(config_maps_used(mapping_at(pod, "spec"))),
        failed_reason=str(status.get("reason", "")) if failed else "",
        failed_message=str(status.get("message", "")) if failed else "",
        disruption=disruption,
        ended_at=_ended_at(pod, containers) if failed or disruption else None,
    )


def _ended_at(pod: Object, containers: list[Mapping[str, Any]]) -> datetime | None:
    """The latest of what the cluster says about the end of a pod."""
    disrupted = condition(mapping_at(pod, "status"), "DisruptionTarget")
    end = _last_exit(containers)
    moments = (
        parse_time(disrupted.get("lastTransitionTime")),
        end.finished_at if end is not None else None,
        parse_time(metadata(pod).get("deletionTimestamp")),
        parse_time(condition(mapping_at(pod, "status"), "Ready").get("lastTransitionTime")),
    )
    return next((moment for moment in moments if moment is not None), None)


def _last_exit(containers: list[Mapping[str, Any]]) -> ContainerExit | None:
    exits = [
        ContainerExit(
            reason=str(ended.get("reason", "")),
            exit_code=number(ended.get("exitCode")),
            finished_at=parse_time(ended.get("finishedAt")),
            message=str(ended.get("message", "")),
        )
        for container in containers
        for where in ("state", "lastState")
        if (ended := mapping_at(container, where, "terminated"))
    ]
    return max(exits, key=lambda end: end.finished_at or EPOCH, default=None)
