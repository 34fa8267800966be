"""The sixteen processes that several files share: to start them costs more than most of what is tested on them."""

from collections.abc import Iterator

import pytest

from component_processes import Cluster


@pytest.fixture(scope="session")
def sixteen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("sixteen"), {"ALL_USE_ENV": "test"}) as cluster:
        yield cluster


@pytest.fixture
def whole(sixteen: Cluster) -> Cluster:
    """All sixteen, although the test before has killed some."""
    sixteen.make_whole()
    return sixteen
