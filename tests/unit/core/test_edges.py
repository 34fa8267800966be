"""What a component does while one that it requires is unwell: Ignore, Hold, Isolate, Stop, Restart."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from alluse_operator.api import names
from alluse_operator.api.spec import OnUnhealthy
from alluse_operator.api.status import ActionType
from alluse_operator.core import history, overlay
from alluse_operator.core.actions import Recover
from alluse_operator.core.desired import Component, Dependency, Health, RecoveryPolicy
from alluse_operator.core.objects import Ref, annotations
from desired_values import make_component, make_system
from model_cluster import ModelCluster, Pass

GRACE = timedelta(seconds=10)
HEALTH = Health(path="/health", period=timedelta(seconds=1))
#: No step of the ladder gets in the way: the safe state at once.
STILL = RecoveryPolicy(max_concurrent=2, min_healthy_percent=0, ladder=())


def on(name: str, how: OnUnhealthy) -> Dependency:
    return Dependency(name, on_unhealthy=how, grace=GRACE)


def component(name: str, *edges: Dependency) -> Component:
    return make_component(name, dependencies=edges, health=HEALTH)


def started(*components: Component, policy: RecoveryPolicy = STILL) -> ModelCluster:
    system = make_system(*components, recovery=policy)
    cluster = ModelCluster(system, system)
    run(cluster, 15)
    assert cluster.all_well()
    return cluster


def run(cluster: ModelCluster, seconds: int) -> list[Pass]:
    done = []
    for _ in range(seconds):
        found = cluster.reconcile()
        assert found is not None
        done.append(found)
        cluster.tick(1)
    return done


def pods(cluster: ModelCluster, name: str) -> list[Any]:
    return [pod for pod in cluster.pods.values() if pod.component == name and pod.deleting is None]


def grey(cluster: ModelCluster, name: str) -> None:
    for pod in pods(cluster, name):
        cluster.turn_grey(pod)


def heal(cluster: ModelCluster, name: str) -> None:
    for pod in pods(cluster, name):
        pod.grey = False


def row(cluster: ModelCluster, name: str) -> dict[str, Any]:
    assert cluster.resource is not None
    return next(row for row in cluster.resource["status"]["components"] if row["name"] == name)


def told(passes: list[Pass]) -> list[str]:
    return [event.reason.value for done in passes for event in done.report.events]


def selector(cluster: ModelCluster, name: str) -> dict[str, str]:
    return dict(cluster.objects[Ref("Service", f"shop-{name}")]["spec"]["selector"])


def replicas(cluster: ModelCluster, name: str) -> int:
    return int(cluster.objects[Ref("Deployment", f"shop-{name}")]["spec"]["replicas"])


def debts(cluster: ModelCluster, name: str) -> tuple[history.Debt, ...]:
    workload = cluster.objects[Ref("Deployment", f"shop-{name}")]
    return history.parse_debts(annotations(workload).get(names.RECOVERY_ANNOTATION, ""))


def test_isolate_takes_the_component_out_of_its_service_after_the_grace_until_the_root_is_well() -> None:
    cluster = started(component("base"), component("web", on("base", OnUnhealthy.ISOLATE)))
    grey(cluster, "base")
    run(cluster, 9)
    assert names.ISOLATED_LABEL not in selector(cluster, "web")
    passes = run(cluster, 4)
    assert selector(cluster, "web")[names.ISOLATED_LABEL] == "true"
    found = row(cluster, "web")
    assert (found["state"], found["reason"], found["causedBy"]) == ("Degraded", "Isolated", ["base"])
    assert "ComponentIsolated" in told(passes)
    assert "DriftCorrected" not in told(passes)
    assert run(cluster, 2)[-1].plan.actions == ()
    heal(cluster, "base")
    passes = run(cluster, 3)
    assert names.ISOLATED_LABEL not in selector(cluster, "web")
    assert row(cluster, "web")["state"] == "Healthy"
    assert "ComponentRejoined" in told(passes)
    assert all(pod.ready for pod in pods(cluster, "web"))


def test_stop_goes_in_reverse_order_and_comes_back_through_the_start_gate() -> None:
    cluster = started(
        component("base"),
        component("web", on("base", OnUnhealthy.STOP)),
        component("shop", on("web", OnUnhealthy.STOP)),
    )
    grey(cluster, "base")
    run(cluster, 9)
    assert (replicas(cluster, "web"), replicas(cluster, "shop")) == (1, 1)
    seen = []
    for _ in range(8):
        run(cluster, 1)
        seen.append((len(pods(cluster, "web")), len(pods(cluster, "shop"))))
    assert (1, 0) in seen
    assert (0, 1) not in seen
    assert seen[-1] == (0, 0)
    for name in ("web", "shop"):
        assert (row(cluster, name)["state"], row(cluster, name)["reason"]) == (
            "Stopped",
            "StoppedWithDependency",
        )
        assert row(cluster, name)["causedBy"] == ["base"]
    assert run(cluster, 2)[-1].plan.actions == ()
    cluster.forget()
    heal(cluster, "base")
    seen = []
    for _ in range(15):
        run(cluster, 1)
        seen.append((cluster.holds("web", "Healthy"), replicas(cluster, "shop")))
    assert (False, 1) not in seen
    assert cluster.all_well()
    assert row(cluster, "shop")["state"] == "Healthy"


@pytest.mark.parametrize("killed", [None, 0, 1])
def test_a_restart_is_owed_once_and_paid_once_whenever_the_operator_dies(killed: int | None) -> None:
    """`killed`: the operator dies with the write that notes the debt (0) or with the one that pays it (1)."""
    cluster = started(component("base"), component("web", on("base", OnUnhealthy.RESTART)))
    before = pods(cluster, "web")[0].uid
    grey(cluster, "base")
    run(cluster, 9)
    assert debts(cluster, "web") == ()
    if killed == 0:
        cluster.faults = ["kill"]
    run(cluster, 4)
    cluster.faults = []
    assert [debt.dependency for debt in debts(cluster, "web")] == ["base"]
    assert pods(cluster, "web")[0].uid == before
    run(cluster, 30)
    assert len([1 for _, a in cluster.writes if isinstance(a, Recover) and a.component == "web"]) <= 1
    heal(cluster, "base")
    if killed == 1:
        cluster.faults = ["kill"]
    run(cluster, 12)
    cluster.faults = []
    run(cluster, 5)
    assert debts(cluster, "web") == ()
    (after,) = pods(cluster, "web")
    assert after.uid != before
    run(cluster, 60)
    assert pods(cluster, "web") == [after]
    assert cluster.reached["rolled out"] == 1
    assert row(cluster, "web")["lastAction"]["type"] == "RestartOnRecovery"


def test_who_is_owed_a_restart_waits_for_those_below_that_are_owed_one() -> None:
    cluster = started(
        component("base"),
        component("web", on("base", OnUnhealthy.RESTART)),
        component("shop", on("base", OnUnhealthy.RESTART), on("web", OnUnhealthy.RESTART)),
        policy=RecoveryPolicy(max_concurrent=1, min_healthy_percent=0, ladder=()),
    )
    grey(cluster, "base")
    run(cluster, 12)
    heal(cluster, "base")
    order = []
    for _ in range(25):
        for done in run(cluster, 1):
            made = [a.component for a in done.plan.actions if isinstance(a, Recover) and a.attempt]
            assert len(made) <= 1
            order += made
    assert order == ["web", "shop"]


def test_the_grace_begins_with_this_trouble_and_not_with_an_earlier_one() -> None:
    cluster = started(component("base"), component("web", on("base", OnUnhealthy.ISOLATE)))
    grey(cluster, "base")
    run(cluster, 3)
    heal(cluster, "base")
    run(cluster, 30)
    (pod,) = pods(cluster, "base")
    attempt = history.Attempt(pod.uid, cluster.now, "ProbeFailed", 1, 1)
    workload = cluster.objects[Ref("Deployment", "shop-base")]
    workload["metadata"]["annotations"][names.RECOVERY_ANNOTATION] = history.render((attempt,), ())
    cluster.broken["base"] = "slow"
    pod.deleting = cluster.now
    run(cluster, 8)
    assert row(cluster, "base")["reason"] == "RecoveryInProgress"
    assert names.ISOLATED_LABEL not in selector(cluster, "web")
    run(cluster, 4)
    assert selector(cluster, "web")[names.ISOLATED_LABEL] == "true"


def owe_a_restart(cluster: ModelCluster, *attempts: history.Attempt) -> dict[str, Any]:
    """The Deployment of `web` with a restart on its record that is owed to it for `base`, which is well."""
    workload = cluster.objects[Ref("Deployment", "shop-web")]
    owed = (history.Debt("base", cluster.now - GRACE),)
    workload["metadata"]["annotations"][names.RECOVERY_ANNOTATION] = history.render(attempts, owed)
    return workload


def test_a_restart_that_is_owed_waits_until_the_component_s_own_recovery_has_ended() -> None:
    cluster = started(component("base"), component("web", on("base", OnUnhealthy.RESTART)))
    (pod,) = pods(cluster, "web")
    step = history.Attempt(pod.uid, cluster.now, "ProbeFailed", 1, 1, action=ActionType.RESCHEDULE_ELSEWHERE)
    cluster.turn_grey(pod)
    owe_a_restart(cluster, step)
    run(cluster, 5)
    assert debts(cluster, "web")
    assert cluster.reached["rolled out"] == 0
    heal(cluster, "web")
    run(cluster, 5)
    assert debts(cluster, "web") == ()
    assert cluster.reached["rolled out"] == 1


def test_a_restart_that_is_owed_does_not_lead_back_to_the_node_that_the_component_was_moved_from() -> None:
    cluster = started(component("base"), component("web", on("base", OnUnhealthy.RESTART)))
    workload = owe_a_restart(cluster)
    template = workload["spec"]["template"]
    template["metadata"].setdefault("annotations", {})[names.RESTARTED_AT_ANNOTATION] = "long ago"
    template["spec"] |= overlay.restarted(cluster.now, "node-9")["spec"]
    run(cluster, 10)
    assert debts(cluster, "web") == ()
    assert "node-9" in str(cluster.objects[Ref("Deployment", "shop-web")]["spec"]["template"]["spec"])


def test_a_restart_that_is_owed_waits_for_the_node_of_the_component() -> None:
    cluster = started(component("base"), component("web", on("base", OnUnhealthy.RESTART)), component("more"))
    cluster.nodes = {"node-0": True, "node-1": True}
    for pod in cluster.pods.values():
        pod.node = "node-0" if pod.component == "web" else "node-1"
    run(cluster, 1)
    cluster.nodes["node-0"] = False
    cluster.tick(1)
    owe_a_restart(cluster)
    assert not [action for done in run(cluster, 20) for action in done.plan.actions]
    assert debts(cluster, "web")
    cluster.nodes["node-0"] = True
    made = [action for done in run(cluster, 10) for action in done.plan.actions]
    assert [action.attempt.action for action in made if isinstance(action, Recover) and action.attempt] == [
        ActionType.RESTART_ON_RECOVERY
    ]


@pytest.mark.parametrize("how", [OnUnhealthy.IGNORE, OnUnhealthy.HOLD])
def test_ignore_and_hold_let_it_serve(how: OnUnhealthy) -> None:
    cluster = started(component("base"), component("web", on("base", how)))
    grey(cluster, "base")
    writes = len(cluster.writes)
    run(cluster, 40)
    assert len(cluster.writes) == writes
    assert row(cluster, "web")["state"] == "Healthy"
    grey(cluster, "web")
    run(cluster, 1)
    assert row(cluster, "web").get("causedBy") == (["base"] if how is OnUnhealthy.HOLD else None)


def test_not_to_know_stops_and_starts_nothing() -> None:
    cluster = started(component("base"), component("web", on("base", OnUnhealthy.STOP)))
    cluster.silent = {"base"}
    grey(cluster, "base")
    writes = len(cluster.writes)
    run(cluster, 40)
    assert len(cluster.writes) == writes
