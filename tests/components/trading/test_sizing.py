"""Sizing: golden cases, the caps over any request, and that risk never makes a position larger."""

from datetime import date
from math import exp, isfinite, sqrt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse.domain import capital
from alluse.domain.money import cents_down, cents_up
from alluse.domain.options import price
from alluse.domain.sizing import size
from alluse.schemas.common import AccountType, Condition, OptionType, Portfolio
from alluse.schemas.protocol import protocol_with
from alluse.schemas.sizing import Basis, Blocked, SizeAnswer, SizeRequest
from trading import PROTOCOL, RED_DAY, analysis_of, size_request, size_requests

GEN, REV, COM = AccountType.GEN_ACC, AccountType.REV_ACC, AccountType.COM_ACC
#: The published figures were computed from volatilities rounded to four digits.
ROUNDED = {"volatility": 0.3513, "forecast_volatility": 0.3194}


def sized(**changes: Any) -> SizeAnswer:
    return size(size_request(**changes), PROTOCOL)


def plain(implied: float, forecast: float, **changes: Any) -> SizeAnswer:
    """An option on an underlying of 100 in a green week, nothing else known."""
    fields = {
        "account_type": GEN, "account_balance": 50_000, "current_price": 100, "volatility": implied,
        "forecast_volatility": forecast, "market_condition": "Green", **changes,
    }  # fmt: skip
    return size(SizeRequest.model_validate(fields), PROTOCOL)


@pytest.mark.parametrize(
    ("forecast", "fraction"),
    [(0.30, 0.0), (0.294, 0.0583), (0.28, 0.3793), (0.27, 0.6039), (0.26, 0.8018), (0.25, 0.9420)],
)
def test_golden_growth_optimal_fractions(forecast: float, fraction: float) -> None:
    found = plain(0.30, forecast)
    assert found.option
    assert found.kelly
    assert found.option.strike == pytest.approx(99.6034, rel=1e-3)
    assert found.option.premium == pytest.approx(1.44538, rel=1e-3)
    assert found.option.capital_per_share == pytest.approx(21.0488, rel=1e-3)
    assert found.kelly.f_star == pytest.approx(fraction, rel=1e-3)


def test_golden_no_edge() -> None:
    found = plain(0.25, 0.30)
    assert (found.blocked_by, found.position_size, found.contracts) == (Blocked.NO_EDGE, 0, 0)


def test_golden_gen_acc() -> None:
    found = sized(**ROUNDED)
    assert found.option
    assert found.kelly
    assert found.factors
    numbers = (
        found.option.strike, found.option.premium, found.option.capital_per_share, found.kelly.f_star,
        found.factors.volatility, found.factors.multipliers, found.kelly.used_fraction, found.position_size,
        found.notional,
    )  # fmt: skip
    wanted = (213.318, 3.6428, 45.5287, 0.4996, 0.7035, 1.6368, 0.1438, 7_191, 21_332)
    assert numbers == pytest.approx(wanted, rel=1e-3)
    assert (found.contracts, found.blocked_by, found.binding) == (1, None, "kelly")
    assert found.max_loss == pytest.approx((213.318 - 3.6428) * 100, rel=1e-3)


def test_golden_rev_acc_is_held_by_the_position_cap() -> None:
    found = sized(account_type=REV, **ROUNDED)
    assert found.option
    assert found.kelly
    assert (found.option.strike, found.kelly.f_star, found.kelly.used_fraction) == pytest.approx(
        (210.640, 0.5855, 0.1418), rel=1e-3
    )
    assert (found.position_size, found.contracts, found.binding) == (6_000, 1, "position")


def test_unrounded_volatilities_give_nearly_the_same() -> None:
    assert sized().position_size == pytest.approx(7_199, rel=1e-3)


@given(size_requests())
def test_caps_hold_for_every_input(request: SizeRequest) -> None:
    found = size(request, PROTOCOL)
    rules = PROTOCOL.account(request.account_type)
    week = PROTOCOL.size.week_exposure
    factor = week[request.market_condition] if request.market_condition else min(week.values())
    limit = rules.max_exposure * factor * request.exposure_factor * request.account_balance
    held = capital.uncovered(request.portfolio.positions) if request.portfolio else []
    tied = sum(capital.held_capital(position, request.basis) for position in held)
    in_symbol = sum(
        capital.held_capital(position, request.basis)
        for position in held
        if position.symbol == request.symbol
    )
    notional = sum(capital.held_notional(position) for position in held)
    size_ = found.position_size
    assert found.caps
    assert found.caps.exposure == pytest.approx(max(limit - tied, 0), abs=0.01)
    assert found.capital_used <= size_ + 0.01
    assert size_ <= max(rules.max_position * request.account_balance - in_symbol, 0) + 0.01
    assert size_ <= max(limit - tied, 0) + 0.01
    assert found.notional <= max(limit - notional, 0) + 0.01
    if request.portfolio:
        free = capital.free_cash(request.portfolio, held, request.basis)
        assert size_ <= max(free - rules.cash_buffer * request.account_balance, 0) + 0.01
    if request.risk_preferences.max_position_size:
        assert size_ <= request.risk_preferences.max_position_size


@given(size_requests())
def test_zero_contracts_are_explained_and_a_trade_is_not_blocked(request: SizeRequest) -> None:
    found = size(request, PROTOCOL)
    assert (found.contracts == 0) == (found.blocked_by is not None)
    assert found.contracts >= 0
    assert found.position_size >= 0
    if found.contracts == 0:
        assert found.max_loss == found.loss_at_shock == found.var_95_1day == found.premium_total == 0
    assert found.rationale
    for value in found.model_dump().values():
        assert not isinstance(value, float) or isfinite(value)


@given(size_requests(), st.floats(1.0, 3.0))
def test_a_higher_forecast_is_never_sized_larger(request: SizeRequest, more: float) -> None:
    assert request.forecast_volatility
    riskier = request.model_copy(update={"forecast_volatility": min(request.forecast_volatility * more, 5.0)})
    assert size(riskier, PROTOCOL).position_size <= size(request, PROTOCOL).position_size + 0.01


@given(size_requests(), st.floats(0.0, 1.0))
def test_a_deeper_drawdown_is_never_sized_larger(request: SizeRequest, share: float) -> None:
    protected = request.model_copy(update={"exposure_factor": request.exposure_factor * share})
    assert size(protected, PROTOCOL).position_size <= size(request, PROTOCOL).position_size + 0.01


@given(size_requests())
def test_a_red_week_is_never_sized_larger_than_a_green_one(request: SizeRequest) -> None:
    red, green = (
        size(request.model_copy(update={"market_condition": condition}), PROTOCOL)
        for condition in (Condition.RED, Condition.GREEN)
    )
    assert red.position_size <= green.position_size + 0.01


@given(size_requests())
def test_an_unknown_condition_is_never_sized_larger_than_any_known_one(request: SizeRequest) -> None:
    unknown = size(request.model_copy(update={"market_condition": None}), PROTOCOL)
    for condition in (Condition.RED, Condition.GREEN):
        known = size(request.model_copy(update={"market_condition": condition}), PROTOCOL)
        assert unknown.position_size <= known.position_size + 0.01


@given(size_requests())
def test_the_smallest_balance_is_enough_and_less_is_not(request: SizeRequest) -> None:
    found = size(request, PROTOCOL)
    needed = found.smallest_balance
    if needed is None or needed > 1e11:
        return

    def at(balance: float) -> SizeAnswer:
        # A larger account has the difference in cash.
        changes: dict[str, Any] = {"account_balance": balance}
        if request.portfolio is not None:
            more = balance - request.account_balance
            changes["portfolio"] = grown(request.portfolio, more)
        return size(request.model_copy(update=changes), PROTOCOL)

    assert at(needed * (1 + 1e-9) + 0.01).contracts >= 1
    assert at(needed * (1 - 1e-6) - 0.02).contracts == 0


def grown(portfolio: Portfolio, cash: float) -> Portfolio:
    return portfolio.model_copy(
        update={"cash": portfolio.cash + cash, "total_value": portfolio.total_value + cash}
    )


@pytest.mark.parametrize(
    ("changes", "blocked"),
    [
        ({"market_analysis": None}, Blocked.NO_PRICE),
        ({"market_analysis": None, "current_price": 100}, Blocked.NO_VOLATILITY),
        ({"market_analysis": None, "current_price": 100, "volatility": 0.3}, Blocked.NO_FORECAST),
        ({"market_condition": "Chop"}, Blocked.CHOP_WEEK),
        ({"exposure_factor": 0}, Blocked.DRAWDOWN_PROTECTION),
        ({"forecast_volatility": 0.4}, Blocked.NO_EDGE),
        ({"account_balance": 20_000}, Blocked.MIN_TICKET),
        ({"risk_preferences": {"max_position_size": 100}}, Blocked.MIN_TICKET),
        ({"portfolio": {"portfolio_id": "p", "total_value": 2_000}}, Blocked.CASH),
        ({"portfolio": {"portfolio_id": "p", "total_value": 42_500, "peak_value": 50_000}}, Blocked.DRAWDOWN_LIMIT),
        (
            {"portfolio": {"portfolio_id": "p", "cash": 50_000, "positions": [
                {"symbol": "AAPL", "quantity": 40, "price": 214}]}},
            Blocked.POSITION_CAP,
        ),
        (
            {"portfolio": {"portfolio_id": "p", "cash": 50_000, "positions": [
                {"symbol": "MSFT", "quantity": 100, "price": 210}]}},
            Blocked.SECTOR_CAP,
        ),
        (
            {"correlations": {"KO": 0.9}, "portfolio": {"portfolio_id": "p", "cash": 50_000, "positions": [
                {"symbol": "KO", "quantity": 100, "price": 160}]}},
            Blocked.CORRELATED_CAP,
        ),
        (
            {"correlations": {"KO": 0.1}, "portfolio": {"portfolio_id": "p", "cash": 50_000, "positions": [
                {"symbol": "KO", "quantity": 100, "price": 410}]}},
            Blocked.EXPOSURE_CAP,
        ),
        (
            {"correlations": {"KO": 0.1}, "portfolio": {"portfolio_id": "p", "cash": 50_000, "positions": [
                {"symbol": "KO", "kind": "put", "quantity": -8, "price": 0.1, "strike": 55}]}},
            Blocked.NOTIONAL_CAP,
        ),
    ],
)  # fmt: skip
def test_why_a_trade_is_blocked(changes: dict[str, Any], blocked: Blocked) -> None:
    found = sized(**changes)
    assert found.blocked_by is blocked
    assert found.contracts == 0


def test_a_held_symbol_that_the_correlations_leave_out_counts_as_correlated() -> None:
    held = {
        "portfolio_id": "p",
        "cash": 50_000,
        "positions": [{"symbol": "KO", "quantity": 100, "price": 160}],
    }
    found = sized(portfolio=held, correlations={"MSFT": 0.1})
    assert found.blocked_by is Blocked.CORRELATED_CAP


def test_what_is_unknown_takes_the_smallest_factor() -> None:
    factors = plain(0.30, 0.25, market_condition=None).factors
    assert factors
    assert (factors.condition, factors.trend, factors.confidence) == (0.7, 0.9, 0.7)


def test_a_days_loss_follows_the_forecast() -> None:
    found = sized(account_balance=500_000, **ROUNDED)
    assert found.option
    terms = (found.option.strike, 7 / 365, 0.02, 0.3513)
    fallen = 214.29 * exp(-1.644854 * 0.3194 / sqrt(252))
    loss = price(OptionType.PUT, fallen, *terms) - price(OptionType.PUT, 214.29, *terms)
    assert found.var_95_1day == pytest.approx(loss * 100 * found.contracts, rel=1e-4)


@pytest.mark.parametrize(
    ("amount", "down", "up"), [(1.239, 1.23, 1.24), (1.231, 1.23, 1.24), (2.0, 2.0, 2.0)]
)
def test_what_may_be_spent_is_rounded_down_and_what_is_needed_up(
    amount: float, down: float, up: float
) -> None:
    assert (cents_down(amount), cents_up(amount)) == (down, up)


def test_a_chop_week_stops_the_income_account_alone() -> None:
    assert sized(account_type=REV, market_condition="Chop", account_balance=500_000).contracts > 0


def test_a_small_account_is_told_from_which_balance_it_could_trade() -> None:
    found = sized(account_balance=20_000)
    assert found.position_size > 0
    assert found.smallest_balance == pytest.approx(31_620, rel=1e-3)
    assert "31,6" in found.rationale[-1]


def test_cash_secured_ties_up_the_strike_and_both_bases_are_reported() -> None:
    margin, secured = sized(account_balance=500_000), sized(account_balance=500_000, basis="cash_secured")
    assert margin.capital == secured.capital
    assert secured.capital
    assert secured.capital_per_contract == secured.capital.cash_secured == pytest.approx(21_332, rel=1e-3)
    assert margin.contracts > secured.contracts > 0


@pytest.mark.parametrize(("basis", "balance"), [(Basis.CASH_SECURED, 142_212), (Basis.MARGIN, 30_353)])
def test_the_position_cap_alone_would_allow_one_contract_from(basis: Basis, balance: float) -> None:
    found = sized(basis=basis)
    assert found.capital_per_contract
    assert found.capital_per_contract / 0.15 == pytest.approx(balance, rel=1e-3)


def test_losses_grow_from_the_day_to_the_shock_to_zero() -> None:
    found = sized(account_balance=500_000)
    assert 0 < found.var_95_1day < found.var_99_1day < found.loss_at_shock < found.max_loss
    # A fall of 20 % below the spot, less the premium.
    assert found.option
    fallen = (found.option.strike - 0.8 * found.option.spot - found.option.premium) * 100 * found.contracts
    assert found.loss_at_shock == pytest.approx(fallen, abs=0.01)


def test_a_covered_call_is_sized_on_its_shares() -> None:
    found = sized(account_balance=500_000, option={"type": "call", "target_delta": 0.3}, basis="cash_secured",
                  market_analysis=analysis_of(day=RED_DAY))  # fmt: skip
    assert found.option
    assert found.capital_per_contract == pytest.approx(13_006)
    assert found.max_loss == pytest.approx((130.06 - found.option.premium) * 100 * found.contracts, abs=0.01)


def test_given_terms_are_used_as_given() -> None:
    found = sized(option={"strike": 200, "premium": 1.5, "dte": 14})
    assert found.option
    assert (found.option.strike, found.option.premium, found.option.premium_source) == (200, 1.5, "given")
    assert found.option.dte == 14


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        ({"entry_date": date(2024, 6, 18)}, "Tuesday is no entry day of Gen-Acc (Thursday)"),
        ({"account_type": COM, "portfolio": None}, "no portfolio given"),
        ({"symbol": "ZZZ", "market_analysis": None, "current_price": 50, "volatility": 0.4,
          "forecast_volatility": 0.3}, "sector unknown"),
        ({"portfolio": {"portfolio_id": "p", "cash": 9e4, "positions": [
            {"symbol": "KO", "quantity": 1, "price": 60}]}}, "correlations"),
        ({}, "more than 80 % of the position cap"),
        ({"account_balance": 1e6, "risk_preferences": {"max_position_size": 5_000}}, "less than 1 %"),
        ({"portfolio": {"portfolio_id": "p", "total_value": 8_000}}, "more than 90 % of the free cash"),
        ({"market_condition": None, "market_analysis": None, "current_price": 100, "volatility": 0.3,
          "forecast_volatility": 0.25}, "condition unknown"),
    ],
)  # fmt: skip
def test_what_is_unusual_is_said(changes: dict[str, Any], warning: str) -> None:
    assert any(warning in text for text in sized(**changes).warnings)


def test_an_entry_day_is_not_warned_about() -> None:
    assert not any("entry day" in text for text in sized(entry_date=date(2024, 6, 20)).warnings)


def test_parameters_come_from_the_protocol() -> None:
    tight = protocol_with({"accounts": {"GEN_ACC": {"max_position": 0.05}}})
    found = size(size_request(), tight)
    assert (found.position_size, found.binding) == (2_500, "position")
