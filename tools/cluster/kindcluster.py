"""A kind cluster: created with the stock node image or ours, reused while it is healthy."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.cluster import machine, paths, programs, registry
from tools.cluster.engine import Engine
from tools.cluster.steps import Step, StepError

#: The node image that belongs to the pinned version of kind.
STOCK_NODE_IMAGE = (
    "kindest/node:v1.37.0@sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5"
)
_CREATE_SECONDS = 600.0
#: Silence of a kubelet after which its node counts as lost, where there are several. The default, 50 s, is
#: patient with networks that a cluster in one machine does not have; a kubelet speaks every 10 s.
_NODE_GRACE = {"name": "node-monitor-grace-period", "value": "20s"}
#: Where there are several nodes, a container that dies again need not wait 10, 20, 40 s and more, so that the
#: system itself can be measured through many deaths. Crash loops are tried on the cluster of one node.
_BACK_OFF = {"maxContainerRestartPeriod": "1s"}
_NODES_READY_SECONDS = 180


@dataclass(frozen=True)
class KindCluster:
    """A cluster that answers, and what is needed to talk to it."""

    name: str
    kubeconfig: Path
    engine: Engine
    programs: Mapping[str, Path]
    #: Whether its nodes run an image of ours, which already holds the addons' images.
    own_image: bool

    @property
    def context(self) -> str:
        """Its context in the kubeconfig."""
        return f"kind-{self.name}"

    def environment(self) -> dict[str, str]:
        """The variables with which kubectl, helm, kind and docker reach this cluster."""
        return {"KUBECONFIG": str(self.kubeconfig), **self.engine.environment}

    @property
    def kubectl(self) -> Path:
        """The kubectl that fits this cluster."""
        return self.programs["kubectl"]

    @property
    def helm(self) -> Path:
        """The helm that fits this cluster."""
        return self.programs["helm"]

    @property
    def kubectl_command(self) -> list[str]:
        """The beginning of a kubectl command line for this cluster."""
        return [str(self.kubectl), f"--kubeconfig={self.kubeconfig}"]

    def node_exec(self, node: str, *command: str) -> str:
        """Run a command in a node, and return what it printed."""
        return subprocess.run(
            ["docker", "exec", node, *command],
            env={**os.environ, **self.environment()},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    def load(self, step: Step, images: Iterable[str]) -> None:
        """Give the engine's images to the nodes; those which a node has already are skipped."""
        step.run(
            [self.programs["kind"], "load", "docker-image", "--name", self.name, *images],
            env=self.environment(),
        )


def config(nodes: int, *, cgroup_v1: bool) -> dict[str, object]:
    """The kind configuration for a number of nodes, the first of which is the control plane."""
    kubelet: dict[str, object] = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "serializeImagePulls": False,
        "kubeAPIQPS": 200,
        "kubeAPIBurst": 400,
    }
    if nodes > 1:
        kubelet["crashLoopBackOff"] = _BACK_OFF
    if cgroup_v1:
        # A kubelet refuses the older hierarchy unless it is told not to.
        kubelet["failCgroupV1"] = False
    # The defaults spare a cluster that must last; on one that does not, they are the bottleneck.
    generous = [{"name": "kube-api-qps", "value": "200"}, {"name": "kube-api-burst", "value": "400"}]
    control_plane: dict[str, object] = {
        "kind": "ClusterConfiguration",
        "etcd": {"local": {"extraArgs": [{"name": "unsafe-no-fsync", "value": "true"}]}},
        "controllerManager": {"extraArgs": [*generous, _NODE_GRACE] if nodes > 1 else generous},
        "scheduler": {"extraArgs": generous},
    }
    roles = ["control-plane", *["worker"] * (nodes - 1)]
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "nodes": [{"role": role} for role in roles],
        "kubeadmConfigPatches": [json.dumps(kubelet), json.dumps(control_plane)],
    }


def choose_node_image(step: Step, container_engine: Engine) -> tuple[bool, str]:
    """Whether the stock node image is to be used, and why or why not."""
    if machine.lacks_sys_resource():
        return False, "this machine lacks CAP_SYS_RESOURCE, which the stock node image needs"
    if machine.cgroup_v1():
        return False, "this machine has cgroup v1, which only our node image is made for"
    if registry.pull(step, container_engine, STOCK_NODE_IMAGE):
        return True, "the stock node image can be pulled"
    return False, "the stock node image cannot be pulled"


def _record(name: str) -> Path:
    return paths.state_root() / "clusters" / f"{name}.json"


def recorded() -> list[str]:
    """The clusters that we made and have not removed."""
    directory = paths.state_root() / "clusters"
    return sorted(file.stem for file in directory.glob("*.json")) if directory.exists() else []


def healthy(kubectl: list[str], nodes: int = 1) -> bool:
    """Whether the API answers and at least so many nodes are there, all of them ready."""
    command = [*kubectl, "--request-timeout=5s", "get", "nodes", "-o", "json"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=20, check=False)
    except subprocess.TimeoutExpired:
        return False
    if done.returncode != 0:
        return False
    items = json.loads(done.stdout)["items"]
    ready = [
        any(c["type"] == "Ready" and c["status"] == "True" for c in item["status"].get("conditions", []))
        for item in items
    ]
    return len(ready) >= nodes and all(ready)


def existing(step: Step, container_engine: Engine, name: str, nodes: int = 1) -> KindCluster | None:
    """The cluster of that name, if we made it and it is healthy."""
    record = _record(name)
    if not record.exists() or not paths.kubeconfig(name).exists():
        return None
    own_image = bool(json.loads(record.read_text())["own_image"])
    cluster = KindCluster(name, paths.kubeconfig(name), container_engine, programs.find(step), own_image)
    return cluster if healthy(cluster.kubectl_command, nodes) else None


def create(
    step: Step, container_engine: Engine, name: str, image: str, own_image: bool, nodes: int
) -> KindCluster:
    """Create a cluster, in place of an unhealthy one of the same name that we made before."""
    found = programs.find(step)
    kubeconfig = paths.kubeconfig(name)
    kubeconfig.parent.mkdir(parents=True, exist_ok=True)
    cluster = KindCluster(name, kubeconfig, container_engine, found, own_image)
    environment = cluster.environment()
    listed = step.run([found["kind"], "get", "clusters"], env=environment).stdout.split()
    if name in listed:
        if name not in recorded():
            raise step.fail(
                f"a kind cluster `{name}` exists that was not made by this tool",
                f"Remove it (kind delete cluster --name {name}), or choose another name.",
            )
        step.note("replaced an unhealthy cluster")
        step.run([found["kind"], "delete", "cluster", "--name", name], env=environment)
    kubeconfig.unlink(missing_ok=True)
    record = _record(name)
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps({"own_image": own_image, "image": image, "nodes": nodes}))
    configuration = json.dumps(config(nodes, cgroup_v1=machine.cgroup_v1()))
    step.write(f"{configuration}\n")
    command: list[str | Path] = [
        found["kind"],
        "create",
        "cluster",
        "--name",
        name,
        "--image",
        image,
        "--config",
        "-",
        "--retain",
    ]
    try:
        step.run(command, env=environment, stdin=configuration, timeout=_CREATE_SECONDS)
        # kind waits for the control plane only.
        step.run(
            [
                *cluster.kubectl_command,
                "wait",
                "--for=condition=Ready",
                "nodes",
                "--all",
                f"--timeout={_NODES_READY_SECONDS}s",
            ]
        )
    except StepError:
        logs = step.log.with_suffix("")
        step.run([found["kind"], "export", "logs", str(logs), "--name", name], env=environment, check=False)
        step.say(f"    {step.name}: the nodes' logs are in {logs}")
        raise
    os.chmod(kubeconfig, 0o600)
    return cluster


def delete(step: Step, container_engine: Engine | None, name: str) -> None:
    """Delete a cluster that we made, with its kubeconfig."""
    if container_engine is not None:
        kind = programs.find(step, [programs.KIND])["kind"]
        step.run([kind, "delete", "cluster", "--name", name], env=container_engine.environment)
    paths.kubeconfig(name).unlink(missing_ok=True)
    _record(name).unlink(missing_ok=True)
