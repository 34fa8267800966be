"""Publishes a report: the status in one write, then the Events.

The status is applied with a field manager of its own, together with the uid and the resource version that
it was computed from: a status made from an old picture (by this process or by one that no longer leads) is
refused, not merged. Changes of conditions go out at once, the rest is gathered for a moment, so that a
start of many components takes few writes. Events wait for the status that tells the same.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from alluse_operator.api import names
from alluse_operator.cluster.client import Client
from alluse_operator.cluster.kinds import SYSTEM
from alluse_operator.cluster.mirror import Key, Mirror
from alluse_operator.cluster.recorder import Recorder
from alluse_operator.core.events import Event
from alluse_operator.core.report import Report
from alluse_operator.errors import ApiError, NotLeading
from alluse_operator.metrics import Metrics

log = logging.getLogger(__name__)

#: Shortest time between two writes of one status, unless its headline changes.
GATHER_FOR = timedelta(seconds=0.5)


@dataclass(frozen=True, slots=True)
class Published:
    """What came of it. `due_in`: the status is held back for so long; `failed`: it could not be written."""

    due_in: timedelta | None = None
    failed: bool = False


@dataclass(slots=True)
class _Memory:
    written_at: float = -1e9
    held: dict[tuple[str, str], Event] = field(default_factory=dict)


class Reporter:
    """The only writer of statuses."""

    def __init__(
        self,
        client: Client,
        mirror: Mirror,
        recorder: Recorder,
        *,
        leading: Callable[[], bool],
        metrics: Metrics,
    ) -> None:
        self._client = client
        self._mirror = mirror
        self._recorder = recorder
        self._leading = leading
        self._metrics = metrics
        self._memory: dict[Key, _Memory] = {}

    async def publish(self, key: Key, resource: Mapping[str, Any], report: Report) -> Published:
        """Write what is new about `resource`, the object that the report was made from."""
        memory = self._memory.setdefault(key, _Memory())
        for event in report.events:
            memory.held[event.key] = event
        if report.status is not None:
            wait = self._hold_back(memory, resource, report)
            if wait > 0:
                return Published(due_in=timedelta(seconds=wait))
            if not await self._write(key, resource, report.status):
                return Published(failed=True)
            memory.written_at = _now()
        for event in memory.held.values():
            self._recorder.record(resource, event)
        memory.held.clear()
        self._show(key, report)
        return Published()

    def forget(self, key: Key, uid: str) -> None:
        """The system is gone."""
        self._memory.pop(key, None)
        self._recorder.forget(uid)
        self._metrics.forget_system(key.namespace, key.name)

    def _hold_back(self, memory: _Memory, resource: Mapping[str, Any], report: Report) -> float:
        if report.status is None or _headline(report.status) != _headline(resource.get("status") or {}):
            return 0.0
        return memory.written_at + GATHER_FOR.total_seconds() - _now()

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
        if not self._leading():
            raise NotLeading("the lease is not ours: nothing more is written")
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
        if facts.ready_seconds is not None:
            self._metrics.time_to_ready.labels(key.namespace, key.name).set(facts.ready_seconds)
        for component, seconds in facts.start_seconds.items():
            self._metrics.component_time_to_ready.labels(key.namespace, key.name, component).set(seconds)
        for component, action in facts.recoveries:
            self._metrics.recoveries.labels(key.namespace, key.name, component, action).inc()


def _headline(status: Mapping[str, Any]) -> tuple[Any, ...]:
    """What is never held back: the generation, the one word, and the conditions' statuses and reasons."""
    conditions = sorted(
        (str(row.get("type")), str(row.get("status")), str(row.get("reason")))
        for row in status.get("conditions") or ()
    )
    return status.get("observedGeneration"), status.get("state"), tuple(conditions)


def _now() -> float:
    return asyncio.get_running_loop().time()
