"""Who may talk to whom: the declared graph, as NetworkPolicies.

Ingress is closed for every component but for its callers in the same system and the operator's deep checks
(the kubelet's probes come from the node and are always let through). Egress is closed for the components of
the catalog only: their whole traffic is declared. What an own component needs outside the system is not
known here, so its egress stays open; what it may reach inside is still decided by the others' ingress.

Policies add up: to let an ingress controller in, a user writes one more policy and changes none of these.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final

from alluse_operator.api import names
from alluse_operator.api.spec import ComponentType
from alluse_operator.core.desired import Component, System
from alluse_operator.resources.metadata import Built, object_metadata, seal, selector_labels

#: Set by Kubernetes on every namespace; cannot be forged from inside another namespace.
_NAMESPACE_NAME: Final = "kubernetes.io/metadata.name"

#: Cluster DNS goes by this label in every distribution; a node-local cache answers at its fixed address.
_DNS_PEERS: Final = (
    {"namespaceSelector": {}, "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}},
    {"ipBlock": {"cidr": "169.254.20.10/32"}},
)
_DNS_PORTS: Final = ({"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"})


def build_network_policy(system: System, component: Component) -> Built:
    spec: dict[str, Any] = {
        "podSelector": {"matchLabels": selector_labels(system, component)},
        "policyTypes": ["Ingress", "Egress"] if component.catalog else ["Ingress"],
    }
    # An empty list would be dropped by the API server; without rules the type alone closes the direction.
    if ingress := _ingress(system, component):
        spec["ingress"] = ingress
    if component.catalog:
        spec["egress"] = _egress(system, component)
    return seal(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": object_metadata(system, component),
            "spec": spec,
        }
    )


def _ingress(system: System, component: Component) -> list[Built]:
    if component.kind is ComponentType.JOB:
        return []
    peers: list[Built] = []
    if component.callers:
        peers.append(_components(system, component.callers))
    if system.operator_namespace and component.health.path is not None:
        peers.append(
            {
                "namespaceSelector": {"matchLabels": {_NAMESPACE_NAME: system.operator_namespace}},
                "podSelector": {"matchLabels": {names.NAME_LABEL: names.MANAGED_BY}},
            }
        )
    return [{"from": peers, "ports": [_port(component)]}] if peers else []


def _egress(system: System, component: Component) -> list[Built]:
    """DNS, and the port of each component whose callers this one is among; one rule a port."""
    reached: defaultdict[int, set[str]] = defaultdict(set)
    for other in system.components.values():
        if component.name in other.callers:
            reached[other.port].add(other.name)
    dns = {"to": [dict(peer) for peer in _DNS_PEERS], "ports": [dict(port) for port in _DNS_PORTS]}
    return [dns] + [
        {"to": [_components(system, found)], "ports": [{"port": port, "protocol": "TCP"}]}
        for port, found in sorted(reached.items())
    ]


def _components(system: System, wanted: set[str] | frozenset[str]) -> Built:
    """Pods of these components of this system, in its own namespace."""
    return {
        "podSelector": {
            "matchLabels": {names.SYSTEM_LABEL: system.name},
            "matchExpressions": [{"key": names.COMPONENT_LABEL, "operator": "In", "values": sorted(wanted)}],
        }
    }


def _port(component: Component) -> Built:
    return {"port": component.port, "protocol": "TCP"}
