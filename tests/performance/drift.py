"""How soon the operator answers what others do, on a simulated cluster: a child that somebody edits is put right,
also when the API server has just come back, and a quota that keeps pods from being made is named in the status.
"""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from tools import testenv

from performance.api import Api
from performance.gap import OperatorProcess, install_definition, make_namespaces, observed
from performance.graph import resource
from performance.results import Figure, Results, percentile

WAIT_SECONDS = 60
OUTAGE_SECONDS = 30
COMPONENT = "s-market-analyzer"
#: Of each kind of child, what somebody else changes in one.
EDITS: Mapping[str, Callable[[dict[str, Any]], None]] = {
    f"/apis/apps/v1/namespaces/{{}}/deployments/{COMPONENT}": lambda obj: obj["spec"].update(replicas=3),
    f"/api/v1/namespaces/{{}}/services/{COMPONENT}": lambda obj: obj["spec"]["selector"].update(mine="yes"),
    f"/apis/networking.k8s.io/v1/namespaces/{{}}/networkpolicies/{COMPONENT}": lambda obj: obj["spec"].update(
        ingress=[{}]
    ),
    f"/api/v1/namespaces/{{}}/serviceaccounts/{COMPONENT}": lambda obj: obj["metadata"]["labels"].clear(),
}


async def measure(results: Results, directory: Path, rounds: int) -> None:
    """Each kind of child is edited in each round; the quota is met once."""
    plane = testenv.start_control_plane(directory / "plane", simulated=True)
    try:
        kubeconfig = str(plane.kubeconfig)
        install_definition(plane)
        async with (
            OperatorProcess.running(kubeconfig, directory / "operator.log"),
            observed(kubeconfig) as (api, observer),
        ):
            edited, full = await make_namespaces(api, "drift", 2)
            await api.post(_systems(edited), resource("s", edited))
            await observer.until_available([edited])
            seconds: list[float] = []
            for _ in range(rounds):
                for path, edit in EDITS.items():
                    seconds.append(await _put_right(api, path.format(edited), edit))
            named = await _quota_named(api, full)
            plane.stop_process("kube-apiserver")
            await asyncio.sleep(OUTAGE_SECONDS)
            plane.start_process("kube-apiserver")
            plane.wait_ready()
            path, edit = next(iter(EDITS.items()))
            after = await _put_right(api, path.format(edited), edit)
    finally:
        plane.stop()
    for share in (0.5, 0.99):
        name = f"edited child put right p{share * 100:.0f}"
        results.add(Figure(name, percentile(seconds, share), "s", aim="< 10 s", samples=tuple(seconds)))
    name = f"edited child put right after {OUTAGE_SECONDS} s without an API server"
    results.add(Figure(name, after, "s", aim="< 15 s"))
    results.add(Figure("quota named in a condition", named, "s", aim="< 15 s"))


async def _put_right(api: Api, path: str, edit: Callable[[dict[str, Any]], None]) -> float:
    """Seconds from somebody's edit until the object is as it was."""
    before = _told(await api.get(path))
    while True:
        changed = await api.get(path)
        edit(changed)
        try:
            await api.put(path, changed)
            break
        except RuntimeError as error:
            if "409" not in str(error):
                raise
    started = time.monotonic()

    async def same() -> bool:
        return _told(await api.get(path)) == before

    await _until(same)
    return time.monotonic() - started


async def _quota_named(api: Api, namespace: str) -> float:
    """Seconds from the first component's creation, which no pod can follow, until a condition says why."""
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    await api.post(f"/api/v1/namespaces/{namespace}/resourcequotas", quota)
    await api.post(_systems(namespace), resource("s", namespace))
    started = time.monotonic()

    async def said() -> bool:
        status = (await api.get(f"{_systems(namespace)}/s")).get("status", {})
        return any("exceeded quota" in row.get("message", "") for row in status.get("conditions", ()))

    await _until(said)
    return time.monotonic() - started


async def _until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not await holds():
            pass  # each question is a request, so this is no hot loop


def _told(obj: dict[str, Any]) -> dict[str, Any]:
    """What people say of an object: without what the API server and controllers add."""
    kept = copy.deepcopy({key: value for key, value in obj.items() if key not in ("status", "metadata")})
    return {**kept, "labels": obj["metadata"].get("labels", {})}


def _systems(namespace: str) -> str:
    return f"/apis/alluse.io/v1alpha1/namespaces/{namespace}/allusesystems"
