"""Follow-ups ask again what was asked, with what they name exchanged."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse.domain.decisions import Perception
from alluse.domain.entities import extract
from alluse.domain.followups import followed
from alluse.schemas.agent import ResponseType
from alluse.schemas.common import AccountType, OptionType
from alluse.schemas.intent import Intent
from alluse.schemas.memory import ContextAnswer, StoredDecision
from alluse.schemas.users import Expertise

GEN, REV = AccountType.GEN_ACC, AccountType.REV_ACC


def perception(
    message: str,
    before: ResponseType | None,
    parameters: dict[str, Any] | None = None,
    intent: Intent = Intent.UNKNOWN,
    confidence: float = 0.4,
) -> Perception:
    last = None
    if before is not None:
        last = StoredDecision(
            turn_id="turn-1",
            at=datetime(2026, 1, 5, tzinfo=UTC),
            intent="x",
            action="x",
            response_type=before.value,
            parameters=parameters or {},
            rationale="",
            paper=True,
        )
    known = ContextAnswer(
        user_id="u",
        has_accounts=True,
        accounts=[],
        total_balance=0.0,
        week_classification=None,
        expertise=Expertise.BEGINNER,
        risk_appetite=None,
        max_position_size=None,
        recent_topics=[],
        pending=[],
        last_intent=None,
        message_count=2,
        decision_count=1,
        last_decision=last,
        explained=[],
    )
    return Perception(intent, confidence, extract(message, date(2026, 1, 5)), known, message=message)


@pytest.mark.parametrize(
    ("message", "before", "taken_for", "means"),
    [
        ("and for next week?", ResponseType.TRADES, Intent.UNKNOWN, Intent.RECOMMEND_TRADES),
        ("how about gen acc", ResponseType.TRADES, Intent.EXPLAIN_ACCOUNTS, Intent.RECOMMEND_TRADES),
        ("what about NVDA?", ResponseType.SIZES, Intent.MARKET_OUTLOOK, Intent.SIZE_POSITION),
        ("and in a red week", ResponseType.DELTA, Intent.CLASSIFY_WEEK, Intent.SELECT_DELTA),
        ("ok, and TSLA?", ResponseType.MARKET, Intent.UNKNOWN, Intent.MARKET_OUTLOOK),
        ("how about gen acc", ResponseType.WELCOME, Intent.EXPLAIN_ACCOUNTS, Intent.EXPLAIN_ACCOUNTS),
        ("how about gen acc", None, Intent.EXPLAIN_ACCOUNTS, Intent.EXPLAIN_ACCOUNTS),
        ("and what else can you do?", ResponseType.TRADES, Intent.HELP, Intent.HELP),
        ("what does gen acc do", ResponseType.TRADES, Intent.EXPLAIN_ACCOUNTS, Intent.EXPLAIN_ACCOUNTS),
    ],
)
def test_what_a_follow_up_means(
    message: str, before: ResponseType | None, taken_for: Intent, means: Intent
) -> None:
    assert followed(perception(message, before, intent=taken_for, confidence=0.9)).intent is means


def test_what_is_clearly_something_else_is_no_follow_up() -> None:
    asked = perception(
        "and how did I do last month?", ResponseType.TRADES, {}, Intent.CHECK_PERFORMANCE, 0.99
    )
    assert followed(asked) is asked


def test_what_is_not_named_stays_as_it_was() -> None:
    before = {"symbols": ["NVDA"], "account_types": ["REV_ACC"], "option_type": "call", "amount": 90_000.0}
    read = followed(perception("and for next week?", ResponseType.SIZES, before)).entities
    assert (read.stock_symbols, read.account_types, read.option_type, read.amount) == (
        ["NVDA"],
        [REV],
        OptionType.CALL,
        90_000.0,
    )
    read = followed(perception("and puts on TSLA for gen-acc?", ResponseType.SIZES, before)).entities
    assert (read.stock_symbols, read.account_types, read.option_type) == (["TSLA"], [GEN], OptionType.PUT)
    many = {"symbols": ["SP500", "TSLA", "NVDA", "AAPL"]}
    assert followed(perception("and next week?", ResponseType.MARKET, many)).entities.stock_symbols == []


@given(st.text(max_size=60), st.sampled_from(list(ResponseType)), st.sampled_from(list(Intent)))
def test_no_text_breaks_it(message: str, before: ResponseType, intent: Intent) -> None:
    followed(perception(message, before, {"symbols": ["AAPL"]}, intent))
