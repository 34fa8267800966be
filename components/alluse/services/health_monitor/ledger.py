"""What is known about each component, and what follows for the whole. No input or output, no clock.

A component that does not answer is believed to be down after three looks in a row; one that says itself
that it is unhealthy is believed at once. One that has never been up is starting, not down, while it may be.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from alluse.schemas.health import (
    ComponentHealth,
    ComponentStatus,
    HistoryEntry,
    OverallStatus,
    SystemHealth,
)

MISSES: Final = 3
HISTORY: Final = 100


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a component found.

    `partial` looks saw its liveness only, not its own report. `starting` says of one that failed that it is
    what a component looks like while it starts, and that there is still time for that.
    """

    status: ComponentStatus
    at: str
    duration_ms: float
    error: str | None = None
    partial: bool = False
    starting: bool = False


@dataclass(frozen=True, slots=True)
class Transition:
    """A status that changed."""

    name: str
    was: ComponentStatus
    now: ComponentStatus
    critical: bool
    consecutive_failures: int
    error: str | None


@dataclass(slots=True)
class Record:
    """One component or check."""

    name: str
    critical: bool
    status: ComponentStatus = ComponentStatus.UNKNOWN
    failures: int = 0
    #: Its last own report was bad: being alive does not take that back.
    said_unhealthy: bool = False
    #: Its last own report was that it is not open yet: being alive does not take that back either.
    said_opening: bool = False
    #: Some report of its own was not bad.
    been_up: bool = False
    latest: Look | None = None
    #: What was wrong at the last look that could tell: being alive does not say what a report would.
    problem: str | None = None
    history: deque[Look] = field(default_factory=lambda: deque(maxlen=HISTORY))

    def take(self, look: Look) -> Transition | None:
        """Add a look; the transition that it causes, if any."""
        self.latest = look
        self.history.append(look)
        was = self.status
        if look.status.failing or not look.partial:
            self.problem = look.error
        if look.status.failing:
            self.failures += 1
            if look.status is ComponentStatus.UNHEALTHY and not look.partial:
                self.said_opening = look.starting
                self.said_unhealthy |= not look.starting
            believed = self.said_unhealthy or self.failures >= MISSES
            if believed and (self.been_up or not look.starting):
                self.status = look.status
        elif not look.partial:
            self.said_unhealthy = self.said_opening = False
            self.failures, self.been_up = 0, True
            self.status = look.status
        elif not (self.said_unhealthy or self.said_opening):
            # It lives; whether it is degraded only its own report can say.
            self.failures = 0
            if was.failing or was is ComponentStatus.UNKNOWN:
                self.status = ComponentStatus.HEALTHY
        if self.status is was:
            return None
        return Transition(self.name, was, self.status, self.critical, self.failures, look.error)

    def health(self) -> ComponentHealth:
        latest = self.latest
        return ComponentHealth(
            status=self.status,
            critical=self.critical,
            consecutive_failures=self.failures,
            last_check=latest.at if latest else None,
            duration_ms=latest.duration_ms if latest else 0.0,
            error=self.problem if self.status is not ComponentStatus.HEALTHY or self.failures else None,
        )

    def entries(self, count: int) -> list[HistoryEntry]:
        """The newest looks, newest first."""
        newest = list(self.history)[::-1][:count]
        return [
            HistoryEntry(at=look.at, status=look.status, duration_ms=look.duration_ms, error=look.error)
            for look in newest
        ]


def overall(records: Iterable[Record], swept: bool) -> OverallStatus:
    """Critical when a critical one fails, degraded when any fails, is degraded or has yet to come up, unknown
    before a sweep."""
    if not swept:
        return OverallStatus.UNKNOWN
    listed = list(records)
    if any(record.critical and record.status.failing for record in listed):
        return OverallStatus.CRITICAL
    if any(record.status.failing or record.status is ComponentStatus.DEGRADED for record in listed):
        return OverallStatus.DEGRADED
    if any(record.failures and not record.been_up for record in listed):
        return OverallStatus.DEGRADED
    return OverallStatus.HEALTHY


def system_health(records: Mapping[str, Record], swept: bool) -> SystemHealth:
    """The answer about everything."""
    failing = [record for record in records.values() if record.status.failing]
    looks = [record.latest.at for record in records.values() if record.latest is not None]
    return SystemHealth(
        overall_status=overall(records.values(), swept),
        critical_failures=sum(record.critical for record in failing),
        total_failures=len(failing),
        total_checks=len(records),
        components={name: record.health() for name, record in records.items()},
        last_check=max(looks, default=None),
    )
