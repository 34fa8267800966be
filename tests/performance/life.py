"""The running system: memory, health answers, workflows, users, shutdown, and coming back from kill -9 and from a hang.

Coming back is held against bare copies of the same workloads with the same probes, broken in the same way in
the same run.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tools import testenv

from alluse.client.calls import System
from alluse.client.forwarding import Given
from alluse.contract import COMPONENTS
from applications import pod, send_signal
from forwards import ways
from installation import namespaces_left
from kube import CommandError, Kube, Watch, condition
from performance.api import Api
from performance.components import workflows
from performance.inside import users_inside
from performance.ordering import SYSTEM, manifest, namespace, prepared, until_all_ready
from performance.results import Figure, Results, median
from performance.users import users_at_once
from performance.workloads import plain

BACK_SECONDS = 120
HEALTH_ANSWERS = 5
#: Until metrics-server has looked again.
FRESH_FIGURES_S = 45.0
#: Each is broken once: after a second death within ten minutes the kubelet itself waits. Others need the first.
BREAKABLE = tuple(COMPONENTS)[1:]


async def measure(results: Results, directory: Path, rounds: int) -> None:
    cluster, kube = prepared()
    with namespace(kube) as ours:
        kube.apply(manifest(SYSTEM, ours))
        ready(kube, ours)
        memory(results, kube, ours, "at rest")
        await health_answers(results, kube, ours)
        kube.wait("a system that is well by its own account", partial(well, kube, ours), 90, ours)
        with ways(kube, SYSTEM, ours, *COMPONENTS) as addresses:
            workflows(results, System(Given(addresses)), rounds, "on kind")
        with users_inside(kube, SYSTEM, ours) as talk:
            await users_at_once(results, talk, "on kind, from a pod beside it")
        await asyncio.sleep(FRESH_FIGURES_S)
        memory(results, kube, ours, "after the load")
        with namespace(kube) as theirs:
            copies = plain(kube, SYSTEM, ours, theirs)
            with kube.watch("pods", theirs) as watch:
                kube.kubectl(
                    "apply",
                    "-f",
                    "-",
                    stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": copies}),
                )
                until_all_ready(kube, watch, theirs)
            rounds = min(rounds, len(BREAKABLE) // 2)
            comebacks(results, cluster, kube, ours, theirs, "KILL", BREAKABLE[:rounds])
            comebacks(results, cluster, kube, ours, theirs, "STOP", BREAKABLE[-rounds:])
        kube.wait(
            "a cluster that the system has to itself", lambda: len(namespaces_left(kube)) == 1, 180, theirs
        )
        ready(kube, ours)
        shutdown(results, kube, ours)


def ready(kube: Kube, where: str) -> None:
    wait = ["wait", "--for=condition=Ready", f"allusesystem/{SYSTEM}", "-n", where, "--timeout=180s"]
    kube.kubectl(*wait, timeout=200)


def well(kube: Kube, where: str) -> bool:
    path = f"/api/v1/namespaces/{where}/services/{SYSTEM}-health-monitor:http/proxy/v1/health"
    return json.loads(kube.kubectl("get", "--raw", path))["overall_status"] in ("healthy", "degraded")


def memory(results: Results, kube: Kube, where: str, when: str) -> None:
    def figures() -> list[str] | None:
        try:
            rows = kube.kubectl("top", "pods", "-n", where, "--no-headers").splitlines()
        except CommandError:
            return None
        return rows if len(rows) == len(COMPONENTS) else None

    rows = kube.wait("figures of all pods", figures, 120, where)
    sizes = {row.split()[0]: float(row.split()[2].removesuffix("Mi")) for row in rows}
    results.add(
        Figure(
            f"working set of all 16 components, {when}",
            sum(sizes.values()),
            "MiB",
            aim="< 500",
            samples=tuple(sizes.values()),
        )
    )


async def health_answers(results: Results, kube: Kube, where: str) -> None:
    """As seen through the API server's proxy: its own time is held against an answer of /health/live."""
    seconds: dict[str, list[float]] = {"/health": [], "/health/live": []}
    async with Api.connect(str(kube.kubeconfig)) as api:
        for name in COMPONENTS:
            for path, samples in seconds.items():
                url = f"/api/v1/namespaces/{where}/services/{SYSTEM}-{name}:http/proxy{path}"
                await api.get(url)  # the way has to be opened first
                each = []
                for _ in range(HEALTH_ANSWERS):
                    started = time.monotonic()
                    await api.get(url)
                    each.append(time.monotonic() - started)
                samples.append(median(each))
    results.add(
        Figure(
            "slowest /health of 16, through the proxy",
            max(seconds["/health"]),
            "s",
            max(seconds["/health/live"]),
            "/health/live, same way",
            "< 0.100",
            tuple(seconds["/health"]),
        )
    )


def comebacks(
    results: Results,
    cluster: testenv.Cluster,
    kube: Kube,
    ours: str,
    theirs: str,
    signal: str,
    components: Sequence[str],
) -> None:
    """Break each component once in either namespace, one after the other."""
    noticed, back, bare = [], [], []
    for name in components:
        with kube.watch("allusesystems", ours) as systems, kube.watch("pods", ours) as pods:
            started, back_at = break_and_wait(cluster, kube, pods, ours, name, signal)
            back.append(back_at - started)
            seen_at = until(kube, ours, "noticed in the status", partial(seen_sick, systems, name, started))
            noticed.append(seen_at - started)
        ready(kube, ours)
        with kube.watch("pods", theirs) as pods:
            started, back_at = break_and_wait(cluster, kube, pods, theirs, name, signal)
            bare.append(back_at - started)
    what = {"KILL": "kill -9", "STOP": "hang"}[signal]
    results.add(
        Figure(
            f"{what}: noticed by the operator, slowest",
            max(noticed),
            "s",
            aim="<= 10",
            samples=tuple(noticed),
        )
    )
    results.add(
        Figure(
            f"{what}: ready again",
            median(back),
            "s",
            median(bare),
            "bare workload, same probes",
            "ratio <= 1.1",
            tuple(back),
        )
    )


def break_and_wait(
    cluster: testenv.Cluster, kube: Kube, pods: Watch, where: str, name: str, signal: str
) -> tuple[float, float]:
    """Break a component; (when, when a pod of it was ready again)."""
    victim = pod(kube, SYSTEM, name, where)
    kube.wait("the watch stands", lambda: len(pods.created()) >= len(COMPONENTS), 30, where)
    started = time.monotonic()
    send_signal(cluster, victim, signal)
    return started, until(kube, where, f"{name} is back", partial(ready_again, pods, name, started))


def until(kube: Kube, where: str, what: str, look: Any) -> float:
    return float(kube.wait(what, look, BACK_SECONDS, where))


def ready_again(pods: Watch, name: str, started: float) -> float | None:
    """When, after a pod of the component was seen not ready or new, one was seen ready."""
    down = False
    for kind, seen, at in list(pods.events):
        if at < started or seen["metadata"]["labels"].get("alluse.io/component") != name:
            continue
        ready = condition(seen, "Ready").get("status") == "True" and not seen["metadata"].get(
            "deletionTimestamp"
        )
        if not ready:
            down = True
        elif down and kind != "DELETED":
            return at
    return None


def seen_sick(systems: Watch, name: str, started: float) -> float | None:
    for _, seen, at in list(systems.events):
        rows = {row["name"]: row["state"] for row in seen.get("status", {}).get("components", [])}
        if at >= started and rows.get(name, "Healthy") not in ("Healthy", "Degraded"):
            return at
    return None


def shutdown(results: Results, kube: Kube, where: str) -> None:
    with kube.watch("pods", where) as pods:
        kube.wait("the watch stands", lambda: len(pods.created()) >= len(COMPONENTS), 30, where)
        started = time.monotonic()
        kube.kubectl("delete", "allusesystem", SYSTEM, "-n", where, "--timeout=90s", timeout=100)
        gone = time.monotonic() - started
    results.add(Figure("shutdown of the whole system, in reverse order", gone, "s", aim="< 5"))
