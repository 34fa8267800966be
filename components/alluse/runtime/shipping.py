"""Sends log records to production-logger in batches, and forgets the oldest when it cannot keep up.

The receiver's answer carries the temporary level, if one is set, at which this component should log; a
component that has nothing to say asks for it now and then.
"""

import asyncio
import json
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from alluse import contract
from alluse.runtime.http_client import HttpReply
from alluse.runtime.metrics import Metrics
from alluse.runtime.peers import PeerError, Peers

QUEUE: Final = 10_000
BATCH: Final = 500
#: Below the receiver's limit of 1 MiB.
BATCH_BYTES: Final = 900_000
PAUSE_S: Final = 1.0
FIRST_BACKOFF_S: Final = 0.2
LAST_BACKOFF_S: Final = 5.0
#: A component that ships nothing asks for its level this often.
ASK_LEVEL_S: Final = 10.0
#: How long shipping may fail before the component calls itself degraded.
PATIENCE_S: Final = 10.0


class Shipper:
    """A bounded queue of records and the task that empties it."""

    def __init__(
        self, component: str, peers: Peers, metrics: Metrics, set_level: Callable[[str, float], None]
    ) -> None:
        self._component = component
        self._peers = peers
        self._set_level = set_level
        self._asked = 0.0
        self._queue: deque[bytes] = deque()
        self._dropped = metrics.counter(contract.METRIC_LOG_DROPPED, "Log records that were not shipped")
        self._wake = asyncio.Event()
        self._failing_since: float | None = None

    def put(self, record: dict[str, Any]) -> None:
        """Queue one record; never blocks."""
        if len(self._queue) >= QUEUE:
            self._queue.popleft()
            self._dropped.inc()
        self._queue.append(json.dumps(record, default=str).encode())
        if len(self._queue) >= BATCH:
            self._wake.set()

    def failing_for(self) -> float:
        """Seconds since production-logger last took a batch while there was one; 0 when all is well."""
        if self._failing_since is None:
            return 0.0
        return asyncio.get_running_loop().time() - self._failing_since

    async def run(self) -> None:
        """Ship until cancelled."""
        backoff = FIRST_BACKOFF_S
        while True:
            try:
                async with asyncio.timeout(PAUSE_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                while self._queue:
                    await self._send(timeout_s=2.0)
                if asyncio.get_running_loop().time() - self._asked > ASK_LEVEL_S:
                    await self._ask_level()
                self._failing_since = None
                backoff = FIRST_BACKOFF_S
            except PeerError:
                if self._failing_since is None:
                    self._failing_since = asyncio.get_running_loop().time()
                await asyncio.sleep(backoff)
                backoff = min(backoff * 2, LAST_BACKOFF_S)

    async def flush(self, timeout_s: float) -> None:
        """Send what is queued, for at most that long; what remains is on standard output anyway."""
        try:
            async with asyncio.timeout(timeout_s):
                while self._queue:
                    await self._send(timeout_s)
        except (PeerError, TimeoutError):
            return

    async def _send(self, timeout_s: float) -> None:
        batch: list[bytes] = []
        size = 0
        while self._queue and len(batch) < BATCH and size + len(self._queue[0]) < BATCH_BYTES:
            line = self._queue.popleft()
            size += len(line) + 1
            batch.append(line)
        if not batch:
            self._queue.popleft()
            self._dropped.inc()
            return
        try:
            reply = await self._peers.send(
                contract.PRODUCTION_LOGGER,
                "POST",
                "/v1/logs",
                body=b"\n".join(batch),
                content_type="application/x-ndjson",
                timeout_s=timeout_s,
                observe=False,
            )
        except PeerError:
            room = QUEUE - len(self._queue)
            self._dropped.inc(max(0, len(batch) - room))
            if room > 0:
                self._queue.extendleft(reversed(batch[-room:]))
            raise
        self._follow_level(reply)

    async def _ask_level(self) -> None:
        reply = await self._peers.send(
            contract.PRODUCTION_LOGGER,
            "GET",
            f"/v1/levels/{self._component}",
            timeout_s=2.0,
            repeatable=False,
            observe=False,
        )
        self._follow_level(reply)

    def _follow_level(self, reply: HttpReply) -> None:
        self._asked = asyncio.get_running_loop().time()
        try:
            answer = json.loads(reply.body)
            if answer.get("level"):
                self._set_level(str(answer["level"]), float(answer["ttl_s"]))
        except (ValueError, KeyError, AttributeError, TypeError):
            return
