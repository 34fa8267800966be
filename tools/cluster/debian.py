"""Debian packages: installs what is missing, as root; elsewhere a message says what is needed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from tools.cluster import cache
from tools.cluster.steps import Step


def os_release(text: str) -> dict[str, str]:
    """The fields of an os-release file."""
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return {name: value.strip("\"'") for name, value in pairs}


def is_debian() -> bool:
    """Whether this machine installs packages with apt."""
    file = Path("/etc/os-release")
    fields = os_release(file.read_text()) if file.exists() else {}
    family = {fields.get("ID", ""), *fields.get("ID_LIKE", "").split()}
    return "debian" in family and shutil.which("apt-get") is not None


def missing(step: Step, packages: Sequence[str]) -> list[str]:
    """Those of the packages that are not installed."""
    done = step.run(
        ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *packages],
        check=False,
    )
    installed = {line.split()[0] for line in done.stdout.splitlines() if line.endswith(" installed")}
    return [package for package in packages if package not in installed]


def install(step: Step, packages: Sequence[str]) -> list[str]:
    """Install the packages that are missing, and return them."""
    with cache.lock("apt"):  # steps run at the same time, and apt allows one at a time
        return _install(step, packages)


def _install(step: Step, packages: Sequence[str]) -> list[str]:
    if not is_debian():
        raise step.fail(f"needs {', '.join(packages)}, and this is no Debian", "Install them, and run again.")
    wanted = missing(step, packages)
    if not wanted:
        return []
    if os.geteuid() != 0:
        raise step.fail(
            f"needs the Debian packages {', '.join(wanted)}, and only root may install them",
            f"Run: sudo apt-get install --no-install-recommends {' '.join(wanted)}",
        )
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    # A source that does not answer must not stop us: the install below shows what is really missing.
    step.run(["apt-get", "update", "-q"], env=quiet, check=False)
    step.run(
        ["apt-get", "install", "-q", "-y", "--no-install-recommends", *wanted],
        env=quiet,
        remedy="Debian's package archive must be reachable by apt.",
    )
    step.note(f"installed {', '.join(wanted)}")
    return wanted
