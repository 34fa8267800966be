"""How much of its own memory, CPU and disk the component uses, from its own control group and file system.

Only what belongs to this container is read: its control group and the file system of the state directory.
Without a limit there is no share of it, and nothing to say.
"""

import asyncio
import gc
import itertools
import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from alluse.runtime import spare
from alluse.runtime.cgroup import ROOT, ControlGroup
from alluse.runtime.configuration import Config
from alluse.runtime.errors import CheckDegradedError
from alluse.runtime.logs import Logger

#: Short enough to speak of a leak before the limit ends the process.
SAMPLE_S: Final = 2.0
#: Samples of one minute.
CPU_SAMPLES: Final = 31
#: After so many samples what was freed is given back: in ten seconds a burst of work is over.
SAMPLES_KEPT: Final = 5


class Resources:
    """Shares (0 to 1, or None where there is no limit) as of the last sample."""

    def __init__(self, state_dir: Path, config: Config, log: Logger, cgroup: Path = ROOT) -> None:
        self._state_dir = state_dir
        self._config = config
        self._log = log
        self._group = ControlGroup(cgroup)
        self._cpu_seen: deque[tuple[float, float]] = deque(maxlen=CPU_SAMPLES)
        self.memory: float | None = None
        self.cpu: float | None = None
        self.disk: float | None = None

    async def run(self) -> None:
        """Sample, and give back what was freed, until cancelled."""
        for number in itertools.count(1):
            self.sample()
            if number % SAMPLES_KEPT == 0:
                spare.give_back()
            await asyncio.sleep(SAMPLE_S)

    def sample(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Read all three, and collect garbage when memory is short."""
        self.memory = self._memory()
        self.cpu = self._cpu(clock())
        self.disk = self.read_disk()
        if self.memory is not None and self.memory > self._config.number("performance.memory.gc_threshold"):
            collected = gc.collect()
            self._log.warning("memory is short", used=round(self.memory, 3), collected=collected)

    def check(self) -> str:
        """Detail for the health report. Raises CheckDegradedError for what is over its threshold."""
        over = []
        shown = []
        for name in ("memory", "cpu", "disk"):
            share: float | None = getattr(self, name)
            if share is None:
                continue
            shown.append(f"{name} {share * 100:.0f} %")
            if share * 100 > (limit := self._config.number(f"health.{name}_threshold")):
                over.append(f"{name} {share * 100:.0f} %, the threshold is {limit:.0f} %")
        if over:
            raise CheckDegradedError("; ".join(over))
        return ", ".join(shown) or "no limits are set"

    def memory_limit(self) -> int | None:
        """The container's limit in bytes; None without one."""
        return self._group.memory_limit()

    def _memory(self) -> float | None:
        used, limit = self._group.memory_used(), self.memory_limit()
        return used / limit if used is not None and limit else None

    def _cpu(self, now: float) -> float | None:
        """Used share of the quota over the last minute: a short burst is no shortage."""
        spent, cores = self._group.cpu_seconds(), self._group.cpu_limit()
        if spent is None or not cores:
            return None
        self._cpu_seen.append((now, spent))
        then, spent_then = self._cpu_seen[0]
        if now <= then:
            return None
        return (spent - spent_then) / (now - then) / cores

    def read_disk(self) -> float | None:
        """Used share of the volume with the state, as of now."""
        try:
            stat = os.statvfs(self._state_dir)
        except OSError:
            return None
        return 1 - stat.f_bavail / stat.f_blocks if stat.f_blocks else None
