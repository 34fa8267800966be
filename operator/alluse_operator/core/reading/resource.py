"""The AllUseSystem itself: who it is, what it asks for, and what its status said last."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from alluse_operator.api.names import RETRY_ANNOTATION
from alluse_operator.api.spec import DependencyCondition
from alluse_operator.api.status import ComponentState, ConditionStatus
from alluse_operator.core.desired import Identity
from alluse_operator.core.objects import Object, annotations, mapping_at, metadata
from alluse_operator.core.observed import (
    PreviousComponent,
    PreviousCondition,
    PreviousStatus,
    PreviousWait,
    ResourceView,
)
from alluse_operator.core.reading.fields import EPOCH, number, rows
from alluse_operator.core.times import parse_time


def identity_of(resource: Object) -> Identity:
    """Which AllUseSystem this is."""
    meta = metadata(resource)
    return Identity(
        namespace=str(meta.get("namespace", "")),
        name=str(meta.get("name", "")),
        uid=str(meta.get("uid", "")),
        generation=number(meta.get("generation")),
    )


def read_resource(resource: Object) -> ResourceView:
    """The AllUseSystem, whatever its spec looks like."""
    meta = metadata(resource)
    return ResourceView(
        identity=identity_of(resource),
        created_at=parse_time(meta.get("creationTimestamp")) or EPOCH,
        deleted_at=parse_time(meta.get("deletionTimestamp")),
        finalizers=tuple(str(name) for name in meta.get("finalizers") or ()),
        spec=mapping_at(resource, "spec"),
        status=_previous_status(mapping_at(resource, "status")),
        retry=str(annotations(resource).get(RETRY_ANNOTATION, "")),
    )


def _previous_status(status: Object) -> PreviousStatus:
    components = {}
    for row in rows(status, "components"):
        if (component := _previous_component(row)) is not None:
            components[component.name] = component
    conditions = {}
    for row in rows(status, "conditions"):
        changed = parse_time(row.get("lastTransitionTime"))
        if row.get("status") in tuple(ConditionStatus) and changed is not None:
            conditions[str(row.get("type"))] = PreviousCondition(
                type=str(row.get("type")),
                status=ConditionStatus(row["status"]),
                reason=str(row.get("reason", "")),
                message=str(row.get("message", "")),
                observed_generation=number(row.get("observedGeneration")),
                last_transition_time=changed,
            )
    startup = mapping_at(status, "startup")
    return PreviousStatus(
        observed_generation=number(status.get("observedGeneration")),
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
            for wait in rows(row, "waitingFor")
            if wait.get("condition") in tuple(DependencyCondition)
        ),
        attempts=number(row.get("attempts")),
        last_action_at=parse_time(mapping_at(row, "lastAction").get("time")),
        start_seconds=start_seconds if isinstance(start_seconds, int) else None,
        revision=str(row.get("revision", "")),
        failures=_times(row.get("failures")),
        unwell_since=parse_time(row.get("unwellSince")),
    )


def _times(value: Any) -> tuple[datetime, ...]:
    """Times in order; what is none is left out."""
    found = value if isinstance(value, list | tuple) else ()
    return tuple(sorted(moment for text in found if (moment := parse_time(text)) is not None))
