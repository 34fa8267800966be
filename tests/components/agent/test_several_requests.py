"""A message that asks for several things: each is answered, with what belongs to it and nothing else."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tools.language.sentences import HELD_OUT, read

from alluse.domain.intents_parts import parts
from alluse.runtime.http_client import HttpError, HttpReply
from alluse.runtime.http_server import HttpRequest
from alluse.schemas.agent import MAX_REPLY
from alluse.schemas.base import DISCLAIMER
from alluse.schemas.intent import MOST_PARTS
from alluse.schemas.memory import MAX_CONTENT
from alluse.services.enhanced_agent.conversing import MISSING_S
from alluse.services.language_model import intent_model
from conversations import ONBOARDING, Conversation, conversation


@pytest.fixture
async def talk(tmp_path: Path) -> AsyncIterator[Conversation]:
    async with conversation(tmp_path, language=True) as running:
        yield running


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "How's the market, what should I trade and how risky is my portfolio?",
            {"market_outlook": "How's the market", "recommend_trades": "what should I trade",
             "assess_risk": "how risky is my portfolio"},
        ),
        (
            "Which delta for NVDA, and how many contracts on AAPL?",
            {"select_delta": "Which delta for NVDA", "size_position": "how many contracts on AAPL"},
        ),
        (
            "I'm moderately aggressive, set me up with 50k and tell me what to trade",
            {"setup_accounts": "I'm moderately aggressive, set me up with 50k",
             "recommend_trades": "tell me what to trade"},
        ),
        ("My portfolio is down 10%, what should I do?", {}),
        ("I have 50k, what should I trade?", {}),
        ("It's a red week. What should I trade?", {}),
        ("trade ideas for AAPL and MSFT", {}),
        ("Gen-Acc, Rev-Acc and Com-Acc balances please", {}),
        ("hello, I am new here and want to get started", {}),
    ],
)  # fmt: skip
def test_where_a_message_is_cut(text: str, wanted: dict[str, str]) -> None:
    found = parts(text, intent_model())
    assert {each.intent: text[each.start : each.end] for each in found} == wanted


def test_one_request_stays_one() -> None:
    """No sentence of the held-out files asks for two things."""
    sentences = [each.text for path in HELD_OUT for each in read(path)]
    cut = [text for text in sentences if parts(text, intent_model())]
    assert len(cut) <= len(sentences) / 200, len(cut)


@given(st.lists(st.sampled_from(["what should I trade", "how am I doing", "?", ", and ", "É ", "\n"])))
def test_parts_are_in_order_and_apart(pieces: list[str]) -> None:
    text = "".join(pieces)
    found = parts(text, intent_model())
    assert len(found) in (0, *range(2, MOST_PARTS + 1))
    places = [place for each in found for place in (each.start, each.end)]
    assert places == sorted(places)
    assert not places or places[-1] <= len(text)


async def test_three_questions_have_three_answers(talk: Conversation) -> None:
    await talk.say("u1", ONBOARDING[2])
    answer = await talk.say("u1", "How's the market, what should I trade and how risky is my portfolio?")
    kinds = [answer["decision"]["response_type"], *(e["decision"]["response_type"] for e in answer["also"])]
    assert kinds == ["market", "trades", "risk"]
    for said in ("The market by its symbols", "No contract fits", "Risk of your accounts"):
        assert said in answer["reply"]
    assert answer["reply"].lower().count(DISCLAIMER) == 1
    assert len(answer["reply"]) <= MOST_PARTS * MAX_REPLY + 10 <= MAX_CONTENT
    status = (await talk.agent.get("/v1/users/u1/status")).json
    assert status["last_decision"]["response_type"] == "risk"
    assert status["last_decision"]["parameters"]["besides"] == ["market", "trades"]
    assert status["decision_count"] == 2


async def test_names_stay_with_their_question(talk: Conversation) -> None:
    answer = await talk.say("u1", "Which delta for KO, and how many contracts on AAPL with $300,000?")
    first, second = answer["decision"]["parameters"], answer["also"][0]["decision"]["parameters"]
    assert (first["symbols"], second["symbols"]) == (["KO"], ["AAPL"])
    assert {each["symbol"] for each in answer["data"]["trades"]} == {"KO"}
    assert {each["symbol"] for each in answer["also"][0]["data"]["trades"]} == {"AAPL"}


async def test_what_is_left_open_is_what_was_named(talk: Conversation) -> None:
    answer = await talk.say("u1", "How is AAPL doing, and which delta would you choose?")
    assert answer["also"][0]["decision"]["parameters"]["symbols"] == ["AAPL"]
    answer = await talk.say("u1", "Which delta would you choose, and how many contracts on KO with 90k?")
    assert answer["decision"]["parameters"]["symbols"] == ["KO"]
    assert answer["also"] == [], "a size tells its delta as well"


async def test_accounts_are_opened_before_a_trade_is_looked_for(talk: Conversation) -> None:
    answer = await talk.say("u1", "open my accounts with 60k and then tell me what to trade")
    assert answer["decision"]["response_type"] == "open_accounts"
    assert [each["decision"]["response_type"] for each in answer["also"]] == ["trades"]
    assert "Gen-Acc (24,000.00 USD)" in answer["reply"]
    assert "Supposing" not in answer["reply"]


async def test_what_is_missing_takes_nothing_from_the_rest(talk: Conversation) -> None:
    await talk.say("u1", ONBOARDING[2])
    talk.without("market-analyzer")
    answer = await talk.say("u1", "Where do I stand, and what should I trade?")
    assert answer["degraded"] == ["market-analyzer"]
    assert "50,000.00 USD in all" in answer["reply"]
    assert "I cannot compute a recommendation" in answer["reply"]


async def test_a_turn_that_missed_somebody_is_stored_within_its_time(talk: Conversation) -> None:
    """Memory may die between the reading and the writing: then nobody waits for it once more."""
    given: list[float] = []
    context = (await talk.memory.get("/v1/users/u1/context")).body

    def memory(request: HttpRequest) -> HttpReply:
        if request.path.endswith("/context"):
            return HttpReply(200, {}, context)
        given.append(int(request.headers["x-deadline-ms"]) / 1000)
        raise HttpError("it died")

    talk.system.played["memory-manager"] = memory
    assert (await talk.say("u1", "What can you do?"))["saved"] is False
    assert min(given) > MISSING_S, "nobody was missing: a busy memory has time to answer"
    given.clear()
    talk.without("market-analyzer")
    assert (await talk.say("u1", "How is the market doing?"))["degraded"] == [
        "market-analyzer", "memory-manager",
    ]  # fmt: skip
    assert given
    assert max(given) <= MISSING_S
