"""Real operator processes: killed, stopped, frozen, cut off."""

from __future__ import annotations

import base64
import collections
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tools.cluster.controlplane import ControlPlane

import specs
from alluse_operator.cluster.kinds import DEPLOYMENT, POD, SERVICE
from fault_proxy import FaultProxy
from operators import ROOT, OperatorProcess
from sickness import pods_of, sicken
from watching import Watcher

#: Value of a Secret, which must turn up nowhere.
PLANTED = "planted-7d1c0f5e"
Start = Callable[[], tuple[OperatorProcess, int]]


@pytest.fixture
def start(proxy: FaultProxy, tmp_path: Path, watcher: Watcher) -> Iterator[Start]:
    """Starts operators that compete for one lease, each on a line of its own."""
    with ExitStack() as stack:

        def start_one() -> tuple[OperatorProcess, int]:
            line = proxy.open_line()
            process = OperatorProcess(proxy.kubeconfig(tmp_path, line), tmp_path, lease=watcher.namespace)
            stack.enter_context(process)
            return process, line

        yield start_one


def made_once(proxy: FaultProxy) -> None:
    counts = collections.Counter(proxy.created())
    assert {ref: count for ref, count in counts.items() if count > 1} == {}


def test_killed_in_mid_start_the_next_one_goes_on(proxy: FaultProxy, watcher: Watcher, start: Start) -> None:
    first, _ = start()
    first.wait_until_leading()
    watcher.create(specs.chain("first", "second", "third", "fourth"))
    watcher.until(lambda: watcher.workload(DEPLOYMENT, "first"), "it has begun")
    first.kill()
    start()
    watcher.until_ready()
    made_once(proxy)


def test_a_stopped_leader_ends_well_and_the_standby_leads(watcher: Watcher, start: Start) -> None:
    first, _ = start()
    first.wait_until_leading()
    second, _ = start()
    watcher.until(lambda: second.get("/readyz")[0] == 200, "the second stands by")
    assert second.metric("allusesystem_leader") == 0
    watcher.create(specs.chain("first"))
    watcher.until_ready()
    assert first.stop() == 0, first.tail()
    second.wait_until_leading()
    watcher.edit({"spec": specs.chain("first", "second")})
    watcher.until_ready()


def test_a_frozen_leader_writes_nothing_after_another_has_taken_over(
    proxy: FaultProxy, watcher: Watcher, start: Start
) -> None:
    first, first_line = start()
    first.wait_until_leading()
    second, second_line = start()
    watcher.create(specs.chain("first", "second"))
    watcher.until_ready()
    # What is on its way in the very moment of the freeze would arrive late; so wait for the last word.
    watcher.until(lambda: watcher.told("SystemReady"), "it is told")
    os.kill(first.pid, signal.SIGSTOP)
    try:
        second.wait_until_leading()
        taken_over = len(proxy.seen)
        watcher.edit({"spec": specs.chain("first", "second", "third")})
        watcher.until_ready()
    finally:
        os.kill(first.pid, signal.SIGCONT)
    watcher.until(lambda: first.metric("allusesystem_leader") == 0, "the first has noticed")
    watcher.edit({"spec": specs.chain("first", "second", "third", "fourth")})
    watcher.until_ready()
    late = [r for r in proxy.seen[taken_over:] if r.line == first_line and r.write]
    assert late == []
    assert [r for r in proxy.seen if r.line == second_line and r.write]
    made_once(proxy)


def test_a_decision_can_be_made_again_from_its_record(watcher: Watcher, start: Start) -> None:
    """What a running operator has decided comes out of its journal whole, and without any secret."""
    secret = {"metadata": {"name": "planted"}, "stringData": {"password": PLANTED}}
    assert watcher.api.request("POST", f"/api/v1/namespaces/{watcher.namespace}/secrets", secret).ok
    operator, _ = start()
    operator.wait_until_leading()
    spec = specs.chain("first", "second")
    reference = {"name": "planted", "key": "password"}
    spec["components"][1]["env"] = [{"name": "PASSWORD", "secretKeyRef": reference}]
    watcher.create(spec)
    watcher.until_ready()
    sick = sicken(watcher, "second")
    watcher.until(lambda: sick not in pods_of(watcher, "second"), "it is restarted")
    watcher.until_ready()

    def ask(path: str) -> str:
        status, text = operator.get(path, operator.explain_port)
        assert status == 200, text
        return text

    system = f"{watcher.namespace}/{watcher.name}"
    listed = json.loads(ask(f"/journal?system={system}"))["records"]
    [restart] = [record for record in listed if "RestartPod of second" in record["why"]]
    text = ask(f"/journal/{restart['id']}")
    again = subprocess.run(
        [sys.executable, "-m", "alluse_operator.replay", "-"],
        input=text, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT / 'components'}"},
    )  # fmt: skip
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout.startswith(f"Same: {restart['digest']}")
    plan = watcher.until(
        lambda: (now := json.loads(ask(f"/plan?system={system}")))["actions"] == [] and now,
        "nothing is to be done",
    )
    assert plan["mode"] == "Run"
    records = [ask(f"/journal/{record['id']}") for record in listed]
    for place in (*records, json.dumps(plan), operator.log.read_text(), operator.get("/metrics")[1]):
        assert PLANTED not in place
        assert base64.b64encode(PLANTED.encode()).decode() not in place


def test_an_api_server_that_is_away(plane: ControlPlane, watcher: Watcher, tmp_path: Path) -> None:
    """The operator stays, says that it is not ready, touches nothing, and puts right what has changed
    meanwhile.
    """
    with OperatorProcess(plane.kubeconfig, tmp_path) as operator:
        operator.wait_until_leading()
        watcher.create(specs.chain("first", "second"))
        watcher.until_ready()
        pods = {pod["metadata"]["uid"] for pod in watcher.list(POD)}
        plane.stop_process("kube-apiserver", kill=True)
        watcher.until(lambda: operator.get("/readyz")[0] == 503, "it says that it is not ready")
        assert operator.get("/livez")[0] == 200
        plane.start_process("kube-apiserver")
        plane.wait_ready()
        watcher.delete(SERVICE, "demo-first")
        watcher.until(lambda: watcher.get(SERVICE, "demo-first"), "the Service is there again")
        watcher.until_ready()
        assert pods == {pod["metadata"]["uid"] for pod in watcher.list(POD)}
        assert operator.running
