"""What the operator reports: the status of `AllUseSystem`, typed once.

For programs: `conditions`, `observedGeneration` and `components[]`. For people:
`summary`, `ready`, `state`, `cause` and `waiting`, which are never to be parsed.
Everything here can be computed again from the cluster, but for two things that are remembered: `alerts`
(who has been told what) and `components[].failures`.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import Field, PlainSerializer, StringConstraints

from alluse_operator.api.conditions import ConditionType
from alluse_operator.api.model import AS_SET, ATOMIC, BY_NAME, ResourceModel, list_by
from alluse_operator.api.spec import (
    MAX_COMPONENTS,
    MAX_DEPENDENCIES,
    MAX_INTERLOCKS,
    AlertSeverity,
    ComponentName,
    DependencyCondition,
    ObjectName,
)

MESSAGE_MAX_LENGTH: Final = 1024
#: Alerts of one system, and sinks that one alert remembers.
ALERTS_MAX: Final = 64
ALERT_SINKS_MAX: Final = 24


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC with whole seconds, as Kubernetes writes its own times."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


#: A point in time; it must know its time zone.
Timestamp = Annotated[datetime, PlainSerializer(format_time, return_type=str)]
Message = Annotated[str, StringConstraints(max_length=MESSAGE_MAX_LENGTH)]
Reason = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$", min_length=1, max_length=128)
]


class SystemState(StrEnum):
    """One word for people (printer column STATUS)."""

    PENDING = "Pending"
    STARTING = "Starting"
    RUNNING = "Running"
    DEGRADED = "Degraded"
    STALLED = "Stalled"
    TERMINATING = "Terminating"


class ComponentState(StrEnum):
    """Where one component is; each has a line in the docstring of `ComponentStatus.state`."""

    WAITING = "Waiting"
    BLOCKED = "Blocked"
    STARTING = "Starting"
    HEALTHY = "Healthy"
    DEGRADED = "Degraded"
    UNHEALTHY = "Unhealthy"
    RECOVERING = "Recovering"
    UNKNOWN = "Unknown"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    COMPLETED = "Completed"
    FAILED = "Failed"
    DISABLED = "Disabled"


class ConditionStatus(StrEnum):
    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class ActionType(StrEnum):
    """What was done to a component by way of recovery."""

    RESTART_POD = "RestartPod"
    ROLLOUT_RESTART = "RolloutRestart"
    RESCHEDULE_ELSEWHERE = "RescheduleElsewhere"
    ROLLBACK_COMPONENT = "RollbackComponent"
    RESTART_DEPENDENTS = "RestartDependents"
    SAFE_STATE = "SafeState"
    RESTART_ON_RECOVERY = "RestartOnRecovery"
    CONTAINER_RESTART = "ContainerRestart"


class InterlockState(StrEnum):
    OPEN = "Open"
    CLOSED = "Closed"


class StatusModel(ResourceModel):
    """A value of the status."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON value as it is stored: camelCase, without the fields that are not set."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Condition(StatusModel):
    """One aspect of the system, in the form that all of Kubernetes uses."""

    type: ConditionType
    """Name of the condition."""
    status: ConditionStatus
    """True, False or Unknown."""
    observed_generation: int = Field(ge=0)
    """Generation of the spec that the condition was computed from."""
    last_transition_time: Timestamp
    """When `status` last changed."""
    reason: Reason
    """Why, in one word for programs."""
    message: Message = ""
    """Why, in a sentence for people."""


class WaitingFor(StatusModel):
    """A dependency whose condition does not hold yet."""

    name: ComponentName
    """The component that is waited for."""
    condition: DependencyCondition
    """What must hold."""
    since: Timestamp | None = None
    """When the wait began."""
    deadline: Timestamp | None = None
    """When the wait ends (Preferred) or the component becomes Blocked (Required)."""


class LastAction(StatusModel):
    """The latest thing that was done to a component by way of recovery."""

    type: ActionType
    """What was done: a step of `recovery.ladder`. RestartOnRecovery: its pods were restarted because a
    dependency with `onUnhealthy: Restart` had recovered. ContainerRestart: the kubelet started a container
    again that had ended."""
    time: Timestamp
    """When."""
    reason: Reason
    """Why, in one word."""


class ComponentStatus(StatusModel):
    """One component as the operator sees it."""

    name: ComponentName
    """Name of the component."""
    state: ComponentState
    """Waiting: for a dependency. Blocked: a Required dependency is missing past the deadline. Starting:
    created, not yet healthy. Healthy. Degraded: works with something missing. Unhealthy: does not work.
    Recovering: the operator or the kubelet has acted on it. Unknown: what is known is too old. Stopping.
    Stopped: a dependency with `onUnhealthy: Stop` is unwell. Completed or Failed: a Job. Disabled: not
    wanted."""
    since: Timestamp | None = None
    """When it came into this state."""
    reason: Reason | None = None
    """Why, in one word for programs."""
    message: Message | None = None
    """Why, in a sentence for people."""
    waiting_for: (
        Annotated[tuple[WaitingFor, ...], Field(max_length=MAX_DEPENDENCIES, json_schema_extra=BY_NAME)]
        | None
    ) = None
    """Dependencies whose condition does not hold."""
    caused_by: (
        Annotated[
            tuple[Annotated[str, StringConstraints(max_length=260)], ...],
            Field(max_length=MAX_COMPONENTS, json_schema_extra=AS_SET),
        ]
        | None
    ) = None
    """Where its trouble comes from: the components at the root of it, `Node/<name>`, or `Infrastructure`.
    Not there: it has no trouble, or is itself the root."""
    rung: ActionType | None = None
    """Step of the recovery ladder that it is on."""
    attempts: int | None = Field(default=None, ge=0)
    """Recovery attempts in the current run of trouble."""
    last_action: LastAction | None = None
    """The latest recovery action."""
    next_action_time: Timestamp | None = None
    """Not before this time will the operator act on it again."""
    failures: Annotated[tuple[Timestamp, ...], Field(max_length=8)] | None = Field(
        default=None, json_schema_extra=ATOMIC
    )
    """When it lost its health, in the last ten minutes."""
    unwell_since: Timestamp | None = None
    """Since when it has not been well, where that is longer: graces and interlocks count from it."""
    start_seconds: int | None = Field(default=None, ge=0)
    """Seconds from its creation to its first being healthy."""
    revision: Annotated[str, StringConstraints(max_length=63)] | None = None
    """Hash of the rendered objects that are wanted."""


class StartupStatus(StatusModel):
    """The latest start of the whole system."""

    started_at: Timestamp
    """When the first component was created."""
    ready_at: Timestamp | None = None
    """When the system first became Ready."""
    seconds: int | None = Field(default=None, ge=0)
    """Seconds between the two."""


class InterlockStatus(StatusModel):
    """One interlock as the operator sees it. The component that it guards looks for itself."""

    name: ComponentName
    """Name of the interlock."""
    state: InterlockState
    """Open: the components that it requires are well. Closed: one of them is not, or is not known to be."""
    since: Timestamp | None = None
    """When it came into this state."""
    message: Message | None = None
    """Why it is closed."""


class RecoveryStatus(StatusModel):
    """Recovery of the system as a whole."""

    actions_in_window: int = Field(default=0, ge=0)
    """Actions on all components within `recovery.intensity.windowSeconds`."""
    exhausted: (
        Annotated[
            tuple[ComponentName, ...],
            Field(max_length=MAX_COMPONENTS, json_schema_extra=AS_SET),
        ]
        | None
    ) = None
    """Components in their safe state: the ladder or the budget is used up."""


class AlertState(StrEnum):
    PENDING = "Pending"
    FIRING = "Firing"
    RESOLVED = "Resolved"


class AlertStatus(StatusModel):
    """An alert: trouble of which people are told, until its end has been told too."""

    fingerprint: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$", max_length=16)]
    """Identity of the alert: the same trouble has the same one."""
    name: Reason
    """What kind of trouble it is: ComponentNotWell, NodeNotReady, InfrastructureTrouble, InterlockClosed,
    SpecInvalid."""
    subject: Annotated[str, StringConstraints(max_length=260)] | None = None
    """The component at the root, the node, or the interlock; not there for the system as a whole."""
    state: AlertState
    """Pending: waits a moment for others to be told with it. Firing: it goes on. Resolved: it is over, which
    has yet to be told."""
    severity: AlertSeverity
    """How bad it is: by the most critical component that it touches. It never falls while the alert lasts."""
    message: Message | None = None
    """The trouble in a sentence."""
    affects: (
        Annotated[
            tuple[ComponentName, ...],
            Field(max_length=MAX_COMPONENTS, json_schema_extra=AS_SET),
        ]
        | None
    ) = None
    """Components that suffer from it. They have no alert of their own."""
    inhibited_by: (
        Annotated[
            tuple[Annotated[str, StringConstraints(max_length=260)], ...],
            Field(max_length=MAX_COMPONENTS, json_schema_extra=AS_SET),
        ]
        | None
    ) = None
    """Roots that were found after it had been told. Meanwhile it is not sent again; its end will be."""
    since: Timestamp
    """When the trouble began."""
    active_at: Timestamp
    """When the operator made an alert of it."""
    exhausted_at: Timestamp | None = None
    """When recovery gave up for the time being. This is told at once."""
    resolved_at: Timestamp | None = None
    """When it ended."""
    notices: int | None = Field(default=None, ge=0)
    """How many notices have been given of it."""
    notified_at: Timestamp | None = None
    """When the latest of them was made."""
    notified_severity: AlertSeverity | None = None
    """Its severity in the latest of them; not there if no sink took that one."""
    sinks: (
        Annotated[
            tuple[ObjectName, ...],
            Field(max_length=ALERT_SINKS_MAX, json_schema_extra=AS_SET),
        ]
        | None
    ) = None
    """Sinks that took a notice of it. They are told its end."""
    offered: (
        Annotated[
            tuple[ObjectName, ...],
            Field(max_length=ALERT_SINKS_MAX, json_schema_extra=AS_SET),
        ]
        | None
    ) = None
    """Sinks that are being given a notice. They may have it, so they too are told its end."""


class AllUseSystemStatus(StatusModel):
    """What the operator has seen and does."""

    observed_generation: int = Field(default=0, ge=0)
    """Generation of the spec that this status was computed from."""
    conditions: Annotated[tuple[Condition, ...], Field(max_length=16, json_schema_extra=list_by("type"))] = ()
    """Ready, Available, Degraded and SpecValid are always present; Reconciling and Stalled only while
    True."""
    state: SystemState | None = None
    """One word for people."""
    ready: Annotated[str, StringConstraints(max_length=16)] | None = Field(default=None, examples=["14/16"])
    """How many of the components that should run are Healthy or Completed."""
    summary: Message | None = None
    """One sentence for people: what is going on."""
    cause: Message | None = None
    """What stands in the way: the component at the root of it, and why."""
    waiting: Message | None = None
    """Which components wait for which, in one line."""
    environment: Annotated[str, StringConstraints(max_length=40)] | None = None
    """The environment that the system runs in."""
    version: Annotated[str, StringConstraints(max_length=63)] | None = None
    """The version that the components are wanted in."""
    components: (
        Annotated[tuple[ComponentStatus, ...], Field(max_length=MAX_COMPONENTS, json_schema_extra=BY_NAME)]
        | None
    ) = None
    """Each component, in the order of the start."""
    startup: StartupStatus | None = None
    """The latest start of the whole system."""
    recovery: RecoveryStatus | None = None
    """Recovery of the system as a whole."""
    interlocks: (
        Annotated[
            tuple[InterlockStatus, ...], Field(max_length=2 * MAX_INTERLOCKS, json_schema_extra=BY_NAME)
        ]
        | None
    ) = None
    """The interlocks."""
    alerts: (
        Annotated[
            tuple[AlertStatus, ...],
            Field(
                max_length=ALERTS_MAX,
                json_schema_extra=list_by("fingerprint"),
            ),
        ]
        | None
    ) = None
    """Alerts that are pending or firing, and those whose end has yet to be told."""
