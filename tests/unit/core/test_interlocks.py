"""When an interlock is open, and when it closes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from alluse_operator.api.status import ComponentState
from alluse_operator.core import interlocks, losses
from alluse_operator.core.desired import Interlock
from alluse_operator.core.observed import PreviousComponent, PreviousStatus
from alluse_operator.core.plan import ComponentPlan
from alluse_operator.core.verdicts import Assessment, Recovery
from builders import at, stamp
from desired_values import make_component, make_system

GATE = Interlock("gate", "agent", ("guard", "monitor"), timedelta(seconds=5))
SYSTEM = make_system(*(make_component(name) for name in ("guard", "monitor", "agent")), interlocks=(GATE,))
OPEN = {"name": "gate", "state": "Open", "since": stamp(at(-60))}
CLOSED = {"name": "gate", "state": "Closed", "since": stamp(at(-60))}


def plan(name: str, state: ComponentState, since: datetime, *, exhausted: bool = False) -> ComponentPlan:
    found = Assessment(state=state, reason=str(state), message="", since=since)
    return ComponentPlan(name=name, assessment=found, recovery=Recovery(exhausted=exhausted))


H, D, U, X = (
    ComponentState.HEALTHY,
    ComponentState.DEGRADED,
    ComponentState.UNHEALTHY,
    ComponentState.UNKNOWN,
)


@pytest.mark.parametrize(
    ("guard", "since", "exhausted", "before", "now", "state", "closes"),
    [
        (H, 0, False, CLOSED, 1, "Open", None),
        (D, 0, False, CLOSED, 1, "Open", None),
        (U, 0, False, OPEN, 4, "Open", 5),
        (U, 0, False, OPEN, 5, "Closed", None),
        (X, 0, False, OPEN, 4, "Open", 5),
        (X, 0, False, OPEN, 5, "Closed", None),
        (U, 0, False, CLOSED, 1, "Closed", None),
        (U, 0, False, None, 1, "Closed", None),
        (ComponentState.STARTING, 0, False, None, 1, "Closed", None),
        (U, 0, True, OPEN, 1, "Closed", None),
    ],
)
def test_a_gate_is_open_only_while_what_it_stands_on_can_be_relied_upon(
    guard: ComponentState,
    since: int,
    exhausted: bool,
    before: dict[str, str] | None,
    now: int,
    state: str,
    closes: int | None,
) -> None:
    plans = {
        "guard": plan("guard", guard, at(since), exhausted=exhausted),
        "monitor": plan("monitor", H, at(0)),
    }
    status = PreviousStatus(raw={"interlocks": [before]} if before else {})
    (lock,) = interlocks.check(SYSTEM, plans, status, at(now))
    assert str(lock.state) == state
    assert lock.closes_at == (at(closes) if closes is not None else None)
    assert bool(lock.message) == (state == "Closed")
    kept = before is not None and before["state"] == state
    assert lock.since == (at(-60) if kept else at(now))


def test_a_component_that_does_not_run_closes_the_gate() -> None:
    (lock,) = interlocks.check(SYSTEM, {"guard": plan("guard", H, at(0))}, PreviousStatus(), at(9))
    assert str(lock.state) == "Closed"
    assert "monitor does not run" in lock.message


def test_the_limit_counts_from_the_loss_of_health_and_not_from_the_latest_state() -> None:
    """Unhealthy, Recovering, Unhealthy: together longer than the limit."""
    row = PreviousComponent("guard", ComponentState.RECOVERING, since=at(2), unwell_since=at(0))
    status = PreviousStatus(components={"guard": row}, raw={"interlocks": [OPEN]})
    plans = {"guard": plan("guard", U, at(4)), "monitor": plan("monitor", H, at(0))}
    (lock,) = interlocks.check(SYSTEM, plans, status, at(5))
    assert str(lock.state) == "Closed"


@pytest.mark.parametrize(
    ("before", "state", "expected"),
    [
        (None, U, 9),
        (PreviousComponent("a", H, since=at(1)), U, 9),
        (PreviousComponent("a", U, since=at(4)), ComponentState.RECOVERING, 4),
        (PreviousComponent("a", ComponentState.RECOVERING, since=at(6), unwell_since=at(4)), U, 4),
        (PreviousComponent("a", ComponentState.STARTING, since=at(1)), U, 9),
        (PreviousComponent("a", ComponentState.STARTING, since=at(6), unwell_since=at(4)), U, 4),
        (PreviousComponent("a", X, since=at(1)), U, 9),
    ],
    ids=[
        "nothing known",
        "was well",
        "goes on",
        "went on",
        "only began",
        "a start in between",
        "was not known",
    ],
)
@pytest.mark.parametrize("earlier", [(), (at(-300),)], ids=["the first time", "had failed before"])
def test_since_when_it_is_unwell(
    before: PreviousComponent | None, state: ComponentState, expected: int, earlier: tuple[datetime, ...]
) -> None:
    """What was before it was last well has no part in it."""
    found = Assessment(state=state, reason="x", message="", since=at(9.4))
    known = replace(before, failures=earlier) if before is not None else None
    assert losses.unwell_since(known, found) == at(expected)


@pytest.mark.parametrize(
    ("before", "state", "reason", "now", "expected"),
    [
        (None, U, "Crashed", 10, ()),
        (PreviousComponent("a", H), H, "Healthy", 10, ()),
        (PreviousComponent("a", H), U, "Crashed", 10, (9,)),
        (PreviousComponent("a", H), ComponentState.RECOVERING, "RecoveryInProgress", 10, ()),
        (PreviousComponent("a", H), ComponentState.STARTING, "RollingOut", 10, ()),
        (PreviousComponent("a", U, failures=(at(9),)), U, "Crashed", 700, (9,)),
        (PreviousComponent("a", U, failures=(at(9),)), H, "Healthy", 608, (9,)),
        (PreviousComponent("a", U, failures=(at(9),)), H, "Healthy", 609, ()),
        (
            PreviousComponent("a", H, failures=tuple(at(i) for i in range(8))),
            U,
            "Crashed",
            10,
            (1, 2, 3, 4, 5, 6, 7, 9),
        ),
    ],
)
def test_losses_of_health_are_remembered_for_a_while(
    before: PreviousComponent | None,
    state: ComponentState,
    reason: str,
    now: int,
    expected: tuple[int, ...],
) -> None:
    found = Assessment(state=state, reason=reason, message="", since=at(9))
    assert losses.remember(before, found, None, at(now)) == tuple(map(at, expected))


@pytest.mark.parametrize(
    ("since", "known", "ended", "expected"),
    [
        pytest.param(8, (1,), 7, (1,), id="the kubelet's answer to the loss goes on"),
        pytest.param(8, (1,), None, (1, 9), id="no container ended: it is well and unwell by turns"),
        pytest.param(6, (1,), 5, (1, 9), id="it was well for longer than a moment"),
        pytest.param(20, (15,), 8, (15, 20), id="the container ended before the loss"),
        pytest.param(8, (), 7, (9,), id="the first loss is one"),
    ],
)
def test_what_the_kubelet_does_about_a_loss_is_no_other_loss(
    since: int, known: tuple[int, ...], ended: int | None, expected: tuple[int, ...]
) -> None:
    now = max(10, since + 1)
    before = PreviousComponent("a", H, since=at(since), failures=tuple(map(at, known)))
    found = Assessment(state=U, reason="NotReady", message="", since=at(max(9, since)))
    end = at(ended) if ended is not None else None
    assert losses.remember(before, found, end, at(now)) == tuple(map(at, expected))
