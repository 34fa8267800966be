"""performance-optimizer with a real component whose cache it tunes, judges and gives back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from alluse.contract import COMPONENTS
from alluse.domain.tuning import DEBUG, INFO, Verdict, undo
from alluse.runtime.context import Context
from alluse.runtime.errors import CheckDegradedError
from alluse.runtime.service import Call, Endpoint, Service
from alluse.schemas.base import Request
from alluse.schemas.performance import Action, BottleneckKind, Change
from alluse.services import metrics_collector, performance_optimizer, production_logger
from alluse.services.performance_optimizer import measuring, optimizer, running
from ears import Ears
from inprocess import Component, System, component, until

SERVICE = performance_optimizer.SERVICE
NAME = "market-analyzer"


class Key(Request):
    key: int


async def look_up(call: Call[None], request: Key) -> dict[str, Any]:
    cache = call.context.cache("analysis")
    if cache.get(request.key) is None:
        cache.put(request.key, request.key)
    return {"key": request.key}


async def open_(context: Context[None]) -> None:
    context.cache("analysis")


TARGET: Service[None] = Service(
    name=NAME, open=open_, endpoints=(Endpoint("POST", "/v1/look-up", look_up, Key),)
)
SMALL = {"performance.cache.max_size": 100}


@asynccontextmanager
async def pair(tmp_path: Path, system: System | None = None) -> AsyncIterator[tuple[Component, Component]]:
    system = system or System()
    async with (
        component(TARGET, tmp_path, system=system, config=SMALL) as target,
        component(SERVICE, tmp_path, system=system) as tuner,
    ):
        yield target, tuner


async def thrash(target: Component, count: int = 150) -> None:
    """So many different keys that nothing is ever found again."""
    for key in range(count):
        await target.post("/v1/look-up", {"key": key})


def bounds(target: Component) -> tuple[int, float]:
    [state] = target.runtime.caches.states()
    return state.max_size, state.ttl_s


async def judged(tuner: Component, run_id: str) -> dict[str, Any]:
    await running.validate(tuner.runtime.context, run_id)
    found: dict[str, Any] = (await tuner.get(f"/v1/runs/{run_id}")).json
    return found


async def test_metrics_count_cached_calls_and_name_what_is_missing(tmp_path: Path) -> None:
    async with pair(tmp_path) as (target, tuner):
        before = (await tuner.get("/v1/metrics")).json
        for _ in range(10):
            await target.post("/v1/look-up", {"key": 1})
        after = (await tuner.get("/v1/metrics")).json
        assert after["cache_stats"]["hits"] - before["cache_stats"]["hits"] == 9
        assert after["memory_stats"]["rss_mb"] > 0
        assert after["memory_stats"]["leak_status"] == "insufficient_data"
        assert after["latency"][NAME]["p95"] > 0
        assert set(after["missing"]) == set(COMPONENTS) - {NAME, "performance-optimizer"}


async def test_a_poor_cache_is_enlarged_at_once_and_given_back_when_that_does_not_help(
    tmp_path: Path,
) -> None:
    system = System()
    ears = Ears(system, "alert-manager")
    async with pair(tmp_path, system) as (target, tuner):
        before = bounds(target)
        await thrash(target)
        run = (await tuner.post("/v1/optimize", {"scope": [NAME]})).json
        assert (run["kept"], run["state"]) == (None, "validating")
        [change] = run["optimizations_applied"]
        assert (change["action"], change["from"], change["to"]) == ("cache_resize", 100, 200)
        assert bounds(target) == (200, before[1])
        again = (await tuner.post("/v1/optimize", {"scope": [NAME]})).json
        assert again["optimizations_applied"] == []
        assert "an earlier change" in again["skipped"][0]["reason"]
        ended = await judged(tuner, run["run_id"])
        assert (ended["kept"], ended["state"]) == (False, "rolled_back")
        assert bounds(target) == before
        await until(lambda: ears.data("perf.rolled_back"), "others hear of it")
        assert ears.data("perf.bottleneck")[0]["component"] == NAME
        assert (await tuner.post(f"/v1/runs/{run['run_id']}/rollback")).status == 409


async def test_what_helps_is_kept_given_again_after_a_restart_and_taken_back_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = System()
    async with component(SERVICE, tmp_path, system=system) as tuner:
        # Only now, because the self-test wants the real one.
        monkeypatch.setattr(running.tuning, "verdict", lambda before, after: Verdict(True, "it helped"))
        async with component(TARGET, tmp_path, system=system, config=SMALL) as target:
            await thrash(target)
            run = (await tuner.post("/v1/optimize", {})).json
            ended = await judged(tuner, run["run_id"])
            assert (ended["kept"], ended["state"], bounds(target)[0]) == (True, "done", 200)
        async with component(TARGET, tmp_path, system=system, config=SMALL) as target:
            assert bounds(target)[0] == 100
            await optimizer.look_around(tuner.runtime.context)
            assert bounds(target)[0] == 200
            undone = (await tuner.post(f"/v1/runs/{run['run_id']}/rollback")).json
            assert (undone["kept"], undone["state"], bounds(target)[0]) == (False, "rolled_back", 100)
            await optimizer.look_around(tuner.runtime.context)
            assert bounds(target)[0] == 100


async def test_a_change_is_judged_although_the_optimizer_died_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = System()
    async with component(TARGET, tmp_path, system=system, config=SMALL) as target:
        async with component(SERVICE, tmp_path, system=system) as tuner:
            await thrash(target)
            monkeypatch.setattr(running, "VALIDATE_AFTER", timedelta(seconds=0.5))
            run = (await tuner.post("/v1/optimize", {})).json
            assert bounds(target)[0] == 200
        async with component(SERVICE, tmp_path, system=system) as tuner:

            async def done() -> bool:
                return (await tuner.get(f"/v1/runs/{run['run_id']}")).json["state"] == "rolled_back"

            await until(done, "the change was judged")
            assert bounds(target)[0] == 100


async def test_a_change_that_cannot_be_undone_now_is_tried_again(tmp_path: Path) -> None:
    system = System()
    async with component(SERVICE, tmp_path, system=system) as tuner:
        async with component(TARGET, tmp_path, system=system, config=SMALL) as target:
            await thrash(target)
            run = (await tuner.post("/v1/optimize", {})).json
        assert (await judged(tuner, run["run_id"]))["state"] == "validating"
        async with component(TARGET, tmp_path, system=system, config=SMALL) as target:
            assert (await judged(tuner, run["run_id"]))["state"] == "rolled_back"
            assert bounds(target)[0] == 100


async def test_the_agents_core_is_judged_by_its_configured_memory(tmp_path: Path) -> None:
    set_ = {"components.agent_core.memory_limit_mb": 100}
    async with component(SERVICE, tmp_path, config=set_, ready=False) as tuner:
        limit = measuring.memory_limit_mb
        assert limit(tuner.runtime.context, "memory-manager", None) == pytest.approx(104.8576)
        assert limit(tuner.runtime.context, "memory-manager", 64e6) == 64
        assert limit(tuner.runtime.context, "market-analyzer", None) is None
        assert limit(tuner.runtime.context, "market-analyzer", 200e6) == 200


async def test_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    async with pair(tmp_path) as (target, tuner):
        await thrash(target)
        run = (await tuner.post("/v1/optimize", {"dry_run": True})).json
        assert (run["state"], len(run["optimizations_applied"]), bounds(target)[0]) == ("dry_run", 1, 100)
        assert (await tuner.post(f"/v1/runs/{run['run_id']}/rollback")).status == 409
        assert [each["run_id"] for each in (await tuner.get("/v1/runs")).json["runs"]] == [run["run_id"]]


async def test_nothing_to_do_and_nobody_there(tmp_path: Path) -> None:
    async with component(SERVICE, tmp_path) as tuner:
        run = (await tuner.post("/v1/optimize", {})).json
        assert (run["optimizations_applied"], run["state"], run["kept"]) == ([], "done", False)
        assert (await tuner.post("/v1/optimize", {"scope": ["nobody"]})).status == 422
        assert (await tuner.get("/v1/runs/unknown")).status == 404
        await until(lambda: tuner.state.eyes.problem, "metrics-collector was asked")
        assert (await tuner.get("/health")).json["status"] == "degraded"


async def test_a_component_that_refuses_a_change_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with pair(tmp_path) as (target, tuner):
        await thrash(target)
        real = measuring.apply

        async def elsewhere(context: Any, change: Any) -> None:
            await real(context, change.model_copy(update={"cache": "gone"}))

        monkeypatch.setattr(measuring, "apply", elsewhere)
        run = (await tuner.post("/v1/optimize", {})).json
        assert (run["optimizations_applied"], run["kept"]) == ([], False)
        assert "no such cache" in run["skipped"][-1]["reason"]
        assert bounds(target)[0] == 100


async def test_a_level_of_logging_is_set_and_given_back(tmp_path: Path) -> None:
    system = System()
    async with (
        component(production_logger.SERVICE, tmp_path, system=system, ready=False) as logger,
        component(SERVICE, tmp_path, system=system, config={"logging.level": "DEBUG"}) as tuner,
    ):
        context = tuner.runtime.context
        await until(lambda: logger.runtime.context.is_open, "it takes requests, without config-manager")
        assert await measuring._is_verbose(context, NAME)
        change = Change(
            id="1", component=NAME, action=Action.LOG_LEVEL, kind=BottleneckKind.LATENCY, from_=DEBUG, to=INFO
        )
        await measuring.apply(context, change)
        assert (await logger.get(f"/v1/levels/{NAME}")).json["level"] == "INFO"
        assert not await measuring._is_verbose(context, NAME)
        back = undo(change)
        assert back is not None
        await measuring.apply(context, back)
        assert await measuring._is_verbose(context, NAME)


async def test_it_asks_soon_again_while_the_collector_is_still_starting(tmp_path: Path) -> None:
    system = System()
    async with component(SERVICE, tmp_path, system=system) as tuner:
        context = tuner.runtime.context
        await optimizer.ask_history(context)
        with pytest.raises(CheckDegradedError, match="no memory history"):
            await optimizer.check_collector(context)
        assert optimizer.next_question_s(context) <= 2
        async with component(metrics_collector.SERVICE, tmp_path, system=system):
            await optimizer.ask_history(context)
            assert await optimizer.check_collector(context) == "reached"
            assert optimizer.next_question_s(context) == measuring.LOOK_S
