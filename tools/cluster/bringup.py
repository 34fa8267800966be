"""From whatever this machine has to a cluster that is ready for use."""

from __future__ import annotations

from tools.cluster import addons, engine, kindcluster
from tools.cluster.kindcluster import KindCluster
from tools.cluster.steps import Progress


def bring_up(progress: Progress, name: str, nodes: int = 1) -> KindCluster:
    """Engine, cluster and addons; what is there and healthy is used as it is."""
    with progress.step("container engine") as step:
        container_engine = engine.ensure(step)
    with progress.step(f"cluster {name}") as step:
        cluster = kindcluster.ensure(step, container_engine, name, nodes)
    with progress.step("addons") as step:
        addons.ensure(step, cluster)
    return cluster


def usable(cluster: KindCluster) -> str:
    """The shell lines with which a person talks to a cluster."""
    lines = [f"export {name}={value}" for name, value in cluster.environment().items()]
    for name, path in cluster.programs.items():
        lines.append(f"alias {name}={path}")
    return "\n".join(f"  {line}" for line in lines)
