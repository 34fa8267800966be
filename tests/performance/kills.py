"""One random component killed every ten seconds for ten minutes, beside the same kills on bare copies.

Sixteen components share sixty deaths, so most die again within ten minutes. A kubelet makes a container that
dies again wait 10 s, 20 s, 40 s and more, which the operator never undoes; those of the cluster of three nodes
wait one second (`crashLoopBackOff.maxContainerRestartPeriod`), so that the system is measured and not the wait.
The bare copies get the same kills in the same seconds: the ratio is the operator's part.
"""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import drills
from alluse.contract import COMPONENTS
from applications import pod, process_of
from drills import SYSTEM, Ground, ready_components
from kube import Kube, Watch, condition
from performance.nodes import three_nodes
from performance.ordering import namespace
from performance.results import Figure, Results, median, percentile
from performance.workloads import plain

SEED = 60
KILLS = 60
EVERY_S = 10.0
SETTLE_SECONDS = 400


async def measure(results: Results, directory: Path, rounds: int) -> None:
    cluster, kube = three_nodes()
    draw = random.Random(SEED)
    with drills.running(cluster, kube) as ground, namespace(kube) as theirs:
        copies = plain(kube, SYSTEM, ground.namespace, theirs)
        kube.kubectl(
            "apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": copies})
        )
        kube.wait(
            "the bare copies are ready",
            lambda: ready_components(kube.items("pods", theirs)) >= COMPONENTS.keys(),
            240, theirs,
        )  # fmt: skip
        ground.wait_quiet()
        with kube.watch("pods", ground.namespace) as ours, kube.watch("pods", theirs) as bare:
            struck = [_strike(ground, kube, theirs, draw.choice(sorted(COMPONENTS))) for _ in range(KILLS)]
            kube.wait(
                "everything is ready again",
                lambda: all(
                    ready_components(kube.items("pods", where)) >= COMPONENTS.keys()
                    for where in (ground.namespace, theirs)
                ),
                SETTLE_SECONDS, ground.namespace,
            )  # fmt: skip
            ground.wait_quiet()
        _tell(results, ground, struck, ours, bare)


def _strike(ground: Ground, kube: Kube, theirs: str, name: str) -> tuple[str, float, bool]:
    """Kill the component here and there; (name, when, whether there was a process to kill in both)."""
    began = time.monotonic()
    victims = []
    for where in (ground.namespace, theirs):
        victim = pod(kube, SYSTEM, name, where)
        if "running" in victim["status"]["containerStatuses"][0]["state"]:
            victims.append((victim["spec"]["nodeName"], process_of(ground.cluster, victim)))
    struck = time.monotonic()
    for node, process in victims:
        ground.cluster.node_exec(node, "kill", "-KILL", process)
    time.sleep(max(0.0, EVERY_S - (time.monotonic() - began)))
    return name, struck, len(victims) == 2


def _tell(
    results: Results, ground: Ground, struck: list[tuple[str, float, bool]], ours: Watch, bare: Watch
) -> None:
    hits = [(name, at) for name, at, both in struck if both]
    mine = [_back(ours, name, at) for name, at in hits]
    others = [_back(bare, name, at) for name, at in hits]
    returned = sum(seconds is not None for seconds in mine)
    good, beside = [s for s in mine if s is not None], [s for s in others if s is not None]
    results.add(Figure("kills that found a running process", len(hits), "", aim=f"{KILLS} tried"))
    results.add(Figure("... of which came back", returned, "", aim=f"{len(hits)}"))
    results.add(Figure("random kills: ready again, p50", median(good), "s", median(beside), "bare workloads", "<= 2, ratio <= 1.1", tuple(good)))  # fmt: skip
    results.add(Figure("random kills: ready again, p99", percentile(good, 0.99), "s", percentile(beside, 0.99), "bare workloads", "<= 10, ratio <= 1.1", tuple(beside)))  # fmt: skip
    acted = {name: len(found) for name, found in ground.attempts().items()}
    results.add(Figure("actions of the operator on killed components", sum(acted.values()), "", aim="0: the kubelet mends a death"))  # fmt: skip


def _back(watch: Watch, name: str, struck: float) -> float | None:
    """Seconds from the kill until the component was ready again."""
    lost = False
    for kind, seen, at in list(watch.events):
        if at < struck or seen["metadata"]["labels"].get("alluse.io/component") != name:
            continue
        ready = condition(seen, "Ready").get("status") == "True" and not seen["metadata"].get(
            "deletionTimestamp"
        )
        lost = lost or not ready
        if lost and ready and kind != "DELETED":
            return at - struck
    return None
