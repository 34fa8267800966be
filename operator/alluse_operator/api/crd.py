"""The CustomResourceDefinition of `AllUseSystem`, made from the types, the rules and the catalog."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.alias_generators import to_snake

from alluse_operator.api import names
from alluse_operator.api.rules import Rule, local_rules
from alluse_operator.api.schema import Schema, structural_schema
from alluse_operator.api.spec import COMPONENT_DEFAULTS, AllUseSystemSpec, ComponentSpec
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
    _describe(spec)
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


def _describe(schema: Schema, defaults: BaseModel | None = None) -> None:
    """Say in words what `kubectl explain` does not print: defaults and bounds.

    `defaults` are those that apply when no layer speaks: the schema itself must not have them.
    """
    values = defaults.model_dump(mode="json", by_alias=True) if defaults is not None else {}
    for name, field in schema.get("properties", {}).items():
        default = field.get("default", values.get(name) if name != "name" else None)
        if isinstance(default, str | int):
            field["description"] += f" Default: {str(default).lower() if default is True else default}."
        if "minimum" in field and "maximum" in field:
            field["description"] += f" Allowed: {field['minimum']} to {field['maximum']}."
        inner = COMPONENT_DEFAULTS if name == "components" else getattr(defaults, to_snake(name), None)
        _describe(field.get("items", field), inner if isinstance(inner, BaseModel) else None)


def _attach(root: Schema, rule: Rule) -> None:
    """Put a rule where it belongs: `spec.components[]` is the schema of one item of that list."""
    node = root
    where, entry = rule.lifted()
    for step in where.split(".") if where else ():
        node = node["properties"][step.removesuffix("[]")]
        if step.endswith("[]"):
            node = node["items"]
    node.setdefault("x-kubernetes-validations", []).append(entry)
