"""What is known of the cluster's nodes: whether pods can live there, and nothing else of them.

Nodes belong to no system. Their kubelets report every few minutes that nothing has changed; nobody hears of
that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from alluse_operator.core.observed import NodeView
from alluse_operator.core.surroundings import read_node


class Nodes:
    """The newest version seen of each node, reduced to what decides."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, NodeView, Mapping[str, Any]]] = {}
        self._gone: dict[str, int] = {}

    def known(self) -> Iterable[Mapping[str, Any]]:
        """The nodes as raw objects, as far as they are looked at."""
        return [raw for _, _, raw in self._seen.values()]

    def put(self, obj: Mapping[str, Any]) -> bool:
        """Take a version of a node; whether it can do for pods what it could not before, or no longer can."""
        name, version = obj["metadata"]["name"], int(obj["metadata"]["resourceVersion"])
        known = self._seen.get(name)
        if version <= self._gone.get(name, -1) or (known is not None and known[0] >= version):
            return False
        view = read_node(obj)
        self._seen[name] = (version, view, _reduced(obj))
        return known is not None and known[1].ready != view.ready

    def remove(self, name: str, version: int) -> bool:
        """It is gone; whether it was known."""
        known = self._seen.get(name)
        if known is None or known[0] > version:
            return False
        del self._seen[name]
        self._gone[name] = version
        return True

    def listed(self, items: Collection[Mapping[str, Any]], version: int) -> set[str]:
        """Take a whole listing; the nodes that have come to be ready, or to be so no more."""
        self._gone = {}
        present = {obj["metadata"]["name"] for obj in items}
        gone = {name for name in tuple(self._seen) if name not in present and self.remove(name, version)}
        return {obj["metadata"]["name"] for obj in items if self.put(obj)} | gone


def _reduced(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": obj["metadata"]["name"]},
        "spec": {field: spec[field] for field in ("unschedulable", "taints") if field in spec},
        "status": {
            "conditions": [row for row in status.get("conditions") or () if row.get("type") == "Ready"]
        },
    }
