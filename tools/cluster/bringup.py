"""From whatever this machine has to a cluster that is ready for use."""

from __future__ import annotations

from tools.cluster import addons, cache, engine, gotools, kindcluster, nodeimage, programs
from tools.cluster.engine import Engine
from tools.cluster.kindcluster import KindCluster
from tools.cluster.steps import Background, Progress


def _own_node_image(progress: Progress, container_engine: Engine) -> str:
    """Build the binaries, and the Debian root at the same time, and make the node image of both."""

    def make_root() -> None:
        with progress.step("Debian root") as step:
            nodeimage.root(step)

    making_root = Background(make_root)
    with progress.step("Kubernetes binaries") as step:
        binaries = gotools.build(step, nodeimage.BINARIES)
    making_root.result()
    with progress.step("node image") as step:
        return nodeimage.ensure(step, container_engine, binaries)


def ensure_cluster(progress: Progress, container_engine: Engine, name: str, nodes: int = 1) -> KindCluster:
    """A healthy kind cluster of that name, made if need be."""
    with cache.lock(f"cluster-{name}", lambda: progress.say(f"    another run is making {name}; waiting")):
        with progress.step(f"look for {name}") as step:
            found = kindcluster.existing(step, container_engine, name, nodes)
            step.note("it is there and healthy" if found else "no healthy one is there")
        if found is not None:
            return found
        with progress.step("kind, kubectl and helm") as step:
            programs.find(step)
        with progress.step("choose the node image") as step:
            stock, reason = kindcluster.choose_node_image(step, container_engine)
            step.note(reason if stock else f"{reason}, so we make our own")
        image = kindcluster.STOCK_NODE_IMAGE if stock else _own_node_image(progress, container_engine)
        with progress.step(f"cluster {name}") as step:
            return kindcluster.create(step, container_engine, name, image, not stock, nodes)


def bring_up(progress: Progress, name: str, nodes: int = 1) -> KindCluster:
    """Engine, cluster and addons; what is there and healthy is used as it is."""
    with progress.step("container engine") as step:
        container_engine = engine.ensure(step)
    cluster = ensure_cluster(progress, container_engine, name, nodes)
    with progress.step("storage and metrics") as step:
        addons.ensure(step, cluster)
    return cluster


def usable(cluster: KindCluster) -> str:
    """The shell lines with which a person talks to a cluster."""
    lines = [f"export {name}={value}" for name, value in cluster.environment().items()]
    lines += [f"alias {name}={path}" for name, path in cluster.programs.items()]
    return "\n".join(f"  {line}" for line in lines)
