"""Publishing: one status write where something is new, gathered, fenced; Events with the status that tells the same."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

import fake_api
import virtual_time
from alluse_operator.api.spec import AlertSeverity, Criticality
from alluse_operator.api.status import AlertState, AlertStatus, ComponentState
from alluse_operator.cluster.kinds import SYSTEM
from alluse_operator.cluster.mirror import Key, Mirror
from alluse_operator.cluster.reporter import Reporter, gather_for
from alluse_operator.core.events import Event, EventReason
from alluse_operator.core.notices import AlertName, Alerts, Notice, NoticeKind
from alluse_operator.core.report import Facts, Report
from alluse_operator.errors import ApiError, NotLeading
from alluse_operator.metrics import Metrics

KEY = Key("shop", "demo")
READY = Event(EventReason.COMPONENT_HEALTHY, "healthy", "web")


class Told:
    """A recorder that only listens."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def record(self, system: Any, event: Event) -> None:
        self.events.append(event)

    def forget(self, uid: str) -> None: ...


class Handed:
    """A notifier that only listens."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []

    def submit(self, key: Key, resource: Any, notices: Iterable[Notice]) -> None:
        self.notices += notices

    def forget(self, key: Key) -> None: ...


class Bench:
    def __init__(self) -> None:
        self.api = fake_api.FakeApi()
        self.mirror = Mirror(lambda: asyncio.get_running_loop().time())
        self.told = Told()
        self.notifier = Handed()
        self.metrics = Metrics()
        self.leading = True
        self.woken: list[Key] = []
        self.reporter = Reporter(
            self.api,  # type: ignore[arg-type]
            self.mirror,
            self.told,  # type: ignore[arg-type]
            self.notifier,  # type: ignore[arg-type]
            leading=lambda: self.leading,
            wake=self.woken.append,
            metrics=self.metrics,
        )
        metadata = {"name": "demo", "namespace": "shop", "uid": "uid-demo", "generation": 1}
        self.mirror.wrote(SYSTEM, self.api.put(SYSTEM, {"metadata": metadata, "spec": {}}))

    async def publish(self, resource: dict[str, Any], report: Report) -> timedelta | None:
        """Hand a report over, and let what follows happen."""
        held_back = self.reporter.publish(KEY, resource, report)
        await asyncio.sleep(0.01)
        return held_back

    @property
    def resource(self) -> dict[str, Any]:
        found = self.mirror.system(KEY)
        assert found is not None
        return dict(found)

    @property
    def stored(self) -> dict[str, Any]:
        status: dict[str, Any] = self.api.objects["allusesystems", "shop", "demo"].get("status") or {}
        return status


def report(
    status: dict[str, Any] | None, *events: Event, progress: bool = False, facts: Facts | None = None
) -> Report:
    return Report(status, progress, events, facts or Facts())


def test_a_report_without_news_writes_nothing() -> None:
    async def scenario() -> None:
        bench = Bench()
        assert await bench.publish(bench.resource, report(None)) is None
        assert bench.api.writes() == []

    virtual_time.run(scenario())


def test_headlines_go_out_at_once_and_the_rest_is_gathered_with_its_events() -> None:
    async def scenario() -> None:
        bench = Bench()
        starting = {"state": "Starting", "ready": "0/3"}
        assert await bench.publish(bench.resource, report(starting)) is None
        held_back = await bench.publish(bench.resource, report({**starting, "ready": "1/3"}, READY))
        assert held_back is not None
        assert 0 < held_back.total_seconds() <= 1
        assert bench.told.events == []
        running = {"state": "Running", "ready": "3/3"}
        assert await bench.publish(bench.resource, report(running)) is None
        assert bench.told.events == [READY]
        assert bench.stored["ready"] == "3/3"
        progress = report({**running, "summary": "x"}, progress=True)
        assert await bench.publish(bench.resource, progress) is not None
        await asyncio.sleep(1)
        assert await bench.publish(bench.resource, progress) is None
        assert bench.stored["summary"] == "x"
        assert bench.woken == []

    virtual_time.run(scenario())


def test_events_are_told_in_the_order_of_the_newest_report() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.api.fault = fake_api.failing(1, ApiError(503, "X", "away"))
        ready = Event(EventReason.SYSTEM_READY, "ready")
        others = [Event(EventReason.COMPONENT_HEALTHY, "healthy", f"c{number}") for number in range(8)]
        await bench.publish(bench.resource, report({"state": "Running"}, *others[:4], ready))
        await asyncio.sleep(0.25)
        await bench.publish(bench.resource, report({"state": "Running"}, *others, ready))
        assert bench.told.events == [*others, ready]

    virtual_time.run(scenario())


def test_nobody_waits_for_a_write_and_a_pass_that_ends_meanwhile_is_repeated() -> None:
    async def scenario() -> None:
        bench = Bench()
        begun, answer, apply = asyncio.Event(), asyncio.Event(), bench.api.apply

        async def slow(*what: Any, **how: Any) -> dict[str, Any]:
            begun.set()
            await answer.wait()
            return await apply(*what, **how)

        bench.api.apply = slow  # type: ignore[method-assign]
        old = bench.resource
        assert bench.reporter.publish(KEY, old, report({"state": "Starting"}, READY)) is None
        await begun.wait()
        restored = Event(EventReason.DRIFT_CORRECTED, "made again", "web")
        assert bench.reporter.publish(KEY, old, report({"state": "Running"}, READY, restored)) is None
        assert bench.api.objects["allusesystems", "shop", "demo"].get("status") is None
        answer.set()
        await asyncio.sleep(0.01)
        assert bench.stored == {"state": "Starting"}
        assert bench.told.events == [READY]
        assert bench.woken == [KEY]
        assert await bench.publish(bench.resource, report({"state": "Running"})) is None
        assert bench.stored == {"state": "Running"}
        assert bench.told.events == [READY, restored]
        assert bench.woken == [KEY]

    virtual_time.run(scenario())


@pytest.mark.parametrize("error", [ApiError(503, "X", "away"), ApiError(422, "Invalid", "bad")])
def test_events_wait_for_a_status_that_could_not_be_written(error: ApiError) -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.api.fault = fake_api.failing(1, error)
        assert await bench.publish(bench.resource, report({"state": "Starting"}, READY)) is None
        assert bench.stored == {}
        assert bench.told.events == []
        again = Event(EventReason.COMPONENT_HEALTHY, "healthy after 3 s", "web")
        held_back = await bench.publish(bench.resource, report({"state": "Starting"}, again))
        assert held_back is not None
        assert bench.woken == []
        await asyncio.sleep(0.25)
        assert bench.woken == [KEY]
        assert await bench.publish(bench.resource, report({"state": "Starting"}, again)) is None
        assert bench.told.events == [again]

    virtual_time.run(scenario())


def test_a_refused_status_is_offered_ever_more_seldom_but_never_given_up() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.api.fault = fake_api.failing(1000, ApiError(422, "Invalid", "bad"))
        started = asyncio.get_running_loop().time()
        for _ in range(12):
            held_back = await bench.publish(bench.resource, report({"state": "Starting"}))
            if held_back is not None:
                await asyncio.sleep(held_back.total_seconds())
        await asyncio.sleep(60 - (asyncio.get_running_loop().time() - started))
        assert 5 <= len(bench.woken) <= 12
        bench.api.fault = None
        assert await bench.publish(bench.resource, report({"state": "Starting"})) is None
        assert bench.stored == {"state": "Starting"}

    virtual_time.run(scenario())


def test_a_status_made_from_an_old_picture_is_refused_and_the_new_one_learned() -> None:
    async def scenario() -> None:
        bench = Bench()
        old = bench.resource
        edited = {**bench.resource, "spec": {"environment": "production"}}
        edited["metadata"] = {**edited["metadata"], "generation": 2}
        bench.api.put(SYSTEM, edited)
        await bench.publish(old, report({"state": "Running", "observedGeneration": 1}))
        assert bench.stored == {}
        assert bench.resource["spec"] == {"environment": "production"}
        await asyncio.sleep(0.25)
        assert bench.woken == [KEY]

    virtual_time.run(scenario())


def test_a_status_is_never_given_to_a_namesake() -> None:
    async def scenario() -> None:
        bench = Bench()
        old = bench.resource
        bench.api.objects.clear()
        bench.api.put(SYSTEM, {"metadata": {"name": "demo", "namespace": "shop", "uid": "uid-new"}})
        await bench.publish(old, report({"state": "Running"}))
        assert bench.stored == {}

    virtual_time.run(scenario())


def test_an_own_write_to_the_resource_in_the_same_pass_is_no_conflict() -> None:
    async def scenario() -> None:
        bench = Bench()
        before = bench.resource
        bench.mirror.wrote(
            SYSTEM, bench.api.put(SYSTEM, {**before, "metadata": {**before["metadata"], "finalizers": ["x"]}})
        )
        await bench.publish(before, report({"state": "Starting"}))
        assert bench.stored == {"state": "Starting"}

    virtual_time.run(scenario())


def test_without_the_lease_nothing_is_written() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.leading = False
        with pytest.raises(NotLeading):
            await bench.publish(bench.resource, report({"state": "Starting"}))
        assert bench.api.writes() == []

    virtual_time.run(scenario())


def test_a_stop_ends_the_write_under_way() -> None:
    async def scenario() -> None:
        bench = Bench()

        async def never(*what: Any, **how: Any) -> dict[str, Any]:
            await asyncio.Event().wait()
            raise AssertionError

        bench.api.apply = never  # type: ignore[method-assign]
        await bench.publish(bench.resource, report({"state": "Starting"}, READY))
        await bench.reporter.stop()
        assert bench.told.events == []
        assert bench.woken == []

    virtual_time.run(scenario())


def test_facts_become_metrics_and_go_with_the_system() -> None:
    async def scenario() -> None:
        bench = Bench()
        facts = Facts(
            components={"web": ComponentState.HEALTHY},
            start_seconds={"web": 3},
            ready_seconds=7,
            recoveries=(("web", "RestartPod"),),
            criticalities={"web": Criticality.CRITICAL},
            roots=frozenset({"web"}),
            exhausted=("web",),
            suspended=True,
            interlocks={"gate": True},
            alerts={AlertSeverity.CRITICAL: 2},
            spec_invalid=True,
        )
        await bench.publish(bench.resource, report(None, facts=facts))
        text = bench.metrics.render().decode()
        labels = 'component="web",namespace="shop"'
        assert f'allusesystem_component_health{{{labels},state="Healthy",system="demo"}} 1.0' in text
        assert f'allusesystem_component_health{{{labels},state="Unhealthy",system="demo"}} 0.0' in text
        assert 'allusesystem_time_to_ready_seconds{namespace="shop",system="demo"} 7.0' in text
        assert f'allusesystem_recoveries_total{{action="RestartPod",{labels},system="demo"}} 1.0' in text
        of_component, of_system = f'{{{labels},system="demo"}} 1.0', '{namespace="shop",system="demo"} 1.0'
        for series in (
            f"allusesystem_component_root{of_component}",
            f"allusesystem_component_exhausted{of_component}",
            f"allusesystem_recovery_suspended{of_system}",
            f"allusesystem_spec_invalid{of_system}",
            'allusesystem_interlock_closed{interlock="gate",namespace="shop",system="demo"} 1.0',
            'allusesystem_alerts{namespace="shop",severity="Critical",system="demo"} 2.0',
        ):
            assert series in text, series
        await bench.publish(bench.resource, report(None, facts=Facts(components=facts.components)))
        text = bench.metrics.render().decode()
        assert 'allusesystem_spec_invalid{namespace="shop",system="demo"} 0.0' in text
        assert 'interlock="gate"' not in text
        bench.reporter.forget(KEY, "uid-demo", virtual_time.EPOCH)
        assert 'system="demo"' not in bench.metrics.render().decode()

    virtual_time.run(scenario())


NOTICE = Notice(
    key="0-firing",
    fingerprint="0" * 16,
    name=AlertName.COMPONENT_NOT_WELL,
    subject="web",
    kind=NoticeKind.FIRING,
    severity=AlertSeverity.CRITICAL,
    message="web is not well",
    since=virtual_time.EPOCH,
    made_at=virtual_time.EPOCH,
    sinks=("pager",),
)
ROW = AlertStatus(
    fingerprint="0" * 16,
    name=AlertName.COMPONENT_NOT_WELL,
    subject="web",
    state=AlertState.FIRING,
    severity=AlertSeverity.CRITICAL,
    since=virtual_time.EPOCH,
    active_at=virtual_time.EPOCH,
    sinks=("pager",),
)


def alerting(status: dict[str, Any] | None, **more: Any) -> Report:
    return replace(report(status), alerts=Alerts(rows=(ROW,), notices=(NOTICE,), **more))


def test_notices_are_handed_out_when_the_alert_is_stored_and_not_before() -> None:
    async def scenario() -> None:
        bench = Bench()

        def refuse(verb: str, kind: str, name: str) -> None:
            raise ApiError(503, "ServiceUnavailable", "later")

        bench.api.fault = refuse
        await bench.publish(bench.resource, alerting({"state": "Degraded"}))
        assert bench.notifier.notices == []
        bench.api.fault = None
        await asyncio.sleep(1)
        await bench.publish(bench.resource, alerting({"state": "Degraded"}))
        assert bench.notifier.notices == [NOTICE]
        await bench.publish(bench.resource, alerting(None))
        assert bench.notifier.notices == [NOTICE, NOTICE], "owed until it is recorded; the notifier drops it"

    virtual_time.run(scenario())


def test_a_system_that_is_gone_owes_the_end_to_those_who_know_of_trouble() -> None:
    async def scenario() -> None:
        bench = Bench()
        await bench.publish(bench.resource, alerting({"state": "Degraded"}))
        bench.reporter.forget(KEY, "uid-demo", virtual_time.EPOCH)
        first, last = bench.notifier.notices
        assert (first.kind, last.kind, last.sinks) == (NoticeKind.FIRING, NoticeKind.RESOLVED, ("pager",))
        bench.reporter.forget(KEY, "uid-demo", virtual_time.EPOCH)
        assert len(bench.notifier.notices) == 2

    virtual_time.run(scenario())


def test_a_sink_that_is_not_set_up_is_told_once() -> None:
    async def scenario() -> None:
        bench = Bench()
        for _ in range(3):
            await bench.publish(bench.resource, alerting(None, unknown_sinks=("pager", "team")))
        [event] = bench.told.events
        assert event.reason is EventReason.ALERT_SINK_UNKNOWN
        assert "pager, team" in event.note

    virtual_time.run(scenario())


@pytest.mark.parametrize(("took", "seconds"), [(0.0, 1.0), (0.03, 1.0), (0.3, 3.0), (2.0, 5.0)])
def test_statuses_are_written_the_more_seldom_the_longer_one_takes(took: float, seconds: float) -> None:
    assert gather_for(took) == pytest.approx(seconds)
