"""The CustomResourceDefinition of `AllUseSystem`, made from the types, the rules and the catalog."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from alluse_operator.api import names
from alluse_operator.api.rules import Rule, local_rules
from alluse_operator.api.schema import Schema, structural_schema
from alluse_operator.api.spec import COMPONENT_DEFAULTS, HEALTH_DEFAULTS, AllUseSystemSpec, ComponentSpec
from alluse_operator.api.status import AllUseSystemStatus
from alluse_operator.api.system_rules import system_rules

_DESCRIPTION = (
    "A system of components that the operator starts in the order of their dependencies, watches, recovers "
    "and takes down again in reverse order. An empty spec is the whole ALL-USE system of 16 components."
)

#: name, JSON path, type, priority (1: only with `-o wide`), description.
_COLUMNS = (
    ("Ready", ".status.ready", "string", 0, "Components that are ready, of those that should run"),
    ("Status", ".status.state", "string", 0, "The system in one word"),
    ("Env", ".status.environment", "string", 0, "The environment that the system runs in"),
    ("Version", ".status.version", "string", 0, "The version that the components are wanted in"),
    ("Cause", ".status.cause", "string", 0, "What stands in the way"),
    ("Age", ".metadata.creationTimestamp", "date", 0, "Time since the resource was created"),
    ("Waiting", ".status.waiting", "string", 1, "Which components wait for which"),
    ("Message", ".status.summary", "string", 1, "What is going on"),
)


def build_crd(catalog: Mapping[str, ComponentSpec]) -> dict[str, Any]:
    """The CustomResourceDefinition; the rules know the components and edges of `catalog` (profile WS1)."""
    schema = _root_schema()
    for rule in (*system_rules(catalog), *local_rules()):
        _attach(schema, rule)
    version = {
        "name": names.VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [
            {"name": name, "jsonPath": path, "type": kind, "priority": priority, "description": text}
            for name, path, kind, priority, text in _COLUMNS
        ],
        "schema": {"openAPIV3Schema": schema},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": names.CRD_NAME},
        "spec": {
            "group": names.GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": names.KIND,
                "listKind": names.LIST_KIND,
                "plural": names.PLURAL,
                "singular": names.SINGULAR,
                "shortNames": [names.SHORT_NAME],
                "categories": [names.CATEGORY],
            },
            "versions": [version],
        },
    }


def _root_schema() -> Schema:
    spec = structural_schema(AllUseSystemSpec)
    components = spec["properties"]["components"]["items"]
    overrides = spec["properties"]["environments"]["items"]["properties"]["components"]["items"]
    for component in (components, overrides):
        _state_defaults(component, COMPONENT_DEFAULTS)
        _state_defaults(component["properties"]["health"], HEALTH_DEFAULTS)
    return {
        "type": "object",
        "description": _DESCRIPTION,
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": f"Always `{names.API_VERSION}`."},
            "kind": {"type": "string", "description": f"Always `{names.KIND}`."},
            "metadata": {"type": "object", "properties": {"name": {"type": "string"}}},
            "spec": spec,
            "status": structural_schema(AllUseSystemStatus),
        },
    }


def _state_defaults(schema: Schema, defaults: BaseModel) -> None:
    """Say in words what applies when no layer speaks: the schema itself must not have these defaults."""
    values = defaults.model_dump(mode="json", by_alias=True, exclude_none=True)
    for field, value in values.items():
        described = schema["properties"].get(field)
        if described is not None and "default" not in described and isinstance(value, str | int):
            described["description"] += f" Default: {str(value).lower() if value is True else value}."


def _attach(root: Schema, rule: Rule) -> None:
    """Put a rule where it belongs: `spec.components[]` is the schema of one item of that list."""
    node = root
    for step in rule.where.split(".") if rule.where else ():
        node = node["properties"][step.removesuffix("[]")]
        if step.endswith("[]"):
            node = node["items"]
    node.setdefault("x-kubernetes-validations", []).append(rule.to_json())
