"""Events that come in: recognised when they come again.

A consumer's handler runs before the event is acknowledged; ids are remembered for an hour, so that a repeated
delivery has no second effect.
"""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from alluse import contract
from alluse.runtime.events import Event
from alluse.runtime.logs import Logger
from alluse.runtime.metrics import Metrics
from alluse.runtime.store import Store

REMEMBER_S: Final = 3600.0
#: Time that a consumer has for one event.
HANDLE_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Received:
    """What became of a batch."""

    accepted: int
    repeated: int
    ignored: int
    failed: list[str]


class Inbox:
    """Events coming in: each id has its effect once."""

    def __init__(
        self,
        store: Store,
        metrics: Metrics,
        log: Logger,
        handlers: Mapping[str, Callable[[Event], Awaitable[None]]],
    ) -> None:
        self._store = store
        self._log = log
        self._handlers = handlers
        self._running: set[str] = set()
        self._in = metrics.counter(contract.METRIC_EVENTS_IN, "Events received", ("type",))

    async def receive(self, events: list[Event]) -> Received:
        """Handle each event that is new and wanted; an exception leaves the event for a later delivery."""
        seen = await self._seen([event.id for event in events])
        accepted = repeated = ignored = 0
        failed: list[str] = []
        for event in events:
            handler = self._handlers.get(event.name)
            if handler is None:
                ignored += 1
            elif event.id in seen:
                repeated += 1
            elif event.id in self._running:
                # Its first delivery may still fail, so this one must not be acknowledged.
                failed.append(event.id)
            else:
                self._running.add(event.id)
                try:
                    async with asyncio.timeout(HANDLE_S):
                        await handler(event)
                    await self._remember(event.id)
                except Exception as error:
                    failed.append(event.id)
                    self._log.exception("event handler failed", name=event.name, error=str(error))
                else:
                    accepted += 1
                    seen.add(event.id)
                    self._in.inc(type=event.name)
                finally:
                    self._running.discard(event.id)
        return Received(accepted, repeated, ignored, failed)

    async def _seen(self, ids: list[str]) -> set[str]:
        marks = ",".join("?" * len(ids))
        limit = time.time() - REMEMBER_S
        rows = await self._store.read(
            lambda db: db.execute(
                f"SELECT id FROM runtime_inbox WHERE at >= ? AND id IN ({marks})",  # noqa: S608
                (limit, *ids),
            ).fetchall()
        )
        return {row["id"] for row in rows}

    async def _remember(self, id_: str) -> None:
        def remember(db: sqlite3.Connection) -> None:
            at = time.time()
            db.execute("INSERT OR REPLACE INTO runtime_inbox VALUES (?, ?)", (id_, at))
            db.execute("DELETE FROM runtime_inbox WHERE at < ?", (at - REMEMBER_S,))

        await self._store.write(remember)
