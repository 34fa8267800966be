"""Classification of a week: golden days of the shipped data, the point rules, and that it never fails."""

from datetime import date
from math import isfinite
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alluse.data import market_data
from alluse.domain.analysis import answer_analysis
from alluse.domain.market import assess_confidence, assess_health, decide_condition, score, summarize
from alluse.schemas.common import Condition, IvRegime, TrendStrength
from alluse.schemas.market import (
    AnalyzeRequest,
    Direction,
    IvSource,
    MarketAnalysis,
    MomentumAnalysis,
    PercentileOf,
    Quality,
    Scores,
    Sentiment,
    TrendAnalysis,
    VolumeAnalysis,
    VolumeCondition,
)
from trading import PROTOCOL, analysis_of, bars_of

LOW, MEDIUM, HIGH = IvRegime.LOW, IvRegime.MEDIUM, IvRegime.HIGH
UP, DOWN, FLAT = Direction.BULLISH, Direction.BEARISH, Direction.NEUTRAL
GREEN, RED, CHOP = Condition.GREEN, Condition.RED, Condition.CHOP
WEAK, MODERATE, STRONG = TrendStrength.WEAK, TrendStrength.MODERATE, TrendStrength.STRONG


@pytest.mark.parametrize(
    ("symbol", "day", "close", "hv", "forecast", "iv", "volume", "fit", "rsi", "roc", "outcome"),
    [
        ("AAPL", date(2024, 6, 18), 214.29, 0.3103, 0.3194, 0.3513, 1.130, 0.8738, 73.56, 0.1026,
         (GREEN, MEDIUM, STRONG, UP, UP, 0.90)),
        ("AAPL", date(2024, 12, 30), 252.20, 0.1630, 0.1717, 0.1888, 0.764, 0.6736, 60.19, 0.0164,
         (CHOP, LOW, MODERATE, FLAT, FLAT, 0.70)),
        ("AAPL", date(2022, 6, 16), 130.06, 0.4162, 0.4424, 0.4867, 1.156, 0.8103, 33.79, -0.1399,
         (RED, HIGH, STRONG, DOWN, DOWN, 1.00)),
        ("SP500", date(2018, 12, 24), 2351.10, 0.2438, 0.2451, 0.2697, 0.607, 0.4807, 19.21, -0.1087,
         (RED, MEDIUM, MODERATE, DOWN, DOWN, 0.70)),
        ("SP500", date(2008, 10, 10), 899.22, 0.6285, 0.5911, 0.6502, 1.623, 0.6133, 22.98, -0.2588,
         (RED, HIGH, MODERATE, DOWN, DOWN, 0.80)),
    ],
)  # fmt: skip
def test_golden_days(
    symbol: str, day: date, close: float, hv: float, forecast: float, iv: float, volume: float,
    fit: float, rsi: float, roc: float, outcome: tuple[Any, ...],
) -> None:  # fmt: skip
    found = analysis_of(symbol, day)
    details, trend, momentum = found.volatility_analysis, found.trend, found.momentum
    assert details
    assert trend
    assert momentum
    assert found.volume
    numbers = (
        found.current_price, details.historical_volatility, details.forecast_volatility, found.volatility,
        found.volume.ratio, trend.strength_score, momentum.rsi, momentum.roc_10,
    )  # fmt: skip
    assert numbers == pytest.approx((close, hv, forecast, iv, volume, fit, rsi, roc), rel=1e-3)
    words = (found.market_condition, details.regime, trend.strength, trend.direction, momentum.direction)
    assert (*words, found.confidence) == outcome


def trend(direction: Direction, strength: TrendStrength) -> TrendAnalysis:
    fit = {WEAK: 0.1, MODERATE: 0.5, STRONG: 0.9}[strength]
    return TrendAnalysis(direction=direction, strength=strength, strength_score=fit, moving_averages={})


def momentum(direction: Direction) -> MomentumAnalysis:
    return MomentumAnalysis(rsi=50, roc_10=0, direction=direction, is_overbought=False, is_oversold=False)


def volume(condition: VolumeCondition) -> VolumeAnalysis:
    return VolumeAnalysis(ratio=1, condition=condition, is_unusual=False)


@pytest.mark.parametrize(
    ("regime", "trend_", "momentum_", "busy", "points", "condition"),
    [
        (LOW, (UP, STRONG), UP, False, (7, 0, 0), GREEN),
        (LOW, (UP, MODERATE), FLAT, False, (5, 0, 1), GREEN),
        (MEDIUM, (UP, STRONG), FLAT, False, (3, 0, 2), CHOP),
        (MEDIUM, (UP, STRONG), FLAT, True, (4, 0, 2), CHOP),
        (MEDIUM, (UP, STRONG), UP, True, (6, 0, 1), GREEN),
        (LOW, (UP, WEAK), UP, False, (4, 0, 2), CHOP),
        (HIGH, (DOWN, MODERATE), DOWN, False, (0, 7, 1), RED),
        (HIGH, (DOWN, MODERATE), FLAT, False, (0, 5, 2), RED),
        (HIGH, (UP, STRONG), UP, False, (5, 2, 1), GREEN),
        (HIGH, (FLAT, STRONG), FLAT, True, (0, 3, 4), CHOP),
        (LOW, (FLAT, WEAK), DOWN, True, (2, 2, 2), CHOP),
    ],
)
def test_points_of_each_condition(
    regime: IvRegime, trend_: tuple[Direction, TrendStrength], momentum_: Direction, busy: bool,
    points: tuple[int, int, int], condition: Condition,
) -> None:  # fmt: skip
    traded = volume(VolumeCondition.HIGH) if busy else None
    found = score(regime, trend(*trend_), momentum(momentum_), traded)
    assert (found.green, found.red, found.chop) == points
    assert decide_condition(found) is condition


@pytest.mark.parametrize(
    ("points", "condition"),
    [((5, 0, 5), CHOP), ((5, 5, 0), CHOP), ((0, 5, 5), CHOP), ((4, 0, 0), CHOP), ((0, 5, 4), RED)],
)
def test_a_condition_must_beat_the_others_and_four_points(
    points: tuple[int, int, int], condition: Condition
) -> None:
    assert decide_condition(Scores(green=points[0], red=points[1], chop=points[2])) is condition


@pytest.mark.parametrize(
    ("regime", "trend_", "momentum_", "confidence"),
    [
        (MEDIUM, (FLAT, WEAK), FLAT, 0.5),
        (MEDIUM, (UP, MODERATE), DOWN, 0.6),
        (LOW, (FLAT, WEAK), UP, 0.6),
        (HIGH, (UP, STRONG), UP, 1.0),
        (MEDIUM, (FLAT, STRONG), FLAT, 0.8),
    ],
)
def test_confidence(
    regime: IvRegime, trend_: tuple[Direction, TrendStrength], momentum_: Direction, confidence: float
) -> None:
    assert assess_confidence(regime, trend(*trend_), momentum(momentum_)) == confidence


def analyze_bars(**fields: Any) -> MarketAnalysis:
    request = AnalyzeRequest.model_validate({"symbol": "ZZZ", **fields})
    return answer_analysis(request, None, market_data(), PROTOCOL)


closes = st.lists(st.floats(5e-324, 1e12), min_size=1, max_size=300)


@given(closes, st.none() | st.floats(0.01, 5.0), st.data())
@example([5e-324, 1e12] * 40, None, None)
@example([1e12] * 60, None, None)
@example([0.1] * 100, 0.2, None)
def test_any_valid_bars_are_analysed_without_a_number_that_is_none(
    values: list[float], implied: float | None, data: Any
) -> None:
    volumes = [0.0] * len(values)
    if data is not None:
        volumes = data.draw(st.lists(st.floats(0, 1e15), min_size=len(values), max_size=len(values)))
    found = analyze_bars(bars=bars_of(values, volume=volumes), implied_volatility=implied)
    assert found.quality is (Quality.OK if len(values) >= 60 else Quality.INSUFFICIENT_DATA)
    assert (found.market_condition is None) == (len(values) < 60)
    for number in numbers_in(found.model_dump()):
        assert isfinite(number)


def numbers_in(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [number for part in value.values() for number in numbers_in(part)]
    if isinstance(value, list):
        return [number for part in value for number in numbers_in(part)]
    return [value] if isinstance(value, float) else []


def test_too_few_bars_give_no_condition_and_no_suggestion() -> None:
    found = analyze_bars(historical_prices=[100.0] * 59)
    assert found.quality is Quality.INSUFFICIENT_DATA
    assert found.market_condition is found.recommendations is found.volatility is found.confidence is None
    assert "59" in found.notes[0]


def test_closes_alone_are_the_older_form_of_bars() -> None:
    values = [100.0 + place % 7 for place in range(80)]
    by_bars, by_closes = analyze_bars(bars=bars_of(values)), analyze_bars(historical_prices=values)
    assert by_closes.volatility_analysis == by_bars.volatility_analysis
    assert by_closes.scores == by_bars.scores
    assert by_closes.volume is None
    assert by_closes.data.source == "given"


def test_a_given_volatility_is_used_and_named() -> None:
    history = [0.20 + place / 1000 for place in range(100)]
    found = analyze_bars(
        historical_prices=[100.0 + p % 7 for p in range(80)], implied_volatility=0.25, iv_history=history
    )
    details = found.volatility_analysis
    assert details
    assert (found.volatility, details.iv_source) == (0.25, IvSource.GIVEN)
    assert (details.percentile, details.percentile_of) == (0.5, PercentileOf.IMPLIED)


def test_an_assumed_volatility_is_called_an_assumption_and_simulated_prices_simulated() -> None:
    found = analysis_of("TSLA", None)
    assert found.data.synthetic
    assert found.data.source == "synthetic"
    assert found.volatility_analysis
    assert found.volatility_analysis.iv_source is IvSource.SYNTHETIC
    notes = " ".join(found.recommendations.notes if found.recommendations else [])
    assert "assumed" in notes
    assert "simulated" in notes
    assert found.disclaimer


def test_the_index_has_its_quoted_volatility_where_the_data_have_it() -> None:
    request = AnalyzeRequest(symbol="SP500")
    found = answer_analysis(request, date(2018, 12, 24), market_data(), PROTOCOL)
    assert found.volatility == pytest.approx(0.3607)
    assert found.volatility_analysis
    assert found.volatility_analysis.iv_source is IvSource.INDEX
    assert found.volatility_analysis.percentile_of is PercentileOf.IMPLIED
    earlier = answer_analysis(request, date(2008, 10, 10), market_data(), PROTOCOL)
    assert earlier.volatility_analysis
    assert earlier.volatility_analysis.iv_source is IvSource.SYNTHETIC


@pytest.mark.parametrize(
    ("green", "red", "chop", "volatility", "health"),
    [
        (0.7, 0.0, 0.3, 0.29, Sentiment.EXCELLENT),
        (0.7, 0.0, 0.3, 0.30, Sentiment.GOOD),
        (0.6, 0.0, 0.4, 0.20, Sentiment.GOOD),
        (0.5, 0.0, 0.5, 0.45, Sentiment.FAIR),
        (0.0, 0.7, 0.3, 0.30, Sentiment.POOR),
        (0.3, 0.1, 0.6, 0.51, Sentiment.POOR),
        (0.3, 0.1, 0.6, 0.30, Sentiment.UNCERTAIN),
    ],
)
def test_health_of_the_market(
    green: float, red: float, chop: float, volatility: float, health: Sentiment
) -> None:
    assert assess_health({GREEN: green, RED: red, CHOP: chop}, volatility) is health


def test_a_summary_counts_only_what_is_known_and_names_the_rest() -> None:
    few = analyze_bars(historical_prices=[100.0] * 5)
    green, red = analysis_of("AAPL", date(2024, 6, 18)), analysis_of("AAPL", date(2022, 6, 16))
    assert summarize([green, green, red, few], None).sentiment is GREEN
    tied = summarize([green, red, few], None)
    assert tied.sentiment is CHOP
    assert tied.insufficient_data == ["ZZZ"]
    assert tied.conditions == {GREEN: 1, RED: 1, CHOP: 0}
    assert tied.average_implied_volatility == pytest.approx((0.3513 + 0.4867) / 2, rel=1e-3)
    nothing = summarize([few], None)
    assert nothing.sentiment is nothing.market_health is nothing.average_implied_volatility is None
