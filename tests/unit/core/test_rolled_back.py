"""A component that went back to its last good revision is looked after like any other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from alluse_operator.api import names
from alluse_operator.api.spec import OnUnhealthy, RecoveryAction
from alluse_operator.core import history
from alluse_operator.core.actions import Recover
from alluse_operator.core.desired import Component, Dependency, Health, RecoveryPolicy, Rung
from alluse_operator.core.objects import Ref, annotations
from builders import stamp
from desired_values import make_component, make_system
from model_cluster import ModelCluster

HEALTH = Health(path="/health", period=timedelta(seconds=1))
POLICY = RecoveryPolicy(
    ladder=(
        Rung(RecoveryAction.RESTART_POD, 2),
        Rung(RecoveryAction.ROLLBACK_COMPONENT),
        Rung(RecoveryAction.SAFE_STATE),
    ),
    max_concurrent=2,
    min_healthy_percent=0,
)
MIDDLE = Ref("Deployment", "shop-middle")


def component(name: str, *edges: Dependency) -> Component:
    return make_component(name, dependencies=edges, health=HEALTH, start_deadline=timedelta(seconds=20))


def on(name: str, how: OnUnhealthy = OnUnhealthy.HOLD) -> Dependency:
    return Dependency(name, on_unhealthy=how, grace=timedelta(seconds=2))


class RolledBack:
    """base <- middle <- top: the second revision of `middle` is bad, and it has gone back to the first."""

    def __init__(self, below: OnUnhealthy = OnUnhealthy.HOLD, above: OnUnhealthy = OnUnhealthy.HOLD) -> None:
        system = make_system(
            component("base"),
            component("middle", on("base", below)),
            component("top", on("middle", above)),
            recovery=POLICY,
        )
        self.cluster = ModelCluster(system, system)
        self.run(15)
        assert self.cluster.all_well()
        self.good = self.revision()
        self.change("bad")

    def run(self, seconds: int, spoil: Callable[[], None] = lambda: None) -> None:
        """`middle` fails its checks in any revision but the first; `spoil` is called each second."""
        for _ in range(seconds):
            for pod in self.cluster.ready_pods():
                if pod.component == "middle" and pod.revision != getattr(self, "good", pod.revision):
                    self.cluster.turn_grey(pod)
            spoil()
            assert self.cluster.reconcile() is not None
            self.cluster.tick(1)

    def go_back(self) -> None:
        self.run(30)
        live = annotations(self.cluster.objects[MIDDLE])
        assert live[names.REVISION_ANNOTATION] == self.good
        assert live[names.ROLLED_BACK_FROM_ANNOTATION]
        assert self.row("middle")["reason"] == "RolledBack"

    def change(self, tag: str) -> None:
        before = self.cluster.system
        changed = replace(before.components["middle"], image=f"alluse/components:{tag}")
        self.cluster.change(
            replace(
                before,
                identity=replace(before.identity, generation=before.generation + 1),
                components={**before.components, "middle": changed},
            )
        )

    def revision(self) -> str:
        return annotations(self.cluster.objects[MIDDLE])[names.REVISION_ANNOTATION]

    def replicas(self, name: str = "middle") -> int:
        return int(self.cluster.objects[Ref("Deployment", f"shop-{name}")]["spec"]["replicas"])

    def row(self, name: str) -> dict[str, Any]:
        assert self.cluster.resource is not None
        return next(row for row in self.cluster.resource["status"]["components"] if row["name"] == name)

    def grey(self, name: str) -> None:
        for pod in self.cluster.ready_pods():
            if pod.component == name:
                self.cluster.turn_grey(pod)

    def heal(self, name: str) -> None:
        for pod in self.cluster.pods.values():
            if pod.component == name:
                pod.grey = False


def test_it_stops_with_its_dependency_and_comes_back_to_its_last_good_revision() -> None:
    world = RolledBack(below=OnUnhealthy.STOP)
    world.go_back()
    world.run(12, lambda: world.grey("base"))
    assert world.replicas() == 0
    assert (world.row("middle")["state"], world.row("middle")["reason"]) == (
        "Stopped",
        "StoppedWithDependency",
    )
    assert world.revision() == world.good
    world.heal("base")
    world.run(15)
    assert (world.replicas(), world.revision()) == (1, world.good)
    assert world.row("middle")["reason"] == "RolledBack"
    assert [pod.revision for pod in world.cluster.ready_pods() if pod.component == "middle"] == [world.good]


def test_a_new_spec_reaches_it_although_it_is_stopped() -> None:
    world = RolledBack(below=OnUnhealthy.STOP)
    world.go_back()
    world.run(12, lambda: world.grey("base"))
    world.change("mended")
    world.heal("base")
    world.good = "any"
    for _ in range(20):
        assert world.cluster.reconcile() is not None
        world.cluster.tick(1)
    assert world.cluster.all_well()


def test_somebody_s_edit_of_it_is_put_right_at_once() -> None:
    world = RolledBack()
    world.go_back()
    world.cluster.objects[MIDDLE]["spec"]["replicas"] = 5
    world.run(1)
    assert world.replicas() == 1
    done = world.cluster.reconcile()
    assert done is not None
    assert not done.plan.actions, "and then it rests"


def test_who_was_stopped_with_it_comes_back_although_it_is_not_in_the_revision_that_is_wanted() -> None:
    world = RolledBack(above=OnUnhealthy.STOP)
    stopped = []
    world.run(40, lambda: stopped.append(world.replicas("top")))
    assert 0 in stopped
    assert world.row("middle")["reason"] == "RolledBack"
    assert world.replicas("top") == 1
    assert world.row("top")["state"] == "Healthy"


@pytest.mark.parametrize("restarted", [False, True], ids=["the operator goes on", "a new operator"])
def test_who_stands_on_it_is_made_again_when_somebody_deletes_it(restarted: bool) -> None:
    world = RolledBack()
    world.go_back()
    if restarted:
        world.cluster.forget()
    del world.cluster.objects[Ref("Deployment", "shop-top")]
    for pod in world.cluster.pods.values():
        if pod.component == "top":
            pod.deleting = world.cluster.now
    world.run(10)
    assert world.row("top")["state"] == "Healthy"


def test_a_new_revision_of_who_stands_on_it_waits_until_it_has_its_own() -> None:
    """Providers first: what was made for the new revision is not put on top of the old one."""
    world = RolledBack()
    world.go_back()
    before = world.cluster.system
    top = replace(before.components["top"], image="alluse/components:new")
    world.cluster.change(
        replace(
            before,
            identity=replace(before.identity, generation=before.generation + 1),
            components={**before.components, "top": top},
        )
    )
    world.run(10)
    assert "its new revision waits for middle to be Healthy" in world.row("top")["message"]


def test_a_restart_that_is_owed_for_it_is_paid_when_it_works_again() -> None:
    world = RolledBack(above=OnUnhealthy.RESTART)
    first = next(pod.uid for pod in world.cluster.pods.values() if pod.component == "top")
    world.run(60)
    assert world.row("middle")["reason"] == "RolledBack"
    assert world.row("top")["lastAction"]["type"] == "RestartOnRecovery"
    assert first not in {pod.uid for pod in world.cluster.pods.values()}


def kept_of(world: RolledBack) -> list[Ref]:
    return [ref for ref in world.cluster.objects if ref.kind == "ControllerRevision"]


def forget_the_way_back(world: RolledBack) -> None:
    for ref in kept_of(world):
        del world.cluster.objects[ref]


def test_what_it_runs_is_kept_again_when_somebody_deletes_what_was_kept() -> None:
    world = RolledBack(below=OnUnhealthy.STOP)
    world.go_back()
    forget_the_way_back(world)
    world.run(1)
    assert "what it runs is kept again" in world.row("middle")["message"]
    assert len(kept_of(world)) == 1
    world.cluster.objects[MIDDLE]["spec"]["replicas"] = 5
    world.run(2)
    assert (world.replicas(), world.revision()) == (1, world.good)
    world.run(12, lambda: world.grey("base"))
    assert world.replicas() == 0
    world.heal("base")
    world.run(15)
    assert (world.replicas(), world.revision()) == (1, world.good)
    assert world.row("middle")["reason"] == "RolledBack"
    done = world.cluster.reconcile()
    assert done is not None
    assert not done.plan.actions, "and then it rests"


@pytest.mark.parametrize("how", ["edited", "stopped"])
def test_nobody_knows_the_way_back_any_more_so_it_goes_on_to_what_is_wanted(how: str) -> None:
    """What runs is not what was applied, so it cannot be kept; the spec is all that there is to go by."""
    world = RolledBack(below=OnUnhealthy.STOP)
    world.go_back()
    wanted = annotations(world.cluster.objects[MIDDLE])[names.ROLLED_BACK_FROM_ANNOTATION]
    if how == "stopped":
        world.run(12, lambda: world.grey("base"))
        assert world.replicas() == 0
    else:
        world.cluster.objects[MIDDLE]["spec"]["replicas"] = 5
    forget_the_way_back(world)
    world.run(1, lambda: world.grey("base") if how == "stopped" else None)
    assert world.row("middle")["message"].endswith("unless that can be kept, it goes on to what is wanted")
    world.heal("base")
    world.run(15)
    assert world.revision() == wanted
    assert names.ROLLED_BACK_FROM_ANNOTATION not in annotations(world.cluster.objects[MIDDLE])
    assert world.replicas() == 1


def test_what_ran_well_is_kept_when_a_stop_meets_a_new_spec() -> None:
    """The stop writes the new revision, with no pods; the way back from it must not be lost."""
    world = RolledBack(below=OnUnhealthy.STOP)
    world.run(6, lambda: world.grey("base"))
    assert world.replicas() == 0
    assert world.revision() != world.good
    assert len(kept_of(world)) == 1
    world.heal("base")
    world.run(40)
    assert world.revision() == world.good
    assert (world.row("middle")["reason"], world.replicas()) == ("RolledBack", 1)


def test_a_way_back_in_the_moment_of_a_retry_comes_after_it() -> None:
    """Or it would go to and fro for as long as the clock shows this moment."""
    world = RolledBack()
    world.go_back()
    record = annotations(world.cluster.objects[MIDDLE])[names.RECOVERY_ANNOTATION]
    assert world.cluster.resource is not None
    moment = stamp(history.parse(record)[-1].at)
    world.cluster.resource["metadata"]["annotations"] = {names.RETRY_ANNOTATION: f"middle {moment}"}
    world.run(5)
    assert world.revision() == world.good


def test_a_retry_is_no_reason_to_go_on_with_the_way_back_of_before() -> None:
    """While the sick pod still lives the way back could be carried on, and the retry obeyed, by turns."""
    world = RolledBack()
    for _ in range(30):
        world.run(1)
        if world.revision() == world.good and kept_of(world):
            break
    assert any(pod.grey for pod in world.cluster.pods.values() if pod.component == "middle")
    assert world.cluster.resource is not None
    world.cluster.resource["metadata"]["annotations"] = {
        names.RETRY_ANNOTATION: f"middle {stamp(world.cluster.now)}"
    }
    seen, done = [], []
    for _ in range(4):
        found = world.cluster.reconcile()
        assert found is not None
        seen.append(world.revision() == world.good)
        done += [a.resume for a in found.plan.actions if isinstance(a, Recover)]
    assert not seen[0]
    assert seen == sorted(seen), "to and fro"
    assert not any(done)
