"""Whatever happens, the promises hold: machines that run into trouble by chance, and ways laid out by hand.

The last tests count what the runs reached, because a machine that never gets to a restart proves nothing about
restarts.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from alluse_operator.api.spec import OnUnhealthy, Requirement
from alluse_operator.core.desired import Dependency, Health, RecoveryPolicy, System
from alluse_operator.core.objects import Ref
from builders import built_of
from cluster_machine import ClusterMachine
from desired_values import make_component, make_system
from strategies import climbing, systems

REACHED: Counter[str] = Counter()
CLIMBED: Counter[str] = Counter()
_QUICK = Health(path="/health", period=timedelta(seconds=1))


class AnyMachine(ClusterMachine):
    reached = REACHED


_CI = os.environ.get("HYPOTHESIS_PROFILE", "check") == "ci"
TestCluster = AnyMachine.TestCase
TestCluster.settings = settings(
    max_examples=150 if _CI else 50,
    stateful_step_count=40 if _CI else 25,
    suppress_health_check=list(HealthCheck),
)


class LadderMachine(ClusterMachine):
    """The same world on several nodes, with ladders in any order and components that stay sick: up the ladder."""

    reached = CLIMBED
    #: What one look does may call for the next, and twice at most: a restart of what was Starting (a pod of its
    #: rollout is sick) makes it Recovering, which is unwell, so that an edge whose grace is over stops what stands on
    #: it at the next look; where that was starting, the start that waited for its place begins at the one after.
    looks = 3
    # Less of what leads elsewhere.
    the_system_is_deleted = None
    the_spec_is_invalid_for_a_while = None
    the_last_component_is_removed = None
    the_mirror_is_too_old = None
    a_child_is_edited = None
    a_component_is_broken = None
    everything_gets_a_new_version = None

    @initialize(system=systems(recovery=climbing), nodes=st.integers(2, 3))
    def begin(self, system: System, nodes: int) -> None:
        super().begin(system, "")
        self.cluster.nodes = {f"node-{number}": True for number in range(nodes)}
        self._go(8)

    def _go(self, count: int, seconds: int = 1) -> None:
        for _ in range(count):
            self.cluster.tick(seconds)
            self._pass()

    def _services(self) -> list[str]:
        """Components with a ready pod, those that others stand on first."""
        ready = {pod.component for pod in self.cluster.ready_pods()}
        return [name for name in self.cluster.system.components if name in ready]

    @precondition(lambda self: self._services())
    @rule(data=st.data(), count=st.integers(5, 25), killed=st.sampled_from((0, 0, 2, 4)))
    def a_component_stays_sick(self, data: Any, count: int, killed: int) -> None:
        """For long enough to climb; perhaps the operator is killed at the first write of some passes."""
        name = data.draw(st.sampled_from(self._services()))
        for round_ in range(count):
            self.cluster.faults = ["kill"] if round_ < killed else []
            for pod in self.cluster.ready_pods():
                if pod.component == name:
                    self._fail(pod, "grey")
            self._go(1, 2)
        self.cluster.faults = []

    @precondition(lambda self: self._services())
    @rule(data=st.data(), count=st.integers(3, 15))
    def a_component_is_sick_on_one_node(self, data: Any, count: int) -> None:
        name = data.draw(st.sampled_from(self._services()))
        bad = next(pod.node for pod in self.cluster.ready_pods() if pod.component == name)
        for _ in range(count):
            for pod in self.cluster.ready_pods():
                if pod.component == name and pod.node == bad:
                    self._fail(pod, "grey")
            self._go(1, 2)

    @precondition(lambda self: self.deleted_at is None and self._services())
    @rule(data=st.data(), count=st.integers(6, 25), writes=st.integers(0, 9))
    def a_new_revision_is_bad(self, data: Any, count: int, writes: int) -> None:
        name = data.draw(st.sampled_from(self._services()))
        for pod in self.cluster.pods.values():
            pod.grey = False
        self._go(6)
        before = self.cluster.system
        generation = before.generation + 1
        changed = replace(before.components[name], image=f"alluse/components:{generation}")
        self.cluster.change(
            replace(
                before,
                identity=replace(before.identity, generation=generation),
                components={**before.components, name: changed},
            )
        )
        self.cluster.bad.add((name, built_of(self.cluster.system)[name].revision))
        self.cluster.faults = ["ok"] * writes + ["kill"] if writes < 6 else []
        self._go(count, 2)
        self.cluster.faults = []

    @precondition(lambda self: all(self.cluster.nodes.values()))
    @rule(data=st.data(), count=st.integers(2, 6))
    def a_node_is_lost(self, data: Any, count: int) -> None:
        self.cluster.nodes[data.draw(st.sampled_from(sorted(self.cluster.nodes)))] = False
        self._go(count)

    @precondition(lambda self: not all(self.cluster.nodes.values()))
    @rule()
    def the_node_is_back(self) -> None:
        self.cluster.nodes = dict.fromkeys(self.cluster.nodes, True)
        self._go(3)

    @precondition(lambda self: self.deleted_at is None)
    @rule(data=st.data())
    def a_person_asks_for_a_retry(self, data: Any) -> None:
        self._retry(data.draw(st.sampled_from(("*", *self.cluster.system.components))))
        self._go(3)


TestLadder = LadderMachine.TestCase
TestLadder.settings = settings(
    max_examples=100 if _CI else 40,
    stateful_step_count=30 if _CI else 12,
    suppress_health_check=list(HealthCheck),
)


def test_a_walk_to_the_rare_places() -> None:
    """Where chance seldom leads in a small run: the same promises are watched on a way laid out by hand."""
    before = set(REACHED)
    base = make_component("base", start_deadline=timedelta(seconds=20))
    soft = make_component(
        "soft",
        start_deadline=timedelta(seconds=15),
        dependencies=(Dependency("base", requirement=Requirement.PREFERRED),),
    )
    system = make_system(
        base,
        soft,
        recovery=RecoveryPolicy(
            backoff_initial=timedelta(seconds=3),
            max_actions=3,
            min_healthy_percent=0,
            retry_exhausted_every=timedelta(seconds=60),
        ),
    )
    machine = AnyMachine()
    machine.begin(system, "slow")
    machine.calm(6)
    for _ in range(8):
        machine.time_passes(2)
    machine.cluster.broken = {}
    machine.calm(6)
    machine.writes_fail(["refuse"], 1)
    del machine.cluster.objects[Ref("Service", "shop-base")]
    machine.writes_fail(["refuse"], 1)
    del machine.cluster.objects[Ref("Service", "shop-base")]
    machine.writes_fail(["lose"], 1)
    pod = next(pod for pod in machine.cluster.ready_pods() if pod.component == "base")
    machine.cluster.turn_grey(pod)
    machine.cluster.faults = ["kill"]
    machine._pass(write_status=False)
    machine.calm(3)
    for _ in range(12):
        for pod in machine.cluster.ready_pods():
            if pod.component == "base":
                machine.cluster.turn_grey(pod)
        machine.time_passes(0.5)
    machine.teardown()
    assert {
        "preferred skipped",
        "write refused",
        "answer lost",
        "killed between record and eviction",
        "resumed",
        "RecoveryBackoff",
        "RecoveryBudgetExhausted",
    } <= set(REACHED), before


def test_a_walk_along_the_edges_and_out_of_the_infrastructure() -> None:
    grace = timedelta(seconds=3)

    def edge(how: OnUnhealthy) -> tuple[Dependency, ...]:
        return (Dependency("base", on_unhealthy=how, grace=grace),)

    system = make_system(
        make_component("base", health=_QUICK),
        make_component("stops", health=_QUICK, dependencies=edge(OnUnhealthy.STOP)),
        make_component("apart", health=_QUICK, dependencies=edge(OnUnhealthy.ISOLATE)),
        make_component("again", health=_QUICK, dependencies=edge(OnUnhealthy.RESTART)),
        make_component("other", health=_QUICK),
        recovery=RecoveryPolicy(ladder=(), retry_exhausted_every=timedelta(seconds=60)),
    )
    machine = AnyMachine()
    machine.begin(system, "")
    machine.calm(6)
    machine.calm(6)
    for _ in range(7):
        for pod in machine.cluster.ready_pods():
            if pod.component == "base":
                machine.cluster.turn_grey(pod)
        machine.calm(2)
        machine.operator_restarts()
    for pod in machine.cluster.pods.values():
        pod.grey = False
    machine.calm(6)
    machine.calm(6)
    for _ in range(4):
        for pod in machine.cluster.ready_pods():
            if pod.component in ("base", "other", "again"):
                machine.cluster.crash(pod)
        machine._pass()
        machine.cluster.tick(0.1)
    machine.teardown()
    assert {
        "Isolated",
        "StoppedWithDependency",
        "debt noted",
        "RestartOnRecovery",
        "suspended Infrastructure",
    } <= set(REACHED)


#: What the machine and the walks have to have seen at least once to prove anything.
_MUST_REACH = (
    "started",
    "restarted",
    "resumed",
    "replaced",
    "removed",
    "drift corrected",
    "fixpoint",
    "converged",
    "untrusted",
    "deleted",
    "ended",
    "stopped in order",
    "write refused",
    "answer lost",
    "killed between record and eviction",
    "RecoveryBackoff",
    "RecoveryBudgetExhausted",
    "RecoveryBudgetInUse",
    "DependencyUnhealthy",
    "preferred skipped",
    "revision kept",
    "RolloutRestart",
    "suspended Infrastructure",
    "Isolated",
    "StoppedWithDependency",
    "debt noted",
    "RestartOnRecovery",
)


@pytest.mark.parametrize("what", _MUST_REACH)
def test_the_machine_reaches_what_it_is_there_for(what: str) -> None:
    """Runs after the machine, in the same process."""
    assert REACHED[what] > 0, str(dict(REACHED))


#: What the machine on several nodes has to have seen, by chance alone: each step of the ladder.
_MUST_CLIMB = (
    "RestartPod",
    "RolloutRestart",
    "RescheduleElsewhere",
    "RollbackComponent",
    "RestartDependents",
    "RecoveryBudgetExhausted",
    "killed between record and eviction",
    "NodeUnreachable",
    "suspended NodesNotReady",
    "left at its last good revision",
)


@pytest.mark.parametrize("what", _MUST_CLIMB)
def test_every_step_of_the_ladder_is_reached_by_chance(what: str) -> None:
    assert CLIMBED[what] > 0, str(dict(CLIMBED))
