"""What kind of week a symbol is in: indicators, points for each condition, confidence, suggestions.

The points, thresholds and multipliers are those of the protocol. Bars come in as a `History`; nothing
here knows where they are from. Under 60 bars nothing is computed, because a condition that rests on too
few days looks like any other.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from alluse.domain import indicators
from alluse.domain.errors import InvalidInputError
from alluse.schemas.common import Bar, Condition, IvRegime, TrendStrength
from alluse.schemas.market import (
    DataSource,
    Direction,
    IvSource,
    MarketAnalysis,
    MarketSummary,
    MomentumAnalysis,
    PercentileOf,
    Quality,
    Recommendations,
    Scores,
    Sentiment,
    Strategy,
    TrendAnalysis,
    VolatilityAnalysis,
    VolumeAnalysis,
    VolumeCondition,
)
from alluse.schemas.protocol import Band, Protocol

LEAST_BARS = 60
MOVING_AVERAGES = (10, 20, 50)
#: A condition needs more points than this, and more than each of the others.
DECISIVE_SCORE = 4
#: Implied over historical volatility from which options count as dear, as in the delta rule.
ELEVATED_RATIO = 1.5

Series = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class History:
    """Bars of one symbol, oldest first, as arrays of equal length; what a source lacks is None."""

    closes: Series
    volumes: Series | None = None
    highs: Series | None = None
    lows: Series | None = None
    last_date: date | None = None

    @classmethod
    def of_bars(cls, bars: Sequence[Bar]) -> "History":
        """Bars as arrays. A field counts as present only when the bars that the rules look at have it."""

        def column(values: Iterable[float | None], needed: int) -> Series | None:
            known = list(values)
            if any(value is None for value in known[-needed:]):
                return None
            return np.array([0.0 if value is None else value for value in known])

        return cls(
            closes=np.array([bar.close for bar in bars]),
            volumes=column((bar.volume for bar in bars), 21),
            highs=column((bar.high for bar in bars), indicators.TRADING_DAYS),
            lows=column((bar.low for bar in bars), indicators.TRADING_DAYS),
            last_date=bars[-1].date if bars else None,
        )


@dataclass(frozen=True, slots=True)
class QuotedVolatility:
    """An implied volatility that somebody quoted, with the values it had before (may be empty)."""

    value: float
    source: IvSource
    history: tuple[float, ...] = ()


def analyze(
    symbol: str,
    history: History,
    data: DataSource,
    protocol: Protocol,
    *,
    quoted: QuotedVolatility | None = None,
    current_price: float | None = None,
) -> MarketAnalysis:
    """Classify a symbol on the last day of its history.

    Without a quoted implied volatility it is assumed to be the forecast plus the protocol's premium, and
    labelled so. `current_price` replaces the last close where the price is compared with the averages.
    """
    closes = history.closes
    if len(closes) == 0:
        raise InvalidInputError("bars", "there is no bar")
    price = float(closes[-1]) if current_price is None else current_price
    if len(closes) < LEAST_BARS:
        return MarketAnalysis(
            symbol=symbol,
            as_of=history.last_date,
            current_price=price,
            quality=Quality.INSUFFICIENT_DATA,
            data=data,
            notes=[f"{len(closes)} bars are too few; {LEAST_BARS} are needed, so nothing is computed"],
        )
    volatility = assess_volatility(history, quoted, protocol)
    trend = assess_trend(closes, price)
    momentum = assess_momentum(closes)
    volume = assess_volume(history.volumes)
    scores = score(volatility.regime, trend, momentum, volume)
    condition = decide_condition(scores)
    confidence = assess_confidence(volatility.regime, trend, momentum)
    return MarketAnalysis(
        symbol=symbol,
        as_of=history.last_date,
        current_price=price,
        quality=Quality.OK,
        market_condition=condition,
        confidence=confidence,
        confidence_score=confidence,
        volatility=volatility.implied_volatility,
        volatility_analysis=volatility,
        trend=trend,
        momentum=momentum,
        volume=volume,
        scores=scores,
        recommendations=recommend(condition, volatility, data),
        data=data,
        notes=[] if volume else ["the bars have no usable volume; it gives no points"],
    )


def assess_volatility(
    history: History, quoted: QuotedVolatility | None, protocol: Protocol
) -> VolatilityAnalysis:
    """Historical, forecast and implied volatility of at least 60 closes."""
    returns = indicators.log_returns(history.closes)
    historical = indicators.historical_volatility(returns)
    forecast = indicators.forecast_volatility(returns)
    if quoted is None:
        implied, source = forecast * (1.0 + protocol.synthetic_iv_premium), IvSource.SYNTHETIC
    else:
        implied, source = quoted.value, quoted.source
    percentile_of = None
    percentile = None
    if quoted is not None and quoted.history:
        percentile = indicators.share_below(np.array(quoted.history), implied)
        percentile_of = PercentileOf.IMPLIED
    if percentile is None:
        percentile = indicators.share_below(indicators.rolling_volatility(returns), historical)
        percentile_of = None if percentile is None else PercentileOf.HISTORICAL
    ratio = implied / historical if historical > 0.0 else None
    regime = IvRegime.of(implied)
    atr = None
    if history.highs is not None and history.lows is not None:
        atr = indicators.average_true_range(history.highs, history.lows, history.closes)
    return VolatilityAnalysis(
        implied_volatility=implied,
        iv_source=source,
        historical_volatility=historical,
        forecast_volatility=forecast,
        regime=regime,
        percentile=percentile,
        percentile_of=percentile_of,
        iv_hv_ratio=ratio,
        is_elevated=regime is IvRegime.HIGH or (ratio is not None and ratio > ELEVATED_RATIO),
        atr_14=atr,
    )


def assess_trend(closes: Series, price: float) -> TrendAnalysis:
    """Direction from the order of price and averages, strength from R²; needs 50 closes."""
    averages = {window: indicators.moving_average(closes, window) for window in MOVING_AVERAGES}
    fast, middle, slow = (averages[window] for window in MOVING_AVERAGES)
    direction = Direction.NEUTRAL
    if price > fast > middle > slow:
        direction = Direction.BULLISH
    elif price < fast < middle < slow:
        direction = Direction.BEARISH
    fit = indicators.trend_fit(closes)
    return TrendAnalysis(
        direction=direction,
        strength=TrendStrength.of(fit),
        strength_score=fit,
        moving_averages={str(window): value for window, value in averages.items()},
    )


def assess_momentum(closes: Series) -> MomentumAnalysis:
    rsi, roc = indicators.relative_strength(closes), indicators.rate_of_change(closes)
    direction = Direction.NEUTRAL
    if rsi > 60.0 and roc > 0.02:
        direction = Direction.BULLISH
    elif rsi < 40.0 and roc < -0.02:
        direction = Direction.BEARISH
    return MomentumAnalysis(
        rsi=rsi, roc_10=roc, direction=direction, is_overbought=rsi > 70.0, is_oversold=rsi < 30.0
    )


def assess_volume(volumes: Series | None) -> VolumeAnalysis | None:
    ratio = None if volumes is None else indicators.volume_ratio(volumes)
    if ratio is None:
        return None
    condition = VolumeCondition.NORMAL
    if ratio > 1.5:
        condition = VolumeCondition.HIGH
    elif ratio < 0.5:
        condition = VolumeCondition.LOW
    return VolumeAnalysis(ratio=ratio, condition=condition, is_unusual=ratio > 2.0 or ratio < 0.3)


def score(
    regime: IvRegime, trend: TrendAnalysis, momentum: MomentumAnalysis, volume: VolumeAnalysis | None
) -> Scores:
    """Points for each condition."""
    points = Counter({Condition.GREEN: 0, Condition.RED: 0, Condition.CHOP: 0})
    points.update(
        {
            IvRegime.LOW: {Condition.GREEN: 2},
            IvRegime.MEDIUM: {Condition.CHOP: 1},
            IvRegime.HIGH: {Condition.RED: 2, Condition.CHOP: 1},
        }[regime]
    )
    leaning = {Direction.BULLISH: Condition.GREEN, Direction.BEARISH: Condition.RED}
    if trend.direction in leaning and trend.strength is not TrendStrength.WEAK:
        points[leaning[trend.direction]] += 3
    else:
        points[Condition.CHOP] += 2
    if momentum.direction in leaning:
        points[leaning[momentum.direction]] += 2
    else:
        points[Condition.CHOP] += 1
    if volume is not None and volume.condition is VolumeCondition.HIGH:
        difference = points[Condition.GREEN] - points[Condition.RED]
        if difference != 0:
            points[Condition.GREEN if difference > 0 else Condition.RED] += 1
    return Scores(green=points[Condition.GREEN], red=points[Condition.RED], chop=points[Condition.CHOP])


def decide_condition(scores: Scores) -> Condition:
    """Green or Red when it has more than 4 points and more than the others; else Chop."""
    if scores.green > max(scores.red, scores.chop, DECISIVE_SCORE):
        return Condition.GREEN
    if scores.red > max(scores.green, scores.chop, DECISIVE_SCORE):
        return Condition.RED
    return Condition.CHOP


def assess_confidence(regime: IvRegime, trend: TrendAnalysis, momentum: MomentumAnalysis) -> float:
    """A score of rules between 0 and 1; how often it is right has not been measured."""
    tenths = 5 + {TrendStrength.STRONG: 2, TrendStrength.MODERATE: 1, TrendStrength.WEAK: 0}[trend.strength]
    tenths += trend.strength_score > 0.70
    tenths += regime is not IvRegime.MEDIUM
    tenths += trend.direction is momentum.direction and trend.direction is not Direction.NEUTRAL
    return min(tenths, 10) / 10


def recommend(condition: Condition, volatility: VolatilityAnalysis, data: DataSource) -> Recommendations:
    """Strategy, band and size multiplier of a condition and a volatility regime."""
    strategy, band, multiplier = {
        Condition.GREEN: (Strategy.AGGRESSIVE_PREMIUM_SELLING, None, 1.2),
        Condition.RED: (Strategy.DEFENSIVE, Band(low=0.20, high=0.30), 0.7),
        Condition.CHOP: (Strategy.CONSERVATIVE, Band(low=0.25, high=0.35), 0.9),
    }[condition]
    multiplier *= {IvRegime.LOW: 1.1, IvRegime.MEDIUM: 1.0, IvRegime.HIGH: 0.8}[volatility.regime]
    notes = ["confidence is a score of rules, not a probability"]
    if volatility.iv_source is IvSource.SYNTHETIC:
        notes.append(
            "implied volatility is assumed from the forecast, not quoted: an edge exists by assumption"
        )
    if data.synthetic:
        notes.append("the prices are simulated, not observed")
    return Recommendations(strategy=strategy, delta_band=band, size_multiplier=multiplier, notes=notes)


def summarize(analyses: Sequence[MarketAnalysis], as_of: date | None) -> MarketSummary:
    """Sentiment is the most frequent condition (ties are Chop); symbols without enough data do not count."""
    known = [analysis for analysis in analyses if analysis.market_condition is not None]
    counts = Counter(analysis.market_condition for analysis in known)
    volatilities = [analysis.volatility for analysis in known if analysis.volatility is not None]
    average = sum(volatilities) / len(volatilities) if volatilities else None
    sentiment = health = None
    if known and average is not None:
        ranking = counts.most_common(2)
        tied = len(ranking) == 2 and ranking[0][1] == ranking[1][1]
        sentiment = Condition.CHOP if tied else ranking[0][0]
        health = assess_health({word: counts[word] / len(known) for word in Condition}, average)
    return MarketSummary(
        as_of=as_of,
        conditions={word: counts[word] for word in Condition},
        average_implied_volatility=average,
        sentiment=sentiment,
        market_health=health,
        symbols={analysis.symbol: analysis.market_condition for analysis in analyses},
        insufficient_data=[analysis.symbol for analysis in analyses if analysis.market_condition is None],
        synthetic=[analysis.symbol for analysis in analyses if analysis.data.synthetic],
    )


def assess_health(shares: dict[Condition, float], average_volatility: float) -> Sentiment:
    """Health from the share of each condition and the mean implied volatility; first rule that fits."""
    if shares[Condition.GREEN] > 0.6 and average_volatility < 0.3:
        return Sentiment.EXCELLENT
    if shares[Condition.GREEN] > 0.4 and average_volatility < 0.4:
        return Sentiment.GOOD
    if shares[Condition.RED] > 0.6 or average_volatility > 0.5:
        return Sentiment.POOR
    return Sentiment.UNCERTAIN if shares[Condition.CHOP] > 0.5 else Sentiment.FAIR
