"""The catalog: facts of the components, and what the operator adds."""

from __future__ import annotations

import pytest

from alluse import contract
from alluse_operator.api.quantity import amount
from alluse_operator.api.spec import (
    COMPONENT_DEFAULTS,
    MAX_COMPONENTS,
    Criticality,
    DependencyCondition,
    Requirement,
)
from alluse_operator.api.validation import parse, validate
from alluse_operator.catalog import SPECS, WS1

NAMES = [
    "config-manager", "production-logger", "metrics-collector", "health-monitor", "alert-manager",
    "performance-optimizer", "market-analyzer", "position-sizer", "delta-selector", "portfolio-risk-monitor",
    "drawdown-protection", "portfolio-optimizer", "memory-manager", "intent-detector", "entity-extractor",
    "enhanced-agent",
]  # fmt: skip


def test_the_sixteen_in_start_order() -> None:
    assert list(WS1) == NAMES
    orders = [entry.order for entry in WS1.values()]
    assert orders == sorted(orders)
    assert len(WS1) < MAX_COMPONENTS


@pytest.mark.parametrize("name", NAMES)
def test_hard_dependencies_are_required_and_the_configuration_is_preferred(name: str) -> None:
    edges = {edge.name: edge for edge in SPECS[name].depends_on or ()}
    hard = set(contract.COMPONENTS[name].hard)
    assert {edge.name for edge in edges.values() if edge.requirement is Requirement.REQUIRED} == hard
    assert {edge.condition for edge in edges.values()} <= {DependencyCondition.HEALTHY}
    preferred = {edge.name for edge in edges.values() if edge.requirement is Requirement.PREFERRED}
    assert preferred == {"config-manager"} - hard - {name}


@pytest.mark.parametrize("name", NAMES)
def test_whom_a_component_talks_to_is_all_in_its_edges_and_calls(name: str) -> None:
    component = SPECS[name]
    calls = component.calls or ()
    reached = {edge.name for edge in component.depends_on or ()} | set(calls)
    assert name not in reached
    assert calls == ("*",) or set(contract.COMPONENTS[name].calls) <= reached


def test_the_agent_waits_for_seven() -> None:
    required = [
        e.name for e in SPECS["enhanced-agent"].depends_on or () if e.requirement is Requirement.REQUIRED
    ]
    assert required == [
        "memory-manager", "intent-detector", "entity-extractor", "market-analyzer", "position-sizer",
        "delta-selector", "portfolio-risk-monitor",
    ]  # fmt: skip


def test_what_keeps_state_has_a_claim() -> None:
    assert {name for name, spec in SPECS.items() if spec.storage} == {
        "config-manager", "production-logger", "metrics-collector", "alert-manager", "performance-optimizer",
        "portfolio-risk-monitor", "drawdown-protection", "memory-manager",
    }  # fmt: skip


def test_what_is_critical_by_its_own_word_is_critical_here() -> None:
    critical = {name for name, spec in SPECS.items() if spec.criticality is Criticality.CRITICAL}
    assert critical == {name for name, facts in contract.COMPONENTS.items() if facts.critical}


def test_the_whole_system_asks_for_little() -> None:
    """16 components shall rest in less than 500 MB, and fit on a small machine beside Kubernetes."""
    requests = [spec.resources.requests for spec in SPECS.values() if spec.resources]
    assert len(requests) == 16
    assert sum(amount(each.memory) for each in requests if each and each.memory) <= 800 * 2**20
    assert sum(amount(each.cpu) for each in requests if each and each.cpu) <= amount("400m")


@pytest.mark.parametrize("name", NAMES)
def test_the_probes_are_those_of_the_contract(name: str) -> None:
    health = SPECS[name].health
    assert health is not None
    assert (health.path, health.liveness_path, health.readiness_path) == (
        contract.PATH_HEALTH, contract.PATH_LIVE, contract.PATH_READY,
    )  # fmt: skip
    assert SPECS[name].port == COMPONENT_DEFAULTS.port == contract.PORT


def test_the_catalog_is_a_sound_system() -> None:
    assert validate("alluse", parse({}), SPECS) == ()
