"""What a system stands in: the nodes that its pods are on, and who its Services lead to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from alluse_operator.api.names import COMPONENT_LABEL, SYSTEM_LABEL
from alluse_operator.core.desired import Identity
from alluse_operator.core.objects import Object, labels, mapping_at, metadata
from alluse_operator.core.observed import NodeView
from alluse_operator.core.times import parse_time

#: Effects of a taint that keep new pods away.
_KEEPS_AWAY = frozenset({"NoSchedule", "NoExecute"})


def read_node(node: Object) -> NodeView:
    """A node without the condition Ready is not ready: nobody has said that it is."""
    ready = next(
        (row for row in _rows(mapping_at(node, "status"), "conditions") if row.get("type") == "Ready"), {}
    )
    spec = mapping_at(node, "spec")
    tainted = any(taint.get("effect") in _KEEPS_AWAY for taint in _rows(spec, "taints"))
    return NodeView(
        name=str(metadata(node).get("name", "")),
        ready=ready.get("status") == "True",
        since=parse_time(ready.get("lastTransitionTime")),
        schedulable=not tainted and spec.get("unschedulable") is not True,
    )


def read_endpoints(identity: Identity, slices: Iterable[Object]) -> Mapping[str, frozenset[str]]:
    """By component, the uids of the pods that its Service leads to.

    A Service with a selector always has a slice, be it an empty one: a component without any is one of which
    nothing is known. A slice bears the labels of its Service.
    """
    found: dict[str, frozenset[str]] = {}
    for obj in slices:
        component = labels(obj).get(COMPONENT_LABEL, "")
        if labels(obj).get(SYSTEM_LABEL) == identity.name and component:
            found[component] = found.get(component, frozenset()) | ready_pods(obj)
    return found


def ready_pods(obj: Object) -> frozenset[str]:
    """uids of the pods that an EndpointSlice leads to. An endpoint that does not say counts as ready."""
    return frozenset(
        str(uid)
        for endpoint in _rows(obj, "endpoints")
        if mapping_at(endpoint, "conditions").get("ready") is not False
        and (uid := mapping_at(endpoint, "targetRef").get("uid"))
    )


def _rows(obj: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = obj.get(key)
    return [row for row in found if isinstance(row, Mapping)] if isinstance(found, list | tuple) else []
