"""Systems as kubectl prints them, for the tests of the command line: a status and what the cluster holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from alluse_operator.cli.picture import Picture, read
from alluse_operator.core.desired import Defaults, Identity, System
from alluse_operator.core.resolve import resolve
from builders import at, built_of, make_live, make_pod, make_resource, stamp

Raw = dict[str, Any]
NOW = at(100)


def shop(**spec: Any) -> Raw:
    """store <- api <- web, and mail beside them that prefers the store."""
    health = {"path": "/health", "unhealthyAfter": 3}
    return {
        "profile": "Custom",
        "components": [
            {"name": "store", "image": "store:1", "health": health},
            {"name": "api", "image": "api:1", "health": health, "dependsOn": [{"name": "store"}]},
            {"name": "web", "image": "web:1", "health": health, "dependsOn": [{"name": "api"}]},
            {
                "name": "mail",
                "image": "mail:1",
                "dependsOn": [{"name": "store", "requirement": "Preferred"}],
            },
        ],
        **spec,
    }


def row(name: str, state: str = "Healthy", since: float = 0, **more: Any) -> Raw:
    return {"name": name, "state": state, "since": stamp(at(since)), "reason": state, **more}


def wait(name: str, since: float, deadline: float, condition: str = "Healthy") -> Raw:
    return {
        "name": name,
        "condition": condition,
        "since": stamp(at(since)),
        "deadline": stamp(at(deadline)),
    }


def condition(kind: str, status: str, message: str = "", since: float = 0) -> Raw:
    return {
        "type": kind,
        "status": status,
        "reason": "Because",
        "message": message,
        "lastTransitionTime": stamp(at(since)),
        "observedGeneration": 1,
    }


def system_of(spec: Mapping[str, Any], name: str = "demo") -> System:
    return resolve(Identity("shop", name, "uid-system", 1), spec, Defaults("image", "version"))


def resource(
    spec: Mapping[str, Any], rows: Sequence[Raw], conditions: Sequence[Raw] = (), **status: Any
) -> Raw:
    """The AllUseSystem with a status."""
    made = make_resource(
        system_of(spec),
        spec=spec,
        status={"components": list(rows), "conditions": list(conditions), **status},
    )
    return {**made, "kind": "AllUseSystem"}


def live(
    spec: Mapping[str, Any], broken: Mapping[str, Mapping[str, Any]] | None = None
) -> tuple[list[Raw], list[Raw]]:
    """Workloads and pods of a running system; `broken` says what is different about a component's pod."""
    built = built_of(system := system_of(spec))
    workloads, pods = [], []
    for name in system.components:
        workload = make_live(built[name].workload, availableReplicas=0 if name in (broken or {}) else 1)
        workloads.append(workload)
        well = {"running": at(0), "started": True, "ready": at(1)}
        pods.append(make_pod(workload, f"demo-{name}-0", **{**well, **(broken or {}).get(name, {})}))
    return workloads, pods


def picture(
    spec: Mapping[str, Any],
    rows: Sequence[Raw],
    conditions: Sequence[Raw] = (),
    *,
    broken: Mapping[str, Mapping[str, Any]] | None = None,
    now: datetime = NOW,
    **status: Any,
) -> Picture:
    return read(resource(spec, rows, conditions, **status), now, *live(spec, broken))
