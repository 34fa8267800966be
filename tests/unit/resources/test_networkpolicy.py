"""The policies, evaluated together as a network plugin does, allow the declared graph and nothing else."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from alluse_operator.api import names
from alluse_operator.core.desired import Component, Health, System
from alluse_operator.resources.networkpolicy import build_network_policy
from desired_values import make_component, make_system

PEER_NAMES = ("a", "b", "c", "d")
CALLERS = st.frozensets(st.sampled_from(PEER_NAMES))


@st.composite
def systems(draw: st.DrawFn) -> System:
    return make_system(
        *(
            make_component(
                name,
                callers=draw(CALLERS) - {name},
                catalog=draw(st.booleans()),
                port=draw(st.sampled_from((8080, 9090))),
            )
            for name in PEER_NAMES
        )
    )


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """A label selector, with the one operator that is in use."""
    return all(labels.get(k) == v for k, v in selector.get("matchLabels", {}).items()) and all(
        e["operator"] == "In" and labels.get(e["key"]) in e["values"]
        for e in selector.get("matchExpressions", ())
    )


def pod_labels(system: System, name: str) -> dict[str, str]:
    return {names.SYSTEM_LABEL: system.name, names.COMPONENT_LABEL: name}


def allows(rules: list[dict[str, Any]], side: str, labels: dict[str, str], port: int) -> bool:
    """Whether one of the rules lets a pod of the same namespace through."""
    return any(
        any(allowed["port"] == port and allowed["protocol"] == "TCP" for allowed in rule["ports"])
        and any(
            "namespaceSelector" not in peer and "podSelector" in peer and selects(peer["podSelector"], labels)
            for peer in rule[side]
        )
        for rule in rules
    )


def connects(system: System, source: Component, target: Component) -> bool:
    policies = {c.name: build_network_policy(system, c)["spec"] for c in (source, target)}
    leaves = "Egress" not in policies[source.name]["policyTypes"] or allows(
        policies[source.name].get("egress", []), "to", pod_labels(system, target.name), target.port
    )
    enters = allows(
        policies[target.name].get("ingress", []), "from", pod_labels(system, source.name), target.port
    )
    return leaves and enters


@given(systems())
def test_the_policies_allow_exactly_the_declared_calls(system: System) -> None:
    for source in system.components.values():
        for target in system.components.values():
            if source is not target:
                declared = source.name in target.callers
                assert connects(system, source, target) == declared, (source.name, target.name)


@given(systems())
def test_pods_of_another_system_are_never_let_in(system: System) -> None:
    stranger = {names.SYSTEM_LABEL: "other", names.COMPONENT_LABEL: "a"}
    for component in system.components.values():
        ingress = build_network_policy(system, component)["spec"].get("ingress", [])
        assert not allows(ingress, "from", stranger, component.port)


def operator_peers(component: Component, **fields: Any) -> list[dict[str, Any]]:
    spec = build_network_policy(make_system(component, **fields), component)["spec"]
    return [p for rule in spec.get("ingress", []) for p in rule["from"] if "namespaceSelector" in p]


def test_the_operators_deep_checks_come_in_from_its_own_namespace_only() -> None:
    assert operator_peers(make_component()) == [
        {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "alluse-system"}},
            "podSelector": {"matchLabels": {names.NAME_LABEL: "allusesystem-operator"}},
        }
    ]


def test_nobody_comes_in_where_there_is_no_deep_check_and_no_caller() -> None:
    component = make_component(health=Health())
    spec = build_network_policy(make_system(component), component)["spec"]
    assert spec["policyTypes"] == ["Ingress"]
    assert "ingress" not in spec
    assert operator_peers(make_component(), operator_namespace="") == []


def test_components_of_the_catalog_reach_dns_whatever_else_they_reach() -> None:
    component = make_component(catalog=True)
    (dns,) = build_network_policy(make_system(component), component)["spec"]["egress"]
    assert {(port["port"], port["protocol"]) for port in dns["ports"]} == {(53, "UDP"), (53, "TCP")}
