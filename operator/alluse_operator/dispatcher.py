"""Who works when: one worker for each system, woken by changes, by the clock and by the resync.

* Single flight: the passes of one system never overlap, and what arrives during a pass leads to one more.
* A trigger decides nothing; it only says "look again".
* A failed pass is tried again for ever, with a back-off that has a ceiling and jitter. Triggers do not
  cut the back-off short, so a system that always fails never becomes a hot loop.
* A worker ends only when its system is gone, or when the process stops leading. Should one end for any other
  reason, a new one takes over: a key is never lost.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from alluse_operator.clock import Clock
from alluse_operator.cluster.mirror import Key
from alluse_operator.errors import ApiError, NotLeading
from alluse_operator.metrics import Metrics

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Next:
    """What a pass leaves behind."""

    at: datetime | None = None
    """When to look again without being told; None: at the next resync."""
    failed: bool = False
    """Something did not work that a retry may mend: the back-off decides, unless `at` is later."""
    gone: bool = False
    """The system is not there any more."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The dispatcher's times."""

    resync: timedelta = timedelta(seconds=30)
    """Each system is looked at again after so long at the latest (less up to a fifth, to spread the load)."""
    backoff_initial: timedelta = timedelta(seconds=0.25)
    backoff_max: timedelta = timedelta(seconds=5)
    soon: timedelta = timedelta(seconds=0.25)
    """What may be late is looked at after so long, unless a pass begins before."""
    shortest: timedelta = timedelta(seconds=0.05)
    """A pass that asks for its successor gets it no sooner than this."""
    spacing: timedelta = timedelta(seconds=0.02)
    """From the beginning of one pass to that of the next, for each system that has something to do: a burst
    of events leads to few passes, and many systems at once to no more passes in all.
    """

    def backoff(self, failures: int) -> float:
        """Seconds after so many failures in a row, with jitter: between half and the whole of the nominal
        pause.
        """
        nominal = min(
            self.backoff_initial.total_seconds() * 2.0 ** min(failures - 1, 16),
            self.backoff_max.total_seconds(),
        )
        return nominal * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, keeps no secret


@dataclass(slots=True)
class _Slot:
    """One system's worker."""

    woken: asyncio.Event = field(default_factory=asyncio.Event)
    running: bool = False
    task: asyncio.Task[None] | None = None
    later: asyncio.TimerHandle | None = None
    """Wakes it, unless a pass begins before: that one sees all there is."""

    def forget_later(self) -> None:
        if self.later is not None:
            self.later.cancel()
            self.later = None


class Dispatcher:
    """Runs `reconcile` for each key that is woken, while started."""

    def __init__(
        self,
        reconcile: Callable[[Key], Awaitable[Next]],
        *,
        clock: Clock,
        metrics: Metrics,
        pace: Pace | None = None,
    ) -> None:
        self._reconcile = reconcile
        self._clock = clock
        self._metrics = metrics
        self._pace = pace or Pace()
        self._slots: dict[Key, _Slot] = {}
        self._running = False

    def start(self, keys: Iterable[Key]) -> None:
        """Begin to work, with these systems first."""
        self._running = True
        for key in keys:
            self.wake(key)

    async def stop(self) -> None:
        """Cancel all work; what was under way is taken up by whoever leads next."""
        self._running = False
        tasks = [slot.task for slot in self._slots.values() if slot.task is not None]
        for slot in self._slots.values():
            slot.forget_later()
        self._slots.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._metrics.queue.set(0)

    def wake(self, key: Key) -> None:
        """Something about this system may have changed."""
        if not self._running:
            return
        slot = self._slots.get(key)
        if slot is None:
            slot = self._slots[key] = _Slot()
        slot.woken.set()
        self._metrics.queue.set(sum(1 for other in self._slots.values() if other.woken.is_set()))
        if slot.task is None or slot.task.done():
            slot.task = asyncio.create_task(self._work(key, slot), name=f"worker {key}")
            slot.task.add_done_callback(lambda task: self._ended(key, slot, task))

    def wake_soon(self, key: Key) -> None:
        """Something about this system has changed that can wait a moment for more of its kind."""
        slot = self._slots.get(key)
        if slot is None:
            self.wake(key)
        elif slot.later is None and not slot.woken.is_set():
            soon = self._pace.soon.total_seconds()
            slot.later = asyncio.get_running_loop().call_later(soon, self.wake, key)

    @property
    def running(self) -> bool:
        return self._running

    @property
    def keys(self) -> tuple[Key, ...]:
        return tuple(self._slots)

    async def _work(self, key: Key, slot: _Slot) -> None:
        failures = 0
        loop = asyncio.get_running_loop()
        while True:
            slot.woken.clear()
            slot.forget_later()
            self._metrics.queue.set(sum(1 for other in self._slots.values() if other.woken.is_set()))
            started = loop.time()
            slot.running = True
            after = await self._pass(key)
            slot.running = False
            self._metrics.reconcile_seconds.observe(loop.time() - started)
            if after.gone:
                if not slot.woken.is_set():
                    slot.forget_later()
                    self._slots.pop(key, None)
                    return
                continue
            failures = failures + 1 if after.failed else 0
            pause = self._pace.resync.total_seconds() * random.uniform(0.8, 1.0)  # noqa: S311
            if after.at is not None:
                wanted = (after.at - self._clock.now()).total_seconds()
                pause = min(pause, max(wanted, self._pace.shortest.total_seconds()))
            if failures:
                # Deaf for the whole back-off: a trigger is no reason to believe that it works now.
                await asyncio.sleep(self._pace.backoff(failures))
                continue
            try:
                async with asyncio.timeout(pause):
                    await slot.woken.wait()
            except TimeoutError:
                continue
            active = sum(1 for other in self._slots.values() if other.woken.is_set() or other.running)
            spacing = self._pace.spacing.total_seconds() * max(active, 1) - (loop.time() - started)
            if spacing > 0:
                await asyncio.sleep(spacing)

    async def _pass(self, key: Key) -> Next:
        """One pass; whatever it raises becomes a failed one."""
        try:
            return await self._reconcile(key)
        except NotLeading:
            return Next(failed=True)
        except ApiError as error:
            self._metrics.reconcile_errors.labels(error.kind).inc()
            log.warning(
                "Pass failed: %s",
                error.message,
                extra={"namespace": key.namespace, "system": key.name, "reason": error.kind},
            )
        except Exception:
            self._metrics.reconcile_errors.labels("internal").inc()
            log.exception(
                "Pass failed by a mistake in the operator; please report it",
                extra={"namespace": key.namespace, "system": key.name, "reason": "internal"},
            )
        return Next(failed=True)

    def _ended(self, key: Key, slot: _Slot, task: asyncio.Task[None]) -> None:
        """A worker that ends while its slot is still there has died: start another."""
        if not self._running or self._slots.get(key) is not slot:
            return
        error = None if task.cancelled() else task.exception()
        log.error("Worker ended unexpectedly, another takes over", exc_info=error, extra={"system": key.name})
        slot.task = None
        self.wake(key)
