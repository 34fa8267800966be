"""A simulated cluster that knows the definition from its first moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools import testenv
from tools.cluster.controlplane import ControlPlane

from apiserver import ApiServer


@contextmanager
def simulated_plane(directory: Path) -> Iterator[ControlPlane]:
    """Controllers, scheduler, nodes whose pods are ready at once, and the definition of AllUseSystem.

    The garbage collector looks for new kinds every thirty seconds; started anew, it knows ours at once.
    """
    plane = testenv.start_control_plane(directory, simulated=True)
    try:
        ApiServer(plane).install_definition()
        plane.stop_process("kube-controller-manager")
        plane.start_process("kube-controller-manager")
        yield plane
    finally:
        plane.stop()
