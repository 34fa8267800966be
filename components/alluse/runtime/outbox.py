"""Events on their way out: delivered at least once.

`emit` writes one row per consumer into the component's store; one task per consumer posts its rows in order,
in batches, with back-off 1, 2, 4 … 60 s. What could not be delivered for ten minutes, or is refused by the
consumer, becomes a dead letter.
"""

import asyncio
import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from alluse import contract
from alluse.runtime.events import uuid7
from alluse.runtime.logs import Logger, now
from alluse.runtime.metrics import Metrics
from alluse.runtime.peers import PeerError, PeerRefusedError, Peers
from alluse.runtime.store import Store

GIVE_UP_S: Final = 600.0
GATHER_S: Final = 0.1
FIRST_BACKOFF_S: Final = 1.0
LAST_BACKOFF_S: Final = 60.0
BATCH: Final = 50
#: Rows waiting for one consumer; beyond it the oldest become dead letters.
MAX_WAITING: Final = 5_000
MAX_DEAD: Final = 1_000
SEND_TIMEOUT_S: Final = 5.0
CONTENT_TYPE_BATCH: Final = "application/cloudevents-batch+json"


class Outbox:
    """Events on their way out."""

    def __init__(
        self,
        component: str,
        store: Store,
        peers: Peers,
        metrics: Metrics,
        log: Logger,
        emits: tuple[str, ...],
    ) -> None:
        self._component = component
        self._store = store
        self._peers = peers
        self._log = log
        self._emits = emits
        consumers = {consumer for name in emits for consumer in contract.consumers(name)}
        self._wakes = {consumer: asyncio.Event() for consumer in sorted(consumers)}
        labels = ("type",)
        self._out = metrics.counter(contract.METRIC_EVENTS_OUT, "Events emitted", labels)
        self._dead = metrics.counter(contract.METRIC_EVENTS_DEAD, "Deliveries given up", labels)

    async def emit(self, name: str, data: Mapping[str, Any], subject: str | None = None) -> str:
        """Record an event for delivery and return its id. Raises ValueError for a name of somebody else."""
        body = self._body(name, data, subject)
        await self._store.write(lambda db: self._insert(db, name, body))
        self._wake(name)
        return str(body["id"])

    async def emit_all(self, name: str, told: Sequence[tuple[Mapping[str, Any], str | None]]) -> None:
        """Record several events of one kind, as data and subject, in one transaction."""
        bodies = [self._body(name, data, subject) for data, subject in told]

        def insert(db: sqlite3.Connection) -> None:
            for body in bodies:
                self._insert(db, name, body)

        if bodies:
            await self._store.write(insert)
            self._wake(name)

    def enqueue(
        self, db: sqlite3.Connection, name: str, data: Mapping[str, Any], subject: str | None = None
    ) -> str:
        """Record an event inside a transaction of the store: it is sent if and only if that commits."""
        body = self._body(name, data, subject)
        self._insert(db, name, body)
        loop = self._loop
        if loop is not None:
            loop.call_soon_threadsafe(self._wake, name)
        return str(body["id"])

    _loop: asyncio.AbstractEventLoop | None = None

    async def run(self) -> None:
        """Deliver until cancelled."""
        self._loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            for consumer, wake in self._wakes.items():
                group.create_task(self._deliver(consumer, wake), name=f"outbox-{consumer}")

    async def flush(self, timeout_s: float) -> None:
        """Try once more to deliver everything, for at most that long. The rest waits in the store."""

        async def drain(consumer: str) -> None:
            try:
                while await self._deliver_batch(consumer):
                    pass
            except PeerError:
                return

        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.gather(*(drain(consumer) for consumer in self._wakes))
        except TimeoutError:
            return

    async def waiting(self) -> int:
        """Deliveries that are not done."""
        return await self._store.read(
            lambda db: int(db.execute("SELECT count(*) FROM runtime_outbox").fetchone()[0])
        )

    def _body(self, name: str, data: Mapping[str, Any], subject: str | None) -> dict[str, Any]:
        if name not in self._emits:
            raise ValueError(
                f"{self._component} does not emit {name}; its events are {', '.join(self._emits)}"
            )
        body: dict[str, Any] = {
            "specversion": "1.0",
            "id": uuid7(),
            "source": f"/alluse/{self._component}",
            "type": contract.event_type(name),
            "time": now(),
            "datacontenttype": "application/json",
            "data": dict(data),
        }
        if subject is not None:
            body["subject"] = subject
        return body

    def _insert(self, db: sqlite3.Connection, name: str, body: dict[str, Any]) -> None:
        text = json.dumps(body, default=str)
        created = time.time()
        db.executemany(
            "INSERT INTO runtime_outbox (consumer, type, body, created) VALUES (?, ?, ?, ?)",
            [(consumer, name, text, created) for consumer in contract.consumers(name)],
        )
        self._out.inc(type=name)

    def _wake(self, name: str) -> None:
        for consumer in contract.consumers(name):
            self._wakes[consumer].set()

    async def _deliver(self, consumer: str, wake: asyncio.Event) -> None:
        backoff = FIRST_BACKOFF_S
        while True:
            wake.clear()
            try:
                while await self._deliver_batch(consumer):
                    pass
                backoff = FIRST_BACKOFF_S
                # The first event leaves at once; those of a burst behind it leave together.
                await asyncio.sleep(GATHER_S)
                await wake.wait()
            except PeerError as error:
                self._log.debug("event delivery failed", peer=consumer, error=str(error), retry_s=backoff)
                await self._bury_old(consumer, str(error))
                await asyncio.sleep(backoff)
                backoff = min(backoff * 2, LAST_BACKOFF_S)

    async def _deliver_batch(self, consumer: str) -> bool:
        """Deliver the oldest rows; True when there may be more. Raises PeerError when a retry is due."""
        rows = await self._store.read(
            lambda db: db.execute(
                "SELECT seq, body FROM runtime_outbox WHERE consumer = ? ORDER BY seq LIMIT ?",
                (consumer, BATCH),
            ).fetchall()
        )
        if not rows:
            return False
        try:
            await self._post(consumer, [row["body"] for row in rows])
        except PeerRefusedError as error:
            await self._deliver_singly(consumer, rows, error)
        else:
            await self._forget([row["seq"] for row in rows])
        return len(rows) == BATCH

    async def _deliver_singly(self, consumer: str, rows: list[Any], error: PeerRefusedError) -> None:
        """One of a refused batch is wrong: find it, so that the others arrive."""
        for row in rows:
            try:
                if len(rows) > 1:
                    await self._post(consumer, [row["body"]])
                    await self._forget([row["seq"]])
                    continue
            except PeerRefusedError as refused:
                error = refused
            await self._bury("seq = ?", (row["seq"],), str(error))

    async def _post(self, consumer: str, bodies: list[str]) -> None:
        await self._peers.send(
            consumer,
            "POST",
            contract.PATH_EVENTS,
            body=f"[{','.join(bodies)}]".encode(),
            content_type=CONTENT_TYPE_BATCH,
            timeout_s=SEND_TIMEOUT_S,
            observe=False,
        )

    async def _forget(self, seqs: list[int]) -> None:
        await self._store.write(
            lambda db: db.executemany("DELETE FROM runtime_outbox WHERE seq = ?", [(seq,) for seq in seqs])
        )

    async def _bury_old(self, consumer: str, reason: str) -> None:
        await self._bury(
            "consumer = ? AND (created < ? OR seq <= "
            "(SELECT seq FROM runtime_outbox WHERE consumer = ? ORDER BY seq DESC LIMIT 1 OFFSET ?))",
            (consumer, time.time() - GIVE_UP_S, consumer, MAX_WAITING),
            reason,
        )

    async def _bury(self, where: str, values: tuple[Any, ...], reason: str) -> None:
        def bury(db: sqlite3.Connection) -> list[Any]:
            rows = db.execute(f"SELECT * FROM runtime_outbox WHERE {where}", values).fetchall()  # noqa: S608
            died = time.time()
            db.executemany(
                "INSERT INTO runtime_dead (consumer, type, body, created, died, reason) VALUES (?,?,?,?,?,?)",
                [(row["consumer"], row["type"], row["body"], row["created"], died, reason) for row in rows],
            )
            db.executemany("DELETE FROM runtime_outbox WHERE seq = ?", [(row["seq"],) for row in rows])
            db.execute(
                "DELETE FROM runtime_dead WHERE seq <= "
                "(SELECT seq FROM runtime_dead ORDER BY seq DESC LIMIT 1 OFFSET ?)",
                (MAX_DEAD,),
            )
            return rows

        for row in await self._store.write(bury):
            self._dead.inc(type=row["type"])
            self._log.error("event not delivered", name=row["type"], peer=row["consumer"], reason=reason)
