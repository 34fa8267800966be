"""The lines for people: what is the cause, who waits for whom, what is going on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from alluse_operator.api.conditions import ComponentReason, Reason
from alluse_operator.api.status import ComponentState, format_time
from alluse_operator.core import graph
from alluse_operator.core.causes import find_causes
from alluse_operator.core.gate import WELL
from alluse_operator.core.plan import ComponentPlan
from alluse_operator.core.rows import shorten
from alluse_operator.core.verdicts import Suspension

#: What keeps a system from being ready, worst first.
_SEVERITY: Mapping[ComponentState, int] = {
    ComponentState.FAILED: 0,
    ComponentState.UNHEALTHY: 1,
    ComponentState.BLOCKED: 2,
    ComponentState.RECOVERING: 3,
    ComponentState.STARTING: 4,
    ComponentState.DEGRADED: 5,
    ComponentState.UNKNOWN: 6,
}
#: Blocked by something else than a dependency: the component is itself the root.
_OWN_BLOCKS = frozenset(
    {ComponentReason.NAME_CONFLICT, ComponentReason.APPLY_REFUSED, ComponentReason.STORAGE_IMMUTABLE}
)
#: Longest part of a message that the one-line cause repeats.
_EXCERPT = 240


class Root(NamedTuple):
    """A component at the root of trouble, and who is held up by it."""

    plan: ComponentPlan
    holds: tuple[str, ...]


def roots(components: Mapping[str, ComponentPlan]) -> tuple[Root, ...]:
    """Components at the root of the trouble, worst first. Who works with something missing brings nobody else
    into trouble, and is no root where something that it stands on is in trouble."""
    blocked = any(plan.assessment.state is ComponentState.BLOCKED for plan in components.values())
    edges = {name: plan.requires & components.keys() for name, plan in components.items()}
    troubled = {name for name, plan in components.items() if _in_trouble(plan, blocked)}
    unwell = {name for name, plan in components.items() if plan.assessment.state not in WELL}
    causes = find_causes(edges, unwell)
    found = {root for name in troubled & unwell for root in causes[name]}
    found |= {name for name in troubled - unwell if not graph.reachable(edges, [name]) & troubled}
    above = {name: frozenset(others) for name, others in graph.dependants(edges).items()}
    listed = []
    for name, plan in components.items():
        if name in found:
            held = graph.reachable(above, [name])
            holds = tuple(other for other in components if other in held and not components[other].done)
            listed.append(Root(plan, holds))
    return tuple(sorted(listed, key=lambda root: _SEVERITY.get(root.plan.assessment.state, len(_SEVERITY))))


def cause(components: Mapping[str, ComponentPlan], suspension: Suspension | None = None) -> str | None:
    """One line: the worst root with its reason, since when, whom it holds, and what is done next and when;
    further roots by name. Where the cause is outside, that, or that first."""
    found = roots(components)
    if suspension is not None and suspension.reason is Reason.INFRASTRUCTURE:
        line = f"{suspension.reason}: {suspension.message}; since {format_time(suspension.since)}"
        return shorten(f"{line}; sick: {', '.join(root.plan.name for root in found)}{_next(found)}")
    if not found:
        return None
    worst = found[0]
    assessment = worst.plan.assessment
    message = (
        assessment.message if len(assessment.message) <= _EXCERPT else assessment.message[:_EXCERPT] + "…"
    )
    line = (
        f"{worst.plan.name} {assessment.state} ({assessment.reason}: {message}) "
        f"since {format_time(assessment.since)}"
    )
    if outside := [name for name in worst.plan.causes if name not in components]:
        line = f"{', '.join(outside)}: {line}"
    if worst.holds:
        line += f"; holds {', '.join(worst.holds)}"
    line += _next(found)
    if len(found) > 1:
        line += f"; also {', '.join(f'{r.plan.name} {r.plan.assessment.state}' for r in found[1:])}"
    return shorten(line)


def _next(found: tuple[Root, ...]) -> str:
    """What is done next, by the first root of which something is to be done at a known time."""
    for root in found:
        recovery = root.plan.recovery
        if recovery.next_action_at is not None:
            what = recovery.next or "look again"
            return f"; next: {what} of {root.plan.name} at {format_time(recovery.next_action_at)}"
    return ""


def waiting(components: Mapping[str, ComponentPlan]) -> str | None:
    """Who waits for whom, in one line."""
    parts = [
        f"{plan.name} for {', '.join(wait.name for wait in plan.waits)}"
        for plan in components.values()
        if plan.waits
    ]
    return shorten("; ".join(parts)) or None


def summary(components: Mapping[str, ComponentPlan]) -> str:
    """How many are ready, and how many are in which other state."""
    wanted = [plan for plan in components.values() if not plan.removed]
    lacking = Counter(_lack(plan) for plan in wanted if not plan.done)
    text = f"{len(wanted) - lacking.total()} of {len(wanted)} components ready"
    if lacking:
        text += "; " + ", ".join(f"{count} {state}" for state, count in sorted(lacking.items()))
    going = sum(1 for plan in components.values() if plan.removed)
    return f"{text}; {going} being removed" if going else text


def _lack(plan: ComponentPlan) -> str:
    """The state of one that is not done; well in an older revision is a state of its own here."""
    well = plan.assessment.state in (ComponentState.HEALTHY, ComponentState.COMPLETED)
    return "Outdated" if well else str(plan.assessment.state)


def _in_trouble(plan: ComponentPlan, blocked: bool) -> bool:
    """A component that starts in its time is no trouble, unless others are past their deadline over it."""
    state, reason = plan.assessment.state, plan.assessment.reason
    if plan.removed:
        return False
    if state is ComponentState.STARTING:
        return blocked or reason == ComponentReason.UNSCHEDULABLE
    if state is ComponentState.BLOCKED:
        return reason in _OWN_BLOCKS or reason == ComponentReason.DEPENDENCY_DEADLINE_EXCEEDED
    return state in _SEVERITY
