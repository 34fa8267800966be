"""Wire types of position-sizer: an account, a market and an option in; capital and contracts out.

Money is in USD, prices are per share, capital and losses are of whole contracts (100 shares).
"""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from alluse.schemas.base import DISCLAIMER, Answer, Request
from alluse.schemas.common import (
    AccountType,
    Condition,
    Day,
    Fraction,
    OptionType,
    Portfolio,
    PositiveMoney,
    RiskAppetite,
    Symbol,
    Volatility,
)
from alluse.schemas.market import MarketAnalysis

#: A negative rate would make every premium look like an edge.
Rate = Annotated[float, Field(ge=0, le=0.5)]
DaysToExpiry = Annotated[int, Field(ge=1, le=730)]
TargetDelta = Annotated[float, Field(gt=0, lt=1)]


class Basis(StrEnum):
    """What a short put ties up: the exchange's margin rule, or the whole strike in cash."""

    MARGIN = "margin"
    CASH_SECURED = "cash_secured"


class Blocked(StrEnum):
    """Why nothing is to be traded; the first that holds."""

    NO_PRICE = "no_price"
    NO_VOLATILITY = "no_volatility"
    NO_FORECAST = "no_forecast"
    CHOP_WEEK = "chop_week"
    DRAWDOWN_PROTECTION = "drawdown_protection"
    DRAWDOWN_LIMIT = "drawdown_limit"
    NO_EDGE = "no_edge"
    POSITION_CAP = "position_cap"
    EXPOSURE_CAP = "exposure_cap"
    NOTIONAL_CAP = "notional_cap"
    SECTOR_CAP = "sector_cap"
    CORRELATED_CAP = "correlated_cap"
    CASH = "cash"
    USER_CAP = "user_cap"
    MIN_TICKET = "min_ticket"


class RiskPreferences(Request):
    """What the user said: appetite, and the most capital (USD) that one position may take."""

    risk_level: RiskAppetite = RiskAppetite.MODERATE
    max_position_size: PositiveMoney | None = None


class OptionTerms(Request):
    """The option to be sold. Without a strike it follows from `target_delta` (absolute), without that
    from the middle of the account's band. Without a premium the option is priced."""

    type: OptionType = OptionType.PUT
    strike: PositiveMoney | None = None
    target_delta: TargetDelta | None = None
    dte: DaysToExpiry = 7
    premium: PositiveMoney | None = None

    @model_validator(mode="after")
    def _one_strike(self) -> Self:
        if self.strike is not None and self.target_delta is not None:
            raise ValueError("give strike or target_delta, not both")
        return self


class SizeRequest(Request):
    """How much may this account put into one short put or covered call?

    A value given here wins over the same value inside `market_analysis`. `exposure_factor` is that of
    drawdown-protection (1 when nothing is wrong). `correlations` are those of the held symbols with this
    one; without them the correlated cap cannot be tested.
    """

    account_type: AccountType
    account_balance: PositiveMoney
    symbol: Symbol | None = None
    market_condition: Condition | None = None
    volatility: Volatility | None = Field(default=None, description="implied volatility")
    forecast_volatility: Volatility | None = None
    current_price: PositiveMoney | None = None
    market_analysis: MarketAnalysis | None = None
    option: OptionTerms = OptionTerms()
    portfolio: Portfolio | None = None
    correlations: dict[Symbol, Annotated[float, Field(ge=-1, le=1)]] | None = None
    risk_preferences: RiskPreferences = RiskPreferences()
    exposure_factor: Fraction = 1.0
    basis: Basis = Basis.MARGIN
    entry_date: Day | None = None
    r: Rate = 0.02


class Kelly(Answer):
    """`edge` is the expected return on capital of one trade, `f_star` the growth-optimal share of the
    account, `used_fraction` the share after all factors and before the caps."""

    edge: float
    f_star: Fraction
    used_fraction: float


class Factors(Answer):
    """Multipliers of f_star; `multipliers` is the product of those from condition to protection."""

    kelly_fraction: float
    volatility: float
    condition: float
    iv_regime: float
    trend: float
    confidence: float
    appetite: float
    protection: float
    multipliers: float


class Caps(Answer):
    """Most capital (USD) that each limit leaves for the position; null where the limit does not apply."""

    position: float
    exposure: float
    notional: float | None
    sector: float | None
    correlated: float | None
    cash: float
    user: float | None


class CapitalPerContract(Answer):
    """USD that one contract ties up on either basis."""

    margin: float
    cash_secured: float


class SizedOption(Answer):
    """The option that was sized; prices per share."""

    type: OptionType
    spot: float
    strike: float
    dte: int
    premium: float
    premium_source: str
    capital_per_share: float


class SizeAnswer(Answer):
    """Capital and contracts. Zero is an answer; `blocked_by` says why.

    `position_size` is the capital that the rules allow, `capital_used` what whole contracts take of it.
    `max_loss` is that of the underlying falling to zero, `loss_at_shock` that of the protocol's tail shock.
    """

    account_type: AccountType
    symbol: str | None
    position_size: float
    contracts: int
    capital_per_contract: float | None
    capital_used: float
    capital: CapitalPerContract | None
    notional: float
    premium_total: float
    option: SizedOption | None
    kelly: Kelly | None
    factors: Factors | None
    caps: Caps | None
    binding: str | None
    blocked_by: Blocked | None
    smallest_balance: float | None = Field(description="account balance from which one contract would fit")
    max_loss: float
    loss_at_shock: float
    var_95_1day: float
    var_99_1day: float
    basis: Basis
    rationale: list[str]
    warnings: list[str]
    disclaimer: str = DISCLAIMER


class SizeBatchRequest(Request):
    requests: Annotated[list[SizeRequest], Field(min_length=1, max_length=50)]


class SizeBatchAnswer(Answer):
    results: list[SizeAnswer]
    disclaimer: str = DISCLAIMER
