"""The workflows and ten users at once between sixteen processes, of which one is missing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import missing_parts
from alluse.client.calls import System
from alluse.client.forwarding import Given
from alluse.client.workflows import ONBOARDING, RISK, TRADING, WORKFLOWS
from alluse.contract import COMPONENTS
from component_processes import Cluster, wait_for
from conversations import TEN


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path, {"ALL_USE_ENV": "test"}) as running:
        for name in COMPONENTS:
            running.start(name)
        for process in running.running.values():
            process.wait_ready(120)
        monitor = running.running["health-monitor"]
        wait_for(
            lambda: monitor.get("/v1/health")[1]["overall_status"] in ("healthy", "degraded"),
            "a system that is well by its own account",
            90,
        )
        yield running


def test_a_missing_part_is_named_and_nothing_is_made_up_for_it(cluster: Cluster) -> None:
    system = System(Given({name: ("127.0.0.1", port) for name, port in cluster.ports.items()}))
    agent = "127.0.0.1", cluster.ports["enhanced-agent"]
    for workflow in WORKFLOWS:
        assert missing_parts.failed_steps(system, workflow, f"all-{workflow}") == []
    assert not any(turn.body["degraded"] for turn in missing_parts.ten_users(agent, "all"))
    missing_parts.own_figures_alone(agent, "own")

    cluster.running["portfolio-optimizer"].kill()
    missing_parts.named_and_passed(system, agent, "portfolio-optimizer", "soft")
    cluster.start("portfolio-optimizer").wait_ready()

    cluster.running["market-analyzer"].kill()
    missing_parts.nothing_invented(system, agent, "hard")
    cluster.start("market-analyzer").wait_ready()

    cluster.running["drawdown-protection"].kill()
    for workflow in (ONBOARDING, TRADING, RISK):
        failed = missing_parts.failed_steps(system, workflow.name, f"guard-{workflow.name}")
        assert all("drawdown-protection cannot be reached" in problem for problem in failed)
        assert bool(failed) == (workflow is RISK)
    for turn, (_, intent, _) in zip(missing_parts.ten_users(agent, "guard"), TEN, strict=True):
        assert ("drawdown-protection" in turn.body["degraded"]) == (intent == "drawdown_help")

    cluster.running["memory-manager"].kill()
    missing_parts.nobody_is_talked_to(system, "nobody")
