"""Taking components away in reverse order: nothing loses what it depends on while it still runs.

What has ended need not be gone: the objects of a pod, its volumes and its ReplicaSet take a second or two
longer, in which nobody needs anything any more.

The order is read from the cluster (annotation `alluse.io/depends-on`), not from the spec, so that it
holds for components that the spec no longer knows, and while the spec is invalid.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from alluse_operator.core.actions import Delete, Propagation, ScaleDown
from alluse_operator.core.objects import WORKLOAD_KINDS, Object, Ref, is_deleting, owner_uids, ref_of, uid_of
from alluse_operator.core.observed import PodView, Snapshot, WorkloadView
from alluse_operator.core.ownership import owns
from alluse_operator.core.reading.workloads import component_of

_ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class Remains:
    """What is still there of one component, of what is ours."""

    workloads: tuple[WorkloadView, ...]
    pods: tuple[PodView, ...]
    others: tuple[Object, ...]

    @property
    def runs(self) -> bool:
        """Something of it is there that runs or may run again."""
        return bool(self.workloads or self.pods) and not self._has_ended

    @property
    def stays(self) -> bool:
        """A workload of it is there that nobody has begun to delete."""
        return not all(workload.deleting for workload in self.workloads)

    @property
    def _has_ended(self) -> bool:
        """All its pods have ended and are on their way out, and no workload makes new ones.

        A StatefulSet counts a pod until its volumes are unmounted and it is gone; one that is counted and not
        among those that have ended is one of which we have yet to hear. Of a workload that is being deleted,
        without any pod, nobody knows what a ReplicaSet in between may make: then it must be gone.
        """
        ended = all(pod.deleting and pod.phase in _ENDED for pod in self.pods)
        counted = sum(workload.existing for workload in self.workloads if workload.halted)
        return (
            ended
            and counted <= len(self.pods)
            and all(workload.halted or (workload.deleting and self.pods) for workload in self.workloads)
        )


def remains(snapshot: Snapshot) -> dict[str, Remains]:
    """All that is ours, by component."""
    identity = snapshot.resource.identity
    workloads: dict[str, list[WorkloadView]] = {}
    others: dict[str, list[Object]] = {}
    for ref, obj in sorted(snapshot.objects.items()):
        if not owns(identity, obj):
            continue
        component = component_of(identity, obj)
        if ref.kind in WORKLOAD_KINDS:
            workloads.setdefault(component, []).append(snapshot.workloads[ref])
        else:
            others.setdefault(component, []).append(obj)
    names = sorted({*workloads, *others, *(name for name in snapshot.pods if name)})
    found = {}
    for name in names:
        mine = workloads.get(name, [])
        pods = tuple(pod for pod in snapshot.pods.get(name, ()) if _is_ours(pod, mine, snapshot, name))
        found[name] = Remains(tuple(mine), pods, tuple(others.get(name, ())))
    return {name: rest for name, rest in found.items() if rest.runs or rest.others or rest.stays}


def dependants_left(name: str, left: Mapping[str, Remains], candidates: Collection[str]) -> tuple[str, ...]:
    """Who of `candidates` still runs and depends on `name`, directly, by the word of its own workload."""
    return tuple(
        sorted(
            other
            for other in candidates
            if other != name
            and other in left
            and left[other].runs
            and any(name in workload.depends_on for workload in left[other].workloads)
        )
    )


def delete_workloads(name: str, rest: Remains) -> list[Delete]:
    """Delete the workloads of a component; they stay visible until their pods are gone."""
    return [
        Delete(name, workload.ref, workload.uid, Propagation.FOREGROUND)
        for workload in rest.workloads
        if not workload.deleting
    ]


def stop_workloads(name: str, rest: Remains) -> list[Delete | ScaleDown]:
    """Stop the workloads of a component; all that they stand on is there until it is deleted.

    A Job cannot be scaled, and is deleted; it stays visible until its pods are gone.
    """
    return [
        Delete(name, workload.ref, workload.uid, Propagation.FOREGROUND)
        if workload.ref.kind == "Job"
        else ScaleDown(name, workload.ref, workload.uid)
        for workload in rest.workloads
        if not workload.deleting and (workload.ref.kind == "Job" or workload.replicas != 0)
    ]


def delete_others(name: str, rest: Remains) -> list[Delete]:
    return [Delete(name, ref_of(obj), uid_of(obj)) for obj in rest.others if not is_deleting(obj)]


def strays(snapshot: Snapshot) -> list[Delete]:
    """Delete what is ours and has no owner: the garbage collector would never find it."""
    identity = snapshot.resource.identity
    return [
        Delete(component_of(identity, obj), ref, uid_of(obj))
        for ref, obj in sorted(snapshot.objects.items())
        if owns(identity, obj) and not owner_uids(obj) and not is_deleting(obj)
    ]


def pod_ref(pod: PodView) -> Ref:
    return Ref("Pod", pod.name)


def _is_ours(pod: PodView, workloads: list[WorkloadView], snapshot: Snapshot, name: str) -> bool:
    """A pod with our labels is taken for ours unless somebody else's workload of that component claims it.

    Between a Deployment and its pods stands a ReplicaSet, which is not looked at; so the claim is judged
    by the workloads of the component's name.
    """
    if pod.phase in ("Succeeded", "Failed") and not pod.deleting and not workloads:
        return False
    foreign = [w for w in snapshot.workloads.values() if w.component == name and not w.ours]
    return not foreign or bool(workloads)
