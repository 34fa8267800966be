"""Helm, the chart, and a bare API server to apply it to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tools import testenv
from tools.cluster.controlplane import ControlPlane

from bare_cluster import BareCluster
from rendering import Chart


@pytest.fixture(scope="session")
def helm() -> Path:
    return testenv.binaries("helm")["helm"]


@pytest.fixture(scope="session")
def chart(helm: Path) -> Chart:
    return Chart(helm)


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """etcd and an API server, without controllers or nodes."""
    plane = testenv.start_control_plane(tmp_path_factory.mktemp("plane"))
    yield plane
    plane.stop()


@pytest.fixture(scope="session")
def cluster(helm: Path, plane: ControlPlane) -> BareCluster:
    return BareCluster(helm, plane)
