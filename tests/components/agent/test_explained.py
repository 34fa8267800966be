"""Each recommendation explains itself: every input stands in its text, and is what the components answered."""

import re
from collections.abc import Iterator
from datetime import date
from itertools import product
from typing import Any

import pytest

from alluse.domain.decisions_trades import Guard, Idea, Slot, ask, select_request, size_request
from alluse.domain.delta import select
from alluse.domain.replies import percent, usd
from alluse.domain.replies_trades import block_reason, delta_text, idea_line, trades_text
from alluse.domain.sizing import size
from alluse.schemas.agent import MAX_REPLY
from alluse.schemas.common import AccountType, Condition, OptionType, RiskAppetite
from alluse.schemas.protocol import Protocol
from alluse.schemas.sizing import Blocked
from trading import CHOP_DAY, GREEN_DAY, RED_DAY, analysis_of

PROTOCOL = Protocol()
BALANCES = (2_000.0, 30_000.0, 150_000.0, 4_000_000.0)
DAYS = (GREEN_DAY, CHOP_DAY, RED_DAY)
GUARDS = (
    Guard(),
    Guard(exposure_factor=0.6),
    Guard(exposure_factor=0.0),
    Guard(0.2, "drawdown protection stops new entries"),
)
WEEKS = (None, *Condition)
#: Each idea with its guard.
Case = tuple[Idea, Guard]


def made(
    kind: AccountType,
    balance: float | None,
    day: date,
    *,
    guard: Guard = GUARDS[0],
    week: Condition | None = None,
    option: OptionType = OptionType.PUT,
    appetite: RiskAppetite = RiskAppetite.MODERATE,
    dte: int | None = None,
    most: float | None = None,
) -> Case:
    """What the agent makes of one account, by the rules of the other components themselves."""
    slot = Slot(kind, ("AAPL",), balance, supposed=True)
    question = ask(slot, analysis_of("AAPL", day), week, dte, PROTOCOL)
    assert question is not None
    selected = select(select_request(question, option, appetite), PROTOCOL)
    sized = None
    if balance is not None and guard.stop is None:
        sized = size(size_request(question, selected, guard, appetite, most), PROTOCOL)
    return Idea(question, selected, sized), guard


def cases() -> Iterator[Case]:
    for kind, balance, day, guard, week in product(AccountType, (None, *BALANCES), DAYS, GUARDS, WEEKS):
        yield made(kind, balance, day, guard=guard, week=week)
    for kind, option, appetite, dte in product(AccountType, OptionType, RiskAppetite, (1, 8, 30, 200)):
        yield made(kind, 900_000.0, GREEN_DAY, option=option, appetite=appetite, dte=dte)
    for most in (10.0, 5_000.0, 100_000.0):
        yield made(AccountType.GEN_ACC, 900_000.0, GREEN_DAY, most=most)


CASES = list(cases())


def numbers(text: str) -> set[str]:
    return set(re.findall(r"\d{4}-\d\d-\d\d|\d{1,3}(?:,\d{3})*(?:\.\d+)?", text))


def inputs_of(idea: Idea) -> dict[str, str]:
    """Every input of a recommendation as its text must have it, from what the components answered."""
    question, selected, analysis = idea.question, idea.selected, idea.question.analysis
    volatility, condition = analysis.volatility_analysis, question.condition
    assert volatility is not None
    assert condition is not None
    assert analysis.as_of is not None
    assert selected.strike is not None
    price = idea.sized.option.premium if idea.sized and idea.sized.option else selected.theoretical_price
    assert price is not None
    return {
        "account": question.slot.account_type.display,
        "symbol": f"{analysis.symbol} {selected.option_type.value}",
        "condition": condition.value,
        "day of the data": analysis.as_of.isoformat(),
        "volatility": f"volatility {percent(volatility.implied_volatility)} a year",
        "delta": f"delta {selected.selected_delta:.2f}",
        "strike": f"strike {usd(selected.strike)}",
        "expiry": f"expiry {question.expiry.isoformat()}",
        "premium": f"premium {usd(price)} a share",
        "entry": question.entry.isoformat(),
    }


def test_every_input_is_told_in_every_shape() -> None:
    for idea, guard in CASES:
        line = idea_line(idea, guard, PROTOCOL)
        for name, wanted in inputs_of(idea).items():
            assert wanted in line, (name, wanted, line)
        if idea.question.condition is not idea.question.analysis.market_condition:
            assert "by you" in line


def test_the_size_is_told_or_why_there_is_none() -> None:
    seen = set()
    for idea, guard in CASES:
        line, sized = idea_line(idea, guard, PROTOCOL), idea.sized
        if guard.stop is not None:
            assert f"No new entry: {guard.stop}." in line
            assert "contract" not in line
            seen.add("stopped")
        elif sized is None:
            assert "contract" not in line
            seen.add("unsized")
        elif sized.contracts:
            assert f"{sized.contracts} contract" in line
            assert f"capital {usd(sized.capital_used)}" in line
            assert f"premium {usd(sized.premium_total)}" in line
            assert f"maximum loss {usd(sized.max_loss)}" in line
            seen.add("sized")
        else:
            assert f"No contract fits: {block_reason(sized)}" in line
            if sized.smallest_balance:
                assert f"it fits from {usd(sized.smallest_balance)} on" in line
            seen.add(sized.blocked_by)
        if sized is not None and idea.question.condition:
            assert f"week factor {PROTOCOL.size.week_exposure[idea.question.condition]:.2f}" in line
    assert {"stopped", "unsized", "sized", Blocked.MIN_TICKET, Blocked.CHOP_WEEK} <= seen
    assert Blocked.DRAWDOWN_PROTECTION in seen


def test_who_knows_options_is_told_what_the_size_was_computed_from() -> None:
    for idea, guard in CASES:
        line, sized = idea_line(idea, guard, PROTOCOL, technical=True), idea.sized
        if guard.stop is not None or sized is None or sized.kelly is None:
            assert line == idea_line(idea, guard, PROTOCOL)
            continue
        assert f"Edge {percent(sized.kelly.edge, 2)} of the capital tied up" in line
        assert f"growth-optimal share {percent(sized.kelly.f_star)}" in line
        assert f"used {percent(sized.kelly.used_fraction)}." in line


def test_no_number_is_told_that_nobody_answered() -> None:
    for idea, guard in CASES:
        line, sized = idea_line(idea, guard, PROTOCOL), idea.sized
        known = numbers(" ".join(inputs_of(idea).values()))
        if idea.question.slot.balance is not None:
            known |= numbers(usd(idea.question.slot.balance))
        if sized is not None:
            amounts: list[Any] = [
                sized.capital_used,
                sized.premium_total,
                sized.max_loss,
                sized.capital_per_contract,
                sized.smallest_balance,
            ]
            known |= {f"{amount:,.2f}" for amount in amounts if amount is not None}
            known |= {str(sized.contracts)} | {f"{each:.2f}" for each in PROTOCOL.size.week_exposure.values()}
        assert numbers(line) <= known, (numbers(line) - known, line)


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize("balance", [None, *BALANCES])
def test_the_whole_answer_promises_nothing_and_says_what_it_rests_on(
    balance: float | None, day: date
) -> None:
    told = [made(kind, balance, day) for kind in AccountType]
    ideas, guards = [idea for idea, _ in told], [guard for _, guard in told]
    for text in (
        trades_text(
            ideas, guards, PROTOCOL, {"GOOGL": "no data"}, ["Moderate risk is used."], balance is None
        ),
        delta_text(ideas, PROTOCOL, {"GOOGL": "no data"}, []),
    ):
        assert len(text) <= MAX_REPLY
        assert "implied volatility assumed from the forecast" in text
        assert text.endswith("Simulation, not investment advice.")
        assert not re.search(
            r"guarant|expected|will (?:earn|make|rise)|profit|sure|safe|risk-free", text, re.IGNORECASE
        )
