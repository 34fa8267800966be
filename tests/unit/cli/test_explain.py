"""`why`: the chain, the part of the predicate that is false, what was done, what comes next."""

from __future__ import annotations

import pytest

from alluse_operator.api.spec import DependencyCondition
from alluse_operator.cli import predicates
from alluse_operator.cli.chain import chains
from alluse_operator.cli.explain import why
from alluse_operator.cli.picture import read
from builders import at, make_live, stamp
from cli_pictures import NOW, condition, live, picture, resource, row, shop, system_of, wait

HUNG = {"running": at(0), "started": True, "ready": at(1), "lost_ready": at(90)}


def sick_store(**more: object) -> list[dict]:
    left = {"message": "left alone while a component that it requires is not well", "causedBy": ["store"]}
    return [
        row("store", "Unhealthy", 92, reason="NotReady", message="pod demo-store-0 runs but is not ready any more", **more),
        row("api", "Unhealthy", 95, reason="DependencyUnhealthy", **left),
        row("web", "Unhealthy", 96, reason="DependencyUnhealthy", **left),
        row("mail"),
    ]  # fmt: skip


def test_the_chain_leads_to_the_root_with_times_and_the_false_part() -> None:
    action = {"type": "RestartPod", "time": stamp(at(94)), "reason": "NotReady"}
    rows = sick_store(rung="RestartPod", attempts=1, lastAction=action, nextActionTime=stamp(at(104)))

    said = why(picture(shop(), rows, broken={"store": HUNG}), "web")

    assert said == [
        "web is Unhealthy (DependencyUnhealthy) since 09:01:36Z (4 s)",
        "   it requires api to be Healthy; false there is:",
        "      nothing any more as seen from here; the operator's last word is Unhealthy (DependencyUnhealthy)",
        "   api is Unhealthy (DependencyUnhealthy) since 09:01:35Z (5 s)",
        "      it requires store to be Healthy; false there is:",
        "         enough pods of that revision are ready: 0 of 1 ready; pod demo-store-0 runs and is not ready "
        "since 09:01:30Z (10 s)",
        "      store is Unhealthy (NotReady) since 09:01:32Z (8 s)  <- the root",
        "         says: pod demo-store-0 runs but is not ready any more",
        "         Healthy(store), part by part:",
        "            yes  its workload exists: Deployment/demo-store",
        "             ?   it was asked for the wanted revision: " + said[10].split(": ")[1],
        "            yes  its controller has seen the newest spec: observed generation 1, newest is 1",
        "            NO   enough pods of that revision are ready: 0 of 1 ready; pod demo-store-0 runs and is not "
        "ready since 09:01:30Z (10 s)",
        "             ?   its deep check GET /health is good (fewer than 3 failures in a row): not asked while no "
        "pod is ready",
        "         done: RestartPod at 09:01:34Z (6 s ago), because NotReady; 1 in this run of trouble; rung "
        "RestartPod of the ladder",
        "         next: RestartPod, not before that: at 09:01:44Z (in 4 s)",
    ]


def test_a_wait_tells_its_deadline() -> None:
    rows = [
        row("store", "Starting", 60, reason="NotYetReady"),
        row("api", "Waiting", 60, reason="WaitingForDependencies", waitingFor=[wait("store", 60, 180)]),
        row("web", "Blocked", 60, reason="DependencyDeadlineExceeded", waitingFor=[wait("api", 0, 90)]),
        row("mail"),
    ]
    shown = picture(shop(), rows, broken={"store": {"ready": None, "started": False}})

    assert "it waits until 09:03:00Z (in 1 min 20 s), then it is Blocked" in "\n".join(why(shown, "api"))
    assert (
        "the deadline 09:01:30Z has passed 10 s ago: it is Blocked; it starts as soon as the condition holds"
        in "\n".join(why(shown, "web"))
    )


def test_a_component_that_is_well_shows_that_every_part_holds() -> None:
    said = why(picture(shop(), [row(name) for name in ("store", "api", "web", "mail")]), "api")

    assert said[0] == "api is Healthy since 09:00:00Z (1 min 40 s)"
    assert not any("NO" in line or "next:" in line for line in said)
    assert "yes  its deep check GET /health is good" in "\n".join(said)


def test_two_roots_make_two_chains() -> None:
    spec = shop()
    spec["components"][2]["dependsOn"].append({"name": "mail"})
    rows = sick_store()
    rows[3] = row("mail", "Unhealthy", 91, reason="CrashLoop", message="keeps ending")

    said = why(picture(spec, rows), "web")

    assert [line for line in said if line.endswith("roots:")] == ["1 of 2 roots:", "2 of 2 roots:"]
    assert {chain.root for chain in chains(picture(spec, rows), "web")} == {"store", "mail"}
    assert "the kubelet tries again by itself" in "\n".join(said)


def test_a_preferred_dependency_that_is_sick_is_no_cause_of_a_running_component() -> None:
    rows = sick_store()
    rows[3] = row("mail", "Unhealthy", 91, reason="NotReady")
    assert [chain.root for chain in chains(picture(shop(), rows), "mail")] == ["mail"]


def test_what_lies_outside_of_the_components_is_named() -> None:
    rows = [row("store", "Unhealthy", 92, reason="NodeUnreachable", causedBy=["Node/worker-2"])]
    suspended = condition("RecoverySuspended", "True", "node worker-2 is not ready")
    said = "\n".join(why(picture(shop(), rows, [suspended]), "store"))

    assert "the cause is Node/worker-2, not the component" in said
    assert "nothing is done while recovery is suspended: node worker-2 is not ready" in said


@pytest.mark.parametrize(
    ("told", "next_step"),
    [
        ({"reason": "RecoveryBudgetExhausted", "nextActionTime": stamp(at(3700))}, "one more attempt at 10:01:40Z (in 1 h), or at once after a change of the spec or `kubectl allusesystem retry store`"),
        ({"reason": "ImagePullFailed"}, "the kubelet tries again by itself"),
        ({"reason": "PodRefused"}, "once the quota or the policy allows it"),
        ({"state": "Recovering", "reason": "RecoveryInProgress"}, "its new pod becomes ready"),
        ({"state": "Unknown", "reason": "ObservationStale"}, "until the operator sees again"),
        ({"state": "Stopped", "reason": "StoppedWithDependency"}, "it is started again, through its start gate"),
    ],
)  # fmt: skip
def test_what_comes_next(told: dict, next_step: str) -> None:
    rows = [{**row("store", "Unhealthy", 92), **told}]
    assert f"next: {next_step}" in "\n".join(why(picture(shop(), rows), "store")).replace(
        "next: the workload's controller tries again by itself ", "next: "
    ).replace("next: nothing is done ", "next: ")


def test_an_invalid_spec_is_said_and_the_edges_are_read_off_the_workloads() -> None:
    workloads, pods = live(shop())
    spec = {**shop(), "environment": "nowhere"}
    made = resource(
        shop(), sick_store(), [condition("SpecValid", "False", "spec.environment: is not declared")]
    )
    shown = read({**made, "spec": spec}, NOW, workloads, pods)

    assert shown.system is None
    assert [chain.root for chain in chains(shown, "web")] == ["store"]
    assert "The spec is not carried out: spec.environment: is not declared" in why(shown, "web")


# -- predicates ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("different", "told", "false"),
    [
        ({}, {}, []),
        ({"ready": None, "started": False}, {"state": "Starting"}, ["0 of 1 ready; pod demo-store-0 runs and has not passed its startup probe yet"]),
        (
            {"running": None, "started": False, "ready": None, "waiting": ("ImagePullBackOff", "no such image")},
            {"state": "Unhealthy", "reason": "ImagePullFailed"},
            ["0 of 1 ready; pod demo-store-0 waits (ImagePullBackOff: no such image)"],
        ),
        (
            {"ready": None, "restarts": 2, "ended": ("OOMKilled", 137, at(80))},
            {"state": "Unhealthy", "reason": "OutOfMemory"},
            ["0 of 1 ready; pod demo-store-0 runs and is not ready since 09:00:00Z (1 min 40 s); its container last ended with OOMKilled, code 137 at 09:01:20Z"],
        ),
        ({"unscheduled": ("0/1 nodes are available", at(5)), "running": None, "started": False, "ready": None}, {"state": "Starting"}, ["0 of 1 ready; pod demo-store-0 finds no node: 0/1 nodes are available"]),
        ({"revision": "old"}, {"state": "Starting"}, ["0 of 1 ready; there is no pod of this revision"]),
        ({}, {"state": "Unhealthy", "reason": "ProbeFailed", "message": "HTTP 503: selftest"}, ["HTTP 503: selftest"]),
    ],
)  # fmt: skip
def test_healthy_names_the_part_that_is_false(different: dict, told: dict, false: list[str]) -> None:
    rows = [{**row("store"), **told}]
    shown = picture(shop(), rows, broken={"store": different} if different else None)
    found = predicates.checks(shown, "store", DependencyCondition.HEALTHY)
    assert [check.found for check in found if check.holds is False] == false


def test_started_asks_less_than_healthy() -> None:
    shown = picture(shop(), [row("store", "Starting")], broken={"store": {"ready": None}})
    assert all(
        check.holds is not False for check in predicates.checks(shown, "store", DependencyCondition.STARTED)
    )
    assert any(
        check.holds is False for check in predicates.checks(shown, "store", DependencyCondition.HEALTHY)
    )


def test_a_missing_workload_and_an_older_revision() -> None:
    bare = read(resource(shop(), [row("store", "Waiting")]), NOW)
    (check,) = predicates.checks(bare, "store", DependencyCondition.HEALTHY)
    assert (check.found, check.holds) == ("there is none", False)

    shown = picture(shop(), [row("store", revision="newer")])
    asked = predicates.checks(shown, "store", DependencyCondition.HEALTHY)[1]
    assert asked.holds is False
    assert asked.found.endswith("wanted is newer")


def test_a_job_completes() -> None:
    spec = {"profile": "Custom", "components": [{"name": "migrate", "type": "Job", "image": "m:1"}]}
    from builders import built_of

    job = make_live(built_of(system_of(spec))["migrate"].workload)
    failed = {
        "type": "Failed",
        "status": "True",
        "reason": "BackoffLimitExceeded",
        "message": "too often",
        "lastTransitionTime": stamp(at(50)),
    }
    job["status"]["conditions"] = [failed]
    shown = read(resource(spec, [row("migrate", "Failed", 50, reason="JobFailed")]), NOW, [job], [])

    (last,) = (
        check
        for check in predicates.checks(shown, "migrate", DependencyCondition.COMPLETED)
        if check.holds is False
    )
    assert last.found == "it has failed at 09:00:50Z: BackoffLimitExceeded: too often"
    assert "Completed(migrate), part by part:" in "\n".join(why(shown, "migrate"))
