"""The system as a whole: its image and environments, its start and end, its interlocks."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from alluse_operator.api.model import AS_SET, BY_NAME, ResourceModel, filled_in
from alluse_operator.api.spec.alerts import AlertsSpec
from alluse_operator.api.spec.component import ComponentOverride, ComponentSpec
from alluse_operator.api.spec.recovery import RecoverySpec
from alluse_operator.api.spec.values import (
    MAX_COMPONENTS,
    MAX_CONFIG_KEYS,
    MAX_ENVIRONMENTS,
    MAX_INTERLOCKS,
    ComponentName,
    ConfigValue,
    EnvironmentName,
    ImageRepository,
    ImageTag,
    ObjectName,
)

#: Environments that need no declaration: the components ship configuration for them.
BUILT_IN_ENVIRONMENTS: Final = ("development", "test", "production")


class Profile(StrEnum):
    WS1 = "WS1"
    CUSTOM = "Custom"


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


class ImageSpec(ResourceModel):
    """Where the image of the components comes from."""

    repository: ImageRepository | None = Field(default=None, examples=["registry.example/alluse/components"])
    """Repository without a tag; `spec.version` is the tag. Without it the image that the operator was
    installed with."""
    pull_policy: PullPolicy | None = Field(default=None, examples=["IfNotPresent"])
    """When the kubelet pulls the image. Without it Kubernetes decides by the tag."""
    pull_secrets: Annotated[tuple[ObjectName, ...], Field(max_length=8, json_schema_extra=AS_SET)] | None = (
        Field(default=None, examples=[["registry-login"]])
    )
    """Secrets in the namespace of the system that hold the registry's credentials."""


class EnvironmentSpec(ResourceModel):
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
        tuple[ComponentOverride, ...], Field(max_length=MAX_COMPONENTS, json_schema_extra=BY_NAME)
    ] = ()
    """Changes to components that the system has; each names one of them."""


class StartupSpec(ResourceModel):
    """How the system starts."""

    max_parallel: int = Field(default=16, ge=1, le=MAX_COMPONENTS)
    """Components that may be starting at the same time."""
    deadline_seconds: int = Field(default=600, ge=10, le=86400)
    """Seconds after which a system that is not ready is reported as Stalled. The start goes on."""


class TeardownSpec(ResourceModel):
    """What happens when the AllUseSystem is deleted."""

    order: TeardownOrder = TeardownOrder.REVERSE
    """Reverse: a component stops only when nothing that depends on it is left. Parallel: all at once, by the
    garbage collector of Kubernetes."""
    deadline_seconds: int = Field(default=30, ge=10, le=3600)
    """Seconds that an ordered teardown may take in all."""
    on_deadline: OnDeadline = OnDeadline.FORCE
    """What happens to the rest at the deadline. Force: deleted without grace. Orphan: left running, and
    listed in an Event."""


class InterlockSpec(ResourceModel):
    """A gate that closes when a component it stands on cannot be relied upon. Here, and only here, not to
    know is bad."""

    name: ComponentName = Field(examples=["trading-gate"])
    """Name of the interlock."""
    guards: ComponentName = Field(examples=["enhanced-agent"])
    """The component that goes into its safe state while the gate is closed."""
    requires: Annotated[
        tuple[ComponentName, ...], Field(min_length=1, max_length=8, json_schema_extra=AS_SET)
    ] = Field(examples=[["drawdown-protection", "portfolio-risk-monitor"]])
    """Components that must be well for the gate to be open."""
    within_seconds: int = Field(default=5, ge=1, le=300)
    """Seconds for which one of them may be unwell, or nothing be known of it, before the gate closes."""


class AllUseSystemSpec(ResourceModel):
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
        tuple[EnvironmentSpec, ...], Field(max_length=MAX_ENVIRONMENTS, json_schema_extra=BY_NAME)
    ] = ()
    """What is different from environment to environment."""
    components: Annotated[
        tuple[ComponentSpec, ...], Field(max_length=MAX_COMPONENTS, json_schema_extra=BY_NAME)
    ] = ()
    """Components of the system. A system has at most 32 in all, those of the catalog included."""
    startup: StartupSpec = filled_in(StartupSpec)
    """How the system starts."""
    recovery: RecoverySpec = filled_in(RecoverySpec)
    """What the operator does about components that fail."""
    teardown: TeardownSpec = filled_in(TeardownSpec)
    """What happens when the system is deleted."""
    interlocks: Annotated[
        tuple[InterlockSpec, ...], Field(max_length=MAX_INTERLOCKS, json_schema_extra=BY_NAME)
    ] = ()
    """Gates on top of those of the profile; one of the same name takes its place. WS1 has `trading-gate`:
    enhanced-agent recommends nothing while drawdown-protection or portfolio-risk-monitor cannot be relied
    upon, and looks for that itself, with or without an operator. Gates of your own are reported in the status
    and alerted; the component that they guard has to act on that."""
    alerts: AlertsSpec = filled_in(AlertsSpec)
    """Whom the operator tells about trouble."""
