"""The real API server on loopback, with the definition: without controllers, and with them.

Each is started once, whether the tests run in one process or in two.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tools import testenv
from tools.cluster.controlplane import ControlPlane
from xdist.scheduler import LoadScopeScheduling

from apiserver import ApiServer
from simulated import simulated_plane

_numbers = itertools.count(1)


#: Files whose tests need controllers.
SIMULATED = ("test_alerts.py", "test_lifecycle.py")


class TwoGroups(LoadScopeScheduling):
    """One process has the bare plane and one the simulated, so that none is started twice."""

    def _split_scope(self, nodeid: str) -> str:
        return "simulated" if nodeid.partition("::")[0].endswith(SIMULATED) else "bare"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> TwoGroups:
    return TwoGroups(config, log)


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One control plane for all tests, with `AllUseSystem` installed. Tests that stop its processes must
    start their own."""
    plane = testenv.start_control_plane(tmp_path_factory.mktemp("control-plane"))
    try:
        ApiServer(plane).install_definition()
        yield plane
    finally:
        plane.stop()


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One simulated cluster. An operator that a module starts there ends with it."""
    with simulated_plane(tmp_path_factory.mktemp("simulated")) as plane:
        yield plane


@pytest.fixture(scope="session")
def api(control_plane: ControlPlane) -> ApiServer:
    """A synchronous client of the control plane, as the administrator."""
    return ApiServer(control_plane)


@pytest.fixture
def namespace(control_plane: ControlPlane) -> str:
    """A namespace of its own for each test. It stays: without controllers no namespace ever goes away."""
    name = f"test-{next(_numbers)}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    answer = ApiServer(control_plane).request("POST", "/api/v1/namespaces", body)
    assert answer.ok, json.dumps(answer.body)
    return name
