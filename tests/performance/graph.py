"""The start graph of ALL-USE, small enough to be started by a script: what the benchmarks start on both sides."""

from __future__ import annotations

from typing import Any

from alluse.contract import COMPONENTS
from alluse_operator.cluster.kinds import BY_NAME
from alluse_operator.core.desired import Defaults, Identity
from alluse_operator.core.resolve import resolve
from alluse_operator.resources.build import build_all
from performance.workloads import plainly

IMAGE = "example/component:1"
CONFIG = "config-manager"


def edges() -> dict[str, frozenset[str]]:
    """What each component waits for: its hard dependencies, and config-manager as in the catalog."""
    return {
        name: frozenset(facts.hard) | (frozenset() if name == CONFIG else frozenset((CONFIG,)))
        for name, facts in COMPONENTS.items()
    }


def resource(name: str, namespace: str) -> dict[str, Any]:
    """The graph as an AllUseSystem. The simulated kubelet answers no probe, so there is no deep check."""
    components = [
        {
            "name": component,
            "image": IMAGE,
            "config": {"component.name": component},
            "dependsOn": [
                {"name": dependency, "requirement": "Required" if dependency in facts.hard else "Preferred"}
                for dependency in sorted(edges()[component])
            ],
        }
        for component, facts in COMPONENTS.items()
    ]
    return {
        "apiVersion": "alluse.io/v1alpha1",
        "kind": "AllUseSystem",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"profile": "Custom", "components": components},
    }


def rendered(namespace: str) -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """By component, (collection path, object) of all that the operator makes for it, and as it makes it: with
    probes, limits, rules and notes. The workload is the last.
    """
    system = resolve(
        Identity(namespace, "s", "", 1), resource("s", namespace)["spec"], Defaults(IMAGE, "1.0.0")
    )
    return {
        component: [(BY_NAME[obj["kind"]].path(namespace), plainly(obj, namespace)) for obj in objects.all]
        for component, objects in build_all(system).items()
    }


def guards(component: str, namespace: str) -> list[tuple[str, dict[str, Any]]]:
    """(collection path, object) of what the operator makes beside these: ServiceAccount and NetworkPolicy."""
    metadata = {"name": component, "namespace": namespace, "labels": {"app": component}}
    callers = [name for name, needs in edges().items() if component in needs]
    peers = [{"podSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": callers}]}}]
    ingress = [{"from": peers, "ports": [{"port": 8080}]}] if callers else []
    policy = {
        "podSelector": {"matchLabels": {"app": component}},
        "policyTypes": ["Ingress"],
        "ingress": ingress,
    }
    return [
        (
            f"/api/v1/namespaces/{namespace}/serviceaccounts",
            {"metadata": metadata, "automountServiceAccountToken": False},
        ),
        (
            f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies",
            {"metadata": metadata, "spec": policy},
        ),
    ]


def objects(component: str, namespace: str) -> list[tuple[str, dict[str, Any]]]:
    """(collection path, object) of the ConfigMap, Service and Deployment that the script makes."""
    labels = {"app": component}
    metadata = {"name": component, "namespace": namespace, "labels": labels}
    container = {
        "name": component,
        "image": IMAGE,
        "ports": [{"containerPort": 8080}],
        "envFrom": [{"configMapRef": {"name": component}}],
    }
    return [
        (
            f"/api/v1/namespaces/{namespace}/configmaps",
            {"metadata": metadata, "data": {"component.name": component}},
        ),
        (
            f"/api/v1/namespaces/{namespace}/services",
            {"metadata": metadata, "spec": {"selector": labels, "ports": [{"port": 8080}]}},
        ),
        (
            f"/apis/apps/v1/namespaces/{namespace}/deployments",
            {
                "metadata": metadata,
                "spec": {
                    "replicas": 1,
                    "selector": {"matchLabels": labels},
                    "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
                },
            },
        ),
    ]
