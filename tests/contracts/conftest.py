"""All sixteen components as processes on loopback, in production's configuration."""

from collections.abc import Iterator

import pytest

from alluse.contract import COMPONENTS
from component_processes import Cluster


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("system"), {"ALL_USE_ENV": "production"}) as running:
        for name in COMPONENTS:
            running.start(name)
        for process in running.running.values():
            process.wait_ready()
        yield running
