"""The applier: order, bounded parallelism, what is made beside a pass, and never a write without the lease."""

from __future__ import annotations

import asyncio

import pytest

import fake_api
import virtual_time
from alluse_operator.api import names
from alluse_operator.cluster.applier import PARALLEL_BESIDE
from alluse_operator.cluster.kinds import DEPLOYMENT, SYSTEM
from alluse_operator.cluster.writes import PARALLEL_IN_ALL
from alluse_operator.core.actions import RemoveFinalizer, SetFinalizer
from alluse_operator.core.plan import Mode
from alluse_operator.errors import ApiError, NotLeading
from applying import KEY, Bench, apply, built, create


def test_the_finalizer_comes_first_and_what_a_workload_stands_on_before_it() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.mirror.wrote(SYSTEM, bench.api.put(SYSTEM, built("AllUseSystem", "demo")))
        applied = await bench.carry_out(
            apply("ConfigMap", "late"),
            apply("Deployment", "early"),
            apply("ConfigMap", "early"),
            SetFinalizer(),
        )
        sent = bench.sent()
        assert sent[0] == "APPLY AllUseSystem/demo"
        assert sent.index("APPLY ConfigMap/early") < sent.index("APPLY Deployment/early")
        assert "APPLY ConfigMap/late" in sent
        assert all(outcome.ok for outcome in applied.outcomes)
        assert not applied.again

    virtual_time.run(scenario())


def test_a_disruption_budget_does_not_hold_up_the_workload() -> None:
    async def scenario() -> None:
        bench = Bench()
        await bench.carry_out(
            apply("PodDisruptionBudget", "a"), apply("Deployment", "a"), apply("NetworkPolicy", "a")
        )
        assert bench.sent() == [
            "APPLY NetworkPolicy/a",
            "APPLY Deployment/a",
            "APPLY PodDisruptionBudget/a",
        ]

    virtual_time.run(scenario())


def test_nothing_is_made_when_the_finalizer_cannot_be_set() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.mirror.wrote(SYSTEM, bench.api.put(SYSTEM, built("AllUseSystem", "demo")))
        bench.api.fault = fake_api.failing(99, ApiError(403, "Forbidden", "no"), kind="AllUseSystem")
        applied = await bench.carry_out(SetFinalizer(), apply("ConfigMap", "a"))
        assert [outcome.ok for outcome in applied.outcomes] == [False]
        assert "APPLY ConfigMap/a" not in bench.sent()

    virtual_time.run(scenario())


def test_a_workload_waits_for_its_supporting_objects() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.api.fault = fake_api.failing(99, ApiError(422, "Invalid", "spec.x: bad"), kind="ConfigMap")
        applied = await bench.carry_out(apply("ConfigMap", "a"), apply("Deployment", "a"))
        assert bench.sent() == ["APPLY ConfigMap/a"]
        errors = {outcome.action.ref.kind: outcome for outcome in applied.outcomes}  # type: ignore[union-attr]
        assert errors["ConfigMap"].error == "spec.x: bad"
        assert not errors["ConfigMap"].transient
        assert "waits for what its pods need: spec.x: bad" in (errors["Deployment"].error or "")

    virtual_time.run(scenario())


def test_writes_are_parallel_and_bounded() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.api.latency = 1.0
        loop = asyncio.get_running_loop()
        await bench.carry_out(*(apply("ConfigMap", f"c{number}") for number in range(2 * PARALLEL_IN_ALL)))
        assert loop.time() == pytest.approx(2.0)

    virtual_time.run(scenario())


def test_no_pass_waits_for_what_nothing_needs_yet() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.api.latency = 1.0
        loop = asyncio.get_running_loop()
        later = [create("ConfigMap", f"c{number}") for number in range(4 * PARALLEL_BESIDE)]
        applied = await bench.carry_out(
            create("Deployment", "starting"), create("Service", "starting"), *later
        )
        assert loop.time() == pytest.approx(2.0)
        assert [outcome.ok for outcome in applied.outcomes] == [True, True]
        assert not applied.again
        await asyncio.sleep(5)
        assert len(bench.api.objects) == 2 + len(later)
        assert bench.woken == []

    virtual_time.run(scenario())


def test_what_is_under_way_is_neither_sent_twice_nor_overtaken_by_its_workload() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.api.latency = 1.0
        await bench.carry_out(create("ConfigMap", "a"), create("ConfigMap", "b"))
        await asyncio.sleep(0.5)
        await bench.carry_out(create("ConfigMap", "a"), create("ConfigMap", "b"), create("Deployment", "a"))
        assert bench.sent() == ["APPLY ConfigMap/a", "APPLY ConfigMap/b", "APPLY Deployment/a"]
        assert asyncio.get_running_loop().time() == pytest.approx(2.0)

    virtual_time.run(scenario())


def test_the_newest_plan_says_what_is_still_made() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.api.latency = 1.0
        await bench.carry_out(*(create("ConfigMap", f"c{number}") for number in range(2 * PARALLEL_BESIDE)))
        await asyncio.sleep(0.5)
        await bench.carry_out(create("ConfigMap", "new"))
        await asyncio.sleep(5)
        assert len(bench.sent()) == PARALLEL_BESIDE + 1

    virtual_time.run(scenario())


def test_a_failure_beside_is_told_by_the_next_pass_and_is_no_hot_loop() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.api.fault = fake_api.failing(1, ApiError(422, "Invalid", "spec.x: bad"))
        assert (await bench.carry_out(create("ConfigMap", "a"))).outcomes == ()
        await asyncio.sleep(0.1)
        assert bench.woken == [KEY]
        (told,) = (await bench.carry_out(create("ConfigMap", "a"))).outcomes
        assert (told.error, told.transient) == ("spec.x: bad", False)
        await asyncio.sleep(0.1)
        assert bench.woken == [KEY]
        # Asked for again and again, it is offered again when its time has come.
        for _ in range(40):
            await bench.carry_out(create("ConfigMap", "a"))
            await asyncio.sleep(0.1)
        assert len(bench.sent()) == 2
        assert len(bench.api.objects) == 1

    virtual_time.run(scenario())


def test_nothing_comes_into_being_behind_a_plan_that_takes_away() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.api.latency = 1.0
        await bench.carry_out(*(create("ConfigMap", f"c{number}") for number in range(4 * PARALLEL_BESIDE)))
        await asyncio.sleep(0.5)
        await bench.carry_out(mode=Mode.TEARDOWN)
        made = len(bench.api.objects)
        assert made == PARALLEL_BESIDE
        await asyncio.sleep(5)
        assert len(bench.api.objects) == made

    virtual_time.run(scenario())


def test_the_end_of_a_term_ends_what_is_made_beside() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.api.latency = 1.0
        await bench.carry_out(*(create("ConfigMap", f"c{number}") for number in range(4 * PARALLEL_BESIDE)))
        await asyncio.sleep(0.5)
        await bench.applier.stop()
        await asyncio.sleep(5)
        assert len(bench.sent()) == PARALLEL_BESIDE
        assert bench.woken == []

    virtual_time.run(scenario())


def test_the_finalizer_is_found_wherever_it_is_and_a_conflict_is_tried_again() -> None:
    async def scenario() -> None:
        bench = Bench()
        terminating = built("AllUseSystem", "demo")
        terminating["metadata"] |= {
            "finalizers": [names.FINALIZER],
            "deletionTimestamp": "2026-01-01T00:00:00Z",
        }
        bench.mirror.wrote(SYSTEM, bench.api.put(SYSTEM, terminating))
        terminating["metadata"]["finalizers"] = ["other/one", names.FINALIZER]
        bench.api.put(SYSTEM, terminating)
        bench.api.fault_after = fake_api.failing(1, ApiError(409, "Conflict", "again"), verb="PATCH")
        applied = await bench.carry_out(RemoveFinalizer())
        assert applied.outcomes[0].ok
        stored = bench.api.objects["allusesystems", "shop", "demo"]
        assert stored["metadata"]["finalizers"] == ["other/one"]

    virtual_time.run(scenario())


def test_a_system_whose_last_finalizer_goes_is_gone() -> None:
    async def scenario() -> None:
        bench = Bench()
        terminating = built("AllUseSystem", "demo")
        terminating["metadata"] |= {
            "finalizers": [names.FINALIZER],
            "deletionTimestamp": "2026-01-01T00:00:00Z",
        }
        bench.mirror.wrote(SYSTEM, bench.api.put(SYSTEM, terminating))
        assert (await bench.carry_out(RemoveFinalizer())).outcomes[0].ok
        assert bench.mirror.system(KEY) is None

    virtual_time.run(scenario())


def test_without_the_lease_nothing_is_written() -> None:
    async def scenario() -> None:
        bench = Bench(leading=False)
        with pytest.raises(NotLeading):
            await bench.carry_out(apply("ConfigMap", "a"), apply("Deployment", "a"), apply("ConfigMap", "b"))
        assert bench.sent() == []

    virtual_time.run(scenario())


def test_the_lease_is_asked_before_each_attempt() -> None:
    async def scenario() -> None:
        bench = Bench()

        def lose(verb: str, kind: str, name: str) -> None:
            bench.leading = False
            raise ApiError(503, "X", "away")

        bench.api.fault = lose
        with pytest.raises(NotLeading):
            await bench.carry_out(apply("ConfigMap", "a"))
        assert len(bench.sent()) == 1

    virtual_time.run(scenario())


def test_news_in_an_answer_calls_for_another_pass() -> None:
    async def scenario() -> None:
        bench = Bench()
        old = bench.api.put(DEPLOYMENT, built("Deployment", "a", status={"availableReplicas": 0}))
        bench.mirror.watched(DEPLOYMENT, old, deleted=False)
        bench.api.put(DEPLOYMENT, built("Deployment", "a", status={"availableReplicas": 1}))
        applied = await bench.carry_out(
            apply("Deployment", "a", live_uid=old["metadata"]["uid"], spec={"x": 1})
        )
        assert applied.outcomes[0].ok
        assert applied.again

    virtual_time.run(scenario())
