"""The start gate: whether a component may be started now, or moved to a new revision.

The gate is asked before a workload is created or gets a new revision, and at no other time: what runs is
never stopped, scaled or held because a dependency is lost later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from alluse_operator.api.conditions import ComponentReason
from alluse_operator.api.status import ComponentState
from alluse_operator.core.desired import Component, Dependency
from alluse_operator.core.observed import PreviousComponent
from alluse_operator.core.verdicts import Assessment, Wait

#: A component in one of these states does its work.
WELL = frozenset({ComponentState.HEALTHY, ComponentState.DEGRADED, ComponentState.COMPLETED})


def has_recovered(found: Assessment) -> bool:
    """Whether it does its work wholly, be it in its last good revision instead of the one that is wanted."""
    wholly = found.state in (ComponentState.HEALTHY, ComponentState.COMPLETED)
    return wholly or found.reason == ComponentReason.ROLLED_BACK


@dataclass(frozen=True, slots=True)
class Gate:
    """The gate of one component at one moment."""

    waits: tuple[Wait, ...]
    """Edges that keep it from starting."""
    skipped: tuple[Wait, ...]
    """Preferred edges that do not hold and are given up."""
    failed: tuple[Wait, ...]
    """Of `waits`: Required edges that can no longer hold, because a Job has failed."""

    @property
    def open(self) -> bool:
        return not self.waits

    @property
    def blocked(self) -> tuple[Wait, ...]:
        """Of `waits`: Required edges that have failed or are past their deadline."""
        return tuple(wait for wait in self.waits if wait.required and (wait.overdue or wait in self.failed))


def check(
    component: Component,
    assessments: Mapping[str, Assessment],
    previous: PreviousComponent | None,
    began_at: datetime,
    now: datetime,
) -> Gate:
    """The gate of `component`. `began_at` is when the wait began where the status does not say."""
    waits: list[Wait] = []
    skipped: list[Wait] = []
    failed: list[Wait] = []
    for edge in component.dependencies:
        dependency = assessments[edge.name]
        if dependency.meets(edge.condition):
            continue
        since = min(_waiting_since(edge, previous) or began_at, now)
        wait = Wait(
            name=edge.name,
            condition=edge.condition,
            required=edge.required,
            since=since,
            deadline=since + component.start_deadline,
            overdue=now >= since + component.start_deadline,
            why=_describe(dependency),
        )
        if not edge.required and (wait.overdue or dependency.failed):
            skipped.append(wait)
            continue
        waits.append(wait)
        if dependency.failed:
            failed.append(wait)
    return Gate(tuple(waits), tuple(skipped), tuple(failed))


def explain(gate: Gate) -> tuple[ComponentState, str, str]:
    """State, reason and sentence of a component that the gate holds."""
    listed = ", ".join(
        f"{wait.name} to be {wait.condition} (now {wait.why})" for wait in gate.blocked or gate.waits
    )
    if gate.failed:
        return ComponentState.BLOCKED, ComponentReason.DEPENDENCY_FAILED, f"needs {listed}"
    if gate.blocked:
        return (
            ComponentState.BLOCKED,
            ComponentReason.DEPENDENCY_DEADLINE_EXCEEDED,
            f"still waits for {listed} past its deadline",
        )
    return ComponentState.WAITING, ComponentReason.WAITING_FOR_DEPENDENCIES, f"waits for {listed}"


def _waiting_since(edge: Dependency, previous: PreviousComponent | None) -> datetime | None:
    for wait in previous.waiting_for if previous is not None else ():
        if wait.name == edge.name and wait.condition is edge.condition:
            return wait.since
    return None


def _describe(assessment: Assessment) -> str:
    if assessment.state in WELL and not assessment.current:
        return f"{assessment.state} in an older revision"
    if assessment.reason == assessment.state:
        return str(assessment.state)
    return f"{assessment.state}, {assessment.reason}"
