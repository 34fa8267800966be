"""How long a component may say nothing while somebody waits for it, and who said nothing a moment ago.

A component that answers others is busy and worth waiting for. One that answers nobody is taken to be gone:
all who wait for it are told at the same time, and for a moment nobody else begins to wait, so that ten
users do not wait one after the other for the same dead part. Then one call tries again.

The rule is for calls on which a request waits. A machine on which our own event loop is late is one on which
the others are late: such time counts for less, and time in which we did not listen at all for nothing.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

#: Shorter than what callers of this component grant it, so that it can still say who is missing.
SILENT_S: Final = 1.5
#: After this a component that was silent is tried again, by one call.
AGAIN_S: Final = 1.0
LOOK_S: Final = 0.25


class SilentError(Exception):
    """The component has answered nobody for too long."""


@dataclass(slots=True)
class _Ear:
    """One component: who waits for it, and for how long it has answered nobody."""

    waiting: set["_Wait"] = field(default_factory=set)
    watching: asyncio.TimerHandle | None = None
    looked_at: float = 0.0
    answers: int = 0
    #: Until when nobody else waits for it; None while it is not known to be silent.
    closed_until: float | None = None


@dataclass(slots=True, eq=False)
class _Wait:
    timer: asyncio.Timeout
    answers: int
    quiet_s: float = 0.0
    given_up: bool = False


class Silence:
    """What is known of the others' silence."""

    def __init__(self) -> None:
        self._ears: dict[str, _Ear] = {}
        self.limit_s = SILENT_S

    def refuse_if_silent(self, component: str) -> None:
        """Raise SilentError while the component was silent a moment ago; one call a second may try."""
        ear = self._ears.get(component)
        if ear is None or ear.closed_until is None:
            return
        now = asyncio.get_running_loop().time()
        if now < ear.closed_until:
            raise SilentError(f"it has answered nobody for {self.limit_s:g} s and is tried again in a moment")
        ear.closed_until = now + AGAIN_S

    def answered(self, component: str) -> None:
        """The component has answered somebody."""
        if (ear := self._ears.get(component)) is not None:
            ear.answers += 1
            ear.closed_until = None

    @asynccontextmanager
    async def listening(self, component: str) -> AsyncIterator[None]:
        """Wait for an answer inside the block. Raises SilentError when the component answers nobody."""
        loop = asyncio.get_running_loop()
        ear = self._ears.setdefault(component, _Ear())
        try:
            async with asyncio.timeout(None) as timer:
                if ear.watching is None:
                    ear.looked_at = loop.time()
                    ear.watching = loop.call_later(LOOK_S, self._look, ear)
                # What had passed of this look before is not its silence.
                wait = _Wait(timer, ear.answers, quiet_s=ear.looked_at - loop.time())
                ear.waiting.add(wait)
                try:
                    yield
                finally:
                    ear.waiting.discard(wait)
        except TimeoutError:
            if not wait.given_up:
                raise
            ear.closed_until = loop.time() + AGAIN_S
            raise SilentError(f"it has answered nobody for {wait.quiet_s:.1f} s") from None

    def _look(self, ear: _Ear) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        # Half as fast as it should be, we grant the others four times as long.
        passed = LOOK_S * min(1.0, LOOK_S / (now - ear.looked_at)) ** 2
        ear.looked_at = now
        for wait in ear.waiting:
            wait.quiet_s = wait.quiet_s + passed if wait.answers == ear.answers else 0.0
            wait.answers = ear.answers
            if wait.quiet_s >= self.limit_s and not wait.given_up:
                wait.given_up = True
                wait.timer.reschedule(now)
        ear.watching = loop.call_later(LOOK_S, self._look, ear) if ear.waiting else None
