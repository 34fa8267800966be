"""When a system counts as being at rest."""

from __future__ import annotations

from dataclasses import replace

import pytest

from alluse_operator.api.status import ComponentState
from alluse_operator.core.plan import Mode, Plan
from alluse_operator.reconciler import settled
from desired_values import make_component, make_system
from model_cluster import ModelCluster

SYSTEM = make_system(make_component("config"), make_component("web"))


@pytest.fixture(scope="module")
def plan() -> Plan:
    passed = ModelCluster(SYSTEM, SYSTEM).reconcile()
    assert passed is not None
    return passed.plan


@pytest.mark.parametrize("state", list(ComponentState))
def test_a_state_that_lasts_is_rest_and_one_that_passes_is_not(plan: Plan, state: ComponentState) -> None:
    """A component that says for hours that it is degraded must not make the operator list for hours."""
    components = {
        name: replace(one, assessment=replace(one.assessment, state=ComponentState.HEALTHY))
        for name, one in plan.components.items()
    }
    web = components["web"]
    components["web"] = replace(web, assessment=replace(web.assessment, state=state))
    passing = {"Waiting", "Blocked", "Starting", "Unhealthy", "Recovering", "Unknown", "Stopping"}
    assert settled(replace(plan, components=components)) is (state.value not in passing)


@pytest.mark.parametrize(
    ("mode", "rest"),
    [(Mode.RUN, True), (Mode.INVALID, True), (Mode.UNTRUSTED, False), (Mode.TEARDOWN, False)],
)
def test_what_kind_of_pass_is_rest(plan: Plan, mode: Mode, rest: bool) -> None:
    assert settled(replace(plan, mode=mode, components={})) is rest
