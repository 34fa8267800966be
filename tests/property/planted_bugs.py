"""Proof that the tests bite: each of these bugs is planted in a copy, and a named test must fail.

`python tests/property/planted_bugs.py [--only WORD] [--jobs N]` prints one line a bug and fails if one survives,
or if a bug no longer fits the source (then the source has changed: plant it again).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORE = Path("operator/alluse_operator/core")
MACHINE = "tests/property/test_cluster_machine.py::TestCluster"
PLAN = "tests/property/test_plan.py"
RECOVERY = "tests/property/test_recovery.py"
UNIT = "tests/unit/core"
ALERTS = "tests/property/test_alerts.py"
CAUSES = f"{UNIT}/test_causes.py::test_a_symptom_names_its_roots_in_order_and_a_root_itself"
LADDER = f"{UNIT}/test_ladder.py"
EDGES = f"{UNIT}/test_edges.py"
SHELL = "tests/unit/shell"
APPLIER = "../cluster/applier.py"


@dataclass(frozen=True)
class Bug:
    title: str
    module: str
    old: str
    new: str
    caught_by: str


BUGS = (
    Bug(
        "components start before what they require",
        "gate.py",
        "        if dependency.meets(edge.condition):",
        "        if True or dependency.meets(edge.condition):",
        MACHINE,
    ),
    Bug(
        "a dependency in an older revision counts as healthy",
        "health/chain.py",
        "healthy=verdict.healthy and sight.current and",
        "healthy=verdict.healthy and",
        f"{UNIT}/test_planner.py",
    ),
    Bug(
        "a lost dependency stops what runs",
        "workloads.py",
        "        if live is not None and live.deleting:\n            return\n",
        "        if live is not None and live.deleting:\n            return\n"
        "        if live is not None and any(\n"
        "            not self.draft.assessments[e.name].healthy for e in sight.component.dependencies\n"
        "        ):\n"
        "            self.draft.workload_actions.append(Delete(sight.component.name, live.ref, live.uid))\n"
        "            return\n",
        MACHINE,
    ),
    Bug(
        "an unhealthy component is restarted although its dependency is the root",
        "rescue.py",
        "            if self.around.assessments[edge.name].state not in WELL:\n                return edge.name",
        "            if False:\n                return edge.name",
        f"{LADDER}::test_one_root_that_takes_all_with_it_is_treated",
    ),
    Bug(
        "any number of components recovers at the same time",
        "rescue.py",
        "        full = len(others) >= self.system.recovery.max_concurrent",
        "        full = False",
        f"{LADDER}::test_one_recovery_at_a_time_until_the_successor_is_ready",
    ),
    Bug(
        "a recovery under way takes no place in the budget",
        "rescue.py",
        "    return until if until > now and (to_do or to_come) else None",
        "    return None",
        f"{LADDER}::test_one_recovery_at_a_time_until_the_successor_is_ready",
    ),
    Bug(
        "one attempt more than the budget",
        "recovery.py",
        "    if len(counted) < policy.max_actions:",
        "    if len(counted) <= policy.max_actions:",
        RECOVERY,
    ),
    Bug(
        "no pause between attempts",
        "recovery.py",
        "        not_before = run[-1].at + ladder.jittered(policy, run[-1].number, about.seed)",
        "        not_before = run[-1].at",
        RECOVERY,
    ),
    Bug(
        "all that failed together is restarted together",
        "ladder.py",
        "    return pause(policy, number) * permille // 1000",
        "    return pause(policy, number)",
        f"{RECOVERY}::test_the_pauses_of_a_crowd_differ",
    ),
    Bug(
        "a recorded attempt is made a second time instead of resumed",
        "recovery.py",
        "        if about.unfinished and is_to_resume(last, now):",
        "        if False:",
        RECOVERY,
    ),
    Bug(
        "exhausted for ever: the next attempt moves away with the clock",
        "recovery.py",
        "        return run[-1].at + every",
        "        return now + every",
        RECOVERY,
    ),
    Bug(
        "the ladder never leaves its first step",
        "ladder.py",
        "        if rung.action in applicable and made < rung.attempts:",
        "        if rung.action in applicable:",
        RECOVERY,
    ),
    Bug(
        "the ladder goes back to a step that did not help",
        "ladder.py",
        "    for rung in ladder[reached:]:",
        "    for rung in ladder:",
        RECOVERY,
    ),
    Bug(
        "a rollout is not given the time to help",
        "recovery.py",
        "        if last.action in ladder.SLOW_STEPS and now < effect_by:",
        "        if False:",
        f"{RECOVERY}::test_a_step_that_takes_time_is_given_it",
    ),
    Bug(
        "a retry does not empty the budget",
        "recovery.py",
        "        and (retried_at is None or a.at >= retried_at)",
        "        and True",
        f"{RECOVERY}::test_a_retry_gives_a_clean_record",
    ),
    Bug(
        "a symptom is treated in the moment in which its root gets well",
        "recovery.py",
        "    if about.held_until is not None and now < about.held_until:",
        "    if False:",
        f"{LADDER}::test_a_symptom_is_given_time_after_its_root_and_then_treated_itself",
    ),
    Bug(
        "a symptom is taken for a root when its root is two steps away",
        "causes.py",
        "found[name] = frozenset().union(*below) or frozenset((name,))",
        "found[name] = frozenset(t for t in edges[name] if t in sick) or frozenset((name,))",
        CAUSES,
    ),
    Bug(
        "restarts go on while most of the system is sick",
        "diagnosis.py",
        "    infrastructure = is_infrastructure(bad, len(edges), system.recovery.min_healthy_percent)",
        "    infrastructure = False",
        f"{LADDER}::test_most_of_the_system_sick_suspends_recovery_and_ends_with_care",
    ),
    Bug(
        "the first of all that go down at once is restarted",
        "diagnosis.py",
        "for name in (*sick, *doubtful)} if sick else {}",
        "for name in sick} if sick else {}",
        f"{LADDER}::test_checks_that_begin_to_fail_hold_the_first_action_back",
    ),
    Bug(
        "one root that takes all with it is given up as infrastructure",
        "causes.py",
        "    return len({root for roots in causes.values() for root in roots}) > 1",
        "    return True",
        f"{LADDER}::test_one_root_that_takes_all_with_it_is_treated",
    ),
    Bug(
        "a lost node is not seen behind the trouble of its pods",
        "diagnosis.py",
        "    lost = {name: sights[name].lost_node for name in unwell if sights[name].lost_node}",
        "    lost: dict[str, str] = {}",
        f"{LADDER}::test_nothing_is_done_about_pods_on_a_lost_node",
    ),
    Bug(
        "writing the record takes back the rollout before it",
        "steps.py",
        "        template=overlay.carried(around.snapshot.objects.get(workload.ref, {})),",
        "        template={},",
        f"{LADDER}::test_the_ladder_is_climbed_to_the_safe_state_and_tried_again_but_rarely",
    ),
    Bug(
        "a way back that was lost in a crash is not made good",
        "steps.py",
        "    return bool(_left_of(last, around)) or _way_back(sight, last, around) is not None",
        "    return bool(_left_of(last, around))",
        f"{LADDER}::test_a_crash_between_the_record_and_the_way_back_is_made_good",
    ),
    Bug(
        "a bad revision is rolled out again after the way back",
        "rollback.py",
        "    if annotations(_live(workload, snapshot)).get(ROLLED_BACK_FROM_ANNOTATION) != wanted_revision:",
        "    if True:",
        f"{LADDER}::test_a_new_revision_that_turns_out_bad_is_rolled_back_and_left_at_that",
    ),
    Bug(
        "a restart that is owed is forgotten once its dependency has recovered",
        "edges.py",
        "            if edge.name in known:\n                yield known[edge.name]\n            elif",
        "            if",
        f"{EDGES}::test_a_restart_is_owed_once_and_paid_once_whenever_the_operator_dies",
    ),
    Bug(
        "a restart that is owed is paid again and again",
        "steps.py",
        "    return replace(plain, history=record, debts=(), attempt=attempt",
        "    return replace(plain, history=record, attempt=attempt",
        f"{EDGES}::test_a_restart_is_owed_once_and_paid_once_whenever_the_operator_dies",
    ),
    Bug(
        "stops what others stand on before them",
        "edges.py",
        "        name in system.components[other].dependency_names() and _runs(sights[other])",
        "        False",
        f"{EDGES}::test_stop_goes_in_reverse_order_and_comes_back_through_the_start_gate",
    ),
    Bug(
        "the grace of an edge begins anew with each state of its dependency",
        "losses.py",
        "    return min(before.failures[-1], found.since)",
        "    return found.since",
        f"{UNIT}/test_interlocks.py",
    ),
    Bug(
        "an interlock stays open while nobody knows",
        "interlocks.py",
        "        elif plan.assessment.state not in WELL:",
        "        elif plan.assessment.state not in WELL and plan.assessment.state != 'Unknown':",
        f"{UNIT}/test_interlocks.py",
    ),
    Bug(
        "the kubelet's back-off is cut short",
        "health/words.py",
        "    return partly(sight, ComponentState.UNHEALTHY, reason, message, evidence)",
        "    pod = sight.unready[0].uid if sight.unready else ''\n"
        "    return partly(sight, ComponentState.UNHEALTHY, reason, message, evidence, suspect=pod)",
        MACHINE,
    ),
    Bug(
        "acts on what is too old to be trusted",
        "planner.py",
        "    if not snapshot.trusted(now):",
        "    if False:",
        PLAN,
    ),
    Bug(
        "takes over the children of others",
        "ownership.py",
        "        return controller == identity.uid",
        "        return True",
        PLAN,
    ),
    Bug(
        "the finalizer is forgotten",
        "planner.py",
        "        if wanted and not held:",
        "        if False:",
        PLAN,
    ),
    Bug(
        "stops what others still need",
        "teardown.py",
        "        if not removal.dependants_left(name, left, tuple(left)):",
        "        if True:",
        f"{UNIT}/test_teardown.py",
    ),
    Bug(
        "a deletion that waits for ever",
        "teardown.py",
        "    if done or now >= end or",
        "    if done or",
        PLAN,
    ),
    Bug(
        "a map is deleted while a pod still reads it",
        "supporting.py",
        "    used = frozenset(_in_use(component, rest, snapshot))",
        "    used: frozenset[str] = frozenset()",
        PLAN,
    ),
    Bug(
        "an edited number is no drift",
        "drift.py",
        "    return type(want) is type(have) and bool(want == have)",
        "    return isinstance(want, int) or (type(want) is type(have) and bool(want == have))",
        UNIT,
    ),
    Bug(
        "the status is written in every pass",
        "report.py",
        "    unchanged = said == before.raw",
        "    unchanged = False",
        PLAN,
    ),
    Bug(
        "conditions forget when they changed",
        "conditions.py",
        "    kept = before is not None and before.status is verdict.status",
        "    kept = False",
        PLAN,
    ),
    Bug(
        "a new operator starts every wait anew",
        "gate.py",
        "_waiting_since(edge, previous) or began_at",
        "began_at",
        UNIT,
    ),
    Bug(
        "a preferred dependency is waited for without end",
        "gate.py",
        "        if not edge.required and (wait.overdue or dependency.failed):",
        "        if not edge.required and dependency.failed:",
        UNIT,
    ),
    Bug(
        "a pod that failed its probes counts as healthy once the prober is silent",
        "health/probes.py",
        "    if not silent:\n        return None",
        "    if True:\n        return None",
        UNIT,
    ),
    Bug(
        "one failed check restarts a pod",
        "sight.py",
        "            and reading.failures >= self.component.health.unhealthy_after",
        "            and reading.failures >= 1",
        UNIT,
    ),
    # -- in the shell around the core --
    Bug(
        "a deed without its record",
        "../cluster/actions.py",
        "        if not action.resume:\n            record",
        "        if False:\n            record",
        f"{SHELL}/test_applier.py",
    ),
    Bug(
        "the pod that has taken the sick one's name is evicted",
        "../cluster/client.py",
        '        options: dict[str, Any] = {"preconditions": {"uid": uid}}',
        "        options: dict[str, Any] = {}",
        f"{SHELL}/test_client.py",
    ),
    Bug(
        "a record takes away what recovery has put into the pod template",
        "../cluster/actions.py",
        "            if action.template:",
        "            if False:",
        f"{SHELL}/test_applier.py",
    ),
    Bug(
        "a write is tried again for ever",
        "../cluster/writes.py",
        "                if not error.transient or attempt >= self.retries.attempts:",
        "                if not error.transient:",
        f"{SHELL}/test_applier.py",
    ),
    Bug(
        "the answer to a write is not learnt from",
        "../cluster/writes.py",
        "        if self._mirror.wrote(kind, answer):",
        "        if False:",
        f"{SHELL}/test_applier.py",
    ),
    Bug(
        "an operator that no longer leads writes on",
        "../cluster/writes.py",
        "            if not self._leading():",
        "            if False:",
        f"{SHELL}/test_applier.py",
    ),
    Bug(
        "a healthy revision is given up without being kept",
        APPLIER,
        "if _is_workload(one) and one.component in unkept]:",
        "if False]:",
        f"{SHELL}/test_applier.py",
    ),
    Bug(
        "what arrives late takes the place of what is newer",
        "../cluster/mirror.py",
        "(known is not None and _identity(known)[1] >= version):",
        "(known is not None and _identity(known)[1] == version):",
        f"{SHELL}/test_mirror.py",
    ),
    Bug(
        "each heartbeat of a node wakes those on it",
        "../cluster/nodes.py",
        "        return known is not None and known[1].ready != view.ready",
        "        return known is not None",
        f"{SHELL}/test_mirror.py",
    ),
    Bug(
        "a deep check follows wherever a component sends it",
        "../cluster/prober.py",
        "allow_redirects=False",
        "allow_redirects=True",
        f"{SHELL}/test_prober.py",
    ),
    Bug(
        "the journal grows for ever",
        "journal.py",
        "while len(self._kept) > self._most_records or self.size > self._most_bytes:",
        "while len(self._kept) > self._most_records:",
        f"{SHELL}/test_journal.py",
    ),
    Bug(
        "an alert is told again while it is on its way",
        "alerts.py",
        "if row.state is AlertState.PENDING or self._is_on_its_way(row, NoticeKind.FIRING):",
        "if row.state is AlertState.PENDING:",
        ALERTS,
    ),
    Bug(
        "an alert is repeated with every pass",
        "alerts.py",
        "    return row.notified_at + policy.repeat\n",
        "    return row.notified_at\n",
        ALERTS,
    ),
    Bug(
        "those who may have heard of trouble are not told that it is over",
        "alerts.py",
        "    return _union(row.sinks, row.offered)\n",
        "    return row.sinks\n",
        ALERTS,
    ),
    Bug(
        "an alert ends while its component only starts again",
        "alerts.py",
        "        if component in self._situation.unsettled:\n            return row\n",
        "",
        ALERTS,
    ),
    Bug(
        "a symptom has an alert of its own",
        "troubles.py",
        "for root in causes or (name,):",
        "for root in (name,):",
        f"{UNIT}/test_troubles.py",
    ),
)


def try_bug(bug: Bug) -> tuple[bool, str, float]:
    """(caught, remark, seconds)."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        copy = Path(folder) / "operator"
        # With the compiled modules: those that are unchanged need not be compiled again.
        shutil.copytree(ROOT / "operator", copy)
        module = copy / CORE.relative_to("operator") / bug.module
        source = module.read_text(encoding="utf-8")
        if source.count(bug.old) != 1:
            return False, f"does not fit {bug.module} any more ({source.count(bug.old)} places)", 0.0
        module.write_text(source.replace(bug.old, bug.new), encoding="utf-8")
        command = [
            sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--no-header", "--tb=line",
            "-o", f"pythonpath={copy} components . tests", bug.caught_by,
        ]  # fmt: skip
        environment = {
            **os.environ,
            "HYPOTHESIS_PROFILE": "check",
            "PLANTED_BUG": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
    seconds = time.monotonic() - began
    if done.returncode not in (0, 1):
        return (
            False,
            f"pytest ended with {done.returncode}: {done.stdout[-300:]}{done.stderr[-300:]}",
            seconds,
        )
    return done.returncode == 1, "", seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", default="", help="only bugs whose title has this word")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time")
    chosen = parser.parse_args()
    bugs = [bug for bug in BUGS if chosen.only in bug.title]
    with ThreadPoolExecutor(chosen.jobs) as pool:
        survived = 0
        for bug, (caught, remark, seconds) in zip(bugs, pool.map(try_bug, bugs), strict=True):
            verdict = "caught" if caught else "SURVIVED"
            test = bug.caught_by.removeprefix("tests/")
            print(f"{verdict:9}{seconds:6.1f} s  {bug.title}  [{test}] {remark}", flush=True)
            survived += not caught
    print(f"{len(bugs) - survived} of {len(bugs)} planted bugs caught")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
