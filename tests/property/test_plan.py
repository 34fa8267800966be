"""Promises of a single plan, over any system."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse_operator.api.errors import FieldError, InvalidSpec
from alluse_operator.api.spec import TeardownOrder
from alluse_operator.core import graph
from alluse_operator.core.actions import Apply, Delete, RemoveFinalizer, SetFinalizer
from alluse_operator.core.desired import System
from alluse_operator.core.objects import WORKLOAD_KINDS, Object, ref_of
from alluse_operator.core.plan import Mode
from alluse_operator.core.planner import make_plan
from alluse_operator.core.report import make_report
from builders import T0, at, built_of, make_live, make_resource, make_snapshot, stamp
from model_cluster import ModelCluster
from strategies import systems

INVALID = InvalidSpec([FieldError("spec.components", "the dependencies form a cycle: a -> b -> a")])


@given(systems())
def test_the_first_pass_makes_everything_but_what_must_wait(system: System) -> None:
    plan = make_plan(system, built_of(system), make_snapshot(system), T0)
    applied = {action.ref for action in plan.actions if isinstance(action, Apply)}
    for objects in built_of(system).values():
        assert {ref_of(obj) for obj in objects.supporting} <= applied
    started = {a.component for a in plan.actions if isinstance(a, Apply) and a.ref.kind in WORKLOAD_KINDS}
    free = {name for name, c in system.components.items() if not c.dependencies}
    assert started <= free
    assert len(started) == min(len(free), system.startup.max_parallel)


@given(systems())
def test_the_finalizer_is_there_before_any_child(system: System) -> None:
    fresh = make_snapshot(system, resource=make_resource(system, finalizers=()))
    actions = make_plan(system, built_of(system), fresh, T0).actions
    assert isinstance(actions[0], SetFinalizer) == (system.teardown.order is TeardownOrder.REVERSE)


@given(systems(), st.integers(61, 10_000))
def test_what_is_too_old_leads_to_no_action(system: System, age: int) -> None:
    plan = make_plan(system, built_of(system), make_snapshot(system), at(age))
    assert plan.mode is Mode.UNTRUSTED
    assert not plan.actions
    assert plan.requeue_at is not None
    assert plan.requeue_at > at(age)


@given(systems())
def test_an_invalid_spec_leads_to_no_action_and_one_verdict(system: System) -> None:
    live = [make_live(obj) for objects in built_of(system).values() for obj in objects.all]
    snapshot = make_snapshot(system, objects=live)
    plan = make_plan(INVALID, {}, snapshot, T0)
    report = make_report(snapshot, plan, (), T0)
    assert not plan.actions
    assert report.status is not None
    false = {c["type"]: c["message"] for c in report.status["conditions"] if c["reason"] == "SpecInvalid"}
    assert "a -> b -> a" in false["SpecValid"]
    assert false.keys() >= {"SpecValid", "Stalled", "Ready"}


def foreign(obj: Object, how: str) -> dict[str, Any]:
    live = make_live(obj)
    if how == "other system":
        live["metadata"]["ownerReferences"][0]["uid"] = "an-earlier-system-of-the-same-name"
    elif how == "other controller":
        live["metadata"]["ownerReferences"] = [{"uid": "somebody", "controller": True, "kind": "Deployment"}]
    else:
        live["metadata"]["ownerReferences"] = []
        live["metadata"]["labels"] = {"app": "theirs"}
    return live


@given(systems(), st.data(), st.sampled_from(("other system", "other controller", "unlabelled")))
def test_children_of_others_are_never_touched(system: System, data: st.DataObject, how: str) -> None:
    name = data.draw(st.sampled_from(sorted(system.components)))
    theirs = data.draw(st.sampled_from(built_of(system)[name].all))
    live = foreign(theirs, how)
    if theirs["kind"] in WORKLOAD_KINDS:
        live["spec"]["template"]["spec"]["containers"][0]["image"] = "their/image"
    snapshot = make_snapshot(system, objects=[live])
    plan = make_plan(system, built_of(system), snapshot, T0)
    assert not any(isinstance(a, Apply | Delete) and a.component == name for a in plan.actions)
    assert plan.components[name].assessment.reason == "NameConflict"
    gone = make_snapshot(system, objects=[live], resource=make_resource(system, deleted=T0))
    torn_down = make_plan(system, built_of(system), gone, T0)
    assert not any(isinstance(a, Delete) for a in torn_down.actions)


@given(systems(), st.floats(0, 200), st.booleans(), st.booleans())
def test_a_deletion_ends_by_twice_its_deadline(
    system: System, after: float, trusted: bool, valid: bool
) -> None:
    now = at(after)
    live = [make_live(obj) for objects in built_of(system).values() for obj in objects.all]
    spec = {
        "teardown": {
            "order": str(system.teardown.order),
            "deadlineSeconds": int(system.teardown.deadline.total_seconds()),
            "onDeadline": str(system.teardown.on_deadline),
        }
    }
    resource = make_resource(system, deleted=T0, spec=spec)
    snapshot = make_snapshot(
        system, objects=live, resource=resource, now=now if trusted else now - timedelta(hours=1)
    )
    plan = make_plan(system if valid else INVALID, {}, snapshot, now)
    ends = any(isinstance(action, RemoveFinalizer) for action in plan.actions)
    assert plan.mode is Mode.TEARDOWN
    if now >= T0 + 2 * system.teardown.deadline:
        assert ends
    elif system.teardown.order is TeardownOrder.REVERSE:
        assert not ends
    assert plan.requeue_at is not None
    assert plan.requeue_at > now


@given(systems())
def test_a_terminating_namespace_is_not_held_up(system: System) -> None:
    live = [make_live(obj) for objects in built_of(system).values() for obj in objects.all]
    snapshot = make_snapshot(
        system, objects=live, resource=make_resource(system, deleted=T0), namespace_terminating=True
    )
    assert make_plan(system, {}, snapshot, T0).actions == (RemoveFinalizer(),)


@given(systems())
def test_a_fair_cluster_starts_in_order_and_then_rests(system: System) -> None:
    """Every component starts after what it requires became healthy, and at rest nothing is written."""
    cluster = ModelCluster(system, system)
    started: dict[str, Any] = {}
    for _ in range(60):
        done = cluster.reconcile()
        assert done is not None
        for action in done.plan.actions:
            if isinstance(action, Apply) and action.ref.kind in WORKLOAD_KINDS:
                started.setdefault(action.component, cluster.now)
        cluster.tick(1)
        if cluster.all_well():
            break
    for name, component in system.components.items():
        for edge in component.dependencies:
            assert started[edge.name] < started[name]
    for _ in range(4):
        cluster.reconcile()
        cluster.tick(1)
    writes = len(cluster.writes)
    for _ in range(3):
        cluster.tick(20)
        done = cluster.reconcile()
        assert done is not None
        assert done.report.status is None
        assert not done.report.events
    assert len(cluster.writes) == writes


edges = st.dictionaries(
    st.sampled_from("abcdef"), st.sets(st.sampled_from("abcdef"), max_size=3), min_size=1, max_size=6
)


def _order(found: Sequence[str]) -> dict[str, int]:
    return {name: index for index, name in enumerate(found)}


@given(edges)
def test_an_order_puts_dependencies_first_or_names_a_cycle(found: dict[str, set[str]]) -> None:
    cycle = graph.find_cycle(found)
    if cycle:
        with pytest.raises(graph.CycleError, match=" -> ".join(cycle)):
            graph.start_order(found, dict.fromkeys(found, 0))
        assert cycle[0] == cycle[-1]
        assert all(there in found[here] for here, there in itertools.pairwise(cycle))
        return
    place = _order(graph.start_order(found, dict.fromkeys(found, 0)))
    assert place.keys() == found.keys()
    for name, targets in found.items():
        assert all(place[target] < place[name] for target in targets if target in found)


@given(edges, st.randoms(use_true_random=False))
def test_an_order_does_not_depend_on_how_it_was_asked(found: dict[str, set[str]], rng: Any) -> None:
    items = list(found.items())
    rng.shuffle(items)
    rank = {name: ord(name) % 3 for name in found}
    if not graph.find_cycle(found):
        assert graph.start_order(dict(items), rank) == graph.start_order(found, rank)


@given(systems())
def test_a_stray_child_is_adopted_and_a_shared_map_is_kept_until_nobody_reads_it(system: System) -> None:
    """A ConfigMap of an older revision stays while a workload or a pod uses it, and goes afterwards."""
    name = next(iter(system.components))
    objects = built_of(system)[name]
    old = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            **copy.deepcopy(dict(objects.workload["metadata"])),
            "name": f"{system.name}-{name}-old",
            "uid": "old-map",
            "creationTimestamp": stamp(T0),
            "ownerReferences": [],
        },
    }
    workload = make_live(objects.workload)
    workload["spec"]["template"]["spec"]["volumes"].append(
        {"name": "old", "configMap": {"name": old["metadata"]["name"]}}
    )
    kept = make_plan(system, built_of(system), make_snapshot(system, objects=[old, workload]), T0)
    assert not any(isinstance(a, Delete) and a.uid == "old-map" for a in kept.actions)
    workload["spec"]["template"]["spec"]["volumes"].pop()
    gone = make_plan(system, built_of(system), make_snapshot(system, objects=[old, workload]), T0)
    assert any(isinstance(a, Delete) and a.uid == "old-map" for a in gone.actions)
