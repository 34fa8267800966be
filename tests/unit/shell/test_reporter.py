"""Publishing: one status write where something is new, gathered, fenced; Events with the status that tells the same."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import fake_api
import virtual_time
from alluse_operator.api.status import ComponentState
from alluse_operator.cluster.kinds import SYSTEM
from alluse_operator.cluster.mirror import Key, Mirror
from alluse_operator.cluster.reporter import Reporter
from alluse_operator.core.events import Event, EventReason
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


class Bench:
    def __init__(self) -> None:
        self.api = fake_api.FakeApi()
        self.mirror = Mirror(lambda: asyncio.get_running_loop().time())
        self.told = Told()
        self.metrics = Metrics()
        self.leading = True
        self.reporter = Reporter(
            self.api,  # type: ignore[arg-type]
            self.mirror,
            self.told,  # type: ignore[arg-type]
            leading=lambda: self.leading,
            metrics=self.metrics,
        )
        metadata = {"name": "demo", "namespace": "shop", "uid": "uid-demo", "generation": 1}
        self.mirror.wrote(SYSTEM, self.api.put(SYSTEM, {"metadata": metadata, "spec": {}}))

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
        published = await bench.reporter.publish(KEY, bench.resource, report(None))
        assert (published.due_in, published.failed) == (None, False)
        assert bench.api.writes() == []

    virtual_time.run(scenario())


def test_headlines_go_out_at_once_and_the_rest_is_gathered_with_its_events() -> None:
    async def scenario() -> None:
        bench = Bench()
        starting = {"state": "Starting", "ready": "0/3"}
        assert (await bench.reporter.publish(KEY, bench.resource, report(starting))).due_in is None
        published = await bench.reporter.publish(
            KEY, bench.resource, report({**starting, "ready": "1/3"}, READY)
        )
        assert published.due_in is not None
        assert 0 < published.due_in.total_seconds() <= 0.5
        assert bench.told.events == []
        running = {"state": "Running", "ready": "3/3"}
        assert (await bench.reporter.publish(KEY, bench.resource, report(running))).due_in is None
        assert bench.told.events == [READY]
        assert bench.stored["ready"] == "3/3"
        progress = report({**running, "summary": "x"}, progress=True)
        assert (await bench.reporter.publish(KEY, bench.resource, progress)).due_in is not None
        await asyncio.sleep(0.5)
        assert (await bench.reporter.publish(KEY, bench.resource, progress)).due_in is None

    virtual_time.run(scenario())


@pytest.mark.parametrize("error", [ApiError(503, "X", "away"), ApiError(422, "Invalid", "bad")])
def test_events_wait_for_a_status_that_could_not_be_written(error: ApiError) -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.api.fault = fake_api.failing(1, error)
        published = await bench.reporter.publish(KEY, bench.resource, report({"state": "Starting"}, READY))
        assert published.failed
        assert bench.told.events == []
        again = Event(EventReason.COMPONENT_HEALTHY, "healthy after 3 s", "web")
        published = await bench.reporter.publish(KEY, bench.resource, report({"state": "Starting"}, again))
        assert not published.failed
        assert bench.told.events == [again]

    virtual_time.run(scenario())


def test_a_status_made_from_an_old_picture_is_refused_and_the_new_one_learned() -> None:
    async def scenario() -> None:
        bench = Bench()
        old = bench.resource
        edited = {**bench.resource, "spec": {"environment": "production"}}
        edited["metadata"] = {**edited["metadata"], "generation": 2}
        bench.api.put(SYSTEM, edited)
        published = await bench.reporter.publish(
            KEY, old, report({"state": "Running", "observedGeneration": 1})
        )
        assert published.failed
        assert bench.stored == {}
        assert bench.resource["spec"] == {"environment": "production"}

    virtual_time.run(scenario())


def test_a_status_is_never_given_to_a_namesake() -> None:
    async def scenario() -> None:
        bench = Bench()
        old = bench.resource
        bench.api.objects.clear()
        bench.api.put(SYSTEM, {"metadata": {"name": "demo", "namespace": "shop", "uid": "uid-new"}})
        assert (await bench.reporter.publish(KEY, old, report({"state": "Running"}))).failed
        assert bench.stored == {}

    virtual_time.run(scenario())


def test_an_own_write_to_the_resource_in_the_same_pass_is_no_conflict() -> None:
    async def scenario() -> None:
        bench = Bench()
        before = bench.resource
        bench.mirror.wrote(
            SYSTEM, bench.api.put(SYSTEM, {**before, "metadata": {**before["metadata"], "finalizers": ["x"]}})
        )
        assert not (await bench.reporter.publish(KEY, before, report({"state": "Starting"}))).failed

    virtual_time.run(scenario())


def test_without_the_lease_nothing_is_written() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.leading = False
        with pytest.raises(NotLeading):
            await bench.reporter.publish(KEY, bench.resource, report({"state": "Starting"}))
        assert bench.api.writes() == []

    virtual_time.run(scenario())


def test_facts_become_metrics_and_go_with_the_system() -> None:
    async def scenario() -> None:
        bench = Bench()
        facts = Facts(
            components={"web": ComponentState.HEALTHY},
            start_seconds={"web": 3},
            ready_seconds=7,
            recoveries=(("web", "RestartPod"),),
        )
        await bench.reporter.publish(KEY, bench.resource, report(None, facts=facts))
        text = bench.metrics.render().decode()
        labels = 'component="web",namespace="shop"'
        assert f'allusesystem_component_health{{{labels},state="Healthy",system="demo"}} 1.0' in text
        assert f'allusesystem_component_health{{{labels},state="Unhealthy",system="demo"}} 0.0' in text
        assert 'allusesystem_time_to_ready_seconds{namespace="shop",system="demo"} 7.0' in text
        assert f'allusesystem_recoveries_total{{action="RestartPod",{labels},system="demo"}} 1.0' in text
        bench.reporter.forget(KEY, "uid-demo")
        assert 'system="demo"' not in bench.metrics.render().decode()

    virtual_time.run(scenario())
