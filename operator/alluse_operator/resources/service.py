"""The address of a component: a Service called `<system>-<component>`."""

from __future__ import annotations

from alluse_operator.core.desired import Component, System
from alluse_operator.resources.metadata import Built, object_metadata, seal, selector_labels


def build_service(system: System, component: Component) -> Built:
    """A ClusterIP Service; only ready pods are behind it, so it is also what isolates a component that is
    not ready. The StatefulSets use it as their governing Service: their pods are not addressed one by one."""
    return seal(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": object_metadata(system, component),
            "spec": {
                "type": "ClusterIP",
                "selector": selector_labels(system, component),
                "ports": [{"name": "http", "port": component.port, "targetPort": "http", "protocol": "TCP"}],
            },
        }
    )
