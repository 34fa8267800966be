"""Assessments: what must hold for every portfolio, and the cases that a person would ask about."""

from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from alluse.domain.book import History, empty_history
from alluse.domain.errors import InsufficientDataError, InvalidInputError
from alluse.domain.risk import assess
from alluse.domain.risk_score import Limits
from alluse.schemas.common import RiskLevel
from alluse.schemas.risk import Assessment, AssessRequest, DataQuality, Method
from windows import random_returns

DAY = date(2024, 6, 18)
SYMBOLS = ("AAA", "BBB", "CCC", "DDD", "EEE")


def history(seed: int = 1, days: int = 252, symbols: tuple[str, ...] = SYMBOLS, **more: Any) -> History:
    return History(symbols, random_returns(seed, days, len(symbols)), DAY, **more)


def request(*positions: dict[str, Any], **fields: Any) -> AssessRequest:
    return AssessRequest.model_validate(
        {"portfolio_id": "book", "as_of": DAY, "positions": list(positions), **fields}
    )


def stock(symbol: str, value: float, **fields: Any) -> dict[str, Any]:
    return {"symbol": symbol, "quantity": value / 100, "price": 100, **fields}


values = st.floats(100, 1e6)
books = st.dictionaries(st.sampled_from(SYMBOLS), values, min_size=1).map(
    lambda held: [stock(symbol, value) for symbol, value in held.items()]
)
methods = st.sampled_from([Method.PARAMETRIC, Method.HISTORICAL, Method.MONTE_CARLO])


def var(found: Assessment, level: str = "0.95") -> float:
    assert found.var is not None
    return (found.var.level_95 if level == "0.95" else found.var.level_99).ratio


@given(st.integers(0, 500), books, st.floats(0, 1e6), methods)
def test_figures_of_every_book_are_ordered_and_bounded(
    seed: int, positions: list[dict[str, Any]], cash: float, method: Method
) -> None:
    found = assess(request(*positions, cash=cash, method=method), history(seed))
    assert found.cvar is not None
    assert var(found, "0.99") >= var(found) >= 0
    assert found.cvar.level_95.ratio >= var(found)
    assert found.cvar.level_99.ratio >= var(found, "0.99")
    assert 0 <= found.risk_score <= 1
    assert sum(part.weight for part in found.components) == pytest.approx(1)
    assert sum(part.weight * part.score for part in found.components) == pytest.approx(found.risk_score)
    assert found.overall_risk_level.rank >= RiskLevel.of(found.risk_score).rank
    assert 0 <= found.concentration.normalized <= 1
    assert found.concentration.effective_positions <= len(positions) + 1e-9
    assert found.max_drawdown is not None
    assert 0 <= found.max_drawdown <= 1


@given(books, st.floats(0, 1e6), st.floats(0.01, 5), st.floats(0, 5), st.sampled_from(["auto", "parametric"]))
def test_more_volatility_never_lowers_the_loss(
    positions: list[dict[str, Any]], cash: float, volatility: float, more: float, method: str
) -> None:
    def at(level: float) -> float:
        unknown = stock("ZZZ", 5_000, volatility=min(level, 5))
        return var(assess(request(*positions, unknown, cash=cash, method=method), history()))

    assert at(volatility + more) >= at(volatility) - 1e-12


@given(books, st.floats(1, 3))
def test_larger_swings_of_every_share_never_lower_the_loss(
    positions: list[dict[str, Any]], factor: float
) -> None:
    calm = history()
    wild = History(SYMBOLS, calm.returns * factor, DAY)
    for method in (Method.PARAMETRIC, Method.HISTORICAL):
        asked = request(*positions, method=method)
        assert var(assess(asked, wild)) >= var(assess(asked, calm)) - 1e-12


@given(books, values, st.floats(0.05, 0.95))
def test_diversification_never_raises_concentration(
    positions: list[dict[str, Any]], value: float, share: float
) -> None:
    """Splitting a holding over a new issuer concentrates neither the largest weight nor the index."""
    whole = [*positions, stock("NEW", value)]
    split = [*positions, stock("NEW", value * share), stock("NEWER", value * (1 - share))]
    returns = history(symbols=(*SYMBOLS, "NEW", "NEWER"))
    before, after = assess(request(*whole), returns), assess(request(*split), returns)
    assert after.concentration.largest_weight <= before.concentration.largest_weight + 1e-12
    assert after.concentration.hhi <= before.concentration.hhi + 1e-12


@given(books, st.data(), st.floats(0, 1e7))
def test_missing_data_are_never_of_low_risk(
    positions: list[dict[str, Any]], data: st.DataObject, cash: float
) -> None:
    missing = data.draw(st.sets(st.sampled_from(sorted(p["symbol"] for p in positions)), min_size=1))
    known = tuple(symbol for symbol in SYMBOLS if symbol not in missing)
    partly = history(symbols=known) if known else empty_history(DAY)
    given_volatility = data.draw(st.booleans())
    held = [{**p, "volatility": 0.3} if given_volatility and p["symbol"] in missing else p for p in positions]
    if not given_volatility and missing >= {p["symbol"] for p in positions}:
        with pytest.raises(InsufficientDataError, match="volatility"):
            assess(request(*held, cash=cash), partly)
        return
    found = assess(request(*held, cash=cash), partly)
    assert found.overall_risk_level is not RiskLevel.LOW
    assert found.data_quality is DataQuality.PARTIAL
    assert missing == {*found.data.by_volatility, *found.data.unmeasured}
    if not given_volatility:
        assert found.var is not None
        assert not found.var.complete
        assert next(part for part in found.components if part.name == "var").score == 1


@given(books)
def test_the_score_with_data_missing_is_never_below_the_score_with_them(
    positions: list[dict[str, Any]],
) -> None:
    gone = positions[0]["symbol"]
    volumes = dict.fromkeys(SYMBOLS, 1e12)
    whole = assess(request(*positions, cash=1e5), history(dollar_volumes=volumes))
    if len(positions) == 1:
        return
    full = history(dollar_volumes=volumes)
    kept = tuple(symbol for symbol in SYMBOLS if symbol != gone)
    partly = assess(request(*positions, cash=1e5), History(kept, full.columns(kept, 252), DAY))
    assert partly.risk_score >= whole.risk_score - 1e-12


def test_of_two_given_volatilities_of_a_symbol_the_larger_counts() -> None:
    calm, wild = stock("ZZZ", 500, volatility=0.2), stock("ZZZ", 500, volatility=0.6)
    found = [var(assess(request(*pair), history())) for pair in ((calm, wild), (wild, calm), (wild, wild))]
    assert found[0] == found[1] == found[2]


def test_cash_is_of_no_risk() -> None:
    found = assess(request(cash=1000), empty_history(DAY))
    assert found.overall_risk_level is RiskLevel.LOW
    assert found.risk_score == 0
    assert var(found) == 0
    assert found.data_quality is DataQuality.OK


def test_a_value_without_positions_is_not_understood() -> None:
    found = assess(request(total_value=45_000, peak_value=50_000), empty_history(DAY))
    assert found.var is None
    assert found.volatility is None
    assert found.current_drawdown == pytest.approx(0.10)
    assert found.overall_risk_level is RiskLevel.CRITICAL
    assert found.data_quality is DataQuality.INSUFFICIENT_DATA
    assert [breach.kind for breach in found.breaches] == ["drawdown"]


def test_a_calm_book_is_of_low_risk_and_says_what_it_rests_on() -> None:
    volumes = dict.fromkeys(SYMBOLS, 1e9)
    held = [stock(symbol, 1000) for symbol in SYMBOLS]
    found = assess(
        request(*held, cash=95_000), history(dollar_volumes=volumes, index=random_returns(9, 252, 1)[:, 0])
    )
    assert found.overall_risk_level is RiskLevel.LOW
    assert found.liquidity_score == pytest.approx(1000 / 1e8 / 5)
    assert found.beta is not None
    assert found.data.observations == 252
    assert found.breaches == []


def test_unknown_volumes_count_as_the_worst() -> None:
    held = [stock("AAA", 1000)]
    without = assess(request(*held, cash=95_000), history())
    assert without.liquidity_score is None
    assert without.data.without_volume == ["AAA"]
    assert next(part for part in without.components if part.name == "liquidity").score == 1


def test_a_broken_drawdown_lifts_the_level_to_high() -> None:
    held = [stock(symbol, 100) for symbol in SYMBOLS]
    volumes = dict.fromkeys(SYMBOLS, 1e9)
    found = assess(request(*held, cash=99_500, peak_value=111_112), history(dollar_volumes=volumes))
    assert found.risk_score < 0.5
    assert found.overall_risk_level is RiskLevel.HIGH
    assert [breach.name for breach in found.breaches] == ["DrawdownBreach"]
    assert found.breaches[0].severity == "critical"


@pytest.mark.parametrize(("threshold", "kinds"), [(1.0, []), (0.9, ["concentration"])])
def test_early_warning_before_a_limit(threshold: float, kinds: list[str]) -> None:
    held = [stock("AAA", 24_000), *(stock(symbol, 100) for symbol in SYMBOLS[1:])]
    found = assess(request(*held, cash=75_600), history(), limits=Limits(alert_threshold=threshold))
    assert [each.kind for each in found.warnings if each.kind == "concentration"] == kinds
    assert all(each.kind != "concentration" for each in found.breaches)


def test_exactly_the_largest_allowed_position_is_no_breach() -> None:
    held = [stock("AAA", 25_000), stock("BBB", 25_000)]
    found = assess(request(*held, cash=50_000), history())
    assert "concentration" not in [breach.kind for breach in found.breaches]
    more = assess(request(stock("AAA", 25_001), cash=74_999), history())
    assert "concentration" in [breach.kind for breach in more.breaches]


def test_kept_and_given_peaks_and_profits_set_the_drawdown() -> None:
    held = [stock("AAA", 90)]
    assert assess(request(*held), history()).current_drawdown == 0
    assert assess(request(*held), history(), kept_peak=100).current_drawdown == pytest.approx(0.1)
    assert assess(request(*held, peak_value=120), history(), kept_peak=100).current_drawdown == pytest.approx(
        0.25
    )
    with_profits = assess(request(*held, pnl_history=[50.0, -60.0, 0.0]), history())
    assert with_profits.peak_value == pytest.approx(150)
    assert with_profits.max_drawdown == pytest.approx(0.4)


def test_methods_that_cannot_be_used_are_refused_with_the_alternative() -> None:
    held = [stock("AAA", 1000)]
    with pytest.raises(InsufficientDataError, match="use parametric"):
        assess(request(*held, method="historical"), history(days=100))
    with pytest.raises(InsufficientDataError, match="60 days"):
        assess(request(*held), history(days=59))
    with pytest.raises(InvalidInputError, match="total_value"):
        assess(request(*held, cash=-2000), history())
    short = assess(request(*held), history(days=60))
    assert short.var is not None
    assert short.var.method is Method.PARAMETRIC


def put(**fields: Any) -> dict[str, Any]:
    return {
        "symbol": "AAA",
        "kind": "put",
        "quantity": -5,
        "price": 1.5,
        "strike": 95,
        "expiry": "2024-06-28",
        **fields,
    }


def test_options_are_simulated_and_reproducible() -> None:
    market = history(spots={"AAA": 100.0})
    first = assess(request(put(), cash=60_000), market)
    again = assess(request(put(), cash=60_000), market)
    assert first.var is not None
    assert first.var.method is Method.MONTE_CARLO
    assert first == again
    assert first.data_quality is DataQuality.OK
    other = assess(request(put(), cash=60_000).model_copy(update={"portfolio_id": "other"}), market)
    assert other.var != first.var


def test_a_sold_put_is_counted_by_what_it_can_cost() -> None:
    found = assess(request(put(), cash=60_000), history(spots={"AAA": 100.0}))
    loss = 5 * 95 * 100 - 5 * 1.5 * 100
    assert found.concentration.largest_weight == pytest.approx(loss / found.total_value)


def test_a_spread_is_counted_as_a_spread() -> None:
    spread = (put(), put(quantity=5, strike=90, price=0.7))
    market = history(spots={"AAA": 100.0})
    found = assess(request(*spread, cash=60_000), market)
    single = assess(request(put(), cash=60_000), market)
    assert found.concentration.largest_weight < single.concentration.largest_weight / 5
    assert var(found, "0.99") < var(single, "0.99")


@given(st.floats(0.2, 5), st.floats(0, 3))
def test_more_contracts_never_lower_the_simulated_loss(contracts: float, more: float) -> None:
    market = history(spots={"AAA": 100.0})

    def usd(quantity: float) -> float:
        found = assess(request(put(quantity=-quantity), cash=100_000), market)
        assert found.var is not None
        return found.var.level_99.usd

    assert usd(contracts + more) >= usd(contracts) - 0.011


def test_what_is_not_said_of_an_option_is_assumed_carefully_and_named() -> None:
    bare = {"symbol": "AAA", "kind": "put", "quantity": -1, "price": 2.0}
    found = assess(request(bare, cash=60_000), history(spots={"AAA": 100.0}))
    assert found.data_quality is DataQuality.PARTIAL
    assert {"AAA: strike", "AAA: expiry"} <= set(found.data.assumptions)
    assert found.overall_risk_level is not RiskLevel.LOW


def test_synthetic_returns_are_named_and_never_of_low_risk() -> None:
    volumes = dict.fromkeys(SYMBOLS, 1e9)
    market = history(dollar_volumes=volumes, synthetic=frozenset({"AAA"}))
    found = assess(request(stock("AAA", 100), cash=99_900), market)
    assert found.data_quality is DataQuality.SYNTHETIC
    assert found.data.synthetic == ["AAA"]
    assert found.overall_risk_level is RiskLevel.MEDIUM
    plain = assess(request(stock("BBB", 100), cash=99_900), market)
    assert plain.overall_risk_level is RiskLevel.LOW


def test_a_short_position_hedges() -> None:
    twin = random_returns(3, 252, 1)
    market = History(("AAA", "BBB"), np.hstack([twin, twin + random_returns(4, 252, 1) / 100]), DAY)
    hedged = assess(request(stock("AAA", 10_000), stock("BBB", -10_000), cash=20_000), market)
    doubled = assess(request(stock("AAA", 10_000), stock("BBB", 10_000), cash=0), market)
    assert hedged.var is not None
    assert doubled.var is not None
    assert hedged.var.level_95.usd < doubled.var.level_95.usd / 10
    assert hedged.correlation.average is not None
    assert hedged.correlation.average < 0


def test_the_body_may_be_wrapped_but_not_both() -> None:
    inner = {"portfolio_id": "book", "cash": 10}
    assert AssessRequest.model_validate({"portfolio": inner, "method": "parametric"}).cash == 10
    with pytest.raises(ValueError, match="cash given both"):
        AssessRequest.model_validate({"portfolio": inner, "cash": 1})


def test_an_option_without_strike_and_price_of_its_underlying_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="needs a strike"):
        assess(
            request({"symbol": "AAA", "kind": "put", "quantity": -1, "price": 2.0}, cash=60_000), history()
        )


def test_returns_that_end_long_before_the_day_are_partial() -> None:
    held = request(stock("AAA", 100), cash=99_900).model_copy(update={"as_of": date(2024, 6, 26)})
    volumes = dict.fromkeys(SYMBOLS, 1e9)
    stale = assess(held, history(dollar_volumes=volumes))
    assert stale.data_quality is DataQuality.PARTIAL
    assert stale.data.assumptions == ["returns end on 2024-06-18"]
    assert stale.overall_risk_level is RiskLevel.MEDIUM
    fresh = assess(held.model_copy(update={"as_of": date(2024, 6, 25)}), history(dollar_volumes=volumes))
    assert fresh.overall_risk_level is RiskLevel.LOW


@given(
    st.lists(
        st.tuples(
            st.sampled_from(SYMBOLS), st.floats(-1e12, 1e12), st.sampled_from(["stock", "put", "call"])
        ),
        max_size=6,
    ),
    st.floats(-1e12, 1e12),
)
def test_extreme_books_are_answered_or_refused(legs: list[tuple[str, float, str]], cash: float) -> None:
    positions = [
        {"symbol": symbol, "kind": kind, "quantity": value / 1e6, "price": 1e3, "strike": 1e3, "expiry": DAY}
        | {"market_value": value}
        for symbol, value, kind in legs
    ]
    try:
        asked = request(*positions, cash=cash)
    except ValidationError:
        return
    try:
        found = assess(asked, history(spots={"AAA": 1e-3, "BBB": 1e9}))
    except InvalidInputError:
        assert asked.total_value < 0.01
        return
    assert 0 <= found.risk_score <= 1
    assert np.isfinite(found.concentration.largest_weight)
    assert found.max_drawdown is None or 0 <= found.max_drawdown <= 1
