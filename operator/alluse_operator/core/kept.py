"""Revisions of a workload that were healthy and are kept to go back to.

A ControllerRevision `<system>-<component>-<revision>` holds the workload as it was applied. It is made just
before a healthy workload gets another revision; its number is the workload's generation at that time, so that
the newest is the one with the greatest number.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from alluse_operator.api.names import (
    COMPONENT_LABEL,
    KEPT_LABEL,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    REVISION_ANNOTATION,
    ROLLED_BACK_FROM_ANNOTATION,
    SYSTEM_LABEL,
)
from alluse_operator.core.desired import Identity
from alluse_operator.core.objects import (
    Object,
    Ref,
    annotations,
    config_maps_used,
    is_deleting,
    labels,
    mapping_at,
    metadata,
    ref_of,
    uid_of,
)
from alluse_operator.core.observed import Snapshot
from alluse_operator.core.ownership import owns

#: Revisions kept of each component.
HISTORY_LIMIT = 2


@dataclass(frozen=True, slots=True)
class Kept:
    """One revision that can be gone back to."""

    ref: Ref
    uid: str
    number: int
    """Greater is newer."""
    revision: str
    """Value of the annotation `alluse.io/revision` of the workload at that time."""
    rendering: Object
    """The workload as it was applied."""

    @property
    def config_maps(self) -> frozenset[str]:
        """ConfigMaps that its pods need."""
        return frozenset(config_maps_used(mapping_at(self.rendering, "spec", "template", "spec")))


def kept_revisions(snapshot: Snapshot, component: str) -> tuple[Kept, ...]:
    """What is kept of a component, oldest first."""
    identity = snapshot.resource.identity
    return kept_among(
        obj
        for ref, obj in snapshot.objects.items()
        if ref.kind == "ControllerRevision"
        and labels(obj).get(COMPONENT_LABEL) == component
        and owns(identity, obj)
    )


def kept_among(objects: Iterable[Object]) -> tuple[Kept, ...]:
    """The kept revisions among a component's objects, oldest first."""
    found = []
    for obj in objects:
        ref = ref_of(obj)
        rendering = mapping_at(obj, "data")
        if ref.kind != "ControllerRevision" or is_deleting(obj) or not rendering:
            continue
        number = obj.get("revision")
        found.append(
            Kept(
                ref=ref,
                uid=uid_of(obj),
                number=number if isinstance(number, int) else 0,
                revision=annotations(obj).get(REVISION_ANNOTATION, ""),
                rendering=rendering,
            )
        )
    return tuple(sorted(found, key=lambda kept: (kept.number, kept.ref)))


def keep(identity: Identity, component: str, live: Object) -> Object:
    """The ControllerRevision for a live workload, without its data: only the API server knows what was
    applied.
    """
    revision = annotations(live).get(REVISION_ANNOTATION, "")
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": f"{ref_of(live).name}-{revision}",
            "namespace": identity.namespace,
            "labels": {
                MANAGED_BY_LABEL: MANAGED_BY,
                SYSTEM_LABEL: identity.name,
                COMPONENT_LABEL: component,
                KEPT_LABEL: "true",
            },
            "annotations": {REVISION_ANNOTATION: revision},
            "ownerReferences": [dict(owner) for owner in metadata(live).get("ownerReferences") or ()],
        },
        "revision": metadata(live).get("generation", 1),
    }


def as_kept(rendering: Object) -> Object:
    """A rendering as it is kept: what it says of an earlier way back is not part of it, nor are the server's
    defaults in a list that has an owner only as a whole."""
    meta = metadata(rendering)
    notes = {k: v for k, v in annotations(rendering).items() if k != ROLLED_BACK_FROM_ANNOTATION}
    spec = mapping_at(rendering, "spec")
    claims = spec.get("volumeClaimTemplates")
    if claims:
        rendering = {**rendering, "spec": {**spec, "volumeClaimTemplates": [_as_asked(c) for c in claims]}}
    return {**rendering, "metadata": {**meta, "annotations": notes}}


def _as_asked(claim: Object) -> Object:
    """A claim's template without what the server adds to it."""
    spec = {k: v for k, v in mapping_at(claim, "spec").items() if k != "volumeMode"}
    return {"metadata": metadata(claim), "spec": spec}


def rollback_object(kept: Kept, bad_revision: str) -> Object:
    """What to apply to go back: the kept workload, and the revision that it is a way back from."""
    meta = metadata(kept.rendering)
    notes = {**annotations(kept.rendering), ROLLED_BACK_FROM_ANNOTATION: bad_revision}
    body: dict[str, Any] = {**kept.rendering, "metadata": {**meta, "annotations": notes}}
    return body


def surplus(kept: tuple[Kept, ...]) -> tuple[Kept, ...]:
    """Those that are too many, oldest first."""
    return kept[: max(len(kept) - HISTORY_LIMIT, 0)]
