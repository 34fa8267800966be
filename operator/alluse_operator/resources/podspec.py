"""The pod of a component: one container under Pod Security "restricted", probes, mounts, environment."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from alluse import contract
from alluse_operator.api import names
from alluse_operator.api.spec import ComponentType
from alluse_operator.core.desired import Component, EnvVar, Resources, System
from alluse_operator.resources import quantity
from alluse_operator.resources.metadata import Built, image_version, labels, selector_labels

#: User and group of every component; nobody's number in the base images, and no name is needed for it.
USER: Final = 65532

#: What a container gets if its resource says nothing: small, and with limits in any case.
DEFAULT_REQUESTS: Final = {"cpu": "20m", "memory": "48Mi"}
DEFAULT_LIMITS: Final = {"cpu": "500m", "memory": "256Mi"}

TMP_SIZE: Final = "64Mi"
#: Room for state that may go with the pod.
SCRATCH_SIZE: Final = "64Mi"

#: The shortest time in which a container may come up before the kubelet restarts it.
LEAST_START_SECONDS: Final = 60

#: A node that has been away for so long has lost its pods: they come up elsewhere. Kubernetes waits 300 s.
LOST_AFTER: Final = timedelta(seconds=30)


def build_pod_template(system: System, component: Component, config_map: str | None) -> Built:
    """A pod template without its revision, which is a hash over it. `config_map` is mounted if given."""
    pod: dict[str, Any] = {
        "serviceAccountName": names.object_name(system.name, component.name),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _seconds(component.stop_grace),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(system, component, config_map)],
        "volumes": _volumes(component, config_map),
        "tolerations": [
            {
                "key": key,
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": _seconds(LOST_AFTER),
            }
            for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
        ],
    }
    if component.kind is ComponentType.JOB:
        pod["restartPolicy"] = "Never"
    if component.pull_secrets:
        pod["imagePullSecrets"] = [{"name": secret} for secret in component.pull_secrets]
    if component.replicas > 1:
        pod["topologySpreadConstraints"] = [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": selector_labels(system, component)},
            }
        ]
    return {"metadata": {"labels": labels(system, component)}, "spec": pod}


def _container(system: System, component: Component, config_map: str | None) -> Built:
    container: dict[str, Any] = {
        "name": component.name,
        "image": component.image,
        "env": _environment(system, component),
        "resources": _resources(component.resources),
        # The last lines of the log say why it ended, where the component itself leaves no message.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": _mounts(component, config_map),
    }
    if component.pull_policy is not None:
        container["imagePullPolicy"] = component.pull_policy.value
    if component.command:
        container["command"] = list(component.command)
    if component.args:
        container["args"] = list(component.args)
    if component.kind is ComponentType.SERVICE:
        container["ports"] = [{"name": "http", "containerPort": component.port, "protocol": "TCP"}]
        container.update(_probes(component))
    return container


# -- environment -----------------------------------------------------------------------------------


def _environment(system: System, component: Component) -> list[Built]:
    """The component contract for the catalog's own, the pod's name and address for all, then what is asked
    for. Two values of one name cannot meet: the API refuses ours in `env`."""
    variables: list[Built] = []
    if component.catalog:
        variables += [
            {"name": name, "value": value}
            for name, value in (
                (contract.ENV_COMPONENT, component.name),
                (contract.ENV_SYSTEM, system.name),
                (contract.ENV_ENVIRONMENT, system.environment),
                (contract.ENV_VERSION, image_version(component.image) or system.version),
                (contract.ENV_SERVICE_PREFIX, names.object_name(system.name, "")),
                (contract.ENV_CONFIG_DIR, contract.DEFAULT_CONFIG_DIR),
                (contract.ENV_STATE_DIR, contract.DEFAULT_STATE_DIR),
                (contract.ENV_PORT, str(component.port)),
            )
        ]
    variables += [
        {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}
        for name, path in (
            (contract.ENV_POD_NAME, "metadata.name"),
            (contract.ENV_POD_NAMESPACE, "metadata.namespace"),
            (contract.ENV_POD_IP, "status.podIP"),
        )
    ]
    return variables + [_variable(variable) for variable in component.env]


def _variable(variable: EnvVar) -> Built:
    if variable.secret_name is not None:
        return {
            "name": variable.name,
            "valueFrom": {"secretKeyRef": {"name": variable.secret_name, "key": variable.secret_key}},
        }
    # The API server drops an empty value; a variable without one is empty, too.
    return {"name": variable.name, **({"value": variable.value} if variable.value else {})}


# -- resources -------------------------------------------------------------------------------------


def _resources(wanted: Resources) -> Built:
    """Requests and limits for both CPU and memory, whatever is left open. A default gives way to what is
    written: it never puts a limit below a request."""
    requests, limits = {}, {}
    for kind, request, limit in (
        ("cpu", wanted.cpu_request, wanted.cpu_limit),
        ("memory", wanted.memory_request, wanted.memory_limit),
    ):
        low = request or min(DEFAULT_REQUESTS[kind], limit or DEFAULT_LIMITS[kind], key=quantity.amount)
        high = limit or max(DEFAULT_LIMITS[kind], low, key=quantity.amount)
        requests[kind], limits[kind] = quantity.canonical(low), quantity.canonical(high)
    return {"requests": requests, "limits": limits}


# -- volumes ---------------------------------------------------------------------------------------


def _volumes(component: Component, config_map: str | None) -> list[Built]:
    """What is mounted and is not a claim: claims come from the StatefulSet's template."""
    volumes: list[Built] = [{"name": "tmp", "emptyDir": {"sizeLimit": TMP_SIZE}}]
    if config_map is not None:
        volumes.append({"name": "config", "configMap": {"name": config_map, "defaultMode": 0o444}})
    if component.catalog and component.storage is None:
        volumes.append({"name": names.STATE_VOLUME, "emptyDir": {"sizeLimit": SCRATCH_SIZE}})
    return volumes


def _mounts(component: Component, config_map: str | None) -> list[Built]:
    mounts: list[Built] = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108 - the container's own
    if config_map is not None:
        mounts.append({"name": "config", "mountPath": contract.DEFAULT_CONFIG_DIR, "readOnly": True})
    if component.catalog or component.storage is not None:
        mounts.append({"name": names.STATE_VOLUME, "mountPath": contract.DEFAULT_STATE_DIR})
    return mounts


# -- probes ----------------------------------------------------------------------------------------


def _probes(component: Component) -> Built:
    """Startup, readiness and, where there is a path for it, liveness.

    Startup asks the liveness path: a component that waits for a dependency is up and not ready, and must
    not be restarted for it. It asks each second, and the kubelet checks readiness at once when it passes:
    the period is what a start costs in waiting. Without a path, a port that accepts is the best sign there
    is; it says nothing about being alive later, so that there is no liveness probe then.
    """
    health = component.health
    ready = _handler(health.readiness_path)
    alive = _handler(health.liveness_path) if health.liveness_path is not None else None
    starting = max(LEAST_START_SECONDS, _seconds(component.start_deadline))
    probes: dict[str, Any] = {
        "startupProbe": (alive or ready)
        | {"periodSeconds": 1, "timeoutSeconds": 2, "failureThreshold": starting},
        "readinessProbe": ready | {"periodSeconds": 1, "timeoutSeconds": 2, "failureThreshold": 3},
    }
    if alive is not None:
        probes["livenessProbe"] = alive | {"periodSeconds": 3, "timeoutSeconds": 3, "failureThreshold": 3}
    return probes


def _handler(path: str | None) -> Built:
    if path is None:
        return {"tcpSocket": {"port": "http"}}
    return {"httpGet": {"path": path, "port": "http", "scheme": "HTTP"}}


def _seconds(duration: timedelta) -> int:
    """Whole seconds; the API has no smaller unit."""
    return duration // timedelta(seconds=1)
