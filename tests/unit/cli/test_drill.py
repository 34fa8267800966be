"""Drills: when they refuse, and what is read off the changes of a system that was broken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from alluse.contract import COMPONENTS
from alluse_operator.cli import drill, safety
from alluse_operator.cli.faults import FAULTS, Fault
from alluse_operator.cli.picture import Picture
from alluse_operator.cli.timeline import Timeline, pods_of
from alluse_operator.cli.transport import Change
from builders import at, make_pod, stamp
from cli_pictures import condition, live, picture, resource, row, shop

READY = condition("Ready", "True")


def all_use(rows: Mapping[str, Mapping[str, Any]] | None = None, ready: str = "True", **more: Any) -> Picture:
    """ALL-USE in the environment test; `rows` says what is different about a component."""
    spec = {"environment": more.pop("environment", "test"), **more.pop("spec", {})}
    written = [{**row(name), **(rows or {}).get(name, {})} for name in COMPONENTS]
    conditions = [condition("Ready", ready, "14 of 16"), *more.pop("conditions", ())]
    return picture(spec, written, conditions, environment=spec["environment"], **more)


def pod_of(shown: Picture, name: str, **env: str) -> dict[str, Any]:
    container = {"env": [{"name": key, "value": value} for key, value in env.items()]}
    return {"kind": "Pod", "spec": {"containers": [container]}}


@pytest.mark.parametrize(
    ("shown", "name", "env", "says"),
    [
        (all_use(), "market-analyzer", {}, None),
        (all_use(environment="production"), "market-analyzer", {"ALLUSE_FAULTS": "enabled"}, None),
        (all_use(environment="production"), "market-analyzer", {}, "runs in the environment production"),
        (all_use(environment="production"), "market-analyzer", {"ALLUSE_FAULTS": "no"}, "does not let itself be broken"),
        (all_use(), "nobody", {}, "the system has no component nobody"),
        (all_use(ready="False"), "market-analyzer", {}, "the system is not Ready: 14 of 16"),
        (all_use({"alert-manager": {"state": "Recovering"}}), "market-analyzer", {}, "not everything is well: alert-manager"),
        (all_use({"alert-manager": {"state": "Degraded"}}), "market-analyzer", {}, "not everything is well: alert-manager"),
        (all_use(conditions=[condition("RecoverySuspended", "True", "node gone")]), "market-analyzer", {}, "recovery is suspended: node gone"),
        (all_use({"market-analyzer": {"attempts": 50}}), "market-analyzer", {}, "has used up its recovery budget (50 actions)"),
        (all_use(spec={"recovery": {"budget": {"minHealthyPercent": 95}}}), "market-analyzer", {}, "only 93 % of the components are healthy"),
        (picture(shop(), [row("store"), row("api"), row("web"), row("mail")], [READY], environment="test"), "store", {}, "not one of the built-in components"),
    ],
)  # fmt: skip
def test_a_drill_refuses_where_it_could_hurt(shown: Picture, name: str, env: dict, says: str | None) -> None:
    refused = safety.refusal(shown, name, pod_of(shown, name, **env))
    assert (refused is None) if says is None else (refused is not None and says in refused[0] and refused[1])


def test_without_a_ready_pod_there_is_nothing_to_break() -> None:
    refused = safety.refusal(all_use(), "market-analyzer", None)
    assert refused is not None
    assert "no pod that is ready" in refused[0]
    _, pods = live(shop(), {"store": {"ready": None}})
    assert safety.ready_pod(pods, "demo", "store") is None
    assert safety.ready_pod(pods, "demo", "api") is pods[1]
    assert safety.ready_pod(pods, "other", "api") is None


# -- timelines -----------------------------------------------------------------------------------------

NAMES = ("store", "api", "web", "mail")
RESTART = {"type": "RestartPod", "time": stamp(at(8)), "reason": "ProbeFailed"}
KUBELETS = {"type": "ContainerRestart", "time": stamp(at(1)), "reason": "Error"}


def told(seconds: float, *, ready: bool = False, **rows: Mapping[str, Any]) -> Change:
    """The status, `seconds` after the fault; rows that are not named are Healthy."""
    written = [{**row(name), **rows.get(name, {})} for name in NAMES]
    conditions = [condition("Ready", "True" if ready else "Unknown")]
    cause = next((f"{name} is {told['state']}" for name, told in rows.items() if "state" in told), None)
    made = resource(shop(), written, conditions, **({"cause": cause} if cause else {}))
    return Change("MODIFIED", made, 1000 + seconds)


def pod(
    seconds: float, component: str = "store", kind: str = "MODIFIED", *, uid: str = "", **now: Any
) -> Change:
    workloads, _ = live(shop())
    workload = next(w for w in workloads if w["metadata"]["name"] == f"demo-{component}")
    state = {"running": at(0), "started": True, **now}
    made = make_pod(workload, f"demo-{component}-0", uid=uid, **state)
    return Change(kind, {**made, "kind": "Pod"}, 1000 + seconds)


def timeline(changes: Sequence[Change]) -> Timeline:
    _, pods = live(shop())
    line = Timeline("store", 1000.0, {name: row(name) for name in NAMES}, pods_of(pods))
    for change in changes:
        line.feed(change)
    return line


def finished(line: Timeline, fault: Fault = FAULTS["hang"], ended: float | None = None) -> drill.Drill:
    return drill.Drill("store", fault, line, ended, 60.0)


def test_a_restart_is_noticed_and_measured() -> None:
    unhealthy = {"state": "Unhealthy", "reason": "ProbeFailed"}
    line = timeline([
        told(-1, ready=True),
        told(5.5, store=unhealthy),
        told(6.0, store={"state": "Recovering", "reason": "RecoveryInProgress", "lastAction": RESTART, "attempts": 1}),
        pod(6.1, ready=at(1), deleting=at(8)),
        pod(6.4, kind="ADDED", uid="new", running=None, started=False),
        pod(9.0, uid="new", ready=at(9)),
        pod(9.1, kind="DELETED", ready=at(1), deleting=at(8)),
        told(9.2, store={"lastAction": RESTART, "attempts": 1}),
        told(9.4, ready=True, store={"lastAction": RESTART, "attempts": 1}),
    ])  # fmt: skip
    done = finished(line)
    assert (done.noticed_after, line.unready, line.ready, done.recovered_after) == (
        5.5,
        pytest.approx(6.1),
        9.0,
        pytest.approx(9.2),
    )
    assert line.actions == [RESTART]
    assert line.causes == ["store is Unhealthy", "store is Recovering"]
    assert done.passed
    assert done.to_json()["noticedAs"]["reason"] == "ProbeFailed"
    assert drill.report(done)[0] == "store, hang: passed"
    assert "  done about it    RestartPod (ProbeFailed)" in drill.report(done)


def test_a_crash_that_the_kubelet_mends_before_the_status_says_unhealthy_is_noticed_by_its_action() -> None:
    line = timeline([
        pod(0.2, running=None, started=False),
        pod(1.4, ready=at(1), restarts=1),
        told(1.5, ready=True, store={"lastAction": KUBELETS}),
    ])  # fmt: skip
    assert line.noticed is not None
    assert line.noticed.action == "ContainerRestart (Error)"
    assert finished(line, FAULTS["crash"]).recovered_after == 1.5


def test_it_has_not_recovered_while_the_pod_or_the_status_is_not_good() -> None:
    sick = told(2, store={"state": "Unhealthy", "reason": "NotReady"})
    assert timeline([]).recovered is None
    assert timeline([told(3, ready=True)]).recovered is None, "never noticed"
    assert timeline([sick, pod(2.5), told(4, ready=True)]).recovered is None, "the pod is not ready"
    assert timeline([sick, pod(2.5), pod(3, ready=at(3)), told(4)]).recovered is None, (
        "the system is not Ready"
    )
    back = [sick, pod(2.5), pod(3, ready=at(3)), told(4, ready=True)]
    assert timeline(back).recovered == 4
    assert timeline([*back, pod(5)]).recovered is None, "lost again"
    assert timeline([*back, told(5, store={"state": "Unhealthy"})]).recovered is None, "sick again"


def test_what_is_done_to_others_fails_the_drill() -> None:
    sick = [told(2, store={"state": "Unhealthy", "reason": "NotReady"}), pod(2.5), pod(3, ready=at(3))]
    well = told(9, ready=True)
    acted = timeline([*sick, told(4, api={"lastAction": RESTART}), well])
    assert acted.acted_on_others == {"api": "RestartPod"}
    gone = timeline([*sick, pod(4, "web", "DELETED", ready=at(1)), well])
    assert gone.others_lost == {"web": "pod demo-web-0 is gone"}
    restarted = timeline([*sick, pod(4, "mail", ready=at(1), restarts=1), well])
    assert restarted.others_lost == {"mail": "pod demo-mail-0 was restarted"}
    assert [finished(line).passed for line in (acted, gone, restarted)] == [False] * 3
    assert "web: pod demo-web-0 is gone" in "\n".join(drill.report(finished(gone)))


def test_who_is_only_slow_must_not_be_restarted() -> None:
    slow = told(6, store={"state": "Degraded", "reason": "Slow"})
    assert finished(timeline([slow, told(9, ready=True)]), FAULTS["slow"], 6.2).passed
    acted = timeline([slow, told(7, store={"state": "Degraded", "lastAction": RESTART}), told(9, ready=True)])
    assert not finished(acted, FAULTS["slow"], 6.2).passed


def test_what_is_never_noticed_fails() -> None:
    done = finished(timeline([told(1, ready=True)]))
    assert not done.passed
    assert "  not noticed within 60 s" in drill.report(done)
    assert done.to_json()["noticedAs"] is None
