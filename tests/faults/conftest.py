"""A simulated cluster with a fault proxy before it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from tools.cluster.controlplane import ControlPlane

from apiserver import ApiServer
from fault_proxy import FaultProxy
from simulated import simulated_plane
from watching import Watcher

_numbers = itertools.count(1)

#: Where an operator dies between two turns of its loop, Kopf leaves a task behind that it never began.
LEFT_BY_KOPF = "ignore:coroutine 'worker' was never awaited:RuntimeWarning"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.filterwarnings(LEFT_BY_KOPF))


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with simulated_plane(tmp_path_factory.mktemp("simulated")) as plane:
        yield plane


@pytest.fixture
def proxy(plane: ControlPlane) -> Iterator[FaultProxy]:
    with FaultProxy(plane) as proxy:
        yield proxy


@pytest.fixture
def watcher(plane: ControlPlane) -> Watcher:
    """A system that is not made yet, in a namespace of its own, seen past the proxy."""
    api = ApiServer(plane)
    namespace = f"fault-{next(_numbers)}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    assert api.request("POST", "/api/v1/namespaces", body).ok
    return Watcher(api, namespace)
