"""The trading gate without any operator: sixteen processes, nobody who restarts, nobody who writes a status."""

import asyncio
import os
import signal
from typing import Any

from component_processes import Cluster, wait_for
from load import talk

AGENT, GUARD = "enhanced-agent", "drawdown-protection"


def test_it_closes_by_itself_when_a_guard_hangs_and_opens_when_it_goes_on(whole: Cluster) -> None:
    agent, guard = whole.running[AGENT], whole.running[GUARD]

    def gate() -> Any:
        status, found = agent.get("/v1/trading-gate")
        assert status == 200
        return found

    wait_for(lambda: gate()["open"], "the gate is open")
    os.kill(guard.process.pid, signal.SIGSTOP)
    try:
        wait_for(lambda: not gate()["open"], "the gate closes")
        closed = gate()
        (blocker,) = closed["blockers"]
        assert (blocker["component"], blocker["reading"]) == (GUARD, "unknown")
        # The safe state comes when the limit is over, not with the first look that is missed, nor much later.
        before = blocker["seconds"] - closed["seconds"]
        assert before <= closed["within_seconds"]
        (turn,) = asyncio.run(
            talk("127.0.0.1", whole.ports[AGENT], ["gate"], ["what should I trade with 50000?"])
        )
        assert turn.body["decision"]["response_type"] == "gate_closed", turn.body
        assert GUARD in turn.body["reply"]
    finally:
        os.kill(guard.process.pid, signal.SIGCONT)
    wait_for(lambda: gate()["open"], "the gate opens by itself")
