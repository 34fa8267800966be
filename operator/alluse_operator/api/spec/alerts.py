"""Whom the operator tells about trouble."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from alluse_operator.api.model import AS_SET, ResourceModel, list_by
from alluse_operator.api.spec.values import ObjectName


class AlertSeverity(StrEnum):
    CRITICAL = "Critical"
    WARNING = "Warning"
    INFO = "Info"


class DependencyInhibition(StrEnum):
    """Not On and Off: YAML 1.1 reads those as booleans."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"


class AlertRouteSpec(ResourceModel):
    """Where alerts of one severity go."""

    severity: AlertSeverity
    """Critical: a Critical component does not work, recovery is exhausted, or an interlock is closed.
    Warning: another component does not work. Info: something works with less than it should have."""
    sinks: Annotated[tuple[ObjectName, ...], Field(max_length=8, json_schema_extra=AS_SET)] = Field(
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


class AlertsSpec(ResourceModel):
    """Whom the operator tells about trouble, and how often."""

    routes: Annotated[
        tuple[AlertRouteSpec, ...],
        Field(
            max_length=len(AlertSeverity),
            json_schema_extra=list_by("severity"),
        ),
    ] = ROUTES_DEFAULT
    """Sinks by severity. A severity without a route is told to nobody."""
    dependency_inhibition: DependencyInhibition = DependencyInhibition.ENABLED
    """Enabled: one alert for the root of the trouble, none for the components that suffer from it."""
    repeat_seconds: int = Field(default=14400, ge=60, le=604800)
    """Seconds after which an alert that goes on is sent again."""
