"""Five minutes at rest with the whole system running: what the operator writes, asks, and takes."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from kube import Kube
from performance.ordering import SYSTEM, manifest, namespace, prepared
from performance.results import Figure, Results

SECONDS = 300
#: Every verb that changes something but PUT, with which the lease alone is renewed.
WRITES = ("APPLY", "POST", "PATCH", "DELETE", "EVICT")


def leader_metrics(kube: Kube) -> dict[str, float]:
    """The metrics of the replica that leads."""
    for pod in kube.items("pods", "alluse-system", "app.kubernetes.io/name=allusesystem-operator"):
        path = f"/api/v1/namespaces/alluse-system/pods/{pod['metadata']['name']}:8080/proxy/metrics"
        lines = kube.kubectl("get", "--raw", path).splitlines()
        values = {
            line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if line and line[0] != "#"
        }
        if values.get("allusesystem_leader") == 1.0:
            return values
    raise AssertionError(f"no replica leads\n{kube.describe('alluse-system')}")


def total(metrics: dict[str, float], verbs: tuple[str, ...] = ()) -> float:
    """Requests to the API server, of all verbs or of some."""
    found = {
        name: value for name, value in metrics.items() if name.startswith("allusesystem_api_requests_total")
    }
    return sum(
        value for name, value in found.items() if not verbs or any(f'verb="{verb}"' in name for verb in verbs)
    )


async def measure(results: Results, directory: Path, rounds: int) -> None:
    _, kube = prepared()
    with namespace(kube) as where:
        kube.apply(manifest(SYSTEM, where))
        kube.kubectl(
            "wait",
            "--for=condition=Ready",
            f"allusesystem/{SYSTEM}",
            "-n",
            where,
            "--timeout=180s",
            timeout=200,
        )
        await asyncio.sleep(30)  # the last events of the start
        before, started = leader_metrics(kube), time.monotonic()
        await asyncio.sleep(SECONDS)
        after, minutes = leader_metrics(kube), (time.monotonic() - started) / 60
        cpu = "process_cpu_seconds_total"
        results.add(
            Figure(
                "writes in five minutes at rest, the lease's apart",
                total(after, WRITES) - total(before, WRITES),
                "",
                aim="0",
            )
        )
        results.add(Figure("requests a minute at rest", (total(after) - total(before)) / minutes, ""))
        listed = (total(after, ("LIST",)) - total(before, ("LIST",))) / minutes
        results.add(Figure("... of them listings", listed, ""))
        results.add(
            Figure("operator CPU at rest", (after[cpu] - before[cpu]) / (minutes * 60), "core", aim="< 0.01")
        )
        results.add(
            Figure("operator memory (resident)", after["process_resident_memory_bytes"] / 2**20, "MiB")
        )
