"""Where the tooling keeps things: a cache that is dear to rebuild, and state that `down` removes.

The cache holds what can be built again from pinned sources (binaries, root filesystems, wheels).
The state holds what describes running things (engine, kubeconfigs, logs). Both are outside the clone,
so that a fresh clone finds the work of an earlier one.
"""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def _home(variable: str, *default: str) -> Path:
    """The directory that the XDG variable names, or its default below the home directory."""
    value = os.environ.get(variable, "")
    return Path(value) if value.startswith("/") else Path.home().joinpath(*default)


def cache_root() -> Path:
    """What is dear to build: kept by `down`, removed by `down --caches`."""
    return _home("XDG_CACHE_HOME", ".cache") / "alluse"


def state_root() -> Path:
    """What belongs to running things: removed by `down`."""
    return _home("XDG_STATE_HOME", ".local", "state") / "alluse"


def logs_root() -> Path:
    """One folder per run, one file per step."""
    return state_root() / "logs"


def kubeconfig(cluster: str) -> Path:
    """The kubeconfig of a cluster that we made; ~/.kube/config is never touched."""
    return state_root() / "kubeconfigs" / f"{cluster}.yaml"
