"""Our own overhead, on a simulated cluster, beside a script with one watch in the same run.

*Gap*: from the moment an observer sees the last dependency of a component available until it sees the
component's Deployment created. Both sides are seen by the same observer.

The yardstick is the script that makes three objects a component, as small as they can be. Two others say what of
the difference is whose: the operator makes five (a ServiceAccount and a NetworkPolicy more), and its objects are
larger (probes, limits, rules), which every controller's write to them pays for. So the same script is measured with
five small objects, and with the very objects that the operator makes: beside that one, what is left is the
operator's own, and the API server's work on its behalf.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from tools import testenv
from tools.cluster import controlplane, ports

from performance.api import Api
from performance.graph import edges, resource
from performance.results import Figure, Results, median, percentile

TESTS = Path(__file__).resolve().parents[1]
CRD = TESTS.parent / "crds" / "allusesystems.yaml"
DEPLOYMENTS = "/apis/apps/v1/deployments"
START_SECONDS = 120


@dataclass(slots=True)
class Observer:
    """When each Deployment (namespace, component) was created, available and deleted, by one watch."""

    created: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    available: dict[tuple[str, str], float] = field(default_factory=dict)
    there: set[tuple[str, str]] = field(default_factory=set)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def watch(self, api: Api) -> None:
        async for event in api.watch(f"{DEPLOYMENTS}?watch=true"):
            at = time.monotonic()
            metadata = event["object"]["metadata"]
            key = (
                metadata["namespace"],
                metadata.get("labels", {}).get("alluse.io/component", metadata["name"]),
            )
            (self.there.discard if event["type"] == "DELETED" else self.there.add)(key)
            if event["type"] == "ADDED":
                self.created.setdefault(key, []).append(at)
            if event["object"].get("status", {}).get("availableReplicas"):
                self.available.setdefault(key, at)
            self.changed.set()

    async def until_available(self, namespaces: list[str]) -> float:
        """Wait until the whole graph is available in each namespace; the moment of the last one."""
        wanted = {(namespace, component) for namespace in namespaces for component in edges()}
        async with asyncio.timeout(START_SECONDS):
            while not wanted <= self.available.keys():
                self.changed.clear()
                await self.changed.wait()
        return max(self.available[key] for key in wanted)

    async def until_gone(self, namespaces: list[str]) -> None:
        """Wait for the end of a teardown, lest the next round is measured beside it."""
        async with asyncio.timeout(START_SECONDS):
            while any(namespace in namespaces for namespace, _ in self.there):
                self.changed.clear()
                await self.changed.wait()

    async def until_created_again(self, key: tuple[str, str]) -> float:
        async with asyncio.timeout(30):
            while len(self.created.get(key, [])) < 2:
                self.changed.clear()
                await self.changed.wait()
        return self.created[key][1]

    def gaps(self, namespace: str) -> Iterator[float]:
        for component, needs in edges().items():
            if needs:
                freed = max(self.available[namespace, need] for need in needs)
                yield self.created[namespace, component][0] - freed


@dataclass(frozen=True, slots=True)
class Start:
    """Figures of one start of the graph in one or more namespaces."""

    seconds: float
    gaps: tuple[float, ...]
    requests: int
    healed: float
    server_cpu: float
    """Seconds that the API server has used meanwhile, for whomever."""


@contextlib.asynccontextmanager
async def observed(kubeconfig: str) -> AsyncIterator[tuple[Api, Observer]]:
    async with Api.connect(kubeconfig) as api:
        observer = Observer()
        watching = asyncio.create_task(observer.watch(api))
        try:
            yield api, observer
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


async def make_namespaces(api: Api, prefix: str, count: int) -> list[str]:
    names = [f"{prefix}-{number}" for number in range(count)]
    for name in names:
        await api.post("/api/v1/namespaces", {"metadata": {"name": name}})
        async with asyncio.timeout(30):
            while True:  # the namespace's default service account is there a moment later
                accounts = await api.get(f"/api/v1/namespaces/{name}/serviceaccounts")
                if accounts["items"]:
                    break
    return names


async def heal(api: Api, observer: Observer, namespace: str, deployment: str, component: str) -> float:
    """Delete a Deployment; seconds until it is there again."""
    started = time.monotonic()
    await api.delete(f"/apis/apps/v1/namespaces/{namespace}/deployments/{deployment}")
    return await observer.until_created_again((namespace, component)) - started


async def start_by_script(kubeconfig: str, prefix: str, count: int, objects: str = "three") -> Start:
    async with observed(kubeconfig) as (api, observer):
        namespaces = await make_namespaces(api, prefix, count)
        script = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "performance.script", kubeconfig, objects, *namespaces,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(TESTS)},
        )  # fmt: skip
        assert script.stdout is not None
        assert script.stdin is not None
        await script.stdout.readline()
        used = await api.cpu_seconds()
        started = time.monotonic()
        script.stdin.write(b"go\n")
        seconds = await observer.until_available(namespaces) - started
        used = await api.cpu_seconds() - used
        name = "s-market-analyzer" if objects == "same" else "market-analyzer"
        healed = await heal(api, observer, namespaces[0], name, "market-analyzer")
        script.stdin.close()
        requests = int(json.loads(await script.stdout.readline())["requests"])
        await script.wait()
        gaps = tuple(gap for namespace in namespaces for gap in observer.gaps(namespace))
        return Start(seconds, gaps, requests, healed, used)


async def start_by_operator(kubeconfig: str, operator: OperatorProcess, prefix: str, count: int) -> Start:
    async with observed(kubeconfig) as (api, observer):
        namespaces = await make_namespaces(api, prefix, count)
        before = await operator.requests()
        used = await api.cpu_seconds()
        started = time.monotonic()
        paths = [f"/apis/alluse.io/v1alpha1/namespaces/{namespace}/allusesystems" for namespace in namespaces]
        await asyncio.gather(*(api.post(p, resource("s", n)) for p, n in zip(paths, namespaces, strict=True)))
        seconds = await observer.until_available(namespaces) - started
        used = await api.cpu_seconds() - used
        requests = await operator.requests() - before
        healed = await heal(api, observer, namespaces[0], "s-market-analyzer", "market-analyzer")
        await asyncio.gather(*(api.delete(f"{path}/s") for path in paths))
        await observer.until_gone(namespaces)
        gaps = tuple(gap for namespace in namespaces for gap in observer.gaps(namespace))
        return Start(seconds, gaps, requests, healed, used)


class OperatorProcess:
    """The operator of this tree as a process beside the simulated cluster."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process, self._port = process, port

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls, kubeconfig: str, log: Path) -> AsyncIterator[OperatorProcess]:
        (port,) = ports.free_ports(1)
        with log.open("wb") as sink:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "alluse_operator", "--kubeconfig", kubeconfig,
                "--http-host", "127.0.0.1", "--http-port", str(port), stdout=sink, stderr=sink,
            )  # fmt: skip
            operator = cls(process, port)
            try:
                await operator.until_leading()
                yield operator
            finally:
                process.terminate()
                await process.wait()

    async def metrics(self) -> dict[str, float]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{self._port}/metrics") as answer,
        ):
            lines = (await answer.text()).splitlines()
        return {
            line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if line and line[0] != "#"
        }

    async def requests(self) -> int:
        """Requests other than the lease's and the watches'."""
        seen = await self.metrics()
        return int(
            sum(value for name, value in seen.items() if name.startswith("allusesystem_api_requests_total"))
        )

    async def writes(self) -> int:
        seen = await self.metrics()
        prefix = "allusesystem_api_requests_total"
        return int(
            sum(
                value
                for name, value in seen.items()
                if name.startswith(prefix) and 'verb="GET"' not in name and 'verb="LIST"' not in name
            )
        )

    async def until_leading(self) -> None:
        async with asyncio.timeout(30):
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    if (await self.metrics()).get("allusesystem_leader") == 1.0:
                        async with aiohttp.ClientSession() as session:
                            answer = await session.get(f"http://127.0.0.1:{self._port}/readyz")
                            if answer.status == 200:
                                return
                await asyncio.sleep(0.05)


async def measure(results: Results, directory: Path, rounds: int) -> None:
    """Alternate script and operator, then ten systems at once."""
    plane = testenv.start_control_plane(directory / "plane", simulated=True)
    try:
        kubeconfig = str(plane.kubeconfig)
        install_definition(plane)
        scripts, fives, sames, operators = [], [], [], []
        async with OperatorProcess.running(kubeconfig, directory / "operator.log") as operator:
            for number in range(rounds):
                scripts.append(await start_by_script(kubeconfig, f"script-{number}", 1))
                operators.append(await start_by_operator(kubeconfig, operator, f"operator-{number}", 1))
                fives.append(await start_by_script(kubeconfig, f"five-{number}", 1, objects="five"))
                sames.append(await start_by_script(kubeconfig, f"same-{number}", 1, objects="same"))
            ten_scripts = await start_by_script(kubeconfig, "script-ten", 10)
            ten_operators = await start_by_operator(kubeconfig, operator, "operator-ten", 10)
            ten_fives = await start_by_script(kubeconfig, "five-ten", 10, objects="five")
            ten_sames = await start_by_script(kubeconfig, "same-ten", 10, objects="same")
    finally:
        plane.stop()
    compare(results, scripts, operators)
    for what, others in (("script of five", fives), ("script of the same", sames)):
        ours, beside = (median([start.seconds for start in starts]) for starts in (operators, others))
        results.add(Figure(f"apply to all ready, beside a {what}", ours, "s", beside, what))
    name, aim = "ten systems at once: apply to all ready", "ratio <= 1.3"
    results.add(Figure(name, ten_operators.seconds, "s", ten_scripts.seconds, "script", aim))
    for what, other in (("script of five", ten_fives), ("script of the same", ten_sames)):
        results.add(
            Figure(f"ten systems at once, beside a {what}", ten_operators.seconds, "s", other.seconds, what)
        )
        name = f"ten systems at once: API server, beside a {what}"
        results.add(Figure(name, ten_operators.server_cpu, "CPU s", other.server_cpu, what))


def install_definition(plane: controlplane.ControlPlane) -> None:
    subprocess.run([*plane.kubectl, "apply", "-f", str(CRD)], check=True, capture_output=True)


def compare(results: Results, scripts: list[Start], operators: list[Start]) -> None:
    ours = [gap for start in operators for gap in start.gaps]
    theirs = [gap for start in scripts for gap in start.gaps]
    results.add(Figure("gap p50", median(ours), "s", median(theirs), "script", "ratio <= 1.5", tuple(ours)))
    results.add(Figure("gap p99", percentile(ours, 0.99), "s", percentile(theirs, 0.99), "script"))
    for name, aim, ours, theirs in (
        ("apply to all ready", "ratio <= 1.3", [s.seconds for s in operators], [s.seconds for s in scripts]),
        (
            "requests of one start",
            "<= 120",
            [float(s.requests) for s in operators],
            [float(s.requests) for s in scripts],
        ),
        (
            "deleted child created again",
            "< 0.050 s",
            [s.healed for s in operators],
            [s.healed for s in scripts],
        ),
    ):
        unit = "" if "requests" in name else "s"
        results.add(Figure(name, median(ours), unit, median(theirs), "script", aim, tuple(ours)))
