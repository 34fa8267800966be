"""alert-manager as callers meet it: alerts, silences, rules, a webhook that fails at first, restarts."""

import asyncio
import hashlib
import hmac
import json
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from alluse.runtime.http_client import HttpReply
from alluse.runtime.http_server import HttpRequest
from alluse.services import alert_manager
from alluse.services.alert_manager import changing, delivery, manager
from ears import Ears
from inprocess import Component, System, component, until

SERVICE = alert_manager.SERVICE
ON = {"monitoring.alerts.enabled": True, "logging.format": "json"}
SECRET = "not a real secret"


@pytest.fixture
async def alerts(tmp_path: Path) -> AsyncIterator[Component]:
    async with component(SERVICE, tmp_path, config=ON) as running:
        yield running


def firing(name: str = "Broken", severity: str = "critical", **labels: str) -> dict[str, Any]:
    return {"name": name, "severity": severity, "source": "test", "message": "it broke", "labels": labels}


def lines(directory: Path) -> list[dict[str, Any]]:
    path = directory / "alert-manager" / "state" / "alerts.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


async def test_the_life_of_an_alert(alerts: Component, tmp_path: Path) -> None:
    first = (await alerts.post("/v1/alerts", firing(a="1"))).json
    assert (first["owed"], first["announced_at"] is not None) == (False, True)
    again = (await alerts.post("/v1/alerts", firing(a="1"))).json
    assert (again["id"], again["count"], again["state"]) == (first["id"], 2, "firing")
    await until(lambda: len(lines(tmp_path)) == 1, "the notice is written")
    acked = (await alerts.post(f"/v1/alerts/{first['id']}/ack", {"by": "me"})).json
    assert (acked["state"], acked["acknowledged_by"]) == ("acknowledged", "me")
    summary = (await alerts.get("/v1/summary")).json
    assert (summary["total_active"], summary["acknowledged"], summary["by_severity"]["critical"]) == (1, 1, 1)
    done = (await alerts.post(f"/v1/alerts/{first['id']}/resolve", {"by": "me"})).json
    assert (done["state"], done["resolved_by"]) == ("resolved", "me")
    assert (await alerts.post(f"/v1/alerts/{first['id']}/ack", {"by": "me"})).status == 409
    assert (await alerts.post("/v1/alerts/0123456789abcdef/ack", {"by": "me"})).status == 404
    assert (await alerts.get("/v1/summary")).json["total_resolved"] == 1
    assert [each["state"] for each in (await alerts.get("/v1/alerts")).json["alerts"]] == ["resolved"]
    assert (await alerts.get("/v1/alerts", state="firing")).json["alerts"] == []
    await until(lambda: len(lines(tmp_path)) == 2, "the end is told")
    assert [line["alerts"][0]["state"] for line in lines(tmp_path)] == ["firing", "resolved"]
    assert [record["alert_id"] for record in alerts.records if record.get("event") == "alert"] == [
        first["id"]
    ] * 2


@pytest.mark.parametrize(
    "body",
    [
        {},
        firing("1x"),
        firing(severity="bad"),
        {**firing(), "labels": {"a b": "c"}},
        {**firing(), "extra": 1},
    ],
)
async def test_what_is_refused(alerts: Component, body: dict[str, Any]) -> None:
    assert (await alerts.post("/v1/alerts", body)).status == 422


async def test_what_is_known_outlives_the_process(tmp_path: Path) -> None:
    until_ = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    async with component(SERVICE, tmp_path, config=ON) as running:
        alert = (await running.post("/v1/alerts", firing())).json
        await running.post("/v1/alerts", firing("Seen", "warning"))
        seen = (await running.post("/v1/alerts", firing("Seen", "warning"))).json
        await running.post(f"/v1/alerts/{seen['id']}/ack", {"by": "me"})
        quiet = await running.post(
            "/v1/silences", {"matchers": {"name": "Quiet*"}, "until": until_, "reason": "work"}
        )
        assert quiet.status == 201
        rules = (await running.get("/v1/rules")).json["rules"]
        assert {"HighErrorRate", "SlowP95", "MemoryHigh", "DiskHigh", "CpuHigh", "SelfTestFailed"} <= {
            rule["name"] for rule in rules
        }
        assert (await running.put("/v1/rules", {"rules": rules[:2]})).status == 200
        await until(lambda: running.state.delivery.last.get("file") == "", "the notice went out")
    async with component(SERVICE, tmp_path, config=ON) as running:
        states = {each["name"]: each["state"] for each in (await running.get("/v1/alerts")).json["alerts"]}
        assert states == {"Broken": "firing", "Seen": "acknowledged"}
        assert (await running.get(f"/v1/alerts/{alert['id']}")).json["announced_at"] is not None
        assert len((await running.get("/v1/rules")).json["rules"]) == 2
        silences = (await running.get("/v1/silences")).json["silences"]
        assert [each["id"] for each in silences] == [quiet.json["id"]]
        muted = (await running.post("/v1/alerts", firing("QuietOne"))).json
        assert muted["silenced_by"] == quiet.json["id"]
        assert (await running.delete(f"/v1/silences/{quiet.json['id']}")).status == 204
        assert (await running.delete(f"/v1/silences/{quiet.json['id']}")).status == 404
        await until(
            lambda: any(each["alerts"][0]["name"] == "QuietOne" for each in lines(tmp_path)), "it is told now"
        )
        assert sum(each["alerts"][0]["name"] == "Broken" for each in lines(tmp_path)) == 1
        assert (await running.put("/v1/rules", {"rules": [rules[0], rules[0]]})).status == 422


async def test_a_silence_must_lie_in_the_future(alerts: Component) -> None:
    past = {"matchers": {"name": "A"}, "until": "2020-01-01T00:00:00Z", "reason": "work"}
    assert (await alerts.post("/v1/silences", past)).status == 422


async def test_switched_off_everything_is_recorded_and_nothing_sent(tmp_path: Path) -> None:
    async with component(SERVICE, tmp_path, config={"monitoring.alerts.enabled": False}) as running:
        await running.post("/v1/alerts", firing())
        await manager.pass_time(running.runtime.context)
        assert (await running.get("/v1/summary")).json["total_active"] == 1
        assert running.state.delivery.last == {}
    assert lines(tmp_path) == []


async def test_a_change_that_cannot_be_written_did_not_happen(alerts: Component) -> None:
    def fail(board: Any, db: Any, now: Any) -> None:
        board.alerts.clear()
        raise RuntimeError("no room")

    await alerts.post("/v1/alerts", firing())
    with pytest.raises(RuntimeError, match="no room"):
        await changing.change(alerts.runtime.context, fail)
    assert (await alerts.get("/v1/summary")).json["total_active"] == 1


class Receiver:
    """A webhook's receiver that answers with the statuses it is given, then with 200."""

    def __init__(self, statuses: list[int]) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.bodies.append(self.rfile.read(int(self.headers["content-length"])))
                outer.headers.append({name.lower(): value for name, value in self.headers.items()})
                self.send_response(statuses.pop(0) if statuses else 200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    @property
    def config(self) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.server.server_port}/hook"
        return {**ON, "monitoring.alerts.webhook_url": url, "monitoring.alerts.webhook_secret": SECRET}

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setattr(delivery, "FIRST_BACKOFF_S", 0.01)
    made = Receiver([503, 500])
    yield made
    made.close()


async def test_the_webhook_is_signed_and_tried_until_it_is_taken(tmp_path: Path, receiver: Receiver) -> None:
    async with component(SERVICE, tmp_path, config=receiver.config) as running:
        await running.post("/v1/alerts", firing(a="1"))
        await until(lambda: len(receiver.bodies) == 3, "tried three times")
        await until(lambda: running.state.delivery.last["webhook"] == "", "delivered")
        test = (await running.post("/v1/notify-test")).json
        assert {each["channel"]: each["ok"] for each in test["results"]} == {
            "log": True,
            "file": True,
            "webhook": True,
        }
    assert len({headers["x-alluse-delivery"] for headers in receiver.headers[:3]}) == 1
    for headers, body in zip(receiver.headers, receiver.bodies, strict=True):
        message = headers["x-alluse-timestamp"].encode() + b"." + body
        assert (
            headers["x-alluse-signature"]
            == "sha256=" + hmac.new(SECRET.encode(), message, hashlib.sha256).hexdigest()
        )
    notice = json.loads(receiver.bodies[0])
    assert (notice["kind"], notice["severity"], notice["alerts"][0]["name"]) == (
        "alerts",
        "critical",
        "Broken",
    )


async def test_a_notice_waits_for_the_receiver_over_a_restart(tmp_path: Path) -> None:
    dead = {**ON, "monitoring.alerts.webhook_url": "http://127.0.0.1:9/hook"}
    async with component(SERVICE, tmp_path, config=dead) as running:
        await running.post("/v1/alerts", firing())
        await until(lambda: running.state.delivery.last.get("webhook"), "the receiver is not there")
        failed = (await running.post("/v1/notify-test")).json["results"][2]
        assert failed["ok"] is False
        assert "/hook" not in failed["detail"]
    receiver = Receiver([])
    try:
        async with component(SERVICE, tmp_path, config=receiver.config):
            await until(lambda: len(receiver.bodies) == 1, "delivered")
    finally:
        receiver.close()


async def test_a_notice_that_is_refused_does_not_hold_up_the_next(tmp_path: Path) -> None:
    receiver = Receiver([400])
    try:
        async with component(SERVICE, tmp_path, config=receiver.config) as running:
            await running.post("/v1/alerts", firing("One"))
            await running.post("/v1/alerts", firing("Two"))
            await until(lambda: len(receiver.bodies) == 2, "both were sent")
    finally:
        receiver.close()


async def test_events_fire_and_end_alerts_and_others_hear_of_it(tmp_path: Path) -> None:
    system = System()
    ears = Ears(system, "enhanced-agent")
    async with component(SERVICE, tmp_path, system=system, config=ON) as running:

        async def hear(id_: str, name: str, data: dict[str, Any]) -> int:
            event = {
                "specversion": "1.0",
                "id": id_,
                "source": "/alluse/x",
                "type": f"com.alluse.{name}.v1",
                "data": data,
            }
            return (await running.post("/events", event)).status

        down = {
            "component": "position-sizer",
            "from": "healthy",
            "to": "unreachable",
            "critical": True,
            "error": "refused",
        }
        assert await hear("1", "health.changed", down) == 202
        assert await hear("1", "health.changed", down) == 202
        assert await hear("2", "health.changed", {"nonsense": True}) == 202
        [alert] = (await running.get("/v1/alerts")).json["alerts"]
        assert (alert["name"], alert["count"], alert["labels"]) == (
            "ComponentDown",
            1,
            {"component": "position-sizer"},
        )
        assert await hear("3", "health.changed", {**down, "to": "healthy"}) == 202
        assert (await running.get("/v1/summary")).json["total_active"] == 0
        await until(lambda: ears.data("alert.resolved"), "others hear of the end")
        assert ears.data("alert.fired")[0]["alert"]["name"] == "ComponentDown"


def played(answers: dict[str, Any]) -> Any:
    def answer(request: HttpRequest) -> HttpReply:
        name = request.query.partition("name=")[2].partition("&")[0] or request.path
        return HttpReply(
            200,
            {},
            json.dumps(answers.get(name, {"series": [], "resolution_s": 0, "truncated": False})).encode(),
        )

    return answer


async def test_rules_are_evaluated_against_the_collector(tmp_path: Path) -> None:
    system = System()
    targets = {"targets": [], "series": 1, "series_cap": 2, "refused_series": 0}
    now = datetime.now(UTC).timestamp()
    wrong = {
        "name": "alluse_selftest_ok",
        "labels": {"component": "delta-selector"},
        "unit": "",
        "points": [[now, 0.0]],
    }
    system.played["metrics-collector"] = played(
        {
            "/v1/targets": targets,
            "alluse_selftest_ok": {"series": [wrong], "resolution_s": 0, "truncated": False},
        }
    )
    async with component(SERVICE, tmp_path, system=system, config=ON) as running:
        context = running.runtime.context
        await until(lambda: running.state.evaluated_at, "the rules were evaluated")
        [alert] = (await running.get("/v1/alerts")).json["alerts"]
        assert (alert["name"], alert["rule"], alert["severity"]) == (
            "SelfTestFailed",
            "SelfTestFailed",
            "critical",
        )
        del system.played["metrics-collector"]
        for _ in range(3):
            await manager.evaluate(context)
        assert (await running.get("/v1/summary")).json["total_active"] == 1
        assert (await running.get("/health")).json["status"] == "degraded"
        system.played["metrics-collector"] = played({"/v1/targets": targets})
        await manager.evaluate(context)
        await manager.evaluate(context)
        assert (await running.get("/v1/summary")).json["total_active"] == 0


async def test_a_component_that_is_scraped_again_is_not_down(tmp_path: Path) -> None:
    system = System()
    target = {
        "component": "position-sizer",
        "up": True,
        "misses": 0,
        "samples": 1,
        "last_success": None,
        "duration_ms": 1,
        "error": "",
    }
    system.played["metrics-collector"] = played(
        {"/v1/targets": {"targets": [target], "series": 1, "series_cap": 2, "refused_series": 0}}
    )
    async with component(SERVICE, tmp_path, system=system, config=ON) as running:
        await running.post(
            "/v1/alerts",
            {
                "name": "ComponentDown",
                "severity": "critical",
                "source": "health-monitor",
                "message": "position-sizer is unreachable",
                "labels": {"component": "position-sizer"},
            },
        )
        for _ in range(2):
            await manager.evaluate(running.runtime.context)
        assert (await running.get("/v1/summary")).json["total_active"] == 0


async def test_many_callers_at_once(alerts: Component) -> None:
    await asyncio.gather(*(alerts.post("/v1/alerts", firing(n=str(number % 20))) for number in range(60)))
    found = (await alerts.get("/v1/alerts")).json["alerts"]
    assert (len(found), {each["count"] for each in found}) == (20, {3})
