"""Coming back: how soon each fault is noticed and mended, and that nothing else is touched.

Kills are held against a bare copy of the same workloads with the same probes, killed in the same way in the
same run, in turns. Each container is killed once: after a second death within ten minutes the kubelet itself
waits ten seconds and more (`kills` measures that).
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from pathlib import Path

from tools import testenv

import drills
from alluse.contract import COMPONENTS
from alluse_operator.cli.drill import Drill
from applications import component, pod, process_of, system, touch
from drills import SYSTEM, Ground, ready_components
from kube import Kube
from performance.comeback import back_again, safe_state
from performance.ordering import namespace, prepared
from performance.results import Figure, Results, median, percentile
from performance.workloads import plain

SEED = 20_260_105
#: Faults that leave the process there: it hangs, or it answers and is wrong, late, or by turns well and unwell.
GREY = ("hang", "wrong-answer", "slow", "flap", "not-ready")
BACK_SECONDS = 240


async def measure(results: Results, directory: Path, rounds: int) -> None:
    cluster, kube = prepared()
    draw = random.Random(SEED)
    all_at_once(results, cluster, kube)
    alerts_for_one_root(results, kube)
    with drills.running(cluster, kube) as ground:
        done = kills(results, ground)
        done += grey_faults(results, ground, draw, rounds)
        harm(results, done)
        gate(results, ground)


# -- all sixteen ---------------------------------------------------------------------------------------


def all_at_once(results: Results, cluster: testenv.Cluster, kube: Kube) -> None:
    """A cold start, and then every process killed in the same moment."""
    with namespace(kube) as where:
        ground = Ground(cluster, kube, where)
        with kube.watch("pods", where) as watch:
            started = time.monotonic()
            kube.apply(drills.manifest(where))
            cold = back_again(kube, watch, where, started) - started
        ground.wait_quiet()
        pods = [ground.pod(name) for name in COMPONENTS]
        processes = [process_of(cluster, each) for each in pods]
        before = ground.attempts()
        with kube.watch("pods", where) as watch:
            kube.wait("the watch stands", lambda: len(watch.created()) >= len(COMPONENTS), 30, where)
            started = time.monotonic()
            cluster.node_exec(pods[0]["spec"]["nodeName"], "kill", "-KILL", *processes)
            again = back_again(kube, watch, where, started, lost=True) - started
        ground.wait_quiet()
        acted = sum(map(len, ground.attempts().values())) - sum(map(len, before.values()))
    results.add(
        Figure("all 16 killed at once: all ready again", again, "s", cold, "a cold start", "ratio <= 1.5")
    )
    results.add(Figure("... actions of the operator meanwhile", acted, "", aim="0"))


# -- one root, seven dependants ------------------------------------------------------------------------


def alerts_for_one_root(results: Results, kube: Kube) -> None:
    """A root that fails and takes seven dependants with it: how many alerts are raised."""
    names = [f"leaf-{number}" for number in range(1, 8)]
    with namespace(kube) as where:
        kube.apply(system("fan", where, component("root"), *(component(name, "root") for name in names)))
        kube.wait("8/8 ready", lambda: kube.status("fan", where).get("ready") == "8/8", 90, where)
        with kube.watch("allusesystems", where) as watch:
            # The dependants notice that what they need is gone, as real ones would; the root never recovers.
            touch(kube, pod(kube, "fan", "root", where), "/tmp/closed")
            for name in names:
                touch(kube, pod(kube, "fan", name, where), "/tmp/closed")
            kube.wait(
                "an alert",
                lambda: [a for a in kube.status("fan", where).get("alerts", []) if a.get("notifiedAt")],
                60, where,
            )  # fmt: skip
            kube.wait("all are unready", lambda: kube.status("fan", where).get("ready") == "0/8", 60, where)
            statuses = [obj.get("status", {}) for _, obj, _ in watch.events]
        told = {
            alert["fingerprint"]
            for status in statuses
            for alert in status.get("alerts", [])
            if alert.get("notifiedAt") and not alert.get("inhibitedBy")
        }
        restarted = kube.status("fan", where)["components"]
        symptoms = [row["name"] for row in restarted if row["name"] != "root" and row.get("lastAction")]
    results.add(Figure("alerts told for one root with 7 dependants", len(told), "", aim="1"))
    results.add(Figure("... actions on its dependants", len(symptoms), "", aim="0"))


# -- kill -9, beside a bare Deployment -----------------------------------------------------------------


def kills(results: Results, ground: Ground) -> list[Drill]:
    kube, done, bare = ground.kube, [], []
    with namespace(kube) as theirs:
        copies = plain(kube, SYSTEM, ground.namespace, theirs)
        kube.kubectl(
            "apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": copies})
        )
        kube.wait(
            "the bare copies are ready",
            lambda: ready_components(kube.items("pods", theirs)) >= COMPONENTS.keys(),
            BACK_SECONDS, theirs,
        )  # fmt: skip
        ground.wait_quiet()
        for name in COMPONENTS:
            done.append(ground.break_by_signal(name, "KILL"))
            bare.append(_kill_bare(ground.cluster, kube, name, theirs))
            ground.wait_quiet()
    back = [_back(each) for each in done]
    noticed = [each.noticed_after or BACK_SECONDS for each in done]
    results.add(Figure("kill -9: noticed, p50", median(noticed), "s", samples=tuple(noticed)))
    results.add(Figure("kill -9: noticed, p99", percentile(noticed, 0.99), "s", aim="<= 2"))
    results.add(
        Figure(
            "kill -9: pod ready again, p50", median(back), "s", median(bare), "bare workload",
            "<= 2 and ratio <= 1.1", tuple(back),
        )
    )  # fmt: skip
    results.add(
        Figure("kill -9: pod ready again, p99", percentile(back, 0.99), "s", percentile(bare, 0.99), "bare workload", "<= 10", tuple(bare))
    )  # fmt: skip
    return done


def _kill_bare(cluster: testenv.Cluster, kube: Kube, name: str, where: str) -> float:
    """Kill the bare copy of a component; seconds until it is ready again."""
    victim = pod(kube, SYSTEM, name, where)
    process = process_of(cluster, victim)
    with kube.watch("pods", where) as watch:
        kube.wait("the watch stands", lambda: len(watch.created()) >= len(COMPONENTS), 30, where)
        started = time.monotonic()
        cluster.node_exec(victim["spec"]["nodeName"], "kill", "-KILL", process)
        return back_again(kube, watch, where, started, names=(name,), lost=True) - started


def _back(done: Drill) -> float:
    """Seconds until the pod was ready again; the whole time where it was not."""
    return done.line.ready if done.line.ready is not None else done.waited


# -- grey faults ---------------------------------------------------------------------------------------


def grey_faults(results: Results, ground: Ground, draw: random.Random, rounds: int) -> list[Drill]:
    """Each fault on `rounds` components drawn by the seed."""
    done: list[Drill] = []
    for fault in GREY:
        for name in draw.sample(sorted(COMPONENTS), rounds):
            ground.wait_quiet()
            done.append(ground.break_by_request(name, fault))
    for name in draw.sample(sorted(COMPONENTS), rounds):
        ground.wait_quiet()
        done.append(ground.break_by_signal(name, "STOP"))
    noticed = [each.noticed_after or BACK_SECONDS for each in done]
    results.add(Figure("hangs and grey faults: noticed, p50", median(noticed), "s", samples=tuple(noticed)))
    results.add(Figure("hangs and grey faults: noticed, p99", percentile(noticed, 0.99), "s", aim="<= 10"))
    for fault in dict.fromkeys(each.fault.name for each in done):
        of = [each for each in done if each.fault.name == fault]
        results.add(_of_fault(fault, of))
    return done


def _of_fault(fault: str, done: Sequence[Drill]) -> Figure:
    recovered = [each.recovered_after if each.recovered_after is not None else each.waited for each in done]
    return Figure(
        f"{fault}: noticed to all well again, p50", median(recovered), "s", samples=tuple(recovered)
    )


def harm(results: Results, done: Sequence[Drill]) -> None:
    """What was done to components that had no fault, and what was not mended."""
    results.add(
        Figure("faults that were not mended", sum(d.recovered_after is None for d in done), "", aim="0")
    )
    results.add(
        Figure(
            "actions on symptoms, in all drills", sum(len(d.line.acted_on_others) for d in done), "", aim="0"
        )
    )
    results.add(
        Figure("false restarts, in all drills", sum(len(d.line.others_lost) for d in done), "", aim="0")
    )
    results.add(Figure("drills", len(done), ""))


# -- the trading gate ----------------------------------------------------------------------------------


def gate(results: Results, ground: Ground) -> None:
    """Who guards the capital hangs: how long until the agent recommends nothing."""
    ground.wait_quiet()
    seconds = safe_state(ground, "drawdown-protection")
    results.add(Figure("drawdown-protection hangs: trading gate closed", seconds, "s", aim="<= 5 + a probe"))
