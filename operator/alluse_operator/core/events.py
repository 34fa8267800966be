"""Events for people: the table of reasons, and what one Event is. The recorder aggregates by `Event.key`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class EventType(StrEnum):
    NORMAL = "Normal"
    WARNING = "Warning"


class EventReason(StrEnum):
    """Reasons of the Events on an AllUseSystem. Never renamed within a version."""

    #: Its workload has been created, or a new revision of it asked for.
    COMPONENT_STARTING = "ComponentStarting"
    #: It has become healthy: after its start, or again.
    COMPONENT_HEALTHY = "ComponentHealthy"
    #: A Job has succeeded.
    COMPONENT_COMPLETED = "ComponentCompleted"
    #: It is not created because a dependency's condition does not hold yet; says which, and until when.
    WAITING_FOR_DEPENDENCY = "WaitingForDependency"
    #: A Required dependency is missing past `startDeadlineSeconds`: Blocked, attempts go on.
    DEPENDENCY_DEADLINE_EXCEEDED = "DependencyDeadlineExceeded"
    #: A Preferred dependency was waited for long enough: it starts without.
    PREFERRED_DEPENDENCY_SKIPPED = "PreferredDependencySkipped"
    #: It works with something missing.
    COMPONENT_DEGRADED = "ComponentDegraded"
    #: It does not work any more, or did not come up in time.
    COMPONENT_UNHEALTHY = "ComponentUnhealthy"
    #: A Job was given up.
    COMPONENT_FAILED = "ComponentFailed"
    #: It cannot be created as things are: a name that is taken, a change that Kubernetes does not allow.
    COMPONENT_BLOCKED = "ComponentBlocked"
    #: It is no longer wanted and goes.
    COMPONENT_REMOVED = "ComponentRemoved"
    #: The operator has restarted a pod; says why, and which attempt it was.
    RECOVERY_ACTION = "RecoveryAction"
    #: The attempts are used up; says when the next one is made.
    RECOVERY_EXHAUSTED = "RecoveryExhausted"
    #: Recovery holds still, because the cause is taken to be outside; says what speaks for that.
    RECOVERY_SUSPENDED = "RecoverySuspended"
    #: Recovery goes on.
    RECOVERY_RESUMED = "RecoveryResumed"
    #: Components suffer from trouble that is not their own; says whose it is.
    CAUSE_FOUND = "CauseFound"
    #: A component is taken out of its Service, because one that it requires is unwell.
    COMPONENT_ISOLATED = "ComponentIsolated"
    #: It is in its Service again.
    COMPONENT_REJOINED = "ComponentRejoined"
    #: It is scaled to nothing, because one that it requires is unwell.
    COMPONENT_STOPPED = "ComponentStopped"
    #: It runs its last good revision, because the wanted one did not become healthy.
    ROLLED_BACK = "RolledBack"
    #: An interlock has closed: the component that it guards is in its safe state; says why.
    INTERLOCK_CLOSED = "InterlockClosed"
    #: An interlock has opened again.
    INTERLOCK_OPENED = "InterlockOpened"
    #: An alert, as the sink `event` tells it.
    ALERT_FIRING = "AlertFiring"
    #: The end of an alert, as the sink `event` tells it.
    ALERT_RESOLVED = "AlertResolved"
    #: A sink could not be told of an alert; says which one, and why.
    ALERT_NOT_DELIVERED = "AlertNotDelivered"
    #: The alerts' routes name a sink that is not set up; `event` stands in for it.
    ALERT_SINK_UNKNOWN = "AlertSinkUnknown"
    #: Something that was deleted or edited by others was put right; says what.
    DRIFT_CORRECTED = "DriftCorrected"
    #: The API server refused a write of ours; holds its words.
    ACTION_FAILED = "ActionFailed"
    #: All components that count are healthy or completed.
    SYSTEM_READY = "SystemReady"
    #: Ready was True and is not any more.
    SYSTEM_NOT_READY = "SystemNotReady"
    #: It will not get further by itself soon; says why.
    SYSTEM_STALLED = "SystemStalled"
    #: The spec cannot be carried out; names the fields.
    INVALID_SPEC = "InvalidSpec"
    #: Deletion was asked for and begins.
    TEARDOWN_STARTED = "TeardownStarted"
    #: The teardown's deadline has passed; says what was forced or left.
    TEARDOWN_FORCED = "TeardownForced"


_WARNINGS = frozenset(
    {
        EventReason.DEPENDENCY_DEADLINE_EXCEEDED,
        EventReason.PREFERRED_DEPENDENCY_SKIPPED,
        EventReason.COMPONENT_DEGRADED,
        EventReason.COMPONENT_UNHEALTHY,
        EventReason.COMPONENT_FAILED,
        EventReason.COMPONENT_BLOCKED,
        EventReason.RECOVERY_ACTION,
        EventReason.RECOVERY_EXHAUSTED,
        EventReason.RECOVERY_SUSPENDED,
        EventReason.COMPONENT_ISOLATED,
        EventReason.COMPONENT_STOPPED,
        EventReason.ROLLED_BACK,
        EventReason.INTERLOCK_CLOSED,
        EventReason.ALERT_FIRING,
        EventReason.ALERT_NOT_DELIVERED,
        EventReason.ALERT_SINK_UNKNOWN,
        EventReason.DRIFT_CORRECTED,
        EventReason.ACTION_FAILED,
        EventReason.SYSTEM_NOT_READY,
        EventReason.SYSTEM_STALLED,
        EventReason.INVALID_SPEC,
        EventReason.TEARDOWN_FORCED,
    }
)

#: Longest note that the API server takes.
NOTE_MAX_LENGTH = 1024


@dataclass(frozen=True, slots=True)
class Event:
    """One thing to tell. The recorder names it by (uid of the system, `key`) and counts repetitions."""

    reason: EventReason
    note: str
    component: str = ""
    """Empty: about the system as a whole."""

    @property
    def type(self) -> EventType:
        return EventType.WARNING if self.reason in _WARNINGS else EventType.NORMAL

    @property
    def key(self) -> tuple[str, str]:
        return (self.reason.value, self.component)
