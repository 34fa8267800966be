"""The table of components and events is whole, and light enough for the operator to read."""

import subprocess
import sys
from pathlib import Path

import pytest

from alluse import contract
from alluse.contract import ALL, COMPONENTS, ComponentFacts

COMPONENTS_ROOT = Path(contract.__file__).parents[1]


def test_there_are_sixteen_in_their_order() -> None:
    assert len(COMPONENTS) == 16
    orders = [facts.order for facts in COMPONENTS.values()]
    assert orders == sorted(set(orders))
    assert all(name == facts.name for name, facts in COMPONENTS.items())


def test_hard_dependencies_start_earlier_than_those_who_need_them() -> None:
    """So they cannot form a cycle, and the number can break ties without contradicting an edge."""
    for facts in COMPONENTS.values():
        for name in facts.hard:
            assert COMPONENTS[name].order < facts.order


def test_the_agent_needs_what_it_computes_with() -> None:
    assert set(COMPONENTS["enhanced-agent"].hard) == {
        "memory-manager",
        "intent-detector",
        "entity-extractor",
        "market-analyzer",
        "position-sizer",
        "delta-selector",
        "portfolio-risk-monitor",
    }


@pytest.mark.parametrize("facts", COMPONENTS.values(), ids=list(COMPONENTS))
def test_names_that_are_used_exist(facts: ComponentFacts) -> None:
    assert set(facts.hard) <= set(COMPONENTS) - {facts.name}
    assert set(facts.soft) <= (set(COMPONENTS) | {ALL}) - {facts.name}
    assert not set(facts.hard) & set(facts.soft)
    calls = set(facts.calls)
    assert facts.name not in calls
    assert set(facts.hard) <= calls
    assert {"config-manager", "production-logger"} - {facts.name} <= calls


def test_those_who_watch_all_call_all() -> None:
    for name in ("config-manager", "metrics-collector", "health-monitor", "performance-optimizer"):
        assert set(COMPONENTS[name].calls) == set(COMPONENTS) - {name}


def test_what_must_survive_has_a_claim() -> None:
    assert {name for name, facts in COMPONENTS.items() if facts.stateful} == {
        "config-manager",
        "production-logger",
        "metrics-collector",
        "alert-manager",
        "performance-optimizer",
        "portfolio-risk-monitor",
        "drawdown-protection",
        "memory-manager",
    }


def test_reading_the_contract_imports_nothing_else() -> None:
    code = (
        "import sys; before = set(sys.modules); import alluse.contract; "
        "print(*(set(sys.modules) - before - {'alluse', 'alluse.contract'}))"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-c",
            f"import sys; sys.path.insert(0, {str(COMPONENTS_ROOT)!r}); import typing; {code}",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == []
