"""Kubernetes Events on a system: counted instead of repeated, limited, and never in the way of a pass.

An Event is named by what it is about (uid of the system, reason, component), so the same thing happening
again raises `count` and renews `message` of the one Event, also after a change of leader. `kubectl
describe` shows the counts. Core v1 Events are used: their `count` is what every kubectl prints, and one
merge patch raises it.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alluse_operator.api import names
from alluse_operator.clock import Clock
from alluse_operator.cluster.client import Client
from alluse_operator.cluster.kinds import EVENT, SYSTEM
from alluse_operator.core.events import NOTE_MAX_LENGTH, Event
from alluse_operator.errors import ApiError
from alluse_operator.metrics import Metrics

log = logging.getLogger(__name__)

#: Events of one system at once, and how many seconds each further one costs: a start of 32 components fits.
BURST = 80
SECONDS_EACH = 5.0
#: Events that wait to be sent, of all systems; and Events whose count is remembered.
WAITING = 2000
REMEMBERED = 4000
ATTEMPTS = 3


@dataclass(slots=True)
class _Pending:
    """One Event that is to be sent, and how often it has happened since it was sent last."""

    namespace: str
    involved: Mapping[str, str]
    event: Event
    at: datetime
    times: int = 1


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Recorder:
    """Takes Events at any time, sends them one after the other."""

    def __init__(
        self, client: Client, *, instance: str, leading: Callable[[], bool], clock: Clock, metrics: Metrics
    ) -> None:
        self._client = client
        self._instance = instance
        self._leading = leading
        self._clock = clock
        self._metrics = metrics
        self._pending: dict[str, _Pending] = {}
        self._counts: dict[str, int] = {}
        self._buckets: dict[str, _Bucket] = {}
        self._something = asyncio.Event()

    def record(self, system: Mapping[str, Any], event: Event) -> None:
        """Note that this has happened to a system (its raw object); returns at once."""
        metadata = system["metadata"]
        name = event_name(metadata["name"], metadata["uid"], event)
        waiting = self._pending.get(name)
        if waiting is not None:
            waiting.event, waiting.at, waiting.times = event, self._clock.now(), waiting.times + 1
            return
        if len(self._pending) >= WAITING or not self._take_token(metadata["uid"]):
            self._metrics.events_dropped.inc()
            return
        involved = {
            "apiVersion": SYSTEM.api_version,
            "kind": SYSTEM.name,
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
        }
        self._pending[name] = _Pending(metadata["namespace"], involved, event, self._clock.now())
        self._something.set()

    async def run(self) -> None:
        """Send for ever."""
        while True:
            await self._something.wait()
            self._something.clear()
            while self._pending:
                name = next(iter(self._pending))
                await self._send_patiently(name, self._pending.pop(name))

    def forget(self, uid: str) -> None:
        """The system is gone."""
        self._buckets.pop(uid, None)

    async def _send_patiently(self, name: str, pending: _Pending) -> None:
        for attempt in range(ATTEMPTS):
            if not self._leading():
                return
            try:
                await self._send(name, pending)
            except ApiError as error:
                if not error.transient or attempt == ATTEMPTS - 1:
                    self._metrics.events_dropped.inc()
                    # Nothing can be created in a namespace that goes away: no loss, nobody could read it.
                    level = logging.DEBUG if error.namespace_is_terminating else logging.WARNING
                    log.log(
                        level,
                        "Event not sent: %s",
                        error.message,
                        extra={"namespace": pending.namespace, "reason": pending.event.reason.value},
                    )
                    return
                await asyncio.sleep(0.2 * 2**attempt)
            else:
                return

    async def _send(self, name: str, pending: _Pending) -> None:
        count = self._counts.get(name)
        if count is None:
            try:
                await self._client.create(EVENT, self._body(name, pending))
            except ApiError as error:
                if error.status != 409:
                    raise
                known = await self._client.get(EVENT, pending.namespace, name)
                count = int(known.get("count") or 1)
        if count is not None:
            try:
                await self._client.merge(
                    EVENT,
                    pending.namespace,
                    name,
                    {
                        "count": count + pending.times,
                        "lastTimestamp": _stamp(pending.at),
                        "message": _note(pending.event),
                    },
                    names.FIELD_MANAGER,
                )
            except ApiError as error:
                if error.status != 404:
                    raise
                # The API server forgets Events after an hour.
                await self._client.create(EVENT, self._body(name, pending))
                count = None
        self._counts.pop(name, None)
        self._counts[name] = (count or 0) + pending.times
        while len(self._counts) > REMEMBERED:
            del self._counts[next(iter(self._counts))]

    def _body(self, name: str, pending: _Pending) -> dict[str, Any]:
        event = pending.event
        return {
            "apiVersion": EVENT.api_version,
            "kind": EVENT.name,
            "metadata": {"name": name, "namespace": pending.namespace},
            "involvedObject": dict(pending.involved),
            "type": event.type.value,
            "reason": event.reason.value,
            "message": _note(event),
            "count": pending.times,
            "firstTimestamp": _stamp(pending.at),
            "lastTimestamp": _stamp(pending.at),
            "source": {"component": names.FIELD_MANAGER},
            "reportingComponent": names.FIELD_MANAGER,
            "reportingInstance": self._instance[:128],
        }

    def _take_token(self, uid: str) -> bool:
        now = asyncio.get_running_loop().time()
        bucket = self._buckets.setdefault(uid, _Bucket(BURST, now))
        bucket.tokens = min(BURST, bucket.tokens + (now - bucket.at) / SECONDS_EACH)
        bucket.at = now
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True


def event_name(system: str, uid: str, event: Event) -> str:
    """The same for the same thing, whoever tells it."""
    digest = hashlib.sha256("\0".join((uid, *event.key)).encode()).hexdigest()
    return f"{system}.{digest[:16]}"


def _note(event: Event) -> str:
    text = (
        f"{event.component}: {event.note}"
        if event.component and event.component not in event.note
        else event.note
    )
    return text if len(text) <= NOTE_MAX_LENGTH else text[: NOTE_MAX_LENGTH - 1] + "…"


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
