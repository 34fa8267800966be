"""Real Prometheus rules and a real Alertmanager, built from their sources; everything on loopback."""

from __future__ import annotations

from pathlib import Path

import pytest
from tools import testenv


@pytest.fixture(scope="session")
def programs() -> dict[str, Path]:
    """promtool and alertmanager."""
    return testenv.binaries("promtool", "alertmanager")
