"""The deletion of a system, step by step."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from alluse_operator.api import names
from alluse_operator.api.errors import FieldError, InvalidSpec
from alluse_operator.api.spec import ComponentType, OnDeadline, TeardownOrder
from alluse_operator.core.actions import Delete, Propagation, RemoveFinalizer, ScaleDown
from alluse_operator.core.desired import Dependency, TeardownPolicy
from alluse_operator.core.objects import Ref
from alluse_operator.core.plan import Mode, Plan
from alluse_operator.core.planner import make_plan
from alluse_operator.core.teardown import read_policy
from builders import T0, at, built_of, make_live, make_pod, make_resource, make_snapshot
from desired_values import make_component, make_system

SYSTEM = make_system(make_component("low"), make_component("high", dependencies=(Dependency("low"),)))
BUILT = built_of(SYSTEM)
#: Deletion beats validation: what the spec says by now does not matter.
SENSELESS = InvalidSpec([FieldError("spec", "makes no sense")])


def plan(
    *gone: str,
    now: float = 1,
    spec: Any = None,
    pods: Any = (),
    finalizers: Any = (names.FINALIZER,),
    **changes: Any,
) -> Plan:
    """The plan with the workloads of `gone` gone; `changes` are set on the others' metadata."""
    live = []
    for name, objects in BUILT.items():
        live += [make_live(obj) for obj in objects.supporting]
        if name not in gone:
            workload = make_live(objects.workload)
            workload["metadata"].update(changes)
            live.append(workload)
    resource = make_resource(SYSTEM, deleted=T0, spec=spec, finalizers=finalizers)
    return make_plan(
        SENSELESS, {}, make_snapshot(SYSTEM, objects=live, pods=pods, resource=resource, now=at(now)), at(now)
    )


def deleted(found: Plan) -> list[str]:
    return [str(action.ref) for action in found.actions if isinstance(action, Delete)]


def stopped(found: Plan) -> list[str]:
    return [str(action.ref) for action in found.actions if isinstance(action, ScaleDown)]


def halting(name: str, **status: Any) -> Any:
    """A workload that is scaled to nothing; `status` is what its controller says."""
    live = make_live(BUILT[name].workload)
    live["spec"]["replicas"] = 0
    live["metadata"]["generation"] = 2
    live["status"] = status
    return live


def with_high(high: Any, pods: Any = ()) -> Plan:
    objects = [make_live(BUILT["low"].workload), high]
    resource = make_resource(SYSTEM, deleted=T0, finalizers=(names.FINALIZER,))
    snapshot = make_snapshot(SYSTEM, objects=objects, pods=pods, resource=resource, now=at(1))
    return make_plan(SENSELESS, {}, snapshot, at(1))


def test_what_nobody_needs_stops_first_and_is_deleted_with_the_system() -> None:
    found = plan()
    assert stopped(found) == ["Deployment/shop-high"]
    assert deleted(found) == []
    assert found.components["low"].assessment.message == "stops when high is gone"


def test_the_next_stops_when_its_dependants_are_gone_with_their_pods() -> None:
    assert stopped(plan("high")) == ["Deployment/shop-low"]
    still = plan(deletionTimestamp="2026-01-05T09:00:00Z")
    assert stopped(still) == []


@pytest.mark.parametrize(
    ("status", "phase", "next_stops"),
    [
        ({"observedGeneration": 2, "replicas": 0}, None, True),
        ({"observedGeneration": 2}, None, True),
        ({"observedGeneration": 1, "replicas": 0}, None, False),
        ({"observedGeneration": 2, "replicas": 1}, None, False),
        ({"observedGeneration": 2, "replicas": 0}, "Running", False),
        ({"observedGeneration": 2, "replicas": 1}, "Succeeded", True),
        ({"observedGeneration": 2, "replicas": 2}, "Succeeded", False),
        ({"observedGeneration": 1, "replicas": 1}, "Failed", False),
    ],
    ids=[
        "none is left",
        "none ever was",
        "not seen yet",
        "one is counted that we do not see",
        "its pod still runs",
        "the one that is counted has ended",
        "one more is counted than has ended",
        "has ended by itself",
    ],
)
def test_who_is_scaled_to_nothing_has_stopped_when_its_controller_and_its_pods_say_so(
    status: Any, phase: str | None, next_stops: bool
) -> None:
    workload = BUILT["high"].workload
    pods = [make_pod(workload, running=T0, ready=T0, deleting=T0, phase=phase)] if phase else []
    found = with_high(halting("high", **status), pods)
    assert stopped(found) == (["Deployment/shop-low"] if next_stops else [])


def test_a_job_cannot_be_scaled_and_is_deleted() -> None:
    system = make_system(make_component("once", kind=ComponentType.JOB))
    live = make_live(built_of(system)["once"].workload)
    resource = make_resource(system, deleted=T0, finalizers=(names.FINALIZER,))
    found = make_plan(SENSELESS, {}, make_snapshot(system, objects=[live], resource=resource), T0)
    assert deleted(found) == ["Job/shop-once"]
    assert found.actions[0].propagation is Propagation.FOREGROUND  # type: ignore[union-attr]


def test_with_everything_halted_the_finalizer_goes_and_the_rest_is_the_collector_s() -> None:
    status = {"observedGeneration": 2, "replicas": 0}
    objects = [halting(name, **status) for name in BUILT]
    resource = make_resource(SYSTEM, deleted=T0, finalizers=(names.FINALIZER,))
    snapshot = make_snapshot(SYSTEM, objects=objects, resource=resource, now=at(1))
    assert make_plan(SENSELESS, {}, snapshot, at(1)).actions == (RemoveFinalizer(),)


def test_a_halted_workload_that_lost_its_owner_is_deleted_before_the_finalizer() -> None:
    live = halting("high", observedGeneration=2)
    live["metadata"]["ownerReferences"] = []
    resource = make_resource(SYSTEM, deleted=T0, finalizers=(names.FINALIZER,))
    snapshot = make_snapshot(SYSTEM, objects=[live], resource=resource, now=at(1))
    found = make_plan(SENSELESS, {}, snapshot, at(1))
    assert deleted(found) == ["Deployment/shop-high"]
    assert found.actions[-1] == RemoveFinalizer()


@pytest.mark.parametrize(
    ("phase", "deleting", "stopped_now"),
    [
        ("Succeeded", T0, ["Deployment/shop-low"]),
        ("Failed", T0, ["Deployment/shop-low"]),
        ("Running", T0, []),
        ("Succeeded", None, []),
    ],
)
def test_a_dependant_that_has_ended_needs_nothing_even_if_its_objects_are_there(
    phase: str, deleting: Any, stopped_now: list[str]
) -> None:
    """Its volumes and its ReplicaSet may take seconds more."""
    pod = make_pod(BUILT["high"].workload, phase=phase, deleting=deleting)
    live = {name: make_live(objects.workload) for name, objects in BUILT.items()}
    live["high"]["metadata"]["deletionTimestamp"] = "2026-01-05T09:00:00Z"
    resource = make_resource(SYSTEM, deleted=T0, finalizers=(names.FINALIZER,))
    snapshot = make_snapshot(SYSTEM, objects=list(live.values()), pods=[pod], resource=resource, now=at(1))
    assert stopped(make_plan(SENSELESS, {}, snapshot, at(1))) == stopped_now


def test_with_everything_ended_the_finalizer_goes() -> None:
    pod = make_pod(BUILT["low"].workload, phase="Succeeded", deleting=T0)
    found = plan("high", pods=[pod], deletionTimestamp="2026-01-05T09:00:00Z")
    assert found.actions == (RemoveFinalizer(),)
    assert RemoveFinalizer() not in plan("high", pods=[pod]).actions, "its workload may still make another"


def test_with_everything_gone_the_finalizer_goes() -> None:
    assert plan("high", "low").actions == (RemoveFinalizer(),)


def test_an_object_that_lost_its_owner_is_deleted_before_the_finalizer() -> None:
    live = make_live(BUILT["low"].supporting[0])
    live["metadata"]["ownerReferences"] = []
    snapshot = make_snapshot(SYSTEM, objects=[live], resource=make_resource(SYSTEM, deleted=T0))
    found = make_plan(SENSELESS, {}, snapshot, T0)
    assert deleted(found) == ["ServiceAccount/shop-low"]
    assert found.actions[-1] == RemoveFinalizer()


def test_pods_left_behind_hold_the_finalizer_until_the_deadline() -> None:
    pod = make_pod(BUILT["low"].workload, running=T0, ready=T0)
    assert RemoveFinalizer() not in plan("high", "low", pods=[pod]).actions


def test_past_the_deadline_the_rest_is_forced() -> None:
    pod = make_pod(BUILT["low"].workload, running=T0, ready=T0)
    found = plan("high", now=30, pods=[pod])
    assert deleted(found) == ["Deployment/shop-low", "Pod/pod-0"]
    assert all(action.grace_seconds == 0 for action in found.actions if isinstance(action, Delete))
    assert found.teardown is not None
    assert found.teardown.forced


def test_past_the_deadline_the_rest_is_orphaned_where_that_is_wanted() -> None:
    pod = make_pod(BUILT["low"].workload, running=T0, ready=T0)
    spec = {"teardown": {"onDeadline": "Orphan"}}
    found = plan("high", now=30, spec=spec, pods=[pod])
    assert [(a.ref, a.propagation) for a in found.actions if isinstance(a, Delete)] == [
        (Ref("Deployment", "shop-low"), Propagation.ORPHAN)
    ]
    assert found.teardown is not None
    assert found.teardown.orphaned == ("Pod/pod-0",)
    assert plan("high", "low", now=31, spec=spec, pods=[pod]).actions == (RemoveFinalizer(),)


@pytest.mark.parametrize("pods", [(), [make_pod(BUILT["low"].workload)]])
def test_at_twice_the_deadline_it_ends_whatever_is_left(pods: Any) -> None:
    assert plan(now=60, pods=pods).actions[-1] == RemoveFinalizer()
    assert RemoveFinalizer() not in plan(now=59.9, pods=pods).actions


def test_parallel_leaves_it_to_the_garbage_collector() -> None:
    assert plan(spec={"teardown": {"order": "Parallel"}}).actions[-1] == RemoveFinalizer()


def test_without_our_finalizer_there_is_nothing_to_do() -> None:
    found = plan(finalizers=("someone.else/holds",))
    assert found.mode is Mode.GONE
    assert not found.actions


POLICIES = {
    "nothing": ({}, TeardownPolicy()),
    "all": (
        {"teardown": {"order": "Parallel", "deadlineSeconds": 12, "onDeadline": "Orphan"}},
        TeardownPolicy(TeardownOrder.PARALLEL, timedelta(seconds=12), OnDeadline.ORPHAN),
    ),
    "no mapping": ({"teardown": 7}, TeardownPolicy()),
    "senseless values": (
        {"teardown": {"order": "Sideways", "deadlineSeconds": -1, "onDeadline": None}},
        TeardownPolicy(),
    ),
    "a text for a number": ({"teardown": {"deadlineSeconds": "30"}}, TeardownPolicy()),
    "true for a number": ({"teardown": {"deadlineSeconds": True}}, TeardownPolicy()),
    "too long": ({"teardown": {"deadlineSeconds": 10**9}}, TeardownPolicy()),
}


@pytest.mark.parametrize("title", POLICIES)
def test_the_policy_is_read_from_whatever_the_spec_is(title: str) -> None:
    spec, policy = POLICIES[title]
    assert read_policy(spec) == policy
