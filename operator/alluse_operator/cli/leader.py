"""The operator itself, asked for what only it knows: its loopback endpoint, on the pod that leads."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from alluse.client.errors import ConnectError, UsageError
from alluse_operator.api.names import MANAGED_BY
from alluse_operator.cli.transport import Cluster, Object
from alluse_operator.core.objects import mapping_at, metadata

#: Where the operator listens inside its pod, for nobody but that pod and those who may forward a port to it.
LOOPBACK_PORT: Final = 8081
DEFAULT_NAMESPACE: Final = "alluse-system"


def leading_pod(cluster: Cluster, namespace: str) -> str:
    """Name of the operator's pod that leads in `namespace`. Raises ConnectError."""
    label = f"--selector=app.kubernetes.io/name={MANAGED_BY}"
    leases = cluster.items("leases.coordination.k8s.io", label, namespace=namespace)
    holders = [str(mapping_at(lease, "spec").get("holderIdentity") or "") for lease in leases]
    pods = [str(metadata(pod).get("name", "")) for pod in cluster.items("pods", label, namespace=namespace)]
    for pod in pods:
        if any(holder == pod or holder.startswith(f"{pod}_") for holder in holders):
            return pod
    if not pods:
        raise ConnectError(
            f"there is no operator in namespace {namespace}",
            "Say where it is installed: --operator-namespace NAME (helm list -A)",
        )
    raise ConnectError(
        f"none of the operator's {len(pods)} pods in {namespace} leads at present",
        "Wait a few seconds and try again; see: kubectl get leases,pods -n " + namespace,
    )


def plan(cluster: Cluster, operator_namespace: str) -> Object:
    """What the operator would do now, and later. Raises ConnectError."""
    return _ask(cluster, operator_namespace, f"/plan?system={_system(cluster)}")


def decisions(cluster: Cluster, operator_namespace: str) -> Object:
    """The latest decisions about the system that are kept, newest first, in short. Raises ConnectError."""
    return _ask(cluster, operator_namespace, f"/journal?system={_system(cluster)}")


def decision(cluster: Cluster, operator_namespace: str, number: str) -> Object:
    """One decision with all that it stands on. Raises ConnectError."""
    return _ask(cluster, operator_namespace, f"/journal/{quote(number, safe='')}")


def _system(cluster: Cluster) -> str:
    return quote(f"{cluster.place.namespace}/{cluster.place.system}", safe="/")


def _ask(cluster: Cluster, operator_namespace: str, path: str) -> Object:
    pod = leading_pod(cluster, operator_namespace)
    with cluster.port(pod, LOOPBACK_PORT, namespace=operator_namespace) as port:
        status, answer = port.ask("GET", path)
    if status == 404 and path.startswith("/journal/"):
        raise UsageError(
            f"the operator ({pod}) keeps no decision {path.rpartition('/')[2]}",
            "It keeps the latest, and begins anew when it starts. See: kubectl allusesystem journal",
        )
    if status != 200:
        detail = answer.get("detail") or "no reason given"
        raise ConnectError(
            f"the operator ({pod}) answers {status}: {detail}",
            f"See its log: kubectl logs -n {operator_namespace} {pod}",
        )
    return answer
