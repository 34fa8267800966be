"""What health-monitor is asked and what it answers."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from alluse.schemas.base import Answer, Request


class ComponentStatus(StrEnum):
    """How a component looks from outside."""

    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    UNREACHABLE = "unreachable"

    @property
    def failing(self) -> bool:
        return self in (ComponentStatus.UNHEALTHY, ComponentStatus.UNREACHABLE)


class OverallStatus(StrEnum):
    """How the whole system is."""

    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    CRITICAL = "critical"


class ComponentHealth(Answer):
    """One component, or one registered check."""

    status: ComponentStatus
    critical: bool
    consecutive_failures: int
    last_check: str | None
    duration_ms: float
    error: str | None = None


class SystemHealth(Answer):
    """All components and checks."""

    overall_status: OverallStatus
    critical_failures: int
    total_failures: int
    total_checks: int
    components: dict[str, ComponentHealth]
    last_check: str | None


class HistoryEntry(Answer):
    """What one look found."""

    at: str
    status: ComponentStatus
    duration_ms: float
    error: str | None = None


class ComponentHistory(Answer):
    """One component with its newest looks, newest first."""

    name: str
    health: ComponentHealth
    history: list[HistoryEntry]


class ComponentQuery(Request):
    component: Annotated[str, StringConstraints(max_length=64)]
    history: Annotated[int, Field(ge=0, le=100)] = 0


class CheckRequest(Request):
    """A check to register: a path of a component that must answer 2xx. The same name replaces it."""

    name: Annotated[str, StringConstraints(strip_whitespace=False, pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]
    component: Annotated[str, StringConstraints(max_length=64)]
    path: Annotated[
        str, StringConstraints(strip_whitespace=False, pattern=r"^/[A-Za-z0-9/_.{}-]*$", max_length=200)
    ] = "/health"
    critical: bool = False
    timeout_s: Annotated[float, Field(gt=0, le=30)] = 5
    interval_s: Annotated[float, Field(ge=1, le=3600)] = 30


class CheckList(Answer):
    """The registered checks by name."""

    checks: list[CheckRequest]
