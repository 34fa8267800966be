"""A workload as the cluster tells of it, and why its pods are refused."""

from datetime import datetime, timedelta

from alluse_operator.api.names import (
    COMPONENT_LABEL,
    DEPENDS_ON_ANNOTATION,
    RECOVERY_ANNOTATION,
    REVISION_ANNOTATION,
    SYSTEM_LABEL,
)
from alluse_operator.core.desired import Identity
from alluse_operator.core.objects import (
    Object,
    Ref,
    annotations,
    is_deleting,
    labels,
    mapping_at,
    metadata,
    ref_of,
    uid_of,
)
from alluse_operator.core.observed import Refusal, WorkloadView
from alluse_operator.core.ownership import owns
from alluse_operator.core.reading.fields import EPOCH, condition, number
from alluse_operator.core.times import parse_time

#: A refusal is believed so long after it was last reported; the controllers report with growing pauses.
_REFUSAL_LASTS = timedelta(minutes=20)


def component_of(identity: Identity, obj: Object) -> str:
    """The component that an object belongs to: by our label, else by its name; empty: to none."""
    if labels(obj).get(SYSTEM_LABEL) == identity.name and (marked := labels(obj).get(COMPONENT_LABEL)):
        return marked
    return ref_of(obj).name.removeprefix(f"{identity.name}-")


def read_workload(identity: Identity, obj: Object, refusal: Refusal | None, at: datetime) -> WorkloadView:
    status = mapping_at(obj, "status")
    spec = mapping_at(obj, "spec")
    ref = ref_of(obj)
    created_at = parse_time(metadata(obj).get("creationTimestamp")) or EPOCH
    replica_failure = condition(status, "ReplicaFailure")
    refused = ""
    if replica_failure.get("status") == "True":
        refused = str(replica_failure.get("message", "") or replica_failure.get("reason", ""))
    elif refusal is not None and at - refusal.at < _REFUSAL_LASTS and refusal.at >= created_at:
        refused = refusal.message
    failed = condition(status, "Failed")
    complete = condition(status, "Complete")
    is_job = ref.kind == "Job"
    progressing = condition(status, "Progressing")
    generation = number(metadata(obj).get("generation"))
    return WorkloadView(
        ref=ref,
        uid=uid_of(obj),
        component=component_of(identity, obj),
        created_at=created_at,
        ours=owns(identity, obj),
        resource_version=str(metadata(obj).get("resourceVersion", "")),
        generation=generation,
        # A Job's controller does not report the generation that it has seen; its spec is immutable anyway.
        observed_generation=generation if is_job else number(status.get("observedGeneration")),
        deleted_at=(parse_time(metadata(obj).get("deletionTimestamp")) or EPOCH)
        if is_deleting(obj)
        else None,
        revision=annotations(obj).get(REVISION_ANNOTATION, ""),
        depends_on=tuple(
            name.strip()
            for name in annotations(obj).get(DEPENDS_ON_ANNOTATION, "").split(",")
            if name.strip()
        ),
        recovery=annotations(obj).get(RECOVERY_ANNOTATION, ""),
        replicas=number(spec.get("replicas", 1)),
        existing=number(status.get("replicas")),
        available=number(status.get("availableReplicas", status.get("readyReplicas"))),
        updated=number(status.get("updatedReplicas")),
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


def read_refusal(event: Object) -> Refusal | None:
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
