"""Run tests/oracles: our numbers against those of heavy libraries, in an environment of their own.

The libraries (some 600 MB) stay out of `.venv`, which every other stage needs: `python -m tools.oracles`
makes `build/oracles` from requirements/oracles.txt when that has changed, and runs pytest there.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements" / "oracles.txt"
ENVIRONMENT = ROOT / "build" / "oracles"
#: Digest of the requirements that the environment was made from; written last.
STAMP = ENVIRONMENT / "requirements.sha256"


def prepare() -> Path:
    """The Python of an environment that holds exactly the locked requirements."""
    python = ENVIRONMENT / "bin" / "python"
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if STAMP.is_file() and STAMP.read_text() == digest:
        return python
    print(f"oracles: installing {REQUIREMENTS.name} into {ENVIRONMENT.relative_to(ROOT)}", flush=True)
    venv.create(ENVIRONMENT, clear=True)
    uv = [sys.executable, "-m", "uv", "pip", "sync", "--quiet", "--require-hashes"]
    subprocess.run([*uv, "--python", str(python), str(REQUIREMENTS)], check=True)
    STAMP.write_text(digest)
    return python


def main() -> int:
    python = prepare()
    tests = ["-m", "pytest", "-q", "--no-header", "tests/oracles", *sys.argv[1:]]
    return subprocess.run([python, *tests], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
