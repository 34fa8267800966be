"""What becomes of alerts: nothing is lost, nobody is told twice, the end of what was told is told."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse.domain import alerting
from alluse.domain.alerting import STORM, STORM_LIMIT, Board, Draft
from alluse.schemas.alerts import Alert, AlertRequest, AlertState, NoticeKind, Silence
from alluse.schemas.common import Severity

START = datetime(2026, 1, 5, tzinfo=UTC)
CRITICAL, WARNING, INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def request(name: str = "A", severity: Severity = CRITICAL, source: str = "s", **labels: str) -> AlertRequest:
    return AlertRequest(name=name, source=source, severity=severity, labels=labels)


def names(drafts: list[Draft]) -> list[tuple[str, str]]:
    return [(alert.name, alert.state.value) for draft in drafts for alert in draft.alerts]


def silence(until: float, **matchers: str) -> Silence:
    return Silence(id="quiet", matchers=matchers, until=at(until), reason="work", by="me", created=START)


def test_the_same_source_name_and_labels_are_the_same_alert() -> None:
    board = Board()
    first = alerting.take(board, request(a="1", b="2"), START)
    again = alerting.take(
        board, AlertRequest(name="A", source="s", severity=CRITICAL, labels={"b": "2", "a": "1"}), at(5)
    )
    assert (again.id, again.count, again.first_seen, again.last_seen) == (first.id, 2, START, at(5))
    others = [
        request(a="1"),
        request("B", a="1", b="2"),
        request(source="t", a="1", b="2"),
        request(a="1", b="3"),
    ]
    assert first.id not in {alerting.take(board, other, at(6)).id for other in others}
    assert alerting.fingerprint("s", "A", {"a": "1\x00b"}) != alerting.fingerprint(
        "s", "A", {"a": "1", "b": ""}
    )


@pytest.mark.parametrize(
    ("severity", "told_at"),
    [(CRITICAL, [0, 300, 600]), (WARNING, [30, 3630]), (INFO, [0])],
    ids=["critical at once, every five minutes", "warning grouped, every hour", "info once"],
)
def test_when_each_severity_is_told(severity: Severity, told_at: list[int]) -> None:
    board = Board()
    alerting.take(board, request(severity=severity), START)
    limit = 700 if severity is not WARNING else 4000
    assert [second for second in range(limit) if alerting.tick(board, at(second))] == told_at


def test_an_acknowledged_alert_is_not_repeated_until_it_gets_worse() -> None:
    board = Board()
    alert = alerting.take(board, request(severity=WARNING), START)
    alerting.tick(board, START)
    alerting.acknowledge(board, alert.id, "me", at(31))
    assert not any(alerting.tick(board, at(second)) for second in range(40, 8000, 50))
    worse = alerting.take(board, request(severity=CRITICAL), at(8001))
    assert worse.state is AlertState.FIRING
    assert names(alerting.tick(board, at(8001))) == [("A", "firing")]


def test_what_a_dead_component_causes_is_told_only_if_it_outlives_it() -> None:
    board = Board()
    down = alerting.take(board, request("ComponentDown", component="x"), START)
    slow = alerting.take(board, request("SlowP95", component="x"), at(1))
    other = alerting.take(board, request("SlowP95", component="y"), at(1))
    told = alerting.tick(board, at(1))
    assert {alert.id for draft in told for alert in draft.alerts} == {down.id, other.id}
    assert board.alerts[slow.id].inhibited_by == down.id
    alerting.resolve(board, down.id, "me", at(20))
    assert set(names(alerting.tick(board, at(20)))) == {("SlowP95", "firing"), ("ComponentDown", "resolved")}


def test_the_furthest_step_of_a_fall_explains_the_others() -> None:
    board = Board()
    low = alerting.take(board, request("DrawdownLevel", portfolio="p", step="1"), START)
    high = alerting.take(board, request("ProtectionEmergency", portfolio="p", step="4"), START)
    alerting.take(board, request("ProtectionEmergency", portfolio="q", step="3"), START)
    alerting.tick(board, START)
    assert board.alerts[low.id].inhibited_by == high.id
    assert sum(alert.inhibited_by is not None for alert in board.alerts.values()) == 1


def test_a_silence_delays_the_notice_and_its_end_is_told_if_the_beginning_was() -> None:
    board = Board()
    board.silences["quiet"] = silence(60, component="x*")
    muted = alerting.take(board, request(component="xyz"), START)
    assert alerting.tick(board, START) == []
    assert names(alerting.tick(board, at(60))) == [("A", "firing")]
    assert not board.silences
    board.silences["quiet"] = silence(600, name="A")
    alerting.resolve(board, muted.id, "me", at(70))
    assert names(alerting.tick(board, at(70))) == [("A", "resolved")]


def test_rules_end_their_alerts_after_two_evaluations_without_them() -> None:
    board = Board()
    alert = alerting.take(board, request(), START, rule="A")
    alerting.evaluated(board, "A", {alert.id}, at(15))
    alerting.evaluated(board, "A", set(), at(30))
    alerting.take(board, request(), at(45), rule="A")
    alerting.evaluated(board, "A", {alert.id}, at(45))
    alerting.evaluated(board, "A", set(), at(60))
    assert alert.id in board.alerts
    alerting.evaluated(board, "A", set(), at(75))
    assert [ended.resolved_by for ended in board.ended] == ["no longer found"]


def test_what_passes_within_its_hold_wakes_nobody() -> None:
    board = Board()
    held = AlertRequest(name="A", source="s", severity=CRITICAL, hold_s=30)
    starting = alerting.take(board, held, START)
    assert alerting.tick(board, at(29)) == []
    alerting.resolve(board, starting.id, "me", at(29))
    assert alerting.tick(board, at(29)) == []
    alerting.take(board, held, at(40))
    assert [second for second in range(40, 100) if alerting.tick(board, at(second))] == [70]


def test_an_alert_that_expires_is_over_when_it_was_not_seen_again() -> None:
    board = Board()
    alerting.take(board, AlertRequest(name="A", source="s", severity=CRITICAL, expires_s=10), START)
    alerting.tick(board, at(9))
    assert board.alerts
    assert names(alerting.tick(board, at(10))) == [("A", "resolved")]


def test_a_storm_is_one_alert_and_what_still_fires_is_told_together_afterwards() -> None:
    board = Board()
    alerts = [alerting.take(board, request(n=str(number)), at(number / 10)) for number in range(300)]
    assert names(alerting.tick(board, at(30))) == [(STORM, "firing")]
    alerting.resolve(board, alerts[0].id, "me", at(31))
    assert [alerting.tick(board, at(second)) for second in range(32, 60, 9)] == [[]] * 4
    after = [draft for second in range(60, 100) for draft in alerting.tick(board, at(second))]
    told = Counter(names(after))
    assert told[("A", "firing")] == 299
    assert told[("A", "resolved")] == 1
    assert told[(STORM, "resolved")] == 1
    assert len(after) <= 3


def test_nothing_is_told_when_notices_are_off_and_what_fires_is_told_when_they_are_on_again() -> None:
    board = Board()
    one = alerting.take(board, request("One"), START)
    alerting.take(board, request("Two"), START)
    assert alerting.tick(board, START, ()) == []
    alerting.resolve(board, one.id, "me", at(1))
    assert alerting.tick(board, at(1), ()) == []
    assert names(alerting.tick(board, at(2))) == [("Two", "firing")]


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["take", "take", "take", "resolve", "ack", "silence", "wait"]),
        st.integers(0, 7),
        st.sampled_from(list(Severity)),
        st.integers(0, 200),
    ),
    max_size=60,
)


class Model:
    """Applies operations and remembers everything that anybody was told."""

    def __init__(self) -> None:
        self.board = Board()
        self.now = 0.0
        self.notices: list[tuple[float, Draft]] = []
        #: Unique beginnings that are not over, by (id, first_seen).
        self.alive: set[tuple[str, datetime]] = set()
        self.over: list[Alert] = []

    def do(self, what: str, number: int, severity: Severity, seconds: int) -> None:
        labels = {"component": f"c{number % 3}"} if number % 2 else {"portfolio": "p", "step": str(number)}
        name = "ComponentDown" if number == 1 else f"N{number}"
        id_ = alerting.fingerprint("s", name, labels)
        now = at(self.now)
        match what:
            case "take":
                alert = alerting.take(
                    self.board, AlertRequest(name=name, source="s", severity=severity, labels=labels), now
                )
                self.alive.add((alert.id, alert.first_seen))
            case "resolve":
                alerting.resolve(self.board, id_, "me", now)
            case "ack":
                alerting.acknowledge(self.board, id_, "me", now)
            case "silence":
                self.board.silences["quiet"] = silence(self.now + seconds, name=name)
            case "wait":
                self.now += seconds
        self.tick()

    def tick(self) -> None:
        for draft in alerting.tick(self.board, at(self.now)):
            self.notices.append((self.now, draft))
        _, ended, _ = self.board.take_changes()
        self.over += [alert for alert in ended if alert.name != STORM]

    def let_pass(self, seconds: int) -> None:
        for _ in range(seconds // 10):
            self.now += 10
            self.tick()


@given(OPERATIONS)
def test_no_alert_is_ever_lost(operations: list[tuple[str, int, Severity, int]]) -> None:
    model = Model()
    for operation in operations:
        model.do(*operation)
    present = {(alert.id, alert.first_seen) for alert in model.board.alerts.values() if alert.name != STORM}
    assert present | {(alert.id, alert.first_seen) for alert in model.over} == model.alive
    model.board.silences.clear()
    model.let_pass(200)
    for alert in model.board.alerts.values():
        acknowledged = alert.state is AlertState.ACKNOWLEDGED
        assert alert.announced_at is not None or alert.inhibited_by is not None or acknowledged


@given(OPERATIONS)
def test_the_end_of_every_told_beginning_is_told_exactly_once(
    operations: list[tuple[str, int, Severity, int]],
) -> None:
    model = Model()
    for operation in operations:
        model.do(*operation)
    model.let_pass(200)
    told = Counter(
        (alert.id, alert.first_seen)
        for _, draft in model.notices
        for alert in draft.alerts
        if alert.state is AlertState.RESOLVED
    )
    announced = {(a.id, a.first_seen) for a in model.over if a.announced_at is not None}
    assert announced <= set(told)
    assert set(told.values()) <= {1}


@given(OPERATIONS)
def test_a_beginning_is_told_once_for_each_severity_it_reaches(
    operations: list[tuple[str, int, Severity, int]],
) -> None:
    model = Model()
    for operation in operations:
        model.do(*operation)
    told = Counter(
        (alert.id, alert.first_seen)
        for _, draft in model.notices
        if draft.kind is NoticeKind.ALERTS
        for alert in draft.alerts
        if alert.active and alert.name != STORM
    )
    assert all(count <= len(Severity) for count in told.values())


@given(st.lists(st.tuples(st.floats(0, 120), st.integers(0, 500)), min_size=1, max_size=300))
def test_there_is_no_storm_of_notices(firings: list[tuple[float, int]]) -> None:
    board, sent = Board(), []
    for second, number in sorted(firings):
        alert = alerting.take(board, request(n=str(number)), at(second))
        sent += [second for _ in alerting.tick(board, at(second))]
        if number % 3 == 0:
            alerting.resolve(board, alert.id, "me", at(second))
            sent += [second for _ in alerting.tick(board, at(second))]
    for begin in sent:
        assert sum(begin <= second < begin + 60 for second in sent) <= 2 * (STORM_LIMIT + 1) + 6
