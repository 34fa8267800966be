"""An event loop whose clock jumps: waiting takes no time, and a deadlock is an error instead of a hang.

    virtual_time.run(scenario())            # a scenario that "sleeps" for an hour ends at once

Nothing in it may do real I/O. `LoopClock` is the wall clock that goes with it.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

Result = TypeVar("Result")

#: When the clock of every scenario begins.
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class DeadlockError(AssertionError):
    """Everything waits and no timer is set: nothing will ever happen."""


class _JumpingSelector(selectors.SelectSelector):
    """Never waits: where the loop would, it moves the loop's clock."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        events = super().select(0)
        if not events:
            if timeout is None:
                raise DeadlockError("every task waits and no timer is set")
            self.seconds += max(timeout, 0.0)
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """Reads its time from the selector that jumps."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.seconds


class LoopClock:
    """Wall clock of a scenario: `EPOCH` plus the loop's time, plus a step that a test may make."""

    def __init__(self) -> None:
        self.step = timedelta(0)

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=asyncio.get_running_loop().time()) + self.step


async def until(condition: Callable[[], bool], seconds: float = 3600.0) -> float:
    """Let time pass until the condition holds; answers the loop's time then."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    for _ in iter(condition, True):
        assert loop.time() < deadline, f"it does not come true within {seconds} s"
        await asyncio.sleep(0.01)
    return loop.time()


def run(scenario: Coroutine[Any, Any, Result]) -> Result:
    """Run to the end, however long it seems to take."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(scenario)
