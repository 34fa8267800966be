"""health-monitor: what it believes, when it changes its mind, and whom it tells."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse.contract import COMPONENTS
from alluse.runtime.health import CheckResult, Health, HealthReport
from alluse.runtime.http_client import HttpReply
from alluse.runtime.http_server import HttpRequest
from alluse.schemas.health import ComponentStatus, OverallStatus
from alluse.services import health_monitor
from alluse.services.health_monitor.ledger import HISTORY, MISSES, Look, Record, overall, system_health
from alluse.services.health_monitor.monitor import Monitor
from inprocess import Component, System, component, until

S = ComponentStatus

#: The real one, looking more often.
SERVICE = replace(
    health_monitor.SERVICE,
    tasks=tuple(
        replace(task, interval={"sweep": 0.2, "live": 0.02, "checks": 0.02, "again": 0.02}[task.name])
        for task in health_monitor.SERVICE.tasks
    ),
)


def look(status: ComponentStatus, partial: bool = False, starting: bool = False) -> Look:
    why = None if status is S.HEALTHY else "why"
    return Look(status, "2026-01-01T00:00:00Z", 1.0, why, partial, starting)


LIVE, DEAD = look(S.HEALTHY, partial=True), look(S.UNREACHABLE, partial=True)
#: Not open yet, and not there yet.
OPENING, COMING = look(S.UNHEALTHY, starting=True), look(S.UNREACHABLE, partial=True, starting=True)
WELL, HALF, ILL, GONE = look(S.HEALTHY), look(S.DEGRADED), look(S.UNHEALTHY), look(S.UNREACHABLE)


@pytest.mark.parametrize(
    ("looks", "status", "failures"),
    [
        ([], S.UNKNOWN, 0),
        ([LIVE], S.HEALTHY, 0),
        ([WELL], S.HEALTHY, 0),
        ([HALF], S.DEGRADED, 0),
        ([HALF, LIVE], S.DEGRADED, 0),
        ([WELL, DEAD, DEAD], S.HEALTHY, 2),
        ([WELL, DEAD, DEAD, DEAD], S.UNREACHABLE, 3),
        ([WELL, DEAD, DEAD, LIVE, DEAD, DEAD], S.HEALTHY, 2),
        ([WELL, DEAD, DEAD, DEAD, LIVE], S.HEALTHY, 0),
        ([DEAD, DEAD], S.UNKNOWN, 2),
        ([WELL, ILL], S.UNHEALTHY, 1),
        ([WELL, ILL, LIVE], S.UNHEALTHY, 1),
        ([WELL, ILL, LIVE, WELL], S.HEALTHY, 0),
        ([WELL, GONE, GONE, DEAD], S.UNREACHABLE, 3),
        ([WELL, look(S.UNHEALTHY, partial=True)], S.HEALTHY, 1),
        ([COMING] * 20, S.UNKNOWN, 20),
        ([COMING] * 20 + [DEAD], S.UNREACHABLE, 21),
        ([COMING, COMING, COMING, LIVE, OPENING, OPENING, OPENING, WELL], S.HEALTHY, 0),
        ([OPENING] * 5, S.UNKNOWN, 5),
        ([OPENING, ILL], S.UNHEALTHY, 2),
        ([WELL, COMING, COMING, COMING], S.UNREACHABLE, 3),
        ([WELL, DEAD, OPENING], S.HEALTHY, 2),
        ([WELL, DEAD, DEAD, OPENING], S.UNHEALTHY, 3),
        ([WELL, OPENING, LIVE, OPENING, LIVE, OPENING], S.UNHEALTHY, 3),
    ],
)
def test_what_looks_lead_to(looks: list[Look], status: ComponentStatus, failures: int) -> None:
    record = Record("x", critical=False)
    for item in looks:
        record.take(item)
    assert (record.status, record.failures) == (status, failures)


all_looks = st.builds(
    look,
    st.sampled_from([S.HEALTHY, S.DEGRADED, S.UNHEALTHY, S.UNREACHABLE]),
    st.booleans(),
    st.booleans(),
)


@given(st.lists(all_looks, max_size=150))
def test_every_change_is_told_once_and_none_else(looks: list[Look]) -> None:
    record = Record("x", critical=True)
    status = S.UNKNOWN
    for item in looks:
        transition = record.take(item)
        if transition is None:
            assert record.status is status
        else:
            assert (transition.was, transition.now) == (status, record.status)
            assert transition.was is not transition.now
            status = transition.now
    assert len(record.history) == min(len(looks), HISTORY)


def test_what_is_wrong_is_told_until_somebody_knows_better() -> None:
    record = Record("x", critical=True)
    told = []
    for item in (WELL, ILL, LIVE, WELL, DEAD, LIVE, HALF, LIVE):
        record.take(item)
        told.append(record.health().error)
    assert told == [None, "why", "why", None, "why", None, "why", "why"]


@given(st.lists(all_looks, max_size=20))
def test_a_good_report_always_takes_everything_back(looks: list[Look]) -> None:
    record = Record("x", critical=True)
    for item in looks:
        record.take(item)
    record.take(WELL)
    assert (record.status, record.failures) == (S.HEALTHY, 0)


@given(st.lists(all_looks, max_size=20), all_looks.filter(lambda item: item.status.failing))
def test_three_misses_are_always_enough_for_one_that_has_been_up(looks: list[Look], bad: Look) -> None:
    record = Record("x", critical=True)
    for item in [WELL, *looks]:
        record.take(item)
    for _ in range(MISSES):
        record.take(bad)
    assert record.status.failing


@pytest.mark.parametrize(
    ("statuses", "swept", "wanted"),
    [
        ([(S.HEALTHY, True)], False, OverallStatus.UNKNOWN),
        ([(S.HEALTHY, True), (S.UNKNOWN, True)], True, OverallStatus.HEALTHY),
        ([(S.HEALTHY, True), (S.DEGRADED, True)], True, OverallStatus.DEGRADED),
        ([(S.HEALTHY, True), (S.UNREACHABLE, False)], True, OverallStatus.DEGRADED),
        ([(S.UNHEALTHY, True), (S.HEALTHY, False)], True, OverallStatus.CRITICAL),
    ],
)
def test_the_whole(statuses: list[tuple[ComponentStatus, bool]], swept: bool, wanted: OverallStatus) -> None:
    records = {
        str(number): Record(str(number), critical, status)
        for number, (status, critical) in enumerate(statuses)
    }
    assert overall(records.values(), swept) is wanted
    found = system_health(records, swept)
    assert found.total_failures == sum(status.failing for status, _ in statuses)
    assert found.critical_failures == sum(status.failing and critical for status, critical in statuses)


# -- the running component -----------------------------------------------------------------------------


class Played:
    """Plays a component with a health of its own."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.live = True
        self.status = Health.HEALTHY
        self.trouble, self.detail = "own", "some trouble"
        self.uptime_s = 1.0
        self.events: list[dict[str, Any]] = []

    def __call__(self, request: HttpRequest) -> HttpReply:
        if request.path == "/events":
            self.events += json.loads(request.body)
            return HttpReply(202, {}, b"{}")
        if request.path == "/health/live":
            return HttpReply(200 if self.live else 503, {}, b"{}")
        if request.path == "/health":
            check = CheckResult(name=self.trouble, status=self.status, critical=True, detail=self.detail)
            report = HealthReport(
                component=self.name,
                version="1",
                status=self.status,
                uptime_s=self.uptime_s,
                config_revision=1,
                checks=[check],
                ts="2026-01-01T00:00:00Z",
            )
            code = 503 if self.status is Health.UNHEALTHY else 200
            return HttpReply(code, {}, report.model_dump_json().encode())
        return HttpReply(404, {}, b"{}")


@pytest.fixture
def system() -> System:
    made = System()
    made.played = {name: Played(name) for name in COMPONENTS if name != "health-monitor"}
    return made


async def status(it: Component, name: str) -> str:
    return str((await it.get(f"/v1/health/{name}")).json["health"]["status"])


async def whole(it: Component) -> str:
    return str((await it.get("/v1/health")).json["overall_status"])


async def test_a_component_that_dies_and_comes_back(tmp_path: Path, system: System) -> None:
    analyzer, alerts = system.played["market-analyzer"], system.played["alert-manager"]
    assert isinstance(analyzer, Played)
    assert isinstance(alerts, Played)
    async with component(SERVICE, tmp_path, system=system) as it:
        records = it.state.records
        await until(lambda: records["market-analyzer"].status is S.HEALTHY, "it is seen healthy")
        del system.played["market-analyzer"]
        await until(lambda: records["market-analyzer"].status is S.UNREACHABLE, "its death is noticed")
        health = (await it.get("/v1/health")).json
        assert (health["overall_status"], health["critical_failures"]) == ("critical", 1)
        assert "not running" in health["components"]["market-analyzer"]["error"]
        system.played["market-analyzer"] = analyzer
        await until(lambda: records["market-analyzer"].status is S.HEALTHY, "its return is noticed")
        await until(lambda: len(changes(alerts)) >= 2, "both changes are told")
    assert changes(alerts)[:2] == [("healthy", "unreachable"), ("unreachable", "healthy")]


def changes(played: Played) -> list[tuple[str, str]]:
    """Each once: what is not acknowledged in time comes again."""
    return [
        (event["data"]["from"], event["data"]["to"])
        for event in {event["id"]: event for event in played.events}.values()
        if event["type"] == "com.alluse.health.changed.v1" and event["subject"] == "market-analyzer"
    ]


async def test_a_component_that_says_it_is_ill_is_believed(tmp_path: Path, system: System) -> None:
    selector = system.played["delta-selector"]
    assert isinstance(selector, Played)
    async with component(SERVICE, tmp_path, system=system) as it:
        record = it.state.records["delta-selector"]
        await until(lambda: record.status is S.HEALTHY, "it is healthy")
        selector.status = Health.UNHEALTHY
        await until(lambda: record.status is S.UNHEALTHY, "the next sweep believes it")
        one = (await it.get("/v1/health/delta-selector", history=100)).json
        assert one["health"]["error"] == "own: some trouble"
        assert len(one["history"]) >= 2
        selector.status = Health.DEGRADED
        await until(lambda: record.status is S.DEGRADED, "it is better")
        assert await whole(it) == "degraded"
        selector.status = Health.HEALTHY
        await until(lambda: record.status is S.HEALTHY, "it is well")


async def test_a_component_that_was_still_opening_is_not_ill_for_a_whole_round(
    tmp_path: Path, system: System
) -> None:
    """Rounds of an hour: only the second look tells that it is well, and that another is gone."""
    rounds = {"sweep": 3600.0, "live": 3600.0}
    slow = replace(
        SERVICE, tasks=tuple(replace(each, interval=rounds.get(each.name, 0.02)) for each in SERVICE.tasks)
    )
    analyzer = system.played["market-analyzer"]
    assert isinstance(analyzer, Played)
    analyzer.status = Health.UNHEALTHY
    async with component(slow, tmp_path, system=system) as it:
        await until(lambda: it.state.records["market-analyzer"].status is S.UNHEALTHY, "it is not open yet")
        await until(lambda: it.state.records["position-sizer"].been_up, "the other is well")
        del system.played["position-sizer"]
        await it.post("/v1/run")
        analyzer.status = Health.HEALTHY
        await until(lambda: it.state.records["market-analyzer"].status is S.HEALTHY, "it is well")
        await until(lambda: it.state.records["position-sizer"].status is S.UNREACHABLE, "the other is gone")


@pytest.mark.parametrize(
    ("trouble", "detail"),
    [("open", "the component has not been opened yet"), ("self-test", "has not run yet")],
)
async def test_who_has_never_been_up_is_starting_until_the_limit(
    tmp_path: Path, system: System, trouble: str, detail: str
) -> None:
    analyzer, alerts = system.played["market-analyzer"], system.played["alert-manager"]
    sizer = system.played.pop("position-sizer")
    assert isinstance(analyzer, Played)
    assert isinstance(alerts, Played)
    assert isinstance(sizer, Played)
    analyzer.status, analyzer.trouble, analyzer.detail = Health.UNHEALTHY, trouble, detail
    async with component(SERVICE, tmp_path, system=system) as it:
        records = it.state.records
        await until(lambda: records["market-analyzer"].failures > 2 * MISSES, "it is looked at often")
        await until(
            lambda: records["position-sizer"].failures > 2 * MISSES, "so is the one that is not there"
        )
        assert not records["market-analyzer"].status.failing
        assert not records["position-sizer"].status.failing
        assert await whole(it) == "degraded"
        assert changes(alerts) == []
        analyzer.uptime_s = 61.0
        await until(lambda: records["market-analyzer"].status is S.UNHEALTHY, "its time to start is over")
        await until(lambda: records["position-sizer"].status is S.UNREACHABLE, "so is the system's")
        analyzer.status = Health.HEALTHY
        system.played["position-sizer"] = sizer
        await until(lambda: records["market-analyzer"].status is S.HEALTHY, "it is up")
        await until(lambda: records["position-sizer"].status is S.HEALTHY, "so is the other")


async def test_what_a_look_found_does_not_wait_for_the_others(
    tmp_path: Path, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be put down after what a later look has found."""
    others = asyncio.Event()

    async def found(_: Monitor, name: str) -> Look:
        if name != "position-sizer":
            await others.wait()
        return WELL

    async with component(replace(SERVICE, tasks=()), tmp_path, system=system) as it:
        monkeypatch.setattr(Monitor, "_report", found)
        sweep = asyncio.create_task(it.state.sweep())
        await until(lambda: it.state.records["position-sizer"].status is S.HEALTHY, "it is put down")
        assert it.state.records["market-analyzer"].status is S.UNKNOWN
        others.set()
        await sweep
        assert it.state.records["market-analyzer"].status is S.HEALTHY


async def test_what_the_collector_missed_is_looked_at_at_once(tmp_path: Path, system: System) -> None:
    slow = replace(SERVICE, tasks=())
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "/alluse/metrics-collector",
        "type": "com.alluse.metrics.target_down.v1",
        "data": {"component": "market-analyzer", "misses": 3},
    }
    async with component(slow, tmp_path, system=system) as it:
        assert await status(it, "market-analyzer") == "unknown"
        await it.post("/events", event)
        assert await status(it, "market-analyzer") == "healthy"
        assert await status(it, "delta-selector") == "unknown"
        assert await whole(it) == "unknown", "there was no sweep"


async def test_a_sweep_can_be_asked_for(tmp_path: Path, system: System) -> None:
    async with component(replace(SERVICE, tasks=()), tmp_path, system=system) as it:
        assert (await it.post("/v1/run")).json["total_checks"] == 16
        health = (await it.get("/v1/health")).json
        assert health["last_check"] is not None
        assert {name for name, one in health["components"].items() if one["critical"]} == {
            name for name, facts in COMPONENTS.items() if facts.critical
        }


async def test_checks_can_be_registered(tmp_path: Path, system: System) -> None:
    check = {"name": "config-served", "component": "config-manager", "path": "/health/live", "critical": True}
    async with component(SERVICE, tmp_path, system=system) as it:
        assert (await it.post("/v1/checks", check)).status == 201
        record = await until(lambda: it.state.records.get("config-served"), "it is there")
        await until(lambda: record.status is S.HEALTHY, "it runs")
        assert (await it.get("/v1/checks")).json["checks"][0]["name"] == "config-served"
        assert (await it.post("/v1/checks", {**check, "name": "market-analyzer"})).status == 409
        assert (await it.post("/v1/checks", {**check, "component": "nobody"})).status == 422
        assert (await it.post("/v1/checks", {**check, "path": "http://elsewhere/"})).status == 422
        bad = {**check, "name": "bad", "path": "/nothing", "critical": False}
        await it.post("/v1/checks", bad)
        await until(
            lambda: it.state.records["bad"].latest and it.state.records["bad"].latest.error, "it fails"
        )
        assert (await it.get("/v1/health/nobody")).status == 404


async def test_it_is_degraded_when_its_sweeps_stop(tmp_path: Path, system: System) -> None:
    async with component(replace(SERVICE, tasks=()), tmp_path, system=system) as it:
        await it.post("/v1/run")
        it.state.swept_at -= 1000
        it.runtime.board.forget_report()
        answer = await it.get("/health")
        (check,) = [check for check in answer.json["checks"] if check["name"] == "sweep"]
        assert (answer.status, check["status"]) == (200, "degraded")
