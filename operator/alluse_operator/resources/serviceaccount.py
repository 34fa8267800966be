"""An identity of its own for each component, with no rights and no token."""

from __future__ import annotations

from alluse_operator.core.desired import Component, System
from alluse_operator.resources.metadata import Built, object_metadata, seal


def build_service_account(system: System, component: Component) -> Built:
    return seal(
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": object_metadata(system, component),
            "automountServiceAccountToken": False,
        }
    )
