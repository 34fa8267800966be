"""The workload of a component that keeps nothing: a Deployment."""

from __future__ import annotations

from alluse_operator.core.desired import Component, System
from alluse_operator.resources.metadata import Built, object_metadata, selector_labels


def build_deployment(system: System, component: Component, template: Built) -> Built:
    """A new pod is ready before an old one goes: a roll-out never takes a component away."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": object_metadata(system, component),
        "spec": {
            "replicas": component.replicas,
            "revisionHistoryLimit": 3,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "selector": {"matchLabels": selector_labels(system, component)},
            "template": template,
        },
    }
