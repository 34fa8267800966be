"""kind, kubectl and helm: the machine's own where they are new enough, else built from the pinned sources."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.cluster import gotools
from tools.cluster.steps import Step


@dataclass(frozen=True)
class Program:
    """How a program tells its version, and the oldest that will do."""

    name: str
    version_command: Sequence[str]
    minimum: tuple[int, ...]


KIND = Program("kind", ("version", "-q"), (0, 33))
#: One minor version around the server's is what kubectl supports.
KUBECTL = Program("kubectl", ("version", "--client"), (1, 35))
HELM = Program("helm", ("version", "--short"), (3, 18))
ALL = (KIND, KUBECTL, HELM)


def _own(program: Program) -> tuple[str | None, tuple[int, ...]]:
    """The program on the PATH, if there is one, and its version."""
    path = shutil.which(program.name)
    if path is None:
        return None, ()
    try:
        done = subprocess.run(
            [path, *program.version_command], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return path, ()
    return path, gotools.version_tuple(done.stdout)


def find(step: Step, programs: Sequence[Program] = ALL) -> dict[str, Path]:
    """Where each program is."""
    found: dict[str, Path] = {}
    for program in programs:
        path, version = _own(program)
        if path is not None and version >= program.minimum:
            found[program.name] = Path(path)
            step.note(f"{program.name} {'.'.join(map(str, version))} is on the PATH")
    missing = [program.name for program in programs if program.name not in found]
    return found | (gotools.build(step, missing) if missing else {})
