"""Kubernetes objects as plain mappings, and the few questions the core asks of them.

Objects stay what the API server sends (camelCase mappings): typed views are made of the parts that decide
something (see `observed`), everything else passes through unread.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

#: One Kubernetes object as decoded JSON. Never changed by the core.
Object = Mapping[str, Any]

#: Kinds that run pods; the order of this tuple has no meaning.
WORKLOAD_KINDS = ("Deployment", "StatefulSet", "Job")

#: Every kind the operator makes, with its API version. Pods and claims are made by the cluster's controllers.
CHILD_KINDS: Mapping[str, str] = {
    "ServiceAccount": "v1",
    "ConfigMap": "v1",
    "Service": "v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "PodDisruptionBudget": "policy/v1",
    "Deployment": "apps/v1",
    "StatefulSet": "apps/v1",
    "Job": "batch/v1",
    "ControllerRevision": "apps/v1",
}


class Ref(NamedTuple):
    """Names one object inside the system's namespace."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class ComponentObjects:
    """All that the cluster shall hold for one component, as built by `alluse_operator.resources`.

    `supporting` (ServiceAccount, ConfigMap, Service, ...) is applied at once; `workload` waits for the
    start gate. `revision` is the value of the label and annotation `alluse.io/revision` of the workload:
    it changes exactly when the pods have to be replaced.
    """

    workload: Object
    supporting: tuple[Object, ...]
    revision: str

    @property
    def all(self) -> tuple[Object, ...]:
        return (*self.supporting, self.workload)


def ref_of(obj: Object) -> Ref:
    return Ref(str(obj.get("kind", "")), str(metadata(obj).get("name", "")))


def metadata(obj: Object) -> Mapping[str, Any]:
    found = obj.get("metadata")
    return found if type(found) is dict else mapping_at(obj, "metadata")


def labels(obj: Object) -> Mapping[str, str]:
    return mapping_at(metadata(obj), "labels")


def annotations(obj: Object) -> Mapping[str, str]:
    return mapping_at(metadata(obj), "annotations")


def uid_of(obj: Object) -> str:
    return str(metadata(obj).get("uid", ""))


def is_deleting(obj: Object) -> bool:
    return bool(metadata(obj).get("deletionTimestamp"))


def owner_uids(obj: Object) -> tuple[str, ...]:
    return tuple(str(o.get("uid", "")) for o in metadata(obj).get("ownerReferences") or ())


def controller_uid(obj: Object) -> str | None:
    """The uid of the one owner that controls the object, if any."""
    for owner in metadata(obj).get("ownerReferences") or ():
        if owner.get("controller"):
            return str(owner.get("uid", ""))
    return None


def mapping_at(obj: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """The mapping at `path`, or an empty one where anything on the way is missing or of another type."""
    for key in path:
        found = obj.get(key)
        # The exact type first: asking an abstract class takes ten times as long, and passes ask thousands.
        if type(found) is not dict and not isinstance(found, Mapping):
            return {}
        obj = found
    return obj


def config_maps_used(pod_spec: Mapping[str, Any]) -> Iterable[str]:
    """Names of the ConfigMaps that a pod spec mounts or reads into its environment."""
    for volume in pod_spec.get("volumes") or ():
        if name := mapping_at(volume, "configMap").get("name"):
            yield str(name)
        for source in mapping_at(volume, "projected").get("sources") or ():
            if name := mapping_at(source, "configMap").get("name"):
                yield str(name)
    for container in (*(pod_spec.get("initContainers") or ()), *(pod_spec.get("containers") or ())):
        for source in container.get("envFrom") or ():
            if name := mapping_at(source, "configMapRef").get("name"):
                yield str(name)
        for variable in container.get("env") or ():
            if name := mapping_at(variable, "valueFrom", "configMapKeyRef").get("name"):
                yield str(name)
