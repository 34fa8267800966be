"""The five turns, the trading and risk questions and the ten users, with real language components."""

import asyncio
from pathlib import Path

from conversations import DOWN, ONBOARDING, SPY, TEN, conversation

ONBOARDED = ("greeting", "setup_accounts", "provide_profile", "recommend_trades", "check_performance")


async def test_the_sentences_of_the_workflows_are_understood_and_answered(tmp_path: Path) -> None:
    async with conversation(tmp_path, language=True) as talk:
        replies = [await talk.say("u1", message) for message in ONBOARDING]
        assert tuple(answer["intent"] for answer in replies) == ONBOARDED
        assert replies[2]["entities"]["amount"] == 50_000
        assert replies[2]["entities"]["risk_level"] == "moderately_aggressive"
        status = (await talk.agent.get("/v1/users/u1/status")).json
        assert (len(status["accounts"]), status["total_balance"]) == (3, 50_000)
        spy = await talk.say("w2", SPY)
        assert (spy["intent"], spy["entities"]["stock_symbols"]) == ("recommend_trades", ["SPY"])
        assert "SPY put" in spy["reply"]
        down = await talk.say("w3", DOWN)
        assert (down["intent"], down["decision"]["parameters"]) == ("drawdown_help", {"drawdown": 0.1})
        ten = await asyncio.gather(*(talk.say(f"user-{n}", text) for n, (text, _, _) in enumerate(TEN)))
        assert [answer["intent"] for answer in ten] == [intent for _, intent, _ in TEN]
        assert all(answer["reply"] and not answer["degraded"] for answer in ten)
        sized = ten[4]
        assert sized["entities"]["amount"] == 100_000
        assert sum(each["balance"] for each in sized["data"]["trades"] if each["told"]) == 100_000
