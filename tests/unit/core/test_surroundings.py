"""Nodes and EndpointSlices as the API server sends them, odd ones included."""

from __future__ import annotations

from typing import Any

import pytest

from alluse_operator.core.desired import Identity
from alluse_operator.core.observed import NodeView
from alluse_operator.core.surroundings import read_endpoints, read_node
from builders import T0, built_of, make_node, make_slice
from desired_values import make_component, make_system

IDENTITY = Identity("shop", "shop", "uid-shop", 1)


@pytest.mark.parametrize(
    ("node", "view"),
    [
        (make_node("a"), NodeView("a", True, T0)),
        (make_node("a", ready=False), NodeView("a", False, T0)),
        (make_node("a", unschedulable=True), NodeView("a", True, T0, schedulable=False)),
        (make_node("a", taint="NoSchedule"), NodeView("a", True, T0, schedulable=False)),
        (make_node("a", taint="PreferNoSchedule"), NodeView("a", True, T0)),
        ({"metadata": {"name": "a"}}, NodeView("a", False)),
        ({"metadata": {"name": "a"}, "status": {"conditions": "odd"}}, NodeView("a", False)),
    ],
)
def test_a_node_is_ready_when_somebody_has_said_so(node: dict[str, Any], view: NodeView) -> None:
    assert read_node(node) == view


def slices() -> tuple[dict[str, Any], ...]:
    system = make_system(make_component("web"), make_component("db"))
    services = [
        obj for built in built_of(system).values() for obj in built.supporting if obj["kind"] == "Service"
    ]
    web, db = services
    return make_slice(web, ["one"], ["two"]), make_slice(web, ["three"]), make_slice(db, [])


def test_slices_are_put_together_by_component() -> None:
    identity = Identity("shop", slices()[0]["metadata"]["labels"]["alluse.io/system"], "u", 1)
    assert read_endpoints(identity, slices()) == {"web": frozenset({"one", "three"}), "db": frozenset()}


def test_of_a_component_without_slices_nothing_is_known() -> None:
    assert read_endpoints(IDENTITY, ()) == {}


def test_slices_of_other_systems_and_endpoints_without_a_pod_say_nothing() -> None:
    foreign, odd, _ = slices()
    system = foreign["metadata"]["labels"]["alluse.io/system"]
    foreign["metadata"]["labels"] = {**foreign["metadata"]["labels"], "alluse.io/system": "other"}
    odd["endpoints"] = [
        {"conditions": {}},
        {"targetRef": {"uid": "said nothing"}},
        "odd",
        {"targetRef": None},
    ]
    found = read_endpoints(Identity("shop", system, "u", 1), (foreign, odd))
    assert found == {"web": frozenset({"said nothing"})}
