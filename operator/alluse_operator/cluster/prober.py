"""Deep checks: asks each ready pod about its health, and says when the verdict changes.

A GET on the pod's own address, on the component's port and path and nowhere else: no redirects, no proxy,
at most 64 KiB of answer, within the component's timeout and never longer than 5 s. Each pod has its own
rhythm, begun at a random phase, so that the load is spread. After a failure or a late answer it asks again a
second later, so that several in a row are known soon.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import aiohttp

from alluse_operator.clock import Clock
from alluse_operator.cluster.mirror import Key
from alluse_operator.core.health.probes import SLOW_AFTER
from alluse_operator.core.observed import ProbeOutcome, ProbeReading
from alluse_operator.metrics import Metrics

BODY_LIMIT = 64 * 1024
#: Whatever a component asks for, nobody is waited for longer.
LONGEST_TIMEOUT = timedelta(seconds=5)
RETRY = timedelta(seconds=1)
MESSAGE_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Target:
    """One pod to ask, and how."""

    pod_uid: str
    ip: str
    port: int
    path: str
    period: timedelta
    timeout: timedelta
    unhealthy_after: int
    restarts: int
    """Container restarts so far: a new container begins with a clean record."""


@dataclass(slots=True)
class _Probe:
    target: Target
    task: asyncio.Task[None]
    reading: ProbeReading | None = None


class Prober:
    """All deep checks of one operator process."""

    def __init__(self, wake: Callable[[Key], None], *, clock: Clock, metrics: Metrics) -> None:
        self._wake = wake
        self._clock = clock
        self._metrics = metrics
        self._probes: dict[Key, dict[str, _Probe]] = {}
        self._session: aiohttp.ClientSession | None = None
        self._anybody_answered = False

    def readings(self, key: Key) -> Mapping[str, ProbeReading]:
        """The latest reading of each pod, by uid.

        None at all before any pod has answered anything: then it is more likely that pods cannot be reached
        from here (an operator outside the cluster, a network policy) than that all of them fail.
        """
        if not self._anybody_answered:
            return {}
        probes = self._probes.get(key, {})
        return {uid: probe.reading for uid, probe in probes.items() if probe.reading is not None}

    def aim(self, key: Key, targets: Iterable[Target]) -> None:
        """Ask exactly these pods of a system from now on."""
        probes = self._probes.setdefault(key, {})
        wanted = {target.pod_uid: target for target in targets}
        for uid in probes.keys() - wanted.keys():
            probes.pop(uid).task.cancel()
        for uid, target in wanted.items():
            probe = probes.get(uid)
            if probe is not None and probe.target == target:
                continue
            if probe is not None:
                probe.task.cancel()
            task = asyncio.create_task(self._ask_for_ever(key, target), name=f"probe {key} {uid}")
            kept = probe.reading if probe is not None and probe.target.restarts == target.restarts else None
            probes[uid] = _Probe(target, task, kept)
        if not probes:
            self._probes.pop(key, None)

    async def stop(self) -> None:
        """Ask nobody any more and forget what was answered."""
        tasks = [probe.task for probes in self._probes.values() for probe in probes.values()]
        self._probes.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _ask_for_ever(self, key: Key, target: Target) -> None:
        await asyncio.sleep(target.period.total_seconds() * random.random())  # noqa: S311 - spreads load
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            outcome, message, refused = await self._ask(target)
            took = timedelta(seconds=loop.time() - began)
            self._metrics.probes.labels(outcome.value).inc()
            probe = self._probes.get(key, {}).get(target.pod_uid)
            if probe is None or probe.target != target:
                return
            before = probe.reading
            probe.reading = self._note(before, target, outcome, message, took, refused=refused)
            if _verdict(before, target) != _verdict(probe.reading, target):
                self._wake(key)
            doubted = outcome is ProbeOutcome.FAILED or 0 < probe.reading.slow < SLOW_AFTER
            pause = min(RETRY, target.period) if doubted else target.period
            await asyncio.sleep(pause.total_seconds())

    def _note(
        self,
        before: ProbeReading | None,
        target: Target,
        outcome: ProbeOutcome,
        message: str,
        took: timedelta,
        *,
        refused: bool,
    ) -> ProbeReading:
        now = self._clock.now()
        failed = outcome is ProbeOutcome.FAILED
        late = not failed and took > target.timeout / 2
        reading = ProbeReading(
            target.pod_uid,
            outcome,
            now,
            failures=1 if failed else 0,
            since=now,
            message=message,
            took=took,
            slow=(before.slow if before is not None else 0) + 1 if late else 0,
            refused=refused,
        )
        if before is not None and before.outcome is outcome:
            reading = replace(reading, since=before.since, failures=before.failures + 1 if failed else 0)
        return reading

    async def _ask(self, target: Target) -> tuple[ProbeOutcome, str, bool]:
        """One question; whatever goes wrong is an answer, too. Outcome, words, and whether nobody listens."""
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=128)
            self._session = aiohttp.ClientSession(connector=connector, trust_env=False, auto_decompress=False)
        # The API lets a path begin with nothing but a slash: it cannot lead to another host.
        host = f"[{target.ip}]" if ":" in target.ip else target.ip
        url = f"http://{host}:{target.port}{target.path}"
        try:
            async with (
                asyncio.timeout(target.timeout.total_seconds()),
                self._session.get(
                    url, allow_redirects=False, headers={"Accept": "application/json"}
                ) as answer,
            ):
                self._anybody_answered = True
                body = await _read(answer.content)
                return *_judge(answer.status, body), False
        except TimeoutError:
            return ProbeOutcome.FAILED, f"no answer within {target.timeout.total_seconds():g} s", False
        except (aiohttp.ClientError, OSError, ValueError) as error:
            cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
            refused = isinstance(cause, ConnectionRefusedError)
            return ProbeOutcome.FAILED, _short(str(error) or type(error).__name__), refused


async def _read(content: aiohttp.StreamReader) -> bytes:
    body = bytearray()
    while len(body) <= BODY_LIMIT and (chunk := await content.read(BODY_LIMIT + 1 - len(body))):
        body += chunk
    if len(body) > BODY_LIMIT:
        raise ValueError(f"the answer is longer than {BODY_LIMIT} bytes")
    return bytes(body)


def _judge(status: int, body: bytes) -> tuple[ProbeOutcome, str]:
    """Good unless the status or the body says otherwise; the body is a health document or anything else."""
    document: Any = None
    with contextlib.suppress(ValueError):
        document = json.loads(body)
    said = _what_it_says(document)
    if not 200 <= status < 300:
        return ProbeOutcome.FAILED, _short(f"HTTP {status}" + (f": {said}" if said else ""))
    if isinstance(document, Mapping) and document.get("status") == "degraded":
        return ProbeOutcome.DEGRADED, _short(said or "reports degraded")
    return ProbeOutcome.GOOD, ""


def _what_it_says(document: Any) -> str:
    """The checks that do not pass, or else the document's own message."""
    if not isinstance(document, Mapping):
        return ""
    bad: list[str] = []
    for name, check in _checks(document.get("checks")):
        verdict = check.get("status") if isinstance(check, Mapping) else check
        if verdict in ("ok", "pass", "healthy", True):
            continue
        why = (check.get("message") or check.get("detail")) if isinstance(check, Mapping) else None
        bad.append(f"{name}: {why}" if why else str(name))
    return "; ".join(bad) or str(document.get("message") or document.get("detail") or "")


def _checks(checks: Any) -> list[tuple[str, Any]]:
    """The checks of a health document by name: an object of them, or a list in which each has its name."""
    if isinstance(checks, Mapping):
        return [(str(name), check) for name, check in checks.items()]
    rows = checks if isinstance(checks, list) else []
    return [(str(check["name"]), check) for check in rows if isinstance(check, Mapping) and "name" in check]


def _verdict(reading: ProbeReading | None, target: Target) -> str:
    """What the planner may make of a reading: only its change is worth a pass."""
    if reading is None:
        return "good"
    if reading.outcome is ProbeOutcome.GOOD:
        return "slow" if reading.slow >= SLOW_AFTER else "good"
    if reading.outcome is ProbeOutcome.DEGRADED:
        return "degraded"
    return "failed" if reading.failures >= target.unhealthy_after else "failing"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MESSAGE_LIMIT else line[: MESSAGE_LIMIT - 1] + "…"
