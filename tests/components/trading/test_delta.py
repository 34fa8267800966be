"""Delta selection: golden cases, every rule, the bounds, strikes from a chain."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse.domain.chain import choose_listed, smile, synthetic_chain
from alluse.domain.delta import assess_risk, select, select_batch
from alluse.domain.delta_rules import Bounds, Facts, adjust, find_bounds
from alluse.domain.errors import InvalidInputError
from alluse.domain.options import greeks, price
from alluse.schemas.chain import ChainEntry
from alluse.schemas.common import AccountType, Condition, OptionType, RiskAppetite, RiskLevel, TrendStrength
from alluse.schemas.delta import ClampedBy, RangeName, SelectAnswer, SelectRequest
from alluse.schemas.market import Direction
from alluse.schemas.protocol import protocol_with
from trading import CHOP_DAY, GREEN_DAY, PROTOCOL, RED_DAY, accounts, analysis_of, conditions, kinds

GEN, REV, COM = AccountType.GEN_ACC, AccountType.REV_ACC, AccountType.COM_ACC
PUT, CALL = OptionType.PUT, OptionType.CALL


def selected(**fields: Any) -> SelectAnswer:
    return select(SelectRequest.model_validate({"account_type": GEN, **fields}), PROTOCOL)


@pytest.mark.parametrize(
    ("day", "account", "volatility", "delta", "clamped", "outside"),
    [
        (GREEN_DAY, GEN, 0.3513, 0.50, None, False),
        (GREEN_DAY, REV, 0.3513, 0.40, None, False),
        (RED_DAY, GEN, 0.4867, 0.32, None, True),
        (RED_DAY, COM, 0.4867, 0.15, ClampedBy.SYMBOL_MINIMUM, True),
        (CHOP_DAY, COM, 0.1888, 0.20, None, False),
    ],
)
def test_golden_deltas(
    day: date, account: AccountType, volatility: float, delta: float, clamped: ClampedBy | None, outside: bool
) -> None:
    found = selected(account_type=account, market_analysis=analysis_of(day=day), volatility=volatility)
    assert (found.selected_delta, found.clamped_by, found.outside_band) == (delta, clamped, outside)
    assert found.signed_delta == -delta


@pytest.mark.parametrize(
    ("account", "strike", "premium", "assigned"),
    [(GEN, 214.626, 4.2892, 0.5194), (REV, 211.997, 3.0564, 0.4189)],
)
def test_golden_strikes(account: AccountType, strike: float, premium: float, assigned: float) -> None:
    found = selected(account_type=account, market_analysis=analysis_of(), volatility=0.3513)
    assert found.expected_metrics
    numbers = (found.strike, found.theoretical_price, 1 - found.expected_metrics.prob_otm)
    assert numbers == pytest.approx((strike, premium, assigned), rel=1e-3)
    assert found.risk_assessment.assignment_probability == pytest.approx(assigned, rel=1e-3)
    assert found.expiry == date(2024, 6, 25)


def test_the_rank_of_historical_volatility_moves_nothing() -> None:
    analysis = analysis_of()
    assert analysis.volatility_analysis
    assert analysis.volatility_analysis.percentile
    assert analysis.volatility_analysis.percentile > 0.8
    names = [entry.name for entry in selected(market_analysis=analysis).adjustments]
    assert names == ["trend", "momentum"]


FACTS = Facts(
    kind=PUT, spot=100.0, implied=0.30, forecast=0.27, condition=Condition.GREEN, percentile=None,
    iv_hv_ratio=1.0, trend=Direction.NEUTRAL, strength=TrendStrength.MODERATE, momentum=Direction.NEUTRAL,
    days=7, as_of=None, appetite=RiskAppetite.MODERATE,
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "points"),
    [
        ({}, 0),
        ({"condition": Condition.RED}, -5),
        ({"condition": Condition.CHOP}, -10),
        ({"condition": None}, 0),
        ({"kind": CALL}, -5),
        ({"kind": CALL, "condition": Condition.RED}, 0),
        ({"kind": CALL, "condition": Condition.CHOP}, -10),
        ({"implied": 0.19}, 5),
        ({"implied": 0.20}, 0),
        ({"implied": 0.40}, 0),
        ({"implied": 0.41}, -5),
        ({"implied": None}, 0),
        ({"percentile": 0.81}, -3),
        ({"percentile": 0.80}, 0),
        ({"percentile": 0.20}, 0),
        ({"percentile": 0.19}, 3),
        ({"iv_hv_ratio": 1.51}, 2),
        ({"iv_hv_ratio": 1.5}, 0),
        ({"iv_hv_ratio": 0.79}, -2),
        ({"iv_hv_ratio": None}, 0),
        ({"strength": TrendStrength.WEAK}, -3),
        ({"strength": TrendStrength.STRONG}, 0),
        ({"strength": TrendStrength.STRONG, "trend": Direction.BULLISH}, 3),
        ({"strength": TrendStrength.STRONG, "trend": Direction.BEARISH}, -3),
        ({"kind": CALL, "strength": TrendStrength.STRONG, "trend": Direction.BEARISH}, -5 + 3),
        ({"kind": CALL, "strength": TrendStrength.STRONG, "trend": Direction.BULLISH}, -5 - 3),
        ({"momentum": Direction.BULLISH}, 2),
        ({"momentum": Direction.BEARISH}, 0),
        ({"kind": CALL, "momentum": Direction.BEARISH}, -5 + 2),
        ({"days": 21}, 0),
        ({"days": 22}, 3),
        ({"days": 46}, 1),
        ({"days": 1}, 0),
        ({"appetite": RiskAppetite.CONSERVATIVE}, -5),
        ({"appetite": RiskAppetite.AGGRESSIVE}, 5),
        ({"appetite": RiskAppetite.MODERATELY_AGGRESSIVE}, 0),
    ],
)
def test_what_each_rule_moves(changes: dict[str, Any], points: int) -> None:
    assert sum(entry.delta_points for entry in adjust(replace(FACTS, **changes))) == points


@pytest.mark.parametrize(
    ("account", "symbol", "bounds"),
    [
        (GEN, "TSLA", (20, 50, ClampedBy.SYMBOL_MINIMUM, ClampedBy.BAND_TOP)),
        (REV, "MSFT", (15, 40, ClampedBy.SYMBOL_MINIMUM, ClampedBy.BAND_TOP)),
        (COM, None, (15, 30, ClampedBy.SYMBOL_MINIMUM, ClampedBy.BAND_TOP)),
    ],
)
def test_bounds(account: AccountType, symbol: str | None, bounds: tuple[Any, ...]) -> None:
    assert find_bounds(account, symbol, PROTOCOL) == Bounds(*bounds)


def test_a_tighter_symbol_bounds_the_band() -> None:
    tight = protocol_with({"symbol_delta_bounds": {"AAPL": {"high": 0.42}}})
    found = select(SelectRequest(account_type=GEN, market_analysis=analysis_of()), tight)
    assert (found.selected_delta, found.clamped_by) == (0.42, ClampedBy.SYMBOL_MAXIMUM)


@given(st.integers(-50, 150), st.integers(0, 100), st.integers(0, 100))
def test_more_delta_than_the_upper_bound_is_never_selected(points: int, low: int, high: int) -> None:
    found, _ = Bounds(low, high, ClampedBy.MINIMUM, ClampedBy.MAXIMUM).clamp(points)
    assert found <= high
    if low <= high:
        assert found == min(max(points, low), high)


@given(
    accounts, kinds, conditions | st.none(), st.none() | st.floats(0.01, 5), st.none() | st.floats(0.01, 1e6),
    st.integers(1, 730), st.sampled_from(RiskAppetite), st.floats(0, 0.5), st.floats(0, 0.05),
)  # fmt: skip
def test_any_request_selects_inside_the_bounds_and_the_strike_has_the_delta(
    account: AccountType, kind: OptionType, condition: Condition | None, volatility: float | None,
    spot: float | None, days: int, appetite: RiskAppetite, rate: float, dividend: float,
) -> None:  # fmt: skip
    found = selected(
        account_type=account, option_type=kind, market_condition=condition, volatility=volatility, spot=spot,
        dte=days, risk_preferences={"risk_level": appetite}, r=rate, q=dividend,
    )  # fmt: skip
    band = PROTOCOL.account(account).delta_band
    assert 0.15 <= found.selected_delta <= band.high
    assert found.outside_band == (found.selected_delta < band.low)
    assert (found.strike is None) == (spot is None or volatility is None)
    if found.strike is not None and spot is not None and volatility is not None:
        delta = greeks(kind, spot, found.strike, days / 365, rate, volatility, dividend).delta
        assert abs(abs(delta) - found.selected_delta) < 1e-9


@pytest.mark.parametrize(
    ("delta", "name", "risk"),
    [
        (0.15, RangeName.CONSERVATIVE, RiskLevel.LOW),
        (0.25, RangeName.CONSERVATIVE, RiskLevel.LOW),
        (0.26, RangeName.MODERATE, RiskLevel.MEDIUM),
        (0.50, RangeName.AGGRESSIVE, RiskLevel.HIGH),
        (0.51, RangeName.VERY_AGGRESSIVE, RiskLevel.CRITICAL),
    ],
)
def test_ranges_and_their_risk(delta: float, name: RangeName, risk: RiskLevel) -> None:
    assert assess_risk(FACTS, delta, 0.02, 0).overall_risk_level is risk


@pytest.mark.parametrize(
    ("changes", "risk"),
    [
        ({"trend": Direction.BULLISH}, RiskLevel.LOW),
        ({"trend": Direction.BEARISH}, RiskLevel.MEDIUM),
        ({"trend": Direction.BEARISH, "strength": TrendStrength.STRONG}, RiskLevel.HIGH),
        ({"trend": None, "strength": None}, RiskLevel.MEDIUM),
    ],
)
def test_risk_of_the_trend_is_never_low_for_want_of_data(changes: dict[str, Any], risk: RiskLevel) -> None:
    assert assess_risk(replace(FACTS, **changes), 0.4, 0.02, 0).trend_risk is risk


def quotes(sigma: float = 0.3) -> list[dict[str, float]]:
    values = ((strike, price(PUT, 100, strike, 7 / 365, 0.02, sigma)) for strike in range(80, 121))
    return [{"strike": strike, "bid": value * 0.98, "ask": value * 1.02} for strike, value in values]


def test_the_listed_strike_does_not_exceed_the_delta() -> None:
    found = selected(market_condition="Green", volatility=0.3, spot=100, chain=quotes())
    assert found.listed
    assert found.strike == found.listed.strike == 99
    assert found.listed.delta == pytest.approx(0.3928, rel=1e-3)
    assert found.listed.iv == pytest.approx(0.3, rel=1e-6)
    assert found.theoretical_price == found.listed.mid


def test_a_chain_without_a_fitting_strike_selects_none_and_says_so() -> None:
    found = selected(market_condition="Green", volatility=0.3, spot=100, chain=quotes()[25:])
    assert found.strike is found.theoretical_price is found.listed is found.expected_metrics is None
    assert "no listed strike" in found.warnings[-1]


def test_a_quote_without_a_volatility_is_passed_over() -> None:
    worthless = ChainEntry(strike=99, bid=0, ask=0)
    impossible = ChainEntry(strike=90, bid=95, ask=96)
    good = ChainEntry(strike=95, bid=0.2, ask=0.24)
    assert choose_listed([worthless, impossible], PUT, 0.45, 100, 7 / 365, 0.02) is None
    found = choose_listed([worthless, good, impossible], PUT, 0.45, 100, 7 / 365, 0.02)
    assert found
    assert found.strike == 95


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"chain": [{"strike": 99, "bid": 1, "ask": 2}]}, "spot"),
        ({"expiry": "2024-06-28"}, "as_of"),
        ({"expiry": "2024-06-28", "as_of": "2024-06-28"}, "expiry"),
        ({"symbol": "TSLA", "market_analysis": analysis_of()}, "market_analysis"),
    ],
)
def test_a_request_that_contradicts_itself_is_refused_by_field(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        selected(**fields)
    assert caught.value.field == field


def test_an_expiry_replaces_the_days() -> None:
    found = selected(market_analysis=analysis_of(), expiry="2024-06-28")
    assert (found.dte, found.expiry) == (10, date(2024, 6, 28))


def test_with_condition_and_volatility_alone_there_is_a_delta_and_no_strike() -> None:
    found = selected(market_condition="Red", volatility=0.45)
    assert (found.selected_delta, found.strike, found.expected_metrics) == (0.35, None, None)
    assert found.risk_assessment.assignment_probability
    assert any("spot" in text for text in found.warnings)


def test_what_the_seller_may_expect() -> None:
    found = selected(market_analysis=analysis_of())
    assert found.expected_metrics
    assert found.expected_metrics.expected_value
    assert found.expected_metrics.expected_value > 0
    assert found.expected_metrics.prob_touch == 1
    assert found.expected_metrics.theta_per_day
    assert found.expected_metrics.theta_per_day > 0
    assert [entry.delta for entry in found.alternatives] == [0.40, 0.45]


def test_a_batch_describes_the_whole() -> None:
    fields = [{"account_type": account, "market_condition": "Green"} for account in (GEN, REV, COM, COM)]
    found = select_batch([SelectRequest.model_validate(entry) for entry in fields], PROTOCOL)
    assert [result.selected_delta for result in found.results] == [0.45, 0.35, 0.25, 0.25]
    assert found.distribution == {
        RangeName.CONSERVATIVE: 2, RangeName.MODERATE: 1, RangeName.AGGRESSIVE: 1, RangeName.VERY_AGGRESSIVE: 0,
    }  # fmt: skip
    assert found.diversification == pytest.approx(1.5 / 2)
    assert found.mean_risk == pytest.approx((3 + 2 + 1 + 1) / 4)
    alone = select_batch([SelectRequest(account_type=GEN)], PROTOCOL)
    assert alone.diversification == 0


@given(kinds, st.floats(1, 1e4), st.floats(0.05, 2), st.integers(1, 400))
def test_a_synthetic_chain_is_ordered_and_free_of_arbitrage_by_strike(
    kind: OptionType, spot: float, sigma: float, days: int
) -> None:
    chain = synthetic_chain(kind, spot, sigma, days, 0.02)
    strikes = [entry.strike for entry in chain]
    assert strikes == sorted(set(strikes))
    assert strikes[0] > 0
    for entry in chain:
        assert 0 <= entry.bid <= entry.ask
        assert 0 <= entry.delta <= 1


def test_the_smile_rises_towards_low_strikes_and_is_clipped() -> None:
    assert smile(0.3, 100, 90, 0.25) > 0.3 > smile(0.3, 100, 110, 0.25)
    assert smile(0.3, 100, 100, 0.25) == 0.3
    assert smile(0.3, 100, 1e9, 1 / 365) == pytest.approx(0.15)
    assert smile(0.3, 100, 1e-9, 1 / 365) == pytest.approx(0.60)
