"""A conversation between real processes: the agent dies between two turns, then what it needs dies."""

from typing import Any

from component_processes import Cluster, Process
from conversations import ONBOARDING


def say(agent: Process, message: str) -> tuple[int, Any]:
    return agent.request("POST", "/v1/chat", {"user_id": "u1", "message": message}, timeout_s=20)


def test_an_onboarding_survives_the_death_of_the_agent(whole: Cluster) -> None:
    agent = whole.running["enhanced-agent"]
    for message in ONBOARDING[:3]:
        assert say(agent, message)[0] == 200
    agent.kill()
    agent = whole.start("enhanced-agent")
    agent.wait_ready()
    status, answer = say(agent, ONBOARDING[3])
    assert (status, answer["degraded"], answer["intent"]) == (200, [], "recommend_trades")
    assert answer["reply"].count("No contract fits") == 3
    assert "Performance report" in say(agent, ONBOARDING[4])[1]["reply"]
    assert agent.get("/v1/users/u1/status")[1]["total_balance"] == 50_000

    whole.running["market-analyzer"].kill()
    status, answer = say(agent, ONBOARDING[3])
    assert (status, answer["degraded"]) == (200, ["market-analyzer"])
    assert not any(letter.isdigit() for letter in answer["reply"])
    assert agent.status("/health/ready") == 200
    whole.running["memory-manager"].kill()
    assert say(agent, ONBOARDING[3])[0] == 503
