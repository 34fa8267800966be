"""metrics-collector as others meet it: scraping, pushing, asking, and who is down."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from alluse.contract import COMPONENTS
from alluse.runtime.http_client import HttpReply
from alluse.runtime.http_server import HttpRequest
from alluse.runtime.service import Service
from alluse.services.metrics_collector import SERVICE, flush, scraping
from inprocess import Component, System, component, until

FAST = {"monitoring.metrics.collection_interval": 0.5}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scraping.Scraper, "interval", lambda self: 0.03)
    monkeypatch.setattr(scraping, "LAST_BACKOFF_S", 0.05)


class Target:
    """Plays a component that shows metrics."""

    def __init__(self) -> None:
        self.up = True
        self.count = 0

    def __call__(self, request: HttpRequest) -> HttpReply:
        if not self.up:
            return HttpReply(503, {}, b"{}")
        self.count += 1
        return HttpReply(200, {}, f'x_total{{who="me"}} {self.count}\nrss_bytes 1000\n'.encode())


async def summary(it: Component, name: str, **query: Any) -> dict[str, Any] | None:
    answer = await it.get("/v1/summary", name=name, **query)
    return answer.json if answer.status == 200 else None


async def test_components_are_scraped(tmp_path: Path) -> None:
    system = System()
    system.played["market-analyzer"] = Target()
    async with component(SERVICE, tmp_path, system=system) as it:
        found = await until(
            lambda: summary(it, "x_total", labels="component=market-analyzer,who=me"), "there is a value"
        )
        assert (found["unit"], found["min"]) == ("count", 1)
        await until(lambda: system.played["market-analyzer"].count >= 3, "it is scraped again")
        series = (await it.get("/v1/series", name="x_total")).json["series"]
        assert series[0]["labels"] == {"component": "market-analyzer", "who": "me"}
        assert [value for _, value in series[0]["points"]][:2] == [1, 2]
        everything = (await it.get("/v1/summary", window_min=5)).json["metrics"]
        assert everything["rss_bytes"]["latest"] == 1000
        assert "process_resident_memory_bytes" in everything, "its own are there too"
        assert (await it.get("/v1/summary", name="unknown")).status == 404


async def test_real_components_are_scraped(tmp_path: Path) -> None:
    system = System()
    sizer: Service[None] = Service(name="position-sizer")
    async with (
        component(sizer, tmp_path, system=system),
        component(SERVICE, tmp_path, system=system) as it,
    ):
        query = {"name": "alluse_request_seconds_p95", "labels": "component=position-sizer,route=/metrics"}
        found = await until(lambda: summary(it, **query), "its latency is known")
        assert 0 < found["latest"] < 10


async def test_who_does_not_answer_three_times_is_down(tmp_path: Path) -> None:
    # By id, as receivers keep them: what is not acknowledged in time comes again.
    events: dict[str, dict[str, Any]] = {}

    def monitor(request: HttpRequest) -> HttpReply:
        if request.path == "/events":
            events.update({event["id"]: event for event in json.loads(request.body)})
            return HttpReply(202, {}, b"{}")
        return HttpReply(200, {}, b"")

    target, system = Target(), System()
    for name in COMPONENTS:
        if name not in ("metrics-collector", "health-monitor"):
            system.played[name] = Target()
    system.played |= {"market-analyzer": target, "health-monitor": monitor}
    async with component(SERVICE, tmp_path, system=system) as it:
        source = it.state.scraper.sources["market-analyzer"]
        await until(lambda: source.last_success, "it was seen")
        assert (await it.get("/v1/targets")).json["targets"][6]["up"]
        target.up = False
        await until(lambda: source.down, "it is down")
        target.up = True
        await until(lambda: len(events) == 2, "both events arrive")
        assert not source.down
    assert [event["type"].split(".")[3] for event in events.values()] == ["target_down", "target_up"]
    assert next(iter(events.values()))["data"] == {"component": "market-analyzer", "misses": 3}


async def test_few_answers_make_it_degraded_and_not_unhealthy(tmp_path: Path) -> None:
    async with component(SERVICE, tmp_path) as it:
        it.runtime.board.forget_report()
        answer = await it.get("/health")
        (check,) = [check for check in answer.json["checks"] if check["name"] == "targets"]
    assert (answer.status, check["status"]) == (200, "degraded")
    assert "of 16 targets" in check["detail"]


async def test_values_can_be_pushed(tmp_path: Path) -> None:
    async with component(SERVICE, tmp_path) as it:
        points = [
            {"name": "load", "value": value, "labels": {"job": "a"}, "unit": "ms"} for value in range(1, 101)
        ]
        answer = (await it.post("/v1/metrics", points)).json
        assert answer == {"accepted": 100, "refused": 0}
        found = await summary(it, "load")
        assert found == {
            "count": 100,
            "min": 1,
            "max": 100,
            "avg": 50.5,
            "p50": 50,
            "p95": 95,
            "p99": 99,
            "latest": 100,
            "unit": "ms",
        }
        old = [{"name": "load", "value": 1, "ts": "2001-01-01T00:00:00Z"}]
        assert (await it.post("/v1/metrics", old)).json == {"accepted": 0, "refused": 1}


@pytest.mark.parametrize(
    "point",
    [
        {"name": "1x", "value": 1},
        {"name": "x"},
        {"name": "x", "value": "y"},
        {"name": "x", "value": 1, "z": 1},
    ],
)
async def test_what_is_no_value_is_refused(tmp_path: Path, point: dict[str, Any]) -> None:
    async with component(SERVICE, tmp_path) as it:
        assert (await it.post("/v1/metrics", [point])).status == 422


async def test_ten_thousand_points_a_minute_are_no_effort(tmp_path: Path) -> None:
    async with component(SERVICE, tmp_path) as it:
        batch = [
            {"name": f"m{number % 100}", "value": number, "labels": {"k": str(number % 5)}}
            for number in range(2000)
        ]
        started = time.perf_counter()
        for _ in range(5):
            assert (await it.post("/v1/metrics", batch)).json["accepted"] == 2000
        assert time.perf_counter() - started < 20


async def test_minutes_survive_the_process(tmp_path: Path) -> None:
    async with component(SERVICE, tmp_path) as it:
        await it.post("/v1/metrics", [{"name": "load", "value": 3}, {"name": "load", "value": 5}])
    async with component(SERVICE, tmp_path) as it:
        assert await summary(it, "load", window_min=60) is None
        found = await summary(it, "load", window_min=120)
        assert found is not None
        assert (found["count"], found["min"], found["max"], found["latest"]) == (2, 3, 5, 5)
        series = (await it.get("/v1/series", name="load", since="2020-01-01T00:00:00Z")).json
        assert (series["resolution_s"], series["series"][0]["points"][0][1]) == (60, 4)


async def test_minutes_that_could_not_be_written_are_written_later(tmp_path: Path) -> None:
    async with component(SERVICE, tmp_path) as it:
        await it.post("/v1/metrics", [{"name": "load", "value": 3}])
        await it.runtime.store.write(lambda db: db.execute("ALTER TABLE rollup RENAME TO hidden"))
        with pytest.raises(Exception, match="no such table"):
            await flush(it.runtime.context)
        await it.runtime.store.write(lambda db: db.execute("ALTER TABLE hidden RENAME TO rollup"))
        await it.post("/v1/metrics", [{"name": "load", "value": 5}])
        await flush(it.runtime.context)
        found = await summary(it, "load", window_min=120)
        assert found is not None
        assert (found["count"], found["min"], found["max"]) == (2, 3, 5)


async def test_steps_average(tmp_path: Path) -> None:
    async with component(SERVICE, tmp_path) as it:
        await it.post("/v1/metrics", [{"name": "load", "value": 2}, {"name": "load", "value": 4}])
        series = (await it.get("/v1/series", name="load", step_s=86_400)).json["series"]
        assert [value for _, value in series[0]["points"]] == [3]
        assert (await it.get("/v1/series", name="load", labels="broken")).status == 422


async def test_events_of_others_become_a_series(tmp_path: Path) -> None:
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "/alluse/market-analyzer",
        "type": "com.alluse.market.analyzed.v1",
        "data": {"symbol": "KO"},
    }
    async with component(SERVICE, tmp_path) as it:
        assert (await it.post("/events", event)).json["accepted"] == 1
        found = await summary(it, "alluse_events_seen_total", labels="type=market.analyzed")
        assert found is not None
        assert found["latest"] == 1


async def test_switched_off_it_scrapes_nothing(tmp_path: Path) -> None:
    system = System()
    target = system.played["market-analyzer"] = Target()
    config = {"monitoring.enabled": False}
    async with component(SERVICE, tmp_path, system=system, config=config) as it:
        assert (await it.get("/health/ready")).status == 200
        it.runtime.board.forget_report()
        (check,) = [c for c in (await it.get("/health")).json["checks"] if c["name"] == "targets"]
        assert check["detail"] == "monitoring is switched off"
    assert target.count == 0
