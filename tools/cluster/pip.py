"""Run pip, also on a bare Debian, whose Python comes without it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence

from tools.cluster.steps import Step


def pip(step: Step, arguments: Sequence[str]) -> None:
    """Run pip with this Python, or with the system's after installing it where this Python has none."""
    python = sys.executable
    if importlib.util.find_spec("pip") is None:
        from tools.cluster import debian

        debian.install(step, ["python3-pip"])
        python = "/usr/bin/python3"
    step.run(
        [python, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments],
        remedy="The Python package index must be reachable by pip, as configured on this machine.",
    )
