"""What tests ask of the cluster tooling: a control plane in three seconds, a kind cluster that is there.

    plane = testenv.start_control_plane(tmp_path)              # etcd + kube-apiserver
    plane = testenv.start_control_plane(tmp_path, simulated=True)   # + controllers, scheduler, fake nodes
    ... plane.kubeconfig, plane.url, plane.token, plane.kubectl ...
    plane.stop()

    cluster = testenv.ensure_cluster("alluse-test")            # a healthy kind cluster, made if it is missing
    ... cluster.kubeconfig, cluster.environment() ...
"""

from __future__ import annotations

from pathlib import Path

from tools.cluster import controlplane, gotools
from tools.cluster.controlplane import ControlPlane
from tools.cluster.steps import Progress


def binaries(*names: str) -> dict[str, Path]:
    """The paths of pinned binaries (`kubectl`, `helm`, ...), built on first use."""
    progress = Progress("binaries")
    with progress.step("binaries") as step:
        return gotools.build(step, names)


def start_control_plane(directory: Path, simulated: bool = False, nodes: int = 2) -> ControlPlane:
    """Start a throw-away control plane that keeps its data in `directory`; the caller calls `stop()`.

    Its processes are killed when the thread that called this ends, so call it from one that lives as
    long as the plane is needed (the main thread).
    """
    names = controlplane.SIMULATED_BINARIES if simulated else controlplane.BARE_BINARIES
    plane = ControlPlane(directory, binaries(*names), simulated=simulated)
    plane.start(nodes=nodes)
    return plane
