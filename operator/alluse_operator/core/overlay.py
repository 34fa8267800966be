"""The part of a pod template that belongs to recovery: when all pods were last to be replaced, and a node
to avoid.

It is owned by the recovery field manager, so that the spec's own applies leave it alone; each write of that
manager has to repeat it, because a field that a manager no longer names is taken away (and that would be
another rollout). So it is read back from what lives.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from alluse_operator.api.names import RESTARTED_AT_ANNOTATION
from alluse_operator.core.objects import Object, mapping_at

_HOST = "kubernetes.io/hostname"
#: Preferred as much as can be: the pod still comes up where there is no other place.
_WEIGHT = 100


def restarted(at: datetime, avoided_node: str = "") -> dict[str, Any]:
    """The overlay of a rollout at that time, away from `avoided_node` if one is given."""
    stamp = at.astimezone(UTC).isoformat(timespec="milliseconds")
    overlay: dict[str, Any] = {"metadata": {"annotations": {RESTARTED_AT_ANNOTATION: stamp}}}
    if avoided_node:
        overlay["spec"] = {"affinity": _away_from(avoided_node)}
    return overlay


def restarted_again(workload: Object, at: datetime) -> dict[str, Any]:
    """The overlay of a rollout at that time; a node that is avoided already stays so."""
    return restarted(at, _avoided(mapping_at(workload, "spec", "template", "spec", "affinity")))


def carried(workload: Object) -> dict[str, Any]:
    """The overlay that a live workload has; empty: none."""
    template = mapping_at(workload, "spec", "template")
    stamp = mapping_at(template, "metadata", "annotations").get(RESTARTED_AT_ANNOTATION)
    if not stamp:
        return {}
    overlay: dict[str, Any] = {"metadata": {"annotations": {RESTARTED_AT_ANNOTATION: stamp}}}
    affinity = mapping_at(template, "spec", "affinity")
    node = _avoided(affinity)
    if node:
        overlay["spec"] = {"affinity": _away_from(node)}
    return overlay


def _away_from(node: str) -> dict[str, Any]:
    expression = {"key": _HOST, "operator": "NotIn", "values": [node]}
    term = {"weight": _WEIGHT, "preference": {"matchExpressions": [expression]}}
    return {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [term]}}


def _avoided(affinity: Mapping[str, Any]) -> str:
    """The node of an affinity that was made here."""
    terms = mapping_at(affinity, "nodeAffinity").get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    for term in terms:
        for expression in mapping_at(term, "preference").get("matchExpressions") or ():
            values = expression.get("values") or ()
            if expression.get("key") == _HOST and expression.get("operator") == "NotIn" and values:
                return str(values[0])
    return ""
