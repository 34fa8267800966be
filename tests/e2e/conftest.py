"""One cluster and one operator for all end-to-end tests; a namespace for each of them.

Files of this folder may run side by side, in several processes. Those in `alone/` change the operator or take
it away: nothing may run beside them.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tools import images, testenv
from tools.cluster import cache

from installation import (
    OPERATOR_NAMESPACE,
    fresh_namespace,
    install_operator,
)
from kube import Kube

#: The longest first. Both of the files that start all sixteen components are among them, and not side by side: two
#: such starts at once take longer than one after the other. Of those in `alone/` the first finds the operator as it was
#: installed, and after the last but one there may be none.
FIRST = ("test_faults.py", "test_teardown.py", "test_recovery.py", "test_all_use.py", "test_operator_away.py")
LAST = ("test_modes.py", "test_nothing_left.py")
#: Held while the ground that all processes share is made: cluster, images, operator.
GROUND = "e2e-ground"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        name = item.path.name
        if name in FIRST:
            return FIRST.index(name) - len(FIRST)
        return 1 + LAST.index(name) if name in LAST else 0

    items.sort(key=place)


@pytest.fixture(scope="session")
def cluster() -> testenv.Cluster:
    """The kind cluster of the tests. Never the one of the person's kubeconfig."""
    with cache.lock(GROUND):
        return testenv.ensure_cluster()


@pytest.fixture(scope="session")
def kube(cluster: testenv.Cluster) -> Kube:
    return Kube(cluster.kubectl, cluster.helm, cluster.kubeconfig)


@pytest.fixture(scope="session")
def image_values(cluster: testenv.Cluster) -> tuple[str, ...]:
    """Helm's values for the images of this tree, built and loaded into the cluster."""
    with cache.lock(GROUND):
        return images.build_and_load(cluster).helm_values()


@pytest.fixture(scope="session")
def operator(kube: Kube, image_values: tuple[str, ...]) -> str:
    """The operator, installed by Helm as a person would; its namespace."""
    with cache.lock(GROUND):
        install_operator(kube, image_values)
    return OPERATOR_NAMESPACE


@pytest.fixture
def namespace(kube: Kube, operator: str) -> Iterator[str]:
    """A namespace of its own for one test, gone afterwards."""
    yield from fresh_namespace(kube)
