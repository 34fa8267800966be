"""Breaks the component on purpose (`POST /admin/fault`), so that a drill can see who notices, and when.

Present only where `ALLUSE_FAULTS` is `enabled`, or in the environment `test` with `development.test_mode`;
elsewhere the path does not exist. Every fault ends by itself when its seconds have passed, and, except for
an exit that is to be repeated, with the process.
"""

import asyncio
import json
import os
import threading
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field

from alluse.schemas.base import Answer, Request

#: Time for the answer to leave before the process hangs or dies.
GRACE_S: Final = 0.1
EXIT_CODE: Final = 1
#: In the state directory: until when (Unix time) each start of the component ends at once.
EXIT_MARK: Final = "fault-exit-until"
MAX_LEAK_MB: Final = 1024
_CHUNK_MB: Final = 8
_SLOW_MS: Final = 3000
_FLAP_MS: Final = 5000


class FaultKind(StrEnum):
    """What to break."""

    WRONG_ANSWER = "wrong-answer"
    SLOW = "slow"
    FLAP = "flap"
    LEAK = "leak"
    OUT_OF_MEMORY = "out-of-memory"
    HANG = "hang"
    EXIT = "exit"
    NOT_LIVE = "not-live"
    NOT_READY = "not-ready"
    CLEAR = "clear"


class FaultRequest(Request):
    """A fault to inject, and for how many seconds.

    - `wrong-answer`: the golden self-test fails when it runs next, so that health says so; until then the
      component answers, and one that keeps no state doubles the fractions in its answers.
    - `slow`: `/health` and the component's own endpoints answer `ms` later (3,000 unless given).
    - `flap`: not ready and unhealthy for `ms` (5,000 unless given), then ready for as long, and so on.
    - `leak`: keeps `mb` more memory each second, at most 1 GiB, and gives it back at the end.
    - `out-of-memory`: takes memory until the limit of its container ends it; needs such a limit.
    - `hang`: the process does nothing at all.
    - `exit`: the process ends with code 1; with `loop` each later start does too until the seconds are over.
    - `not-live`, `not-ready`: the probe of that name fails.
    - `clear`: ends everything but a hang.
    """

    fault: FaultKind
    seconds: Annotated[float, Field(gt=0, le=3600)] = 60
    ms: Annotated[int, Field(gt=0, le=60_000)] | None = None
    mb: Annotated[int, Field(gt=0, le=256)] = 10
    loop: bool = False


class FaultAnswer(Answer):
    """The fault as it was taken."""

    fault: FaultKind
    seconds: float


class Faults:
    """The faults that are at work in this process."""

    def __init__(self, state_dir: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._state_dir = state_dir
        self._clock = clock
        #: Begin and end of each fault that lasts.
        self._spans: dict[FaultKind, tuple[float, float]] = {}
        self._slow_s = 0.0
        self._flap_s = 1.0
        self._kept: list[bytearray] = []
        self._stop_eating = threading.Event()
        self._leaking: asyncio.Task[None] | None = None

    def inject(self, request: FaultRequest, memory_limit: int | None = None) -> None:
        """Start a fault; hang, exit and out-of-memory wait until the answer has left.

        `memory_limit` is the container's, in bytes. Raises ValueError for `out-of-memory` without one, and
        OSError when an exit cannot be written down for later starts.
        """
        loop = asyncio.get_running_loop()
        kind, now = request.fault, self._clock()
        match kind:
            case FaultKind.CLEAR:
                self.clear()
                return
            case FaultKind.HANG:
                loop.call_later(GRACE_S, time.sleep, request.seconds)
            case FaultKind.EXIT:
                if request.loop:
                    self._state_dir.mkdir(parents=True, exist_ok=True)
                    (self._state_dir / EXIT_MARK).write_text(f"{time.time() + request.seconds:.3f}")
                loop.call_later(GRACE_S, os._exit, EXIT_CODE)
            case FaultKind.OUT_OF_MEMORY:
                if not memory_limit:
                    raise ValueError("the container has no memory limit, so nothing would end this")
                self._stop_eating.clear()
                eater = threading.Thread(target=self._eat, args=(memory_limit, request.seconds), daemon=True)
                loop.call_later(GRACE_S, eater.start)
            case FaultKind.LEAK:
                self._stop_leak()
                self._leaking = asyncio.create_task(self._leak(request.mb, request.seconds), name="leak")
            case FaultKind.SLOW:
                self._slow_s = (request.ms or _SLOW_MS) / 1000
            case FaultKind.FLAP:
                self._flap_s = (request.ms or _FLAP_MS) / 1000
        self._spans[kind] = (now, now + request.seconds)

    def clear(self) -> None:
        """End every fault and give back what they took."""
        self._spans.clear()
        self._stop_leak()
        self._stop_eating.set()
        self._kept.clear()
        (self._state_dir / EXIT_MARK).unlink(missing_ok=True)

    def stop(self) -> None:
        """The component stops: nothing of a fault may hold it up."""
        self._stop_leak()
        self._stop_eating.set()

    def active(self, kind: FaultKind) -> bool:
        """Whether that fault is at work now; for `flap`, whether this is one of its bad halves."""
        begin, end = self._spans.get(kind, (0.0, 0.0))
        now = self._clock()
        if now >= end:
            return False
        return kind is not FaultKind.FLAP or int((now - begin) / self._flap_s) % 2 == 0

    async def delay(self) -> None:
        """Wait as long as `slow` says."""
        if self.active(FaultKind.SLOW):
            await asyncio.sleep(self._slow_s)

    def distorted(self, body: bytes) -> bytes:
        """The answer's JSON with every fraction doubled while `wrong-answer` is at work, else as it is."""
        if not self.active(FaultKind.WRONG_ANSWER):
            return body
        try:
            return json.dumps(_doubled(json.loads(body))).encode()
        except ValueError:
            return body

    async def _leak(self, mb_per_second: int, seconds: float) -> None:
        end = self._clock() + seconds
        while self._clock() < end:
            if len(self._kept) * mb_per_second < MAX_LEAK_MB:
                self._kept.append(_filled(mb_per_second))
            await asyncio.sleep(1)
        self._kept.clear()

    def _stop_leak(self) -> None:
        if self._leaking is not None:
            self._leaking.cancel()
            self._leaking = None

    def _eat(self, limit: int, seconds: float) -> None:
        """Take up to the limit and half of it again (there may be swap), then wait for the end."""
        eaten: list[bytearray] = []
        end = self._clock() + seconds
        while self._clock() < end and len(eaten) * _CHUNK_MB * 1_000_000 < limit * 1.5:
            if self._stop_eating.is_set():
                return
            eaten.append(_filled(_CHUNK_MB))
        self._stop_eating.wait(max(0.0, end - self._clock()))


def must_exit(state_dir: Path) -> bool:
    """Whether an earlier `exit` with `loop` asks this start to end too; a mark that is over is removed."""
    mark = state_dir / EXIT_MARK
    try:
        until = float(mark.read_text())
    except (OSError, ValueError):
        return False
    if time.time() < until:
        return True
    mark.unlink(missing_ok=True)
    return False


def _filled(mb: int) -> bytearray:
    """Memory that is really there: each page is written."""
    return bytearray(os.urandom(1000) * 1000 * mb)


def _doubled(value: Any) -> Any:
    match value:
        case float():
            return value * 2
        case list():
            return [_doubled(each) for each in value]
        case dict():
            return {key: _doubled(each) for key, each in value.items()}
    return value
