"""Real operator processes: killed, stopped, frozen, cut off."""

from __future__ import annotations

import collections
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tools.cluster.controlplane import ControlPlane

import specs
from alluse_operator.cluster.kinds import DEPLOYMENT, POD, SERVICE
from apiserver import ApiServer
from fault_proxy import FaultProxy
from operators import OperatorProcess
from simulated import simulated_plane
from watching import Watcher

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
    watcher.until_ready(seconds=60)
    made_once(proxy)


def test_a_stopped_leader_ends_well_and_the_standby_leads_at_once(watcher: Watcher, start: Start) -> None:
    first, _ = start()
    first.wait_until_leading()
    second, _ = start()
    watcher.until(lambda: second.get("/readyz")[0] == 200, "the second stands by")
    assert second.metric("allusesystem_leader") == 0
    watcher.create(specs.chain("first"))
    watcher.until_ready()
    status, seconds = first.stop()
    stopped = time.monotonic()
    assert status == 0, first.tail()
    assert seconds < 4
    second.wait_until_leading()
    assert time.monotonic() - stopped < 10
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
    watcher.until(lambda: [e for e in watcher.events() if e["reason"] == "SystemReady"], "it is told")
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


@pytest.fixture
def own_plane(tmp_path: Path) -> Iterator[ControlPlane]:
    with simulated_plane(tmp_path / "plane") as plane:
        yield plane


def test_an_api_server_that_is_away(own_plane: ControlPlane, tmp_path: Path) -> None:
    """The operator stays, says that it is not ready, touches nothing, and puts right what has changed
    meanwhile.
    """
    watcher = Watcher(ApiServer(own_plane), "default")
    with OperatorProcess(own_plane.kubeconfig, tmp_path) as operator:
        operator.wait_until_leading()
        watcher.create(specs.chain("first", "second"))
        watcher.until_ready()
        pods = {pod["metadata"]["uid"] for pod in watcher.list(POD)}
        own_plane.stop_process("kube-apiserver", kill=True)
        watcher.until(lambda: operator.get("/readyz")[0] == 503, "it says that it is not ready", seconds=30)
        assert operator.get("/livez")[0] == 200
        own_plane.start_process("kube-apiserver")
        own_plane.wait_ready()
        watcher.delete(SERVICE, "demo-first")
        watcher.until(lambda: watcher.get(SERVICE, "demo-first"), "the Service is there again", seconds=20)
        watcher.until_ready()
        assert pods == {pod["metadata"]["uid"] for pod in watcher.list(POD)}
        assert operator.running
