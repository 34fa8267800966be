"""Keeps the watching part running: Kopf in this process, started again whenever it ends.

Kopf gives up as a whole for reasons that pass (an error event in a stream, a token refused); the process
must not die of it, with its mirror and its lease. The tasks of Kopf are started and stopped here one by
one, because its own runner would also cancel every other task of the process.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import aiohttp
import kopf

from alluse_operator.cluster.client import Endpoint
from alluse_operator.cluster.mirror import Key, Mirror
from alluse_operator.cluster.streams import StreamAges, watch_session
from alluse_operator.handlers import build_registry, build_settings
from alluse_operator.metrics import Metrics

log = logging.getLogger(__name__)

#: A restart that was asked for (a stalled watch) is not repeated sooner than this.
RESTART_EVERY = 20.0
STOP_SECONDS = 5.0


class Supervisor:
    """Runs Kopf's tasks for ever."""

    def __init__(
        self,
        *,
        mirror: Mirror,
        wake: Callable[[Key], None],
        wake_soon: Callable[[Key], None],
        endpoint: Callable[[], Awaitable[Endpoint]],
        namespaces: Sequence[str],
        identity: str,
        ages: StreamAges,
        metrics: Metrics,
        take_signals: Callable[[], None],
    ) -> None:
        self._mirror = mirror
        self._registry = build_registry(mirror, wake, wake_soon, self._log_in, nodes=not namespaces)
        self._endpoint = endpoint
        self._sessions: list[aiohttp.ClientSession] = []
        self._stopping = False
        self._namespaces = namespaces
        self._identity = identity
        self._ages = ages
        self._metrics = metrics
        self._take_signals = take_signals
        self._again = asyncio.Event()
        self._last_asked = float("-inf")

    def restart(self, reason: str) -> None:
        """Open all streams anew; asked for too often, it waits for its turn by being asked again."""
        now = asyncio.get_running_loop().time()
        if now - self._last_asked < RESTART_EVERY:
            return
        self._last_asked = now
        log.warning("The watches are started again: %s", reason, extra={"reason": "WatchRestart"})
        self._metrics.watch_restarts.labels("asked").inc()
        self._again.set()

    async def run(self) -> None:
        failures = 0
        loop = asyncio.get_running_loop()
        while True:
            self._again.clear()
            self._ages.forget()
            self._mirror.excuse()
            started = loop.time()
            error = await self._run_once()
            if error is None:
                failures = 0
                continue
            self._metrics.watch_restarts.labels("ended").inc()
            failures = 0 if loop.time() - started > 60 else failures + 1
            pause = min(0.1 * 2 ** min(failures, 8), 5.0) * random.uniform(0.5, 1.0)  # noqa: S311
            log.warning(
                "The watching part ended and is started again in %.1f s: %s",
                pause,
                error,
                extra={"reason": "WatchEnded"},
            )
            await asyncio.sleep(pause)

    async def _log_in(self) -> kopf.AiohttpSession:
        """A session whose streams are listened to, with the credentials as they are now."""
        if self._stopping:
            raise kopf.LoginError("the watching part is being stopped")
        endpoint = await self._endpoint()
        session = watch_session(endpoint, self._ages)
        self._sessions.append(session)
        return kopf.AiohttpSession(server=endpoint.server, aiohttp_session=session)

    async def _run_once(self) -> BaseException | str | None:
        """One life of Kopf; None: it was asked to stop, otherwise what ended it."""
        self._stopping = False
        tasks = await kopf.spawn_tasks(
            registry=self._registry,
            settings=build_settings(),
            clusterwide=not self._namespaces,
            namespaces=self._namespaces,
            standalone=True,
            # Otherwise Kopf makes one up of the user's name, which need not exist in a container.
            identity=cast("Any", self._identity),
        )
        # Kopf has just taken the process's signal handlers for its own.
        self._take_signals()
        asked = asyncio.create_task(self._again.wait(), name="restart asked for")
        try:
            done, _ = await asyncio.wait({asked, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            asked.cancel()
            self._stopping = True
            try:
                await _stop(tasks)
            finally:
                # Kopf closes its session only when it ends by itself.
                for session in self._sessions:
                    await session.close()
                self._sessions.clear()
        if asked in done:
            return None
        for task in done:
            if not task.cancelled() and (error := task.exception()) is not None:
                return error
        return "a part of it ended without an error"


async def _stop(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel and wait, also for what Kopf's tasks have left; what does not end in time is left alone."""
    await _cancel(tasks)
    await _cancel(_left_by_kopf())


async def _cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    pending = {task for task in tasks if not task.done()}
    for task in pending:
        task.cancel()
    if not pending:
        return
    done, late = await asyncio.wait(pending, timeout=STOP_SECONDS)
    for task in done:
        if not task.cancelled():
            task.exception()
    if late:
        log.warning("%d tasks of the watching part do not end", len(late))


def _left_by_kopf() -> set[asyncio.Task[Any]]:
    """Tasks that run Kopf's code: it does not stop those of its discovery when it is cancelled."""
    home = str(Path(kopf.__file__).parent)
    found = set()
    for task in asyncio.all_tasks():
        code = getattr(task.get_coro(), "cr_code", None)
        if code is not None and code.co_filename.startswith(home):
            found.add(task)
    return found
