"""A node is lost: its container is stopped, and what ran on it has to come back elsewhere.

On a cluster of three nodes of its own (`alluse-three`), with components that keep no state: a claim of this
cluster's storage is bound to its node. The operator sits on the control plane, so that it is not itself lost.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools import images, testenv

from alluse_operator.core import history
from applications import component, system
from installation import install_operator
from kube import Kube, Object, condition
from performance.ordering import namespace
from performance.results import Figure, Results

CLUSTER = "alluse-three"
SYSTEM = "spread"
NAMES = ("a", "b", "c", "d", "e", "f")
LOST_SECONDS = 120
CONTROL_PLANE = f"{CLUSTER}-control-plane"
#: Helm's values that put the operator beside the API server.
BESIDE = (
    f"--set-string=nodeSelector.kubernetes\\.io/hostname={CONTROL_PLANE}",
    "--set-string=tolerations[0].key=node-role.kubernetes.io/control-plane",
    "--set-string=tolerations[0].operator=Exists",
)


def three_nodes() -> tuple[testenv.Cluster, Kube]:
    """The cluster of three nodes with this tree's operator on it."""
    cluster = testenv.ensure_cluster(CLUSTER, nodes=3)
    kube = Kube(cluster.kubectl, cluster.helm, cluster.kubeconfig)
    install_operator(kube, images.build_and_load(cluster).helm_values(), *BESIDE)
    return cluster, kube


async def measure(results: Results, directory: Path, rounds: int) -> None:
    cluster, kube = three_nodes()
    with namespace(kube) as where:
        kube.apply(system(SYSTEM, where, component("a"), *(component(name, "a") for name in NAMES[1:])))
        kube.wait("6/6 ready", lambda: kube.status(SYSTEM, where).get("ready") == "6/6", 120, where)
        lose_a_node(results, cluster, kube, where)


def lose_a_node(results: Results, cluster: testenv.Cluster, kube: Kube, where: str) -> None:
    """Stop the worker that most components run on, wait for them elsewhere, and bring it back."""
    pods = kube.items("pods", where)
    homes = [pod["spec"]["nodeName"] for pod in pods]
    victim = max(set(homes), key=homes.count)
    lost = {
        pod["metadata"]["labels"]["alluse.io/component"] for pod in pods if pod["spec"]["nodeName"] == victim
    }
    kept = {pod["metadata"]["uid"] for pod in pods if pod["spec"]["nodeName"] != victim}
    with stopped(cluster, victim):
        began = time.monotonic()
        kube.wait("the node is seen as lost", lambda: not node_ready(kube, victim), LOST_SECONDS)
        unready = time.monotonic() - began
        cause = f"Node/{victim}"
        kube.wait(
            "the status names the node",
            lambda: caused_by(kube, where, cause) >= lost and cause in str(kube.status(SYSTEM, where).get("cause")),
            LOST_SECONDS, where,
        )  # fmt: skip
        named = time.monotonic() - began
        alerts: list[Object] = kube.status(SYSTEM, where).get("alerts", [])
        kube.wait("everything runs elsewhere", lambda: elsewhere(kube, where, victim), LOST_SECONDS, where)
        back = time.monotonic() - began
        kube.wait("6/6 ready", lambda: kube.status(SYSTEM, where).get("ready") == "6/6", 60, where)
        still = {pod["metadata"]["uid"] for pod in kube.items("pods", where)}
        told = len({alert["fingerprint"] for alert in alerts if not alert.get("inhibitedBy")})
    results.add(Figure("node lost: components on it", len(lost), ""))
    results.add(Figure("node lost: the cluster calls it NotReady", unready, "s"))
    results.add(Figure("node lost: the status names the node as the cause", named, "s", unready, "NotReady"))
    results.add(Figure("node lost: all ready elsewhere", back, "s", aim="<= NotReady + 30 + a start"))
    results.add(Figure("node lost: actions of the operator", attempts(kube, where), "", aim="0"))
    results.add(Figure("node lost: pods on other nodes touched", len(kept - still), "", aim="0"))
    results.add(Figure("node lost: alerts", told, "", aim="1"))


@contextmanager
def stopped(cluster: testenv.Cluster, node: str) -> Iterator[None]:
    """A node whose container does not run."""
    _docker(cluster, "stop", "--time=0", node)
    try:
        yield
    finally:
        _docker(cluster, "start", node)
        kube = Kube(cluster.kubectl, cluster.helm, cluster.kubeconfig)
        kube.wait("the node is back", lambda: node_ready(kube, node), LOST_SECONDS)


def _docker(cluster: testenv.Cluster, *arguments: str) -> None:
    environment = {**os.environ, **cluster.environment()}
    subprocess.run(["docker", *arguments], env=environment, check=True, capture_output=True)


def node_ready(kube: Kube, node: str) -> bool:
    found = next(item for item in kube.items("nodes", "default") if item["metadata"]["name"] == node)
    return condition(found, "Ready").get("status") == "True"


def caused_by(kube: Kube, where: str, cause: str) -> set[str]:
    rows = kube.status(SYSTEM, where).get("components", [])
    return {row["name"] for row in rows if cause in row.get("causedBy", [])}


def elsewhere(kube: Kube, where: str, victim: str) -> bool:
    """Whether each component has a ready pod on another node."""
    return {
        pod["metadata"]["labels"]["alluse.io/component"]
        for pod in kube.items("pods", where)
        if pod["spec"].get("nodeName") != victim and condition(pod, "Ready").get("status") == "True"
    } >= set(NAMES)


def attempts(kube: Kube, where: str) -> int:
    """Recovery attempts that the operator has recorded."""
    workloads = kube.items("deployments", where)
    notes = [w["metadata"].get("annotations", {}).get("alluse.io/recovery", "") for w in workloads]
    return sum(len(history.parse(note)) for note in notes)
