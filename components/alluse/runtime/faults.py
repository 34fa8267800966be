"""Breaks the component on purpose (`POST /admin/fault`), so that tests can see who notices.

Only where the configuration has `development.test_mode`; elsewhere the endpoint refuses.
"""

import asyncio
import os
import time
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from alluse.runtime.health import HealthBoard
from alluse.schemas.base import Answer, Request

#: Time for the answer to leave before the process hangs or dies.
GRACE_S: Final = 0.1
EXIT_CODE: Final = 70


class FaultKind(StrEnum):
    """What to break."""

    HANG = "hang"
    CRASH = "crash"
    FAIL_LIVE = "fail_live"
    FAIL_READY = "fail_ready"
    FAIL_HEALTH = "fail_health"
    SLOW = "slow"
    LEAK = "leak"
    CLEAR = "clear"


class FaultRequest(Request):
    """A fault to inject.

    `seconds` is how long it lasts (hang, fail_*, slow), `ms` the delay that slow adds to every request,
    `mb` how much leak keeps. `fail_health` makes the golden self-test fail: the component still answers
    with 200 elsewhere, but says that it computes nonsense. `clear` ends everything but a hang.
    """

    kind: FaultKind
    seconds: Annotated[float, Field(gt=0, le=3600)] = 60
    ms: Annotated[int, Field(ge=0, le=60_000)] = 500
    mb: Annotated[int, Field(ge=0, le=1024)] = 10


class FaultAnswer(Answer):
    """The fault as it was taken."""

    kind: FaultKind
    seconds: float
    ms: int
    mb: int


class Faults:
    """The faults that are at work."""

    def __init__(self, board: HealthBoard) -> None:
        self._board = board
        self._slow_until = 0.0
        self._slow_s = 0.0
        self._leaked: list[bytearray] = []

    def inject(self, fault: FaultRequest) -> None:
        """Start a fault; hang and crash wait until the answer has left."""
        loop = asyncio.get_running_loop()
        until = time.monotonic() + fault.seconds
        match fault.kind:
            case FaultKind.HANG:
                loop.call_later(GRACE_S, time.sleep, fault.seconds)
            case FaultKind.CRASH:
                loop.call_later(GRACE_S, os._exit, EXIT_CODE)
            case FaultKind.FAIL_LIVE | FaultKind.FAIL_READY | FaultKind.FAIL_HEALTH:
                self._board.broken[fault.kind] = until
            case FaultKind.SLOW:
                self._slow_until, self._slow_s = until, fault.ms / 1000
            case FaultKind.LEAK:
                self._leaked.append(bytearray(os.urandom(1024) * 1024 * fault.mb))
            case FaultKind.CLEAR:
                self._board.broken.clear()
                self._slow_until = 0.0
                self._leaked.clear()
        self._board.forget_report()

    async def delay(self) -> None:
        """Wait as long as `slow` says."""
        if self._slow_until > time.monotonic():
            await asyncio.sleep(self._slow_s)
