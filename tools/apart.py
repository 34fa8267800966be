"""Environments apart from `.venv`, for tests whose libraries nothing else should carry.

`requirements/<name>.txt` becomes `build/<name>` when it has changed; pytest runs `tests/<name>` there.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def prepare(name: str) -> Path:
    """The Python of an environment that holds exactly the locked requirements of that name."""
    requirements, environment = ROOT / "requirements" / f"{name}.txt", ROOT / "build" / name
    stamp, python = environment / "requirements.sha256", environment / "bin" / "python"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == digest:
        return python
    print(f"{name}: installing {requirements.name} into {environment.relative_to(ROOT)}", flush=True)
    venv.create(environment, clear=True)
    # With byte code, which else each of sixteen processes that start at once would make for itself.
    uv = [sys.executable, "-m", "uv", "pip", "sync", "--quiet", "--require-hashes", "--compile-bytecode"]
    subprocess.run([*uv, "--python", str(python), str(requirements)], check=True)
    # Last, so that an installation that was broken off is made anew.
    stamp.write_text(digest)
    return python


def test(name: str, arguments: Sequence[str]) -> int:
    """Run pytest on `tests/<name>` in its environment; its exit code."""
    command = [prepare(name), "-m", "pytest", "-q", "--no-header", f"tests/{name}", *arguments]
    return subprocess.run(command, cwd=ROOT, check=False).returncode
