"""Nothing is written down that is only talked about; what is refused is left out; limits are taken as said."""

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tools.language.sentences import HELD_OUT, read

from alluse.domain.asides import aside, limits_positions
from alluse.domain.caution import opens_accounts, refused_symbols
from alluse.domain.decisions import NOTHING_READ, Perception, decide
from alluse.domain.entities import extract
from alluse.schemas.agent import ResponseType
from alluse.schemas.intent import Intent
from alluse.schemas.memory import ContextAnswer
from alluse.schemas.protocol import Protocol
from alluse.schemas.users import Expertise
from conversations import Conversation, conversation

MONDAY = date(2026, 1, 5)


@pytest.fixture
async def talk(tmp_path: Path) -> AsyncIterator[Conversation]:
    async with conversation(tmp_path, language=True) as running:
        yield running


@pytest.mark.parametrize(
    "message",
    [
        "start with 50k",
        "I'm moderately aggressive with a $50,000 account",
        "can you open accounts with 20k for me?",
        "could you please set me up with $75,000",
        "I have 80k and I'm careful with money",
        "how about 30k?",
        "no rush, but open my accounts with 40k",
        "50k",
    ],
)
def test_a_wish_opens_accounts(message: str) -> None:
    assert opens_accounts(message, extract(message, MONDAY))


@pytest.mark.parametrize(
    "message",
    [
        "I have $1.5m in gold, not to invest here",
        "I don't want to invest 50k",
        "I dont want to open accounts with 50k",
        "I am not ready to open an account with 20,000 dollars",
        "never open an account with my 30k",
        "is 25k enough to start?",
        "should I start with 50k",
        "Hi, would 10k be too little to begin?",
        "what happens if I put in 50k",
        "if I had 90k I would open accounts",
        "I'd put in 10k but I'm scared",
        "maybe I will invest 40k next year",
        "My 100k became 85k",
        "I once had 40k in stocks",
        "my brother put 80k into his accounts",
        "start with 50k, no wait, 40k",
        "I have 200k and want to start with 50k",
        "start with -5000",
        "start with -$5,000",
    ],
)
def test_what_is_only_talked_about_opens_none(message: str) -> None:
    assert not opens_accounts(message, extract(message, MONDAY))


def test_plain_wishes_are_seldom_asked_back() -> None:
    """Of the held-out sentences that want accounts and name an amount, nearly all open them."""
    sentences = [
        each.text
        for path in HELD_OUT
        for each in read(path)
        if each.intent is Intent.SETUP_ACCOUNTS and extract(each.text, MONDAY).amount is not None
    ]
    back = [text for text in sentences if not opens_accounts(text, extract(text, MONDAY))]
    assert len(back) <= len(sentences) / 8, len(back)


@pytest.mark.parametrize(
    ("message", "refused"),
    [
        ("Don't sell anything on Tesla", ["TSLA"]),
        ("I don't want to trade TSLA", ["TSLA"]),
        ("what should I trade except AAPL and MSFT?", ["AAPL", "MSFT"]),
        ("no NVDA or TSLA please", ["NVDA", "TSLA"]),
        ("anything but NVDA", ["NVDA"]),
        ("trade ideas without Apple", ["AAPL"]),
        ("not TSLA but AAPL", ["TSLA"]),
        ("I have no idea. What about AAPL?", []),
        ("why not AAPL?", []),
        ("not only AAPL, MSFT too", []),
        ("which put on KO", []),
        ("I can't decide, so what should I trade on KO", []),
    ],
)
def test_refused_symbols(message: str, refused: list[str]) -> None:
    assert refused_symbols(message, extract(message, MONDAY)) == refused


def test_no_held_out_request_refuses_its_own_symbol() -> None:
    for path in HELD_OUT:
        for text, intent in read(path):
            if intent is not Intent.UNKNOWN:
                assert refused_symbols(text, extract(text, MONDAY)) == [], text


@given(st.text(max_size=300))
def test_any_text_is_taken(message: str) -> None:
    found = extract(message, MONDAY)
    opens_accounts(message, found)
    assert set(refused_symbols(message, found)) <= set(found.stock_symbols)
    limits_positions(message)


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        ("max 5000 per position", True),
        ("max 5000 per position please", True),
        ("Never put more than $3k into one trade", True),
        ("at most 4,000 dollars in any single symbol", True),
        ("don't risk more than 2k per trade", True),
        ("no more than $2,500 on each position", True),
        ("limit my positions to $4000", True),
        ("cap every trade at 6k", True),
        ("my max position size is 5000", True),
        ("make it half the size", True),
        ("make the positions smaller", True),
        ("what is the maximum per position?", False),
        ("how much can I put into one trade", False),
        ("I don't want to trade more than once a week", False),
        ("size a position for 50k", False),
        ("how many contracts per position at most", False),
    ],
)
def test_limits(message: str, wanted: bool) -> None:
    assert limits_positions(message) is wanted


def test_no_held_out_sentence_is_a_limit() -> None:
    assert [each.text for path in HELD_OUT for each in read(path) if limits_positions(each.text)] == []


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        ("How old are your prices?", True),
        ("how up to date is the data", True),
        ("What data do you use?", True),
        ("where do your numbers come from", True),
        ("Where do you get your prices from?", True),
        ("Is this real data for Tesla?", True),
        ("are these prices live?", True),
        ("are the quotes real-time or delayed", True),
        ("do you use live data", True),
        ("what's the source of your market data", True),
        ("what price should I sell at", False),
        ("is this real money?", False),
        ("delete my data", False),
    ],
)
def test_questions_for_the_data(message: str, wanted: bool) -> None:
    found = aside(message, Intent.UNKNOWN, has_amount=False, has_accounts=True)
    assert (found is ResponseType.DATA_SOURCES) is wanted


async def test_who_declines_has_no_accounts(talk: Conversation) -> None:
    answer = await talk.say("u1", "I don't want to invest 50k")
    assert answer["decision"]["response_type"] == "confirm_amount"
    assert "open accounts with 50,000.00 USD" in answer["reply"]
    assert (await talk.agent.get("/v1/users/u1/status")).json["has_accounts"] is False
    answer = await talk.say("u1", "open accounts with 50,000.00 USD")
    assert answer["decision"]["response_type"] == "open_accounts"


async def test_a_limit_holds_from_then_on(talk: Conversation) -> None:
    await talk.say("u1", "open accounts with 300k")
    before = await talk.say("u1", "what should I trade in my Rev-Acc?")
    assert max(each["capital"] or 0 for each in before["data"]["trades"]) > 3_000
    answer = await talk.say("u1", "Never put more than $3k into one trade")
    assert (answer["decision"]["response_type"], "3,000.00 USD" in answer["reply"]) == (
        "position_limit",
        True,
    )
    after = await talk.say("u1", "what should I trade in my Rev-Acc?")
    assert max(each["capital"] or 0 for each in after["data"]["trades"]) <= 3_000
    answer = await talk.say("u1", "make it half the size")
    assert "per position" in answer["reply"]
    again = await talk.say("u1", "what should I trade in my Rev-Acc?")
    assert again["data"]["trades"] == after["data"]["trades"]


async def test_what_was_stated_stays_when_something_else_is_stated(talk: Conversation) -> None:
    """Risk, then a limit, then risk again: neither takes the other away; lifting takes the limit alone."""
    await talk.say("u1", "open accounts with 300k, I'm conservative")
    answer = await talk.say("u1", "max 5000 per position please")
    assert "5,000.00 USD" in answer["reply"]
    path = "/v1/users/u1/preferences"
    stated = (await talk.memory.get(path)).json["preferences"]
    assert (stated["risk_appetite"]["value"], stated["max_position_size"]["value"]) == ("conservative", 5000)
    await talk.say("u1", "set my risk to aggressive")
    stated = (await talk.memory.get(path)).json["preferences"]
    assert (stated["risk_appetite"]["value"], stated["max_position_size"]["value"]) == ("aggressive", 5000)
    await talk.say("u1", "remove my position limit")
    stated = (await talk.memory.get(path)).json["preferences"]
    assert stated["risk_appetite"]["value"] == "aggressive"
    assert stated.get("max_position_size") is None


def test_no_limit_is_guessed_from_a_message_that_was_not_read() -> None:
    known = ContextAnswer(
        user_id="u",
        has_accounts=False,
        accounts=[],
        total_balance=0.0,
        week_classification=None,
        expertise=Expertise.BEGINNER,
        risk_appetite=None,
        max_position_size=None,
        recent_topics=[],
        pending=[],
        last_intent=None,
        message_count=0,
        decision_count=0,
        last_decision=None,
        explained=[],
    )
    unread = Perception(
        Intent.SIZE_POSITION, 0.9, NOTHING_READ, known, read=False, message="max 500 thousand per position"
    )
    assert decide(unread, Protocol()).parameters.get("limit") is None


async def test_nothing_is_written_that_is_denied(talk: Conversation) -> None:
    await talk.say("u1", "open accounts with 300k")
    for message in (
        "don't fork my account",
        "do not reinvest anything",
        "the week is not green",
        "I think it's red but my friend says green",
    ):
        answer = await talk.say("u1", message)
        assert answer["decision"]["response_type"] not in ("week_stated", "fork", "reinvest"), message
    assert (await talk.agent.get("/v1/users/u1/status")).json["week_classified"] is False
    answer = await talk.say("u1", "No, it's a red week")
    assert answer["decision"]["response_type"] == "week_stated"


async def test_why_tells_what_the_answer_rests_on(talk: Conversation) -> None:
    first = await talk.say("u1", "what should I trade on AAPL with 400k?")
    answer = await talk.say("u1", "Why did you recommend that?")
    assert answer["decision"]["response_type"] == "trades"
    assert [each["delta"] for each in answer["data"]["trades"]] == [
        each["delta"] for each in first["data"]["trades"]
    ]
    assert "Delta from 0.45: " in answer["reply"]
    assert "growth-optimal share" in answer["reply"]
    assert "Delta from" not in first["reply"]


async def test_small_mistakes_are_understood(talk: Conversation) -> None:
    await talk.say("u1", "open accounts with 300k")
    for message, kind in (
        ("whats teh best strike for microsft puts", {"delta", "trades"}),
        ("I made 3% this week, how is that", {"performance", "market", "week_from_data"}),
        ("give me 3 ideas", {"trades"}),
        ("How did I do last week?", {"performance"}),
        ("how is the implied volatility computed?", {"data_sources"}),
    ):
        assert (await talk.say("u1", message))["decision"]["response_type"] in kind, message
    answer = await talk.say("u1", "explain value at risk")
    assert answer["reply"].count("Value at risk:") == 1


async def test_a_refused_symbol_is_not_named(talk: Conversation) -> None:
    answer = await talk.say("u1", "I don't want to trade TSLA, what else with 90k?")
    assert {each["symbol"] for each in answer["data"]["trades"]} == {"NVDA", "AAPL", "AMZN", "MSFT"}
    assert "Without TSLA, as you said" in answer["reply"]
    nothing = await talk.say("u1", "trade ideas for my Gen-Acc without TSLA and NVDA, with 90k")
    assert nothing["data"]["trades"] == []


async def test_the_age_of_prices_is_told(talk: Conversation) -> None:
    answer = await talk.say("u1", "How old are your prices for AAPL and Tesla?")
    assert "AAPL: real daily prices" in answer["reply"]
    assert "2024-12-30" in answer["reply"]
    assert "TSLA: synthetic" in answer["reply"]
    talk.without("market-analyzer")
    answer = await talk.say("u1", "How old are your prices?")
    assert answer["degraded"] == ["market-analyzer"]
    assert not any(letter.isdigit() for letter in answer["reply"])


async def test_synthetic_prices_are_named_wherever_they_are_used(talk: Conversation) -> None:
    for message in ("what kind of week is it?", "should I roll my puts?", "how's the market?"):
        answer = await talk.say("u1", message)
        assert "Prices of AMZN, NVDA and TSLA are synthetic." in answer["reply"], message


async def test_a_fall_between_two_values(talk: Conversation) -> None:
    for message, fall in (
        ("my account dropped from 120k to 102k, what do I do?", 0.15),
        ("My 100k became 85k", 0.15),
        ("I went from $50,000 to $45,000", 0.1),
    ):
        answer = await talk.say("u1", message)
        assert answer["decision"]["response_type"] == "drawdown"
        assert answer["decision"]["parameters"]["drawdown"] == fall
        assert f"is a fall of {fall * 100:.1f} %" in answer["reply"]
