"""Run tests/contracts: each component against its own OpenAPI document, with schemathesis.

Schemathesis and what it needs stay out of `.venv`.
"""

from __future__ import annotations

import sys

from tools import apart

if __name__ == "__main__":
    sys.exit(apart.test("contracts", sys.argv[1:]))
