"""A resolved system as Kubernetes objects. Pure: the same system gives the same objects, byte for byte."""

from __future__ import annotations

from typing import Any

from alluse_operator.api import names
from alluse_operator.api.spec import ComponentType
from alluse_operator.core.desired import Component, System
from alluse_operator.core.objects import ComponentObjects, Object
from alluse_operator.resources.configmap import build_config_map, has_configuration
from alluse_operator.resources.deployment import build_deployment
from alluse_operator.resources.job import build_job
from alluse_operator.resources.metadata import Built, annotate, content_hash, seal
from alluse_operator.resources.networkpolicy import build_network_policy
from alluse_operator.resources.pdb import build_pod_disruption_budget
from alluse_operator.resources.podspec import build_pod_template
from alluse_operator.resources.service import build_service
from alluse_operator.resources.serviceaccount import build_service_account
from alluse_operator.resources.statefulset import build_stateful_set


def build_all(system: System) -> dict[str, ComponentObjects]:
    """The objects of each component that the operator manages, in the system's start order."""
    return {name: build(system, c) for name, c in system.components.items() if c.managed}


def build(system: System, component: Component) -> ComponentObjects:
    """All objects of one component."""
    supporting: list[Object] = [build_service_account(system, component)]
    config_map: str | None = None
    if has_configuration(component):
        built = build_config_map(system, component)
        config_map = built["metadata"]["name"]
        supporting.append(built)
    if component.kind is ComponentType.SERVICE:
        supporting.append(build_service(system, component))
    supporting.append(build_network_policy(system, component))
    if component.kind is ComponentType.SERVICE and component.replicas > 1:
        supporting.append(build_pod_disruption_budget(system, component))

    template = build_pod_template(system, component, config_map)
    workload = _workload(system, component, template)
    revision = _revision(workload)
    template["metadata"]["labels"][names.REVISION_LABEL] = revision
    annotate(
        workload,
        {
            names.REVISION_ANNOTATION: revision,
            names.DEPENDS_ON_ANNOTATION: ",".join(edge.name for edge in component.dependencies),
        },
    )
    return ComponentObjects(workload=seal(workload), supporting=tuple(supporting), revision=revision)


def _workload(system: System, component: Component, template: Built) -> Built:
    if component.kind is ComponentType.JOB:
        return build_job(system, component, template)
    if component.storage is not None:
        return build_stateful_set(system, component, component.storage, template)
    return build_deployment(system, component, template)


def _revision(workload: Built) -> str:
    """A hash over what needs new pods when it changes: the pod template and the claims, and nothing else."""
    spec: dict[str, Any] = workload["spec"]
    return content_hash({"template": spec["template"], "claims": spec.get("volumeClaimTemplates", [])})
