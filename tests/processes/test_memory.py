"""memory-manager as a process that is killed in the middle of its writes."""

from pathlib import Path

from component_processes import Cluster
from ledger_writes import Ledger


def test_a_kill_in_the_middle_of_writes_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    with Cluster(tmp_path, {"ALL_USE_ENV": "test"}) as cluster:
        memory = cluster.start("memory-manager")
        memory.wait_ready()
        ledger = Ledger(memory.port)
        ledger.open()
        for life in range(2):
            answered = ledger.write_until_killed(memory.kill, life)
            memory = cluster.start("memory-manager")
            memory.wait_ready()
            ledger.holds(answered)
        memory.stop()
