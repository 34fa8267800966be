"""Events: one object for one thing however often, limited, never in the way. Time is virtual."""

from __future__ import annotations

import asyncio
from typing import Any

import fake_api
import virtual_time
from alluse_operator.cluster.recorder import BURST, Recorder
from alluse_operator.core.events import Event, EventReason
from alluse_operator.errors import ApiError
from alluse_operator.metrics import Metrics

SYSTEM = {"metadata": {"name": "demo", "namespace": "shop", "uid": "uid-demo"}}


def make(api: fake_api.FakeApi, *, leading: bool = True) -> Recorder:
    return Recorder(
        api,  # type: ignore[arg-type]
        instance="me",
        leading=lambda: leading,
        clock=virtual_time.LoopClock(),
        metrics=Metrics(),
    )


def unhealthy(note: str = "no answer", component: str = "web") -> Event:
    return Event(EventReason.COMPONENT_UNHEALTHY, note, component)


def stored(api: fake_api.FakeApi) -> list[dict[str, Any]]:
    return list(api.objects.values())


def test_a_repeated_thing_is_one_event_with_a_count_and_the_newest_words() -> None:
    async def scenario() -> None:
        api = fake_api.FakeApi()
        recorder = make(api)
        running = asyncio.create_task(recorder.run())
        for number in range(5):
            recorder.record(SYSTEM, unhealthy(f"web: failure {number}"))
            await asyncio.sleep(10)
        [event] = stored(api)
        assert (event["count"], event["message"]) == (5, "web: failure 4")
        assert (event["type"], event["reason"]) == ("Warning", "ComponentUnhealthy")
        assert event["firstTimestamp"] < event["lastTimestamp"]
        assert event["involvedObject"]["uid"] == "uid-demo"
        running.cancel()

    virtual_time.run(scenario())


def test_different_components_and_reasons_are_different_events() -> None:
    async def scenario() -> None:
        api = fake_api.FakeApi()
        recorder = make(api)
        running = asyncio.create_task(recorder.run())
        recorder.record(SYSTEM, unhealthy(component="a"))
        recorder.record(SYSTEM, unhealthy(component="b"))
        recorder.record(SYSTEM, Event(EventReason.COMPONENT_HEALTHY, "fine", "a"))
        await asyncio.sleep(1)
        assert len(stored(api)) == 3
        running.cancel()

    virtual_time.run(scenario())


def test_the_next_leader_goes_on_counting() -> None:
    async def scenario() -> None:
        api = fake_api.FakeApi()
        for _ in range(3):
            recorder = make(api)
            running = asyncio.create_task(recorder.run())
            recorder.record(SYSTEM, unhealthy())
            await asyncio.sleep(1)
            running.cancel()
        [event] = stored(api)
        assert event["count"] == 3

    virtual_time.run(scenario())


def test_an_event_that_the_server_has_forgotten_begins_anew() -> None:
    async def scenario() -> None:
        api = fake_api.FakeApi()
        recorder = make(api)
        running = asyncio.create_task(recorder.run())
        recorder.record(SYSTEM, unhealthy())
        await asyncio.sleep(1)
        api.objects.clear()
        recorder.record(SYSTEM, unhealthy())
        await asyncio.sleep(1)
        [event] = stored(api)
        assert event["count"] == 1
        running.cancel()

    virtual_time.run(scenario())


def test_a_storm_of_one_thing_waits_as_one_event() -> None:
    async def scenario() -> None:
        api = fake_api.FakeApi()
        recorder = make(api)
        for _ in range(1000):
            recorder.record(SYSTEM, unhealthy())
        running = asyncio.create_task(recorder.run())
        await asyncio.sleep(1)
        [event] = stored(api)
        assert event["count"] == 1000
        assert len(api.writes()) == 1
        running.cancel()

    virtual_time.run(scenario())


def test_a_storm_of_different_things_is_cut() -> None:
    async def scenario() -> None:
        api = fake_api.FakeApi()
        recorder = make(api)
        running = asyncio.create_task(recorder.run())
        for number in range(1000):
            recorder.record(SYSTEM, unhealthy(component=f"c{number}"))
            await asyncio.sleep(0.01)
        await asyncio.sleep(1)
        assert BURST <= len(stored(api)) <= BURST + 4
        running.cancel()

    virtual_time.run(scenario())


def test_failures_are_tried_again_and_then_dropped() -> None:
    async def scenario() -> None:
        api = fake_api.FakeApi(fault=fake_api.failing(2))
        recorder = make(api)
        running = asyncio.create_task(recorder.run())
        recorder.record(SYSTEM, unhealthy())
        await asyncio.sleep(5)
        assert len(stored(api)) == 1
        api.fault = fake_api.failing(99, ApiError(403, "Forbidden", "no"))
        recorder.record(SYSTEM, unhealthy(component="other"))
        await asyncio.sleep(5)
        assert len(stored(api)) == 1
        api.fault = None
        recorder.record(SYSTEM, unhealthy(component="third"))
        await asyncio.sleep(5)
        assert len(stored(api)) == 2
        running.cancel()

    virtual_time.run(scenario())


def test_who_does_not_lead_tells_nothing() -> None:
    async def scenario() -> None:
        api = fake_api.FakeApi()
        recorder = make(api, leading=False)
        running = asyncio.create_task(recorder.run())
        recorder.record(SYSTEM, unhealthy())
        await asyncio.sleep(5)
        assert api.requests == []
        running.cancel()

    virtual_time.run(scenario())
