"""The layers of a system, and that what validation accepts can be resolved."""

from __future__ import annotations

from typing import Any

from hypothesis import event, given

from alluse_operator.api.layers import Layers
from alluse_operator.api.validation import parse, validate
from alluse_operator.catalog import SPECS
from alluse_operator.core.desired import Defaults, Identity
from alluse_operator.core.resolve import resolve
from spec_strategies import specs

LAYERED = {
    "environment": "staging",
    "components": [
        {"name": "market-analyzer", "enabled": False, "resources": {"limits": {"cpu": "2", "memory": "1Gi"}}},
        {"name": "migrate", "type": "Job", "image": "x"},
    ],
    "environments": [
        {
            "name": "staging",
            "components": [
                {"name": "market-analyzer", "enabled": True, "resources": {"limits": {"cpu": "3"}}},
                {"name": "position-sizer", "dependsOn": []},
            ],
        },
        {"name": "moon", "components": [{"name": "market-analyzer", "enabled": False}]},
    ],
}


def test_the_highest_layer_that_speaks_wins() -> None:
    layers = Layers(parse(LAYERED), SPECS)
    assert layers.enabled("market-analyzer")
    assert layers.depends_on("position-sizer") == ()
    assert [edge.name for edge in layers.depends_on("market-analyzer")] == ["config-manager"]
    assert layers.merged("market-analyzer", "resources") == {
        "requests": {"cpu": "20m", "memory": "48Mi"},
        "limits": {"cpu": "3", "memory": "1Gi"},
    }
    assert layers.merged("migrate", "resources") == {}
    assert layers.names[-1] == "migrate"
    assert layers.is_job("migrate")
    assert not layers.is_job("market-analyzer")


def test_merging_leaves_the_catalog_as_it_was() -> None:
    before = SPECS["market-analyzer"].model_dump()
    Layers(parse(LAYERED), SPECS).merged("market-analyzer", "resources")
    assert SPECS["market-analyzer"].model_dump() == before


def test_an_environment_that_is_not_selected_is_no_layer() -> None:
    layers = Layers(parse(LAYERED | {"environment": "development"}), SPECS)
    assert not layers.enabled("market-analyzer")
    assert layers.environment is None


def test_profile_custom_has_no_catalog() -> None:
    layers = Layers(
        parse({"profile": "Custom", "components": [{"name": "config-manager", "image": "x"}]}), SPECS
    )
    assert layers.names == ("config-manager",)
    assert list(layers.of("config-manager")) == [layers.base["config-manager"]]


@given(spec=specs())
def test_what_validation_accepts_can_be_resolved(spec: dict[str, Any]) -> None:
    if validate("demo", parse(spec), SPECS):
        event("invalid")
        return
    event("valid")
    resolved = resolve(
        Identity("default", "demo", "uid", 1), spec, Defaults("registry.example/alluse", "1.0")
    )
    layers = Layers(parse(spec), SPECS)
    assert set(resolved.components) == {name for name in layers.names if layers.enabled(name)}
