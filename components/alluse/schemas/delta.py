"""Wire types of delta-selector: which option to sell, and what that means.

Deltas are absolute fractions between 0 and 1 except `signed_delta` and fields ending `_delta_points`
(one point is 0.01). Prices are per share in USD.
"""

from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from alluse.schemas.base import DISCLAIMER, Answer, Request
from alluse.schemas.chain import ChainEntry, ListedOption
from alluse.schemas.common import (
    AccountType,
    Condition,
    Day,
    Fraction,
    OptionType,
    PositiveMoney,
    RiskLevel,
    Symbol,
    Volatility,
)
from alluse.schemas.market import MarketAnalysis
from alluse.schemas.sizing import DaysToExpiry, Rate, RiskPreferences


class RangeName(StrEnum):
    """Ranges of delta by the risk that they carry, ascending."""

    CONSERVATIVE = "Conservative"
    MODERATE = "Moderate"
    AGGRESSIVE = "Aggressive"
    VERY_AGGRESSIVE = "Very_Aggressive"


class ClampedBy(StrEnum):
    """The bound that changed the rule's delta."""

    BAND_TOP = "band_top"
    SYMBOL_MAXIMUM = "symbol_maximum"
    SYMBOL_MINIMUM = "symbol_minimum"
    MAXIMUM = "maximum"
    MINIMUM = "minimum"


class SelectRequest(Request):
    """Which delta should this account sell? A value given here wins over that in `market_analysis`.

    `expiry` may replace `dte` where the day of the decision is known (`as_of`, or that of the analysis).
    """

    account_type: AccountType
    symbol: Symbol | None = None
    option_type: OptionType = OptionType.PUT
    market_condition: Condition | None = None
    volatility: Volatility | None = Field(default=None, description="implied volatility")
    forecast_volatility: Volatility | None = None
    market_analysis: MarketAnalysis | None = None
    spot: PositiveMoney | None = None
    dte: DaysToExpiry = 7
    expiry: Day | None = None
    as_of: Day | None = None
    risk_preferences: RiskPreferences = RiskPreferences()
    r: Rate = 0.02
    q: Rate = 0.0
    chain: Annotated[list[ChainEntry], Field(min_length=1, max_length=500)] | None = None


class DeltaRange(Answer):
    name: RangeName
    low: Fraction
    high: Fraction


class Adjustment(Answer):
    """One rule that spoke, in delta points."""

    name: str
    delta_points: int


class ExpectedMetrics(Answer):
    """Probabilities are risk-neutral, from the implied volatility. `expected_value` is premium less the
    value at the forecast volatility; `theta_per_day` is what the seller earns while nothing moves."""

    prob_otm: Fraction
    prob_touch: Fraction
    expected_value: float | None
    theta_per_day: float | None


class RiskAssessment(Answer):
    overall_risk_level: RiskLevel
    assignment_probability: Fraction | None
    trend_risk: RiskLevel


class Alternative(Answer):
    """A neighbouring delta that the bounds allow."""

    delta: Fraction
    strike: float | None
    theoretical_price: float | None
    prob_itm: Fraction | None


class SelectAnswer(Answer):
    """The delta that the rules select; strike and price where spot and volatility are known."""

    account_type: AccountType
    symbol: str | None
    option_type: OptionType
    selected_delta: Fraction
    signed_delta: float
    delta_range: DeltaRange
    base_delta: Fraction
    adjustments: list[Adjustment]
    raw_delta: float
    clamped_by: ClampedBy | None
    outside_band: bool
    dte: int
    expiry: date | None
    strike: float | None
    theoretical_price: float | None
    premium_yield: float | None
    listed: ListedOption | None
    expected_metrics: ExpectedMetrics | None
    risk_assessment: RiskAssessment
    alternatives: list[Alternative]
    rationale: list[str]
    warnings: list[str]
    disclaimer: str = DISCLAIMER


class SelectBatchRequest(Request):
    requests: Annotated[list[SelectRequest], Field(min_length=1, max_length=50)]


class SelectBatchAnswer(Answer):
    """`diversification` is the entropy of the ranges over its maximum (log₂ 4); `mean_risk` runs from 1
    (all Conservative) to 4 (all Very_Aggressive)."""

    results: list[SelectAnswer]
    distribution: dict[RangeName, int]
    diversification: Fraction
    mean_delta: Fraction
    mean_risk: Annotated[float, Field(ge=1, le=4)]
    disclaimer: str = DISCLAIMER
