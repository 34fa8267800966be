"""production-logger as others meet it: taking, masking, finding, counting, alarming."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from alluse.runtime.http_client import HttpReply
from alluse.runtime.http_server import HttpRequest
from alluse.services import production_logger
from alluse.services.production_logger import SERVICE
from health_reports import checks, report
from inprocess import Component, System, component, until

NDJSON = {"content-type": "application/x-ndjson"}


def record(message: str = "hello", **fields: Any) -> dict[str, Any]:
    return {
        "timestamp": "2026-01-01T10:00:00.000Z",
        "level": "INFO",
        "component": "market-analyzer",
        "message": message,
        **fields,
    }


async def send(it: Component, *records: Any) -> Any:
    body = b"\n".join(item if isinstance(item, bytes) else json.dumps(item).encode() for item in records)
    return await it.call("POST", "/v1/logs", body, headers=NDJSON)


def system() -> System:
    """With config-manager, the hard dependency, played as ready."""
    made = System()
    made.played["config-manager"] = lambda request: HttpReply(
        200 if request.path.startswith("/health") else 503, {}, b"{}"
    )
    return made


def logger(tmp_path: Path, **config: Any) -> Any:
    environment = config.pop("environment", "production")
    return component(SERVICE, tmp_path, system=system(), config=config, environment=environment)


async def find(it: Component, **query: Any) -> list[str]:
    answer = await it.get("/v1/logs", **query)
    assert answer.status == 200, answer.body
    return [found["message"] for found in answer.json["records"] if found["component"] != "production-logger"]


@pytest.mark.parametrize("environment", ["production", "development"], ids=["in files", "in memory"])
async def test_what_was_taken_is_found(tmp_path: Path, environment: str) -> None:
    trace = "a" * 32
    async with logger(tmp_path, environment=environment) as it:
        answer = await send(
            it,
            record("first", timestamp="2026-01-01T09:00:00Z"),
            record("second", level="ERROR", trace_id=trace, symbol="KO"),
            record("third", component="position-sizer", level="WARNING"),
        )
        assert (answer.status, answer.json["accepted"], answer.json["rejected"]) == (202, 3, 0)
        assert await find(it) == ["third", "second", "first"]
        assert await find(it, component="position-sizer") == ["third"]
        assert await find(it, level="WARNING") == ["third", "second"]
        assert await find(it, trace_id=trace) == ["second"]
        assert await find(it, q="sEcOnD") == ["second"]
        assert await find(it, q="ko") == ["second"]
        assert await find(it, since="2026-01-01T09:30:00Z") == ["third", "second"]
        assert await find(it, until="2026-01-01T09:30:00+00:00") == ["first"]
        for wrong in ({"level": "LOUD"}, {"limit": 1001}, {"since": "yesterday"}, {"trace_id": "x"}):
            assert (await it.get("/v1/logs", **wrong)).status == 422


async def test_secrets_are_masked_before_they_reach_the_disk(tmp_path: Path) -> None:
    async with logger(tmp_path) as it:
        await send(it, record("jane@example.org pays", password="hunter2", account="123456789012"))
        (line,) = [
            line
            for line in (it.runtime.identity.state_dir / "logs" / "alluse.log").read_text().splitlines()
            if "pays" in line
        ]
    for secret in ("jane@example.org", "hunter2", "123456789012"):
        assert secret not in line


async def test_lines_that_are_no_records_are_rejected_and_the_others_kept(tmp_path: Path) -> None:
    async with logger(tmp_path) as it:
        answer = await send(
            it,
            record("good"),
            b"nonsense",
            b"[1]",
            record(level="LOUD"),
            record(timestamp="yesterday"),
            {"message": "no level"},
            b"",
        )
        assert (answer.json["accepted"], answer.json["rejected"]) == (1, 5)
        assert await find(it) == ["good"]


async def test_a_batch_has_a_limit(tmp_path: Path) -> None:
    async with logger(tmp_path) as it:
        assert (await send(it, *[record()] * 1000)).json["accepted"] == 1000
        assert (await send(it, *[record()] * 1002)).status == 422
        assert (await send(it, record("x" * (1 << 20)))).status == 413


async def test_an_enormous_record_is_shortened(tmp_path: Path) -> None:
    async with logger(tmp_path) as it:
        await send(it, record("x" * 100_000, more="y" * 100_000))
        (found,) = (await it.get("/v1/logs", component="market-analyzer")).json["records"]
    assert (len(found["message"]), found["truncated"]) == (8192, True)


async def test_records_survive_a_restart_and_errors_have_their_own_file(tmp_path: Path) -> None:
    async with logger(tmp_path) as it:
        await send(it, record("fine"), record("broken", level="CRITICAL"))
    async with logger(tmp_path) as it:
        assert await find(it) == ["broken", "fine"]
        errors = (it.runtime.identity.state_dir / "logs" / "errors.log").read_text()
    assert [json.loads(line)["message"] for line in errors.splitlines()] == ["broken"]


async def test_files_stay_below_their_cap(tmp_path: Path) -> None:
    bounds = {"logging.rotation.max_size": "1MB", "logging.rotation.backup_count": 1}
    async with logger(tmp_path, **bounds) as it:
        for number in range(12):
            await send(it, *[record(f"{number} " + "x" * 500)] * 600)
        stats = (await it.get("/v1/stats")).json
        assert stats["bytes_cap"] == 2 * (1 << 20) + 4 * (5 << 20)
        assert stats["bytes_on_disk"] <= 2 * (1 << 20)
        assert stats["received"] >= 7200
        assert (await find(it, q="11 x", limit=5))[0].startswith("11 x")


async def test_counts_by_component_and_level(tmp_path: Path) -> None:
    async with logger(tmp_path) as it:
        await send(it, record(), record(level="ERROR"), record(component="delta-selector"))
        stats = (await it.get("/v1/stats")).json
    assert stats["by_component"]["market-analyzer"] == {"records": 2, "errors": 1}
    assert stats["by_component"]["delta-selector"] == {"records": 1, "errors": 0}
    assert stats["by_level"]["ERROR"] == 1
    assert stats["write_failures"] == 0


async def test_many_errors_raise_one_alarm(tmp_path: Path) -> None:
    alarms: list[dict[str, Any]] = []

    def manager(request: HttpRequest) -> HttpReply:
        alarms.extend(json.loads(request.body))
        return HttpReply(202, {}, b"{}")

    shared = system()
    shared.played["alert-manager"] = manager
    async with component(SERVICE, tmp_path, system=shared, environment="production") as it:
        await send(it, *[record(level="ERROR")] * 19)
        assert alarms == []
        await send(it, *[record("the twentieth", level="ERROR")] * 30)
        await send(it, *[record(level="ERROR")] * 30)
        await until(lambda: alarms, "the alarm arrives")
    # Stopping right after the delivery may deliver it once more, with the same id: at least once.
    (alarm,) = {alarm["id"]: alarm for alarm in alarms}.values()
    assert alarm["type"] == "com.alluse.log.error_burst.v1"
    assert alarm["data"]["component"] == "market-analyzer"
    assert alarm["data"]["count"] == 20
    assert alarm["data"]["sample"] == "the twentieth"


async def test_a_temporary_level_is_told_to_the_sender(tmp_path: Path) -> None:
    async with logger(tmp_path) as it:
        assert (await it.get("/v1/levels/market-analyzer")).json["level"] is None
        put = await it.put("/v1/levels/market-analyzer", {"level": "DEBUG", "ttl_s": 60})
        assert put.status == 200
        taken = (await send(it, record())).json
        assert (taken["level"], 0 < taken["ttl_s"] <= 60) == ("DEBUG", True)
        assert (await send(it, record(component="delta-selector"))).json["level"] is None
        assert (await it.put("/v1/levels/market-analyzer", {"level": "LOUD"})).status == 422
        assert (await it.put("/v1/levels/Not-A-Name", {"level": "INFO"})).status == 422


async def test_its_own_records_are_kept_too(tmp_path: Path) -> None:
    async with logger(tmp_path) as it:
        it.runtime.log.warning("about myself")

        async def found() -> bool:
            answer = await it.get("/v1/logs", component="production-logger", q="about myself")
            return len(answer.json["records"]) == 1

        await until(found, "it is found")


async def test_what_others_decided_is_in_the_log(tmp_path: Path) -> None:
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "/alluse/intent-detector",
        "type": "com.alluse.intent.unknown.v1",
        "data": {"length": 12},
    }
    async with logger(tmp_path) as it:
        assert (await it.post("/events", event)).json["accepted"] == 1
        (found,) = (await it.get("/v1/logs", component="intent-detector")).json["records"]
    assert (found["event"], found["data"]) == ("intent.unknown", {"length": 12})


async def test_a_disk_that_cannot_be_written_is_unhealthy(tmp_path: Path) -> None:
    async with logger(tmp_path) as it:
        trial = it.state.archive.directory / ".write-test"

        async def blocked() -> bool:
            """Whoever tries to write fails now: the component, too, which may have done so in between."""
            trial.unlink(missing_ok=True)
            with suppress(FileExistsError):
                trial.mkdir()
            return trial.is_dir()

        async def told() -> bool:
            """The component's own trial may have begun before the directory stood, and end after ours."""
            await production_logger.try_to_write(it.runtime.context)
            status, body = await report(it)
            return (status, checks(body)["write"]) == (
                503,
                ("unhealthy", f"cannot write to {trial.parent}: Is a directory"),
            )

        await until(blocked, "a directory stands where the trial writes")
        await until(told, "it says that it cannot write")
        trial.rmdir()
        await production_logger.try_to_write(it.runtime.context)
        status, body = await report(it)
        assert (status, checks(body)["write"][0]) == (200, "healthy")
