"""What counts as drift: a table of wanted, live and the paths that differ."""

from __future__ import annotations

from typing import Any

import pytest

from alluse_operator.core.desired import Storage
from alluse_operator.core.drift import drift, quantity
from builders import built_of, make_live
from desired_values import make_component, make_system


def pods(**fields: Any) -> dict[str, Any]:
    return {"kind": "Deployment", "spec": {"template": {"spec": fields}}}


ENV = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
CONTAINER = {"name": "main", "image": "x:1", "env": ENV}

SAME = {
    "defaults added by the server": (
        pods(containers=[CONTAINER]),
        pods(containers=[{**CONTAINER, "terminationMessagePath": "/dev/x"}], dnsPolicy="ClusterFirst"),
    ),
    "a sidecar of somebody else": (
        pods(containers=[CONTAINER]),
        pods(containers=[{"name": "mesh", "image": "m"}, CONTAINER]),
    ),
    "keyed items in another order": (
        pods(containers=[CONTAINER]),
        pods(containers=[{**CONTAINER, "env": ENV[::-1]}]),
    ),
    "quantities written another way": (
        pods(containers=[{"name": "m", "resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}}}]),
        pods(containers=[{"name": "m", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}]),
    ),
    "the default protocol of a port": (
        {"kind": "Service", "spec": {"ports": [{"port": 80, "targetPort": "http"}]}},
        {"kind": "Service", "spec": {"ports": [{"port": 80, "protocol": "TCP", "targetPort": "http"}]}},
    ),
    "empty and absent": (
        {"kind": "ConfigMap", "data": {}, "metadata": {"annotations": None}},
        {"kind": "ConfigMap"},
    ),
    "false and absent": (pods(hostNetwork=False), pods()),
    "labels of others": (
        {"kind": "Service", "metadata": {"labels": {"a": "1"}}},
        {"kind": "Service", "metadata": {"labels": {"a": "1", "team": "x"}}},
    ),
    "a status is nobody's wish": ({"kind": "Service", "status": {"x": 1}}, {"kind": "Service"}),
}
DIFFERENT = {
    "image": (
        pods(containers=[CONTAINER]),
        pods(containers=[{**CONTAINER, "image": "x:2"}]),
        ("spec.template.spec.containers[main].image",),
    ),
    "a variable is gone": (
        pods(containers=[CONTAINER]),
        pods(containers=[{**CONTAINER, "env": ENV[:1]}]),
        ("spec.template.spec.containers[main].env[B]",),
    ),
    "arguments are one value": (
        pods(containers=[{"name": "m", "args": ["a"]}]),
        pods(containers=[{"name": "m", "args": ["a", "b"]}]),
        ("spec.template.spec.containers[m].args",),
    ),
    "a selector that selects more": (
        {"kind": "Service", "spec": {"selector": {"app": "x"}}},
        {"kind": "Service", "spec": {"selector": {"app": "x", "also": "y"}}},
        ("spec.selector",),
    ),
    "everybody and somebody": (
        {"kind": "NetworkPolicy", "spec": {"podSelector": {}}},
        {"kind": "NetworkPolicy", "spec": {"podSelector": {"matchLabels": {"a": "b"}}}},
        ("spec.podSelector",),
    ),
    "a hole in a network policy": (
        {"kind": "NetworkPolicy", "spec": {"ingress": [{"ports": [{"port": 80}]}]}},
        {"kind": "NetworkPolicy", "spec": {"ingress": [{"ports": [{"port": 80}, {"port": 22}]}]}},
        ("spec.ingress[0].ports",),
    ),
    "a rule that was not there": (
        {"kind": "NetworkPolicy", "spec": {"ingress": []}},
        {"kind": "NetworkPolicy", "spec": {"ingress": [{}]}},
        ("spec.ingress",),
    ),
    "true became false": (
        {"kind": "ConfigMap", "immutable": True},
        {"kind": "ConfigMap", "immutable": False},
        ("immutable",),
    ),
    "another quantity": (
        pods(containers=[{"name": "m", "resources": {"requests": {"cpu": "20m"}}}]),
        pods(containers=[{"name": "m", "resources": {"requests": {"cpu": "200m"}}}]),
        ("spec.template.spec.containers[m].resources.requests.cpu",),
    ),
    "owner stripped": (
        {"kind": "Service", "metadata": {"ownerReferences": [{"uid": "u", "controller": True}]}},
        {"kind": "Service", "metadata": {}},
        ("metadata.ownerReferences",),
    ),
    "another type": ({"kind": "Service", "spec": {"a": {"b": 1}}}, {"kind": "Service", "spec": 3}, ("spec",)),
    "a number became a text": (
        {"kind": "Deployment", "spec": {"replicas": 1}},
        {"kind": "Deployment", "spec": {"replicas": "1"}},
        ("spec.replicas",),
    ),
}


@pytest.mark.parametrize("title", SAME)
def test_no_drift(title: str) -> None:
    assert drift(*SAME[title]) == ()


@pytest.mark.parametrize("title", DIFFERENT)
def test_drift(title: str) -> None:
    wanted, live, paths = DIFFERENT[title]
    assert drift(wanted, live) == paths


def test_what_was_just_built_has_no_drift() -> None:
    system = make_system(make_component("a"), make_component("b", storage=Storage("1Gi"), replicas=2))
    for objects in built_of(system).values():
        for obj in objects.all:
            assert drift(obj, make_live(obj)) == ()


@pytest.mark.parametrize(
    ("one", "other"),
    [("1", "1000m"), ("0.5", "500m"), ("1Gi", "1024Mi"), ("1e3", "1k"), (2, "2"), ("1G", "1000M")],
)
def test_equal_quantities(one: str | int, other: str | int) -> None:
    assert quantity(one) == quantity(other) is not None


@pytest.mark.parametrize("text", ["", "x", "1.2.3", "Gi", "1 Gi", "--1"])
def test_no_quantity(text: str) -> None:
    assert quantity(text) is None
