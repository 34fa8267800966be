"""A component's configuration: one immutable ConfigMap, named by what is in it.

Immutable and named by its hash, a new content is a new object: pods that still run keep reading theirs, and
the change of the name in the pod template is what rolls the component.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from alluse import contract
from alluse_operator.api import names
from alluse_operator.core.desired import Component, System
from alluse_operator.resources.metadata import Built, content_hash, object_metadata, seal


def nested(config: Mapping[str, str]) -> dict[str, Any]:
    """Dotted keys as nested objects, keys in order: `{"a.b": "1"}` -> `{"a": {"b": "1"}}`.

    A key that runs into another key's value (`a` beside `a.b`) stays as it is written, at the top.
    """
    tree: dict[str, Any] = {}
    for key in sorted(config):
        *parents, last = key.split(".")
        if any(".".join(parents[: depth + 1]) in config for depth in range(len(parents))):
            tree[key] = config[key]
            continue
        branch = tree
        for parent in parents:
            branch = branch.setdefault(parent, {})
        branch[last] = config[key]
    return tree


def has_configuration(component: Component) -> bool:
    """Components of the catalog always find a file, be it an empty object; others only if they have keys."""
    return component.catalog or bool(component.config)


def build_config_map(system: System, component: Component) -> Built:
    data = {contract.CONFIG_FILE: json.dumps(nested(component.config), indent=2, ensure_ascii=False) + "\n"}
    name = f"{names.object_name(system.name, component.name)}-{content_hash(data)}"
    return seal(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": object_metadata(system, component, name=name),
            "immutable": True,
            "data": data,
        }
    )
