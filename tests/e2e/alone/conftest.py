"""The operator's release, changed and taken away by these tests and by no others."""

from __future__ import annotations

import pytest

from installation import Release
from kube import Kube


@pytest.fixture(scope="session")
def release(kube: Kube, image_values: tuple[str, ...], operator: str) -> Release:
    """As `operator` installed it. A test that needs it otherwise installs it so, and the next as it needs it."""
    return Release(kube, image_values, values=())
