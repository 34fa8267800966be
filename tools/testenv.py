"""What tests ask of the cluster tooling: a control plane in three seconds, a kind cluster that is there.

    plane = testenv.start_control_plane(tmp_path)                   # etcd + kube-apiserver
    plane = testenv.start_control_plane(tmp_path, simulated=True)   # + controllers, scheduler, fake nodes
    ... plane.kubeconfig, plane.url, plane.token, plane.kubectl ...
    plane.stop()

    cluster = testenv.ensure_cluster()      # a healthy kind cluster, made if it is missing
    ... cluster.kubeconfig, cluster.kubectl, cluster.helm, cluster.node_exec(node, "crictl", "ps") ...

On the command line: `python3 -m tools.testenv prepare` builds what the control plane needs, `up` makes the
cluster, `down` removes it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from tools.cluster import controlplane, engine, gotools, kindcluster, paths
from tools.cluster.bringup import bring_up, usable
from tools.cluster.controlplane import ControlPlane
from tools.cluster.kindcluster import KindCluster as Cluster
from tools.cluster.steps import Progress, main_guard

__all__ = ["CLUSTER", "ROOT", "Cluster", "ControlPlane", "binaries", "ensure_cluster", "start_control_plane"]

ROOT = paths.REPOSITORY
#: The cluster of the end-to-end tests, apart from that of the demo.
CLUSTER = "alluse-test"
_PREPARED = (*controlplane.SIMULATED_BINARIES, "helm", "kind")


def binaries(*names: str) -> dict[str, Path]:
    """The paths of pinned binaries (`kubectl`, `helm`, ...), built on first use."""
    progress = Progress("binaries")
    with progress.step("binaries") as step:
        return gotools.build(step, names)


def start_control_plane(
    directory: Path,
    simulated: bool = False,
    nodes: int = 2,
    prepare: Callable[[ControlPlane], None] | None = None,
) -> ControlPlane:
    """Start a throw-away control plane that keeps its data in `directory`; the caller calls `stop()`.

    `prepare` installs what the controllers, if there are any, shall know from their first moment.

    Its processes are killed when the thread that called this ends, so call it from one that lives as
    long as the plane is needed (the main thread).
    """
    names = controlplane.SIMULATED_BINARIES if simulated else controlplane.BARE_BINARIES
    plane = ControlPlane(directory, binaries(*names), simulated=simulated)
    plane.start(nodes=nodes, prepare=prepare)
    return plane


def ensure_cluster(name: str = CLUSTER, nodes: int = 1) -> Cluster:
    """A healthy kind cluster of that name, with storage, metrics and DNS; made if it is missing."""
    return bring_up(Progress("cluster"), name, nodes)


def main() -> int:
    """Prepare, or bring the cluster up or down."""
    parser = argparse.ArgumentParser(
        prog="python3 -m tools.testenv", description="The ground that tests stand on."
    )
    parser.add_argument(
        "verb",
        choices=["prepare", "up", "down"],
        help="prepare: build the binaries of the bare API server; up: make the kind cluster, or check that "
        "it is healthy; down: remove it (engine and caches stay)",
    )
    parser.add_argument("--name", default=CLUSTER, help=f"the cluster (default: {CLUSTER})")
    parser.add_argument(
        "--nodes", type=int, default=1, help="one control plane, the rest workers (default: 1)"
    )
    arguments = parser.parse_args()

    def run() -> int:
        progress = Progress(f"testenv-{arguments.verb}")
        if arguments.verb == "prepare":
            with progress.step("binaries") as step:
                gotools.build(step, _PREPARED)
        elif arguments.verb == "up":
            cluster = bring_up(progress, arguments.name, arguments.nodes)
            progress.say(f"\n{progress.summary()}\n\nTo talk to it:\n{usable(cluster)}")
        else:
            with progress.step(f"remove {arguments.name}") as step:
                if arguments.name in kindcluster.recorded():
                    kindcluster.delete(step, engine.find(step), arguments.name)
                else:
                    step.note("we made no cluster of that name")
        return 0

    return main_guard(run)


if __name__ == "__main__":
    sys.exit(main())
