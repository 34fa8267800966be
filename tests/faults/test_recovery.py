"""Recovery, killed at each of its writes: each step of the ladder is made exactly once, and nothing else is touched.

The pods here are simulated: they are ready at once, and a test makes one lose that.
"""

from __future__ import annotations

import collections
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import specs
from alluse_operator.api import names
from alluse_operator.cluster.kinds import CONTROLLER_REVISION, DEPLOYMENT
from alluse_operator.core import history
from fault_proxy import Answer, Cut, Drop, Fault, FaultProxy, Seen
from lives import Lives
from sickness import pods_of, sicken
from watching import Watcher

Object = dict[str, Any]
COMPONENTS = ("first", "second", "third")


def attempts(watcher: Watcher, component: str) -> tuple[history.Attempt, ...]:
    workload = watcher.workload(DEPLOYMENT, component) or {}
    return history.parse(workload["metadata"]["annotations"].get(names.RECOVERY_ANNOTATION, ""))


def chain(*names: str) -> Object:
    """Each needs the one before it; who stands on one that has just become well is left alone for two seconds, not
    nine."""
    spec = specs.chain(*names)
    for component in spec["components"]:
        component["health"] = {"periodSeconds": 1, "timeoutSeconds": 1, "unhealthyAfter": 2}
    return spec


def ladder(action: str) -> Object:
    rungs = [{"action": action, "attempts": 1}, {"action": "SafeState", "attempts": 1}]
    return {"ladder": rungs, "budget": {"minHealthyPercent": 0}}


def evicted(proxy: FaultProxy) -> list[str]:
    """Names of the pods whose evictions were done."""
    return [
        r.path.split("/")[-2] for r, status in proxy.answers if r.path.endswith("/eviction") and status < 300
    ]


# -- what each step shall have done ----------------------------------------------------------------------------


def restarted(watcher: Watcher, before: dict[str, Any], sick: str) -> None:
    assert sick not in pods_of(watcher, "second")
    assert pods_of(watcher, "first").keys() == before["pods"]["first"]
    assert pods_of(watcher, "third").keys() == before["pods"]["third"]


def rolled_out(watcher: Watcher, before: dict[str, Any], sick: str) -> None:
    restarted(watcher, before, sick)
    workload = watcher.workload(DEPLOYMENT, "second") or {}
    assert workload["metadata"]["generation"] == before["generation"] + 1
    assert names.RESTARTED_AT_ANNOTATION in workload["spec"]["template"]["metadata"]["annotations"]


def moved(watcher: Watcher, before: dict[str, Any], sick: str) -> None:
    rolled_out(watcher, before, sick)
    [pod] = pods_of(watcher, "second").values()
    assert pod["spec"]["nodeName"] != before["node"]


def dependents_restarted(watcher: Watcher, before: dict[str, Any], sick: str) -> None:
    assert pods_of(watcher, "first").keys() == before["pods"]["first"]
    assert sick in pods_of(watcher, "second"), "the root itself is left as it is by this step"
    assert not pods_of(watcher, "third").keys() & before["pods"]["third"]


STEPS: dict[str, tuple[Callable[[Watcher, dict[str, Any], str], None], int]] = {
    "RestartPod": (restarted, 1),
    "RolloutRestart": (rolled_out, 0),
    "RescheduleElsewhere": (moved, 0),
    "RestartDependents": (dependents_restarted, 1),
}


@pytest.mark.parametrize(
    ("action", "when"),
    [
        *((action, when) for action in STEPS for when in ("killed before", "killed after")),
        ("RestartPod", "lost answers"),
    ],
)
def test_a_step_is_made_once(
    proxy: FaultProxy, watcher: Watcher, tmp_path: Path, action: str, when: str
) -> None:
    """Each life of the operator ends with its first write (done, but unanswered) or its second (not done)."""
    made, evictions = STEPS[action]
    writes_of: collections.Counter[int] = collections.Counter()
    lost: set[bytes] = set()

    def fault(request: Seen) -> Fault | None:
        if not request.write:
            return None
        if when == "lost answers":
            first = request.body not in lost
            lost.add(request.body)
            return Drop(after=True) if first else None
        writes_of[request.line] += 1
        if when == "killed before":
            return Cut() if writes_of[request.line] == 2 else None
        return Cut(after=True) if writes_of[request.line] == 1 else None

    with Lives(proxy, tmp_path) as lives:
        watcher.create({**chain(*COMPONENTS), "recovery": ladder(action)})
        watcher.until_ready()
        before = {
            "pods": {name: pods_of(watcher, name).keys() for name in COMPONENTS},
            "generation": (watcher.workload(DEPLOYMENT, "second") or {})["metadata"]["generation"],
            "node": next(iter(pods_of(watcher, "second").values()))["spec"]["nodeName"],
        }
        proxy.reset()
        proxy.one_at_a_time = True
        proxy.decide = fault
        sick = sicken(watcher, "second")
        watcher.until(lambda: attempts(watcher, "second"), "the attempt is recorded")

        def done() -> bool:
            try:
                made(watcher, before, sick)
            except (AssertionError, ValueError):
                return False
            return len(evicted(proxy)) >= evictions

        watcher.until(done, f"{action} is done")
        row = watcher.until(
            lambda: (row := watcher.component("second")).get("lastAction") and row, "the status tells"
        )
        assert row["lastAction"]["type"] == action
        if when.startswith("killed"):
            watcher.until(lambda: lives.count >= 3, "it was killed again and again")
        proxy.decide = lambda request: None
        if action != "RestartDependents":
            watcher.until_ready()
    made(watcher, before, sick)
    assert [attempt.action for attempt in attempts(watcher, "second")] == [action]
    assert len(evicted(proxy)) == evictions
    assert all(not attempts(watcher, other) for other in ("first", "third"))


@pytest.mark.parametrize("after", [False, True], ids=["before it is done", "after it is done"])
def test_a_way_back_is_kept_and_gone_once(
    proxy: FaultProxy, watcher: Watcher, tmp_path: Path, after: bool
) -> None:
    """A change of a healthy component keeps what it was; what does not become healthy goes back to that."""
    writes_of: collections.Counter[int] = collections.Counter()

    def kill(request: Seen) -> Fault | None:
        if not request.write:
            return None
        writes_of[request.line] += 1
        return Cut(after=after) if writes_of[request.line] == (1 if after else 2) else None

    spec = {**chain("first", "second"), "recovery": ladder("RollbackComponent")}
    with Lives(proxy, tmp_path):
        watcher.create(spec)
        watcher.until_ready()
        good = watcher.workload(DEPLOYMENT, "second") or {}
        proxy.decide = kill
        proxy.one_at_a_time = True
        spec["components"][1]["env"] = [{"name": "GREETING", "value": "broken"}]
        watcher.edit({"spec": spec})
        watcher.until_ready()
        kept = watcher.list(CONTROLLER_REVISION)
        assert [obj["metadata"]["annotations"][names.REVISION_ANNOTATION] for obj in kept] == [
            good["metadata"]["annotations"][names.REVISION_ANNOTATION]
        ]
        bad = (watcher.workload(DEPLOYMENT, "second") or {})["metadata"]["annotations"]
        sicken(watcher, "second")

        def back() -> bool:
            live = watcher.workload(DEPLOYMENT, "second") or {}
            notes = live["metadata"]["annotations"]
            return (
                notes.get(names.ROLLED_BACK_FROM_ANNOTATION) == bad[names.REVISION_ANNOTATION]
                and notes[names.REVISION_ANNOTATION]
                == good["metadata"]["annotations"][names.REVISION_ANNOTATION]
            )

        watcher.until(back, "it has gone back")
        proxy.decide = lambda request: None
        watcher.until(lambda: watcher.component("second").get("reason") == "RolledBack", "the status tells")
        live = watcher.workload(DEPLOYMENT, "second") or {}
        assert live["spec"]["template"] == good["spec"]["template"]
        assert [attempt.action for attempt in attempts(watcher, "second")] == ["RollbackComponent"]
        del spec["components"][1]["env"]
        spec["components"][1]["env"] = [{"name": "GREETING", "value": "mended"}]
        watcher.edit({"spec": spec})
        watcher.until_ready()
        assert len(watcher.list(CONTROLLER_REVISION)) <= 2
        watcher.delete()
        watcher.until_gone()


def test_an_eviction_that_is_refused_for_a_while_is_made_later_and_recorded_once(
    proxy: FaultProxy, watcher: Watcher, tmp_path: Path
) -> None:
    refusals = iter([Answer(429, "TooManyRequests"), Answer(503, "ServiceUnavailable")] * 6)
    with Lives(proxy, tmp_path):
        watcher.create({**chain(*COMPONENTS), "recovery": ladder("RestartPod")})
        watcher.until_ready()
        proxy.reset()
        proxy.decide = lambda r: next(refusals, None) if r.path.endswith("/eviction") else None
        sick = sicken(watcher, "second")
        watcher.until(lambda: sick not in pods_of(watcher, "second"), "it is restarted")
        watcher.until(lambda: evicted(proxy), "the eviction is answered")
        watcher.until_ready()
        assert len(attempts(watcher, "second")) == 1
        assert len(evicted(proxy)) == 1


def test_a_person_who_says_retry_is_heard_at_once(
    proxy: FaultProxy, watcher: Watcher, tmp_path: Path
) -> None:
    """The budget is used up, and by itself the operator would try again in ten minutes."""
    recovery = {**ladder("RestartPod"), "intensity": {"maxActions": 1, "windowSeconds": 600}}
    with Lives(proxy, tmp_path):
        watcher.create({**chain(*COMPONENTS), "recovery": recovery})
        watcher.until_ready()
        first = sicken(watcher, "second")
        watcher.until(lambda: first not in pods_of(watcher, "second"), "it is restarted")
        watcher.until_ready()
        again = sicken(watcher, "second")
        watcher.until(
            lambda: watcher.component("second").get("reason") == "RecoveryBudgetExhausted",
            "the budget is used up",
        )
        assert again in pods_of(watcher, "second")
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        watcher.edit({"metadata": {"annotations": {names.RETRY_ANNOTATION: f"second {now}"}}})
        watcher.until(lambda: again not in pods_of(watcher, "second"), "it is restarted after all")
        watcher.until(lambda: len(evicted(proxy)) >= 2, "both evictions are answered")
        watcher.until_ready()
        assert {a.action for a in attempts(watcher, "second")} == {"RestartPod"}
        assert len(evicted(proxy)) == 2
