"""Raw objects to views: pure parsing, forgiving where the cluster's data is odd, silent about what
decides nothing.

A time that cannot be read counts as not there; a number that is missing as zero.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from alluse_operator.api.names import (
    COMPONENT_LABEL,
    DEPENDS_ON_ANNOTATION,
    RECOVERY_ANNOTATION,
    RETRY_ANNOTATION,
    REVISION_ANNOTATION,
    REVISION_LABEL,
    SYSTEM_LABEL,
)
from alluse_operator.api.spec import DependencyCondition
from alluse_operator.api.status import ComponentState, ConditionStatus
from alluse_operator.core.desired import Identity
from alluse_operator.core.objects import (
    WORKLOAD_KINDS,
    Object,
    Ref,
    annotations,
    config_maps_used,
    controller_uid,
    is_deleting,
    labels,
    mapping_at,
    metadata,
    ref_of,
    uid_of,
)
from alluse_operator.core.observed import (
    ContainerExit,
    PodView,
    PreviousComponent,
    PreviousCondition,
    PreviousStatus,
    PreviousWait,
    ProbeReading,
    Refusal,
    ResourceView,
    Snapshot,
    WorkloadView,
)
from alluse_operator.core.ownership import owns
from alluse_operator.core.surroundings import read_endpoints, read_node
from alluse_operator.core.times import parse_time as parse_time

_EPOCH = datetime.fromtimestamp(0, UTC)
#: A refusal is believed so long after it was last reported; the controllers report with growing pauses.
_REFUSAL_LASTS = timedelta(minutes=20)


def read_snapshot(
    resource: Object,
    objects: Iterable[Object],
    pods: Iterable[Object],
    probes: Iterable[ProbeReading],
    synced_at: datetime,
    trust_for: timedelta,
    namespace_terminating: bool = False,
    refusals: Iterable[Object] = (),
    nodes: Iterable[Object] = (),
    slices: Iterable[Object] = (),
) -> Snapshot:
    """The snapshot of one system.

    `objects` are the live objects of `CHILD_KINDS` that bear the system's label or one of its names,
    `pods` those with the system's label, `refusals` Kubernetes Events with reason FailedCreate, `nodes` all
    nodes of the cluster (none: not known), `slices` the EndpointSlices with the system's label.
    """
    view = read_resource(resource)
    by_ref = {ref_of(obj): obj for obj in objects}
    refused = {refusal.ref: refusal for raw in refusals if (refusal := _refusal(raw)) is not None}
    by_component: dict[str, list[PodView]] = {}
    for raw in pods:
        if labels(raw).get(SYSTEM_LABEL) == view.identity.name:
            pod = read_pod(raw)
            by_component.setdefault(pod.component, []).append(pod)
    return Snapshot(
        resource=view,
        objects=by_ref,
        workloads={
            ref: _workload(view.identity, obj, refused.get(ref), synced_at)
            for ref, obj in by_ref.items()
            if ref.kind in WORKLOAD_KINDS
        },
        pods={
            name: tuple(sorted(found, key=lambda pod: (pod.created_at, pod.name)))
            for name, found in by_component.items()
        },
        probes={reading.pod_uid: reading for reading in probes},
        synced_at=synced_at,
        trust_for=trust_for,
        namespace_terminating=namespace_terminating,
        nodes={node.name: node for node in map(read_node, nodes)},
        endpoints=read_endpoints(view.identity, slices),
    )


def identity_of(resource: Object) -> Identity:
    """Which AllUseSystem this is."""
    meta = metadata(resource)
    return Identity(
        namespace=str(meta.get("namespace", "")),
        name=str(meta.get("name", "")),
        uid=str(meta.get("uid", "")),
        generation=_number(meta.get("generation")),
    )


def read_resource(resource: Object) -> ResourceView:
    """The AllUseSystem, whatever its spec looks like."""
    meta = metadata(resource)
    return ResourceView(
        identity=identity_of(resource),
        created_at=parse_time(meta.get("creationTimestamp")) or _EPOCH,
        deleted_at=parse_time(meta.get("deletionTimestamp")),
        finalizers=tuple(str(name) for name in meta.get("finalizers") or ()),
        spec=mapping_at(resource, "spec"),
        status=_previous_status(mapping_at(resource, "status")),
        retry=str(annotations(resource).get(RETRY_ANNOTATION, "")),
    )


def component_of(identity: Identity, obj: Object) -> str:
    """The component that an object belongs to: by our label, else by its name; empty: to none."""
    if labels(obj).get(SYSTEM_LABEL) == identity.name and (marked := labels(obj).get(COMPONENT_LABEL)):
        return marked
    return ref_of(obj).name.removeprefix(f"{identity.name}-")


def read_pod(pod: Object) -> PodView:
    meta = metadata(pod)
    status = mapping_at(pod, "status")
    containers = [c for c in status.get("containerStatuses") or () if isinstance(c, Mapping)]
    ready = _condition(status, "Ready")
    scheduled = _condition(status, "PodScheduled")
    disrupted = _condition(status, "DisruptionTarget")
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
        created_at=parse_time(meta.get("creationTimestamp")) or _EPOCH,
        deleting=is_deleting(pod),
        ip=str(status.get("podIP", "")),
        node=str(mapping_at(pod, "spec").get("nodeName", "")),
        running=running,
        started=running and all(c.get("started") is True for c in containers),
        running_since=max(known_starts) if running and known_starts else None,
        ready=ready.get("status") == "True",
        ready_changed_at=parse_time(ready.get("lastTransitionTime")),
        ready_message=str(ready.get("message", "")),
        containers_ready=_condition(status, "ContainersReady").get("status") == "True",
        restarts=sum(_number(c.get("restartCount")) for c in containers),
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
    disrupted = _condition(mapping_at(pod, "status"), "DisruptionTarget")
    end = _last_exit(containers)
    moments = (
        parse_time(disrupted.get("lastTransitionTime")),
        end.finished_at if end is not None else None,
        parse_time(metadata(pod).get("deletionTimestamp")),
        parse_time(_condition(mapping_at(pod, "status"), "Ready").get("lastTransitionTime")),
    )
    return next((moment for moment in moments if moment is not None), None)


def _workload(identity: Identity, obj: Object, refusal: Refusal | None, at: datetime) -> WorkloadView:
    status = mapping_at(obj, "status")
    spec = mapping_at(obj, "spec")
    ref = ref_of(obj)
    created_at = parse_time(metadata(obj).get("creationTimestamp")) or _EPOCH
    replica_failure = _condition(status, "ReplicaFailure")
    refused = ""
    if replica_failure.get("status") == "True":
        refused = str(replica_failure.get("message", "") or replica_failure.get("reason", ""))
    elif refusal is not None and at - refusal.at < _REFUSAL_LASTS and refusal.at >= created_at:
        refused = refusal.message
    failed = _condition(status, "Failed")
    complete = _condition(status, "Complete")
    is_job = ref.kind == "Job"
    progressing = _condition(status, "Progressing")
    generation = _number(metadata(obj).get("generation"))
    return WorkloadView(
        ref=ref,
        uid=uid_of(obj),
        component=component_of(identity, obj),
        created_at=created_at,
        ours=owns(identity, obj),
        resource_version=str(metadata(obj).get("resourceVersion", "")),
        generation=generation,
        # A Job's controller does not report the generation that it has seen; its spec is immutable anyway.
        observed_generation=generation if is_job else _number(status.get("observedGeneration")),
        deleted_at=(parse_time(metadata(obj).get("deletionTimestamp")) or _EPOCH)
        if is_deleting(obj)
        else None,
        revision=annotations(obj).get(REVISION_ANNOTATION, ""),
        depends_on=tuple(
            name.strip()
            for name in annotations(obj).get(DEPENDS_ON_ANNOTATION, "").split(",")
            if name.strip()
        ),
        recovery=annotations(obj).get(RECOVERY_ANNOTATION, ""),
        replicas=_number(spec.get("replicas", 1)),
        available=_number(status.get("availableReplicas", status.get("readyReplicas"))),
        updated=_number(status.get("updatedReplicas")),
        refusal=refused,
        rollout_started_at=parse_time(progressing.get("lastTransitionTime")),
        completed_at=parse_time(complete.get("lastTransitionTime"))
        if is_job and complete.get("status") == "True"
        else None,
        failed_at=parse_time(failed.get("lastTransitionTime"))
        if is_job and failed.get("status") == "True"
        else None,
        failed_message=": ".join(
            str(failed[key]) for key in ("reason", "message") if is_job and failed.get(key)
        ),
    )


def _refusal(event: Object) -> Refusal | None:
    involved = mapping_at(event, "involvedObject") or mapping_at(event, "regarding")
    at = next(
        (
            time
            for value in (
                mapping_at(event, "series").get("lastObservedTime"),
                event.get("lastTimestamp"),
                event.get("deprecatedLastTimestamp"),
                event.get("eventTime"),
                metadata(event).get("creationTimestamp"),
            )
            if (time := parse_time(value)) is not None
        ),
        None,
    )
    if event.get("reason") != "FailedCreate" or at is None:
        return None
    message = str(event.get("message", "") or event.get("note", ""))
    return Refusal(Ref(str(involved.get("kind", "")), str(involved.get("name", ""))), message, at)


def _last_exit(containers: list[Mapping[str, Any]]) -> ContainerExit | None:
    exits = [
        ContainerExit(
            reason=str(ended.get("reason", "")),
            exit_code=_number(ended.get("exitCode")),
            finished_at=parse_time(ended.get("finishedAt")),
            message=str(ended.get("message", "")),
        )
        for container in containers
        for where in ("state", "lastState")
        if (ended := mapping_at(container, where, "terminated"))
    ]
    return max(exits, key=lambda end: end.finished_at or _EPOCH, default=None)


def _previous_status(status: Object) -> PreviousStatus:
    components = {}
    for row in _rows(status, "components"):
        if (component := _previous_component(row)) is not None:
            components[component.name] = component
    conditions = {}
    for row in _rows(status, "conditions"):
        changed = parse_time(row.get("lastTransitionTime"))
        if row.get("status") in tuple(ConditionStatus) and changed is not None:
            conditions[str(row.get("type"))] = PreviousCondition(
                type=str(row.get("type")),
                status=ConditionStatus(row["status"]),
                reason=str(row.get("reason", "")),
                message=str(row.get("message", "")),
                observed_generation=_number(row.get("observedGeneration")),
                last_transition_time=changed,
            )
    startup = mapping_at(status, "startup")
    return PreviousStatus(
        observed_generation=_number(status.get("observedGeneration")),
        components=components,
        conditions=conditions,
        state=str(status.get("state", "")),
        started_at=parse_time(startup.get("startedAt")),
        ready_at=parse_time(startup.get("readyAt")),
        raw=status,
    )


def _previous_component(row: Mapping[str, Any]) -> PreviousComponent | None:
    if row.get("state") not in tuple(ComponentState):
        return None
    start_seconds = row.get("startSeconds")
    return PreviousComponent(
        name=str(row.get("name", "")),
        state=ComponentState(row["state"]),
        since=parse_time(row.get("since")),
        reason=str(row.get("reason", "")),
        message=str(row.get("message", "")),
        waiting_for=tuple(
            PreviousWait(
                name=str(wait.get("name", "")),
                condition=DependencyCondition(wait["condition"]),
                since=parse_time(wait.get("since")),
                deadline=parse_time(wait.get("deadline")),
            )
            for wait in _rows(row, "waitingFor")
            if wait.get("condition") in tuple(DependencyCondition)
        ),
        attempts=_number(row.get("attempts")),
        last_action_at=parse_time(mapping_at(row, "lastAction").get("time")),
        start_seconds=start_seconds if isinstance(start_seconds, int) else None,
        revision=str(row.get("revision", "")),
        failures=_times(row.get("failures")),
    )


def _times(value: Any) -> tuple[datetime, ...]:
    """Times in order; what is none is left out."""
    found = value if isinstance(value, list | tuple) else ()
    return tuple(sorted(moment for text in found if (moment := parse_time(text)) is not None))


def _rows(obj: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = obj.get(key)
    return [row for row in found if isinstance(row, Mapping)] if isinstance(found, list | tuple) else []


def _condition(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    return next((row for row in _rows(status, "conditions") if row.get("type") == kind), {})


def _number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
