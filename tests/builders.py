"""Makers of raw Kubernetes objects, as the API server would send them, with one thing said about each."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from alluse_operator.api import names
from alluse_operator.core.desired import System
from alluse_operator.core.objects import ComponentObjects, Object
from alluse_operator.core.observed import ProbeReading, Snapshot
from alluse_operator.core.reading.snapshot import read_snapshot
from alluse_operator.resources.build import build_all

#: When the tests' world begins.
T0 = datetime(2026, 1, 5, 9, 0, 0, tzinfo=UTC)

_BUILT: dict[int, tuple[System, dict[str, ComponentObjects]]] = {}


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def stamp(moment: datetime) -> str:
    """As Kubernetes writes its times: whole seconds, UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def built_of(system: System) -> dict[str, ComponentObjects]:
    """The real builders' objects, kept for as long as the system is."""
    found = _BUILT.get(id(system))
    if found is None or found[0] is not system:
        if len(_BUILT) > 256:
            _BUILT.clear()
        found = (system, build_all(system))
        _BUILT[id(system)] = found
    return found[1]


def make_resource(
    system: System,
    *,
    created: datetime = T0,
    deleted: datetime | None = None,
    finalizers: Iterable[str] = (names.FINALIZER,),
    spec: Mapping[str, Any] | None = None,
    status: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The AllUseSystem of a resolved system."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {
            "name": system.name,
            "namespace": system.namespace,
            "uid": system.uid,
            "generation": system.generation,
            "creationTimestamp": stamp(created),
            **({"deletionTimestamp": stamp(deleted)} if deleted else {}),
            "finalizers": list(finalizers),
        },
        "spec": dict(spec or {}),
        "status": dict(status or {}),
    }


def make_live(obj: Object, *, uid: str = "", created: datetime = T0, **status: Any) -> dict[str, Any]:
    """A built object as the cluster holds it: with uid, times and a status."""
    live = copy.deepcopy(dict(obj))
    meta = live["metadata"]
    meta.setdefault("uid", uid or f"uid-{live['kind']}-{meta['name']}".lower())
    meta.setdefault("creationTimestamp", stamp(created))
    meta.setdefault("generation", 1)
    meta.setdefault("resourceVersion", "1")
    if live["kind"] in ("Deployment", "StatefulSet", "Job"):
        live["status"] = {"observedGeneration": meta["generation"], **status}
    return live


def make_pod(
    workload: Object,
    name: str = "pod-0",
    *,
    created: datetime = T0,
    running: datetime | None = None,
    started: bool | None = None,
    ready: datetime | None = None,
    lost_ready: datetime | None = None,
    containers_ready: bool | None = None,
    restarts: int = 0,
    waiting: tuple[str, str] | None = None,
    ended: tuple[str, int, datetime] | None = None,
    unscheduled: tuple[str, datetime] | None = None,
    phase: str | None = None,
    deleting: datetime | None = None,
    revision: str | None = None,
    uid: str = "",
    node: str = "",
    failed: tuple[str, str] | None = None,
    disrupted: tuple[str, datetime] | None = None,
) -> dict[str, Any]:
    """A pod of a workload. `ready` and `lost_ready` are when the condition Ready became True or False,
    `failed` is reason and message of a pod in phase Failed, `disrupted` the condition DisruptionTarget.
    """
    template = workload["spec"]["template"]
    labels = {**template["metadata"]["labels"], **({names.REVISION_LABEL: revision} if revision else {})}
    state: dict[str, Any] = {}
    if running is not None:
        state = {"running": {"startedAt": stamp(running)}}
    elif waiting is not None:
        state = {"waiting": {"reason": waiting[0], "message": waiting[1]}}
    last = (
        {
            "terminated": {
                "reason": ended[0],
                "exitCode": ended[1],
                "finishedAt": stamp(ended[2]),
            }
        }
        if ended
        else {}
    )
    if ended and running is None and waiting is None:
        state = last
    conditions: list[dict[str, Any]] = [
        {
            "type": "Ready",
            "status": "True" if ready and not lost_ready else "False",
            "lastTransitionTime": stamp(lost_ready or ready or created),
        }
    ]
    if containers_ready is not None:
        conditions.append({"type": "ContainersReady", "status": "True" if containers_ready else "False"})
    if unscheduled is not None:
        conditions.append(
            {
                "type": "PodScheduled",
                "status": "False",
                "reason": "Unschedulable",
                "message": unscheduled[0],
                "lastTransitionTime": stamp(unscheduled[1]),
            }
        )
    if disrupted is not None:
        conditions.append(
            {
                "type": "DisruptionTarget",
                "status": "True",
                "reason": disrupted[0],
                "lastTransitionTime": stamp(disrupted[1]),
            }
        )
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": workload["metadata"]["namespace"],
            "uid": uid or f"uid-{name}",
            "labels": labels,
            "creationTimestamp": stamp(created),
            "ownerReferences": [{"uid": "uid-replicaset", "controller": True, "kind": "ReplicaSet"}],
            **({"deletionTimestamp": stamp(deleting)} if deleting else {}),
        },
        "spec": {**template["spec"], **({"nodeName": node} if node else {})},
        "status": {
            "phase": phase or ("Failed" if failed else "Running" if running or ended else "Pending"),
            **({"reason": failed[0], "message": failed[1]} if failed else {}),
            "podIP": "10.0.0.1",
            "conditions": conditions,
            "containerStatuses": [
                {
                    "name": "component",
                    "state": state,
                    "lastState": last,
                    "restartCount": restarts,
                    "ready": bool(ready and not lost_ready),
                    "started": bool(ready or lost_ready) if started is None else started,
                }
            ],
        },
    }


def make_snapshot(
    system: System,
    *,
    objects: Iterable[Object] = (),
    pods: Iterable[Object] = (),
    probes: Iterable[ProbeReading] = (),
    now: datetime = T0,
    resource: Object | None = None,
    refusals: Iterable[Object] = (),
    namespace_terminating: bool = False,
    nodes: Iterable[Object] = (),
    slices: Iterable[Object] = (),
) -> Snapshot:
    """A fresh snapshot of these objects."""
    return read_snapshot(
        resource if resource is not None else make_resource(system),
        objects,
        pods,
        probes,
        synced_at=now,
        trust_for=timedelta(seconds=60),
        namespace_terminating=namespace_terminating,
        refusals=refusals,
        nodes=nodes,
        slices=slices,
    )


def make_node(
    name: str, *, ready: bool = True, since: datetime = T0, unschedulable: bool = False, taint: str = ""
) -> dict[str, Any]:
    """A node; `taint` is the effect of one."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "uid": f"uid-node-{name}", "resourceVersion": "1"},
        "spec": {
            **({"unschedulable": True} if unschedulable else {}),
            **({"taints": [{"key": "example.com/kept-free", "effect": taint}]} if taint else {}),
        },
        "status": {
            "conditions": [
                {
                    "type": "Ready",
                    "status": "True" if ready else "Unknown",
                    "lastTransitionTime": stamp(since),
                }
            ]
        },
    }


def make_slice(service: Object, ready: Iterable[str], unready: Iterable[str] = ()) -> dict[str, Any]:
    """An EndpointSlice of a Service; the pods are named by uid."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{service['metadata']['name']}-x",
            "namespace": service["metadata"]["namespace"],
            "uid": f"uid-slice-{service['metadata']['name']}",
            "resourceVersion": "1",
            "labels": dict(service["metadata"]["labels"]),
        },
        "endpoints": [
            {"conditions": {"ready": good}, "targetRef": {"kind": "Pod", "uid": uid}}
            for good, uids in ((True, ready), (False, unready))
            for uid in uids
        ],
    }


def make_event(kind: str, name: str, message: str, when: datetime) -> dict[str, Any]:
    """A Kubernetes Event that tells of a pod that may not be created."""
    return {
        "reason": "FailedCreate",
        "involvedObject": {"kind": kind, "name": name},
        "message": message,
        "lastTimestamp": stamp(when),
    }
