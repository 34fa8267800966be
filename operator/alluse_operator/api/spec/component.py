"""One component: what it runs, what it waits for, how its health is found out."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field, StringConstraints

from alluse_operator.api.model import AS_SET, ATOMIC, BY_NAME, ResourceModel
from alluse_operator.api.spec.values import (
    DATA_KEY,
    ENV_NAME,
    MAX_COMPONENTS,
    MAX_CONFIG_KEYS,
    MAX_DEPENDENCIES,
    Argument,
    CalledName,
    ComponentName,
    ConfigValue,
    GroupName,
    HttpPath,
    ImageReference,
    ObjectName,
    Quantity,
)

#: In `calls`: every other component of the system.
ALL_COMPONENTS: Final = "*"

#: Environment variables that the operator sets on the components of the catalog.
RESERVED_VARIABLE_PREFIX: Final = "ALLUSE_"
RESERVED_VARIABLES: Final = ("ALL_USE_ENV", "POD_NAME", "POD_NAMESPACE", "POD_IP")

#: Below these the unit was probably forgotten; no container starts with less.
SMALLEST_MEMORY: Final = "4Mi"
SMALLEST_CLAIM: Final = "1Mi"


class ComponentType(StrEnum):
    SERVICE = "Service"
    JOB = "Job"


class Criticality(StrEnum):
    CRITICAL = "Critical"
    IMPORTANT = "Important"
    OPTIONAL = "Optional"


class Management(StrEnum):
    MANAGED = "Managed"
    OBSERVE_ONLY = "ObserveOnly"


class DependencyCondition(StrEnum):
    STARTED = "Started"
    HEALTHY = "Healthy"
    COMPLETED = "Completed"


class Requirement(StrEnum):
    REQUIRED = "Required"
    PREFERRED = "Preferred"


class OnUnhealthy(StrEnum):
    IGNORE = "Ignore"
    HOLD = "Hold"
    ISOLATE = "Isolate"
    RESTART = "Restart"
    STOP = "Stop"


class Dependency(ResourceModel):
    """One edge of the start graph: the component that carries it waits for `name`."""

    name: ComponentName = Field(examples=["config-manager"])
    """The component that is waited for. It must exist in the same system, and the edges of a system must
    not form a cycle."""
    condition: DependencyCondition = DependencyCondition.HEALTHY
    """What must hold before the dependant starts. Started: a pod of the wanted revision runs and has passed
    its startup probe. Healthy: the wanted number of replicas is available and the health check is good.
    Completed: the Job has succeeded (only for components of type Job, which are never Healthy)."""
    requirement: Requirement = Requirement.REQUIRED
    """Required: the dependant does not start until the condition holds. Preferred: it waits no longer than
    its `startDeadlineSeconds` and then starts without, with a warning."""
    on_unhealthy: OnUnhealthy = OnUnhealthy.HOLD
    """What happens later, when a Required dependency has not been well for `graceSeconds`. Ignore: nothing,
    and its trouble is not taken for the cause of ours. Hold: the dependant keeps serving, is not rolled out
    and not recovered for a trouble that is not its own. Isolate: it is taken out of its Service until the
    dependency is well. Restart: its pods are restarted, once, after the dependency has recovered. Stop: it
    is scaled to nothing, its own dependants first, and comes back through the start gate."""
    grace_seconds: int = Field(default=30, ge=0, le=3600)
    """Seconds for which the dependency may be unwell before `onUnhealthy` applies."""


class HealthSpec(ResourceModel):
    """How the health of a component of type Service is found out."""

    path: HttpPath | None = Field(default=None, examples=["/health"])
    """HTTP path of the deep check, which the operator itself asks on `port` of each pod. A 2xx answer is
    good; a JSON body with `"status": "degraded"` makes the component Degraded, which never causes a restart.
    Without a path there is no deep check and the kubelet's readiness decides."""
    liveness_path: HttpPath | None = Field(default=None, examples=["/health/live"])
    """HTTP path of the kubelet's startup and liveness probes. It should look at no dependency. Without it
    there is no liveness probe."""
    readiness_path: HttpPath | None = Field(default=None, examples=["/health/ready"])
    """HTTP path of the kubelet's readiness probe. Without it a pod is ready when `port` accepts a
    connection."""
    period_seconds: int | None = Field(default=None, ge=1, le=300, examples=[3])
    """Seconds between two deep checks of a pod."""
    timeout_seconds: int | None = Field(default=None, ge=1, le=5, examples=[1])
    """Seconds after which a deep check without an answer has failed. Not more than `periodSeconds`."""
    unhealthy_after: int | None = Field(default=None, ge=1, le=20, examples=[3])
    """Failed deep checks in a row after which the component is Unhealthy. After the first failure the next
    checks follow after one second each."""
    healthy_for_seconds: int | None = Field(default=None, ge=0, le=600, examples=[2])
    """Seconds for which the component must be good without a gap before dependants see it as Healthy."""


class SecretKeyRef(ResourceModel):
    """A key of a Secret in the namespace of the system."""

    name: ObjectName = Field(examples=["alert-webhook"])
    """Name of the Secret."""
    key: Annotated[str, StringConstraints(pattern=DATA_KEY, min_length=1, max_length=253)] = Field(
        examples=["url"]
    )
    """Key within the Secret."""


class EnvVar(ResourceModel):
    """One environment variable of the component's container: either `value` or `secretKeyRef`."""

    name: Annotated[str, StringConstraints(pattern=ENV_NAME, min_length=1, max_length=128)] = Field(
        examples=["ALERT_WEBHOOK_URL"]
    )
    """Name of the variable. Names that the operator sets itself (`ALLUSE_…`, `ALL_USE_ENV`, `POD_NAME`,
    `POD_NAMESPACE`, `POD_IP`) are refused."""
    value: Annotated[str, StringConstraints(max_length=4096)] | None = Field(default=None, examples=["info"])
    """The value as written."""
    secret_key_ref: SecretKeyRef | None = None
    """Take the value from a Secret. The pod does not start while the Secret or the key is missing."""


class ResourceAmounts(ResourceModel):
    """Amounts of CPU and memory."""

    cpu: Quantity | None = Field(default=None, examples=["20m"])
    """CPU cores as a Kubernetes quantity: `500m` is half a core."""
    memory: Quantity | None = Field(default=None, examples=["48Mi"])
    """Memory as a Kubernetes quantity, in bytes."""


class ResourcesSpec(ResourceModel):
    """CPU and memory of the component's container."""

    requests: ResourceAmounts | None = None
    """What the scheduler sets aside."""
    limits: ResourceAmounts | None = None
    """What the container may use at most. A limit must not be below its request."""


class StorageSpec(ResourceModel):
    """A volume that outlives the pod. It makes the component a StatefulSet with one claim a replica."""

    size: Quantity = Field(examples=["1Gi"])
    """Size of the claim. Cannot be changed later: the claim template of a StatefulSet is immutable."""
    storage_class_name: ObjectName | None = Field(default=None, examples=["standard"])
    """StorageClass of the claim; without it the cluster's default class. Cannot be changed later."""


class ComponentOverride(ResourceModel):
    """A component, or what one environment changes about it. Fields left out keep what the layer below says:
    environment, then `spec.components`, then the catalog, then the default."""

    name: ComponentName = Field(examples=["market-analyzer"])
    """Name of the component, unique in the system. Its objects are called `<system>-<name>`."""
    criticality: Criticality | None = Field(default=None, examples=["Critical"])
    """What the system is without this component. Critical: not Available. Important: not Ready. Optional:
    still Ready, with the component named in the status. Components of the catalog have theirs."""
    management: Management | None = Field(default=None, examples=["Managed"])
    """Managed: the operator creates, repairs and removes the objects of the component. ObserveOnly: it only
    reports the health of a workload of that name which somebody else runs, and never writes to it."""
    enabled: bool | None = Field(default=None, examples=[True])
    """Whether the component runs. Preferred dependencies on a component that does not run are taken as met;
    Required ones are refused."""
    depends_on: (
        Annotated[tuple[Dependency, ...], Field(max_length=MAX_DEPENDENCIES, json_schema_extra=BY_NAME)]
        | None
    ) = None
    """What must be there before this component starts. A list given here takes the place of the whole list
    of the layer below; an empty list means no dependencies. A dependency that fails later never stops a
    component that runs."""
    calls: (
        Annotated[tuple[CalledName, ...], Field(max_length=MAX_COMPONENTS, json_schema_extra=AS_SET)] | None
    ) = Field(default=None, examples=[["market-analyzer", "alert-manager"]])
    """Components that this one talks to at run time without needing them to start; `*` stands for all.
    Network policies let exactly these calls and the dependencies through. Takes the place of the list of
    the layer below."""
    start_deadline_seconds: int | None = Field(default=None, ge=1, le=3600, examples=[120])
    """Seconds that the component may wait for its dependencies, and then again for itself to become healthy.
    After that Preferred dependencies are given up, and Required ones make it Blocked; attempts go on."""
    stop_grace_seconds: int | None = Field(default=None, ge=0, le=600, examples=[10])
    """Seconds between SIGTERM and SIGKILL. Not more than `teardown.deadlineSeconds`."""
    health: HealthSpec | None = None
    """How health is found out. Merged field by field with the layer below."""
    image: ImageReference | None = Field(default=None, examples=["registry.example/team/tool:2.1"])
    """Full image reference, instead of `spec.image.repository` and `spec.version`. Components that are not in
    the catalog need one of these, or a `command` that the image of the ALL-USE components can run."""
    command: Annotated[tuple[Argument, ...], Field(max_length=16, json_schema_extra=ATOMIC)] | None = Field(
        default=None, examples=[["python3", "-m", "alluse"]]
    )
    """Entry point of the container; without it the image's own."""
    args: Annotated[tuple[Argument, ...], Field(max_length=64, json_schema_extra=ATOMIC)] | None = Field(
        default=None, examples=[["--verbose"]]
    )
    """Arguments of the entry point."""
    env: Annotated[tuple[EnvVar, ...], Field(max_length=64, json_schema_extra=BY_NAME)] | None = None
    """Environment variables of the container. Merged by name with the layer below."""
    resources: ResourcesSpec | None = None
    """CPU and memory. Merged field by field with the layer below."""
    replicas: int | None = Field(default=None, ge=1, le=16, examples=[1])
    """Number of pods. Components of the catalog that keep state run exactly one. To run none, set `enabled`
    to false."""
    port: int | None = Field(default=None, ge=1, le=65535, examples=[8080])
    """TCP port that the container serves on; also the port of the component's Service."""
    storage: StorageSpec | None = None
    """A persistent volume, mounted where the component keeps its state."""
    config: Annotated[dict[str, ConfigValue], Field(max_length=MAX_CONFIG_KEYS)] | None = Field(
        default=None, examples=[{"logging.level": "DEBUG"}]
    )
    """Configuration of this component alone, as dotted keys. It becomes an immutable ConfigMap, mounted into
    the container; a change rolls only this component. Merged by key with the layer below."""


class ComponentSpec(ComponentOverride):
    """A component of the system. With profile WS1 a name of the catalog changes that component and any other
    name adds one; with profile Custom the list is the whole system."""

    type: ComponentType = ComponentType.SERVICE
    """Service: runs for ever, as a Deployment, or as a StatefulSet when it has `storage`. Job: runs to
    completion once for each change of its spec; it has no `health`, `port`, `replicas` or `storage`."""
    group: GroupName | None = Field(default=None, examples=["trading-engine"])
    """Group of the component, the label `app.kubernetes.io/component`. Components of the catalog have
    theirs."""


#: What a component's health check is when no layer says otherwise.
HEALTH_DEFAULTS: Final = HealthSpec(
    period_seconds=3, timeout_seconds=1, unhealthy_after=3, healthy_for_seconds=0
)
#: What a component is when no layer says otherwise. Its name is nobody's.
COMPONENT_DEFAULTS: Final = ComponentSpec(
    name="default",
    type=ComponentType.SERVICE,
    group="custom",
    criticality=Criticality.IMPORTANT,
    management=Management.MANAGED,
    enabled=True,
    depends_on=(),
    calls=(),
    start_deadline_seconds=120,
    stop_grace_seconds=10,
    health=HEALTH_DEFAULTS,
    replicas=1,
    port=8080,
)
