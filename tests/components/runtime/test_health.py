"""What a component says about itself: live, ready, healthy, and why not."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from alluse.runtime import health, trace
from alluse.runtime.context import Context
from alluse.runtime.errors import CheckDegradedError, CheckFailedError, SelfTestError
from alluse.runtime.health import CheckResult, Health, overall
from alluse.runtime.service import Check, Endpoint, Service, Task
from health_reports import checks, report
from inprocess import Component, component, until

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
