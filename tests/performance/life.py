"""The running system: memory, health answers, workflows, users, shutdown, and coming back from kill -9 and from a hang.

Coming back is held against a bare Deployment with the same container and the same probes, broken in the
same way in the same run.
"""

from __future__ import annotations

import asyncio
import json
import time
from functools import partial
from pathlib import Path
from typing import Any

from tools import testenv

from alluse.client.calls import System
from alluse.client.forwarding import Given
from alluse.contract import COMPONENTS
from applications import pod, send_signal
from forwards import ways
from kube import CommandError, Kube, Watch, condition
from performance.components import workflows
from performance.ordering import SYSTEM, manifest, namespace, prepared
from performance.results import Figure, Results, median, percentile
from performance.users import users_at_once
from performance.workloads import plain

COMPONENT = "market-analyzer"
BACK_SECONDS = 120
#: Until metrics-server has looked again.
FRESH_FIGURES_S = 45.0


async def measure(results: Results, directory: Path, rounds: int) -> None:
    cluster, kube = prepared()
    with namespace(kube) as ours, namespace(kube) as theirs:
        kube.apply(manifest(SYSTEM, ours))
        kube.kubectl(
            "wait",
            "--for=condition=Ready",
            f"allusesystem/{SYSTEM}",
            "-n",
            ours,
            "--timeout=180s",
            timeout=200,
        )
        memory(results, kube, ours, "at rest")
        health_answers(results, kube, ours)
        kube.wait("a system that is well by its own account", partial(well, kube, ours), 90, ours)
        with ways(kube, SYSTEM, ours, *COMPONENTS) as addresses:
            workflows(results, System(Given(addresses)), rounds, "on kind")
            await users_at_once(results, addresses["enhanced-agent"], "on kind")
        await asyncio.sleep(FRESH_FIGURES_S)
        memory(results, kube, ours, "after the load")
        bare = [obj for obj in plain(kube, SYSTEM, ours, theirs) if COMPONENT in obj["metadata"]["name"]]
        kube.kubectl(
            "apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": bare})
        )
        kube.kubectl("rollout", "status", f"deployment/{SYSTEM}-{COMPONENT}", "-n", theirs, "--timeout=60s")
        for signal in ("KILL", "STOP"):
            comebacks(results, cluster, kube, ours, theirs, signal, rounds)
        shutdown(results, kube, ours)


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


def health_answers(results: Results, kube: Kube, where: str) -> None:
    """As seen through the API server's proxy: its own time is held against an answer of /health/live."""
    seconds: dict[str, list[float]] = {"/health": [], "/health/live": []}
    for name in COMPONENTS:
        for path, samples in seconds.items():
            started = time.monotonic()
            kube.kubectl(
                "get", "--raw", f"/api/v1/namespaces/{where}/services/{SYSTEM}-{name}:http/proxy{path}"
            )
            samples.append(time.monotonic() - started)
    results.add(
        Figure(
            "slowest /health of 16, kubectl and proxy included",
            max(seconds["/health"]),
            "s",
            max(seconds["/health/live"]),
            "/health/live, same way",
            "< 0.100 + the way",
            tuple(seconds["/health"]),
        )
    )


def comebacks(
    results: Results, cluster: testenv.Cluster, kube: Kube, ours: str, theirs: str, signal: str, rounds: int
) -> None:
    noticed, back, bare = [], [], []
    for _ in range(rounds):
        with kube.watch("allusesystems", ours) as systems, kube.watch("pods", ours) as pods:
            started, back_at = break_and_wait(cluster, kube, pods, ours, signal)
            back.append(back_at - started)
            noticed.append(
                until(kube, ours, "noticed in the status", partial(seen_sick, systems, started)) - started
            )
            kube.kubectl(
                "wait",
                "--for=condition=Ready",
                f"allusesystem/{SYSTEM}",
                "-n",
                ours,
                "--timeout=120s",
                timeout=140,
            )
        with kube.watch("pods", theirs) as pods:
            started, back_at = break_and_wait(cluster, kube, pods, theirs, signal)
            bare.append(back_at - started)
    name = {"KILL": "kill -9", "STOP": "hang"}[signal]
    results.add(
        Figure(
            f"{name}: noticed by the operator, p99",
            percentile(noticed, 0.99),
            "s",
            aim="<= 10",
            samples=tuple(noticed),
        )
    )
    results.add(
        Figure(
            f"{name}: ready again",
            median(back),
            "s",
            median(bare),
            "bare Deployment",
            "ratio <= 1.1",
            tuple(back),
        )
    )


def break_and_wait(
    cluster: testenv.Cluster, kube: Kube, pods: Watch, where: str, signal: str
) -> tuple[float, float]:
    """Break the component; (when, when a pod of it was ready again)."""
    victim = pod(kube, SYSTEM, COMPONENT, where)
    started = time.monotonic()
    send_signal(cluster, victim, signal)
    return started, until(kube, where, f"{COMPONENT} is back", partial(ready_again, pods, started))


def until(kube: Kube, where: str, what: str, look: Any) -> float:
    return float(kube.wait(what, look, BACK_SECONDS, where))


def ready_again(pods: Watch, started: float) -> float | None:
    """When, after a pod of the component was seen not ready or new, one was seen ready."""
    down = False
    for kind, seen, at in list(pods.events):
        if at < started or seen["metadata"]["labels"].get("alluse.io/component") != COMPONENT:
            continue
        ready = condition(seen, "Ready").get("status") == "True" and not seen["metadata"].get(
            "deletionTimestamp"
        )
        if not ready:
            down = True
        elif down and kind != "DELETED":
            return at
    return None


def seen_sick(systems: Watch, started: float) -> float | None:
    for _, seen, at in list(systems.events):
        rows = {row["name"]: row["state"] for row in seen.get("status", {}).get("components", [])}
        if at >= started and rows.get(COMPONENT, "Healthy") not in ("Healthy", "Degraded"):
            return at
    return None


def shutdown(results: Results, kube: Kube, where: str) -> None:
    with kube.watch("pods", where) as pods:
        kube.wait("the watch stands", lambda: len(pods.created()) >= len(COMPONENTS), 30, where)
        started = time.monotonic()
        kube.kubectl("delete", "allusesystem", SYSTEM, "-n", where, "--timeout=90s", timeout=100)
        gone = time.monotonic() - started
    results.add(Figure("shutdown of the whole system, in reverse order", gone, "s", aim="< 5"))
