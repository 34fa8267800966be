"""Conditions, cause, rows and events: what people and programs are told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from alluse_operator.api.errors import FieldError, InvalidSpec
from alluse_operator.api.spec import ComponentType, Criticality, DependencyCondition, Requirement
from alluse_operator.api.status import AllUseSystemStatus
from alluse_operator.core.actions import Apply
from alluse_operator.core.desired import Dependency, Health, RecoveryPolicy, Startup, System, TeardownPolicy
from alluse_operator.core.objects import Ref
from builders import at, built_of, make_resource
from desired_values import make_component, make_system
from model_cluster import ModelCluster, Pass

CONFIG = make_component("config", criticality=Criticality.CRITICAL)
WEB = make_component(
    "web",
    criticality=Criticality.CRITICAL,
    dependencies=(Dependency("config"),),
    health=Health(path="/health", period=timedelta(seconds=1)),
)
EXTRA = make_component("extra", criticality=Criticality.OPTIONAL)
SHOP = make_system(CONFIG, WEB, EXTRA, startup=Startup(deadline=timedelta(seconds=120)))


def run(cluster: ModelCluster, seconds: float = 10) -> list[Pass]:
    """Passes until that much time has gone."""
    end, done = cluster.now + timedelta(seconds=seconds), []
    while cluster.now < end:
        found = cluster.reconcile()
        if found is None:
            break
        done.append(found)
        cluster.tick(1)
    return done


def started(system: System = SHOP) -> ModelCluster:
    cluster = ModelCluster(system, system)
    run(cluster)
    return cluster


def status(cluster: ModelCluster) -> dict[str, Any]:
    assert cluster.resource is not None
    AllUseSystemStatus.model_validate(cluster.resource["status"])
    return dict(cluster.resource["status"])


def conditions(cluster: ModelCluster) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in status(cluster)["conditions"]}


def row(cluster: ModelCluster, name: str) -> dict[str, Any]:
    return next(row for row in status(cluster)["components"] if row["name"] == name)


def reasons(passes: Sequence[Pass]) -> list[str]:
    return [event.reason.value for done in passes for event in done.report.events]


def pod_of(cluster: ModelCluster, name: str) -> Any:
    return next(pod for pod in cluster.pods.values() if pod.component == name and pod.deleting is None)


def test_the_first_status_is_complete() -> None:
    cluster = ModelCluster(SHOP, SHOP)
    cluster.reconcile()
    assert conditions(cluster) == {
        "Ready": ("Unknown", "Starting"),
        "Available": ("False", "CriticalComponentsUnavailable"),
        "Degraded": ("False", "NoComponentDegraded"),
        "SpecValid": ("True", "SpecAccepted"),
        "Reconciling": ("True", "Starting"),
    }
    assert status(cluster)["state"] == "Starting"
    assert status(cluster)["ready"] == "0/3"
    assert status(cluster)["waiting"] == "web for config"
    wait = row(cluster, "web")["waitingFor"][0]
    assert wait["name"] == "config"
    assert wait["since"] == "2026-01-05T09:00:00Z"
    assert wait["deadline"] == "2026-01-05T09:02:00Z"


def test_who_waits_is_told_with_the_deadline_and_once_for_those_that_wait_for_the_same() -> None:
    web = make_component("web", dependencies=(Dependency("config"),))
    api = make_component("api", dependencies=(Dependency("config"),))
    system = make_system(CONFIG, api, web)
    cluster = ModelCluster(system, system)
    passed = cluster.reconcile()
    assert passed is not None
    (note,) = [e.note for e in passed.report.events if e.reason.value == "WaitingForDependency"]
    assert note == "waiting: api, web for config until 2026-01-05T09:02:00Z"


def test_a_running_system_is_ready_and_quiet() -> None:
    cluster = ModelCluster(SHOP, SHOP)
    told = reasons(run(cluster))
    assert conditions(cluster) == {
        "Ready": ("True", "AllComponentsReady"),
        "Available": ("True", "CriticalComponentsAvailable"),
        "Degraded": ("False", "NoComponentDegraded"),
        "SpecValid": ("True", "SpecAccepted"),
    }
    found = status(cluster)
    assert (found["state"], found["ready"]) == ("Running", "3/3")
    assert "cause" not in found
    assert "waiting" not in found
    assert found["startup"]["seconds"] > 0
    assert row(cluster, "web")["startSeconds"] >= 1
    assert told.count("SystemReady") == 1
    assert told.count("WaitingForDependency") == 1
    assert {"ComponentStarting", "ComponentHealthy"} <= set(told)
    assert reasons(run(cluster)) == []


def test_how_long_a_start_took_is_said_together_with_its_success() -> None:
    """The pods may be ready before their workload's controller has written its own status."""
    cluster = ModelCluster(SHOP, SHOP)
    while not any(pod.ready for pod in cluster.pods.values()):
        cluster.reconcile()
        cluster.tick(1)
    [ready] = {pod.component for pod in cluster.pods.values() if pod.ready and pod.component != "extra"}
    workload = next(obj for ref, obj in cluster.objects.items() if ref == Ref("Deployment", f"shop-{ready}"))
    workload["status"]["observedGeneration"] = 0
    cluster.reconcile()
    assert row(cluster, ready)["state"] == "Healthy"
    assert "startSeconds" in row(cluster, ready)


def test_transition_times_stay_while_the_status_does() -> None:
    cluster = started()
    before = {c["type"]: c["lastTransitionTime"] for c in status(cluster)["conditions"]}
    cluster.turn_grey(pod_of(cluster, "extra"))
    run(cluster, 1)
    after = {c["type"]: c["lastTransitionTime"] for c in status(cluster)["conditions"]}
    assert after["Available"] == before["Available"]
    assert after["Degraded"] > before["Degraded"]


def test_the_root_is_named_with_whom_it_holds() -> None:
    cluster = ModelCluster(SHOP, SHOP)
    cluster.broken = {"config": "image"}
    run(cluster, 5)
    cause = status(cluster)["cause"]
    assert cause.startswith("config Unhealthy (ImagePullFailed")
    assert cause.endswith("; holds web")
    assert conditions(cluster)["Ready"] == ("Unknown", "Starting")


def test_past_the_startup_deadline_the_system_is_stalled_and_goes_on() -> None:
    cluster = ModelCluster(SHOP, SHOP)
    cluster.broken = {"config": "image"}
    told = reasons(run(cluster, 125))
    assert conditions(cluster)["Stalled"] == ("True", "StartupDeadlineExceeded")
    assert "Reconciling" not in conditions(cluster)
    assert status(cluster)["state"] == "Stalled"
    assert row(cluster, "web")["state"] == "Blocked"
    assert "DependencyDeadlineExceeded" in told
    assert told.count("SystemStalled") == 1
    cluster.broken = {}
    run(cluster)
    assert conditions(cluster)["Ready"][0] == "True"
    assert "Stalled" not in conditions(cluster)


def test_a_crash_is_seen_through() -> None:
    cluster = started()
    cluster.crash(pod_of(cluster, "web"))
    done = [cluster.reconcile()]
    assert row(cluster, "web")["state"] == "Unhealthy"
    assert row(cluster, "web")["reason"] == "Crashed"
    assert conditions(cluster)["Ready"] == ("False", "ComponentsNotReady")
    assert conditions(cluster)["Available"][0] == "False"
    cluster.tick(0.1)
    done.append(cluster.reconcile())
    found = row(cluster, "web")
    assert found["state"] == "Recovering"
    assert found["attempts"] == 1
    assert found["lastAction"]["type"] == "ContainerRestart"
    run(cluster, 5)
    assert row(cluster, "web")["state"] == "Healthy"
    assert conditions(cluster)["Ready"][0] == "True"
    assert "ComponentUnhealthy" in reasons([each for each in done if each])


def test_a_restart_that_no_pass_saw_begin_is_told() -> None:
    """Both what is seen in the middle of it, and what is over before anybody looks."""
    for ticks, state in (((0.1,), "Recovering"), ((1,) * 8, "Healthy")):
        cluster = started()
        cluster.crash(pod_of(cluster, "web"))
        for seconds in ticks:
            cluster.tick(seconds)
        done = cluster.reconcile()
        assert done is not None
        assert row(cluster, "web")["state"] == state
        assert row(cluster, "web")["lastAction"]["type"] == "ContainerRestart"
        assert reasons([done]).count("ComponentUnhealthy") == 1
        assert "ComponentUnhealthy" not in reasons(run(cluster, 10))


def test_a_grey_failure_is_restarted_and_told() -> None:
    cluster = started()
    cluster.turn_grey(pod_of(cluster, "web"))
    done = cluster.reconcile()
    assert done is not None
    assert "RecoveryAction" in reasons([done])
    assert done.report.facts.recoveries == (("web", "RestartPod"),)
    found = row(cluster, "web")
    assert found["attempts"] == 1
    assert found["lastAction"]["type"] == "RestartPod"
    assert found["lastAction"]["reason"] == "ProbeFailed"
    run(cluster, 8)
    assert row(cluster, "web")["state"] == "Healthy"


@pytest.mark.parametrize(("fault", "told"), [("outdate", 0), ("refuse", 1)])
def test_a_write_that_somebody_overtook_is_planned_anew_in_silence(fault: str, told: int) -> None:
    cluster = started()
    cluster.turn_grey(pod_of(cluster, "web"))
    cluster.faults = [fault]
    done = cluster.reconcile()
    assert done is not None
    assert reasons([done]).count("ActionFailed") == told
    assert ("RestartPod failed" in row(cluster, "web")["message"]) == bool(told)
    if fault == "outdate":
        assert not {"lastAction", "attempts", "rung"} & row(cluster, "web").keys(), "nothing was done yet"
    assert "RecoveryAction" in reasons(run(cluster, 3))


def test_exhausted_recovery_stalls_with_the_time_of_the_next_attempt() -> None:
    policy = RecoveryPolicy(max_actions=1, window=timedelta(seconds=600))
    cluster = started(make_system(CONFIG, WEB, recovery=policy))
    told: list[str] = []
    for _ in range(2):
        cluster.turn_grey(pod_of(cluster, "web"))
        told += reasons(run(cluster, 8))
    found = row(cluster, "web")
    assert found["reason"] == "RecoveryBudgetExhausted"
    assert found["nextActionTime"] > found["lastAction"]["time"]
    assert conditions(cluster)["Stalled"] == ("True", "RecoveryBudgetExhausted")
    assert told.count("RecoveryExhausted") == 1


def test_an_optional_component_does_not_make_the_system_unready() -> None:
    cluster = started()
    cluster.turn_grey(pod_of(cluster, "extra"))
    cluster.reconcile()
    assert conditions(cluster)["Ready"][0] == "True"
    assert conditions(cluster)["Degraded"] == ("True", "ComponentsDegraded")


def test_drift_is_told_as_such() -> None:
    cluster = started()
    del cluster.objects[next(ref for ref in cluster.objects if ref.kind == "Service")]
    done = cluster.reconcile()
    assert done is not None
    assert reasons([done]) == ["DriftCorrected"]
    assert done.report.facts.corrected == 1


def test_a_preferred_dependency_is_skipped_with_a_warning() -> None:
    picky = make_component(
        "web",
        dependencies=(Dependency("config", requirement=Requirement.PREFERRED),),
        start_deadline=timedelta(seconds=20),
    )
    system = make_system(CONFIG, picky)
    cluster = ModelCluster(system, system)
    cluster.broken = {"config": "slow"}
    passes = run(cluster, 30)
    warnings = [e for done in passes for e in done.report.events if e.reason == "PreferredDependencySkipped"]
    assert len(warnings) == 1
    assert warnings[0].type == "Warning"
    assert "web starts without config" in warnings[0].note
    begun = next(
        done.now
        for done in passes
        for a in done.plan.actions
        if isinstance(a, Apply) and a.ref.name == "shop-web" and a.ref.kind == "Deployment"
    )
    assert begun == at(20)


def test_a_failed_job_fails_the_edge_at_once() -> None:
    job = make_component("migrate", kind=ComponentType.JOB)
    user = make_component("web", dependencies=(Dependency("migrate", DependencyCondition.COMPLETED),))
    system = make_system(job, user)
    cluster = ModelCluster(system, system)
    cluster.broken = {"migrate": "crash"}
    run(cluster, 8)
    assert row(cluster, "migrate")["state"] == "Failed"
    assert (row(cluster, "web")["state"], row(cluster, "web")["reason"]) == ("Blocked", "DependencyFailed")
    assert conditions(cluster)["Stalled"] == ("True", "JobFailed")
    assert status(cluster)["cause"].startswith("migrate Failed (JobFailed")


def test_an_invalid_spec_keeps_what_was_known() -> None:
    cluster = started()
    cluster.desired = InvalidSpec([FieldError("spec.components[0].port", "must be a port")])
    done = run(cluster, 2)
    assert conditions(cluster)["SpecValid"] == ("False", "SpecInvalid")
    assert conditions(cluster)["Stalled"] == ("True", "SpecInvalid")
    assert conditions(cluster)["Available"][0] == "True"
    assert row(cluster, "web")["state"] == "Healthy"
    assert reasons(done) == ["InvalidSpec"]
    assert [one.report.facts.spec_invalid for one in done] == [True, True]
    cluster.desired = cluster.system
    assert [one.report.facts.spec_invalid for one in run(cluster, 1)] == [False]


def test_disabled_components_are_listed() -> None:
    cluster = started()
    less = make_system(CONFIG, WEB, disabled=("extra",), identity=SHOP.identity)
    cluster.change(less)
    run(cluster, 5)
    assert row(cluster, "extra")["state"] == "Disabled"
    assert status(cluster)["ready"] == "2/2"
    assert not any("extra" in ref.name for ref in cluster.objects)


def test_teardown_is_told_from_beginning_to_end() -> None:
    cluster = started(make_system(CONFIG, WEB, teardown=TeardownPolicy(deadline=timedelta(seconds=10))))
    cluster.broken = {"config": "stuck"}
    cluster.delete_resource()
    first = cluster.reconcile()
    assert status(cluster)["state"] == "Terminating"
    assert conditions(cluster)["Ready"] == ("False", "Terminating")
    assert row(cluster, "config")["message"] == "stops when web is gone"
    told = reasons([first] if first else []) + reasons(run(cluster, 60))
    assert told.count("TeardownStarted") == 1
    assert "TeardownForced" in told
    assert cluster.resource is None


def test_a_refused_object_blocks_its_component() -> None:
    cluster = ModelCluster(SHOP, SHOP)
    theirs = built_of(SHOP)["web"].workload
    cluster._create(
        {**theirs, "metadata": {**theirs["metadata"], "ownerReferences": [{"uid": "x", "controller": True}]}}
    )
    run(cluster, 6)
    assert (row(cluster, "web")["state"], row(cluster, "web")["reason"]) == ("Blocked", "NameConflict")
    assert "belongs to somebody else" in status(cluster)["cause"]


@pytest.mark.parametrize("age", [61, 3600])
def test_what_is_too_old_is_said_and_not_acted_on(age: int) -> None:
    cluster = started()
    cluster.synced_at = cluster.now - timedelta(seconds=age)
    cluster.reconcile()
    assert conditions(cluster)["Ready"] == ("Unknown", "ObservationStale")
    assert row(cluster, "web")["state"] == "Unknown"


def test_a_resource_without_status_starts_from_its_creation() -> None:
    cluster = ModelCluster(SHOP, SHOP)
    cluster.resource = make_resource(SHOP, created=at(-5), finalizers=())
    cluster.reconcile()
    reconciling = next(c for c in status(cluster)["conditions"] if c["type"] == "Reconciling")
    assert reconciling["lastTransitionTime"] == "2026-01-05T08:59:55Z"
