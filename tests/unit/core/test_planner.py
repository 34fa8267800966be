"""Particular decisions of the planner, each as a situation."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import timedelta
from typing import Any

from alluse_operator.api.spec import ComponentType, Requirement
from alluse_operator.core.actions import Apply, ApplyReason, Delete, Propagation
from alluse_operator.core.desired import Component, Dependency, Startup, Storage, System
from alluse_operator.core.objects import Ref
from alluse_operator.core.plan import Plan
from alluse_operator.core.planner import make_plan
from builders import T0, at, built_of, make_live, make_pod, make_resource, make_snapshot, stamp
from desired_values import make_component, make_system
from model_cluster import ModelCluster

LOW = make_component("low")
HIGH = make_component("high", dependencies=(Dependency("low"),), start_deadline=timedelta(seconds=60))


def live_system(system: System, *names: str, ready: bool = True) -> tuple[list[Any], list[Any]]:
    """Objects and pods of a system of which `names` run."""
    objects, pods = [], []
    for name, built in built_of(system).items():
        objects += [make_live(obj) for obj in built.supporting]
        if name in names:
            objects.append(make_live(built.workload))
            if ready:
                pods.append(make_pod(built.workload, f"{name}-0", running=at(1), ready=at(2)))
    return objects, pods


def plan(system: System, objects: Any = (), pods: Any = (), now: float = 10, status: Any = None) -> Plan:
    resource = make_resource(system, status=status)
    snapshot = make_snapshot(system, objects=objects, pods=pods, resource=resource, now=at(now))
    return make_plan(system, built_of(system), snapshot, at(now))


def workloads(found: Plan) -> list[tuple[str, str]]:
    return [
        (type(action).__name__, action.ref.name)
        for action in found.actions
        if isinstance(action, Apply | Delete) and action.ref.kind in ("Deployment", "StatefulSet", "Job")
    ]


def changed(component: Component) -> Component:
    return replace(component, image="alluse/components:2")


def test_a_new_revision_goes_providers_first() -> None:
    objects, pods = live_system(make_system(LOW, HIGH), "low", "high")
    found = plan(make_system(changed(LOW), changed(HIGH)), objects, pods)
    assert workloads(found) == [("Apply", "shop-low")]
    assert found.components["high"].waits[0].why == "Healthy in an older revision"
    assert found.components["high"].assessment.state == "Healthy"


def test_only_what_changed_moves() -> None:
    objects, pods = live_system(make_system(LOW, HIGH), "low", "high")
    assert workloads(plan(make_system(LOW, changed(HIGH)), objects, pods)) == [("Apply", "shop-high")]


def test_a_lost_dependency_stops_nobody() -> None:
    system = make_system(LOW, HIGH)
    objects, pods = live_system(system, "high")
    found = plan(system, objects, pods)
    assert workloads(found) == [("Apply", "shop-low")]


def test_an_edited_workload_is_put_right_whatever_the_gate_says() -> None:
    system = make_system(LOW, HIGH)
    objects, pods = live_system(system, "high")
    next(o for o in objects if o["kind"] == "Deployment")["spec"]["replicas"] = 3
    found = plan(system, objects, pods)
    restored = [a for a in found.actions if isinstance(a, Apply) and a.ref.name == "shop-high"]
    assert [(a.reason, a.drifted) for a in restored] == [(ApplyReason.RESTORE, ("spec.replicas",))]


def test_a_field_we_no_longer_want_is_an_update() -> None:
    system = make_system(replace(LOW, stop_grace=timedelta(seconds=3)))
    objects, pods = live_system(system, "low")
    service = next(o for o in objects if o["kind"] == "Service")
    service["metadata"]["annotations"]["alluse.io/applied"] = "older"
    found = plan(system, objects, pods)
    assert [a.reason for a in found.actions if isinstance(a, Apply)] == [ApplyReason.UPDATE]


def test_the_slots_of_a_start_are_kept() -> None:
    crowd = make_system(*(make_component(name) for name in "abc"), startup=Startup(max_parallel=2))
    found = plan(crowd)
    assert workloads(found) == [("Apply", "shop-a"), ("Apply", "shop-b")]
    assert found.components["c"].assessment.reason == "WaitingForSlot"


def test_a_job_of_a_new_revision_is_deleted_and_made_again() -> None:
    job = make_component("job", kind=ComponentType.JOB)
    objects, _ = live_system(make_system(job), "job", ready=False)
    new = make_system(changed(job))
    found = plan(new, objects)
    delete = next(a for a in found.actions if isinstance(a, Delete) and a.ref.kind == "Job")
    assert delete.propagation is Propagation.FOREGROUND
    assert workloads(plan(new, [o for o in objects if o["kind"] != "Job"])) == [("Apply", "shop-job")]


def test_storage_makes_another_kind_in_two_steps() -> None:
    objects, pods = live_system(make_system(LOW), "low")
    stateful = make_system(replace(LOW, storage=Storage("1Gi")))
    assert workloads(plan(stateful, objects, pods)) == [("Delete", "shop-low")]


def test_a_workload_of_another_kind_beside_the_wanted_one_is_a_left_over() -> None:
    system = make_system(replace(LOW, storage=Storage("1Gi")))
    objects, pods = live_system(system, "low")
    other = make_live(built_of(make_system(LOW))["low"].workload)
    assert workloads(plan(system, [*objects, other], pods)) == [("Delete", "shop-low")]


def test_a_changed_claim_is_refused_before_the_api_server_does() -> None:
    objects, pods = live_system(make_system(replace(LOW, storage=Storage("1Gi"))), "low")
    found = plan(make_system(replace(LOW, storage=Storage("2Gi"))), objects, pods)
    assert workloads(found) == []
    assert found.components["low"].assessment.reason == "StorageImmutable"
    assert "put the old value back" in found.components["low"].assessment.message


def test_a_stateful_pod_stuck_in_an_old_revision_is_removed() -> None:
    system = make_system(replace(LOW, storage=Storage("1Gi")))
    objects, _ = live_system(system, "low")
    stuck = make_pod(
        built_of(system)["low"].workload, "low-0", revision="old", waiting=("ImagePullBackOff", "")
    )
    found = plan(system, objects, [stuck])
    assert [a.ref for a in found.actions if isinstance(a, Delete)] == [Ref("Pod", "low-0")]


def test_an_immutable_map_with_other_content_is_replaced() -> None:
    system = make_system(replace(LOW, config={"a": "1"}))
    objects, pods = live_system(system, "low")
    found_map = next(o for o in objects if o["kind"] == "ConfigMap")
    found_map["data"] = {"config.json": "{}"}
    found = plan(system, objects, pods)
    assert [a.ref.kind for a in found.actions if isinstance(a, Delete)] == ["ConfigMap"]


def test_removed_components_go_in_reverse_order() -> None:
    objects, pods = live_system(make_system(LOW, HIGH), "low", "high")
    rest = make_system(make_component("other"))
    found = plan(rest, objects, pods)
    assert ("Delete", "shop-high") in workloads(found)
    assert ("Delete", "shop-low") not in workloads(found)
    assert found.components["low"].removed
    without = [o for o in objects if o["metadata"]["name"] != "shop-high"]
    assert ("Delete", "shop-low") in workloads(plan(rest, without, pods[:1]))


def test_supporting_objects_of_a_removed_component_go_last() -> None:
    objects, pods = live_system(make_system(LOW), "low")
    rest = make_system(make_component("other"))
    assert not [
        a for a in plan(rest, objects, pods).actions if isinstance(a, Delete) and a.ref.kind == "Service"
    ]
    gone = plan(rest, [o for o in objects if o["kind"] != "Deployment"])
    assert {a.ref.kind for a in gone.actions if isinstance(a, Delete)} >= {"Service", "ServiceAccount"}


def test_a_removed_component_that_is_needed_for_ever_goes_at_the_deadline() -> None:
    old = make_system(LOW, HIGH)
    objects, pods = live_system(old, "low", "high")
    blocked = replace(HIGH, dependencies=(Dependency("never"),), image="alluse/components:2")
    rest = make_system(make_component("never"), blocked)
    row = {"name": "low", "state": "Stopping", "since": stamp(T0)}
    assert ("Delete", "shop-low") not in workloads(plan(rest, objects, pods, 29, {"components": [row]}))
    assert ("Delete", "shop-low") in workloads(plan(rest, objects, pods, 30, {"components": [row]}))


def test_observed_components_are_never_written_to() -> None:
    system = make_system(replace(LOW, managed=False))
    objects, pods = live_system(make_system(LOW), "low")
    objects[0]["metadata"]["labels"]["alluse.io/system"] = "shop"
    assert plan(system, objects, pods).actions == ()


def test_a_wait_goes_on_where_the_status_left_it() -> None:
    system = make_system(LOW, HIGH)
    row = {
        "name": "high",
        "state": "Waiting",
        "waitingFor": [{"name": "low", "condition": "Healthy", "since": stamp(T0)}],
    }
    early = plan(system, now=59, status={"components": [row]})
    assert early.components["high"].assessment.state == "Waiting"
    assert early.requeue_at == at(60)
    late = plan(system, now=60, status={"components": [row]})
    assert late.components["high"].assessment.state == "Blocked"


def test_without_a_status_the_wait_began_with_the_first_objects() -> None:
    system = make_system(LOW, HIGH)
    objects, _ = live_system(system)
    assert plan(system, objects, now=59).components["high"].assessment.state == "Waiting"
    assert plan(system, objects, now=60).components["high"].assessment.state == "Blocked"


def test_a_component_whose_workload_was_deleted_later_begins_its_wait_anew() -> None:
    system = make_system(LOW, HIGH)
    objects, _ = live_system(system)
    row = {"name": "high", "state": "Healthy", "revision": built_of(system)["high"].revision}
    found = plan(system, objects, now=59, status={"components": [row]})
    assert found.components["high"].waits[0].since == at(59)


def test_a_preferred_dependency_is_given_up_at_the_deadline_and_not_before() -> None:
    soft = replace(HIGH, dependencies=(Dependency("low", requirement=Requirement.PREFERRED),))
    system = make_system(LOW, soft)
    objects, _ = live_system(system)
    assert ("Apply", "shop-high") not in workloads(plan(system, objects, now=59))
    late = plan(system, objects, now=60)
    assert ("Apply", "shop-high") in workloads(late)
    assert late.components["high"].skipped[0].name == "low"


def test_a_preferred_dependency_that_was_given_up_is_not_waited_for_again() -> None:
    """While a required one holds the start on, the time of the preferred one is remembered."""
    wanted = (Dependency("gone", requirement=Requirement.PREFERRED), Dependency("base"))
    late = make_component("late", dependencies=wanted, start_deadline=timedelta(seconds=10))
    system = make_system(make_component("base"), make_component("gone"), late)
    cluster = ModelCluster(system, system, broken={"base": "slow", "gone": "image"})
    for second in range(30):
        if second == 25:
            del cluster.broken["base"]
        assert (cluster.workload("late") is None) == (second <= 27), second
        assert cluster.reconcile() is not None
        cluster.tick(1)


def test_live_objects_are_not_changed_by_planning() -> None:
    system = make_system(LOW, HIGH)
    objects, pods = live_system(system, "low", "high")
    before = copy.deepcopy((objects, pods))
    plan(system, objects, pods)
    assert (objects, pods) == before
