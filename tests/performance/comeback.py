"""Waiting for what was lost: pods that are ready again, and the gate that closes."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Collection

from alluse.client.forwarding import end_forward, open_forward
from alluse.contract import COMPONENTS, PORT
from drills import SYSTEM, Ground, Signalled
from kube import Kube, Watch, condition

BACK_SECONDS = 300
LOOK_S = 0.05


def back_again(
    kube: Kube,
    watch: Watch,
    where: str,
    started: float,
    *,
    names: Collection[str] = COMPONENTS,
    lost: bool = False,
) -> float:
    """The moment at which the last of the components was ready, after each had been lost where `lost`."""

    def all_back() -> dict[str, float] | None:
        found = moments(watch, started, lost=lost)
        return found if found.keys() >= set(names) else None

    found = kube.wait(f"{len(names)} ready pods", all_back, BACK_SECONDS, where)
    return max(found[name] for name in names)


def moments(watch: Watch, started: float, *, lost: bool) -> dict[str, float]:
    """Component -> when a pod of it was ready (again)."""
    ready: dict[str, float] = {}
    gone: set[str] = set()
    for kind, pod, at in list(watch.events):
        if at < started:
            continue
        name = pod["metadata"]["labels"].get("alluse.io/component", "")
        good = condition(pod, "Ready").get("status") == "True" and not pod["metadata"].get(
            "deletionTimestamp"
        )
        if not good:
            gone.add(name)
            ready.pop(name, None)
        elif kind != "DELETED" and (name in gone or not lost):
            ready.setdefault(name, at)
    return ready


def safe_state(ground: Ground, guardian: str) -> float:
    """Stop a component that the trading gate requires; seconds until the agent's gate says that it is closed."""
    forward, port = open_forward(ground.place, f"svc/{SYSTEM}-enhanced-agent", PORT)
    breaker = Signalled(ground.cluster, ground.pod(guardian), "STOP")
    try:
        assert gate_open(port), "the gate is closed before anything was broken"
        started = time.monotonic()
        breaker.start()
        ground.kube.wait("the gate closes", lambda: not gate_open(port), 60, ground.namespace)
        return time.monotonic() - started
    finally:
        end_forward(forward)


def gate_open(port: int) -> bool:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/trading-gate", timeout=5) as answer:
        return bool(json.load(answer)["open"])
