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

    The garbage collector looks for new kinds every thirty seconds; so the definition is there before it is.
    """
    plane = testenv.start_control_plane(
        directory, simulated=True, prepare=lambda plane: ApiServer(plane).install_definition()
    )
    try:
        yield plane
    finally:
        plane.stop()
