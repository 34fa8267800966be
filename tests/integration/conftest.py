"""The real API server: etcd and kube-apiserver on loopback, with the definition, without controllers."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator

import pytest
from tools import testenv
from tools.cluster.controlplane import ControlPlane

from apiserver import ApiServer

_numbers = itertools.count(1)


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
