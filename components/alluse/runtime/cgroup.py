"""The container's own control group: memory and CPU that it uses and may use, in version 2 or version 1."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path("/sys/fs/cgroup")
#: Version 1 writes "no limit" as the largest multiple of a page.
_NO_LIMIT: Final = 1 << 60
_MICROSECONDS: Final = 1e6
_NANOSECONDS: Final = 1e9


@dataclass(frozen=True, slots=True)
class ControlGroup:
    """What is not there, or has no limit, is None."""

    root: Path = ROOT

    def memory_used(self) -> int | None:
        """Bytes charged to the container."""
        found = self._number("memory.current")
        return found if found is not None else self._number("memory/memory.usage_in_bytes")

    def memory_limit(self) -> int | None:
        """Bytes at which the container is ended."""
        found = self._number("memory.max")
        if found is None:
            found = self._number("memory/memory.limit_in_bytes")
        return found if found is not None and found < _NO_LIMIT else None

    def cpu_seconds(self) -> float | None:
        """CPU time used since the container began."""
        for line in self._text("cpu.stat").splitlines():
            name, _, value = line.partition(" ")
            if name == "usage_usec" and value.isdecimal():
                return int(value) / _MICROSECONDS
        found = self._number("cpuacct/cpuacct.usage")
        return found / _NANOSECONDS if found is not None else None

    def cpu_limit(self) -> float | None:
        """Cores that it may use."""
        quota, _, period = self._text("cpu.max").partition(" ")
        if not quota:
            quota, period = self._text("cpu/cpu.cfs_quota_us"), self._text("cpu/cpu.cfs_period_us")
        if not (quota.isdecimal() and period.isdecimal() and int(quota) and int(period)):
            return None
        return int(quota) / int(period)

    def _number(self, name: str) -> int | None:
        text = self._text(name)
        return int(text) if text.isdecimal() else None

    def _text(self, name: str) -> str:
        try:
            return (self.root / name).read_text().strip()
        except OSError:
            return ""
