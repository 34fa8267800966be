"""The kinds of objects that the operator reads and writes, and their paths in the API."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from alluse_operator.api import names


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind in one version; `plural` is its name in URLs."""

    group: str
    version: str
    plural: str
    name: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None, name: str | None = None, subresource: str | None = None) -> str:
        """The URL path of a collection (all namespaces if None) or of one object."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        parts = [root]
        if namespace is not None:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name is not None:
            parts.append(quote(name, safe=""))
        if subresource is not None:
            parts.append(subresource)
        return "/".join(parts)


SYSTEM = Kind(names.GROUP, names.VERSION, names.PLURAL, names.KIND)
POD = Kind("", "v1", "pods", "Pod")
SERVICE = Kind("", "v1", "services", "Service")
CONFIG_MAP = Kind("", "v1", "configmaps", "ConfigMap")
SERVICE_ACCOUNT = Kind("", "v1", "serviceaccounts", "ServiceAccount")
CLAIM = Kind("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
DEPLOYMENT = Kind("apps", "v1", "deployments", "Deployment")
STATEFUL_SET = Kind("apps", "v1", "statefulsets", "StatefulSet")
JOB = Kind("batch", "v1", "jobs", "Job")
NETWORK_POLICY = Kind("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
ENDPOINT_SLICE = Kind("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
CONTROLLER_REVISION = Kind("apps", "v1", "controllerrevisions", "ControllerRevision")
DISRUPTION_BUDGET = Kind("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")

EVENT = Kind("", "v1", "events", "Event")
NAMESPACE = Kind("", "v1", "namespaces", "Namespace")
NODE = Kind("", "v1", "nodes", "Node")
LEASE = Kind("coordination.k8s.io", "v1", "leases", "Lease")

#: What a system's objects are: watched, listed and mirrored, selected by label.
CHILDREN = (
    POD,
    DEPLOYMENT,
    STATEFUL_SET,
    JOB,
    SERVICE,
    CONFIG_MAP,
    SERVICE_ACCOUNT,
    CLAIM,
    NETWORK_POLICY,
    DISRUPTION_BUDGET,
    ENDPOINT_SLICE,
    CONTROLLER_REVISION,
)

#: All that the mirror holds.
MIRRORED = (SYSTEM, *CHILDREN)

BY_NAME = {kind.name: kind for kind in MIRRORED}

#: Server-side filter of everything but the systems themselves.
CHILD_SELECTOR = f"{names.MANAGED_BY_LABEL}={names.MANAGED_BY},{names.SYSTEM_LABEL}"
#: Those that the operator keeps itself; a StatefulSet's own ones bear its labels, too.
KEPT_SELECTOR = f"{CHILD_SELECTOR},{names.KEPT_LABEL}"
#: The only Events that are read: a controller could not create a Pod (quota, Pod Security).
REFUSAL_FIELDS = "reason=FailedCreate"


def selector_of(kind: Kind) -> str:
    """Labels that objects of a kind must bear to be of any concern; a slice bears those of its Service."""
    if kind is SYSTEM:
        return ""
    return KEPT_SELECTOR if kind is CONTROLLER_REVISION else CHILD_SELECTOR
