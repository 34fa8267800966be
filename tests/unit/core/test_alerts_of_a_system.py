"""Alerts of a whole system in the model of a cluster: passes, deliveries, a new operator."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

from alluse_operator.api.errors import FieldError, InvalidSpec
from alluse_operator.api.spec import AlertSeverity, Criticality
from alluse_operator.api.status import AllUseSystemStatus
from alluse_operator.core.desired import AlertPolicy, Dependency
from alluse_operator.core.notices import Delivery, Notice, NoticeKind, Outbox
from alluse_operator.core.report import make_report
from builders import at
from desired_values import make_component, make_system
from model_cluster import ModelCluster

ROOT = make_component("root", criticality=Criticality.OPTIONAL)
DEPENDANTS = tuple(
    make_component(f"d{n}", dependencies=(Dependency("root"),), criticality=Criticality.IMPORTANT)
    for n in range(7)
)
POLICY = AlertPolicy(routes=dict.fromkeys(AlertSeverity, ("pager",)))
SHOP = make_system(ROOT, *DEPENDANTS, alerts=POLICY)


class Told:
    """Passes over a model cluster with a sink that takes everything at once."""

    def __init__(self) -> None:
        self.cluster = ModelCluster(SHOP, SHOP)
        self.outbox = Outbox(sinks=frozenset({"pager", "event", "log"}))
        self.notices: list[Notice] = []

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            done = self.cluster.reconcile(write_status=False)
            if done is None:
                return
            report = make_report(done.snapshot, done.plan, done.outcomes, done.now, self.outbox)
            if report.status is not None:
                AllUseSystemStatus.model_validate(report.status)
                if self.cluster.resource is not None:
                    self.cluster.resource["status"] = copy.deepcopy(dict(report.status))
            assert report.alerts.recheck_at is None or report.alerts.recheck_at > done.now
            self.notices += report.alerts.notices
            taken = {notice.key: Delivery(notice, notice.sinks) for notice in report.alerts.notices}
            self.outbox = replace(self.outbox, done={**self.outbox.done, **taken})
            self.cluster.tick(1)

    def alerts(self) -> list[dict[str, Any]]:
        assert self.cluster.resource is not None
        return list(self.cluster.resource["status"].get("alerts", []))


def kinds(told: Told) -> list[tuple[NoticeKind, str]]:
    return [(notice.kind, notice.subject) for notice in told.notices]


def test_a_root_with_seven_dependants_pages_once_and_says_when_it_is_over() -> None:
    told = Told()
    told.run(20)
    assert not told.notices
    for component in SHOP.components:
        told.cluster.broken[component] = "crash"
    for pod in list(told.cluster.pods.values()):
        told.cluster.crash(pod)
    told.run(60)
    [notice] = told.notices
    assert (notice.kind, notice.subject) == (NoticeKind.FIRING, "root")
    assert notice.severity is AlertSeverity.WARNING, "by the worst that it touches"
    assert set(notice.affects) == {component.name for component in DEPENDANTS}
    assert [row["state"] for row in told.alerts()] == ["Firing"]
    told.cluster.broken.clear()
    told.run(40)
    assert kinds(told) == [(NoticeKind.FIRING, "root"), (NoticeKind.RESOLVED, "root")]
    assert not told.alerts()


def test_a_new_operator_pages_nobody_a_second_time() -> None:
    told = Told()
    told.run(20)
    told.cluster.broken["root"] = "crash"
    told.cluster.crash(next(pod for pod in told.cluster.pods.values() if pod.component == "root"))
    told.run(60)
    told.outbox = Outbox(sinks=told.outbox.sinks)
    told.run(60)
    assert kinds(told) == [(NoticeKind.FIRING, "root")]


def test_what_recovers_within_the_group_s_wait_is_told_to_nobody() -> None:
    told = Told()
    told.run(20)
    told.cluster.crash(next(pod for pod in told.cluster.pods.values() if pod.component == "d3"))
    told.run(60)
    assert not told.notices


def test_recovery_that_gives_up_is_told_once_more_and_as_critical() -> None:
    told = Told()
    told.run(20)
    for _ in range(60):
        for pod in told.cluster.pods.values():
            if pod.component == "d0":
                told.cluster.turn_grey(pod)
        told.run(1)
    assert [(n.subject, n.severity, n.exhausted) for n in told.notices] == [
        ("d0", AlertSeverity.WARNING, False),
        ("d0", AlertSeverity.CRITICAL, True),
    ]


def test_a_system_that_is_deleted_says_that_its_alerts_are_over() -> None:
    told = Told()
    told.run(20)
    told.cluster.broken["d0"] = "crash"
    told.cluster.crash(next(pod for pod in told.cluster.pods.values() if pod.component == "d0"))
    told.run(30)
    told.cluster.delete_resource()
    told.run(60)
    assert told.cluster.resource is None
    assert kinds(told) == [(NoticeKind.FIRING, "d0"), (NoticeKind.RESOLVED, "d0")]
    assert told.notices[-1].resolved_at is not None
    assert told.notices[-1].resolved_at >= at(20)


INVALID = InvalidSpec([FieldError("spec.components", "dependency cycle: a -> b -> a")])


def test_a_spec_that_makes_no_sense_is_told_and_its_end_too() -> None:
    told = Told()
    told.run(20)
    assert told.cluster.resource is not None
    everything = [{"severity": severity, "sinks": ["pager"]} for severity in AlertSeverity]
    told.cluster.resource["spec"] = {"alerts": {"routes": everything}, "components": "nonsense"}
    told.cluster.desired = INVALID
    told.run(30)
    [notice] = told.notices
    assert (notice.kind, notice.name, notice.subject) == (NoticeKind.FIRING, "SpecInvalid", "")
    assert (notice.severity, notice.sinks) == (AlertSeverity.WARNING, ("pager",))
    assert "dependency cycle: a -> b -> a" in notice.message
    told.cluster.desired = SHOP
    told.run(10)
    assert [found.kind for found in told.notices] == [NoticeKind.FIRING, NoticeKind.RESOLVED]
    assert not told.alerts()


def test_where_the_routes_cannot_be_read_either_the_usual_ones_are_taken() -> None:
    told = Told()
    told.run(20)
    assert told.cluster.resource is not None
    told.cluster.resource["spec"] = {"alerts": {"routes": "nonsense"}}
    told.cluster.desired = INVALID
    told.run(30)
    assert [notice.sinks for notice in told.notices] == [("event", "log")]


def test_what_was_wrong_before_stays_so_while_the_spec_makes_no_sense() -> None:
    told = Told()
    told.run(20)
    told.cluster.broken["root"] = "crash"
    told.cluster.crash(next(pod for pod in told.cluster.pods.values() if pod.component == "root"))
    told.run(60)
    told.cluster.desired = INVALID
    told.run(30)
    assert {row["name"] for row in told.alerts()} == {"ComponentNotWell", "SpecInvalid"}
    assert all(notice.kind is NoticeKind.FIRING for notice in told.notices)
