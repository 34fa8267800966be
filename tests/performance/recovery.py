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
from typing import Any

from tools import testenv

import drills
from alluse.contract import COMPONENTS
from alluse_operator.cli.drill import Drill
from applications import component, pod, process_of, send_signal, system, touch
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
    alerts_for_one_root(results, cluster, kube)
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
        ground.wait_well()
        acted = sum(map(len, ground.attempts().values())) - sum(map(len, before.values()))
    results.add(
        Figure("all 16 killed at once: all ready again", again, "s", cold, "a cold start", "ratio <= 1.5")
    )
    results.add(Figure("... actions of the operator meanwhile", acted, "", aim="0"))


# -- one root, seven dependants ------------------------------------------------------------------------


#: A root that ends at each start once /tmp/dead is there, which outlives its container.
ROOT = "import os, sys\nif os.path.exists('/tmp/dead'):\n    sys.exit(1)\n"
#: A dependant that is ready while the root is.
LEAF = """
import http.server, signal, sys, urllib.request
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status = 200
        if self.path == "/ready":
            try:
                urllib.request.urlopen("http://fan-root:8080/ready", timeout=0.8).close()
            except OSError:
                status = 503
        self.send_response(status)
        self.end_headers()
    def log_message(self, *arguments):
        pass
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
http.server.ThreadingHTTPServer(("", 8080), Answer).serve_forever()
"""
#: Long enough for a second alert to be told, were there one.
WATCH_SECONDS = 20


def alerts_for_one_root(results: Results, cluster: testenv.Cluster, kube: Kube) -> None:
    """A root that fails for good and takes seven dependants with it: how many alerts are told."""
    root = component("root")
    root["command"][2] = ROOT + root["command"][2]
    leaves = [component(f"leaf-{number}", "root") for number in range(1, 8)]
    for leaf in leaves:
        leaf["command"] = ["python3", "-c", LEAF]
    with namespace(kube) as where:
        kube.apply(system("fan", where, root, *leaves))
        kube.wait("8/8 ready", lambda: kube.status("fan", where).get("ready") == "8/8", 120, where)
        with kube.watch("allusesystems", where) as watch:
            victim = pod(kube, "fan", "root", where)
            touch(kube, victim, "/tmp/dead")
            send_signal(cluster, victim, "KILL")
            kube.wait("all are unready", lambda: kube.status("fan", where).get("ready") == "0/8", 90, where)
            kube.wait("an alert", lambda: told(kube.status("fan", where)), 60, where)
            time.sleep(WATCH_SECONDS)
            statuses = [obj.get("status", {}) for _, obj, _ in watch.events]
        fingerprints = {found for status in statuses for found in told(status)}
        acted = {
            row["name"]
            for status in statuses
            for row in status.get("components", [])
            if row["name"] != "root" and row.get("lastAction")
        }
    results.add(Figure("alerts told for one root with 7 dependants", len(fingerprints), "", aim="1"))
    results.add(Figure("... actions on its dependants", len(acted), "", aim="0"))


def told(status: dict[str, Any]) -> set[str]:
    """Fingerprints of the alerts that people were told of."""
    return {alert["fingerprint"] for alert in status.get("alerts", []) if alert.get("notifiedAt")}


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
