"""Each rule of health as a row: what the cluster shows, what it is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from alluse_operator.api.names import ISOLATED_LABEL, RECOVERY_ANNOTATION, REVISION_ANNOTATION
from alluse_operator.api.spec import ComponentType
from alluse_operator.core import history
from alluse_operator.core.desired import Health
from alluse_operator.core.health import assess
from alluse_operator.core.history import Attempt
from alluse_operator.core.observed import ProbeOutcome, ProbeReading
from alluse_operator.core.sight import see
from alluse_operator.core.verdicts import Assessment
from builders import (
    at,
    built_of,
    make_event,
    make_live,
    make_node,
    make_pod,
    make_resource,
    make_slice,
    make_snapshot,
    stamp,
)
from desired_values import make_component, make_system

HEALTH = Health(path="/health", period=timedelta(seconds=3), unhealthy_after=3)
WEB = make_component("web", health=HEALTH, start_deadline=timedelta(seconds=60))
JOB_PATIENT = make_component("web", kind=ComponentType.JOB, start_deadline=timedelta(seconds=600))
JOB = make_component("web", kind=ComponentType.JOB, start_deadline=timedelta(seconds=60))


@dataclass(frozen=True)
class Case:
    """What is seen, and what shall be said of it."""

    says: str
    pods: tuple[Mapping[str, Any], ...] = ()
    status: Mapping[str, Any] | None = None
    """Status of the workload; None: there is no workload."""
    probe: tuple[ProbeOutcome, int] | None = None
    probe_at: float = 100
    previous: Mapping[str, Any] | None = None
    revision: str = ""
    attempt: Attempt | None = None
    event: str = ""
    component: Any = WEB
    deleting: bool = False
    healthy: bool = False
    started: bool = False
    suspect: bool = False
    since: float | None = None
    recheck: float | None = None
    text: str = ""
    slow: int = 0
    refused: bool = False
    failing_since: float = 90
    nodes: tuple[Mapping[str, Any], ...] = ()
    in_service: tuple[str, ...] | None = None
    """uids of the pods that the Service leads to; None: nothing is known of it."""
    isolated: bool = False


READY = {"running": at(2), "ready": at(5)}
RUNNING = {"running": at(2)}
WAS_HEALTHY = {"name": "web", "state": "Healthy", "startSeconds": 5, "since": stamp(at(5))}
CRASH = ("Error", 137, at(95))
KILLED = ("OOMKilled", 137, at(95))
LOSSES = [stamp(at(-300)), stamp(at(-100)), stamp(at(80))]
FLAPPED = {**WAS_HEALTHY, "since": stamp(at(85)), "failures": LOSSES}
AGAIN = {"running": at(2), "ready": at(85)}
AWAY = make_node("one", ready=False, since=at(60))

CASES: Mapping[str, Case] = {
    "nothing is there": Case("Waiting Created"),
    "workload without pods": Case("Starting Created", status={}, recheck=160, previous={"state": "Starting"}),
    "workload is being deleted": Case("Stopping Stopping", status={}, deleting=True),
    "pod is running, not ready": Case("Starting NotYetReady", (RUNNING,), {}, recheck=60, component=WEB),
    "pod is ready": Case("Healthy Healthy", (READY,), {}, healthy=True, started=True, since=5),
    "ready and the probe is good": Case(
        "Healthy Healthy", (READY,), {}, (ProbeOutcome.GOOD, 0), healthy=True, started=True
    ),
    "one failed probe is no verdict, but nobody starts on it": Case(
        "Healthy Healthy", (READY,), {}, (ProbeOutcome.FAILED, 1), started=True
    ),
    "three failed probes": Case(
        "Unhealthy ProbeFailed",
        (READY,),
        {},
        (ProbeOutcome.FAILED, 3),
        started=True,
        suspect=True,
        text="HTTP 500",
    ),
    "nobody listens: the kubelet starts what has ended": Case(
        "Unhealthy ProbeFailed",
        (READY,),
        {},
        (ProbeOutcome.FAILED, 5),
        started=True,
        refused=True,
        failing_since=95,
        recheck=105,
    ),
    "nobody has listened for too long": Case(
        "Unhealthy ProbeFailed",
        (READY,),
        {},
        (ProbeOutcome.FAILED, 9),
        started=True,
        refused=True,
        failing_since=90,
        suspect=True,
    ),
    "failed probes that are too old say nothing": Case(
        "Healthy Healthy", (READY,), {}, (ProbeOutcome.FAILED, 3), 80, healthy=True, started=True
    ),
    "no news of a pod that failed its probes": Case(
        "Unknown ProbeFailed",
        (READY,),
        {},
        previous={**WAS_HEALTHY, "state": "Unhealthy", "reason": "ProbeFailed", "since": stamp(at(50))},
        started=True,
    ),
    "the probe says degraded": Case(
        "Degraded ReportsDegraded",
        (READY,),
        {},
        (ProbeOutcome.DEGRADED, 0),
        healthy=True,
        started=True,
        text="HTTP 500",
    ),
    "generation not seen yet": Case(
        "Healthy Healthy", (READY,), {"observedGeneration": 0}, started=True, healthy=False
    ),
    "workload of another revision": Case("Healthy Healthy", (READY,), {}, revision="old"),
    "good, but not for long enough": Case(
        "Starting Settling",
        ({"running": at(90), "ready": at(98)},),
        {},
        component=replace(WEB, health=replace(HEALTH, healthy_for=timedelta(seconds=5))),
        started=True,
        recheck=103,
    ),
    "image cannot be pulled": Case(
        "Unhealthy ImagePullFailed", ({"waiting": ("ErrImagePull", "no such tag")},), {}, text="no such tag"
    ),
    "image pull is backed off": Case(
        "Unhealthy ImagePullFailed", ({"waiting": ("ImagePullBackOff", "")},), {}
    ),
    "a secret is missing": Case(
        "Unhealthy ContainerConfigError", ({"waiting": ("CreateContainerConfigError", "secret x")},), {}
    ),
    "crash loop": Case(
        "Unhealthy CrashLoop",
        (
            {
                "waiting": ("CrashLoopBackOff", "back-off 40s"),
                "ended": CRASH,
                "restarts": 4,
                "phase": "Running",
            },
        ),
        {},
        since=95,
        text="code 137, 4 restarts",
    ),
    "crashed a moment ago": Case(
        "Unhealthy Crashed", ({"ended": CRASH, "restarts": 0, "lost_ready": at(95)},), {}, since=95
    ),
    "crashed and runs again": Case(
        "Recovering Crashed",
        ({"running": at(97), "ended": CRASH, "restarts": 1, "lost_ready": at(95), "started": False},),
        {},
        since=97,
        recheck=157,
        text="restart 1",
    ),
    "runs again for long and is not ready": Case(
        "Unhealthy StartDeadlineExceeded",
        ({"running": at(30), "ended": CRASH, "restarts": 1, "lost_ready": at(29), "started": False},),
        {},
        suspect=True,
    ),
    "lost its readiness a moment ago": Case(
        "Unhealthy NotReady",
        ({"running": at(2), "lost_ready": at(95)},),
        {},
        started=True,
        since=95,
        recheck=104,
    ),
    "lost its readiness for good": Case(
        "Unhealthy NotReady",
        ({"running": at(2), "lost_ready": at(90)},),
        {},
        started=True,
        since=90,
        suspect=True,
    ),
    "the node controller took its readiness, not its kubelet": Case(
        "Unhealthy NodeUnreachable",
        ({"running": at(2), "lost_ready": at(60), "containers_ready": True, "node": "one"},),
        {},
        previous=WAS_HEALTHY,
        started=True,
        since=60,
        text="was not heard for a while",
    ),
    "the kubelet calls its containers unready, too": Case(
        "Unhealthy NotReady",
        ({"running": at(2), "lost_ready": at(90), "containers_ready": False, "node": "one"},),
        {},
        started=True,
        suspect=True,
    ),
    "no node has room": Case(
        "Starting Unschedulable",
        ({"unscheduled": ("0/1 nodes: insufficient memory", at(80))},),
        {},
        recheck=140,
        text="insufficient memory",
    ),
    "the scheduler has only just said no": Case(
        "Starting Created", ({"unscheduled": ("the object has been modified", at(97))},), {}, recheck=102
    ),
    "no node has room for too long": Case(
        "Unhealthy Unschedulable", ({"unscheduled": ("0/1 nodes", at(10))},), {}, since=10
    ),
    "quota refuses the pods": Case(
        "Unhealthy PodRefused",
        status={
            "conditions": [
                {
                    "type": "ReplicaFailure",
                    "status": "True",
                    "reason": "FailedCreate",
                    "message": 'pods "web" is forbidden: exceeded quota: small',
                }
            ]
        },
        text="exceeded quota: small",
    ),
    "an Event says that Pod Security refuses the pods": Case(
        "Unhealthy PodRefused", status={}, event="violates PodSecurity", text="violates PodSecurity"
    ),
    "not ready within the start deadline": Case(
        "Unhealthy StartDeadlineExceeded", (RUNNING,), {}, suspect=True, since=60
    ),
    "was healthy, its pod was replaced": Case(
        "Recovering NotYetReady",
        ({"created": at(90), "running": at(95)},),
        {},
        previous=WAS_HEALTHY,
        recheck=150,
    ),
    "was healthy, its pods are gone": Case("Unhealthy Missing", (), {}, previous=WAS_HEALTHY),
    "our own restart is under way": Case(
        "Recovering RecoveryInProgress",
        ({"created": at(98)},),
        {},
        attempt=Attempt("gone", at(97), "ProbeFailed", 2, 1),
        since=97,
        recheck=157,
        text="attempt 2",
    ),
    "one of two pods is missing": Case(
        "Degraded NotYetReady",
        (READY, {"created": at(90), "running": at(91)}),
        {},
        previous=WAS_HEALTHY,
        component=replace(WEB, replicas=2),
        started=True,
    ),
    "a new revision comes up beside the old one": Case(
        "Starting RollingOut", ({**READY, "revision": "old"}, {"created": at(98)}), {}, recheck=158
    ),
    "the new revision's image is bad, the old one serves": Case(
        "Degraded ImagePullFailed",
        ({**READY, "revision": "old"}, {"created": at(98), "waiting": ("ErrImagePull", "")}),
        {},
    ),
    "job runs": Case("Starting JobRunning", (RUNNING,), {}, component=JOB, started=True),
    "job waits for its pod": Case("Starting Created", ({"created": at(99)},), {}, component=JOB),
    "the job's container has ended well": Case(
        "Starting JobRunning",
        ({"ended": ("Completed", 0, at(99)), "phase": "Running"},),
        {},
        component=JOB,
        started=True,
    ),
    "the job's pod failed and is tried again": Case(
        "Starting JobRunning", ({"ended": CRASH, "phase": "Failed"},), {}, component=JOB, started=True
    ),
    "the pod of the job before does not count": Case(
        "Starting Created", ({"phase": "Succeeded", "revision": "before"},), {}, component=JOB_PATIENT
    ),
    "job never began": Case("Unhealthy StartDeadlineExceeded", ({},), {}, component=JOB),
    "job completed": Case(
        "Completed JobCompleted",
        status={"conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": stamp(at(50))}]},
        component=JOB,
        started=True,
        since=50,
    ),
    "job failed": Case(
        "Failed JobFailed",
        status={
            "conditions": [
                {
                    "type": "Failed",
                    "status": "True",
                    "reason": "BackoffLimitExceeded",
                    "message": "Job has reached the specified backoff limit",
                    "lastTransitionTime": stamp(at(50)),
                }
            ]
        },
        component=JOB,
        started=True,
        text="backoff limit",
    ),
    "ended for want of memory": Case(
        "Unhealthy OutOfMemory",
        ({"ended": KILLED, "restarts": 0, "lost_ready": at(95)},),
        {},
        since=95,
        text="OOMKilled",
    ),
    "ended for want of memory and runs again": Case(
        "Recovering OutOfMemory",
        ({"running": at(97), "ended": KILLED, "restarts": 1, "lost_ready": at(95), "started": False},),
        {},
        recheck=157,
    ),
    "ends for want of memory again and again": Case(
        "Unhealthy CrashLoop",
        ({"waiting": ("CrashLoopBackOff", ""), "ended": KILLED, "restarts": 4, "phase": "Running"},),
        {},
        text="OOMKilled",
    ),
    "its node is not ready": Case(
        "Unhealthy NodeUnreachable",
        ({"running": at(2), "lost_ready": at(62), "node": "one"},),
        {},
        nodes=(AWAY, make_node("two")),
        started=True,
        since=60,
        text="node one is not ready",
    ),
    "its node is gone": Case(
        "Unhealthy NodeUnreachable",
        ({"running": at(2), "lost_ready": at(62), "node": "one"},),
        {},
        nodes=(make_node("two"),),
        started=True,
        text="node one is gone",
    ),
    "it hangs, and nothing is known of nodes": Case(
        "Unhealthy NotReady",
        ({"running": at(2), "lost_ready": at(62), "node": "one"},),
        {},
        started=True,
        suspect=True,
    ),
    "a pod on a lost node is ready for all that is known": Case(
        "Healthy Healthy", ({**READY, "node": "one"},), {}, nodes=(AWAY,), healthy=True, started=True
    ),
    "the pod of a lost node has a successor elsewhere": Case(
        "Recovering NotYetReady",
        (
            {"running": at(2), "lost_ready": at(62), "node": "one", "deleting": at(90)},
            {"created": at(90), "node": "two"},
        ),
        {},
        nodes=(AWAY, make_node("two")),
        previous=WAS_HEALTHY,
    ),
    "the pod of a lost node goes and gets no successor": Case(
        "Unhealthy NodeUnreachable",
        ({"running": at(2), "lost_ready": at(62), "node": "one", "deleting": at(90)},),
        {},
        nodes=(AWAY, make_node("two")),
        previous=WAS_HEALTHY,
    ),
    "a node that is as young as its pod may not be known yet": Case(
        "Starting NotYetReady",
        ({"created": at(80), "running": at(85), "node": "new"},),
        {},
        nodes=(make_node("two"),),
    ),
    "one of two pods is on a lost node": Case(
        "Degraded NodeUnreachable",
        ({**READY, "node": "two"}, {"running": at(2), "lost_ready": at(62), "node": "one"}),
        {},
        nodes=(AWAY, make_node("two")),
        component=replace(WEB, replicas=2),
        started=True,
    ),
    "evicted by its node": Case(
        "Unhealthy Evicted",
        ({"lost_ready": at(50), "failed": ("Evicted", "The node was low on resource: memory.")},),
        {},
        previous=WAS_HEALTHY,
        since=50,
        recheck=110,
        text="low on resource: memory",
    ),
    "evicted, the successor comes up": Case(
        "Recovering Evicted",
        (
            {"lost_ready": at(50), "failed": ("Evicted", "The node was low on resource: memory.")},
            {"created": at(50)},
        ),
        {},
        previous=WAS_HEALTHY,
        recheck=110,
    ),
    "evicted long ago, hangs now": Case(
        "Unhealthy NotReady",
        ({"failed": ("Evicted", "")}, {"created": at(10), "running": at(11), "lost_ready": at(90)}),
        {},
        started=True,
        suspect=True,
    ),
    "preempted": Case(
        "Unhealthy Evicted",
        (
            {
                "running": at(2),
                "lost_ready": at(95),
                "deleting": at(98),
                "disrupted": ("PreemptionByScheduler", at(97)),
            },
        ),
        {},
        previous=WAS_HEALTHY,
        since=97,
        recheck=157,
        text="higher priority",
    ),
    "evicted by way of the API, as we do it ourselves": Case(
        "Unhealthy Missing",
        (
            {
                "running": at(2),
                "lost_ready": at(95),
                "deleting": at(98),
                "disrupted": ("EvictionByEvictionAPI", at(97)),
            },
        ),
        {},
        previous=WAS_HEALTHY,
    ),
    "three losses within ten minutes": Case(
        "Unhealthy Flapping",
        (AGAIN,),
        {},
        previous=FLAPPED,
        started=True,
        suspect=True,
        recheck=145,
        text="3 times",
    ),
    "a hang and the end that the kubelet made of it are one loss": Case(
        "Healthy Healthy",
        ({"running": at(97), "ready": at(98), "ended": CRASH, "restarts": 1},),
        {},
        previous={**FLAPPED, "failures": [stamp(at(-100)), stamp(at(80))]},
        healthy=True,
        started=True,
    ),
    "two losses are not three": Case(
        "Healthy Healthy",
        (AGAIN,),
        {},
        previous={**FLAPPED, "failures": LOSSES[1:]},
        healthy=True,
        started=True,
    ),
    "the first of three losses was long ago": Case(
        "Healthy Healthy",
        (AGAIN,),
        {},
        previous={**FLAPPED, "failures": [stamp(at(-501)), *LOSSES[1:]]},
        healthy=True,
        started=True,
    ),
    "it has flapped, and a minute was good": Case(
        "Healthy Healthy",
        ({"running": at(2), "ready": at(40)},),
        {},
        previous={**FLAPPED, "failures": [*LOSSES[:2], stamp(at(39))]},
        healthy=True,
        started=True,
    ),
    "a restart of ours answers what was lost before": Case(
        "Healthy Healthy",
        (AGAIN,),
        {},
        previous=FLAPPED,
        attempt=Attempt("gone", at(81), "Flapping", 1, 1),
        healthy=True,
        started=True,
    ),
    "the kubelet's restarts flap, and its back-off is its own": Case(
        "Unhealthy Flapping",
        ({"running": at(85), "ready": at(86), "ended": ("Error", 1, at(80)), "restarts": 3},),
        {},
        previous=FLAPPED,
        started=True,
    ),
    "the end of a container is a loss that nobody has noted": Case(
        "Unhealthy Flapping",
        ({"running": at(91), "ready": at(92), "ended": ("Error", 1, at(90)), "restarts": 1},),
        {},
        previous={**FLAPPED, "failures": [LOSSES[1], stamp(at(40))]},
        started=True,
    ),
    "it answers correctly and late": Case(
        "Degraded Slow",
        (READY,),
        {},
        (ProbeOutcome.GOOD, 0),
        slow=3,
        healthy=True,
        started=True,
        text="more than half of 1 s",
    ),
    "two late answers are not three": Case(
        "Healthy Healthy", (READY,), {}, (ProbeOutcome.GOOD, 0), slow=2, healthy=True, started=True
    ),
    "its Service does not lead to it": Case(
        "Degraded NotInService", (READY,), {}, in_service=("uid-other",), started=True, since=15, recheck=105
    ),
    "its Service leads to it": Case(
        "Healthy Healthy", (READY,), {}, in_service=("uid-pod-0",), healthy=True, started=True
    ),
    "its Service may yet come to lead to it": Case(
        "Healthy Healthy",
        ({"running": at(90), "ready": at(95)},),
        {},
        in_service=(),
        healthy=True,
        started=True,
        recheck=105,
    ),
    "its Service leads to one of two": Case(
        "Degraded NotInService",
        (READY, READY),
        {},
        in_service=("uid-pod-1",),
        component=replace(WEB, replicas=2),
        healthy=True,
        started=True,
    ),
    "it was taken out of its Service": Case(
        "Healthy Healthy", (READY,), {}, in_service=(), isolated=True, healthy=True, started=True
    ),
    "observed only, and not there": Case("Unhealthy Missing", component=replace(WEB, managed=False)),
}


def verdict(case: Case, now: datetime) -> Assessment:
    system = make_system(case.component)
    managed = make_system(replace(case.component, managed=True))
    objects = built_of(managed)["web"]
    live = make_live(objects.workload, **(case.status or {}))
    if case.deleting:
        live["metadata"]["deletionTimestamp"] = stamp(now)
    if case.revision:
        live["metadata"]["annotations"][REVISION_ANNOTATION] = case.revision
    if case.attempt is not None:
        live["metadata"]["annotations"][RECOVERY_ANNOTATION] = history.render((case.attempt,))
    pods = [
        make_pod(objects.workload, f"pod-{index}", **{"revision": case.revision or None, **said})
        for index, said in enumerate(case.pods)
    ]
    probes = ()
    if case.probe is not None:
        outcome, failures = case.probe
        probes = (
            ProbeReading(
                "uid-pod-0",
                outcome,
                at(case.probe_at),
                failures,
                at(case.failing_since),
                "HTTP 500",
                slow=case.slow,
                refused=case.refused,
            ),
        )
    row = {"name": "web", "revision": case.revision or objects.revision, **(case.previous or {})}
    services = [make_live(obj) for obj in objects.supporting if obj["kind"] == "Service"]
    if case.isolated:
        services[0]["spec"]["selector"][ISOLATED_LABEL] = "true"
    snapshot = make_snapshot(
        system,
        objects=[live, *services] if case.status is not None else [],
        pods=pods,
        probes=probes,
        now=now,
        resource=make_resource(system, status={"components": [row]} if case.previous else {}),
        refusals=[make_event(live["kind"], "shop-web", case.event, at(90))] if case.event else [],
        nodes=case.nodes,
        slices=[make_slice(services[0], case.in_service)] if case.in_service is not None else [],
    )
    built = built_of(managed) if case.component.managed else {}
    return assess(see(system, built, snapshot, now)["web"])


@pytest.mark.parametrize("title", CASES)
def test_what_is_seen_has_a_name(title: str) -> None:
    case = CASES[title]
    now = at(100)
    if title in ("pod is running, not ready",):
        now = at(30)
    found = verdict(case, now)
    assert f"{found.state} {found.reason}" == case.says
    assert (found.healthy, found.started, bool(found.suspect)) == (case.healthy, case.started, case.suspect)
    assert case.text in found.message
    if case.since is not None:
        assert found.since == at(case.since)
    if case.recheck is not None:
        assert found.recheck_at == at(case.recheck)
    if found.recheck_at is not None:
        assert found.recheck_at > now


def test_a_refusal_of_long_ago_is_forgotten() -> None:
    assert (
        verdict(CASES["an Event says that Pod Security refuses the pods"], at(90 + 1201)).reason
        != "PodRefused"
    )


def test_the_beginning_of_a_state_is_taken_from_the_status_of_the_pass_before() -> None:
    case = replace(CASES["image cannot be pulled"], previous={"state": "Unhealthy", "since": stamp(at(33))})
    assert verdict(case, at(100)).since == at(33)


def test_a_job_counts_for_its_own_revision_only() -> None:
    case = replace(CASES["job completed"], revision="old")
    found = verdict(case, at(100))
    assert not found.completed
    assert not found.started
