"""Objects around the workloads: bring them to what is wanted, put drift right, take away what is left over.

They wait for no gate: a Service or a ConfigMap disturbs nobody, and with them in place a start costs one
write.
"""

from collections.abc import Iterable

from alluse_operator.api.names import APPLIED_ANNOTATION
from alluse_operator.api.status import ComponentState
from alluse_operator.core.actions import Apply, ApplyReason, Delete
from alluse_operator.core.drift import drift
from alluse_operator.core.kept import kept_among, surplus
from alluse_operator.core.objects import (
    ComponentObjects,
    Object,
    Ref,
    annotations,
    config_maps_used,
    is_deleting,
    mapping_at,
    ref_of,
    uid_of,
)
from alluse_operator.core.observed import Snapshot
from alluse_operator.core.ownership import owns
from alluse_operator.core.removal import Remains

#: States of a component whose objects had all been made.
_RAN = frozenset(
    {
        ComponentState.HEALTHY,
        ComponentState.DEGRADED,
        ComponentState.UNHEALTHY,
        ComponentState.RECOVERING,
        ComponentState.COMPLETED,
        ComponentState.FAILED,
        ComponentState.UNKNOWN,
    }
)


def conflict(objects: ComponentObjects, snapshot: Snapshot) -> Ref | None:
    """An object with one of the component's names that belongs to somebody else."""
    identity = snapshot.resource.identity
    for wanted in objects.all:
        live = snapshot.objects.get(ref_of(wanted))
        if live is not None and not owns(identity, live):
            return ref_of(wanted)
    return None


def correct(component: str, objects: ComponentObjects, snapshot: Snapshot) -> list[Apply | Delete]:
    """What the supporting objects of a component need."""
    actions: list[Apply | Delete] = []
    for wanted in objects.supporting:
        action = correction(component, wanted, objects.revision, snapshot)
        if action is not None:
            actions.append(action)
    return actions


def correction(component: str, wanted: Object, revision: str, snapshot: Snapshot) -> Apply | Delete | None:
    """The one action that brings an object to what is wanted; None: it is so, or is on its way out."""
    live = snapshot.objects.get(ref_of(wanted))
    if live is None:
        return Apply(component, wanted, absence_reason(component, revision, snapshot))
    if is_deleting(live):
        return None
    differing = drift(wanted, live)
    if not differing:
        return None
    if live.get("immutable") is True and any(path.startswith(("data", "binaryData")) for path in differing):
        # It cannot be edited, so it was made anew by somebody. The next pass makes it again.
        return Delete(component, ref_of(live), uid_of(live))
    sealed = annotations(live).get(APPLIED_ANNOTATION) == annotations(wanted).get(APPLIED_ANNOTATION)
    reason = ApplyReason.RESTORE if sealed else ApplyReason.UPDATE
    return Apply(component, wanted, reason, differing, uid_of(live))


def absence_reason(component: str, revision: str, snapshot: Snapshot) -> ApplyReason:
    """Whether an object that is not there has been there: only the status of an earlier pass can tell."""
    status = snapshot.resource.status
    before = status.components.get(component)
    had_run = (
        before is not None
        and status.observed_generation == snapshot.resource.identity.generation
        and before.revision == revision
        and before.state in _RAN
    )
    return ApplyReason.RESTORE if had_run else ApplyReason.CREATE


def prune(component: str, objects: ComponentObjects, rest: Remains, snapshot: Snapshot) -> list[Delete]:
    """Delete what a wanted component no longer has, ConfigMaps only when no pod can read them any more, nor
    one of a revision that is kept; of those the newest stay.
    """
    wanted = {ref_of(obj) for obj in objects.all}
    kept = kept_among(rest.others)
    dropped = surplus(kept)
    wanted |= {one.ref for one in kept if one not in dropped}
    used = frozenset(_in_use(component, rest, snapshot)).union(*(one.config_maps for one in kept))
    return [
        Delete(component, ref_of(obj), uid_of(obj))
        for obj in rest.others
        if ref_of(obj) not in wanted
        and not is_deleting(obj)
        and not (ref_of(obj).kind == "ConfigMap" and ref_of(obj).name in used)
    ]


def _in_use(component: str, rest: Remains, snapshot: Snapshot) -> Iterable[str]:
    for workload in rest.workloads:
        template = mapping_at(snapshot.objects[workload.ref], "spec", "template", "spec")
        yield from config_maps_used(template)
    for pod in snapshot.pods.get(component, ()):
        yield from pod.config_maps
