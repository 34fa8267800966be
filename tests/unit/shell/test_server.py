"""The HTTP server: alive, ready or why not, and what is counted."""

from __future__ import annotations

import asyncio
import re

import aiohttp
import pytest

import fake_api
from alluse_operator import application, server
from alluse_operator.api.status import ComponentState
from alluse_operator.application import Application
from alluse_operator.metrics import Metrics
from alluse_operator.settings import Settings


def without_election(metrics: Metrics) -> Application:
    settings = Settings(
        component_version="1.0.0", http_host="127.0.0.1", http_port=0, explain_port=0, leader_election=False
    )
    return Application(settings, fake_api.FakeApi(), metrics=metrics)  # type: ignore[arg-type]


async def test_it_says_what_keeps_it_from_being_ready_and_stays_alive() -> None:
    troubles = ["the watch of /api/v1/pods is silent"]
    metrics = Metrics()
    refreshed: list[bool] = []
    runner = await server.start(
        "127.0.0.1", 0, metrics=metrics, troubles=lambda: troubles, refresh=lambda: refreshed.append(True)
    )
    base = f"http://127.0.0.1:{server.port_of(runner)}"
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{base}/readyz") as answer:
            assert (answer.status, await answer.text()) == (503, "the watch of /api/v1/pods is silent\n")
        async with session.get(f"{base}/livez") as answer:
            assert answer.status == 200
        troubles.clear()
        async with session.get(f"{base}/readyz") as answer:
            assert answer.status == 200
        metrics.request("APPLY", 201, 0.01)
        async with session.get(f"{base}/metrics") as answer:
            text = await answer.text()
            assert 'allusesystem_api_requests_total{code="201",verb="APPLY"} 1.0' in text
            assert "process_resident_memory_bytes" in text
    assert refreshed == [True]
    await runner.cleanup()


def test_a_component_that_is_no_longer_there_leaves_no_series() -> None:
    metrics = Metrics()
    metrics.show_components("shop", "demo", {"a": ComponentState.HEALTHY, "b": ComponentState.STARTING})
    metrics.show_components("shop", "demo", {"a": ComponentState.UNHEALTHY})
    text = metrics.render().decode()
    assert 'component="b"' not in text
    assert 'component="a",namespace="shop",state="Unhealthy",system="demo"} 1.0' in text
    assert 'component="a",namespace="shop",state="Healthy",system="demo"} 0.0' in text
    metrics.show_components("shop", "other", {"a": ComponentState.HEALTHY})
    metrics.forget_system("shop", "demo")
    text = metrics.render().decode()
    assert 'system="demo"' not in text
    assert 'system="other"' in text


async def test_an_operator_that_is_broken_off_while_it_starts_leaves_no_port_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def broken_off(*_: object, **__: object) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(server, "start_explaining", broken_off)
    operator = without_election(Metrics())
    with pytest.raises(asyncio.CancelledError):
        await operator.serve()
    assert operator.http_port
    with pytest.raises(OSError, match="Connect"):
        await asyncio.open_connection("127.0.0.1", operator.http_port)


async def test_who_does_not_lead_any_more_shows_nothing_of_the_systems(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it knew is old, and what it says of a component would go on as an alert for ever."""
    metrics = Metrics()
    operator = without_election(metrics)
    seen: list[str] = []

    class ShortTerm:
        def __init__(self, *_: object, **__: object) -> None: ...

        async def run(self, _: object) -> None:
            metrics.show_components("shop", "demo", {"a": ComponentState.UNHEALTHY})
            seen.append(metrics.render().decode())
            operator.stop()

    monkeypatch.setattr(application, "Term", ShortTerm)
    await operator.serve()
    assert 'system="demo"' in seen[0]
    assert 'system="demo"' not in metrics.render().decode()


async def test_who_leads_again_before_its_old_term_has_ended_says_that_it_leads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    metrics = Metrics()
    operator = without_election(metrics)
    seen: list[str] = []

    class ShortTerm:
        def __init__(self, *_: object, **__: object) -> None: ...

        async def run(self, _: object) -> None:
            seen.extend(re.findall(r"^allusesystem_leader .*", metrics.render().decode(), re.MULTILINE))
            if len(seen) == 1:
                operator._leadership_changed(False)
                operator._leadership_changed(True)
            else:
                operator.stop()

    monkeypatch.setattr(application, "Term", ShortTerm)
    await operator.serve()
    assert seen == ["allusesystem_leader 1.0"] * 2
    assert "\nallusesystem_leader 0.0\n" in metrics.render().decode()
