"""Wire types of market-analyzer: what is asked about a symbol and what is answered.

`volatility` at the top of an analysis is a number, the implied volatility, because that is what sizing
and delta selection take; its parts are in `volatility_analysis`.
"""

from datetime import date
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from alluse.schemas.base import DISCLAIMER, Answer, Request
from alluse.schemas.common import (
    MAX_BARS,
    Bar,
    Bars,
    Condition,
    Day,
    Fraction,
    IvRegime,
    PositiveMoney,
    Symbol,
    TrendStrength,
    Volatility,
)
from alluse.schemas.protocol import Band


class Direction(StrEnum):
    """Where a trend or a momentum points."""

    BULLISH = "bullish"
    BEARISH = "bearish"
    NEUTRAL = "neutral"


class Quality(StrEnum):
    """Whether there were enough bars to compute with."""

    OK = "ok"
    INSUFFICIENT_DATA = "insufficient_data"


class IvSource(StrEnum):
    """Where an implied volatility comes from; `synthetic` is an assumption, not a quote."""

    GIVEN = "given"
    INDEX = "index"
    SYNTHETIC = "synthetic"


class PercentileOf(StrEnum):
    """Whose history a volatility percentile ranks in: implied, or (for want of it) historical."""

    IMPLIED = "implied"
    HISTORICAL = "historical"


class VolumeCondition(StrEnum):
    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


class Strategy(StrEnum):
    """What a condition suggests for the sale of options."""

    AGGRESSIVE_PREMIUM_SELLING = "aggressive_premium_selling"
    DEFENSIVE = "defensive"
    CONSERVATIVE = "conservative"


class Sentiment(StrEnum):
    """Health of the market over several symbols."""

    EXCELLENT = "excellent"
    GOOD = "good"
    FAIR = "fair"
    UNCERTAIN = "uncertain"
    POOR = "poor"


class DataSource(Answer):
    """Where the bars come from. `source` is `given`, `synthetic` or the name of the package."""

    source: str
    synthetic: bool
    bars: int
    first_bar: Day | None
    last_bar: Day | None


class VolatilityAnalysis(Answer):
    """Yearly volatilities. `percentile` ranks today's value among the last 252 of `percentile_of`."""

    implied_volatility: float
    iv_source: IvSource
    historical_volatility: float
    forecast_volatility: float
    regime: IvRegime
    percentile: Fraction | None
    percentile_of: PercentileOf | None
    iv_hv_ratio: float | None
    is_elevated: bool
    atr_14: float | None


class TrendAnalysis(Answer):
    """`strength_score` is R² of the log closes against time over 50 days."""

    direction: Direction
    strength: TrendStrength
    strength_score: Fraction
    moving_averages: dict[str, float]


class MomentumAnalysis(Answer):
    rsi: Annotated[float, Field(ge=0, le=100)]
    roc_10: float
    direction: Direction
    is_overbought: bool
    is_oversold: bool


class VolumeAnalysis(Answer):
    ratio: float
    condition: VolumeCondition
    is_unusual: bool


class Scores(Answer):
    """Points for each condition; the winner needs more than the others and more than 4."""

    green: int
    red: int
    chop: int


class Recommendations(Answer):
    """What the rules suggest. Without a `delta_band` the account's own band holds."""

    strategy: Strategy
    delta_band: Band | None
    size_multiplier: float
    notes: list[str]


class MarketAnalysis(Answer):
    """Everything known about a symbol on a day.

    With `quality` insufficient_data every reading is null: nothing was computed and nothing is suggested.
    `confidence` is a score of rules between 0 and 1, not a probability.
    """

    symbol: str
    as_of: Day | None
    current_price: float
    quality: Quality
    market_condition: Condition | None = None
    confidence: Fraction | None = None
    confidence_score: Fraction | None = None
    volatility: float | None = Field(default=None, description="implied volatility, a yearly fraction")
    volatility_analysis: VolatilityAnalysis | None = None
    trend: TrendAnalysis | None = None
    momentum: MomentumAnalysis | None = None
    volume: VolumeAnalysis | None = None
    scores: Scores | None = None
    recommendations: Recommendations | None = None
    data: DataSource
    notes: list[str] = Field(default_factory=list)
    disclaimer: str = DISCLAIMER


class AnalyzeRequest(Request):
    """A symbol, with bars of the caller or (without) the shipped ones up to `as_of`.

    `historical_prices` is the older form of `bars`: closes alone, oldest first.
    """

    symbol: Symbol
    bars: Annotated[Bars, Field(min_length=1)] | None = None
    historical_prices: Annotated[list[PositiveMoney], Field(min_length=1, max_length=MAX_BARS)] | None = None
    current_price: PositiveMoney | None = None
    implied_volatility: Volatility | None = None
    iv_history: Annotated[list[Volatility], Field(max_length=MAX_BARS)] | None = None
    as_of: Day | None = None

    @model_validator(mode="after")
    def _one_history(self) -> Self:
        if self.bars is not None and self.historical_prices is not None:
            raise ValueError("give bars or historical_prices, not both")
        return self


class SummaryRequest(Request):
    """Several symbols on one day."""

    symbols: Annotated[list[Symbol], Field(min_length=1, max_length=50)]
    as_of: Day | None = None


class MarketSummary(Answer):
    """The market over several symbols; those without enough data are named and do not count."""

    as_of: date | None
    conditions: dict[Condition, int]
    average_implied_volatility: float | None
    sentiment: Condition | None
    market_health: Sentiment | None
    symbols: dict[str, Condition | None]
    insufficient_data: list[str]
    synthetic: list[str]
    disclaimer: str = DISCLAIMER


class BarsRequest(Request):
    """Bars between two days, both included; at most the latest 2,600."""

    symbol: Symbol
    since: Day | None = Field(default=None, alias="from")
    until: Day | None = Field(default=None, alias="to")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.since and self.until and self.since > self.until:
            raise ValueError("from is later than to")
        return self


class BarsAnswer(Answer):
    symbol: str
    data: DataSource
    bars: list[Bar]


class ReturnsRequest(Request):
    """The last `days` returns of each symbol up to `as_of`."""

    symbols: Annotated[list[Symbol], Field(min_length=1, max_length=50)]
    days: Annotated[int, Field(ge=1, le=MAX_BARS)] = 252
    as_of: Day | None = None


class ReturnsAnswer(Answer):
    """Daily simple returns of the adjusted closes on the dates that all symbols share, oldest first."""

    dates: list[date]
    returns: dict[str, list[float]]
    data: dict[str, DataSource]


class SymbolEntry(Answer):
    symbol: str
    name: str
    data: DataSource


class SymbolsAnswer(Answer):
    symbols: list[SymbolEntry]


class Holding(StrEnum):
    """What the account holds in the symbol at the end of the week."""

    CASH = "cash"
    SHORT_PUT = "short_put"
    LONG_STOCK = "long_stock"
    SHORT_CALL = "short_call"


class WeekRequest(Request):
    """A holding and the week's close. A put needs `strike`, stock and calls need `cost_basis`, cash needs
    `market_condition`."""

    position: Holding
    close: PositiveMoney
    strike: PositiveMoney | None = None
    cost_basis: PositiveMoney | None = None
    can_roll: bool = False
    market_condition: Condition | None = None


class WeekType(StrEnum):
    """The protocol's names of weeks: P of puts, C of calls and stock, W of nothing."""

    PUT_EARNS_PREMIUM = "P-EW"
    PUT_ASSIGNMENT_WITHIN_LIMIT = "P-AWL"
    PUT_ASSIGNMENT_OVER_LIMIT = "P-AOL"
    PUT_ROLLED_OVER = "P-RO"
    DRAWDOWN = "P-DD"
    CALL_WITH_APPRECIATION_PLUS = "C-WAP+"
    CALL_WITH_APPRECIATION = "C-WAP"
    CALL_PREMIUM_ONLY = "C-PNO"
    CALL_ROLLED_OVER = "C-RO"
    CALL_RECOVERY = "C-REC"
    IDLE = "W-IDL"


class WeekAnswer(Answer):
    """The week's type and the move that decided it, a fraction of strike or cost basis."""

    week_type: WeekType
    move: float | None
    capital_preservation: bool
    disclaimer: str = DISCLAIMER
