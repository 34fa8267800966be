"""Delivers notices: one queue and one task for each channel, in order, again and again until it works."""

import asyncio
import time
from typing import Any, Final

from alluse.runtime.context import Context
from alluse.services.alert_manager import records
from alluse.services.alert_manager.channels import CHANNELS, ChannelError, RefusedError

FIRST_BACKOFF_S: Final = 1.0
LAST_BACKOFF_S: Final = 60.0
GIVE_UP_S: Final = 24 * 3600.0


class Delivery:
    """The tasks of all channels, and what became of the last notice on each."""

    def __init__(self, context: Context[Any]) -> None:
        self._context = context
        self._wakes = {channel: asyncio.Event() for channel in CHANNELS}
        self._tasks: list[asyncio.Task[None]] = []
        #: Text of the last failure by channel; empty after a success. A channel never used is not here.
        self.last: dict[str, str] = {}
        #: Loop time since which a channel has something that it has not tried yet.
        self._untried: dict[str, float] = {}
        self._count = context.metrics.counter(
            "alluse_alert_notices_total", "Notices by channel and what became of them", ("channel", "outcome")
        )

    def start(self) -> None:
        for channel in CHANNELS:
            self._tasks.append(asyncio.create_task(self._run(channel), name=f"channel-{channel}"))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def wake(self) -> None:
        """Something may be waiting."""
        now = asyncio.get_running_loop().time()
        for channel, wake in self._wakes.items():
            self._untried.setdefault(channel, now)
            wake.set()

    def lag_s(self) -> float:
        """Seconds for which the slowest channel has not looked at what waits for it."""
        now = asyncio.get_running_loop().time()
        return max((now - since for since in self._untried.values()), default=0.0)

    async def _run(self, channel: str) -> None:
        wake, backoff = self._wakes[channel], FIRST_BACKOFF_S
        while True:
            wake.clear()
            try:
                while await self._deliver_one(channel):
                    backoff = FIRST_BACKOFF_S
                self._untried.pop(channel, None)
                await wake.wait()
            except Exception as error:
                if not isinstance(error, ChannelError):
                    self._context.log.exception("delivery failed", channel=channel, error=str(error))
                self._untried.pop(channel, None)
                await asyncio.sleep(backoff)
                backoff = min(backoff * 2, LAST_BACKOFF_S)

    async def _deliver_one(self, channel: str) -> bool:
        """Deliver the oldest notice; False when there is none. Raises ChannelError when it must wait."""
        store = self._context.store
        found = await store.read(lambda db: records.next_delivery(db, channel))
        if found is None:
            return False
        seq, notice, created = found
        self._untried.pop(channel, None)
        try:
            await CHANNELS[channel](self._context, notice)
        except ChannelError as error:
            self.last[channel] = str(error)
            if not isinstance(error, RefusedError) and time.time() - created < GIVE_UP_S:
                self._count.inc(channel=channel, outcome="retry")
                self._context.log.warning("notice not delivered", channel=channel, error=str(error))
                raise
            self._count.inc(channel=channel, outcome="given_up")
            self._context.log.error("notice given up", channel=channel, notice=notice.id, error=str(error))
        else:
            self.last[channel] = ""
            self._count.inc(channel=channel, outcome="delivered")
        await store.write(lambda db: records.delivered(db, seq))
        return True
