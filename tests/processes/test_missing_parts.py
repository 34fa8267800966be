"""The workflows and ten users at once between sixteen processes, of which one is missing."""

import missing_parts
from alluse.client.calls import System
from alluse.client.forwarding import Given
from alluse.client.workflows import ONBOARDING, RISK, TRADING, WORKFLOWS
from component_processes import Cluster
from conversations import TEN


def test_a_missing_part_is_named_and_nothing_is_made_up_for_it(whole: Cluster) -> None:
    system = System(Given({name: ("127.0.0.1", port) for name, port in whole.ports.items()}))
    agent = "127.0.0.1", whole.ports["enhanced-agent"]
    for workflow in WORKFLOWS:
        assert missing_parts.failed_steps(system, workflow, f"all-{workflow}") == []
    assert not any(turn.body["degraded"] for turn in missing_parts.ten_users(agent, "all"))
    missing_parts.own_figures_alone(agent, "own")

    whole.running["portfolio-optimizer"].kill()
    missing_parts.named_and_passed(system, agent, "portfolio-optimizer", "soft")
    whole.start("portfolio-optimizer").wait_ready()

    whole.running["market-analyzer"].kill()
    missing_parts.nothing_invented(system, agent, "hard")
    whole.start("market-analyzer").wait_ready()

    whole.running["drawdown-protection"].kill()
    for workflow in (ONBOARDING, TRADING, RISK):
        failed = missing_parts.failed_steps(system, workflow.name, f"guard-{workflow.name}")
        assert all("drawdown-protection cannot be reached" in problem for problem in failed)
        assert bool(failed) == (workflow is RISK)
    for turn, (_, intent, _) in zip(missing_parts.ten_users(agent, "guard"), TEN, strict=True):
        assert ("drawdown-protection" in turn.body["degraded"]) == (intent == "drawdown_help")

    whole.running["memory-manager"].kill()
    missing_parts.nobody_is_talked_to(system, "nobody")
