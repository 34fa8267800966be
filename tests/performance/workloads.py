"""The workloads of a running system as plain objects, for applying them without the operator."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kube import Kube

KINDS = "configmaps,serviceaccounts,services,networkpolicies,statefulsets,deployments"
#: What the API server and its controllers add.
SERVER_SIDE = (
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "managedFields",
    "ownerReferences",
)


def plain(kube: Kube, system: str, namespace: str, target: str) -> list[dict[str, Any]]:
    """Copies of a system's objects for another namespace, without a sign of the operator's ownership."""
    return [plainly(obj, target) for obj in kube.items(KINDS, namespace, f"alluse.io/system={system}")]


def plainly(obj: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    """A copy of one object for a namespace, without a sign of the operator's ownership."""
    copy = json.loads(json.dumps(obj))
    copy.pop("status", None)
    metadata = copy["metadata"]
    for name in SERVER_SIDE:
        metadata.pop(name, None)
    metadata["namespace"] = namespace
    metadata["annotations"] = {}
    metadata["labels"].pop("app.kubernetes.io/managed-by", None)
    if copy["kind"] == "Service":
        for name in ("clusterIP", "clusterIPs"):
            copy["spec"].pop(name, None)
    template = copy.get("spec", {}).get("template", {})
    for labels in (template.get("metadata", {}).get("labels", {}), *_claims(copy)):
        labels.pop("app.kubernetes.io/managed-by", None)
    return dict(copy)


def _claims(obj: dict[str, Any]) -> list[dict[str, str]]:
    templates = obj.get("spec", {}).get("volumeClaimTemplates", [])
    return [template["metadata"].setdefault("labels", {}) for template in templates]
