"""Promises of alerts over any course of trouble, deliveries, lost writes and new operators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from alluse_operator.api.spec import AlertSeverity
from alluse_operator.api.status import ALERTS_MAX, AlertState, AlertStatus
from alluse_operator.core import alerts
from alluse_operator.core.alerts import advance
from alluse_operator.core.desired import AlertPolicy, Identity
from alluse_operator.core.notices import (
    AlertName,
    Alerts,
    Delivery,
    Notice,
    NoticeKind,
    Outbox,
    Situation,
    Trouble,
)
from builders import T0

IDENTITY = Identity("ns", "demo", "uid-1", 1)
POLICY = AlertPolicy(
    routes={
        AlertSeverity.CRITICAL: ("pager", "log"),
        AlertSeverity.WARNING: ("pager",),
        AlertSeverity.INFO: ("log",),
    },
    repeat=timedelta(minutes=10),
)
SINKS = frozenset({"pager", "log", "event"})
SUBJECTS = ("a", "b", "c")


@dataclass
class World:
    """An operator with its stored alerts, its notices on their way, and receivers that keep what they get."""

    now: datetime = T0
    rows: tuple[AlertStatus, ...] = ()
    outbox: Outbox = field(default_factory=lambda: Outbox(sinks=SINKS))
    underway: dict[str, Notice] = field(default_factory=dict)
    situation: Situation = field(default_factory=Situation)
    received: list[tuple[str, Notice]] = field(default_factory=list)
    crashed: bool = False
    refused: bool = False

    def reconcile(self, written: bool = True) -> Alerts:
        step = advance(self.rows, self.situation, POLICY, self.outbox, IDENTITY, self.now)
        assert len(step.rows) <= ALERTS_MAX
        assert step.recheck_at is None or step.recheck_at > self.now
        stored = alerts.stored({"alerts": [row.to_json() for row in step.rows]})
        assert stored == step.rows, "what is computed equals what is read back"
        if not written:
            return step
        self.rows = stored
        for notice in step.notices:
            assert notice.key not in self.outbox.sending, "handed out once by one process"
            assert notice.key not in self.outbox.done
            assert notice.sinks
            self.underway[notice.key] = notice
        self.outbox = replace(self.outbox, sending=frozenset(self.underway))
        again = advance(self.rows, self.situation, POLICY, self.outbox, IDENTITY, self.now)
        assert again.rows == self.rows
        assert not again.notices
        return step

    def deliver(self, taken: bool = True, recorded: bool = True) -> None:
        """The oldest notice on its way arrives, or is given up."""
        if not self.underway:
            return
        key = next(iter(self.underway))
        notice = self.underway.pop(key)
        sinks = notice.sinks if taken else ()
        self.refused |= not taken
        self.received += [(sink, notice) for sink in sinks]
        done = {**self.outbox.done, key: Delivery(notice, sinks)} if recorded else self.outbox.done
        self.outbox = Outbox(sinks=SINKS, sending=frozenset(self.underway), done=done)

    def restart(self, arrived: bool) -> None:
        """A new operator: it knows what is stored. What was on its way has arrived, or has not."""
        self.crashed = True
        while self.underway:
            self.deliver(taken=arrived, recorded=False)
        self.underway = {}
        self.outbox = Outbox(sinks=SINKS)

    def calm(self) -> None:
        """Trouble is over and everything that is sent arrives."""
        self.situation = Situation()
        for _ in range(6):
            self.reconcile()
            while self.underway:
                self.deliver()
            self.now += alerts.UNDELIVERED_RETRY

    def told(self, sink: str, fingerprint: str) -> list[Notice]:
        """What a receiver that drops repetitions has taken, in order."""
        unique = {
            notice.key: notice
            for name, notice in self.received
            if name == sink and notice.fingerprint == fingerprint
        }
        return list(unique.values())


def situation(choice: tuple[tuple[str, ...], int, bool, bool]) -> Situation:
    """Each of three subjects is well, in trouble (by severity), a symptom, or unsettled."""
    kinds, seconds, exhausted, frozen = choice
    severities = {s.value: s for s in AlertSeverity}
    return Situation(
        troubles=tuple(
            Trouble(
                AlertName.COMPONENT_NOT_WELL,
                subject,
                severities[kind],
                f"{subject} is not well",
                T0 + timedelta(seconds=seconds),
                exhausted=exhausted and subject == "a",
            )
            for subject, kind in zip(SUBJECTS, kinds, strict=True)
            if kind in severities
        ),
        symptoms={s: ("root",) for s, kind in zip(SUBJECTS, kinds, strict=True) if kind == "symptom"},
        unsettled=frozenset(s for s, kind in zip(SUBJECTS, kinds, strict=True) if kind == "unsettled"),
        frozen=frozen,
    )


kinds = st.sampled_from(("well", "Critical", "Critical", "Warning", "Info", "symptom", "unsettled"))
situations = st.tuples(
    st.tuples(kinds, kinds, kinds), st.integers(0, 30), st.booleans(), st.sampled_from((False, False, True))
).map(situation)


def _apply(name: str, *arguments: object) -> Callable[[World], object]:
    return lambda world: getattr(world, name)(*arguments)


def _change(new: Situation) -> Callable[[World], None]:
    def change(world: World) -> None:
        world.situation = new

    return change


def _wait(seconds: int) -> Callable[[World], None]:
    def wait(world: World) -> None:
        world.now += timedelta(seconds=seconds)

    return wait


orderly = st.one_of(
    situations.map(_change),
    st.sampled_from((1, 5, 6, 700)).map(_wait),
    st.just(_apply("reconcile")),
    st.just(_apply("reconcile")),
    st.just(_apply("deliver")),
)
anything = st.one_of(
    orderly,
    st.just(_apply("reconcile", False)),
    st.just(_apply("deliver", False)),
    st.booleans().map(lambda arrived: _apply("restart", arrived)),
)


@settings(max_examples=150)
@given(st.lists(anything, max_size=40))
def test_whoever_was_told_of_a_beginning_is_told_of_the_end(steps: list[Callable[[World], object]]) -> None:
    world = World()
    for step in steps:
        step(world)
    world.calm()
    assert not world.rows, "nothing is kept for ever"
    for key in {notice.fingerprint for _, notice in world.received}:
        told = world.told("pager", key)
        assert not told or told[-1].kind is NoticeKind.RESOLVED


@settings(max_examples=150)
@given(st.lists(orderly, max_size=40))
def test_nobody_is_told_of_an_end_without_a_beginning(steps: list[Callable[[World], object]]) -> None:
    world = World()
    for step in steps:
        step(world)
    world.calm()
    for sink in SINKS:
        for key in {notice.fingerprint for _, notice in world.received}:
            known = False
            for notice in world.told(sink, key):
                assert known or notice.kind is NoticeKind.FIRING
                known = notice.kind is NoticeKind.FIRING
            assert not known, "nor of a beginning without its end"


@settings(max_examples=150)
@given(st.lists(orderly, max_size=40))
def test_each_notice_of_a_beginning_says_something_new(steps: list[Callable[[World], object]]) -> None:
    """A second one is worse than the first, says that recovery has given up, or is a repetition in its time."""
    world = World()
    for step in steps:
        step(world)
    world.calm()
    for sink in SINKS:
        for key in {notice.fingerprint for _, notice in world.received}:
            before: Notice | None = None
            for notice in world.told(sink, key):
                if before is not None and notice.kind is before.kind is NoticeKind.FIRING:
                    assert (
                        notice.severity is not before.severity
                        or notice.exhausted > before.exhausted
                        or notice.made_at >= before.made_at + POLICY.repeat
                    )
                before = notice


@given(st.sampled_from(tuple(AlertSeverity)), st.integers(1, 7), st.booleans())
def test_one_root_with_seven_dependants_is_one_notice(
    severity: AlertSeverity, dependants: int, restarted: bool
) -> None:
    names = tuple(f"d{n}" for n in range(dependants))
    root = Trouble(AlertName.COMPONENT_NOT_WELL, "root", severity, "root crashes", T0, affects=names)
    world = World(situation=Situation(troubles=(root,), symptoms=dict.fromkeys(names, ("root",))))
    for _ in range(120):
        world.reconcile()
        world.deliver()
        world.now += timedelta(seconds=1)
        if restarted:
            world.reconcile()
            world.deliver()
            world.reconcile()
            world.restart(arrived=True)
    by_sink = {sink for sink, _ in world.received}
    assert by_sink == set(POLICY.routes[severity])
    assert len(world.received) == len(by_sink)


@given(situations, st.integers(0, 600))
def test_whoever_waits_until_t_tells_at_t(start: Situation, seconds: int) -> None:
    world = World(situation=start, now=T0 + timedelta(seconds=seconds))
    for _ in range(3):
        step = world.reconcile()
        world.deliver()
        world.deliver()
        world.deliver()
        if step.recheck_at is None:
            break
        world.now = step.recheck_at - timedelta(seconds=1)
        if world.now > T0 + timedelta(seconds=seconds):
            assert not world.reconcile().notices
        world.now = step.recheck_at
        before = world.rows
        assert world.reconcile().notices or world.rows != before


def test_a_component_that_starts_again_is_not_well_yet() -> None:
    root = Trouble(AlertName.COMPONENT_NOT_WELL, "root", AlertSeverity.CRITICAL, "root crashes", T0)
    world = World(situation=Situation(troubles=(root,)))
    for after in (
        Situation(troubles=(root,)),
        Situation(troubles=(root,)),
        Situation(unsettled=frozenset({"root"})),
        Situation(frozen=True),
        Situation(troubles=(root,)),
    ):
        world.reconcile()
        world.deliver()
        world.now += alerts.GROUP_WAIT
        world.situation = after
    world.reconcile()
    world.deliver()
    assert [notice.kind for sink, notice in world.received if sink == "pager"] == [NoticeKind.FIRING]
    world.calm()
    assert [notice.kind for sink, notice in world.received if sink == "pager"] == [
        NoticeKind.FIRING,
        NoticeKind.RESOLVED,
    ]


def test_more_trouble_than_can_be_kept_leaves_out_what_nobody_knows_of_yet() -> None:
    many = tuple(
        Trouble(AlertName.NODE_NOT_READY, f"node-{n}", AlertSeverity.WARNING, "gone", T0) for n in range(80)
    )
    world = World(situation=Situation(troubles=many))
    world.reconcile()
    world.now += alerts.GROUP_WAIT
    world.reconcile()
    known = {row.fingerprint for row in world.rows if row.state is AlertState.FIRING}
    assert len(known) == ALERTS_MAX
    worse = tuple(
        replace(trouble, severity=AlertSeverity.CRITICAL, subject=f"x{n}") for n, trouble in enumerate(many)
    )
    world.situation = Situation(troubles=(*worse, *many))
    world.reconcile()
    assert {row.fingerprint for row in world.rows} == known
    world.calm()
    assert (
        len([n for sink, n in world.received if sink == "pager" and n.kind is NoticeKind.RESOLVED])
        == ALERTS_MAX
    )
