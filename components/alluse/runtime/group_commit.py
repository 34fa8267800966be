"""Transactions that are asked for at the same time are committed together: one wait for the disk for all.

Each is still all or nothing: one that fails is undone alone, and nobody is told of success before the commit.
"""

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

#: Those behind wait for all before them.
MOST: Final = 32

Work = Callable[[sqlite3.Connection], Any]


@dataclass(slots=True)
class _Asked:
    work: Work
    told: "asyncio.Future[Any]"
    result: Any = None
    error: BaseException | None = None


class GroupCommit:
    """Runs works on a connection that belongs to one thread, `thread`."""

    def __init__(self, thread: Executor, connection: Callable[[], sqlite3.Connection]) -> None:
        self._thread = thread
        self._connection = connection
        self._waiting: deque[_Asked] = deque()
        self._busy = False
        self._lock = threading.Lock()

    async def run(self, work: Work) -> Any:
        """What `work` returns, once it is committed; raises what it raises, and then nothing of it stays."""
        loop = asyncio.get_running_loop()
        asked = _Asked(work, loop.create_future())
        with self._lock:
            self._waiting.append(asked)
            begin, self._busy = not self._busy, True
        if begin:
            self._thread.submit(self._next, loop)
        return await asked.told

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        """In the thread: one transaction for those who wait now. Whoever reads gets a turn in between."""
        with self._lock:
            group = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
        group = [asked for asked in group if not asked.told.cancelled()]
        try:
            self._transaction(group)
        except BaseException as error:
            # Whatever it is: it is told to those who wait, or they would wait for ever.
            for asked in group:
                asked.error = asked.error or error
        # A loop that is closed has nobody left who waits.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_tell, group)
        with self._lock:
            more = self._busy = bool(self._waiting)
        if more:
            try:
                self._thread.submit(self._next, loop)
            except RuntimeError:
                self._next(loop)

    def _transaction(self, group: list[_Asked]) -> None:
        """Run them; each has its result or its error afterwards. Raises what concerns all."""
        if not group:
            return
        db = self._connection()
        db.execute("BEGIN IMMEDIATE")
        try:
            for asked in group:
                self._one(db, asked)
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def _one(self, db: sqlite3.Connection, asked: _Asked) -> None:
        db.execute("SAVEPOINT one")
        try:
            asked.result = asked.work(db)
        except BaseException as error:
            asked.error = error
            if not db.in_transaction:
                # SQLite itself has undone the whole, for want of space or memory.
                raise
            db.execute("ROLLBACK TO one")
        db.execute("RELEASE one")


def _tell(group: list[_Asked]) -> None:
    for asked in group:
        if asked.told.done():
            continue
        if isinstance(asked.error, StopIteration):
            # A future cannot raise it: in a coroutine it would mean the end of an iteration.
            asked.told.set_exception(RuntimeError(f"the work raised {asked.error!r}"))
        elif asked.error is not None:
            asked.told.set_exception(asked.error)
        else:
            asked.told.set_result(asked.result)
