"""The workload of a component that keeps state: a StatefulSet with one claim a replica."""

from __future__ import annotations

from typing import Any

from alluse_operator.api import names
from alluse_operator.core.desired import Component, Storage, System
from alluse_operator.resources import quantity
from alluse_operator.resources.metadata import Built, object_metadata, selector_labels


def build_stateful_set(system: System, component: Component, storage: Storage, template: Built) -> Built:
    """Replicas are equals and start in parallel. The claims go when the component goes, and stay when it is
    only scaled down or restarted: a deleted system leaves nothing behind."""
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": object_metadata(system, component),
        "spec": {
            "replicas": component.replicas,
            "revisionHistoryLimit": 3,
            "serviceName": names.object_name(system.name, component.name),
            "podManagementPolicy": "Parallel",
            "updateStrategy": {"type": "RollingUpdate"},
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete", "whenScaled": "Retain"},
            "selector": {"matchLabels": selector_labels(system, component)},
            "template": template,
            "volumeClaimTemplates": [build_claim_template(system, component, storage)],
        },
    }


def build_claim_template(system: System, component: Component, storage: Storage) -> Built:
    """Immutable once made, so only labels that never change are on it."""
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": quantity.canonical(storage.size)}},
    }
    if storage.storage_class_name is not None:
        spec["storageClassName"] = storage.storage_class_name
    return {
        "metadata": {
            "name": names.STATE_VOLUME,
            "labels": {
                names.PART_OF_LABEL: names.PART_OF,
                names.MANAGED_BY_LABEL: names.MANAGED_BY,
                **selector_labels(system, component),
            },
        },
        "spec": spec,
    }
