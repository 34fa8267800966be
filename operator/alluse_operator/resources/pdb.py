"""A budget for voluntary disruptions, where more than one replica gives something to keep."""

from __future__ import annotations

from alluse_operator.core.desired import Component, System
from alluse_operator.resources.metadata import Built, object_metadata, seal, selector_labels


def build_pod_disruption_budget(system: System, component: Component) -> Built:
    """At most one pod at a time is taken away. Pods that are not ready may always be evicted: the budget
    must not stand in the way of a node drain, or of our own recovery, when the component is down anyway."""
    return seal(
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": object_metadata(system, component),
            "spec": {
                "maxUnavailable": 1,
                "unhealthyPodEvictionPolicy": "AlwaysAllow",
                "selector": {"matchLabels": selector_labels(system, component)},
            },
        }
    )
