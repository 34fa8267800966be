"""enhanced-agent among all that it needs: the workflows, what is missing, who is told what."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from alluse.runtime.http_client import HttpError, HttpReply
from alluse.runtime.http_server import HttpRequest
from alluse.services import enhanced_agent
from conversations import DOWN, MEANINGS, ONBOARDING, SPY, TEN, Conversation, amounts, conversation, figures
from inprocess import component

#: Amounts that are rules and no results.
RULES = {"1,000.00", "50,000.00", "25,000.00", "500,000.00"}
WANTED = (
    (("welcome",), ("account",)),
    (("account",), ("gen-acc", "rev-acc", "com-acc")),
    (("risk",), ("50",)),
    (("recommend", "suggest", "trade", "option"),),
    (("performance", "track", "monitor", "report"),),
)


@pytest.fixture
async def talk(tmp_path: Path) -> AsyncIterator[Conversation]:
    async with conversation(tmp_path) as running:
        yield running


def has(reply: str, wanted: tuple[tuple[str, ...], ...]) -> bool:
    return all(any(word in reply.lower() for word in words) for words in wanted)


def well_written(answer: dict[str, Any]) -> None:
    """Short, calm, without a promise, and without an amount that was not computed or said."""
    reply = answer["reply"]
    assert 0 < len(reply) <= 1200
    assert "!" not in reply
    for word in ("expected return", "guarante", "hurry", "now or never", "risk-free", "certain to"):
        assert word not in reply.lower()
    known = {*figures(answer["data"]), *figures(answer["decision"]["parameters"]), *RULES}
    if answer["decision"]["response_type"] not in (
        "account_advice",
        "status",
        "accounts_exist",
        "adjustments",
    ):
        assert amounts(reply) <= known, amounts(reply) - known
    assert answer["disclaimer"]


async def test_onboarding_in_five_turns(talk: Conversation, tmp_path: Path) -> None:
    for place, message in enumerate(ONBOARDING):
        if place == 3:
            # The agent's process dies between the third and the fourth turn: nothing is in it that matters.
            async with component(enhanced_agent.SERVICE, tmp_path / "second", system=talk.system) as second:
                talk.agent = second
                answer = await talk.say("u1", message)
            talk.system.running["enhanced-agent"] = talk.agent
        else:
            answer = await talk.say("u1", message)
        assert has(answer["reply"], WANTED[place]), answer["reply"]
        assert answer["intent"] == MEANINGS[message][0]
        assert answer["degraded"] == []
        well_written(answer)
        if place == 3:
            break
    assert len(answer["data"]["trades"]) == 8
    assert all(trade["size"]["contracts"] == 0 for trade in answer["data"]["trades"])
    assert answer["reply"].count("No contract fits") == 3
    assert "Next step" in answer["reply"]


async def test_after_onboarding_everything_is_known(talk: Conversation) -> None:
    for message in ONBOARDING:
        answer = await talk.say("u1", message)
    assert has(answer["reply"], WANTED[4])
    status = (await talk.agent.get("/v1/users/u1/status")).json
    assert [each["balance"] for each in status["accounts"]] == [20_000, 15_000, 15_000]
    assert (status["total_balance"], status["decision_count"], status["total_interactions"]) == (
        50_000,
        5,
        10,
    )
    performance = (await talk.agent.get("/v1/users/u1/performance")).json
    assert (performance["value"], len(performance["snapshots"])) == (50_000, 1)
    stated = (await talk.memory.get("/v1/users/u1/preferences")).json["preferences"]["risk_appetite"]
    assert stated == {"value": "moderately_aggressive", "source": "stated", "confidence": 1.0}
    watched = (await talk.system.running["portfolio-risk-monitor"].get("/v1/portfolios")).json["portfolios"]
    assert len(watched) == 3
    assert (await talk.agent.get("/v1/agent")).json["interactions"] == 5
    assert (await talk.agent.post("/v1/users/u1/reset")).json == {"user_id": "u1", "reset": True}
    again = await talk.say("u1", ONBOARDING[2])
    assert again["decision"]["response_type"] == "accounts_exist"
    assert (await talk.agent.get("/v1/users/u1/status")).json["total_balance"] == 50_000


async def test_a_trade_for_a_supposed_capital(talk: Conversation) -> None:
    answer = await talk.say("w2", SPY)
    assert has(answer["reply"], (("spy",), ("delta",), ("position", "contract")))
    well_written(answer)
    big = await talk.say("w2", 'recommend_trades {"amount": 900000, "stock_symbols": ["TSLA"], "dte": 14}')
    trades = big["data"]["trades"]
    assert all(trade["contracts"] > 0 and trade["max_loss"] > trade["capital"] for trade in trades)
    assert "maximum loss" in big["reply"]
    well_written(big)
    one = await talk.say("w2", 'size_position {"amount": 50000, "account_types": ["GEN_ACC"]}')
    assert {trade["account_type"] for trade in one["data"]["trades"]} == {"GEN_ACC"}
    nothing = await talk.say("w2", 'recommend_trades {"amount": 50000, "stock_symbols": ["ZZZZ"]}')
    assert ("ZZZZ (no data)" in nothing["reply"], amounts(nothing["reply"])) == (True, set())


async def test_without_accounts_a_delta_is_told_and_no_size(talk: Conversation) -> None:
    answer = await talk.say("w2", ONBOARDING[3])
    assert answer["decision"]["action"] == "clarify"
    assert answer["decision"]["response_type"] == "account_setup_required"
    assert "delta" in answer["reply"]
    assert all(trade["size"] is None for trade in answer["data"]["trades"])
    well_written(answer)


async def test_help_in_a_fall_of_ten_percent(talk: Conversation) -> None:
    answer = await talk.say("w3", DOWN)
    assert has(answer["reply"], (("risk", "drawdown", "protection", "reduce", "adjust"),))
    assert answer["data"]["protection"][0]["protection_level"] == "Moderate"
    assert "60 %" in answer["reply"]
    well_written(answer)
    portfolios = (await talk.system.running["drawdown-protection"].get("/v1/portfolios")).json["portfolios"]
    assert portfolios == []


async def test_ten_users_at_once(talk: Conversation) -> None:
    answers = await asyncio.gather(*(talk.say(f"user-{n}", text) for n, (text, _, _) in enumerate(TEN)))
    for answer, (_, intent, _) in zip(answers, TEN, strict=True):
        assert (answer["intent"], answer["degraded"]) == (intent, [])
        well_written(answer)


async def test_users_do_not_see_each_others_figures(talk: Conversation) -> None:
    users = {f"user-{n}": 11_111.0 * (n + 1) for n in range(10)}
    own: dict[str, set[str]] = {}
    for user, amount in users.items():
        answer = await talk.say(user, f'setup_accounts {{"amount": {amount}}}')
        own[user] = amounts(answer["reply"])
    for intent in ("assess_risk", "check_performance", "status"):
        answers = await asyncio.gather(*(talk.say(user, intent) for user in users))
        for user, answer in zip(users, answers, strict=True):
            foreign = set().union(*(own[other] for other in users if other != user)) - own[user] - RULES
            assert not foreign & amounts(answer["reply"])
            assert amounts(answer["reply"]) & own[user]


async def test_a_missing_soft_dependency_is_named(talk: Conversation) -> None:
    await talk.say("u1", ONBOARDING[2])
    for missing, message in (
        ("drawdown-protection", "recommend_trades"),
        ("drawdown-protection", DOWN),
        ("portfolio-optimizer", "account_advice"),
        ("health-monitor", "status"),
    ):
        talk.without(missing)
        answer = await talk.say("u1", message)
        assert answer["degraded"] == [missing]
        assert missing.replace("-", " ") in answer["reply"].lower().replace("-", " ")
        well_written(answer)
        talk.with_(missing)


async def test_without_a_hard_dependency_no_number_is_invented(talk: Conversation) -> None:
    await talk.say("u1", ONBOARDING[2])
    for missing, message in (
        ("market-analyzer", "recommend_trades"),
        ("market-analyzer", "market_outlook"),
        ("market-analyzer", "adjust_positions"),
        ("delta-selector", "select_delta"),
        ("delta-selector", "recommend_trades"),
        ("position-sizer", 'size_position {"amount": 100000}'),
        ("portfolio-risk-monitor", "assess_risk"),
        ("portfolio-risk-monitor", "recommend_trades"),
    ):
        talk.without(missing)
        answer = await talk.say("u1", message)
        assert answer["degraded"] == [missing]
        assert f"{missing} does not answer" in answer["reply"]
        assert not any(letter.isdigit() for letter in answer["reply"]), answer["reply"]
        assert answer["data"] == {}
        assert answer["saved"] is True
        talk.with_(missing)


async def test_without_the_detector_only_three_things_are_understood(talk: Conversation) -> None:
    talk.without("intent-detector")
    for message, kind in (
        ("hello there", "welcome"),
        ("Help?", "help"),
        ("my status, please", "status"),
        ("what shall I trade", "not_understood_now"),
    ):
        with_entities = talk.system.played["entity-extractor"]
        talk.system.played["entity-extractor"] = lambda _: HttpReply(200, {}, b'{"entities": []}')
        answer = await talk.say("u1", message)
        talk.system.played["entity-extractor"] = with_entities
        assert (answer["decision"]["response_type"], answer["degraded"]) == (kind, ["intent-detector"])


async def test_without_the_extractor_no_figure_is_overlooked(talk: Conversation) -> None:
    talk.without("entity-extractor")
    for message in (ONBOARDING[2], SPY, DOWN, "select_delta"):
        answer = await talk.say("u1", message)
        assert answer["decision"]["response_type"] == "not_read_now"
        assert answer["degraded"] == ["entity-extractor"]
    assert (await talk.say("u1", "greeting"))["decision"]["response_type"] == "welcome"
    assert (await talk.agent.get("/v1/users/u1/status")).json["has_accounts"] is False


async def test_without_memory_nothing_is_answered(talk: Conversation) -> None:
    talk.without("memory-manager")
    for message in (ONBOARDING[0], SPY):
        answer = await talk.ask("u1", message)
        assert (answer.status, "memory" in answer.json["detail"]) == (503, True)
    assert (await talk.agent.get("/v1/users/u1/status")).status == 503
    assert (await talk.agent.get("/health/ready")).status == 200


async def test_a_turn_that_cannot_be_stored_says_so(talk: Conversation) -> None:
    context = (await talk.memory.get("/v1/users/u1/context")).body

    def only_context(request: HttpRequest) -> HttpReply:
        if request.path.endswith("/context"):
            return HttpReply(200, {}, context)
        raise HttpError("it died")

    talk.system.played["memory-manager"] = only_context
    answer = await talk.say("u1", ONBOARDING[0])
    assert (answer["saved"], answer["degraded"]) == (False, ["memory-manager"])
    assert "not be saved" in answer["reply"]
    assert (await talk.ask("u1", ONBOARDING[2])).status == 503


async def test_a_repeated_turn_happens_once(talk: Conversation, tmp_path: Path) -> None:
    key = {"Idempotency-Key": "abc"}
    first = await talk.ask("u1", ONBOARDING[2], **key)
    again = await talk.ask("u1", ONBOARDING[2], **key)
    assert again.body == first.body
    async with component(enhanced_agent.SERVICE, tmp_path / "another", system=talk.system) as another:
        body = {"user_id": "u1", "message": ONBOARDING[2]}
        repeated = await another.post("/v1/chat", body, **key)
    talk.system.running["enhanced-agent"] = talk.agent
    assert (repeated.status, repeated.json["turn_id"]) == (200, first.json["turn_id"])
    status = (await talk.memory.get("/v1/users/u1/context")).json
    assert (status["decision_count"], status["total_balance"]) == (1, 50_000)


async def test_two_setups_at_once_open_the_accounts_once(talk: Conversation) -> None:
    answers = await asyncio.gather(*(talk.say("u1", ONBOARDING[2]) for _ in range(3)))
    texts = sorted(answer["reply"].split(" with ")[0] for answer in answers)
    assert sum("already set up" in text for text in texts) == 2
    assert (await talk.agent.get("/v1/users/u1/status")).json["total_balance"] == 50_000


async def test_a_split_and_a_reinvestment_by_word(talk: Conversation) -> None:
    await talk.say("u1", ONBOARDING[2])
    early = await talk.say("u1", "fork_account")
    assert ("50,000.00 USD are missing" in early["reply"], "no forecast" in early["reply"]) == (True, True)
    accounts = (await talk.memory.get("/v1/users/u1/accounts")).json["accounts"]
    entry = {"amount": 52_000, "kind": "premium"}
    path = f"/v1/users/u1/accounts/{accounts[0]['account_id']}/entries"
    assert (await talk.memory.post(path, entry)).status == 200
    done = await talk.say("u1", "fork_account")
    assert (done["decision"]["action"], "26,000.00 USD" in done["reply"]) == ("fork", True)
    assert (await talk.agent.get("/v1/users/u1/status")).json["total_balance"] == 102_000
    refused = await talk.say("u1", "reinvest")
    assert "not possible now" in refused["reply"] or "Reinvested" in refused["reply"]
    trades = await talk.say("u1", "recommend_trades")
    well_written(trades)
    assert "left out for length" in trades["reply"]


async def test_a_fallen_account_enters_nothing_new(talk: Conversation) -> None:
    await talk.say("u1", 'setup_accounts {"amount": 3000000}')
    accounts = (await talk.memory.get("/v1/users/u1/accounts")).json["accounts"]
    com = next(each for each in accounts if each["type"] == "COM_ACC")
    path = f"/v1/users/u1/accounts/{com['account_id']}/entries"
    await talk.memory.post(path, {"amount": -90_000, "kind": "premium"})
    answer = await talk.say("u1", 'recommend_trades {"account_types": ["COM_ACC"]}')
    assert "No new entry" in answer["reply"]
    mine = await talk.say("u1", "drawdown_help")
    assert "Com-Acc: a drawdown of 10.0 % calls for" in mine["reply"]


async def test_the_users_word_on_the_week_counts(talk: Conversation) -> None:
    stated = await talk.say("u1", "week_chop")
    assert "no new Gen-Acc entries" in stated["reply"]
    await talk.say("u1", 'setup_accounts {"amount": 5000000}')
    answer = await talk.say("u1", 'recommend_trades {"account_types": ["GEN_ACC"]}')
    assert "a Chop week opens no new Gen-Acc position" in answer["reply"]
    assert "by the data" in answer["reply"]


async def test_every_intent_is_answered_well(talk: Conversation) -> None:
    intents = sorted(
        {intent for intent, _ in MEANINGS.values()} | {"unknown", "explain_protocol", "explain_accounts"}
    )
    intents += [
        "explain_forking",
        "classify_week",
        "week_green",
        "week_red",
        "reinvest",
        "fork_account",
        "status",
    ]
    for user in ("nobody", "somebody"):
        if user == "somebody":
            await talk.say(user, ONBOARDING[2])
        for intent in intents:
            well_written(await talk.say(user, intent))


async def test_terms_are_explained_once_to_a_beginner(talk: Conversation) -> None:
    first = await talk.say("u1", "select_delta")
    assert "Delta:" in first["reply"] or "Premium:" in first["reply"]
    replies = [first["reply"]] + [(await talk.say("u1", "select_delta"))["reply"] for _ in range(4)]
    for term in ("Delta: ", "Strike: ", "Premium: "):
        assert sum(term in reply for reply in replies) == 1
    await talk.memory.call("PATCH", "/v1/users/u2/preferences", {"expertise": "advanced"})
    assert "Delta: " not in (await talk.say("u2", "select_delta"))["reply"]


async def test_who_may_ask(talk: Conversation) -> None:
    assert (await talk.ask("u1", "greeting", **{"X-User-Id": "u2"})).status == 403
    assert (await talk.ask("u1", "greeting", **{"X-User-Id": "u1"})).status == 200
    assert (await talk.ask("u/1", "greeting")).status == 422
    assert (await talk.ask("u1", "")).status == 422
    assert (await talk.ask("u1", "x" * 2001)).status == 422


async def test_turns_are_told_to_others(talk: Conversation) -> None:
    heard: list[dict[str, Any]] = []

    def listen(request: HttpRequest) -> HttpReply:
        if request.path == "/events":
            body = json.loads(request.body)
            heard.extend(body if isinstance(body, list) else [body])
        return HttpReply(202, {}, b"")

    talk.system.played["metrics-collector"] = listen
    answer = await talk.say("u1", "greeting")
    await talk.agent.runtime.context.events.flush(2.0)
    data = [event["data"] for event in heard if event["type"] == "com.alluse.agent.turn_completed.v1"]
    assert {each["turn_id"] for each in data} == {answer["turn_id"]}
    assert "message" not in json.dumps(data)
