"""What ordering costs: the whole ALL-USE system started in order, beside its workloads applied all at once."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools import images, testenv

from alluse.contract import COMPONENTS
from installation import fresh_namespace, install_operator
from kube import Kube, Watch, condition
from performance.results import Figure, Results, median
from performance.workloads import plain

SYSTEM = "all-use"
START_SECONDS = 180


def prepared() -> tuple[testenv.Cluster, Kube]:
    """The tests' cluster with this tree's operator on it."""
    cluster = testenv.ensure_cluster()
    kube = Kube(cluster.kubectl, cluster.helm, cluster.kubeconfig)
    install_operator(kube, images.build_and_load(cluster).helm_values())
    return cluster, kube


@contextmanager
def namespace(kube: Kube) -> Iterator[str]:
    yield from fresh_namespace(kube)


def manifest(name: str, where: str) -> dict[str, object]:
    return {
        "apiVersion": "alluse.io/v1alpha1",
        "kind": "AllUseSystem",
        "metadata": {"name": name, "namespace": where},
        "spec": {},
    }


def ready_pods(watch: Watch) -> dict[str, float]:
    """Component -> when its pod was first seen ready."""
    ready: dict[str, float] = {}
    for _, pod, at in list(watch.events):
        component = pod["metadata"]["labels"].get("alluse.io/component", "")
        if condition(pod, "Ready").get("status") == "True":
            ready.setdefault(component, at)
    return ready


def until_all_ready(kube: Kube, watch: Watch, where: str) -> float:
    """The moment at which the last of the sixteen pods was seen ready."""
    ready = kube.wait(
        "sixteen ready pods",
        lambda: found if COMPONENTS.keys() <= (found := ready_pods(watch)).keys() else None,
        START_SECONDS,
        where,
    )
    return max(ready[name] for name in COMPONENTS)


async def measure(results: Results, directory: Path, rounds: int) -> None:
    _, kube = prepared()
    ordered, at_once = [], []
    for _ in range(rounds):
        with namespace(kube) as ours, namespace(kube) as theirs:
            with kube.watch("pods", ours) as watch:
                started = time.monotonic()
                kube.apply(manifest(SYSTEM, ours))
                ordered.append(until_all_ready(kube, watch, ours) - started)
            copies = plain(kube, SYSTEM, ours, theirs)
            kube.kubectl("delete", "allusesystem", SYSTEM, "-n", ours, "--timeout=90s")
            with kube.watch("pods", theirs) as watch:
                started = time.monotonic()
                kube.kubectl(
                    "apply",
                    "-f",
                    "-",
                    stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": copies}),
                )
                at_once.append(until_all_ready(kube, watch, theirs) - started)
    results.add(
        Figure(
            "ordered start of 16: apply to all ready",
            median(ordered),
            "s",
            median(at_once),
            "kubectl, all at once",
            "ratio <= 1.3",
            tuple(ordered),
        )
    )
