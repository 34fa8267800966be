"""Which changes of an object a pass cannot wait for, and which it may find with the next one.

A pod of a start tells of itself three times and its workload four times more, and only one of these opens a
gate. What a person changes, what ends, and what becomes ready or ceases to be is looked at at once. The
rest of a workload's and a pod's progress is told in words, and words may be late: it is looked at within
a moment, together with whatever else has come by then.
"""

from collections.abc import Iterable
from typing import Any

from alluse_operator.api.names import COMPONENT_LABEL
from alluse_operator.core.objects import Object, annotations, labels, mapping_at, metadata

#: Fields of the metadata that others change by writing to the object.
_WRITTEN = ("generation", "labels", "ownerReferences", "deletionTimestamp", "finalizers")
#: Annotations with which a Deployment's controller counts.
_CONTROLLERS = "deployment.kubernetes.io/"
_ENDED = frozenset({"Failed", "Succeeded"})


def is_urgent(kind: str, before: Object | None, after: Object, beside: Iterable[Object]) -> bool:
    """Whether a change has to be looked at at once; `before` is None for what was not known, `beside` are the
    objects of its system.
    """
    if kind == "Pod":
        return _pod(before or {}) != _pod(after)
    if kind in ("Deployment", "StatefulSet"):
        if before is None or _workload(before) != _workload(after):
            return True
        # A gate asks for both, a pod that is ready and a controller that has seen its workload.
        return not _is_seen(before) and _is_seen(after) and _has_ready_pod(after, beside)
    return True


def _pod(pod: Object) -> tuple[Any, ...]:
    phase = mapping_at(pod, "status").get("phase")
    return (
        _is_ready(pod),
        phase if phase in _ENDED else None,
        bool(metadata(pod).get("deletionTimestamp")),
    )


def _is_ready(pod: Object) -> bool:
    conditions = mapping_at(pod, "status").get("conditions") or ()
    return any(row.get("type") == "Ready" and row.get("status") == "True" for row in conditions)


def _workload(workload: Object) -> tuple[Any, ...]:
    """What was written to it."""
    meta = metadata(workload)
    notes = {name: text for name, text in annotations(workload).items() if not name.startswith(_CONTROLLERS)}
    return (notes, *(meta.get(name) for name in _WRITTEN))


def _is_seen(workload: Object) -> bool:
    seen = mapping_at(workload, "status").get("observedGeneration")
    return bool(seen == metadata(workload).get("generation"))


def _has_ready_pod(workload: Object, beside: Iterable[Object]) -> bool:
    component = labels(workload).get(COMPONENT_LABEL)
    return any(
        obj["kind"] == "Pod" and labels(obj).get(COMPONENT_LABEL) == component and _is_ready(obj)
        for obj in beside
    )
