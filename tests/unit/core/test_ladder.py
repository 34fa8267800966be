"""The ladder climbed on a model cluster, rung by rung, and what ends it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from alluse_operator.api import names
from alluse_operator.api.spec import RecoveryAction
from alluse_operator.core.actions import Recover
from alluse_operator.core.desired import Component, Dependency, Health, RecoveryPolicy, Rung, Storage, System
from alluse_operator.core.objects import Ref, annotations
from builders import stamp
from desired_values import make_component, make_system
from model_cluster import ModelCluster

HEALTH = Health(path="/health", period=timedelta(seconds=1))
POLICY = RecoveryPolicy(
    backoff_max=timedelta(seconds=4),
    window=timedelta(seconds=150),
    reset_after=timedelta(seconds=30),
    retry_exhausted_every=timedelta(seconds=200),
)


def component(name: str, *needs: str, **fields: Any) -> Component:
    return make_component(
        name,
        dependencies=tuple(map(Dependency, needs)),
        health=HEALTH,
        start_deadline=timedelta(seconds=20),
        **fields,
    )


def started(*components: Component, policy: RecoveryPolicy = POLICY, nodes: int = 1) -> ModelCluster:
    system = make_system(*components, recovery=policy)
    cluster = ModelCluster(system, system, nodes={f"node-{i}": True for i in range(nodes)})
    run(cluster, 12)
    assert cluster.all_well()
    return cluster


def run(cluster: ModelCluster, seconds: int, spoil: Callable[[], None] = lambda: None) -> list[str]:
    """What is done in that time, as 'component Action'. `spoil` is called each second."""
    done = []
    for _ in range(seconds):
        spoil()
        found = cluster.reconcile()
        assert found is not None
        assert found.plan.requeue_at is None or found.plan.requeue_at > found.now
        done += [
            f"{action.component} {action.attempt.action}"
            for action in found.plan.actions
            if isinstance(action, Recover) and action.attempt is not None and not action.resume
        ]
        cluster.tick(1)
    return done


def always_grey(cluster: ModelCluster, *components: str) -> Callable[[], None]:
    def spoil() -> None:
        for pod in cluster.ready_pods():
            if pod.component in components:
                cluster.turn_grey(pod)

    return spoil


def status(cluster: ModelCluster) -> dict[str, Any]:
    assert cluster.resource is not None
    return dict(cluster.resource["status"])


def row(cluster: ModelCluster, name: str) -> dict[str, Any]:
    return next(row for row in status(cluster)["components"] if row["name"] == name)


def condition(cluster: ModelCluster, kind: str) -> str:
    return next((c["reason"] for c in status(cluster)["conditions"] if c["type"] == kind), "")


def change(cluster: ModelCluster, **fields: Any) -> None:
    """A new spec: the component `base` with these fields."""
    before = cluster.system
    cluster.change(
        replace(
            before,
            identity=replace(before.identity, generation=before.generation + 1),
            components={**before.components, "base": replace(before.components["base"], **fields)},
        )
    )


OTHERS = tuple(component(name) for name in ("other", "more"))


def test_the_ladder_is_climbed_to_the_safe_state_and_tried_again_but_rarely() -> None:
    cluster = started(component("base"), component("web", "base"), *OTHERS, nodes=2)
    done = run(cluster, 150, always_grey(cluster, "base"))
    assert done == [
        "base RestartPod",
        "base RestartPod",
        "base RolloutRestart",
        "base RescheduleElsewhere",
        "base RestartDependents",
    ]
    found = row(cluster, "base")
    assert (found["rung"], found["reason"], found["attempts"]) == ("SafeState", "RecoveryBudgetExhausted", 5)
    assert found["lastAction"]["type"] == "RestartDependents"
    assert condition(cluster, "Stalled") == "RecoveryBudgetExhausted"
    assert status(cluster)["recovery"] == {"actionsInWindow": 5, "exhausted": ["base"]}
    assert f"next: RestartPod of base at {found['nextActionTime']}" in status(cluster)["cause"]
    cluster.forget()
    assert run(cluster, 200, always_grey(cluster, "base")) == ["base RestartPod"]
    for pod in cluster.pods.values():
        pod.grey = False
    run(cluster, 40)
    assert cluster.all_well()
    assert cluster.reached["rolled out"] == 2, "no later record has taken a rollout back"
    assert condition(cluster, "Ready") == "AllComponentsReady"
    assert condition(cluster, "Stalled") == ""


def test_the_pod_comes_up_on_another_node_and_stays_well() -> None:
    only = (Rung(RecoveryAction.RESCHEDULE_ELSEWHERE), Rung(RecoveryAction.SAFE_STATE))
    cluster = started(component("base"), *OTHERS, policy=replace(POLICY, ladder=only), nodes=2)

    def bad_node() -> None:
        for pod in cluster.ready_pods():
            if pod.component == "base" and pod.node == "node-0":
                cluster.turn_grey(pod)

    assert run(cluster, 40, bad_node) == ["base RescheduleElsewhere"]
    assert {pod.node for pod in cluster.pods.values() if pod.component == "base"} == {"node-1"}
    assert cluster.all_well()


@pytest.mark.parametrize(
    ("fields", "nodes", "expected"),
    [
        ({}, 1, False),
        ({}, 2, True),
        ({"storage": Storage("1Gi")}, 2, False),
    ],
    ids=["no other node", "another node", "its claim keeps it where it is"],
)
def test_another_node_is_tried_only_where_there_is_one(
    fields: dict[str, Any], nodes: int, expected: bool
) -> None:
    cluster = started(component("base", **fields), *OTHERS, nodes=nodes)
    done = run(cluster, 120, always_grey(cluster, "base"))
    assert ("base RescheduleElsewhere" in done) == expected


def test_a_new_revision_that_turns_out_bad_is_rolled_back_and_left_at_that() -> None:
    only = (Rung(RecoveryAction.ROLLBACK_COMPONENT), Rung(RecoveryAction.SAFE_STATE))
    cluster = started(component("base"), *OTHERS, policy=replace(POLICY, ladder=only))
    good = annotations(cluster.objects[Ref("Deployment", "shop-base")])[names.REVISION_ANNOTATION]
    change(cluster, image="alluse/components:bad")

    def bad_image() -> None:
        for pod in cluster.ready_pods():
            if pod.component == "base" and pod.revision != good:
                cluster.turn_grey(pod)

    assert run(cluster, 40, bad_image) == ["base RollbackComponent"]
    live = annotations(cluster.objects[Ref("Deployment", "shop-base")])
    assert live[names.REVISION_ANNOTATION] == good
    bad = live[names.ROLLED_BACK_FROM_ANNOTATION]
    found = row(cluster, "base")
    assert (found["state"], found["reason"]) == ("Degraded", "RolledBack")
    assert bad in found["message"]
    assert run(cluster, 700, bad_image) == []
    assert condition(cluster, "Ready") != "AllComponentsReady"
    change(cluster, image="alluse/components:mended")
    run(cluster, 30)
    assert cluster.all_well()
    assert condition(cluster, "Ready") == "AllComponentsReady"
    assert names.ROLLED_BACK_FROM_ANNOTATION not in annotations(
        cluster.objects[Ref("Deployment", "shop-base")]
    )


def test_what_moves_to_a_new_revision_while_it_recovers_is_starting_from_the_first_look_on() -> None:
    """It was said to be well (some old pods serve) a moment after its rollout had begun."""
    cluster = started(component("base", replicas=2), *OTHERS)
    cluster.turn_grey(next(pod for pod in cluster.ready_pods() if pod.component == "base"))
    assert run(cluster, 1) == ["base RestartPod"]
    cluster.tick(1)
    change(cluster, image="alluse/components:new")
    for _ in range(2):
        assert cluster.reconcile() is not None
        assert (row(cluster, "base")["state"], row(cluster, "base")["reason"]) == ("Starting", "RollingOut")
    run(cluster, 15)
    assert cluster.all_well()


def test_an_old_revision_is_not_to_blame() -> None:
    cluster = started(component("base"), *OTHERS)
    change(cluster, image="alluse/components:fine")
    run(cluster, 620)
    assert "base RollbackComponent" not in run(cluster, 200, always_grey(cluster, "base"))


@pytest.mark.parametrize("named", ["base", "*"])
def test_a_retry_begins_anew_at_once(named: str) -> None:
    cluster = started(component("base"), *OTHERS)
    run(cluster, 120, always_grey(cluster, "base"))
    assert row(cluster, "base")["rung"] == "SafeState"
    assert cluster.resource is not None
    cluster.resource["metadata"]["annotations"] = {names.RETRY_ANNOTATION: f"{named} {stamp(cluster.now)}"}
    assert run(cluster, 2, always_grey(cluster, "base")) == ["base RestartPod"]
    assert row(cluster, "base")["attempts"] == 1
    run(cluster, 10)
    assert cluster.all_well()


def test_a_retry_of_another_component_or_of_a_time_to_come_changes_nothing() -> None:
    cluster = started(component("base"), *OTHERS)
    run(cluster, 120, always_grey(cluster, "base"))
    assert cluster.resource is not None
    for wish in (f"other {stamp(cluster.now)}", "nonsense", f"base {stamp(cluster.now + timedelta(days=1))}"):
        cluster.resource["metadata"]["annotations"] = {names.RETRY_ANNOTATION: wish}
        assert run(cluster, 3, always_grey(cluster, "base")) == []


def test_a_new_spec_ends_the_safe_state() -> None:
    cluster = started(component("base"), *OTHERS)
    run(cluster, 120, always_grey(cluster, "base"))
    change(cluster, stop_grace=timedelta(seconds=3))
    assert "base RestartPod" in run(cluster, 30, always_grey(cluster, "base"))


def test_a_dependency_that_recovered_ends_the_safe_state() -> None:
    cluster = started(component("base"), component("web", "base"), *OTHERS)
    run(cluster, 150, always_grey(cluster, "web"))
    assert row(cluster, "web")["rung"] == "SafeState"
    run(cluster, 60, always_grey(cluster, "web"))
    run(cluster, 2, always_grey(cluster, "base", "web"))
    done = run(cluster, 40, always_grey(cluster, "web"))
    assert "web RestartPod" in done


def test_most_of_the_system_sick_suspends_recovery_and_ends_with_care() -> None:
    cluster = started(component("base"), component("web"), *OTHERS)
    spoil = always_grey(cluster, "base", "web", "other")
    done = run(cluster, 1, spoil)
    assert done == []
    assert condition(cluster, "RecoverySuspended") == "Infrastructure"
    assert row(cluster, "base")["causedBy"] == ["Infrastructure"]
    assert status(cluster)["cause"].startswith("Infrastructure: 3 of 4 components are sick")
    assert run(cluster, 198, spoil) == []
    assert len(run(cluster, 3, spoil)) == 1
    assert run(cluster, 190, spoil) == []
    assert len(run(cluster, 20, spoil)) == 1
    for pod in cluster.pods.values():
        pod.grey = False
    run(cluster, 30)
    assert condition(cluster, "RecoverySuspended") == ""
    assert cluster.all_well()


def test_checks_that_begin_to_fail_hold_the_first_action_back() -> None:
    """When all goes down at once, one component is known to be down before the others are."""
    cluster = started(component("base"), component("web"), *OTHERS)
    cluster.shaky = {"web", "other"}
    spoil = always_grey(cluster, "base")
    assert run(cluster, 3, spoil) == []
    assert condition(cluster, "RecoverySuspended") == "Infrastructure"
    count = "1 of 4 components is sick and the checks of 2 more begin to fail, with more than one root"
    said = next(row for row in status(cluster)["conditions"] if row["type"] == "RecoverySuspended")
    assert said["message"].startswith(count)
    assert status(cluster)["cause"].startswith(f"Infrastructure: {count}")
    assert "; sick: base;" in status(cluster)["cause"]
    cluster.shaky = set()
    assert run(cluster, 2, spoil) == ["base RestartPod"]
    assert condition(cluster, "RecoverySuspended") == ""


def test_checks_that_begin_to_fail_are_no_trouble_of_their_own() -> None:
    cluster = started(component("base"), component("web"), *OTHERS)
    cluster.shaky = {"base", "web", "other"}
    assert run(cluster, 5) == []
    assert condition(cluster, "RecoverySuspended") == ""
    assert cluster.all_well()


def test_one_root_that_takes_all_with_it_is_treated() -> None:
    cluster = started(
        component("base"),
        component("web", "base"),
        component("shop", "web"),
        policy=replace(POLICY, max_concurrent=3),
    )
    assert run(cluster, 1, always_grey(cluster, "base", "web", "shop")) == ["base RestartPod"]
    assert condition(cluster, "RecoverySuspended") == ""
    assert [row(cluster, name)["causedBy"] for name in ("web", "shop")] == [["base"], ["base"]]
    assert "causedBy" not in row(cluster, "base")


def test_who_waits_for_the_kubelet_is_not_restarted_with_what_it_stands_on() -> None:
    """Its back-off would begin anew."""
    only = (Rung(RecoveryAction.RESTART_DEPENDENTS), Rung(RecoveryAction.SAFE_STATE))
    policy = replace(POLICY, ladder=only, min_healthy_percent=0)
    cluster = started(component("base"), component("web", "base"), component("shop", "base"), policy=policy)
    cluster.broken["web"] = "crash"
    for pod in cluster.ready_pods():
        if pod.component == "web":
            cluster.crash(pod)
    run(cluster, 3)
    before = {pod.component: pod.uid for pod in cluster.pods.values()}
    assert run(cluster, 10, always_grey(cluster, "base")) == ["base RestartDependents"]
    after = {pod.component: pod.uid for pod in cluster.pods.values()}
    assert after["web"] == before["web"]
    assert after["shop"] != before["shop"]


def test_one_recovery_at_a_time_until_the_successor_is_ready() -> None:
    cluster = started(component("base"), component("web"), *OTHERS, component("last"))
    always_grey(cluster, "base", "web")()
    seen = []
    for _ in range(12):
        seen.append(run(cluster, 1))
        here = {pod.component for pod in cluster.ready_pods() if not pod.grey}
        if seen[-1] == ["web RestartPod"]:
            assert "base" in here
    assert [step for step in seen if step] == [["base RestartPod"], ["web RestartPod"]]
    assert cluster.all_well()


def test_a_symptom_is_given_time_after_its_root_and_then_treated_itself() -> None:
    cluster = started(component("base"), component("web", "base"), *OTHERS)
    run(cluster, 1, always_grey(cluster, "base", "web"))
    done = run(cluster, 5)
    assert done == []
    recovered = row(cluster, "base")
    assert recovered["state"] == "Healthy"
    assert "has just recovered" in row(cluster, "web")["message"]
    assert run(cluster, 6) == ["web RestartPod"]


def test_nothing_is_done_about_pods_on_a_lost_node() -> None:
    cluster = started(component("base"), component("web", "base"), *OTHERS, nodes=2)
    for pod in cluster.pods.values():
        pod.node = "node-0" if pod.component in ("base", "web") else "node-1"
    cluster.nodes["node-0"] = False
    cluster.tick(1)
    assert run(cluster, 100) == []
    assert condition(cluster, "RecoverySuspended") == "NodesNotReady"
    assert row(cluster, "base")["causedBy"] == ["Node/node-0"]
    assert cluster.resource["status"]["cause"].startswith(
        "Node/node-0: base Unhealthy (NodeUnreachable: node node-0 "
    )
    assert row(cluster, "web")["causedBy"] == ["Node/node-0"]


def test_a_crash_between_the_record_and_the_way_back_is_made_good() -> None:
    only = (Rung(RecoveryAction.ROLLBACK_COMPONENT), Rung(RecoveryAction.SAFE_STATE))
    cluster = started(component("base"), *OTHERS, policy=replace(POLICY, ladder=only))
    good = annotations(cluster.objects[Ref("Deployment", "shop-base")])[names.REVISION_ANNOTATION]
    change(cluster, image="alluse/components:bad")
    run(cluster, 6)
    always_grey(cluster, "base")()
    cluster.faults = ["kill"]
    run(cluster, 1)
    cluster.faults = []
    live = annotations(cluster.objects[Ref("Deployment", "shop-base")])
    assert names.RECOVERY_ANNOTATION in live
    assert live[names.REVISION_ANNOTATION] != good
    assert run(cluster, 10) == []
    assert annotations(cluster.objects[Ref("Deployment", "shop-base")])[names.REVISION_ANNOTATION] == good
    assert cluster.reached["rolled back"] == 1


def test_a_system_in_its_safe_state_is_the_same_to_a_new_operator() -> None:
    system: System = make_system(component("base"), *OTHERS, recovery=POLICY)
    cluster = ModelCluster(system, system, nodes={"node-0": True})
    run(cluster, 12)
    run(cluster, 120, always_grey(cluster, "base"))
    before = row(cluster, "base")
    cluster.desired = make_system(component("base"), *OTHERS, recovery=POLICY)
    assert run(cluster, 5, always_grey(cluster, "base")) == []
    assert row(cluster, "base") == before
