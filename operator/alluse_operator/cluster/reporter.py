"""Publishes a report: the status in one write, then the Events.

The status is applied with a field manager of its own, together with the uid and the resource version that
it was computed from: a status made from an old picture (by this process or by one that no longer leads) is
refused, not merged. Changes of conditions go out at once, the rest is gathered for a moment, so that a
start of many components takes few writes. Events wait for the status that tells the same.

Nobody waits for a write: it goes out beside the passes, one at a time for each system. A pass that ends
meanwhile has compared with the status before; so it is repeated when the answer is there. A write that
fails leads to another pass, too, after a back-off. Nothing is lost by that: a status says how things are.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from alluse_operator.api import names
from alluse_operator.api.status import AlertStatus
from alluse_operator.cluster.client import Client
from alluse_operator.cluster.kinds import SYSTEM
from alluse_operator.cluster.mirror import Key, Mirror
from alluse_operator.cluster.notifier import Notifier
from alluse_operator.cluster.recorder import Recorder
from alluse_operator.core import alerts
from alluse_operator.core.events import Event, EventReason
from alluse_operator.core.report import Report
from alluse_operator.errors import ApiError, NotLeading
from alluse_operator.metrics import Metrics

log = logging.getLogger(__name__)

#: Shortest time between two writes of one status, unless its headline changes: to validate a status costs the
#: API server as much as a dozen small objects. Where one takes long they are made more seldom, lest many
#: systems at once keep it from starting anything.
GATHER_FOR = timedelta(seconds=1)
GATHER_AT_MOST = timedelta(seconds=5)
#: Of the time may go into writing one status.
SHARE = 0.1

#: Pauses after a write that failed: doubled each time, and never longer than the second.
FAILED_FOR = timedelta(seconds=0.25)
FAILED_AT_MOST = timedelta(seconds=5)


@dataclass(slots=True)
class _Memory:
    """One system's reports."""

    not_before: float = -1e9
    """No write before this moment, unless its headline is new and none has failed."""
    failures: int = 0
    held: dict[tuple[str, str], Event] = field(default_factory=dict)
    """Events that wait for their status."""
    telling: tuple[tuple[str, str], ...] = ()
    """Those of them that the write under way tells of."""
    write: asyncio.Task[None] | None = None
    outdated: bool = False
    """A pass has ended since the write began."""
    resource: Mapping[str, Any] = field(default_factory=dict)
    alerts: tuple[AlertStatus, ...] = ()
    """Of the latest report."""
    unknown_sinks: tuple[str, ...] = ()
    """Of which an Event was sent."""


class Reporter:
    """The only writer of statuses."""

    def __init__(
        self,
        client: Client,
        mirror: Mirror,
        recorder: Recorder,
        notifier: Notifier,
        *,
        leading: Callable[[], bool],
        wake: Callable[[Key], None],
        metrics: Metrics,
    ) -> None:
        self._client = client
        self._mirror = mirror
        self._recorder = recorder
        self._notifier = notifier
        self._leading = leading
        self._wake = wake
        self._metrics = metrics
        self._memory: dict[Key, _Memory] = {}
        self._under_way: set[asyncio.Task[None]] = set()

    def publish(self, key: Key, resource: Mapping[str, Any], report: Report) -> timedelta | None:
        """Tell what is new about `resource`, the object that the report was made from. Answers for how long
        the status is held back: then another pass is needed. Raises NotLeading.
        """
        memory = self._memory.setdefault(key, _Memory())
        writing = memory.write is not None
        for event in report.events:
            if not writing or event.key not in memory.telling:
                # In the order of the newest report: the last word of a start stays the last.
                memory.held.pop(event.key, None)
                memory.held[event.key] = event
        self._show(key, report)
        memory.resource, memory.alerts = resource, report.alerts.rows
        if writing:
            memory.outdated = True
            return None
        if report.status is None:
            self._tell(memory, resource, memory.held.keys())
            self._alert(key, memory, resource, report)
            return None
        wait = self._hold_back(memory, resource, report)
        if wait > 0:
            return timedelta(seconds=wait)
        if not self._leading():
            raise NotLeading("the lease is not ours: nothing more is written")
        memory.telling, memory.outdated = tuple(memory.held), False
        memory.write = asyncio.create_task(
            self._write_beside(key, memory, resource, report, report.status), name=f"status of {key}"
        )
        self._under_way.add(memory.write)
        memory.write.add_done_callback(self._under_way.discard)
        return None

    def forget(self, key: Key, uid: str, now: datetime) -> None:
        """The system is gone; who was told of trouble in it is told that this is over."""
        memory = self._memory.pop(key, None)
        if memory is not None and memory.alerts:
            self._notifier.submit(key, memory.resource, alerts.farewell(memory.alerts, now))
        self._notifier.forget(key)
        self._recorder.forget(uid)
        self._metrics.forget_system(key.namespace, key.name)

    async def stop(self) -> None:
        """Cancel what is under way; whoever leads next says it again."""
        self._memory.clear()
        for write in self._under_way:
            write.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _write_beside(
        self,
        key: Key,
        memory: _Memory,
        resource: Mapping[str, Any],
        report: Report,
        status: Mapping[str, Any],
    ) -> None:
        began = _now()
        try:
            written = await self._write(key, resource, status)
        except Exception:
            self._metrics.reconcile_errors.labels("internal").inc()
            log.exception(
                "Status not written, by a mistake in the operator; please report it",
                extra={"namespace": key.namespace, "system": key.name, "reason": "internal"},
            )
            written = False
        memory.write = None
        if self._memory.get(key) is not memory:
            return
        if written:
            memory.failures, memory.not_before = 0, _now() + gather_for(_now() - began)
            self._tell(memory, resource, memory.telling)
            self._alert(key, memory, resource, report)
            if memory.outdated:
                self._wake(key)
            return
        memory.failures += 1
        pause = min(
            FAILED_FOR.total_seconds() * 2.0 ** min(memory.failures - 1, 16), FAILED_AT_MOST.total_seconds()
        ) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load
        memory.not_before = _now() + pause
        asyncio.get_running_loop().call_later(pause, self._wake, key)

    def _tell(self, memory: _Memory, resource: Mapping[str, Any], keys: Iterable[tuple[str, str]]) -> None:
        for key in list(keys):
            if (event := memory.held.pop(key, None)) is not None:
                self._recorder.record(resource, event)

    def _alert(self, key: Key, memory: _Memory, resource: Mapping[str, Any], report: Report) -> None:
        """Hand out the notices of a report whose status is stored."""
        self._notifier.submit(key, resource, report.alerts.notices)
        unknown = report.alerts.unknown_sinks
        if unknown != memory.unknown_sinks:
            memory.unknown_sinks = unknown
            if unknown:
                note = f"no sink is set up under the name {', '.join(unknown)}; an Event is sent instead"
                self._recorder.record(resource, Event(EventReason.ALERT_SINK_UNKNOWN, note))

    def _hold_back(self, memory: _Memory, resource: Mapping[str, Any], report: Report) -> float:
        """Seconds; 0 or less: write at once."""
        news = report.status is None or _headline(report.status) != _headline(resource.get("status") or {})
        return 0.0 if news and not memory.failures else memory.not_before - _now()

    async def _write(self, key: Key, resource: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
        metadata = resource["metadata"]
        body = {
            "apiVersion": SYSTEM.api_version,
            "kind": SYSTEM.name,
            "metadata": {
                "name": key.name,
                "namespace": key.namespace,
                "uid": metadata["uid"],
                "resourceVersion": self._version(key, metadata),
            },
            "status": status,
        }
        try:
            answer = await self._client.apply(SYSTEM, body, names.STATUS_FIELD_MANAGER, subresource="status")
        except ApiError as error:
            if error.status in (404, 409):
                await self._refresh(key, metadata["uid"])
            else:
                log.warning(
                    "Status not written: %s",
                    error.message,
                    extra={"namespace": key.namespace, "system": key.name, "reason": error.reason},
                )
            self._metrics.reconcile_errors.labels(error.kind).inc()
            return False
        self._mirror.wrote(SYSTEM, answer)
        return True

    def _version(self, key: Key, metadata: Mapping[str, Any]) -> str:
        """The version that this pass knew; a write of its own to the same object (the finalizer) has moved
        it on.
        """
        current = self._mirror.system(key)
        if (
            current is not None
            and current["metadata"]["uid"] == metadata["uid"]
            and current["metadata"].get("generation") == metadata.get("generation")
            and current["metadata"].get("deletionTimestamp") == metadata.get("deletionTimestamp")
        ):
            return str(current["metadata"]["resourceVersion"])
        return str(metadata["resourceVersion"])

    async def _refresh(self, key: Key, uid: str) -> None:
        try:
            current = await self._client.get(SYSTEM, key.namespace, key.name)
        except ApiError as error:
            if error.status == 404:
                self._mirror.removed(SYSTEM, uid)
            return
        self._mirror.wrote(SYSTEM, current)

    def _show(self, key: Key, report: Report) -> None:
        facts = report.facts
        self._metrics.show_components(key.namespace, key.name, facts.components)
        self._metrics.show_trouble(
            key.namespace,
            key.name,
            criticalities=facts.criticalities,
            roots=facts.roots,
            exhausted=facts.exhausted,
            suspended=facts.suspended,
            spec_invalid=facts.spec_invalid,
            interlocks=facts.interlocks,
            alerts=facts.alerts,
        )
        if facts.ready_seconds is not None:
            self._metrics.time_to_ready.labels(key.namespace, key.name).set(facts.ready_seconds)
        for component, seconds in facts.start_seconds.items():
            self._metrics.component_time_to_ready.labels(key.namespace, key.name, component).set(seconds)
        for component, action in facts.recoveries:
            self._metrics.recoveries.labels(key.namespace, key.name, component, action).inc()


def gather_for(took: float) -> float:
    """Seconds until the next write of a status whose last one took so many."""
    return min(max(took / SHARE, GATHER_FOR.total_seconds()), GATHER_AT_MOST.total_seconds())


def _headline(status: Mapping[str, Any]) -> tuple[Any, ...]:
    """What is never held back: the generation, the one word, and the conditions' statuses and reasons."""
    conditions = sorted(
        (str(row.get("type")), str(row.get("status")), str(row.get("reason")))
        for row in status.get("conditions") or ()
    )
    return status.get("observedGeneration"), status.get("state"), tuple(conditions)


def _now() -> float:
    return asyncio.get_running_loop().time()
