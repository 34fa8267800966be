"""Replies: short, calm, with units, and never longer than they may be."""

import re
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse.domain import replies, replies_reports
from alluse.domain.decisions_trades import Guard, Idea, Slot, ask, best, select_request, size_request
from alluse.domain.delta import select
from alluse.domain.replies_trades import (
    assumptions,
    block_reason,
    delta_text,
    idea_line,
    market_text,
    trades_text,
)
from alluse.domain.sizing import size
from alluse.schemas.agent import MAX_REPLY
from alluse.schemas.common import AccountType, Condition, OptionType, RiskAppetite
from alluse.schemas.ledger import AccountView, Performance
from alluse.schemas.protocol import Protocol
from alluse.schemas.sizing import Blocked
from alluse.schemas.users import Expertise
from trading import CHOP_DAY, GREEN_DAY, RED_DAY, analysis_of

PROTOCOL = Protocol()
money = st.floats(0, 1e10).map(lambda usd: round(usd, 2))


def view(kind: AccountType, balance: float) -> AccountView:
    return AccountView(
        account_id="gen-1",
        type=kind,
        balance=balance,
        base=balance,
        surplus=0,
        cash_buffer=round(balance * 0.05, 2),
        investable=balance,
        contracts=0,
        leaps=0,
        peak=balance,
        drawdown=0,
        net_flows=0,
        set_id="s",
        opened_at=datetime(2026, 1, 5, tzinfo=UTC),
    )


views = st.lists(st.builds(view, st.sampled_from(AccountType), money), min_size=1, max_size=30)


def calm(text: str) -> None:
    assert 0 < len(text) <= MAX_REPLY
    assert "!" not in text
    assert not re.search(
        r"guarante|expected return|will (earn|rise|gain)|hurry|risk-free", text, re.IGNORECASE
    )
    # A number with two decimals is money, a share's price, a factor or a delta, and says which.
    for match in re.finditer(r"[\d,]{4,}\.\d\d(?!\d)(.{0,4})", text):
        assert match[1].startswith((" USD", " of", " to")), match[0]


@given(views, money, st.sampled_from([None, "moderately_aggressive"]))
def test_texts_about_accounts(accounts: list[AccountView], total: float, appetite: str | None) -> None:
    for text in (
        replies.accounts_opened(accounts, total, appetite),
        replies.accounts_exist(accounts, total, appetite),
        replies.account_advice(PROTOCOL, accounts),
        replies.status_text(accounts, total, "Green", date(2026, 1, 5), 3),
        replies.fork_not_ready(total, total, 50_000.0, 85, 0.015),
        replies.amount_too_small(total),
    ):
        calm(text)


def test_texts_without_figures() -> None:
    for text in (
        replies.welcome(True),
        replies.welcome(False),
        replies.protocol_text(PROTOCOL),
        replies.accounts_text(PROTOCOL),
        replies.forking_text(PROTOCOL),
        replies.ask_amount(PROTOCOL, None),
        replies.ask_amount(PROTOCOL, "moderate"),
        *(replies.week_stated(each.value) for each in Condition),
        replies.ask_capital(),
        replies.risk_unknown(),
        replies.ask_drawdown(),
        replies.nothing_to_report(),
        replies.setup_first(),
        replies.help_text(),
        replies.suggestions(),
        replies.not_understood_now(),
        replies.not_read_now(),
        replies.cannot_compute("a delta", "delta-selector"),
        replies.cannot_compute("a delta", "delta-selector", refused=True),
        replies.not_saved(),
        replies.system_text("degraded", ["alert-manager"]),
        replies_reports.refused_text("A split", "there is no surplus"),
    ):
        calm(text)
    for kind in AccountType:
        assert kind.display in replies.accounts_text(PROTOCOL)
    assert "aspiration" in replies.accounts_text(PROTOCOL)


@given(st.lists(st.text(max_size=500), max_size=12), st.integers(50, 1200))
def test_parts_fit_whole_or_end_with_a_sentence(parts: list[str], limit: int) -> None:
    text = replies.fit(parts, limit)
    assert len(text) <= limit
    given_parts = [part for part in parts if part]
    assert not given_parts or text.endswith(given_parts[-1][:limit])


@given(st.lists(st.text(min_size=1, max_size=500), max_size=12))
def test_lines_fit_whole_or_are_counted_as_left_out(lines: list[str]) -> None:
    text = replies.fit_lines("opening", lines, "closing")
    assert len(text) <= MAX_REPLY
    assert text.startswith("opening")
    assert text.endswith("closing")
    whole = "\n".join(["opening", *lines, "closing"])
    assert text == whole if len(whole) <= MAX_REPLY else "more left out for length" in text


def test_a_term_is_explained_to_a_beginner_only_and_once() -> None:
    text, told = replies.explain_terms("A delta and a strike.", Expertise.BEGINNER, [])
    assert told == ["delta", "strike"]
    assert text.count("\n") == 2
    assert replies.explain_terms("A delta.", Expertise.BEGINNER, ["delta"]) == ("A delta.", [])
    assert replies.explain_terms("A delta.", Expertise.ADVANCED, []) == ("A delta.", [])
    assert replies.explain_terms("deltas", Expertise.BEGINNER, []) == ("deltas", [])
    long = "delta " + "x" * 1190
    assert replies.explain_terms(long, Expertise.BEGINNER, []) == (long, [])


def test_lists_and_steps() -> None:
    assert [replies.listed(each) for each in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "none",
        "a",
        "a and b",
        "a, b and c",
    ]
    assert replies.steps(["a.", "b."]) == "a. b."
    assert replies.steps(["a", "b", "c"]) == "1. a\n2. b\n3. c"


def ideas_of(balance: float | None, day: date | None, symbols: tuple[str, ...] = ("AAPL",)) -> list[Idea]:
    found = []
    for kind in AccountType:
        slot = Slot(kind, symbols, balance, supposed=True)
        for symbol in symbols:
            question = ask(slot, analysis_of(symbol, day), None, None, PROTOCOL)
            assert question is not None
            selected = select(select_request(question, OptionType.PUT, RiskAppetite.MODERATE), PROTOCOL)
            sized = None
            if balance is not None:
                wanted = size_request(question, selected, Guard(), RiskAppetite.MODERATE, None)
                sized = size(wanted, PROTOCOL)
            found.append(Idea(question, selected, sized))
    return found


@pytest.mark.parametrize("day", [GREEN_DAY, CHOP_DAY, RED_DAY])
@pytest.mark.parametrize("balance", [None, 20_000.0, 500_000.0, 9_000_000.0])
def test_a_recommendation_explains_itself(balance: float | None, day: date) -> None:
    ideas = ideas_of(balance, day)
    text = trades_text(ideas, [Guard()] * 3, PROTOCOL, {}, [], balance is None)
    calm(text)
    for idea, kind in zip(ideas, AccountType, strict=True):
        line = idea_line(idea, Guard(), PROTOCOL)
        for part in (
            kind.display,
            "delta 0.",
            "strike ",
            "expiry ",
            "premium ",
            "volatility ",
            day.isoformat(),
        ):
            assert part in line
        if idea.sized is None:
            continue
        if idea.sized.contracts:
            for part in ("contract", "capital ", "maximum loss ", "week factor "):
                assert part in line
        else:
            assert f"No contract fits: {block_reason(idea.sized)}" in line
    assert text.endswith("Simulation, not investment advice.")
    assert "assumed" in assumptions(ideas)
    calm(delta_text(ideas, PROTOCOL, {"ZZZ": "no data"}, []))


def test_a_stopped_account_says_why() -> None:
    idea = ideas_of(500_000.0, GREEN_DAY)[0]
    line = idea_line(idea, Guard(stop="drawdown protection stops new entries"), PROTOCOL)
    assert line.endswith("No new entry: drawdown protection stops new entries.")
    assert "capital" not in line


def test_the_best_idea_has_contracts_if_any_has() -> None:
    ideas = [
        each for each in ideas_of(60_000.0, GREEN_DAY, ("AAPL", "KO", "SP500")) if each.sized is not None
    ]
    told = best(ideas)
    assert told.sized is not None
    assert told.sized.contracts > 0 or all(each.sized and each.sized.contracts == 0 for each in ideas)
    nothing = trades_text([], [], PROTOCOL, {"ZZZ": "no data"}, [], False)
    assert "ZZZ (no data)" in nothing
    assert not any(letter.isdigit() for letter in nothing)


def test_every_block_has_words() -> None:
    sized = ideas_of(20_000.0, GREEN_DAY)[0].sized
    assert sized is not None
    for reason in Blocked:
        assert block_reason(sized.model_copy(update={"blocked_by": reason}))


def test_the_market_by_its_symbols() -> None:
    text = market_text([analysis_of("AAPL", GREEN_DAY), analysis_of("TSLA", None)], {"ZZZ": "no data"})
    calm(text)
    assert "AAPL: Green on 2024-06-18" in text
    assert "TSLA are synthetic" in text


@given(st.none() | st.floats(-1, 10), st.none() | st.floats(0, 3), money)
def test_performance(returned: float | None, volatility: float | None, value: float) -> None:
    found = Performance(
        user_id="u",
        days=30,
        first_day=date(2026, 1, 5),
        last_day=date(2026, 2, 5),
        observations=20,
        value=value,
        net_flows=value,
        total_return=returned,
        annualised_return=returned,
        volatility=volatility,
        sharpe=returned,
        max_drawdown=volatility,
        snapshots=[],
        notes=["volatility and sharpe need 20 days, there are 3"],
    )
    calm(replies_reports.performance_text(found))
