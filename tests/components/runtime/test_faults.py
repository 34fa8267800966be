"""Faults on order: what each does, where they are taken, and how they end."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from alluse.runtime import health
from alluse.runtime.faults import EXIT_MARK, FaultKind, FaultRequest, Faults, must_exit
from alluse.runtime.service import Endpoint, Service
from health_reports import checks, report
from inprocess import Component, component, until


@pytest.mark.parametrize(
    ("environment", "faults", "config", "status"),
    [
        ("production", False, {}, 404),
        ("development", False, {}, 404),
        ("test", False, {}, 202),
        ("test", False, {"development.test_mode": False}, 404),
        ("production", True, {}, 202),
        ("development", True, {}, 202),
    ],
)
async def test_where_faults_are_taken(
    tmp_path: Path, environment: str, faults: bool, config: dict[str, Any], status: int
) -> None:
    service: Service[None] = Service(name="position-sizer")
    async with component(service, tmp_path, environment=environment, config=config, faults=faults) as it:
        assert (await it.post("/admin/fault", {"fault": "clear"})).status == status


async def inject(it: Component, **fault: Any) -> None:
    assert (await it.post("/admin/fault", fault)).status == 202


async def statuses(it: Component) -> list[int]:
    it.runtime.board.forget_report()
    return [(await it.get(path)).status for path in ("/health/live", "/health/ready", "/health")]


async def answer_fractions(call: Any) -> dict[str, Any]:
    return {"size": 0.25, "contracts": 3, "parts": [0.5, {"name": "x", "weight": 1.5}], "ok": True}


ANSWERING: Service[None] = Service(
    name="position-sizer", endpoints=(Endpoint("GET", "/v1/answer", answer_fractions),)
)
KEEPING: Service[None] = Service(
    name="memory-manager", endpoints=(Endpoint("GET", "/v1/answer", answer_fractions),)
)


@pytest.mark.parametrize(
    ("fault", "seen"),
    [("not-live", [503, 200, 200]), ("not-ready", [200, 503, 200]), ("flap", [200, 503, 503])],
)
async def test_a_lie_about_health_ends_when_it_is_cleared(
    tmp_path: Path, fault: str, seen: list[int]
) -> None:
    async with component(ANSWERING, tmp_path) as it:
        await inject(it, fault=fault)
        assert await statuses(it) == seen
        assert (await it.get("/v1/answer")).status == 200, "it answers as if nothing were wrong"
        await inject(it, fault="clear")
        assert await statuses(it) == [200, 200, 200]


async def test_wrong_answers_are_found_by_the_self_test_and_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "SELFTEST_EVERY_S", 0.05)
    async with component(ANSWERING, tmp_path) as it:
        await inject(it, fault="wrong-answer", seconds=600)

        async def refuses() -> bool:
            return (await it.get("/v1/answer")).status == 503

        await until(refuses, "it does not answer any more")
        assert await statuses(it) == [200, 503, 503]
        assert "fault injected" in checks((await report(it))[1])["self-test"][1]
        await inject(it, fault="clear")
        await until(lambda: it.runtime.board.readiness().ready, "it computes again")
        assert await statuses(it) == [200, 200, 200]


async def test_until_then_only_what_keeps_no_state_answers_wrongly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "SELFTEST_EVERY_S", 60.0)
    right = {"size": 0.25, "contracts": 3, "parts": [0.5, {"name": "x", "weight": 1.5}], "ok": True}
    wrong = {"size": 0.5, "contracts": 3, "parts": [1.0, {"name": "x", "weight": 3.0}], "ok": True}
    for service, wanted in ((ANSWERING, wrong), (KEEPING, right)):
        async with component(service, tmp_path) as it:
            await inject(it, fault="wrong-answer")
            assert (await it.get("/v1/answer")).json == wanted
            await inject(it, fault="clear")
            assert (await it.get("/v1/answer")).json == right


async def test_slow_delays_health_and_answers_but_no_probe(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    async with component(ANSWERING, tmp_path) as it:
        await inject(it, fault="slow", ms=150)
        for path, slow in (("/v1/answer", True), ("/health", True), ("/health/live", False)):
            started = loop.time()
            assert (await it.get(path)).status == 200
            assert (loop.time() - started >= 0.15) is slow, path


async def test_leak_takes_memory_and_gives_it_back(tmp_path: Path) -> None:
    async with component(ANSWERING, tmp_path) as it:
        kept = it.runtime.faults._kept
        await inject(it, fault="leak", mb=30, seconds=0.2)
        await until(lambda: sum(map(len, kept)) >= 30_000_000, "it has grown")
        await until(lambda: not kept, "it has given it back")


async def test_out_of_memory_needs_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with component(ANSWERING, tmp_path) as it:
        monkeypatch.setattr(it.runtime.resources, "memory_limit", lambda: None)
        refused = await it.post("/admin/fault", {"fault": "out-of-memory"})
        assert (refused.status, "no memory limit" in refused.json["detail"]) == (409, True)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_faults_end_by_themselves_and_flap_alternates(tmp_path: Path) -> None:
    clock = Clock()
    faults = Faults(tmp_path, clock)
    faults.inject(FaultRequest(fault=FaultKind.FLAP, seconds=9, ms=2000))
    faults.inject(FaultRequest(fault=FaultKind.NOT_READY, seconds=3))
    seen = []
    for second in range(12):
        clock.now = float(second)
        seen.append((faults.active(FaultKind.FLAP), faults.active(FaultKind.NOT_READY)))
    assert [flap for flap, _ in seen] == [True, True, False, False, True, True, False, False, True] + [
        False
    ] * 3
    assert [unready for _, unready in seen] == [True] * 3 + [False] * 9


def test_an_exit_is_repeated_until_its_time_is_over(tmp_path: Path) -> None:
    mark = tmp_path / EXIT_MARK
    assert not must_exit(tmp_path)
    mark.write_text(f"{time.time() + 60}")
    assert must_exit(tmp_path)
    mark.write_text(f"{time.time() - 1}")
    assert not must_exit(tmp_path)
    assert not mark.exists()
    mark.write_text("nonsense")
    assert not must_exit(tmp_path)
