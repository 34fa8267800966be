"""Whatever the cluster shows of a component: it has a name, and a restart is never proposed where it would harm."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from alluse_operator.api.names import RECOVERY_ANNOTATION
from alluse_operator.api.status import ComponentState
from alluse_operator.core import history
from alluse_operator.core.desired import Health
from alluse_operator.core.health import assess
from alluse_operator.core.history import Attempt
from alluse_operator.core.observed import ProbeOutcome, ProbeReading
from alluse_operator.core.sight import Sight, see
from builders import (
    at,
    built_of,
    make_live,
    make_node,
    make_pod,
    make_resource,
    make_slice,
    make_snapshot,
    stamp,
)
from desired_values import make_component, make_system

NOW = at(1000)
SYSTEM = make_system(
    make_component("web", health=Health(path="/health"), start_deadline=timedelta(seconds=60), replicas=2)
)
OBJECTS = built_of(SYSTEM)["web"]
#: Moments before now: a few seconds, minutes or a quarter of an hour ago.
MOMENTS = st.sampled_from([1, 3, 8, 15, 40, 70, 200, 500, 900]).map(lambda ago: at(1000 - ago))
NODES = st.sampled_from(["", "one", "two", "gone"])


@st.composite
def pods(draw: st.DrawFn, name: str) -> dict[str, Any]:
    said: dict[str, Any] = {"created": draw(MOMENTS), "node": draw(NODES)}
    shape = draw(
        st.sampled_from(["ready", "hung", "running", "waiting", "ended", "failed", "pending", "ready"])
    )
    if shape in ("ready", "hung", "running"):
        said["running"] = draw(MOMENTS)
    if shape == "ready":
        said["ready"] = draw(MOMENTS)
    if shape == "hung":
        said["lost_ready"] = draw(MOMENTS)
    if shape == "waiting":
        reason = st.sampled_from(["CrashLoopBackOff", "ImagePullBackOff", "ContainerCreating"])
        said["waiting"] = (draw(reason), "")
    if shape == "failed":
        said["failed"] = (draw(st.sampled_from(["Evicted", "NodeLost", ""])), "why")
    if shape == "ended" or draw(st.booleans()):
        said["ended"] = (draw(st.sampled_from(["Error", "OOMKilled", "Completed"])), 1, draw(MOMENTS))
        said["restarts"] = draw(st.integers(0, 5))
    if draw(st.integers(0, 4)) == 0:
        said["deleting"] = draw(MOMENTS)
        reason = st.sampled_from(["PreemptionByScheduler", "EvictionByEvictionAPI"])
        said["disrupted"] = (draw(reason), draw(MOMENTS))
    return make_pod(OBJECTS.workload, name, **said)


@st.composite
def sights(draw: st.DrawFn) -> Sight:
    found = [draw(pods(f"pod-{number}")) for number in range(draw(st.integers(0, 3)))]
    readings = [
        ProbeReading(
            pod["metadata"]["uid"],
            draw(st.sampled_from(ProbeOutcome)),
            draw(MOMENTS),
            draw(st.integers(0, 4)),
            draw(MOMENTS),
            slow=draw(st.integers(0, 4)),
        )
        for pod in found
        if draw(st.booleans())
    ]
    live = make_live(OBJECTS.workload)
    if draw(st.booleans()):
        attempt = Attempt("uid-pod-0", draw(MOMENTS), "ProbeFailed", 1, 1)
        live["metadata"]["annotations"][RECOVERY_ANNOTATION] = history.render((attempt,))
    row = {
        "name": "web",
        "state": draw(st.sampled_from(ComponentState)).value,
        "reason": draw(st.sampled_from(["Healthy", "ProbeFailed", "Flapping"])),
        "since": stamp(draw(MOMENTS)),
        "startSeconds": 5,
        "revision": OBJECTS.revision,
        "failures": [stamp(moment) for moment in draw(st.lists(MOMENTS, max_size=8))],
    }
    service = make_live(next(obj for obj in OBJECTS.supporting if obj["kind"] == "Service"))
    uids = [pod["metadata"]["uid"] for pod in found if draw(st.booleans())]
    snapshot = make_snapshot(
        SYSTEM,
        objects=[live, service],
        pods=found,
        probes=readings,
        now=NOW,
        resource=make_resource(SYSTEM, status={"components": [row]} if draw(st.booleans()) else {}),
        nodes=draw(
            st.sampled_from([(), (make_node("one"), make_node("two", ready=False)), (make_node("one"),)])
        ),
        slices=[make_slice(service, uids)] if draw(st.booleans()) else [],
    )
    return see(SYSTEM, built_of(SYSTEM), snapshot, NOW)["web"]


@given(sights())
def test_everything_has_a_name_and_a_time(sight: Sight) -> None:
    found = assess(sight)
    assert found.reason
    assert found.message
    assert found.since <= NOW
    assert found.recheck_at is None or found.recheck_at > NOW
    assert found == assess(sight)


@given(sights())
def test_a_restart_is_proposed_only_where_it_may_help(sight: Sight) -> None:
    """Never of a pod that goes already or that the kubelet or the scheduler is at work on; never for what
    works with something missing, and never while a node is away."""
    found = assess(sight)
    if not found.suspect:
        return
    suspect = next(pod for pod in sight.pods if pod.uid == found.suspect)
    assert found.state in (ComponentState.UNHEALTHY, ComponentState.DEGRADED)
    assert found.reason not in (
        "ReportsDegraded",
        "Slow",
        "NotInService",
        "OutOfMemory",
        "Crashed",
        "CrashLoop",
    )
    assert suspect in sight.live
    assert suspect.running
    assert not suspect.waiting_reason
    assert not sight.lost_node


@given(sights())
def test_healthy_is_said_of_what_is_ready_and_answers(sight: Sight) -> None:
    found = assess(sight)
    if found.healthy:
        assert sight.ready_count >= sight.wanted_replicas
        assert not any(sight.probe_failed(pod) for pod in sight.ready)
    if found.state is ComponentState.HEALTHY:
        assert not sight.lost_node


@given(sights())
def test_too_little_is_known_leads_to_no_new_trouble(sight: Sight) -> None:
    """Without nodes, slices and readings, none of the reasons that stand on them is given."""
    blind = Sight(sight.component, sight.revision, sight.workload, sight.pods, {}, sight.previous, sight.now)
    assert assess(blind).reason not in ("NodeUnreachable", "NotInService", "Slow", "ReportsDegraded")
