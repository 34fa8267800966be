"""config-manager as others meet it: reading, overriding, watching, restarting, bad files."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alluse.runtime.configuration import dig
from alluse.runtime.http_client import HttpReply
from alluse.runtime.http_server import HttpRequest
from alluse.runtime.service import Service
from alluse.services import config_manager
from inprocess import Component, System, component, until

INTERVAL = "monitoring.health.check_interval"


#: The real one, looking at its files more often.
SERVICE = replace(
    config_manager.SERVICE, tasks=tuple(replace(task, interval=0.02) for task in config_manager.SERVICE.tasks)
)


async def override(it: Component, key: str, value: Any, **headers: str) -> Any:
    return await it.put(f"/v1/overrides/{key}", {"value": value, "reason": "test"}, **headers)


async def test_the_whole_and_its_sources(tmp_path: Path) -> None:
    config = {INTERVAL: "45", "protocol.sector_cap": "0.35"}
    variables = {
        "ALL_USE__LOGGING__LEVEL": "WARNING",
        "ALL_USE__MONITORING__ALERTS__WEBHOOK_SECRET": "s3cret",
    }
    async with component(SERVICE, tmp_path, config=config, variables=variables) as it:
        answer = await it.get("/v1/config")
        whole = answer.json
        assert (whole["revision"], whole["environment"], answer.headers["etag"]) == (1, "test", '"1"')
        assert dig(whole["values"], INTERVAL) == 45
        assert whole["sources"][INTERVAL] == "configmap"
        assert whole["sources"]["logging.level"] == "environment"
        assert whole["sources"]["system.name"] == "packaged"
        assert dig(whole["values"], "monitoring.alerts.webhook_secret") == "***"
        assert b"s3cret" not in answer.body
        for path in ("/v1/config/monitoring", "/v1/components/alert-manager/config", "/v1/revisions"):
            assert b"s3cret" not in (await it.get(path)).body
        one = (await it.get(f"/v1/config/{INTERVAL}")).json
        assert (one["value"], one["sources"]) == (45, {INTERVAL: "configmap"})
        section = (await it.get("/v1/config/monitoring.health")).json
        assert section["value"]["check_interval"] == 45
        assert (await it.get("/v1/config/no.such")).status == 404
        assert (await it.get("/v1/config/no..such")).status == 422


async def test_a_component_gets_what_it_reads(tmp_path: Path) -> None:
    async with component(SERVICE, tmp_path) as it:
        logger = (await it.get("/v1/components/production-logger/config")).json["values"]
        sizer = (await it.get("/v1/components/position-sizer/config")).json["values"]
        assert (await it.get("/v1/components/nobody/config")).status == 404
    assert "rotation" in logger["logging"]
    assert "protocol" not in logger
    assert "rotation" not in sizer["logging"]
    assert sizer["protocol"]["accounts"]["GEN_ACC"]["max_position"] == 0.15


async def test_an_override_makes_a_revision_and_can_be_taken_away(tmp_path: Path) -> None:
    async with component(SERVICE, tmp_path) as it:
        answer = (await override(it, INTERVAL, 50)).json
        assert answer == {"revision": 2, "key": INTERVAL, "old": 60.0, "new": 50.0}
        assert (await it.get("/v1/overrides")).json["overrides"][0]["reason"] == "test"
        assert (await it.get(f"/v1/config/{INTERVAL}")).json["sources"] == {INTERVAL: "override"}
        answer = (await it.delete(f"/v1/overrides/{INTERVAL}")).json
        assert answer == {"revision": 3, "key": INTERVAL, "old": 50.0, "new": 60.0}
        assert (await it.delete(f"/v1/overrides/{INTERVAL}")).status == 404
        revisions = (await it.get("/v1/revisions")).json["revisions"]
        assert [revision["revision"] for revision in revisions] == [3, 2, 1]
        assert revisions[1]["changes"] == [{"key": INTERVAL, "old": 60.0, "new": 50.0}]


@pytest.mark.parametrize(
    ("key", "value", "field"),
    [
        (INTERVAL, "soon", INTERVAL),
        (INTERVAL, None, INTERVAL),
        (INTERVAL, 5, "monitoring.health"),
        ("monitoring.health", {"check_interval": 50}, "monitoring.health"),
        ("no.such.key", 1, "no.such.key"),
        ("monitoring.alerts.webhook_secret", "x", "monitoring.alerts.webhook_secret"),
    ],
)
async def test_a_bad_override_changes_nothing(tmp_path: Path, key: str, value: Any, field: str) -> None:
    async with component(SERVICE, tmp_path) as it:
        refused = await override(it, key, value)
        assert (refused.status, [error["field"] for error in refused.json["errors"]]) == (422, [field])
        assert (await it.get("/v1/config")).json["revision"] == 1
        assert (await it.get("/v1/overrides")).json["overrides"] == []


async def test_who_read_an_old_revision_does_not_write(tmp_path: Path) -> None:
    async with component(SERVICE, tmp_path) as it:
        assert (await override(it, INTERVAL, 50, **{"If-Match": '"1"'})).status == 200
        refused = await override(it, INTERVAL, 40, **{"If-Match": '"1"'})
        assert (refused.status, "revision 2" in refused.json["detail"]) == (409, True)
        assert (await override(it, INTERVAL, 40, **{"If-Match": '"2"'})).status == 200
        assert (await override(it, INTERVAL, 41, **{"If-Match": "*"})).status == 200


async def test_of_many_writers_of_one_revision_one_wins(tmp_path: Path) -> None:
    async with component(SERVICE, tmp_path) as it:
        answers = await asyncio.gather(
            *(override(it, INTERVAL, 40 + number, **{"If-Match": "1"}) for number in range(10))
        )
    assert sorted(answer.status for answer in answers) == [200] + [409] * 9


async def test_the_watch_waits_for_a_change(tmp_path: Path) -> None:
    async with component(SERVICE, tmp_path) as it:
        assert (await it.get("/v1/watch", since=1, timeout_s=0.05)).status == 204
        watching = asyncio.create_task(it.get("/v1/watch", since=1, timeout_s=10))
        await asyncio.sleep(0)
        await override(it, INTERVAL, 50)
        answer = (await asyncio.wait_for(watching, 5)).json
        assert answer == {
            "revision": 2,
            "complete": True,
            "changes": [{"key": INTERVAL, "old": 60.0, "new": 50.0}],
        }
        await override(it, INTERVAL, 40)
        both = (await it.get("/v1/watch", since=1, timeout_s=0)).json
        assert both["changes"] == [{"key": INTERVAL, "old": 60.0, "new": 40.0}]
        foreign = (await it.get("/v1/watch", since=99, timeout_s=0)).json
        assert (foreign["revision"], foreign["complete"]) == (3, False)
        assert (await it.get("/v1/watch", since=1, timeout_s=26)).status == 422


async def test_overrides_and_revisions_survive(tmp_path: Path) -> None:
    async with component(SERVICE, tmp_path) as it:
        await override(it, INTERVAL, 50)
    async with component(SERVICE, tmp_path) as it:
        whole = (await it.get("/v1/config")).json
        assert (whole["revision"], dig(whole["values"], INTERVAL)) == (2, 50)
        assert it.runtime.config.number(INTERVAL) == 50
    async with component(SERVICE, tmp_path, config={"logging.level": "ERROR"}) as it:
        whole = (await it.get("/v1/config")).json
        assert (whole["revision"], dig(whole["values"], "logging.level")) == (3, "ERROR")


async def test_an_override_that_no_longer_fits_does_not_stop_the_start(tmp_path: Path) -> None:
    async with component(SERVICE, tmp_path) as it:
        assert (await override(it, "monitoring.health.timeout_seconds", 50)).status == 200
    async with component(SERVICE, tmp_path, config={INTERVAL: 20}) as it:
        assert (await it.get(f"/v1/config/{INTERVAL}")).json["value"] == 20
        it.runtime.board.forget_report()
        report = (await it.get("/health")).json
        assert report["status"] == "degraded"
        assert any("overrides are set aside" in check["detail"] for check in report["checks"])


async def test_a_bad_file_at_the_start_is_not_ready_until_it_is_put_right(tmp_path: Path) -> None:
    file = tmp_path / "config-manager" / "config" / "test.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("logging: {level: LOUD}")
    async with component(SERVICE, tmp_path, ready=False) as it:
        await until(lambda: "logging.level" in str(it.runtime.board.readiness().reasons), "it says why")
        assert (await it.get("/health/live")).status == 200
        file.write_text("logging: {level: ERROR}")
        await until(lambda: it.runtime.board.readiness().ready, "it starts")
        assert (await it.get("/v1/config/logging.level")).json["value"] == "ERROR"


async def test_a_bad_file_later_keeps_the_last_good_revision(tmp_path: Path) -> None:
    async with component(SERVICE, tmp_path) as it:
        file = it.runtime.identity.config_dir / "test.yaml"
        file.write_text("logging: {level: ERROR}")
        await until(lambda: it.state.revision == 2, "the file is taken")
        file.write_text("logging: {level: VERY LOUD}")
        await until(lambda: it.state.problem, "the bad file is noticed")
        assert (await it.get("/v1/config/logging.level")).json["value"] == "ERROR"
        assert it.runtime.board.readiness().ready
        it.runtime.board.forget_report()
        answer = await it.get("/health")
        assert (answer.status, answer.json["status"]) == (200, "degraded")
        file.unlink()
        await until(lambda: not it.state.problem and it.state.revision == 3, "it is put right")


async def test_every_component_hears_of_a_change(tmp_path: Path) -> None:
    heard: list[bytes] = []

    def listen(request: HttpRequest) -> HttpReply:
        if request.path == "/events":
            heard.append(request.body)
        return HttpReply(202, {}, b"{}")

    system = System()
    system.played["market-analyzer"] = listen
    async with component(SERVICE, tmp_path, system=system) as it:
        await override(it, INTERVAL, 50)
        await until(lambda: b"old_revision" in b"".join(heard), "it hears")
        await until(lambda: b'"revision": 2' in b"".join(heard), "it hears of the second")


async def test_a_component_follows(tmp_path: Path) -> None:
    system = System()
    sizer: Service[None] = Service(name="position-sizer")
    async with component(sizer, tmp_path, system=system) as it:
        assert it.runtime.config.source == "packaged"
        async with component(SERVICE, tmp_path, system=system) as manager:
            await until(lambda: it.runtime.config.source == "config-manager", "it follows")
            await override(manager, "protocol.accounts.GEN_ACC.max_position", 0.11)
            key = "protocol.accounts.GEN_ACC.max_position"
            await until(lambda: it.runtime.config.get(key) == 0.11, "the change arrives")
            assert it.runtime.config.revision == 2
        assert it.runtime.config.get(key) == 0.11, "it keeps what it has"
    async with component(sizer, tmp_path, system=System()) as it:
        assert it.runtime.config.source == "last-good"
        assert it.runtime.config.get(key) == 0.11, "and even over a restart"
    async with component(sizer, tmp_path, system=System(), environment="production") as it:
        assert it.runtime.config.source == "packaged", "but not in another environment"


@pytest.mark.parametrize(
    ("yaml", "fields"),
    [
        ("", []),
        ("logging: {level: ERROR}", []),
        ("logging: {level: LOUD}\nfoo: 1", ["logging.level", "foo"]),
        ("a: [", ["yaml"]),
    ],
)
async def test_a_file_can_be_tried_first(tmp_path: Path, yaml: str, fields: list[str]) -> None:
    async with component(SERVICE, tmp_path) as it:
        answer = (await it.post("/v1/validate", {"yaml": yaml})).json
        assert answer["valid"] is not bool(fields)
        assert [error["field"] for error in answer["errors"]] == fields
        assert (await it.get("/v1/config")).json["revision"] == 1


@given(
    st.lists(
        st.tuples(
            st.sampled_from([INTERVAL, "logging.level", "x.y"]), st.sampled_from([20, 70, "ERROR", None])
        ),
        max_size=12,
    )
)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_revisions_only_grow_and_every_one_is_valid(
    tmp_path_factory: pytest.TempPathFactory, sequence: list[tuple[str, Any]]
) -> None:
    async with component(SERVICE, tmp_path_factory.mktemp("cm")) as it:
        revision = 1
        for key, value in sequence:
            answer = await (it.delete(f"/v1/overrides/{key}") if value is None else override(it, key, value))
            now = (await it.get("/v1/config")).json["revision"]
            assert now in (revision, revision + 1)
            assert now == revision or answer.status == 200
            revision = now


async def test_a_reload_is_quick(tmp_path: Path) -> None:
    """A change is in force within the 50 ms of the contract, by a wide margin on any machine."""
    async with component(SERVICE, tmp_path) as it:
        loop = asyncio.get_running_loop()
        took = []
        for number in range(20):
            started = loop.time()
            assert (await override(it, INTERVAL, 30 + number)).status == 200
            took.append(loop.time() - started)
    assert sorted(took)[10] < 0.5
