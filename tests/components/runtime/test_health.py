"""What a component says about itself: live, ready, healthy, and why not."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from alluse.runtime import dependencies, health, trace
from alluse.runtime.context import Context
from alluse.runtime.errors import CheckDegradedError, CheckFailedError, SelfTestError
from alluse.runtime.faults import EXIT_MARK, FaultKind, FaultRequest, Faults, must_exit
from alluse.runtime.health import CheckResult, Health, overall
from alluse.runtime.http_client import HttpReply
from alluse.runtime.http_server import HttpRequest
from alluse.runtime.service import Check, Endpoint, Service, Task
from inprocess import Component, System, component, until


def checks(it: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {check["name"]: (check["status"], check["detail"]) for check in it["checks"]}


async def report(it: Component) -> tuple[int, dict[str, Any]]:
    it.runtime.board.forget_report()
    answer = await it.get("/health")
    return answer.status, answer.json


H, D, U = Health.HEALTHY, Health.DEGRADED, Health.UNHEALTHY


@pytest.mark.parametrize(
    ("results", "wanted"),
    [
        ([], H),
        ([(H, True), (H, False)], H),
        ([(D, True)], D),
        ([(D, False)], D),
        ([(U, False)], D),
        ([(U, True), (H, True)], U),
    ],
)
def test_the_whole_follows_from_the_parts(results: list[tuple[Health, bool]], wanted: Health) -> None:
    listed = [CheckResult(name="x", status=status, critical=critical) for status, critical in results]
    assert overall(listed) is wanted


async def test_a_component_alone_is_ready_and_degraded(tmp_path: Path) -> None:
    """Without config-manager it works with packaged values, and says so."""
    async with component(Service(name="position-sizer"), tmp_path) as it:
        assert (await it.get("/health/ready")).json == {
            "component": "position-sizer",
            "ready": True,
            "reasons": [],
        }

        async def knows() -> bool:
            return "cannot reach config-manager" in checks((await report(it))[1])["configuration"][1]

        await until(knows, "it knows that config-manager is missing")
        status, body = await report(it)
    assert (status, body["status"]) == (200, "degraded")
    assert checks(body)["configuration"][0] == "degraded"
    assert body["component"] == "position-sizer"
    assert body["uptime_s"] >= 0


async def test_checks_of_the_component_count(tmp_path: Path) -> None:
    raised: dict[str, Exception] = {}

    async def look(context: Context[None]) -> str:
        if raised:
            raise raised["it"]
        return "fine"

    service: Service[None] = Service(name="position-sizer", checks=(Check("own", look),))
    async with component(service, tmp_path) as it:
        status, body = await report(it)
        assert (status, checks(body)["own"]) == (200, ("healthy", "fine"))
        raised["it"] = CheckDegradedError("half")
        assert checks((await report(it))[1])["own"] == ("degraded", "half")
        for raised["it"], detail in (
            (CheckFailedError("broken"), "broken"),
            (ZeroDivisionError("oops"), "ZeroDivisionError: oops"),
        ):
            status, body = await report(it)
            assert (status, body["status"], checks(body)["own"]) == (503, "unhealthy", ("unhealthy", detail))


class Gate:
    """A check that answers at once, or when it is let through."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.begun = 0

    async def look(self, context: Context[None]) -> str:
        self.begun += 1
        await self.open.wait()
        return f"look {self.begun}"


@pytest.fixture
async def gated(tmp_path: Path) -> AsyncIterator[tuple[Component, Gate]]:
    gate = Gate()
    service: Service[None] = Service(name="position-sizer", checks=(Check("own", gate.look),))
    async with component(service, tmp_path) as it:
        yield it, gate


async def test_a_check_that_takes_its_time_is_no_illness(
    gated: tuple[Component, Gate], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report does not wait for it, and says what it found before."""
    monkeypatch.setattr(health, "HUNG_S", 3600.0)
    it, gate = gated
    status, body = await report(it)
    assert (status, checks(body)["own"]) == (200, ("healthy", "look 1"))
    gate.open.clear()
    for _ in range(3):
        status, body = await report(it)
        assert (status, checks(body)["own"]) == (200, ("healthy", "look 1"))
    assert gate.begun == 2, "nor is it begun again beside itself"
    gate.open.set()
    await until(lambda: it.runtime.board.checks[-1].looking.done(), "it ends")
    assert checks((await report(it))[1])["own"] == ("healthy", "look 2")


@pytest.mark.parametrize("answered_before", [True, False])
async def test_a_check_that_hangs_is_an_illness_until_it_ends(
    gated: tuple[Component, Gate], monkeypatch: pytest.MonkeyPatch, answered_before: bool
) -> None:
    monkeypatch.setattr(health, "HUNG_S", 0.02)
    it, gate = gated
    if answered_before:
        await report(it)
    gate.open.clear()

    async def is_sick() -> bool:
        status, body = await report(it)
        return status == 503 and checks(body)["own"][1].startswith("no answer for")

    await until(is_sick, "its hanging is told")
    gate.open.set()

    async def is_well() -> bool:
        return (await report(it))[0] == 200

    await until(is_well, "it ends")


async def test_a_check_has_nothing_of_the_request_that_asked(tmp_path: Path) -> None:
    seen: list[Any] = []

    async def look(context: Context[None]) -> str:
        seen.append(trace.current.get())
        return ""

    async with component(Service(name="position-sizer", checks=(Check("own", look),)), tmp_path) as it:
        it.runtime.board.forget_report()
        await it.call("GET", "/health", headers={"X-Deadline-Ms": "5"})
    assert seen[-1] is None


async def test_a_report_is_made_once_a_second(tmp_path: Path) -> None:
    made: list[int] = []

    async def look(context: Context[None]) -> str:
        made.append(1)
        return ""

    async with component(Service(name="position-sizer", checks=(Check("own", look),)), tmp_path) as it:
        it.runtime.board.forget_report()
        await asyncio.gather(*(it.get("/health") for _ in range(20)))
    assert len(made) == 1


async def answer(call: Any) -> dict[str, int]:
    return {"answer": 42}


async def test_a_component_that_computes_nonsense_is_not_ready_and_does_not_compute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "SELFTEST_EVERY_S", 0.01)
    wrong = [True]

    def golden() -> None:
        if wrong[0]:
            raise SelfTestError("got 1, want 2")

    service: Service[None] = Service(
        name="position-sizer", selftest=golden, endpoints=(Endpoint("GET", "/v1/answer", answer),)
    )
    async with component(service, tmp_path, ready=False) as it:
        await until(lambda: it.runtime.board.selftest.ran, "the golden case has run")
        ready = await it.get("/health/ready")
        assert (ready.status, ready.json["reasons"]) == (503, ["self-test: got 1, want 2"])
        assert (await it.get("/health/live")).status == 200
        assert (await it.get("/v1/answer")).status == 503
        status, body = await report(it)
        assert (status, checks(body)["self-test"]) == (503, ("unhealthy", "got 1, want 2"))
        assert "alluse_selftest_ok 0" in (await it.get("/metrics")).body.decode()
        wrong[0] = False
        await until(lambda: it.runtime.board.readiness().ready, "it recovers by itself")
        assert (await it.get("/v1/answer")).json == {"answer": 42}


async def test_a_component_that_cannot_open_tries_again(tmp_path: Path) -> None:
    attempts: list[int] = []

    async def open_(context: Context[str]) -> str:
        attempts.append(1)
        if len(attempts) == 1:
            raise RuntimeError("the file is not there")
        return "open"

    service: Service[str] = Service(
        name="position-sizer", open=open_, endpoints=(Endpoint("GET", "/v1/answer", answer),)
    )
    async with component(service, tmp_path, ready=False) as it:
        await until(lambda: attempts, "it tried")
        ready = await it.get("/health/ready")
        assert (ready.status, "the file is not there" in ready.json["reasons"]) == (503, True)
        assert (await it.get("/v1/answer")).status == 503
        assert (await it.post("/events", [])).status == 503
        await until(lambda: it.runtime.board.readiness().ready, "it opens at the second try")
        assert it.state == "open"


async def test_a_store_that_cannot_be_opened_is_a_reason_and_no_crash(tmp_path: Path) -> None:
    place = tmp_path / "position-sizer" / "state"
    place.parent.mkdir()
    place.write_text("a file in the way")
    async with component(Service(name="position-sizer"), tmp_path, ready=False) as it:
        await until(lambda: "cannot open" in str(it.runtime.board.readiness().reasons), "it says why")
        assert (await it.get("/health/live")).status == 200
        place.unlink()
        await until(lambda: it.runtime.board.readiness().ready, "it goes on when the file is gone")


# -- hard dependencies ---------------------------------------------------------------------------------


class Manager:
    """Plays config-manager for production-logger's hard dependency."""

    def __init__(self) -> None:
        self.ready = False
        self.live = True
        self.asked: list[str] = []

    def __call__(self, request: HttpRequest) -> HttpReply:
        self.asked.append(request.path)
        if request.path == "/health/ready":
            return HttpReply(200 if self.ready else 503, {}, b"{}")
        if request.path == "/health/live":
            return HttpReply(200 if self.live else 503, {}, b"{}")
        return HttpReply(503, {}, b"{}")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FAST_S", "STEADY_S", "RECHECK_S"):
        monkeypatch.setattr(dependencies, name, 0.01)


@pytest.mark.usefixtures("quick")
async def test_ready_waits_for_the_hard_dependency_to_be_ready(tmp_path: Path) -> None:
    system, manager = System(), Manager()
    async with component(Service(name="production-logger"), tmp_path, system=system, ready=False) as it:
        await until(lambda: not it.runtime._opening, "it is open")
        ready = await it.get("/health/ready")
        assert (ready.status, len(ready.json["reasons"])) == (503, 1)
        assert "config-manager" in ready.json["reasons"][0]
        system.played["config-manager"] = manager
        await until(lambda: "/health/ready" in manager.asked, "it asked")
        assert not it.runtime.board.readiness().ready
        status, _ = await report(it)
        assert status == 200, "a missing dependency is no illness: nobody must restart for it"
        manager.ready = True
        await until(lambda: it.runtime.board.readiness().ready, "it is ready")


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("needs", "stays"), [("always", False), ("start", True)])
async def test_a_dependency_that_is_lost(tmp_path: Path, needs: Any, stays: bool) -> None:
    system, manager = System(), Manager()
    manager.ready = True
    system.played["config-manager"] = manager
    service: Service[None] = Service(name="production-logger", needs_hard=needs)
    async with component(service, tmp_path, system=system) as it:
        manager.ready = False
        asked = len(manager.asked)
        await until(lambda: len(manager.asked) > asked + 5, "it looked again")
        assert it.runtime.board.readiness().ready, "not being ready is the dependency's own affair"
        manager.live = False
        await until(lambda: it.runtime.dependencies.missing(), "the loss is noticed")
        assert it.runtime.board.readiness().ready is stays
        status, body = await report(it)
        assert (status, checks(body)["hard-dependencies"][0]) == (200, "degraded")
        manager.live = True
        await until(lambda: it.runtime.board.readiness().ready, "it comes back")


# -- faults --------------------------------------------------------------------------------------------


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


# -- administration and information -------------------------------------------------------------------


async def test_caches_can_be_tuned(tmp_path: Path) -> None:
    async with component(Service(name="position-sizer"), tmp_path, environment="production") as it:
        it.runtime.context.cache("sizes")
        change = (await it.post("/admin/cache", {"cache": "sizes", "max_size": 20, "ttl_s": 30})).json
        assert change["before"] == [{"name": "sizes", "max_size": 1000, "ttl_s": 3600, "entries": 0}]
        assert change["after"] == [{"name": "sizes", "max_size": 20, "ttl_s": 30, "entries": 0}]
        assert (await it.post("/admin/cache", {"cache": "none"})).status == 422
        assert (await it.post("/admin/cache", {"max_size": 5})).status == 422


async def test_a_component_that_is_not_built_says_so(tmp_path: Path) -> None:
    async with component(Service(name="enhanced-agent", built=False), tmp_path, ready=False) as it:
        for method in ("GET", "POST", "DELETE"):
            refused = await it.call(method, "/v1/chat")
            assert (refused.status, refused.json["title"]) == (501, "Not implemented")
        info = (await it.get("/info")).json
    assert info["name"] == "enhanced-agent"
    assert info["built"] is False
    assert "market-analyzer" in info["hard_deps"]
    assert "com.alluse.agent.turn_failed.v1" in info["emits"]
    assert not set(info["hard_deps"]) & set(info["soft_deps"])


async def test_a_task_that_fails_is_logged_and_goes_on(tmp_path: Path) -> None:
    runs: list[int] = []

    async def work(context: Context[None]) -> None:
        runs.append(1)
        raise RuntimeError("task trouble")

    service: Service[None] = Service(name="position-sizer", tasks=(Task("work", work, 0.01),))
    async with component(service, tmp_path, config={"logging.format": "json"}) as it:
        await until(lambda: len(runs) >= 3, "it runs again")
    assert any("task trouble" in record.get("exception", "") for record in it.records)


async def test_health_answers_are_json_with_trace(tmp_path: Path) -> None:
    async with component(Service(name="position-sizer"), tmp_path) as it:
        live = await it.get("/health/live")
    assert json.loads(live.body) == {"component": "position-sizer", "status": "alive"}
    assert "traceparent" in live.headers
