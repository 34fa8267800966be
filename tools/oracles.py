"""Run tests/oracles: our numbers against those of heavy libraries, in an environment of their own.

The libraries (some 600 MB) stay out of `.venv`, which every other stage needs.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tools import apart


def prepare() -> Path:
    """The Python of the oracles' environment."""
    return apart.prepare("oracles")


if __name__ == "__main__":
    sys.exit(apart.test("oracles", sys.argv[1:]))
