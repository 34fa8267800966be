"""The sixteen components as processes on this machine: start, memory, health, workflows, users, rules, stop."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tools import apart

from alluse.client.calls import System
from alluse.client.forwarding import Given
from alluse.client.workflows import WORKFLOWS, Run, run_steps
from alluse.contract import COMPONENTS
from alluse.domain.book import History
from alluse.domain.risk import assess
from alluse.runtime.http_client import HttpClient
from alluse.schemas.risk import AssessRequest
from component_processes import Cluster
from load import talk
from performance.results import Figure, Results, median, percentile
from performance.users import users_at_once

#: Those of the image, and production's configuration.
VARIABLES = {"ALL_USE_ENV": "production", "MALLOC_ARENA_MAX": "1", "PYTHONDONTWRITEBYTECODE": "1"}
SETTLE_S = 10.0
REST_S = 20.0
HEALTH_ROUNDS = 25
RELOADS = 50
RELOAD_PAUSE_S = 0.3
CALLS = 200
ADDED_POINTS = 10_000
BATCH = 500
SYMBOLS = ("AAPL", "MSFT", "JPM", "KO", "XOM", "UNH", "PG", "WMT", "HD", "CVX")
HOST = "127.0.0.1"


async def measure(results: Results, directory: Path, rounds: int) -> None:
    with Cluster(directory, VARIABLES, as_in_the_image()) as cluster:
        starts(results, cluster)
        await asyncio.sleep(SETTLE_S)
        memory(results, cluster, "at rest")
        await resting(results, cluster)
        await health_answers(results, cluster)
        await reloads(results, cluster)
        ways = Given({name: (HOST, port) for name, port in cluster.ports.items()})
        workflows(results, System(ways), rounds, "processes")
        await computations(results, cluster)
        await users_at_once(results, partial(talk, HOST, cluster.ports["enhanced-agent"]), "processes")
        await asyncio.sleep(SETTLE_S)
        memory(results, cluster, "after the load")
        disk(results, cluster)
        shutdown(results, cluster)
    parametric(results)


def as_in_the_image() -> str:
    """A Python with the packages of the image and no others, and the components compiled as they are there."""
    python = apart.prepare("components")
    subprocess.run([python, "-m", "compileall", "-q", apart.ROOT / "components"], check=True)
    return str(python)


def starts(results: Results, cluster: Cluster) -> None:
    """One after the other, each when all before it are ready: exec to ready on a core of its own."""
    seconds = {}
    for name in COMPONENTS:
        started = time.monotonic()
        cluster.start(name).wait_ready()
        seconds[name] = time.monotonic() - started
    slowest = max(seconds, key=lambda name: seconds[name])
    results.add(
        Figure(
            f"exec to ready, the slowest of 16 ({slowest})",
            seconds[slowest],
            "s",
            aim="< 2",
            samples=tuple(seconds.values()),
        )
    )


def memory(results: Results, cluster: Cluster, when: str) -> None:
    """Proportional set size: pages that processes share count once, as they do on a node."""
    sizes = []
    for process in cluster.running.values():
        rollup = Path(f"/proc/{process.process.pid}/smaps_rollup").read_text()
        sizes.append(
            int(next(line for line in rollup.splitlines() if line.startswith("Pss:")).split()[1]) / 1024
        )
    results.add(Figure(f"memory of all 16, {when}", sum(sizes), "MiB", aim="< 500", samples=tuple(sizes)))


async def resting(results: Results, cluster: Cluster) -> None:
    """What all of them use while nobody asks for anything. The traffic is that of the machine's loopback, on
    which theirs is, so it is theirs at most."""
    before, sent, started = _cpu_seconds(cluster), _loopback_bytes(), time.monotonic()
    await asyncio.sleep(REST_S)
    seconds = time.monotonic() - started
    share = (_cpu_seconds(cluster) - before) / seconds / (os.cpu_count() or 1)
    results.add(Figure("CPU of all 16, at rest", share * 100, "% of the machine", aim="< 50"))
    rate = (_loopback_bytes() - sent) / seconds * 60 / 1e6
    results.add(Figure("network of all 16, at rest", rate, "MB/min", aim="< 10"))


def _cpu_seconds(cluster: Cluster) -> float:
    ticks = 0
    for process in cluster.running.values():
        stat = Path(f"/proc/{process.process.pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(stat[11]) + int(stat[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _loopback_bytes() -> int:
    lines = Path("/proc/net/dev").read_text().splitlines()
    return int(next(line for line in lines if line.strip().startswith("lo:")).split(":")[1].split()[0])


def disk(results: Results, cluster: Cluster) -> None:
    """What all of them keep, logs of the processes included."""
    kept = sum(each.stat().st_size for each in cluster.directory.rglob("*") if each.is_file())
    results.add(Figure("disk of all 16, after the load", kept / 1e6, "MB", aim="< 1,000"))


async def reloads(results: Results, cluster: Cluster) -> None:
    """One key changed by hand: the whole is put together, validated, stored and in force."""
    client, samples = HttpClient(), []
    address = f"http://{HOST}:{cluster.ports['config-manager']}"
    path, headers = "/v1/overrides/monitoring.health.check_interval", {"content-type": "application/json"}
    for number in range(RELOADS):
        body = json.dumps({"value": 30 + number % 2, "reason": "bench"}).encode()
        started = time.perf_counter()
        reply = await client.request(address, "PUT", path, headers, body, 5.0)
        samples.append(time.perf_counter() - started)
        assert reply.status == 200, reply
        # Fifteen others take the change over meanwhile.
        await asyncio.sleep(RELOAD_PAUSE_S)
    await client.request(address, "DELETE", path, {}, b"", 5.0)
    await client.close()
    results.add(
        Figure(
            "configuration loaded anew, p95", percentile(samples, 0.95), "s", aim="< 0.050",
            samples=tuple(samples),
        )
    )  # fmt: skip


async def health_answers(results: Results, cluster: Cluster) -> None:
    client, samples = HttpClient(), []
    for _ in range(HEALTH_ROUNDS):
        for name in COMPONENTS:
            address = f"http://{HOST}:{cluster.ports[name]}"
            for path in ("/health", "/health/live"):
                started = time.perf_counter()
                reply = await client.request(address, "GET", path, {}, b"", 5.0)
                samples.append(time.perf_counter() - started)
                assert reply.status == 200, (name, path, reply)
    await client.close()
    results.add(
        Figure(
            "health answer of any, p99", percentile(samples, 0.99), "s", aim="< 0.100", samples=tuple(samples)
        )
    )


def workflows(results: Results, system: System, rounds: int, where: str) -> None:
    """All steps together, as `make workflows` runs them; each must meet its requirement."""
    for workflow in WORKFLOWS.values():
        seconds = []
        for number in range(rounds):
            outcomes = list(run_steps(workflow, Run(system, f"{workflow.name}-{number}")))
            failed = [outcome for outcome in outcomes if not outcome.passed]
            if failed:
                raise AssertionError(f"{workflow.name}: {failed[0]}")
            seconds.append(sum(outcome.seconds for outcome in outcomes))
        aim = f"< {workflow.limit_s:g}" + (", better 0.200" if workflow.name == "trading" else "")
        results.add(
            Figure(
                f"workflow {workflow.name}, {where}", median(seconds), "s", aim=aim, samples=tuple(seconds)
            )
        )


async def computations(results: Results, cluster: Cluster) -> None:
    """Each call asks something new, so that no cache answers it."""
    analysis: dict[str, Any] = {}
    days = iter(_days())

    def analyze(_: int) -> Mapping[str, Any]:
        return {"symbol": "AAPL", "as_of": next(days).isoformat()}

    def risk(number: int) -> Mapping[str, Any]:
        positions = [{"symbol": symbol, "quantity": 10 + number, "price": 100} for symbol in SYMBOLS]
        return {"portfolio_id": "bench", "positions": positions, "cash": 5_000, "as_of": "2022-12-28"}

    def size(number: int) -> Mapping[str, Any]:
        return {
            "account_balance": 50_000 + number,
            "account_type": "GEN_ACC",
            "symbol": "AAPL",
            "market_analysis": analysis,
        }

    async with _Caller(cluster) as caller:
        reply = await caller.post("market-analyzer", "/v1/analyze", {"symbol": "AAPL", "as_of": "2024-06-18"})
        analysis |= reply
        asked: dict[str, tuple[str, str, Callable[[int], Mapping[str, Any]], str]] = {
            "market analysis": ("market-analyzer", "/v1/analyze", analyze, "< 0.050"),
            "risk of ten positions": ("portfolio-risk-monitor", "/v1/assess", risk, "< 0.025"),
            "sizing": ("position-sizer", "/v1/size", size, "< 0.030"),
        }
        for name, (component, path, body, aim) in asked.items():
            for number in range(20):
                await caller.post(component, path, body(CALLS + 1 + number))
            samples = []
            for number in range(1, CALLS + 1):
                message = body(number)
                started = time.perf_counter()
                await caller.post(component, path, message)
                samples.append(time.perf_counter() - started)
            results.add(
                Figure(f"{name}, p95", percentile(samples, 0.95), "s", aim=aim, samples=tuple(samples))
            )
        started = time.perf_counter()
        for first in range(0, ADDED_POINTS, BATCH):
            points = [
                {"name": "bench_points", "value": float(n), "unit": ""} for n in range(first, first + BATCH)
            ]
            await caller.post("metrics-collector", "/v1/metrics", points)
        rate = ADDED_POINTS / (time.perf_counter() - started) * 60
        results.add(Figure("metric points taken", rate, "/min", aim=">= 10,000"))


def _days() -> Iterator[date]:
    day = date(2022, 1, 3)
    while True:
        yield day
        day += timedelta(days=1)


class _Caller:
    """Posts JSON on kept connections."""

    def __init__(self, cluster: Cluster) -> None:
        self._ports = cluster.ports
        self._client = HttpClient()

    async def __aenter__(self) -> _Caller:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._client.close()

    async def post(self, component: str, path: str, body: Any) -> Any:
        address = f"http://{HOST}:{self._ports[component]}"
        headers = {"content-type": "application/json"}
        reply = await self._client.request(address, "POST", path, headers, json.dumps(body).encode(), 10.0)
        if reply.status >= 300:
            raise AssertionError(f"{component}{path} answered {reply.status}: {reply.body[:300]!r}")
        return json.loads(reply.body)


def shutdown(results: Results, cluster: Cluster) -> None:
    """SIGTERM to all at the same moment, until the last has ended with 0."""
    started = time.monotonic()
    for process in cluster.running.values():
        process.process.send_signal(signal.SIGTERM)
    codes = {name: process.process.wait(30) for name, process in cluster.running.items()}
    results.add(Figure("all 16 stop", time.monotonic() - started, "s", aim="< 5"))
    assert set(codes.values()) == {0}, codes


def parametric(results: Results) -> None:
    """The rule alone, in this process: ten positions, covariance of a year included."""
    random = np.random.default_rng(7)
    history = History(SYMBOLS, random.normal(0, 0.012, (252, len(SYMBOLS))), date(2022, 12, 28))
    positions = [{"symbol": symbol, "quantity": 10, "price": 100} for symbol in SYMBOLS]
    book = {"portfolio_id": "bench", "positions": positions, "cash": 5_000, "method": "parametric"}
    request = AssessRequest.model_validate(book)
    assess(request, history)
    gc.collect()
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < 3:
        assess(request, history)
        done += 1
    rate = done / (time.perf_counter() - started)
    results.add(Figure("parametric risk calculations", rate, "/s", aim=">= 500"))
