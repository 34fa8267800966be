"""What a user writes: the spec of `AllUseSystem`, typed once.

The CustomResourceDefinition and the reference page are generated from these
classes: their docstrings are what `kubectl explain` prints.

Layers. A component is put together from up to three layers: the catalog entry
(profile WS1), the entry in `spec.components`, and the entry in the selected
environment. Therefore every field of a component is optional here and carries *no*
default in the CustomResourceDefinition: the API server would store such a default,
and it would then look like the user's own wish and hide the layer below.
`COMPONENT_DEFAULTS` and `HEALTH_DEFAULTS` hold what applies when no layer speaks.
"""

from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from alluse_operator.api.names import COMPONENT_NAME_MAX_LENGTH

MAX_COMPONENTS: Final = 32
MAX_DEPENDENCIES: Final = MAX_COMPONENTS - 1
MAX_ENVIRONMENTS: Final = 8
MAX_CONFIG_KEYS: Final = 256
MAX_INTERLOCKS: Final = 8

#: Environments that need no declaration: the components ship configuration for them.
BUILT_IN_ENVIRONMENTS: Final = ("development", "test", "production")
#: In `calls`: every other component of the system.
ALL_COMPONENTS: Final = "*"

#: Environment variables that the operator sets on the components of the catalog.
RESERVED_VARIABLE_PREFIX: Final = "ALLUSE_"
RESERVED_VARIABLES: Final = ("ALL_USE_ENV", "POD_NAME", "POD_NAMESPACE", "POD_IP")

#: Below these the unit was probably forgotten; no container starts with less.
SMALLEST_MEMORY: Final = "4Mi"
SMALLEST_CLAIM: Final = "1Mi"

DNS_LABEL: Final = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"
CONFIG_KEY: Final = r"^[a-z][a-z0-9_]*([.][a-z0-9_]+)*$"
_TAG = r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
_REPOSITORY = r"^[a-z0-9]([-a-z0-9._:/]*[a-z0-9])?$"
_IMAGE = r"^[a-z0-9][-a-z0-9._:/]*(:[A-Za-z0-9_][-A-Za-z0-9_.]*)?(@sha256:[0-9a-f]{64})?$"
_QUANTITY = r"^([0-9]+([.][0-9]+)?)(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"
_PATH = r"^/[-A-Za-z0-9._~/%]*$"
_ENV_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
_OBJECT_NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
_DATA_KEY = r"^[-._a-zA-Z0-9]+$"


def _quantity(value: Any) -> Any:
    """YAML reads `cpu: 1` as a number; Kubernetes takes that for the quantity "1"."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


ComponentName = Annotated[
    str, StringConstraints(pattern=DNS_LABEL, min_length=1, max_length=COMPONENT_NAME_MAX_LENGTH)
]
EnvironmentName = Annotated[str, StringConstraints(pattern=DNS_LABEL, min_length=1, max_length=40)]
#: A component that may be called, or all of them.
CalledName = Annotated[
    str,
    StringConstraints(
        pattern=r"^([*]|[a-z]([-a-z0-9]*[a-z0-9])?)$", min_length=1, max_length=COMPONENT_NAME_MAX_LENGTH
    ),
]
GroupName = Annotated[str, StringConstraints(pattern=DNS_LABEL, min_length=1, max_length=63)]
#: Also a label value (`app.kubernetes.io/version`): hence 63 characters, not a tag's 128.
ImageTag = Annotated[str, StringConstraints(pattern=_TAG, min_length=1, max_length=63)]
ImageRepository = Annotated[str, StringConstraints(pattern=_REPOSITORY, min_length=1, max_length=255)]
ImageReference = Annotated[str, StringConstraints(pattern=_IMAGE, min_length=1, max_length=400)]
ObjectName = Annotated[str, StringConstraints(pattern=_OBJECT_NAME, min_length=1, max_length=253)]
Quantity = Annotated[
    str,
    BeforeValidator(_quantity),
    StringConstraints(pattern=_QUANTITY, min_length=1, max_length=20),
    # pydantic leaves the pattern out of the schema when a validator comes before it.
    Field(json_schema_extra={"x-kubernetes-int-or-string": True, "pattern": _QUANTITY}),
]
HttpPath = Annotated[str, StringConstraints(pattern=_PATH, min_length=1, max_length=200)]
Argument = Annotated[str, StringConstraints(max_length=1024)]
ConfigValue = Annotated[str, StringConstraints(max_length=1024)]

#: Lists whose items have names merge item by item under server-side apply.
_BY_NAME: Final[dict[str, Any]] = {
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name"],
}
_SET: Final[dict[str, Any]] = {"x-kubernetes-list-type": "set"}
_ATOMIC: Final[dict[str, Any]] = {"x-kubernetes-list-type": "atomic"}


class Profile(StrEnum):
    WS1 = "WS1"
    CUSTOM = "Custom"


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


class PullPolicy(StrEnum):
    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


class TeardownOrder(StrEnum):
    REVERSE = "Reverse"
    PARALLEL = "Parallel"


class OnDeadline(StrEnum):
    FORCE = "Force"
    ORPHAN = "Orphan"


class OnUnhealthy(StrEnum):
    IGNORE = "Ignore"
    HOLD = "Hold"
    ISOLATE = "Isolate"
    RESTART = "Restart"
    STOP = "Stop"


class RecoveryAction(StrEnum):
    RESTART_POD = "RestartPod"
    ROLLOUT_RESTART = "RolloutRestart"
    RESCHEDULE_ELSEWHERE = "RescheduleElsewhere"
    ROLLBACK_COMPONENT = "RollbackComponent"
    RESTART_DEPENDENTS = "RestartDependents"
    SAFE_STATE = "SafeState"


class AlertSeverity(StrEnum):
    CRITICAL = "Critical"
    WARNING = "Warning"
    INFO = "Info"


class DependencyInhibition(StrEnum):
    """Not On and Off: YAML 1.1 reads those as booleans."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"


class SpecModel(BaseModel):
    """Frozen, camelCase on the wire, unknown fields refused."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
    )


def _filled_in(model: type[SpecModel]) -> Any:
    """A field that the API server fills in with all its defaults, so that people see what applies."""
    defaults = model().model_dump(mode="json", by_alias=True)
    return Field(default_factory=model, json_schema_extra={"default": defaults})


class Dependency(SpecModel):
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


class HealthSpec(SpecModel):
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


class SecretKeyRef(SpecModel):
    """A key of a Secret in the namespace of the system."""

    name: ObjectName = Field(examples=["alert-webhook"])
    """Name of the Secret."""
    key: Annotated[str, StringConstraints(pattern=_DATA_KEY, min_length=1, max_length=253)] = Field(
        examples=["url"]
    )
    """Key within the Secret."""


class EnvVar(SpecModel):
    """One environment variable of the component's container: either `value` or `secretKeyRef`."""

    name: Annotated[str, StringConstraints(pattern=_ENV_NAME, min_length=1, max_length=128)] = Field(
        examples=["ALERT_WEBHOOK_URL"]
    )
    """Name of the variable. Names that the operator sets itself (`ALLUSE_…`, `ALL_USE_ENV`, `POD_NAME`,
    `POD_NAMESPACE`, `POD_IP`) are refused."""
    value: Annotated[str, StringConstraints(max_length=4096)] | None = Field(default=None, examples=["info"])
    """The value as written."""
    secret_key_ref: SecretKeyRef | None = None
    """Take the value from a Secret. The pod does not start while the Secret or the key is missing."""


class ResourceAmounts(SpecModel):
    """Amounts of CPU and memory."""

    cpu: Quantity | None = Field(default=None, examples=["20m"])
    """CPU cores as a Kubernetes quantity: `500m` is half a core."""
    memory: Quantity | None = Field(default=None, examples=["48Mi"])
    """Memory as a Kubernetes quantity, in bytes."""


class ResourcesSpec(SpecModel):
    """CPU and memory of the component's container."""

    requests: ResourceAmounts | None = None
    """What the scheduler sets aside."""
    limits: ResourceAmounts | None = None
    """What the container may use at most. A limit must not be below its request."""


class StorageSpec(SpecModel):
    """A volume that outlives the pod. It makes the component a StatefulSet with one claim a replica."""

    size: Quantity = Field(examples=["1Gi"])
    """Size of the claim. Cannot be changed later: the claim template of a StatefulSet is immutable."""
    storage_class_name: ObjectName | None = Field(default=None, examples=["standard"])
    """StorageClass of the claim; without it the cluster's default class. Cannot be changed later."""


class ImageSpec(SpecModel):
    """Where the image of the components comes from."""

    repository: ImageRepository | None = Field(default=None, examples=["registry.example/alluse/components"])
    """Repository without a tag; `spec.version` is the tag. Without it the image that the operator was
    installed with."""
    pull_policy: PullPolicy | None = Field(default=None, examples=["IfNotPresent"])
    """When the kubelet pulls the image. Without it Kubernetes decides by the tag."""
    pull_secrets: Annotated[tuple[ObjectName, ...], Field(max_length=8, json_schema_extra=_SET)] | None = (
        Field(default=None, examples=[["registry-login"]])
    )
    """Secrets in the namespace of the system that hold the registry's credentials."""


class ComponentOverride(SpecModel):
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
        Annotated[tuple[Dependency, ...], Field(max_length=MAX_DEPENDENCIES, json_schema_extra=_BY_NAME)]
        | None
    ) = None
    """What must be there before this component starts. A list given here takes the place of the whole list
    of the layer below; an empty list means no dependencies. A dependency that fails later never stops a
    component that runs."""
    calls: (
        Annotated[tuple[CalledName, ...], Field(max_length=MAX_COMPONENTS, json_schema_extra=_SET)] | None
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
    command: Annotated[tuple[Argument, ...], Field(max_length=16, json_schema_extra=_ATOMIC)] | None = Field(
        default=None, examples=[["python3", "-m", "alluse"]]
    )
    """Entry point of the container; without it the image's own."""
    args: Annotated[tuple[Argument, ...], Field(max_length=64, json_schema_extra=_ATOMIC)] | None = Field(
        default=None, examples=[["--verbose"]]
    )
    """Arguments of the entry point."""
    env: Annotated[tuple[EnvVar, ...], Field(max_length=64, json_schema_extra=_BY_NAME)] | None = None
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


class EnvironmentSpec(SpecModel):
    """What is different in one environment. Only the one that `spec.environment` names has an effect."""

    name: EnvironmentName = Field(examples=["staging"])
    """Name of the environment: one of the built-in ones, to change it, or a new one."""
    version: ImageTag | None = Field(default=None, examples=["1.4.0-rc.1"])
    """Instead of `spec.version`."""
    image: ImageSpec | None = None
    """Merged field by field over `spec.image`."""
    config: Annotated[dict[str, ConfigValue], Field(max_length=MAX_CONFIG_KEYS)] | None = Field(
        default=None, examples=[{"monitoring.alerts.enabled": "true"}]
    )
    """Merged by key over `spec.config`."""
    components: Annotated[
        tuple[ComponentOverride, ...], Field(max_length=MAX_COMPONENTS, json_schema_extra=_BY_NAME)
    ] = ()
    """Changes to components that the system has; each names one of them."""


class StartupSpec(SpecModel):
    """How the system starts."""

    max_parallel: int = Field(default=16, ge=1, le=MAX_COMPONENTS)
    """Components that may be starting at the same time."""
    deadline_seconds: int = Field(default=600, ge=10, le=86400)
    """Seconds after which a system that is not ready is reported as Stalled. The start goes on."""


class BackoffSpec(SpecModel):
    """Pause between two recovery attempts on the same component."""

    initial_seconds: int = Field(default=1, ge=1, le=3600)
    """Pause after the first attempt."""
    factor: int = Field(default=2, ge=1, le=10)
    """What the pause is multiplied with after each further attempt."""
    max_seconds: int = Field(default=300, ge=1, le=86400)
    """Longest pause. Not less than `initialSeconds`."""


class IntensitySpec(SpecModel):
    """How often one component may be acted on before the operator gives up for a while."""

    max_actions: int = Field(default=5, ge=1, le=50)
    """Actions within the window; after that the component is left in its safe state and the system is
    Stalled."""
    window_seconds: int = Field(default=600, ge=10, le=86400)
    """Length of the window."""


class RecoveryBudgetSpec(SpecModel):
    """How much of the system may be under recovery at once."""

    max_concurrent: int = Field(default=1, ge=1, le=MAX_COMPONENTS)
    """Components that may be under recovery at the same time."""
    min_healthy_percent: int = Field(default=50, ge=0, le=100)
    """When fewer of the components than this are well, and not all of the trouble comes from one of them,
    the cause is taken to be the infrastructure: nothing is restarted, and one alert is sent."""


class RungSpec(SpecModel):
    """One step of the recovery ladder."""

    action: RecoveryAction
    """What is done. RestartPod: the sick pod is evicted. RolloutRestart: all pods are replaced, as by
    `kubectl rollout restart`. RescheduleElsewhere: the same, preferring other nodes (not with `storage`,
    and only if there is another node). RollbackComponent: the workload goes back to its last good revision
    (only within ten minutes of a change). RestartDependents: the pods of the components that require this
    one are restarted. SafeState: nothing more is done, interlocks that require it close, people are told."""
    attempts: int = Field(default=1, ge=1, le=10)
    """How often, before the next step is taken."""


#: The ladder where the spec does not give one.
LADDER_DEFAULT: Final = (
    RungSpec(action=RecoveryAction.RESTART_POD, attempts=2),
    RungSpec(action=RecoveryAction.ROLLOUT_RESTART),
    RungSpec(action=RecoveryAction.RESCHEDULE_ELSEWHERE),
    RungSpec(action=RecoveryAction.ROLLBACK_COMPONENT),
    RungSpec(action=RecoveryAction.RESTART_DEPENDENTS),
    RungSpec(action=RecoveryAction.SAFE_STATE),
)


class RecoverySpec(SpecModel):
    """What the operator does about a component that is Unhealthy and the root of the trouble: it climbs a
    ladder of actions, with a growing pause between them and within a budget."""

    ladder: Annotated[
        tuple[RungSpec, ...],
        Field(
            min_length=1,
            max_length=len(RecoveryAction),
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["action"],
            },
        ),
    ] = LADDER_DEFAULT
    """Steps in the order in which they are taken, each action once. A step that does not apply is passed
    over. Being healthy for `resetAfterSeconds` leads back to the first."""
    backoff: BackoffSpec = _filled_in(BackoffSpec)
    """Pause between two attempts."""
    intensity: IntensitySpec = _filled_in(IntensitySpec)
    """Attempts before giving up for a while."""
    budget: RecoveryBudgetSpec = _filled_in(RecoveryBudgetSpec)
    """Recoveries at the same time."""
    reset_after_seconds: int = Field(default=600, ge=10, le=86400)
    """A component that was healthy for so long starts again with a clean record."""
    retry_exhausted_every_seconds: int = Field(default=3600, ge=60, le=604800)
    """After giving up, one more attempt is made at this interval. A change of the spec ends it at once."""


class TeardownSpec(SpecModel):
    """What happens when the AllUseSystem is deleted."""

    order: TeardownOrder = TeardownOrder.REVERSE
    """Reverse: a component stops only when nothing that depends on it is left. Parallel: all at once, by the
    garbage collector of Kubernetes."""
    deadline_seconds: int = Field(default=30, ge=10, le=3600)
    """Seconds that an ordered teardown may take in all."""
    on_deadline: OnDeadline = OnDeadline.FORCE
    """What happens to the rest at the deadline. Force: deleted without grace. Orphan: left running, and
    listed in an Event."""


class InterlockSpec(SpecModel):
    """A gate that closes when a component it stands on cannot be relied upon. Here, and only here, not to
    know is bad."""

    name: ComponentName = Field(examples=["trading-gate"])
    """Name of the interlock."""
    guards: ComponentName = Field(examples=["enhanced-agent"])
    """The component that goes into its safe state while the gate is closed."""
    requires: Annotated[
        tuple[ComponentName, ...], Field(min_length=1, max_length=8, json_schema_extra=_SET)
    ] = Field(examples=[["drawdown-protection", "portfolio-risk-monitor"]])
    """Components that must be well for the gate to be open."""
    within_seconds: int = Field(default=5, ge=1, le=300)
    """Seconds for which one of them may be unwell, or nothing be known of it, before the gate closes."""


class AlertRouteSpec(SpecModel):
    """Where alerts of one severity go."""

    severity: AlertSeverity
    """Critical: a Critical component does not work, recovery is exhausted, or an interlock is closed.
    Warning: another component does not work. Info: something works with less than it should have."""
    sinks: Annotated[tuple[ObjectName, ...], Field(max_length=8, json_schema_extra=_SET)] = Field(
        examples=[["event", "on-call"]]
    )
    """Names of sinks. `log` and `event` are built in; others are set up where the operator is installed, so
    that no address and no credential stands in this resource."""


#: The routes where the spec does not give any.
ROUTES_DEFAULT: Final = (
    AlertRouteSpec(severity=AlertSeverity.CRITICAL, sinks=("event", "log")),
    AlertRouteSpec(severity=AlertSeverity.WARNING, sinks=("event", "log")),
    AlertRouteSpec(severity=AlertSeverity.INFO, sinks=("log",)),
)


class AlertsSpec(SpecModel):
    """Whom the operator tells about trouble, and how often."""

    routes: Annotated[
        tuple[AlertRouteSpec, ...],
        Field(
            max_length=len(AlertSeverity),
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["severity"],
            },
        ),
    ] = ROUTES_DEFAULT
    """Sinks by severity. A severity without a route is told to nobody."""
    dependency_inhibition: DependencyInhibition = DependencyInhibition.ENABLED
    """Enabled: one alert for the root of the trouble, none for the components that suffer from it."""
    repeat_seconds: int = Field(default=14400, ge=60, le=604800)
    """Seconds after which an alert that goes on is sent again."""


class AllUseSystemSpec(SpecModel):
    """The wanted system. An empty spec is the whole ALL-USE system of 16 components in `development`."""

    profile: Profile = Profile.WS1
    """WS1: the built-in catalog of 16 components, changed and added to by `components`. Custom: only what
    `components` lists."""
    environment: EnvironmentName = Field(default="development", examples=["production"])
    """The environment that the system runs in: `development`, `test`, `production`, or one declared in
    `environments`."""
    version: ImageTag | None = Field(default=None, examples=["1.4.0"])
    """Tag of the component image. Without it the version that the operator was installed with."""
    image: ImageSpec | None = None
    """Image of all components that do not name their own."""
    config: Annotated[dict[str, ConfigValue], Field(max_length=MAX_CONFIG_KEYS)] = Field(
        default_factory=dict, examples=[{"monitoring.health.check_interval": "15"}]
    )
    """Configuration of the whole system, as dotted keys. It goes to config-manager, which serves it to the
    other components at run time: a change restarts nothing else."""
    environments: Annotated[
        tuple[EnvironmentSpec, ...], Field(max_length=MAX_ENVIRONMENTS, json_schema_extra=_BY_NAME)
    ] = ()
    """What is different from environment to environment."""
    components: Annotated[
        tuple[ComponentSpec, ...], Field(max_length=MAX_COMPONENTS, json_schema_extra=_BY_NAME)
    ] = ()
    """Components of the system. A system has at most 32 in all, those of the catalog included."""
    startup: StartupSpec = _filled_in(StartupSpec)
    """How the system starts."""
    recovery: RecoverySpec = _filled_in(RecoverySpec)
    """What the operator does about components that fail."""
    teardown: TeardownSpec = _filled_in(TeardownSpec)
    """What happens when the system is deleted."""
    interlocks: Annotated[
        tuple[InterlockSpec, ...], Field(max_length=MAX_INTERLOCKS, json_schema_extra=_BY_NAME)
    ] = ()
    """Gates on top of those of the profile; one of the same name takes its place. WS1 has `trading-gate`:
    enhanced-agent recommends nothing while drawdown-protection or portfolio-risk-monitor cannot be relied
    upon, and looks for that itself, with or without an operator. Gates of your own are reported in the status
    and alerted; the component that they guard has to act on that."""
    alerts: AlertsSpec = _filled_in(AlertsSpec)
    """Whom the operator tells about trouble."""


#: What a component's health check is when no layer says otherwise.
HEALTH_DEFAULTS: Final = HealthSpec(
    period_seconds=3, timeout_seconds=1, unhealthy_after=3, healthy_for_seconds=0
)
#: What a component is when no layer says otherwise (the name is a placeholder).
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
