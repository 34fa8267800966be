"""What is behind the trouble of a system: for each component its causes, and whether the cause is outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from alluse_operator.api.conditions import ConditionType, Reason
from alluse_operator.api.spec import OnUnhealthy
from alluse_operator.api.status import ComponentState, ConditionStatus
from alluse_operator.core.causes import INFRASTRUCTURE, find_causes, is_infrastructure, node_cause
from alluse_operator.core.desired import Component, Dependency, System
from alluse_operator.core.gate import WELL
from alluse_operator.core.observed import PreviousStatus
from alluse_operator.core.sight import Sight
from alluse_operator.core.verdicts import Assessment, Suspension

#: It had started and does not do its work: what counts against the share of the system that is to be well.
SICK = frozenset({ComponentState.UNHEALTHY, ComponentState.RECOVERING, ComponentState.FAILED})
#: States of which a cause is told. What waits, starts or goes says itself for what it waits.
_TOLD = SICK | {ComponentState.BLOCKED, ComponentState.STOPPED}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Of all components of a system at one moment."""

    causes: Mapping[str, tuple[str, ...]]
    """What `causedBy` says of each component that has a cause other than itself."""
    suspension: Suspension | None = None
    infrastructure: bool = False
    """The cause is outside for all of the system, not only for the components on lost nodes."""
    lost: Mapping[str, str] | None = None
    """Components whose pods are on a node that is not ready, with the node."""

    def on_lost_node(self, name: str) -> bool:
        return bool(self.lost) and name in (self.lost or ())


def diagnose(
    system: System,
    sights: Mapping[str, Sight],
    assessments: Mapping[str, Assessment],
    status: PreviousStatus,
    now: datetime,
) -> Diagnosis:
    """Find the causes. `assessments` are those of the plan, what waits or is blocked included."""
    edges = {name: [edge.name for edge in causal(c)] for name, c in system.components.items()}
    unwell = {name for name, found in assessments.items() if found.state not in WELL and name in edges}
    roots = find_causes(edges, unwell)
    lost = {name: sights[name].lost_node for name in unwell if sights[name].lost_node}
    sick = {name: roots[name] for name in unwell if assessments[name].state in SICK}
    # When all goes down at once, one is known to be down before the others are: not well is also whose deep
    # check has begun to fail. By itself that is no trouble yet.
    doubtful = {name for name in edges if name not in unwell and sights[name].in_doubt}
    suspects = find_causes(edges, unwell | doubtful)
    bad = {name: suspects[name] for name in (*sick, *doubtful)} if sick else {}
    infrastructure = is_infrastructure(bad, len(edges), system.recovery.min_healthy_percent)
    told: dict[str, tuple[str, ...]] = {}
    for name in system.components:
        if name not in unwell or assessments[name].state not in _TOLD:
            continue
        if infrastructure and name in sick:
            told[name] = (INFRASTRUCTURE,)
            continue
        causes = tuple(dict.fromkeys(node_cause(lost[r]) if r in lost else r for r in roots[name]))
        if causes != (name,):
            told[name] = causes
    outside = _outside(len(sick), len(doubtful), system) if infrastructure else ""
    return Diagnosis(told, _suspension(outside, lost, status, now), infrastructure, lost)


def causal(component: Component) -> tuple[Dependency, ...]:
    """The edges over which trouble comes: Required ones, but those whose failure is to be ignored."""
    return tuple(
        edge
        for edge in component.dependencies
        if edge.required and edge.on_unhealthy is not OnUnhealthy.IGNORE
    )


def _outside(sick: int, doubtful: int, system: System) -> str:
    """Why the cause is taken to be outside; who is sick and whose checks begin to fail are told apart."""
    count = f"{sick} of {len(system.components)} components {'is' if sick == 1 else 'are'} sick"
    if doubtful:
        checks = "check" if doubtful == 1 else "checks"
        count += f" and the {checks} of {doubtful} more {'begins' if doubtful == 1 else 'begin'} to fail"
    return (
        f"{count}, with more than one root: the cause is taken to be outside (less than "
        f"{system.recovery.min_healthy_percent} % well); nothing is restarted"
    )


def _suspension(
    outside: str, lost: Mapping[str, str], status: PreviousStatus, now: datetime
) -> Suspension | None:
    """`outside`: why the cause is taken to be outside for all of the system; empty: it is not."""
    if outside:
        message, reason = outside, Reason.INFRASTRUCTURE
    elif lost:
        nodes = ", ".join(sorted(set(lost.values())))
        message = f"node not ready: {nodes}; nothing is done about {', '.join(sorted(lost))} meanwhile"
        reason = Reason.NODES_NOT_READY
    else:
        return None
    before = status.conditions.get(ConditionType.RECOVERY_SUSPENDED)
    since = now
    if before is not None and before.status is ConditionStatus.TRUE and before.reason == reason:
        since = min(before.last_transition_time, now)
    return Suspension(reason, message, since)
