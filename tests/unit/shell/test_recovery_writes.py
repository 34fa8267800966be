"""A step of recovery: the record before the deed, and what is kept to go back to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import fake_api
import virtual_time
from alluse_operator.api import names
from alluse_operator.cluster.kinds import CONTROLLER_REVISION, DEPLOYMENT, POD
from alluse_operator.core.actions import KeepRevision, PodTarget, Recover
from alluse_operator.core.history import Attempt
from alluse_operator.core.objects import Ref
from alluse_operator.errors import ApiError
from alluse_operator.resources.metadata import seal
from applying import KEY, Bench, apply, built


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
    "fieldsV1": {
        "f:metadata": {
            "f:labels": {f"f:{names.SYSTEM_LABEL}": {}},
            "f:annotations": {
                f"f:{names.APPLIED_ANNOTATION}": {},
                f"f:{names.ROLLED_BACK_FROM_ANNOTATION}": {},
            },
        },
        "f:spec": {"f:replicas": {}},
    },
}


def revision(data: object = None) -> dict[str, Any]:
    kept = {"data": data} if data is not None else {}
    return built("ControllerRevision", "a-r1", **kept) | {"apiVersion": "apps/v1"}


def live_workload(bench: Bench, *, edited: bool = False, back_from: str = "") -> dict[str, Any]:
    """As it was applied with two replicas, the server's defaults beside it."""
    live = built("Deployment", "a", spec={"replicas": 2})
    live["apiVersion"] = "apps/v1"
    meta = dict(live["metadata"])
    live["metadata"] = {"name": "a", "namespace": "shop", "labels": {names.SYSTEM_LABEL: "demo"}}
    seal(live)
    notes = live["metadata"]["annotations"]
    live["metadata"] = {**meta, "annotations": notes}
    if back_from:
        notes[names.ROLLED_BACK_FROM_ANNOTATION] = back_from
    live["spec"] = {"replicas": 5 if edited else 2, "paused": False}
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


def test_nothing_is_kept_of_a_workload_that_somebody_has_edited() -> None:
    """What others have changed is not ours any more: what is left would be no way back."""

    async def scenario() -> None:
        bench = Bench()
        uid = live_workload(bench, edited=True)["metadata"]["uid"]
        applied = await bench.carry_out(KeepRevision("a", Ref("Deployment", "a"), uid, revision()))
        assert applied.outcomes[0].ok
        assert bench.sent() == []

    virtual_time.run(scenario())


def test_what_has_come_back_is_kept_again_or_goes_on() -> None:
    async def scenario() -> None:
        for edited in (False, True):
            bench = Bench()
            uid = live_workload(bench, edited=edited, back_from="bad")["metadata"]["uid"]
            again = KeepRevision("a", Ref("Deployment", "a"), uid, revision(), again=True)
            for _ in range(2):
                applied = await bench.carry_out(again)
                assert applied.outcomes[0].ok
            notes = bench.api.objects["deployments", "shop", "a"]["metadata"]["annotations"]
            assert (names.ROLLED_BACK_FROM_ANNOTATION in notes) is not edited
            kept = bench.api.objects.get(("controllerrevisions", "shop", "a-r1"))
            assert (kept is None) is edited
            if kept is not None:
                assert names.ROLLED_BACK_FROM_ANNOTATION not in kept["data"]["metadata"]["annotations"]

    virtual_time.run(scenario())


def test_a_mark_that_may_not_be_taken_off_is_told() -> None:
    async def scenario() -> None:
        bench = Bench()
        uid = live_workload(bench, edited=True, back_from="bad")["metadata"]["uid"]
        forbidden = ApiError(422, "Invalid", "a policy forbids it")
        bench.api.fault = fake_api.failing(1, forbidden, verb="PATCH")
        again = KeepRevision("a", Ref("Deployment", "a"), uid, revision(), again=True)
        applied = await bench.carry_out(again)
        assert "a policy forbids it" in str(applied.outcomes[0].error)

    virtual_time.run(scenario())
