"""The rights that the chart grants are those that the operator uses: none is missing, and none is too many."""

from __future__ import annotations

import collections
from pathlib import Path

import yaml

import specs
from alluse_operator.api import names
from alluse_operator.cluster.kinds import POD
from fault_proxy import Answer, Fault, FaultProxy, Seen
from lives import Lives
from sickness import pods_of, sicken
from watching import Watcher

DECLARED = yaml.safe_load((Path(__file__).parents[1] / "chart/rbac.yaml").read_text())
#: Rights on these are used by real processes with real leases (tests of the election).
ELSEWHERE = frozenset({"leases.coordination.k8s.io"})


def right(request: Seen, created: bool) -> set[tuple[str, str]]:
    """The pairs (resource, verb) that the API server asks for before it answers."""
    parts = request.path.strip("/").split("/")
    group = parts[1] if parts[0] == "apis" and len(parts) > 1 else ""
    rest = parts[3:] if group else parts[2:]
    if len(rest) >= 3 and rest[0] == "namespaces":
        rest = rest[2:]
    if not rest:
        # Discovery: everybody may.
        return set()
    plural = "/".join([rest[0], *rest[2:]])
    named = len(rest) > 1
    resource = f"{plural}.{group}" if group else plural
    reads = {"watch"} if request.watch else {"get" if named else "list"}
    verbs = {
        "GET": reads,
        "POST": {"create"},
        "PUT": {"update"},
        "PATCH": {"patch", "create"} if created else {"patch"},
        "DELETE": {"delete"},
    }[request.method]
    return {(resource, verb) for verb in verbs}


def rich() -> specs.Spec:
    """Every kind of object that the operator makes."""
    job = specs.component("load", type="Job")
    state = specs.component("keep", storage={"size": "1Gi"})
    many = specs.component("serve", "keep", replicas=2, config={"greeting": "hello"})
    single = specs.component("show", config={"greeting": "hello"})
    return specs.custom(job, state, many, single)


def make_volume(watcher: Watcher) -> None:
    """A volume for the one claim: nobody provisions any here."""
    spec = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "hostPath": {"path": "/nowhere"},
    }
    body = {"metadata": {"name": watcher.namespace}, "spec": spec}
    assert watcher.api.request("POST", "/api/v1/persistentvolumes", body).ok


def make_endless_pod(watcher: Watcher, component: str) -> None:
    """A pod that no kubelet looks after: it goes when it is deleted without grace, and not before."""
    labels = {
        names.MANAGED_BY_LABEL: names.MANAGED_BY,
        names.SYSTEM_LABEL: watcher.name,
        names.COMPONENT_LABEL: component,
    }
    spec = {
        "nodeName": "nowhere",
        "automountServiceAccountToken": False,
        "containers": [{"name": "c", "image": "none"}],
    }
    body = {"metadata": {"name": "endless", "labels": labels}, "spec": spec}
    assert watcher.api.request("POST", POD.path(watcher.namespace), body).ok


def test_what_is_granted_is_used_and_what_is_used_is_granted(
    proxy: FaultProxy, watcher: Watcher, tmp_path: Path
) -> None:
    """A life with everything in it, where each write meets a conflict at first, and looks again."""
    sent: collections.Counter[tuple[str, str, bytes]] = collections.Counter()

    def conflict_once(request: Seen) -> Fault | None:
        if not request.write or request.path.endswith("/status") or "/events" in request.path:
            return None
        # A record of recovery holds the time, so that none is quite like another.
        record = names.RECOVERY_ANNOTATION.encode() in request.body
        write = (request.method, request.path, b"" if record else request.body)
        sent[write] += 1
        return Answer(409, "Conflict") if sent[write] == 1 else None

    proxy.decide = conflict_once
    spec = rich()
    make_volume(watcher)
    with Lives(proxy, tmp_path) as lives:
        watcher.create({**spec, "teardown": {"deadlineSeconds": 10}})
        watcher.until_ready()
        for _ in range(2):
            sick = sicken(watcher, "show")
            watcher.until(lambda: sick not in pods_of(watcher, "show"), "it is restarted")  # noqa: B023
            watcher.until_ready()
            # The next operator tells of the same in the same Event, which it does not know yet.
            lives.die()
        for number in range(4):
            spec["components"][3]["config"] = {"greeting": f"hello {number}"}
            watcher.edit({"spec": spec})
            watcher.until_ready()
        # Without the last of each kind: all that they had is deleted piece by piece.
        watcher.edit(
            {"spec": {**specs.custom(specs.component("other")), "teardown": {"deadlineSeconds": 10}}}
        )
        watcher.until_ready()
        watcher.until(lambda: len(watcher.refs()) < 8, "the others are gone")
        make_endless_pod(watcher, "other")
        watcher.delete()
        watcher.until_gone()
    created = {request: status == 201 for request, status in proxy.answers}
    used: dict[str, set[str]] = collections.defaultdict(set)
    for request in proxy.seen:
        for resource, verb in right(request, created.get(request, False)):
            used[resource].add(verb)
    granted = {
        resource: set(verbs)
        for part in ("served", "cluster")
        for resource, verbs in DECLARED[part].items()
        if resource not in ELSEWHERE
    }
    assert {r: v for r in used if (v := used[r] - granted.get(r, set()))} == {}, "used and not granted"
    assert {r: v for r in granted if (v := granted[r] - used.get(r, set()))} == {}, "granted and not used"
