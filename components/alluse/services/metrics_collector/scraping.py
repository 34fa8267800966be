"""Asks every component for its metrics, each in its own rhythm, spread over the interval."""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from alluse import contract
from alluse.contract import COMPONENTS
from alluse.runtime.context import Context
from alluse.runtime.logs import now
from alluse.runtime.peers import PeerError
from alluse.services.metrics_collector.collection import Collection
from alluse.services.metrics_collector.exposition import parse

#: Misses in a row after which a target is down.
DOWN_AFTER: Final = 3
#: A target that is down is asked less often, up to this many seconds.
LAST_BACKOFF_S: Final = 10.0
TIMEOUT_S: Final = 2.0
KEY_INTERVAL: Final = "monitoring.metrics.collection_interval"


@dataclass(slots=True)
class Source:
    """One component as a source of metrics."""

    component: str
    misses: int = 0
    down: bool = False
    samples: int = 0
    last_success: str | None = None
    #: Loop time of the last success.
    success_at: float = float("-inf")
    duration_s: float = 0.0
    error: str = "has not been asked yet"


class Scraper:
    """Keeps one task per component running."""

    def __init__(self, context: Context[object], collection: Collection) -> None:
        self._context = context
        self._collection = collection
        self.sources = {name: Source(name) for name in COMPONENTS}
        self.started_at = asyncio.get_running_loop().time()
        #: Loop time at which some scrape last ended, whatever its outcome.
        self.alive_at = self.started_at

    def interval(self) -> float:
        return self._context.config.number(KEY_INTERVAL)

    async def run(self) -> None:
        """Scrape until cancelled."""
        async with asyncio.TaskGroup() as group:
            for index, source in enumerate(self.sources.values()):
                offset = index / len(self.sources)
                group.create_task(self._follow(source, offset), name=f"scrape-{source.component}")

    async def _follow(self, source: Source, offset: float) -> None:
        await asyncio.sleep(offset * self.interval())
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            if self._context.config.flag("monitoring.enabled"):
                await self.scrape(source)
            interval = self.interval()
            if source.down:
                interval = max(interval, min(LAST_BACKOFF_S, interval * 2 ** (source.misses - DOWN_AFTER)))
            # From the due time, not from the end: the rhythm does not drift. After a long pause begin anew.
            due = max(due + interval, loop.time())
            await asyncio.sleep(due - loop.time())

    async def scrape(self, source: Source) -> None:
        """Ask one component once and take what it shows."""
        started = time.perf_counter()
        try:
            text = await self._text(source.component)
        except PeerError as error:
            await self._missed(source, error.detail)
        else:
            samples, families = parse(text)
            source.samples = self._collection.scrape(source.component, samples, families, time.time())
            await self._answered(source)
        source.duration_s = time.perf_counter() - started
        self.alive_at = asyncio.get_running_loop().time()

    async def _text(self, component: str) -> str:
        if component == self._context.identity.name:
            return self._context.metrics.render()
        reply = await self._context.peers.send(
            component,
            "GET",
            contract.PATH_METRICS,
            timeout_s=TIMEOUT_S,
            repeatable=False,
            observe=False,
        )
        return reply.body.decode("utf-8", "replace")

    async def _answered(self, source: Source) -> None:
        misses, was_down = source.misses, source.down
        source.misses, source.down, source.error = 0, False, ""
        source.last_success, source.success_at = now(), asyncio.get_running_loop().time()
        if was_down:
            self._context.log.info("target up", target=source.component)
            await self._emit("metrics.target_up", source.component, misses)

    async def _missed(self, source: Source, error: str) -> None:
        source.misses += 1
        source.error = error
        if source.misses == DOWN_AFTER:
            source.down = True
            self._context.log.warning("target down", target=source.component, error=error)
            await self._emit("metrics.target_down", source.component, source.misses)

    async def _emit(self, event: str, component: str, misses: int) -> None:
        await self._context.events.emit(event, {"component": component, "misses": misses}, subject=component)

    def recent(self, seconds: float) -> tuple[int, int]:
        """How many targets answered in the last seconds, and how many there are."""
        limit = asyncio.get_running_loop().time() - seconds
        return sum(source.success_at >= limit for source in self.sources.values()), len(self.sources)
