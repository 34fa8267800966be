"""An hour of health in fast form: no restart, no action, no alert, at rest and at twice the CPU load.

Ten minutes with a deep check of every pod each second and a verdict after two failures in a row, instead of
every three seconds and after three: a false verdict has as many chances as in half an hour of the defaults, and
each chance needs one failure less. Under load the machine's cores have as many busy processes as there are
cores, so that the system gets about half.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import drills
from alluse.contract import COMPONENTS
from drills import Ground
from performance.ordering import prepared
from performance.results import Figure, Results

SECONDS = 600
FAST = {"periodSeconds": 1, "unhealthyAfter": 2}


async def measure(results: Results, directory: Path, rounds: int) -> None:
    cluster, kube = prepared()
    components = [{"name": name, "health": FAST} for name in COMPONENTS]
    with drills.running(cluster, kube, components=components) as ground:
        healthy(results, ground, "at rest")
        with busy(os.cpu_count() or 1):
            healthy(results, ground, "at twice the load")


def healthy(results: Results, ground: Ground, when: str) -> None:
    """Watch the system for a while; nothing may happen to it."""
    kube = ground.kube
    ground.wait_quiet()
    before, acted = _restarts(ground), sum(map(len, ground.attempts().values()))
    with kube.watch("allusesystems", ground.namespace) as watch:
        time.sleep(SECONDS)
        statuses = [obj.get("status", {}) for _, obj, _ in watch.events]
    after = _restarts(ground)
    changed = sum(after.get(uid, -1) != count for uid, count in before.items())
    unwell = {
        (row["name"], row["reason"])
        for status in statuses
        for row in status.get("components", [])
        if row["state"] not in ("Healthy", "Degraded")
    }
    told = {alert["fingerprint"] for status in statuses for alert in status.get("alerts", [])}
    minutes = SECONDS // 60
    results.add(Figure(f"{minutes} healthy minutes {when}: pods restarted or replaced", changed, "", aim="0"))
    results.add(
        Figure(
            f"{minutes} healthy minutes {when}: actions of the operator",
            sum(map(len, ground.attempts().values())) - acted, "", aim="0",
        )
    )  # fmt: skip
    results.add(Figure(f"{minutes} healthy minutes {when}: false verdicts", len(unwell), "", aim="0"))
    results.add(Figure(f"{minutes} healthy minutes {when}: alerts", len(told), "", aim="0"))
    for name, reason in sorted(unwell):
        print(f"    {name}: {reason}", flush=True)


def _restarts(ground: Ground) -> dict[str, int]:
    """Restarts of each container by the uid of its pod."""
    return {
        pod["metadata"]["uid"]: pod["status"]["containerStatuses"][0]["restartCount"]
        for pod in ground.kube.items("pods", ground.namespace)
    }


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """So many processes that compute without end."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()
