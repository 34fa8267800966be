"""Hypothesis strategies for what the core decides on: systems, policies, histories, clocks."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from typing import Any

from hypothesis import strategies as st

from alluse_operator.api.spec import (
    ComponentType,
    Criticality,
    DependencyCondition,
    OnDeadline,
    OnUnhealthy,
    RecoveryAction,
    Requirement,
    TeardownOrder,
)
from alluse_operator.api.status import ActionType
from alluse_operator.core.desired import (
    Component,
    Dependency,
    Health,
    Identity,
    RecoveryPolicy,
    Rung,
    Startup,
    Storage,
    System,
    TeardownPolicy,
)
from alluse_operator.core.history import Attempt
from builders import T0
from desired_values import make_component, make_system

#: Hold is what most edges have.
_ON_UNHEALTHY = (OnUnhealthy.HOLD, OnUnhealthy.HOLD, OnUnhealthy.HOLD, *OnUnhealthy)
#: What the operator itself does; it leaves no record of a safe state.
_DEEDS = frozenset(action.value for action in RecoveryAction) - {"SafeState"} | {"RestartOnRecovery"}
NAMES = ("config", "logger", "monitor", "analyzer", "sizer", "agent")


def seconds(low: int, high: int) -> st.SearchStrategy[timedelta]:
    return st.integers(low, high).map(lambda count: timedelta(seconds=count))


def moments(low: int = 0, high: int = 2000) -> st.SearchStrategy[datetime]:
    """Whole milliseconds after the beginning of the tests' world."""
    return st.integers(low * 1000, high * 1000).map(lambda ms: T0 + timedelta(milliseconds=ms))


#: Ladders of any order and length; the safe state, where it is, at the end.
ladders = st.builds(
    lambda steps, counts, ends: (
        *(Rung(action, count) for action, count in zip(steps, counts, strict=False)),
        *((Rung(RecoveryAction.SAFE_STATE),) if ends else ()),
    ),
    st.permutations([action for action in RecoveryAction if action is not RecoveryAction.SAFE_STATE]),
    st.lists(st.integers(1, 3), min_size=1, max_size=5),
    st.booleans(),
)
#: The steps that can be taken: a restart of the pod always can.
possible_steps = st.sets(st.sampled_from(RecoveryAction)).map(
    lambda found: frozenset({*found, RecoveryAction.RESTART_POD} - {RecoveryAction.SAFE_STATE})
)

#: Small numbers, so that budgets and windows are really reached.
policies = st.builds(
    RecoveryPolicy,
    backoff_initial=seconds(1, 5),
    backoff_factor=st.integers(1, 3),
    backoff_max=seconds(2, 10),
    max_actions=st.sampled_from((1, 2, 3, 3)),
    window=seconds(10, 60),
    max_concurrent=st.integers(1, 2),
    reset_after=seconds(10, 60),
    retry_exhausted_every=seconds(60, 90),
    min_healthy_percent=st.sampled_from((0, 0, 50)),
    ladder=st.one_of(st.just(RecoveryPolicy().ladder), ladders),
)

_STEPS = [action for action in RecoveryAction if action is not RecoveryAction.SAFE_STATE]


def _from_the_way_back(steps: list[RecoveryAction]) -> list[RecoveryAction]:
    """The step that needs the rarest moment, a revision that has just turned bad, is tried first."""
    return sorted(steps, key=lambda action: action is not RecoveryAction.ROLLBACK_COMPONENT)


#: Ladders that are climbed within a minute or two, in any order.
climbing = st.builds(
    RecoveryPolicy,
    backoff_initial=seconds(1, 2),
    backoff_max=seconds(2, 4),
    max_actions=st.sampled_from((4, 6)),
    window=seconds(60, 200),
    max_concurrent=st.integers(1, 2),
    reset_after=seconds(30, 60),
    retry_exhausted_every=seconds(60, 90),
    min_healthy_percent=st.sampled_from((0, 0, 30)),
    ladder=st.permutations(_STEPS)
    .flatmap(lambda steps: st.sampled_from((steps, _from_the_way_back(steps))))
    .map(lambda steps: (*(Rung(action) for action in steps), Rung(RecoveryAction.SAFE_STATE))),
)


def attempts_at(times: st.SearchStrategy[datetime]) -> st.SearchStrategy[Attempt]:
    return st.builds(
        Attempt,
        pod_uid=st.sampled_from(("pod-a", "pod-b", "pod-c")),
        at=times,
        reason=st.sampled_from(("ProbeFailed", "NotReady")),
        number=st.integers(1, 6),
        generation=st.integers(1, 2),
        after_exhaustion=st.booleans(),
        action=st.sampled_from(
            (ActionType.RESTART_POD, ActionType.RESTART_POD, *(a for a in ActionType if a.value in _DEEDS))
        ),
        targets=st.sampled_from(((), (), ("pod-a",), ("pod-d", "pod-e"))),
        note=st.sampled_from(("", "node-1")),
    )


# Made once: a strategy that is made for each draw costs more than what it draws.
_one_in_four, _one_in_five, _one_in_six = st.integers(0, 3), st.integers(0, 4), st.integers(0, 5)
_criticalities = st.sampled_from(Criticality)
_replicas = st.sampled_from((1, 1, 2))
_versions = st.sampled_from("12")
_start_deadlines = st.integers(10, 40)
_healthy_for = st.sampled_from((0, 0, 3))
_max_parallel = st.sampled_from((1, 2, 16))
_orders = st.sampled_from((TeardownOrder.REVERSE, TeardownOrder.REVERSE, TeardownOrder.PARALLEL))
_teardown_deadlines = st.integers(10, 30)
_on_deadline = st.sampled_from(OnDeadline)


@cache
def _some_of(names: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(names), unique=True, max_size=3)


@st.composite
def components(draw: Any, name: str, before: dict[str, Component]) -> Component:
    """A component that depends on some of those before it."""
    targets = draw(_some_of(tuple(sorted(before)))) if before else []
    job = draw(_one_in_six) == 0
    return make_component(
        name,
        kind=ComponentType.JOB if job else ComponentType.SERVICE,
        criticality=draw(_criticalities),
        dependencies=tuple(
            draw(dependencies(target, before[target].kind is ComponentType.JOB)) for target in targets
        ),
        replicas=1 if job else draw(_replicas),
        storage=Storage("64Mi") if not job and draw(_one_in_five) == 0 else None,
        image=f"alluse/components:{draw(_versions)}",
        start_deadline=timedelta(seconds=draw(_start_deadlines)),
        health=Health(
            path="/health",
            period=timedelta(seconds=1),
            unhealthy_after=3,
            healthy_for=timedelta(seconds=draw(_healthy_for)),
        ),
    )


@cache
def dependencies(target: str, job: bool) -> st.SearchStrategy[Dependency]:
    conditions = (
        (DependencyCondition.COMPLETED, DependencyCondition.STARTED)
        if job
        else (DependencyCondition.HEALTHY, DependencyCondition.HEALTHY, DependencyCondition.STARTED)
    )
    names, found = st.just(target), st.sampled_from(conditions)
    grace = seconds(0, 10)
    required = st.builds(
        Dependency, names, found, st.just(Requirement.REQUIRED), st.sampled_from(_ON_UNHEALTHY), grace
    )
    return st.one_of(required, required, st.builds(Dependency, names, found, st.just(Requirement.PREFERRED)))


@st.composite
def systems(draw: Any, generation: int = 1, recovery: st.SearchStrategy[RecoveryPolicy] = policies) -> System:
    """A system of one to five components; dependencies lead to earlier names, so there is no cycle."""
    names = [name for name in NAMES if draw(_one_in_four)] or [NAMES[0]]
    found: dict[str, Component] = {}
    for name in names[:5]:
        found[name] = draw(components(name, found))
    return make_system(
        *found.values(),
        identity=Identity("shop", "shop", "00000000-0000-4000-8000-000000000001", generation),
        startup=Startup(max_parallel=draw(_max_parallel), deadline=timedelta(seconds=120)),
        recovery=draw(recovery),
        teardown=TeardownPolicy(
            order=draw(_orders),
            deadline=timedelta(seconds=draw(_teardown_deadlines)),
            on_deadline=draw(_on_deadline),
        ),
    )
