"""One system as the command line sees it: the resource with its status, its workloads and its pods.

Everything comes from objects that kubectl printed; what the operator alone can see (its deep checks) is in
the status in its own words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from alluse_operator.api.errors import InvalidSpec
from alluse_operator.api.status import ComponentState
from alluse_operator.core.desired import Component, Defaults, Dependency, System
from alluse_operator.core.objects import Object, mapping_at, metadata
from alluse_operator.core.observed import PodView, WorkloadView
from alluse_operator.core.reading.resource import read_resource
from alluse_operator.core.reading.snapshot import read_snapshot
from alluse_operator.core.resolve import resolve
from alluse_operator.core.times import parse_time

#: A component in one of these states does its work.
WELL: Final = frozenset({"Healthy", "Completed", "Degraded"})
#: Not well, but nothing is wrong with it: it is on its way, or not wanted.
QUIET: Final = frozenset({"Waiting", "Starting", "Stopping", "Disabled"})
#: The names of images and versions mean nothing to the command line.
_DEFAULTS: Final = Defaults(component_image="image", version="version")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of `status.components`."""

    name: str
    state: str = "Unknown"
    since: datetime | None = None
    reason: str = ""
    message: str = ""
    waiting_for: tuple[Mapping[str, Any], ...] = ()
    caused_by: tuple[str, ...] = ()
    rung: str = ""
    attempts: int = 0
    last_action: Mapping[str, Any] = field(default_factory=dict)
    next_action_at: datetime | None = None
    revision: str = ""

    @property
    def well(self) -> bool:
        return self.state in WELL

    @property
    def sick(self) -> bool:
        """Not well, and not on its way either."""
        return self.state not in WELL | QUIET


@dataclass(frozen=True, slots=True)
class Picture:
    """A system at one moment."""

    resource: Object
    now: datetime
    system: System | None
    """The resolved spec; None when it cannot be carried out."""
    rows: Mapping[str, Row]
    """In the order of the status: that of the start."""
    workloads: Mapping[str, WorkloadView] = field(default_factory=dict)
    pods: Mapping[str, tuple[PodView, ...]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return str(metadata(self.resource).get("name", ""))

    @property
    def namespace(self) -> str:
        return str(metadata(self.resource).get("namespace", ""))

    @property
    def status(self) -> Object:
        return mapping_at(self.resource, "status")

    def condition(self, kind: str) -> Mapping[str, Any]:
        """A condition of the system; empty when it is not there."""
        found = self.status.get("conditions") or ()
        return next((row for row in found if row.get("type") == kind), {})

    def holds(self, kind: str) -> bool:
        return self.condition(kind).get("status") == "True"

    def component(self, name: str) -> Component | None:
        return self.system.components.get(name) if self.system is not None else None

    def edges(self, name: str) -> tuple[Dependency, ...]:
        """What the component depends on; where the spec is invalid, what its workload says it does."""
        if (component := self.component(name)) is not None:
            return component.dependencies
        workload = self.workloads.get(name)
        return tuple(Dependency(other) for other in workload.depends_on) if workload is not None else ()

    def required(self, name: str) -> tuple[Dependency, ...]:
        return tuple(edge for edge in self.edges(name) if edge.required)


def read(
    resource: Object, now: datetime, workloads: Iterable[Object] = (), pods: Iterable[Object] = ()
) -> Picture:
    """The picture of one system from raw objects of its namespace."""
    view = read_resource(resource)
    try:
        system = resolve(view.identity, view.spec, _DEFAULTS)
    except InvalidSpec:
        system = None
    snapshot = read_snapshot(resource, workloads, pods, (), now, timedelta(minutes=1))
    rows = [row_of(raw) for raw in mapping_at(resource, "status").get("components") or ()]
    return Picture(
        resource=resource,
        now=now,
        system=system,
        rows={row.name: row for row in rows},
        workloads={workload.component: workload for workload in snapshot.workloads.values()},
        pods=snapshot.pods,
    )


def row_of(raw: Mapping[str, Any]) -> Row:
    """One row as the API server stores it."""
    state = str(raw.get("state", ComponentState.UNKNOWN))
    return Row(
        name=str(raw.get("name", "")),
        state=state,
        since=parse_time(raw.get("since")),
        reason=str(raw.get("reason", "")),
        message=str(raw.get("message", "")),
        waiting_for=tuple(raw.get("waitingFor") or ()),
        caused_by=tuple(str(name) for name in raw.get("causedBy") or ()),
        rung=str(raw.get("rung", "")),
        attempts=int(raw.get("attempts") or 0),
        last_action=raw.get("lastAction") or {},
        next_action_at=parse_time(raw.get("nextActionTime")),
        revision=str(raw.get("revision", "")),
    )
