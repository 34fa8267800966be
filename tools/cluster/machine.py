"""Facts about this machine that decide which road is taken. Each is looked at, never asked for by a flag."""

from __future__ import annotations

import re
from pathlib import Path

_CAP_SYS_RESOURCE = 24


def has_capability(status: str, bit: int) -> bool:
    """Whether the bounding set in a /proc/self/status has a capability."""
    found = re.search(r"^CapBnd:\s*([0-9a-f]+)", status, re.MULTILINE)
    return found is not None and bool(int(found.group(1), 16) >> bit & 1)


def lacks_sys_resource() -> bool:
    """Whether nothing on this machine may raise limits, which privileged containers ask for."""
    return not has_capability(Path("/proc/self/status").read_text(), _CAP_SYS_RESOURCE)


def cgroup_v1() -> bool:
    """Whether the kubelet must be told to accept the older cgroup hierarchy."""
    root = Path("/sys/fs/cgroup")
    return root.exists() and not (root / "cgroup.controllers").exists()


def alive(pid: int) -> bool:
    """Whether a process with this number runs. One that has ended but was not waited for does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
