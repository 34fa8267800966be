"""Events for people: one table of reasons, and how each is worded.

An Event tells of a change, so events are found by comparing what the stored status said with what the new one
says, and from the outcomes of actions. The recorder aggregates by `Event.key`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class EventType(StrEnum):
    NORMAL = "Normal"
    WARNING = "Warning"


class EventReason(StrEnum):
    """Reasons of the Events on an AllUseSystem. Never renamed within a version."""

    COMPONENT_STARTING = "ComponentStarting"
    COMPONENT_HEALTHY = "ComponentHealthy"
    COMPONENT_COMPLETED = "ComponentCompleted"
    WAITING_FOR_DEPENDENCY = "WaitingForDependency"
    DEPENDENCY_DEADLINE_EXCEEDED = "DependencyDeadlineExceeded"
    PREFERRED_DEPENDENCY_SKIPPED = "PreferredDependencySkipped"
    COMPONENT_DEGRADED = "ComponentDegraded"
    COMPONENT_UNHEALTHY = "ComponentUnhealthy"
    COMPONENT_FAILED = "ComponentFailed"
    COMPONENT_BLOCKED = "ComponentBlocked"
    COMPONENT_REMOVED = "ComponentRemoved"
    RECOVERY_ACTION = "RecoveryAction"
    RECOVERY_EXHAUSTED = "RecoveryExhausted"
    DRIFT_CORRECTED = "DriftCorrected"
    ACTION_FAILED = "ActionFailed"
    SYSTEM_READY = "SystemReady"
    SYSTEM_NOT_READY = "SystemNotReady"
    SYSTEM_STALLED = "SystemStalled"
    INVALID_SPEC = "InvalidSpec"
    TEARDOWN_STARTED = "TeardownStarted"
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
