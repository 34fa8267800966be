"""Events between components: CloudEvents 1.0, delivered at least once, recognised when they come again.

Sending: `emit` writes one row per consumer into the component's store; one task per consumer posts its
rows in order, in batches, with back-off 1, 2, 4 … 60 s. What could not be delivered for ten minutes, or
is refused by the consumer, becomes a dead letter. Receiving: a consumer's handler runs before the event is
acknowledged; ids are remembered for an hour, so that a repeated delivery has no second effect.
"""

import asyncio
import json
import os
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from alluse import contract
from alluse.runtime.logs import Logger, now
from alluse.runtime.metrics import Metrics
from alluse.runtime.peers import PeerError, PeerRefusedError, Peers
from alluse.runtime.store import Migration, Store

GIVE_UP_S: Final = 600.0
GATHER_S: Final = 0.1
FIRST_BACKOFF_S: Final = 1.0
LAST_BACKOFF_S: Final = 60.0
BATCH: Final = 50
#: Rows waiting for one consumer; beyond it the oldest become dead letters.
MAX_WAITING: Final = 5_000
MAX_DEAD: Final = 1_000
REMEMBER_S: Final = 3600.0
SEND_TIMEOUT_S: Final = 5.0
#: Time that a consumer has for one event.
HANDLE_S: Final = 30.0
CONTENT_TYPE: Final = "application/cloudevents+json"
CONTENT_TYPE_BATCH: Final = "application/cloudevents-batch+json"

MIGRATIONS: Final = (
    Migration(
        1,
        (
            "CREATE TABLE runtime_outbox (seq INTEGER PRIMARY KEY, consumer TEXT NOT NULL, "
            "type TEXT NOT NULL, body TEXT NOT NULL, created REAL NOT NULL) STRICT",
            "CREATE INDEX runtime_outbox_consumer ON runtime_outbox (consumer, seq)",
            "CREATE TABLE runtime_dead (seq INTEGER PRIMARY KEY, consumer TEXT NOT NULL, type TEXT NOT NULL, "
            "body TEXT NOT NULL, created REAL NOT NULL, died REAL NOT NULL, reason TEXT NOT NULL) STRICT",
            "CREATE TABLE runtime_inbox (id TEXT PRIMARY KEY, at REAL NOT NULL) STRICT, WITHOUT ROWID",
            "CREATE INDEX runtime_inbox_at ON runtime_inbox (at)",
            "CREATE TABLE runtime_idempotency (key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, "
            "status INTEGER NOT NULL, headers TEXT NOT NULL, body BLOB NOT NULL, at REAL NOT NULL) STRICT",
            "CREATE INDEX runtime_idempotency_at ON runtime_idempotency (at)",
        ),
    ),
)


class Event(BaseModel):
    """A CloudEvent as it travels; extension attributes are kept but not used."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)

    specversion: Annotated[str, Field(pattern=r"^1\.0$")] = "1.0"
    id: Annotated[str, Field(min_length=1, max_length=128)]
    source: Annotated[str, Field(min_length=1, max_length=256)]
    type: Annotated[str, Field(min_length=1, max_length=128)]
    subject: Annotated[str, Field(max_length=256)] | None = None
    time: datetime | None = None
    datacontenttype: str = "application/json"
    data: dict[str, Any] = Field(default_factory=dict)

    @property
    def name(self) -> str:
        """The short name, such as `config.changed`."""
        return contract.event_name(self.type)


EVENTS_BODY: Final[TypeAdapter[list[Event]]] = TypeAdapter(
    Annotated[list[Event], Field(max_length=1000)], config=ConfigDict(defer_build=True)
)


def uuid7() -> str:
    """A UUID version 7 (RFC 9562): sortable by the millisecond of its making."""
    value = int.from_bytes(os.urandom(16), "big")
    value &= ~(0xFFFFFFFFFFFF << 80) & ~(0xF << 76) & ~(0x3 << 62)
    value |= (time.time_ns() // 1_000_000) << 80 | 0x7 << 76 | 0x2 << 62
    text = f"{value:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


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
