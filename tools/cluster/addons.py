"""What a cluster needs besides kind's own pieces: metrics-server, so that `kubectl top` works."""

from __future__ import annotations

import json
from pathlib import Path

from tools.cluster import gotools, nodeimage
from tools.cluster.kindcluster import KindCluster
from tools.cluster.steps import Step

_METRICS_SERVER = Path(__file__).with_name("metrics-server.yaml")
_METRICS_API = "v1beta1.metrics.k8s.io"
_READY_SECONDS = 180


def registry_of(image: str) -> str:
    """The registry in a full image name: its first part, which has a dot or a port, or is localhost."""
    first = image.split("/", 1)[0]
    if "/" not in image or not ("." in first or ":" in first or first == "localhost"):
        raise ValueError(f"{image} does not name its registry")
    return first


def _metrics_server_image(step: Step, cluster: KindCluster) -> str:
    if cluster.own_image:
        return nodeimage.metrics_server_image()
    # Upstream's image lives in the registry that also serves the cluster's CoreDNS.
    done = step.run(
        [*cluster.kubectl_command, "-n", "kube-system", "get", "deployment", "coredns", "-o", "json"]
    )
    coredns = json.loads(done.stdout)["spec"]["template"]["spec"]["containers"][0]["image"]
    version = gotools.TOOLS["metrics-server"].version
    return f"{registry_of(coredns)}/metrics-server/metrics-server:{version}"


def ensure(step: Step, cluster: KindCluster, *, wait: bool = True) -> None:
    """Install metrics-server; with `wait`, until it, DNS and the storage provisioner are available."""
    # Two copies of the DNS server are for clusters that lose nodes; here they only take room from the pods.
    step.run([*cluster.kubectl_command, "-n", "kube-system", "scale", "deployment/coredns", "--replicas=1"])
    manifest = _METRICS_SERVER.read_text().replace("@IMAGE@", _metrics_server_image(step, cluster))
    step.run([*cluster.kubectl_command, "apply", "--server-side", "-f", "-"], stdin=manifest)
    if not wait:
        return
    # What could not be started in a run before this one would be tried again only minutes later.
    pending = ["-l", "k8s-app=metrics-server", "--field-selector=status.phase=Pending"]
    step.run([*cluster.kubectl_command, "-n", "kube-system", "delete", "pods", *pending, "--wait=false"])
    for namespace, name in (
        ("kube-system", "coredns"),
        ("local-path-storage", "local-path-provisioner"),
        ("kube-system", "metrics-server"),
    ):
        step.run(
            [
                *cluster.kubectl_command,
                "-n",
                namespace,
                "wait",
                "--for=condition=Available",
                f"deployment/{name}",
                f"--timeout={_READY_SECONDS}s",
            ]
        )
    step.run(
        [
            *cluster.kubectl_command,
            "wait",
            "--for=condition=Available",
            "apiservice",
            _METRICS_API,
            f"--timeout={_READY_SECONDS}s",
        ]
    )
