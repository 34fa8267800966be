"""The decision table, whole: every intent with everything that can be known or said."""

from datetime import UTC, date, datetime
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse.domain.conversation import (
    dominant_topics,
    engagement_of,
    expertise_of,
    stage_of,
    topics_of,
)
from alluse.domain.decisions import (
    NOTHING_READ,
    TABLE,
    Perception,
    decide,
    keyword_intent,
    protocol_symbols,
)
from alluse.domain.decisions_trades import entry_day, is_holiday, slots_of
from alluse.domain.entities import extract
from alluse.schemas.agent import Action, ResponseType
from alluse.schemas.common import AccountType, Condition
from alluse.schemas.entities import ExtractAnswer
from alluse.schemas.intent import Intent
from alluse.schemas.ledger import AccountView
from alluse.schemas.memory import ContextAnswer
from alluse.schemas.protocol import Protocol
from alluse.schemas.users import Engagement, Expertise, Stage
from alluse.services.enhanced_agent.acting import ACTS

PROTOCOL = Protocol()


def account(
    kind: AccountType = AccountType.GEN_ACC, balance: float = 20_000.0, **changes: Any
) -> AccountView:
    fields: dict[str, Any] = {
        "account_id": f"{kind.value[:3].lower()}-1",
        "type": kind,
        "balance": balance,
        "base": balance,
        "surplus": 0.0,
        "cash_buffer": balance * 0.05,
        "investable": balance * 0.95,
        "contracts": 0.0,
        "leaps": 0.0,
        "peak": balance,
        "drawdown": 0.0,
        "net_flows": 0.0,
        "set_id": "set-1",
        "opened_at": datetime(2026, 1, 5, tzinfo=UTC),
    }
    return AccountView(**{**fields, **changes})


def context(accounts: list[AccountView]) -> ContextAnswer:
    return ContextAnswer(
        user_id="u",
        has_accounts=bool(accounts),
        accounts=accounts,
        total_balance=sum(each.balance for each in accounts),
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


THREE = [account(kind) for kind in AccountType]
GROWN = [account(surplus=50_000.0), account(AccountType.REV_ACC)]
SAID = [
    NOTHING_READ,
    ExtractAnswer(entities=[], amount=500.0),
    ExtractAnswer(entities=[], amount=50_000.0),
    ExtractAnswer(entities=[], percentages=[-0.1]),
    ExtractAnswer(entities=[], percentages=[1.5, 0.0]),
    ExtractAnswer(entities=[], week_type=Condition.RED, stock_symbols=["SPY"]),
]
ALL = [
    Perception(intent, 0.9, said, context(accounts), understood=understood, read=read)
    for intent, said, accounts, understood, read in product(
        Intent, SAID, ([], THREE, GROWN), (True, False), (True, False)
    )
]
BESIDE = [
    Perception(Intent.UNKNOWN, 0.1, SAID[0], context(THREE), message=message)
    for message in (
        "thanks",
        "what is theta",
        "do you promise a profit",
        "is this real money",
        "withdraw 500 from Gen-Acc",
        "delete my data",
        "how old are your prices",
        "max 5000 per position",
    )
] + [Perception(Intent.SETUP_ACCOUNTS, 0.9, SAID[2], context([]), message="not with 50k")]
CAPITAL = {ResponseType.TRADES, ResponseType.SIZES}
NEEDS_ACCOUNTS = {
    ResponseType.ACCOUNTS_EXIST,
    ResponseType.RISK,
    ResponseType.PERFORMANCE,
    ResponseType.FORK,
    ResponseType.FORK_NOT_READY,
    ResponseType.REINVEST,
}


def test_every_intent_has_a_row_and_every_answer_an_act() -> None:
    assert set(TABLE) == set(Intent)
    assert set(ACTS) == set(ResponseType)
    found = {decide(each, PROTOCOL, gate_open).response_type for each in ALL for gate_open in (True, False)}
    found |= {decide(each, PROTOCOL).response_type for each in BESIDE}
    assert found == set(ResponseType)
    assert {decide(each, PROTOCOL).action for each in ALL} == set(Action)


def test_nothing_is_decided_that_is_not_known() -> None:
    for each in ALL:
        decision, known, said = decide(each, PROTOCOL), each.context, each.entities
        kind = decision.response_type
        assert decision.rationale
        if kind in CAPITAL:
            assert known.has_accounts or said.amount
        if kind in NEEDS_ACCOUNTS:
            assert known.has_accounts
        if kind is ResponseType.OPEN_ACCOUNTS:
            assert not known.has_accounts
            assert decision.parameters["amount"] == said.amount >= 1_000
        if kind is ResponseType.FORK:
            assert decision.parameters["surplus"] >= PROTOCOL.fork.surplus_trigger
        if kind is ResponseType.DRAWDOWN:
            assert known.has_accounts or 0 < decision.parameters["drawdown"] < 1
        if not each.read:
            assert kind not in CAPITAL | {ResponseType.OPEN_ACCOUNTS, ResponseType.DRAWDOWN}
        if not each.understood and each.intent is Intent.UNKNOWN:
            assert kind is ResponseType.NOT_UNDERSTOOD_NOW


@pytest.mark.parametrize(
    ("intent", "accounts", "said", "action", "kind"),
    [
        ("greeting", [], SAID[0], "respond", "welcome"),
        ("setup_accounts", [], SAID[0], "clarify", "ask_amount"),
        ("provide_profile", [], SAID[2], "setup", "open_accounts"),
        ("provide_profile", [], SAID[1], "clarify", "amount_too_small"),
        ("provide_profile", THREE, SAID[2], "setup", "accounts_exist"),
        ("classify_week", [], SAID[5], "classify", "week_from_data"),
        ("classify_week", [], SAID[0], "classify", "week_from_data"),
        ("week_red", [], SAID[0], "classify", "week_stated"),
        ("recommend_trades", [], SAID[0], "clarify", "account_setup_required"),
        ("recommend_trades", THREE, SAID[0], "recommend", "trades"),
        ("size_position", [], SAID[0], "clarify", "ask_capital"),
        ("size_position", [], SAID[2], "size", "sizes"),
        ("assess_risk", [], SAID[0], "clarify", "risk_unknown"),
        ("assess_risk", THREE, SAID[0], "assess", "risk"),
        ("drawdown_help", [], SAID[3], "protect", "drawdown"),
        ("drawdown_help", [], SAID[4], "clarify", "ask_drawdown"),
        ("drawdown_help", THREE, SAID[4], "protect", "drawdown"),
        ("check_performance", [], SAID[0], "clarify", "nothing_to_report"),
        ("fork_account", THREE, SAID[0], "report", "fork_not_ready"),
        ("fork_account", GROWN, SAID[0], "fork", "fork"),
        ("fork_account", [], SAID[0], "clarify", "setup_first"),
        ("reinvest", [], SAID[0], "clarify", "setup_first"),
        ("unknown", THREE, SAID[0], "clarify", "suggestions"),
    ],
)
def test_rows(intent: str, accounts: list[AccountView], said: ExtractAnswer, action: str, kind: str) -> None:
    decision = decide(Perception(Intent(intent), 0.9, said, context(accounts)), PROTOCOL)
    assert (decision.action, decision.response_type) == (action, kind)


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("Hi!", Intent.GREETING),
        ("good morning", Intent.GREETING),
        ("HELP", Intent.HELP),
        ("what is my status?", Intent.STATUS),
        ("What should I trade this week?", Intent.UNKNOWN),
        ("the chips are down", Intent.UNKNOWN),
        ("", Intent.UNKNOWN),
    ],
)
def test_keywords_are_whole_words(text: str, intent: Intent) -> None:
    assert keyword_intent(text) is intent


@given(st.text(max_size=300))
def test_no_text_breaks_the_reading_of_a_conversation(text: str) -> None:
    assert keyword_intent(text) in Intent
    assert len(topics_of(text)) <= 9
    assert engagement_of([text]) in Engagement
    assert 0 <= expertise_of([text])[1] <= 0.9


def test_what_a_conversation_says() -> None:
    assert topics_of("When does an account fork or split?") == ("forking", "accounts")
    assert dominant_topics(["which delta", "what strike", "how risky"]) == ["delta", "risk"]
    assert engagement_of(["?" * 60]) is Engagement.HIGH
    assert engagement_of([]) is Engagement.LOW
    terms = "delta theta gamma vega strike premium kelly drawdown sharpe"
    assert expertise_of([terms])[0] is Expertise.BEGINNER
    assert expertise_of([terms] * 8)[0] is Expertise.INTERMEDIATE
    assert expertise_of([terms] * 20)[0] is Expertise.ADVANCED
    assert stage_of(0, False, []) is Stage.INITIAL
    assert stage_of(2, False, ["explain_protocol"]) is Stage.LEARNING
    assert stage_of(3, False, ["setup_accounts"]) is Stage.SETUP
    assert stage_of(9, True, ["recommend_trades"]) is Stage.ACTIVE_MANAGEMENT
    assert stage_of(9, True, ["greeting"]) is Stage.EXPLORATION
    assert stage_of(9, False, ["market_outlook"]) is Stage.EXPLORATION


@pytest.mark.parametrize(
    ("after", "kind", "condition", "day"),
    [
        (date(2024, 6, 18), AccountType.GEN_ACC, Condition.GREEN, date(2024, 6, 20)),
        (date(2024, 6, 18), AccountType.REV_ACC, Condition.GREEN, date(2024, 6, 24)),
        (date(2024, 6, 18), AccountType.REV_ACC, Condition.CHOP, date(2024, 6, 26)),
        (date(2024, 6, 18), AccountType.COM_ACC, None, date(2024, 6, 20)),
        (date(2024, 11, 27), AccountType.GEN_ACC, None, date(2024, 12, 5)),
        (date(2024, 12, 30), AccountType.REV_ACC, Condition.CHOP, date(2025, 1, 8)),
    ],
)
def test_entry_days(after: date, kind: AccountType, condition: Condition | None, day: date) -> None:
    assert entry_day(after, kind, condition, PROTOCOL) == day


def test_holidays_of_a_year() -> None:
    """The holidays of 2021 to 2023 that fall on weekdays, as the exchange kept them."""
    known = {
        2023: "01-02 01-16 02-20 04-07 05-29 06-19 07-04 09-04 11-23 12-25",
        2022: "01-17 02-21 04-15 05-30 06-20 07-04 09-05 11-24 12-26",
    }
    for year, days in known.items():
        first = date(year, 1, 1).toordinal()
        found = [
            day.strftime("%m-%d")
            for day in map(date.fromordinal, range(first, first + 365))
            if day.weekday() < 5 and is_holiday(day)
        ]
        assert " ".join(found) == days


def test_which_accounts_are_looked_at() -> None:
    supposed = slots_of({"amount": 100_000.0}, context([]), PROTOCOL)
    assert [slot.balance for slot in supposed] == [40_000, 30_000, 30_000]
    one = slots_of(
        {"amount": 100_000.0, "account_types": ["REV_ACC"], "symbols": ["KO"]}, context(THREE), PROTOCOL
    )
    assert [(slot.balance, slot.symbols, slot.supposed) for slot in one] == [(100_000.0, ("KO",), True)]
    own = slots_of({}, context(THREE), PROTOCOL)
    assert [slot.account for slot in own] == THREE
    assert [slot.balance for slot in slots_of({}, context([]), PROTOCOL)] == [None, None, None]
    assert protocol_symbols(PROTOCOL) == ["TSLA", "NVDA", "AAPL", "AMZN", "MSFT"]


@pytest.mark.parametrize("intent", Intent)
@pytest.mark.parametrize("accounts", [[], [account()]], ids=["without accounts", "with accounts"])
def test_a_closed_gate_stops_trades_sizes_and_deltas_and_nothing_else(
    intent: Intent, accounts: list[AccountView]
) -> None:
    perception = Perception(intent, 1.0, NOTHING_READ, context(accounts))
    answer = decide(perception, PROTOCOL).response_type
    stopped = answer in (
        ResponseType.TRADES,
        ResponseType.ACCOUNT_SETUP_REQUIRED,
        ResponseType.DELTA,
        ResponseType.SIZES,
    )
    closed = decide(perception, PROTOCOL, gate_open=False).response_type
    assert closed is (ResponseType.GATE_CLOSED if stopped else answer)


@pytest.mark.parametrize("intent", Intent)
def test_nothing_is_written_down_on_a_guess(intent: Intent) -> None:
    """What changes ledger or week is asked back about unless the intent is sure."""
    for accounts in ([], THREE, GROWN):
        sure = decide(Perception(intent, 0.7, SAID[0], context(accounts)), PROTOCOL).response_type
        unsure = decide(Perception(intent, 0.69, SAID[0], context(accounts)), PROTOCOL)
        if sure in (ResponseType.FORK, ResponseType.REINVEST, ResponseType.WEEK_STATED):
            assert unsure.response_type is ResponseType.SUGGESTIONS
            assert unsure.parameters["nearest"] == [intent]
        else:
            assert unsure.response_type is sure


def test_a_week_in_the_question_counts_for_this_question() -> None:
    perception = Perception(Intent.SELECT_DELTA, 0.9, SAID[5], context(THREE))
    assert decide(perception, PROTOCOL).parameters["week"] is Condition.RED


@pytest.mark.parametrize(
    ("message", "fall"),
    [
        ("I lost 20k", 0.2),
        ("I have lost about $30,000", 0.3),
        ("my book is down 5,000 dollars", 0.05),
        ("my account fell to 80k", None),
        ("I had 100k and lost 20k", None),
        ("I lost 2 million", None),
    ],
)
def test_a_loss_in_dollars_is_a_part_of_what_the_ledger_holds(message: str, fall: float | None) -> None:
    read = extract(message, date(2026, 1, 5))
    known = context([account(balance=100_000.0)])
    decision = decide(Perception(Intent.DRAWDOWN_HELP, 1.0, read, known, message=message), PROTOCOL)
    assert decision.response_type is ResponseType.DRAWDOWN
    assert decision.parameters.get("drawdown") == fall
