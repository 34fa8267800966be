"""From the spec as written to the resolved system: layers, defaults, refusals."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from alluse import contract
from alluse_operator.api.errors import InvalidSpec
from alluse_operator.api.spec import ComponentType, Requirement
from alluse_operator.core.desired import Component, Defaults, EnvVar, Identity, Resources, Storage, System
from alluse_operator.core.resolve import resolve

DEFAULTS = Defaults("alluse/components", "1.0.0", "alluse-system")


def resolved(spec: Mapping[str, Any]) -> System:
    return resolve(Identity("shop", "shop", "u", 1), spec, DEFAULTS)


def custom(*components: Mapping[str, Any], **fields: Any) -> System:
    image = {"repository": "registry.example/all"}
    return resolved({"profile": "Custom", "image": image, "components": list(components), **fields})


def one(*components: Mapping[str, Any], **fields: Any) -> Component:
    return custom(*components, **fields).components[components[0]["name"]]


def test_an_empty_spec_is_the_whole_catalog_in_its_order() -> None:
    system = resolved({})
    assert set(system.components) == set(contract.COMPONENTS)
    place = {name: index for index, name in enumerate(system.components)}
    for name, component in system.components.items():
        assert all(place[edge.name] < place[name] for edge in component.dependencies)
        assert component.catalog
        assert component.image == "alluse/components:1.0.0"
    assert next(iter(system.components)) == contract.CONFIG_MANAGER
    assert system.environment == "development"
    assert system.operator_namespace == "alluse-system"


def test_hard_dependencies_are_required_and_the_configuration_is_preferred() -> None:
    for name, facts in contract.COMPONENTS.items():
        edges = {edge.name: edge.requirement for edge in resolved({}).components[name].dependencies}
        assert {n for n, r in edges.items() if r is Requirement.REQUIRED} == set(facts.hard)
        if name != contract.CONFIG_MANAGER and contract.CONFIG_MANAGER not in facts.hard:
            assert edges[contract.CONFIG_MANAGER] is Requirement.PREFERRED


def test_defaults_of_a_component_that_says_nothing() -> None:
    web = one({"name": "web"})
    assert web.kind is ComponentType.SERVICE
    assert (web.replicas, web.port, web.managed, web.group) == (1, 8080, True, "custom")
    assert web.start_deadline == timedelta(seconds=120)
    assert web.health.path is None
    assert (web.health.period, web.health.unhealthy_after) == (timedelta(seconds=3), 3)
    assert web.resources == Resources()
    assert not web.catalog


def test_the_environment_lies_over_the_base_and_the_base_over_the_catalog() -> None:
    spec = {
        "environment": "staging",
        "version": "2",
        "image": {"repository": "mirror/all", "pullPolicy": "Always"},
        "config": {"a.b": "base", "a.c": "base"},
        "components": [
            {
                "name": "market-analyzer",
                "replicas": 2,
                "env": [{"name": "A", "value": "base"}, {"name": "B", "value": "base"}],
                "resources": {"limits": {"memory": "300Mi"}},
                "config": {"x": "1", "y": "1"},
            }
        ],
        "environments": [
            {
                "name": "staging",
                "version": "3",
                "image": {"pullSecrets": ["login"]},
                "config": {"a.c": "staging"},
                "components": [
                    {
                        "name": "market-analyzer",
                        "env": [{"name": "B", "value": "staging"}],
                        "health": {"periodSeconds": 7},
                        "config": {"y": "2"},
                        "dependsOn": [],
                    }
                ],
            },
            {"name": "other", "version": "9"},
        ],
    }
    system = resolved(spec)
    analyzer = system.components["market-analyzer"]
    assert system.version == "3"
    assert analyzer.image == "mirror/all:3"
    assert (analyzer.pull_policy, analyzer.pull_secrets) == ("Always", ("login",))
    assert analyzer.env == (EnvVar("A", "base"), EnvVar("B", "staging"))
    assert analyzer.replicas == 2
    assert analyzer.resources.memory_limit == "300Mi"
    assert analyzer.resources.cpu_request == "20m"
    assert analyzer.health.period == timedelta(seconds=7)
    assert analyzer.health.path == contract.PATH_HEALTH
    assert analyzer.config == {"x": "1", "y": "2"}
    assert analyzer.dependencies == ()
    manager = system.components[contract.CONFIG_MANAGER]
    assert manager.config == {"a.b": "base", "a.c": "staging"}


def test_callers_are_those_that_depend_and_those_that_call() -> None:
    system = custom(
        {"name": "a"},
        {"name": "b", "dependsOn": [{"name": "a"}]},
        {"name": "c", "calls": ["a"]},
        {"name": "d", "calls": ["*"]},
    )
    assert system.components["a"].callers == {"b", "c", "d"}
    assert system.components["d"].callers == frozenset()


def test_a_preferred_edge_to_a_disabled_component_is_dropped() -> None:
    system = custom(
        {"name": "a", "enabled": False},
        {"name": "b", "dependsOn": [{"name": "a", "requirement": "Preferred"}]},
    )
    assert system.disabled == ("a",)
    assert system.components["b"].dependencies == ()


def test_what_is_written_goes_through() -> None:
    web = one(
        {
            "name": "web",
            "image": "registry.example/web:7",
            "command": ["serve"],
            "args": ["-v"],
            "env": [{"name": "KEY", "secretKeyRef": {"name": "s", "key": "k"}}],
            "storage": {"size": "1Gi", "storageClassName": "fast"},
            "management": "ObserveOnly",
            "stopGraceSeconds": 3,
        }
    )
    assert web.image == "registry.example/web:7"
    assert (web.command, web.args) == (("serve",), ("-v",))
    assert web.env == (EnvVar("KEY", None, "s", "k"),)
    assert web.storage == Storage("1Gi", "fast")
    assert not web.managed
    assert web.stop_grace == timedelta(seconds=3)


REFUSED = {
    "unknown field": ({"colour": "red"}, "spec.colour"),
    "unknown dependency": (
        {"profile": "Custom", "components": [{"name": "a", "dependsOn": [{"name": "x"}]}]},
        "spec.components[0].dependsOn",
    ),
    "a cycle": (
        {
            "profile": "Custom",
            "components": [
                {"name": "a", "dependsOn": [{"name": "b"}]},
                {"name": "b", "dependsOn": [{"name": "a"}]},
            ],
        },
        "cycle",
    ),
    "a cycle through the catalog": (
        {"components": [{"name": "config-manager", "dependsOn": [{"name": "enhanced-agent"}]}]},
        "cycle",
    ),
    "a required component that does not run": (
        {
            "profile": "Custom",
            "components": [{"name": "a", "enabled": False}, {"name": "b", "dependsOn": [{"name": "a"}]}],
        },
        "a Required dependency is disabled",
    ),
    "an environment that nobody declared": ({"environment": "moon"}, "spec.environment"),
}


@pytest.mark.parametrize("title", REFUSED)
def test_a_spec_that_makes_no_sense_is_refused_by_field(title: str) -> None:
    spec, named = REFUSED[title]
    with pytest.raises(InvalidSpec) as caught:
        resolved(spec)
    assert any(named in str(error) for error in caught.value.errors)


def test_the_interlocks_of_the_profile_can_be_replaced_and_added_to() -> None:
    built_in = resolved({}).interlocks
    assert [lock.name for lock in built_in] == ["trading-gate"]
    assert resolved({}).components["enhanced-agent"].config == {}
    gate = {
        "name": "trading-gate",
        "guards": "enhanced-agent",
        "requires": ["drawdown-protection", "market-analyzer"],
        "withinSeconds": 9,
    }
    other = {"name": "sizing-gate", "guards": "position-sizer", "requires": ["market-analyzer"]}
    changed = resolved({"interlocks": [gate, other]})
    assert [(lock.name, lock.within.total_seconds()) for lock in changed.interlocks] == [
        ("trading-gate", 9),
        ("sizing-gate", 5),
    ]
    assert changed.components["enhanced-agent"].config == {
        "interlocks.trading_gate.within_seconds": "9",
        "interlocks.trading_gate.requires": "drawdown-protection,market-analyzer",
    }


def test_a_profile_of_ones_own_has_no_interlock_but_its_own() -> None:
    assert custom({"name": "web"}).interlocks == ()
