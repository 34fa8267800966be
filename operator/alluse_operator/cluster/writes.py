"""One write: sent only while we lead, again while the failure looks like one that passes, and learnt from.

* no answer, 5xx, 429, 401: the same write again, with a jittered back-off, for a few seconds.
* anything else is for who asked: see `actions`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from alluse_operator.cluster.client import Client
from alluse_operator.cluster.kinds import Kind
from alluse_operator.cluster.mirror import Key, Mirror
from alluse_operator.errors import ApiError, NotLeading

#: Writes of the whole process at a time.
PARALLEL_IN_ALL = 24


@dataclass(frozen=True, slots=True)
class Retries:
    """How long one write is tried within one pass."""

    attempts: int = 5
    initial: timedelta = timedelta(seconds=0.1)
    longest: timedelta = timedelta(seconds=1)

    def pause(self, attempt: int, asked: float | None) -> float:
        """Seconds before the next attempt: jittered, and as long as the server asked for (up to 5 s)."""
        nominal = min(self.initial.total_seconds() * 2.0**attempt, self.longest.total_seconds())
        jittered = nominal * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load
        return max(jittered, min(asked, 5.0)) if asked else jittered


class Writes:
    """All writes of one operator process to children and to our finalizer."""

    def __init__(
        self,
        client: Client,
        mirror: Mirror,
        *,
        leading: Callable[[], bool],
        retries: Retries | None = None,
    ) -> None:
        self._client = client
        self._mirror = mirror
        self._leading = leading
        self.retries = retries or Retries()
        self._slots = asyncio.Semaphore(PARALLEL_IN_ALL)
        self._surprised: set[Key] = set()

    async def send(self, send: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        """Send while we lead; again, after a pause, while the failure looks like one that passes."""
        attempt = 0
        while True:
            if not self._leading():
                raise NotLeading("the lease is not ours: nothing more is written")
            try:
                async with self._slots:
                    return await send()
            except ApiError as error:
                attempt += 1
                if not error.transient or attempt >= self.retries.attempts:
                    raise
                pause = self.retries.pause(attempt, error.retry_after)
            await asyncio.sleep(pause)

    def learn(self, key: Key, kind: Kind, answer: dict[str, Any]) -> None:
        """Take the answer to a write of ours."""
        if self._mirror.wrote(kind, answer):
            self._surprised.add(key)

    async def refresh(self, kind: Kind, key: Key, name: str, uid: str) -> dict[str, Any] | None:
        """Learn what is really there, after an answer that did not fit."""
        try:
            current = await self._client.get(kind, key.namespace, name)
        except ApiError as error:
            if error.status == 404 and uid:
                self._mirror.removed(kind, uid)
                self.surprise(key)
            return None
        if uid and current["metadata"]["uid"] != uid:
            self._mirror.removed(kind, uid)
        self._mirror.wrote(kind, current)
        self._surprised.add(key)
        return current

    def surprise(self, key: Key) -> None:
        """The cluster is not as the plan for this system took it to be."""
        self._surprised.add(key)

    def surprised(self, key: Key) -> bool:
        return key in self._surprised

    def calm(self, key: Key) -> bool:
        """Forget it; whether there was a surprise."""
        found = key in self._surprised
        self._surprised.discard(key)
        return found
