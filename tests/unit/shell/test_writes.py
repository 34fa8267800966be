"""What each answer to a write means: tried again, obeyed, left alone, taken for success."""

from __future__ import annotations

import asyncio

import pytest

import fake_api
import virtual_time
from alluse_operator.cluster.kinds import CONFIG_MAP, DEPLOYMENT
from alluse_operator.core.actions import Delete, ScaleDown
from alluse_operator.core.objects import Ref
from alluse_operator.errors import ApiError
from applying import IDENTITY, KEY, Bench, apply, built


@pytest.mark.parametrize("status", [0, 429, 500, 503, 504])
def test_a_write_is_tried_again_while_the_failure_may_pass(status: int) -> None:
    async def scenario() -> None:
        bench = Bench()
        error = ApiError(status, "X", "later") if status else None
        bench.api.fault = fake_api.failing(3, error)
        applied = await bench.carry_out(apply("ConfigMap", "a"))
        assert [outcome.ok for outcome in applied.outcomes] == [True]
        assert len(bench.sent()) == 4

    virtual_time.run(scenario())


def test_a_lost_answer_leads_to_the_same_write_once_more() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.api.fault_after = fake_api.failing(1)
        applied = await bench.carry_out(apply("ConfigMap", "a"))
        assert applied.outcomes[0].ok
        assert len(bench.api.objects) == 1

    virtual_time.run(scenario())


def test_an_outage_ends_as_a_transient_outcome_within_a_few_seconds() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.api.fault = fake_api.failing(999)
        applied = await bench.carry_out(apply("ConfigMap", "a"))
        assert (applied.outcomes[0].ok, applied.outcomes[0].transient) == (False, True)
        assert asyncio.get_running_loop().time() < 5

    virtual_time.run(scenario())


def test_a_server_that_says_when_to_come_back_is_obeyed() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.api.fault = fake_api.failing(1, ApiError(429, "TooManyRequests", "slow down", retry_after=3))
        await bench.carry_out(apply("ConfigMap", "a"))
        assert 3 <= asyncio.get_running_loop().time() < 4

    virtual_time.run(scenario())


def test_a_refused_body_is_not_sent_again_at_once_but_another_is() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.api.fault = fake_api.failing(999, ApiError(403, "Forbidden", "exceeded quota: pods"))
        for _ in range(50):
            applied = await bench.carry_out(apply("ConfigMap", "a", data={"x": "1"}))
            assert applied.outcomes[0].error == "exceeded quota: pods"
            assert not applied.outcomes[0].transient
            await asyncio.sleep(1)
        assert len(bench.sent()) <= 9
        before = len(bench.sent())
        await bench.carry_out(apply("ConfigMap", "a", data={"x": "2"}))
        assert len(bench.sent()) == before + 1
        bench.api.fault = None
        await asyncio.sleep(11)
        applied = await bench.carry_out(apply("ConfigMap", "a", data={"x": "2"}))
        assert applied.outcomes[0].ok

    virtual_time.run(scenario())


def test_an_object_of_somebody_else_with_our_name_is_left_alone() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.api.put(
            CONFIG_MAP, {"metadata": {"name": "a", "namespace": "shop"}, "foreign": True, "data": {"k": "v"}}
        )
        applied = await bench.carry_out(apply("ConfigMap", "a", data={"x": "1"}))
        assert "belongs to somebody else" in (applied.outcomes[0].error or "")
        assert not applied.outcomes[0].transient
        assert bench.api.objects["configmaps", "shop", "a"]["data"] == {"k": "v"}

    virtual_time.run(scenario())


def test_our_own_object_that_was_hidden_is_taken_back() -> None:
    async def scenario() -> None:
        bench = Bench()
        owned = {"ownerReferences": [{"uid": IDENTITY.uid, "controller": True}]}
        bench.api.put(CONFIG_MAP, {"metadata": {"name": "a", "namespace": "shop", **owned}, "foreign": True})
        applied = await bench.carry_out(apply("ConfigMap", "a", data={"x": "1"}))
        assert applied.outcomes[0].ok
        assert bench.api.objects["configmaps", "shop", "a"]["data"] == {"x": "1"}

    virtual_time.run(scenario())


def test_a_replaced_object_is_not_merged_with_what_was_planned_for_the_old_one() -> None:
    async def scenario() -> None:
        bench = Bench()
        new = bench.api.put(CONFIG_MAP, built("ConfigMap", "a"))
        applied = await bench.carry_out(
            apply("ConfigMap", "a", live_uid="uid-of-the-old-one", data={"x": "1"})
        )
        assert (applied.outcomes[0].ok, applied.outcomes[0].transient, applied.again) == (False, True, True)
        assert "data" not in bench.api.objects["configmaps", "shop", "a"]
        [known] = bench.mirror.children(KEY)
        assert known["metadata"]["uid"] == new["metadata"]["uid"]

    virtual_time.run(scenario())


def test_deleting_what_is_gone_or_replaced_is_success() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.api.put(CONFIG_MAP, built("ConfigMap", "new"))
        applied = await bench.carry_out(
            Delete("a", Ref("ConfigMap", "gone"), "uid-1"),
            Delete("a", Ref("ConfigMap", "new"), "uid-of-the-old-one"),
        )
        assert [outcome.ok for outcome in applied.outcomes] == [True, True]
        assert ("configmaps", "shop", "new") in bench.api.objects

    virtual_time.run(scenario())


@pytest.mark.parametrize(
    ("uid", "replicas", "sees_it"),
    [("its own", 0, True), ("another's", 3, True), ("its own", None, False)],
    ids=["it is the one", "another has its name by now", "it is gone"],
)
def test_only_the_very_workload_that_was_planned_on_is_scaled_down(
    uid: str, replicas: int | None, sees_it: bool
) -> None:
    async def scenario() -> None:
        bench = Bench()
        live = bench.api.put(DEPLOYMENT, built("Deployment", "a", spec={"replicas": 3}))
        target = live["metadata"]["uid"] if uid == "its own" else "uid-of-before"
        if replicas is None:
            await bench.api.delete(DEPLOYMENT, "shop", "a")
        applied = await bench.carry_out(ScaleDown("a", Ref("Deployment", "a"), target))
        assert applied.outcomes[0].ok
        found = [obj["spec"]["replicas"] for obj in bench.api.objects.values()]
        assert found == ([] if replicas is None else [replicas])
        assert (bench.mirror.child(KEY, "Deployment", "a") is not None) is sees_it

    virtual_time.run(scenario())


def test_a_policy_that_forbids_to_scale_down_is_told_of() -> None:
    async def scenario() -> None:
        bench = Bench()
        live = bench.api.put(DEPLOYMENT, built("Deployment", "a", spec={"replicas": 3}))
        bench.api.fault = fake_api.failing(
            1, ApiError(422, "Invalid", "at least one replica, says the policy")
        )
        applied = await bench.carry_out(ScaleDown("a", Ref("Deployment", "a"), live["metadata"]["uid"]))
        (outcome,) = applied.outcomes
        assert outcome.error is not None
        assert "says the policy" in outcome.error

    virtual_time.run(scenario())
