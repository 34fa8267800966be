"""The definition as a whole: what every field has, and what people see."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from alluse_operator.api import crd, names
from alluse_operator.api.spec import COMPONENT_DEFAULTS, ComponentOverride
from alluse_operator.catalog import SPECS

DEFINITION = crd.build_crd(SPECS)
VERSION = DEFINITION["spec"]["versions"][0]
ROOT = VERSION["schema"]["openAPIV3Schema"]
#: What structural schemas do not allow, or what a reader of the definition need not see.
FOREIGN = {"$ref", "$defs", "allOf", "oneOf", "not", "title", "const", "exclusiveMinimum", "examples"}


def fields(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema below one, with its path."""
    yield path, schema
    for name, each in schema.get("properties", {}).items():
        yield from fields(each, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from fields(schema[key], f"{path}[]")


FIELDS = dict(fields(ROOT["properties"]["spec"], "spec")) | dict(
    fields(ROOT["properties"]["status"], "status")
)


def test_no_schema_has_a_foreign_keyword() -> None:
    assert {path: found for path, schema in FIELDS.items() if (found := FOREIGN & schema.keys())} == {}


def test_every_field_is_described_in_whole_sentences() -> None:
    described = {path: schema.get("description", "") for path, schema in FIELDS.items() if path[-1] != "]"}
    assert {path for path, text in described.items() if not text.endswith((".", "?"))} == set()


def test_everything_that_can_be_long_has_a_bound() -> None:
    """Without bounds the API server refuses the rules, because it cannot say what they cost."""
    unbounded = [
        path
        for path, schema in FIELDS.items()
        if (schema.get("type") == "array" and "maxItems" not in schema)
        or ("additionalProperties" in schema and "maxProperties" not in schema)
        or (schema.get("type") == "string" and not {"maxLength", "enum", "format"} & schema.keys())
    ]
    assert unbounded == []


def test_lists_of_objects_are_maps_by_what_names_their_items() -> None:
    keys = {
        path: schema.get("x-kubernetes-list-map-keys")
        for path, schema in FIELDS.items()
        if schema.get("type") == "array" and schema["items"]["type"] == "object"
    }
    own = {
        "spec.recovery.ladder[]": "action",
        "spec.alerts.routes[]": "severity",
        "status.conditions[]": "type",
        "status.alerts[]": "fingerprint",
    }
    assert {path: tuple(found) for path, found in keys.items()} == {
        path: (next((key for place, key in own.items() if path.rstrip("[]") == place.rstrip("[]")), "name"),)
        for path in keys
    }


def test_integers_say_their_unit_or_count_something() -> None:
    """And there are no fractions: they do not survive a round trip through YAML and JSON unharmed."""
    assert {path for path, schema in FIELDS.items() if schema.get("type") == "number"} == set()


def test_no_field_has_a_name_that_yaml_reads_as_a_boolean() -> None:
    assert {path.rsplit(".", 1)[-1].lower() for path in FIELDS} & {
        "y",
        "n",
        "on",
        "off",
        "yes",
        "no",
    } == set()


@pytest.mark.parametrize("place", ["spec.components[]", "spec.environments[].components[]"])
def test_a_component_has_no_defaults_in_the_definition_because_they_would_hide_the_layers_below(
    place: str,
) -> None:
    defaulted = {path for path, schema in FIELDS.items() if path.startswith(place) and "default" in schema}
    # A list of dependencies is taken whole, so that nothing below an edge could be hidden.
    edge = ("condition", "requirement", "onUnhealthy", "graceSeconds")
    allowed = {f"{place}.type"} | {f"{place}.dependsOn[].{name}" for name in edge}
    assert defaulted <= allowed


@pytest.mark.parametrize("place", ["spec.components[]", "spec.environments[].components[]"])
def test_the_default_of_a_component_stands_in_its_description(place: str) -> None:
    for field, info in ComponentOverride.model_fields.items():
        value = getattr(COMPONENT_DEFAULTS, field)
        if field != "name" and isinstance(value, int | str):
            text = FIELDS[f"{place}.{info.alias}"]["description"]
            assert f"Default: {str(value).lower() if value is True else value}." in text
    assert "Default: 3." in FIELDS[f"{place}.health.periodSeconds"]["description"]


def test_the_columns() -> None:
    columns = VERSION["additionalPrinterColumns"]
    shown = [column["name"].upper() for column in columns if not column["priority"]]
    assert shown == ["READY", "STATUS", "ENV", "VERSION", "CAUSE", "AGE"]
    assert [column["name"].upper() for column in columns if column["priority"]] == ["WAITING", "MESSAGE"]
    paths = {column["jsonPath"].removeprefix(".") for column in columns} - {"metadata.creationTimestamp"}
    assert paths <= FIELDS.keys()


def test_the_names() -> None:
    assert DEFINITION["metadata"]["name"] == "allusesystems.alluse.io"
    assert DEFINITION["spec"]["names"] == {
        "kind": "AllUseSystem",
        "listKind": "AllUseSystemList",
        "plural": "allusesystems",
        "singular": "allusesystem",
        "shortNames": ["aus"],
        "categories": ["all"],
    }
    assert VERSION["subresources"] == {"status": {}}
    assert ROOT["required"] == ["spec"]
    assert names.object_name("alluse", "market-analyzer") == "alluse-market-analyzer"
