"""What people should be told of a plan: one trouble for each root, as bad as the worst that it touches."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from alluse_operator.api.conditions import ComponentReason, Reason
from alluse_operator.api.spec import AlertSeverity, Criticality
from alluse_operator.api.status import AlertState, AlertStatus, ComponentState, InterlockState
from alluse_operator.core.desired import AlertPolicy, Interlock
from alluse_operator.core.notices import AlertName, Situation
from alluse_operator.core.observed import PreviousStatus
from alluse_operator.core.plan import ComponentPlan, Mode, Plan
from alluse_operator.core.troubles import DEGRADED_FOR, find
from alluse_operator.core.verdicts import Assessment, InterlockView, Recovery, Suspension
from builders import T0, at
from desired_values import make_component, make_system

CRITICAL, IMPORTANT, OPTIONAL = Criticality.CRITICAL, Criticality.IMPORTANT, Criticality.OPTIONAL
NOW = at(600)


def one(
    name: str,
    state: ComponentState = ComponentState.HEALTHY,
    reason: str = ComponentReason.HEALTHY,
    *causes: str,
    criticality: Criticality = IMPORTANT,
    since: float = 590,
    **fields: Any,
) -> ComponentPlan:
    return ComponentPlan(
        name=name,
        assessment=Assessment(state, reason, f"{name} says so", at(since)),
        causes=causes,
        criticality=criticality,
        **fields,
    )


def unhealthy(name: str, *causes: str, **fields: Any) -> ComponentPlan:
    return one(name, ComponentState.UNHEALTHY, ComponentReason.PROBE_FAILED, *causes, **fields)


def look(
    *components: ComponentPlan,
    mode: Mode = Mode.RUN,
    inhibit: bool = True,
    ready: bool = True,
    locks: tuple[InterlockView, ...] = (),
    requires: tuple[str, ...] = ("guard",),
    suspension: Suspension | None = None,
    known: tuple[AlertStatus, ...] = (),
) -> Situation:
    system = make_system(
        *(make_component(found.name) for found in components),
        alerts=AlertPolicy(inhibit=inhibit),
        interlocks=tuple(Interlock(lock.name, "agent", requires) for lock in locks),
    )
    by_name = {found.name: found for found in components}
    plan = Plan(mode, system.identity, (), by_name, system=system, suspension=suspension, interlocks=locks)
    before = PreviousStatus(ready_at=T0 if ready else None)
    return find(plan, by_name, before, known, NOW)


def closed(name: str = "gate") -> InterlockView:
    return InterlockView(name, InterlockState.CLOSED, at(595), "agent is in its safe state: guard is Unknown")


def test_nothing_is_wrong_with_what_is_well() -> None:
    assert look(one("a"), one("job", ComponentState.COMPLETED)) == Situation()


def test_a_root_with_its_symptoms_is_one_trouble_as_bad_as_the_worst_of_them() -> None:
    dependants = [unhealthy(f"d{n}", "root", criticality=CRITICAL if n == 6 else OPTIONAL) for n in range(7)]
    found = look(unhealthy("root", criticality=IMPORTANT), *dependants)
    [trouble] = found.troubles
    assert (trouble.name, trouble.subject) == (AlertName.COMPONENT_NOT_WELL, "root")
    assert trouble.severity is AlertSeverity.CRITICAL
    assert trouble.affects == tuple(f"d{n}" for n in range(7))
    assert trouble.message == "root Unhealthy (ProbeFailed: root says so)"
    assert trouble.since == at(590)
    assert found.symptoms == {f"d{n}": ("root",) for n in range(7)}


def test_without_inhibition_each_component_is_told_by_itself() -> None:
    found = look(unhealthy("root"), unhealthy("d", "root", criticality=CRITICAL), inhibit=False)
    assert [(t.subject, t.severity, t.affects) for t in found.troubles] == [
        ("root", AlertSeverity.WARNING, ()),
        ("d", AlertSeverity.CRITICAL, ()),
    ]
    assert not found.symptoms


@pytest.mark.parametrize(
    ("criticality", "severity"),
    [(CRITICAL, AlertSeverity.CRITICAL), (IMPORTANT, AlertSeverity.WARNING), (OPTIONAL, AlertSeverity.INFO)],
)
def test_the_severity_follows_the_criticality(criticality: Criticality, severity: AlertSeverity) -> None:
    [trouble] = look(unhealthy("a", criticality=criticality)).troubles
    assert trouble.severity is severity


def test_two_roots_are_two_troubles() -> None:
    found = look(unhealthy("a"), unhealthy("b"), unhealthy("c", "a", "b"))
    assert [(t.subject, t.affects) for t in found.troubles] == [("a", ("c",)), ("b", ("c",))]


def test_a_root_that_starts_again_is_told_for_those_that_suffer() -> None:
    found = look(one("root", ComponentState.STARTING, ComponentReason.CREATED), unhealthy("d", "root"))
    assert [t.subject for t in found.troubles] == ["root"]


def test_infrastructure_and_nodes_are_one_trouble_each() -> None:
    outside = Suspension(Reason.INFRASTRUCTURE, "3 of 4 are sick", at(580))
    parts = [unhealthy(name, "Infrastructure", criticality=CRITICAL) for name in "abc"]
    [trouble] = look(*parts, one("d"), suspension=outside).troubles
    assert (trouble.name, trouble.subject) == (AlertName.INFRASTRUCTURE_TROUBLE, "")
    assert (trouble.message, trouble.since, trouble.severity) == (
        "3 of 4 are sick",
        at(580),
        AlertSeverity.CRITICAL,
    )
    found = look(unhealthy("a", "Node/n1"), unhealthy("b", "Node/n1"), unhealthy("c", "Node/n2"))
    assert [(t.name, t.subject, t.affects) for t in found.troubles] == [
        (AlertName.NODE_NOT_READY, "n1", ("a", "b")),
        (AlertName.NODE_NOT_READY, "n2", ("c",)),
    ]
    assert set(found.symptoms) == {"a", "b", "c"}


def test_what_starts_stops_or_is_not_known_is_neither_trouble_nor_well() -> None:
    states = (
        ComponentState.WAITING,
        ComponentState.STARTING,
        ComponentState.STOPPING,
        ComponentState.STOPPED,
        ComponentState.UNKNOWN,
    )
    found = look(*(one(state.lower(), state, "Whatever") for state in states))
    assert not found.troubles
    assert found.unsettled == {state.lower() for state in states}


def test_blocked_by_its_own_doing_is_trouble_blocked_by_others_is_not() -> None:
    found = look(
        one("a", ComponentState.BLOCKED, ComponentReason.NAME_CONFLICT),
        one("b", ComponentState.BLOCKED, ComponentReason.DEPENDENCY_DEADLINE_EXCEEDED, "a"),
    )
    assert [t.subject for t in found.troubles] == ["a"]


def test_a_component_that_is_removed_is_no_trouble() -> None:
    assert not look(unhealthy("old", removed=True)).troubles


def test_exhausted_is_said() -> None:
    [trouble] = look(unhealthy("a", recovery=Recovery(exhausted=True))).troubles
    assert trouble.exhausted


def test_what_works_badly_is_told_after_a_while_and_a_step_milder() -> None:
    since = (NOW - T0 - DEGRADED_FOR).total_seconds()
    slow = one("a", ComponentState.DEGRADED, ComponentReason.SLOW, criticality=CRITICAL, since=since)
    [trouble] = look(slow).troubles
    assert (trouble.subject, trouble.severity) == ("a", AlertSeverity.WARNING)
    young = replace(slow, assessment=replace(slow.assessment, since=at(since + 10)))
    found = look(young)
    assert not found.troubles
    assert found.recheck_at == NOW + timedelta(seconds=10)
    assert found.unsettled == {"a"}


def test_who_only_says_that_it_misses_something_is_not_told_while_something_is_worse() -> None:
    missing = one("a", ComponentState.DEGRADED, ComponentReason.REPORTS_DEGRADED, since=0)
    assert [t.subject for t in look(missing).troubles] == ["a"]
    assert [t.subject for t in look(missing, unhealthy("b")).troubles] == ["b"]


def test_a_closed_interlock_makes_its_root_critical_and_is_no_alert_of_its_own() -> None:
    for components in (
        [unhealthy("guard", criticality=OPTIONAL)],
        [unhealthy("guard", "root", criticality=OPTIONAL), unhealthy("root", criticality=OPTIONAL)],
    ):
        [trouble] = look(*components, locks=(closed(),)).troubles
        assert trouble.severity is AlertSeverity.CRITICAL
        assert trouble.message.endswith("; closes gate")


def test_a_closed_interlock_that_nothing_explains_is_critical_by_itself() -> None:
    unknown = one("guard", ComponentState.UNKNOWN, ComponentReason.OBSERVATION_STALE)
    [trouble] = look(unknown, locks=(closed(),)).troubles
    assert (trouble.name, trouble.subject, trouble.severity) == (
        AlertName.INTERLOCK_CLOSED,
        "gate",
        AlertSeverity.CRITICAL,
    )
    found = look(unhealthy("guard"), locks=(closed(),), inhibit=False)
    assert [t.name for t in found.troubles] == [AlertName.COMPONENT_NOT_WELL, AlertName.INTERLOCK_CLOSED]


def test_an_interlock_is_not_told_beside_the_alert_of_what_closed_it() -> None:
    """The component comes back and is Starting: its alert goes on, the gate is still closed."""
    row = AlertStatus(
        fingerprint="0" * 16,
        name=AlertName.COMPONENT_NOT_WELL,
        subject="guard",
        state=AlertState.FIRING,
        severity=AlertSeverity.CRITICAL,
        since=T0,
        active_at=T0,
    )
    starting = one("guard", ComponentState.STARTING, ComponentReason.CREATED)
    assert not look(starting, locks=(closed(),), known=(row,)).troubles


def test_before_the_first_start_is_through_closed_interlocks_are_no_trouble() -> None:
    starting = one("guard", ComponentState.STARTING, ComponentReason.CREATED)
    assert not look(starting, locks=(closed(),), ready=False).troubles


def test_who_sees_nothing_says_that_and_nothing_else() -> None:
    unknown = one("a", ComponentState.UNKNOWN, ComponentReason.OBSERVATION_STALE, criticality=CRITICAL)
    found = look(unknown, mode=Mode.UNTRUSTED)
    [trouble] = found.troubles
    assert (trouble.name, trouble.severity) == (AlertName.INFRASTRUCTURE_TROUBLE, AlertSeverity.CRITICAL)
    assert found.frozen


def test_an_invalid_spec_changes_nothing_and_a_teardown_ends_everything() -> None:
    found = look(mode=Mode.INVALID)
    assert found.frozen
    assert [(trouble.name, trouble.severity) for trouble in found.troubles] == [
        (AlertName.SPEC_INVALID, AlertSeverity.WARNING)
    ]
    assert look(unhealthy("a"), mode=Mode.TEARDOWN) == Situation()
