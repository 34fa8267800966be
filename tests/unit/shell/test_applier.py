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


<<<<<<< HEAD
=======
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


def restart(workload: dict[str, Any], *, resume: bool = False) -> Recover:
    attempt = Attempt("uid-pod", datetime(2026, 1, 1, tzinfo=UTC), "ProbeFailed", 1, 1)
    return Recover(
        component="a",
        workload=Ref("Deployment", "a"),
        workload_uid=workload["metadata"]["uid"],
        resource_version=workload["metadata"]["resourceVersion"],
        history=(attempt,),
        attempt=attempt,
        evict=(PodTarget("a-1", "uid-pod"),),
        resume=resume,
    )


def test_a_restart_is_recorded_before_it_is_made() -> None:
    async def scenario() -> None:
        bench = Bench()
        workload = bench.api.put(DEPLOYMENT, built("Deployment", "a"))
        bench.api.put(
            POD, {**built("Pod", "a-1"), "metadata": {**built("Pod", "a-1")["metadata"], "uid": "uid-pod"}}
        )
        applied = await bench.carry_out(restart(workload))
        assert bench.sent() == ["APPLY Deployment/a", "EVICT Pod/a-1"]
        assert applied.outcomes[0].ok
        assert (
            names.RECOVERY_ANNOTATION
            in bench.api.objects["deployments", "shop", "a"]["metadata"]["annotations"]
        )

    virtual_time.run(scenario())


def test_a_restart_planned_on_an_old_history_is_not_made() -> None:
    async def scenario() -> None:
        bench = Bench()
        workload = bench.api.put(DEPLOYMENT, built("Deployment", "a"))
        bench.api.put(DEPLOYMENT, built("Deployment", "a", touched=True))
        applied = await bench.carry_out(restart(workload))
        assert bench.sent() == ["APPLY Deployment/a"]
        outcome = applied.outcomes[0]
        assert (outcome.ok, outcome.transient, outcome.outdated) == (False, True, True)

    virtual_time.run(scenario())


def test_a_recorded_restart_is_resumed_without_another_record() -> None:
    async def scenario() -> None:
        bench = Bench()
        workload = bench.api.put(DEPLOYMENT, built("Deployment", "a"))
        applied = await bench.carry_out(restart(workload, resume=True))
        assert bench.sent() == ["EVICT Pod/a-1"]
        assert applied.outcomes[0].ok

    virtual_time.run(scenario())


def recover(workload: dict[str, Any], **more: Any) -> Recover:
    return replace(restart(workload), **more)


def test_a_rollout_is_recorded_and_done_by_one_write() -> None:
    async def scenario() -> None:
        bench = Bench()
        workload = bench.api.put(DEPLOYMENT, built("Deployment", "a"))
        template = {"metadata": {"annotations": {names.RESTARTED_AT_ANNOTATION: "now"}}}
        applied = await bench.carry_out(recover(workload, template=template, evict=()))
        assert applied.outcomes[0].ok
        [write] = bench.api.writes()
        assert write.body["spec"] == {"template": template}
        assert names.RECOVERY_ANNOTATION in write.body["metadata"]["annotations"]
        assert write.body["metadata"]["uid"] == workload["metadata"]["uid"]

    virtual_time.run(scenario())


def test_a_way_back_is_recorded_then_applied_then_the_sick_pod_goes() -> None:
    async def scenario() -> None:
        bench = Bench()
        workload = bench.api.put(DEPLOYMENT, built("Deployment", "a"))
        back = built("Deployment", "a", spec={"replicas": 7})
        applied = await bench.carry_out(recover(workload, rollback=back))
        assert applied.outcomes[0].ok
        assert bench.sent() == ["APPLY Deployment/a", "APPLY Deployment/a", "EVICT Pod/a-1"]
        assert bench.api.objects["deployments", "shop", "a"]["spec"] == {"replicas": 7}

    virtual_time.run(scenario())


def test_all_pods_of_a_step_are_evicted_and_those_that_are_gone_are_success() -> None:
    async def scenario() -> None:
        bench = Bench()
        workload = bench.api.put(DEPLOYMENT, built("Deployment", "a"))
        for name in ("b-1", "c-1"):
            pod = built("Pod", name)
            bench.api.put(POD, {**pod, "metadata": {**pod["metadata"], "uid": f"uid-{name}"}})
        targets = (
            PodTarget("b-1", "uid-b-1"),
            PodTarget("gone", "uid-gone"),
            PodTarget("c-1", "uid-of-before"),
        )
        applied = await bench.carry_out(recover(workload, evict=targets))
        assert applied.outcomes[0].ok
        assert [at[2] for at in bench.api.objects if at[0] == "pods"] == ["c-1"]

    virtual_time.run(scenario())


def test_an_eviction_that_a_budget_forbids_is_tried_again_by_the_next_pass() -> None:
    async def scenario() -> None:
        bench = Bench()
        workload = bench.api.put(DEPLOYMENT, built("Deployment", "a"))
        bench.api.fault = fake_api.failing(99, ApiError(429, "TooManyRequests", "budget"), verb="EVICT")
        applied = await bench.carry_out(restart(workload))
        assert (applied.outcomes[0].ok, applied.outcomes[0].transient) == (False, True)
        assert bench.sent().count("APPLY Deployment/a") == 1
        bench.api.fault = None
        applied = await bench.carry_out(restart(workload, resume=True))
        assert applied.outcomes[0].ok
        assert bench.sent().count("APPLY Deployment/a") == 1

    virtual_time.run(scenario())


MANAGED = {
    "manager": names.FIELD_MANAGER,
    "operation": "Apply",
    "fieldsV1": {"f:metadata": {"f:labels": {f"f:{names.SYSTEM_LABEL}": {}}}, "f:spec": {"f:replicas": {}}},
}


def revision(data: object = None) -> dict[str, Any]:
    kept = {"data": data} if data is not None else {}
    return built("ControllerRevision", "a-r1", **kept) | {"apiVersion": "apps/v1"}


def live_workload(bench: Bench) -> dict[str, Any]:
    live = built("Deployment", "a", spec={"replicas": 2, "paused": False})
    live["metadata"]["managedFields"] = [MANAGED]
    return bench.api.put(DEPLOYMENT, live)


def test_what_was_applied_is_kept_before_the_workload_gets_another_revision() -> None:
    async def scenario() -> None:
        bench = Bench()
        live = live_workload(bench)
        uid = live["metadata"]["uid"]
        applied = await bench.carry_out(
            apply("Deployment", "a", live_uid=uid, spec={"replicas": 3}),
            KeepRevision("a", Ref("Deployment", "a"), uid, revision()),
        )
        assert all(outcome.ok for outcome in applied.outcomes)
        assert bench.sent() == ["APPLY ControllerRevision/a-r1", "APPLY Deployment/a"]
        stored = bench.api.objects["controllerrevisions", "shop", "a-r1"]
        assert stored["data"]["spec"] == {"replicas": 2}
        assert stored["data"]["metadata"]["name"] == "a"
        assert bench.mirror.child(KEY, "ControllerRevision", "a-r1") is not None

    virtual_time.run(scenario())


def test_a_workload_keeps_its_revision_while_that_cannot_be_kept() -> None:
    async def scenario() -> None:
        bench = Bench()
        uid = live_workload(bench)["metadata"]["uid"]
        bench.api.fault = fake_api.failing(99, ApiError(503, "X", "later"), kind="ControllerRevision")
        applied = await bench.carry_out(
            KeepRevision("a", Ref("Deployment", "a"), uid, revision()),
            apply("Deployment", "a", live_uid=uid, spec={"replicas": 3}),
            apply("Deployment", "b"),
        )
        assert "APPLY Deployment/a" not in bench.sent()
        assert "APPLY Deployment/b" in bench.sent()
        errors = [outcome for outcome in applied.outcomes if not outcome.ok]
        assert len(errors) == 2
        assert all(outcome.transient for outcome in errors)

    virtual_time.run(scenario())


def test_a_revision_that_is_kept_with_other_content_is_kept_anew() -> None:
    async def scenario() -> None:
        bench = Bench()
        uid = live_workload(bench)["metadata"]["uid"]
        old = bench.api.put(CONTROLLER_REVISION, revision(data={"spec": {"replicas": 9}}))
        immutable = ApiError(422, "Invalid", "data: field is immutable")
        bench.api.fault = fake_api.failing(1, immutable, verb="APPLY", kind="ControllerRevision")
        applied = await bench.carry_out(KeepRevision("a", Ref("Deployment", "a"), uid, revision()))
        assert applied.outcomes[0].ok
        stored = bench.api.objects["controllerrevisions", "shop", "a-r1"]
        assert stored["data"]["spec"] == {"replicas": 2}
        assert stored["metadata"]["uid"] != old["metadata"]["uid"]

    virtual_time.run(scenario())


def test_nothing_is_kept_of_a_workload_that_is_another_by_now() -> None:
    async def scenario() -> None:
        bench = Bench()
        live_workload(bench)
        applied = await bench.carry_out(
            KeepRevision("a", Ref("Deployment", "a"), "uid-of-the-old-one", revision())
        )
        assert (applied.outcomes[0].ok, applied.outcomes[0].transient) == (False, True)
        assert bench.sent() == []

    virtual_time.run(scenario())


def test_nothing_is_kept_of_a_workload_that_has_another_revision_by_now() -> None:
    """An operator that saw too little would keep the bad revision in the name of the good one."""

    async def scenario() -> None:
        bench = Bench()
        live = live_workload(bench)
        live["metadata"].setdefault("annotations", {})[names.REVISION_ANNOTATION] = "bad"
        live = bench.api.put(DEPLOYMENT, live)
        good = revision()
        good["metadata"]["annotations"] = {names.REVISION_ANNOTATION: "good"}
        applied = await bench.carry_out(
            KeepRevision("a", Ref("Deployment", "a"), live["metadata"]["uid"], good)
        )
        assert (applied.outcomes[0].ok, applied.outcomes[0].transient) == (False, True)
        assert bench.sent() == []
        seen = bench.mirror.child(KEY, "Deployment", "a")
        assert seen is not None
        assert seen["metadata"]["annotations"][names.REVISION_ANNOTATION] == "bad", "it has learnt better"

    virtual_time.run(scenario())


>>>>>>> 8ef3f8b (wip)
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
