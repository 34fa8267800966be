"""Wire types of portfolio-risk-monitor: what it is asked, what it answers, what it keeps watching.

Losses are positive. A `ratio` is a fraction of the portfolio's total value; `score` parts run from 0 (none)
to 1 (limit reached or not known).
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from alluse.schemas.base import Answer, Request
from alluse.schemas.common import Day, Identifier, Money, Portfolio, RiskLevel, Severity, Symbol

#: A daily return below this would have left less than a hundredth of a percent.
DailyReturn = Annotated[float, Field(gt=-0.9999, le=10)]
MAX_RETURNS = 2600


class Method(StrEnum):
    """How the distribution of tomorrow's loss is formed.

    `auto` is Monte Carlo when there is an option, else historical, else (too short a history) parametric.
    """

    AUTO = "auto"
    HISTORICAL = "historical"
    PARAMETRIC = "parametric"
    MONTE_CARLO = "monte_carlo"


class DataQuality(StrEnum):
    """Whether the loss figures rest on returns of every position.

    `synthetic`: some returns are drawn from a model. `partial`: some position is counted by its given
    volatility or a careful assumption, or not at all. Only `ok` can be of Low risk.
    """

    OK = "ok"
    SYNTHETIC = "synthetic"
    PARTIAL = "partial"
    INSUFFICIENT_DATA = "insufficient_data"


class AssessRequest(Portfolio):
    """A portfolio, optionally with its own market data instead of the shipped ones.

    `returns`: simple daily returns of each symbol, oldest first, ending on the same day. `pnl_history`:
    profit of each past day in USD, oldest first; it gives the drawdown the portfolio really had. The body
    may also be wrapped as `{"portfolio": {...}, ...}`.
    """

    returns: dict[Symbol, Annotated[list[DailyReturn], Field(max_length=MAX_RETURNS)]] | None = None
    pnl_history: Annotated[list[Money], Field(max_length=MAX_RETURNS)] | None = None
    method: Method = Method.AUTO

    @model_validator(mode="before")
    @classmethod
    def _unwrapped(cls, data: object) -> object:
        return unwrapped(data)


def unwrapped(data: object) -> object:
    """The body with the fields of its `portfolio` member, if it has one, beside its others."""
    if isinstance(data, dict) and isinstance(data.get("portfolio"), dict):
        inner: dict[str, Any] = data["portfolio"]
        outer = {name: value for name, value in data.items() if name != "portfolio"}
        if twice := sorted(inner.keys() & outer.keys()):
            raise ValueError(f"{', '.join(twice)} given both beside and inside portfolio")
        return {**inner, **outer}
    return data


class Figure(Answer):
    """A loss in USD and as a fraction of the total value."""

    usd: float
    ratio: float


class ValueAtRisk(Answer):
    """Losses of the next day that are exceeded with probability 1 − level.

    `complete` is false when a position could not be measured: the figures are then lower bounds.
    """

    method: Method
    level_95: Figure = Field(alias="0.95")
    level_99: Figure = Field(alias="0.99")
    horizon_days: int = 1
    complete: bool = True


class Shortfall(Answer):
    """Mean loss of the days on which the value at risk is reached."""

    level_95: Figure = Field(alias="0.95")
    level_99: Figure = Field(alias="0.99")


class ConcentrationFigures(Answer):
    """How much rests on few issuers."""

    hhi: float
    normalized: float
    largest_weight: float
    largest_issuer: str | None = None
    effective_positions: float


class CorrelationPair(Answer):
    symbols: tuple[str, str]
    value: float


class CorrelationFigures(Answer):
    """How alike the positions move over the last 63 days; null with fewer than two of them."""

    average: float | None
    max_pair: CorrelationPair | None = None
    score: float


class RiskComponent(Answer):
    """One part of the score: min(1, value/limit), or 1 where `complete` is false."""

    name: str
    value: float | None
    limit: float
    ratio: float | None
    score: float
    weight: float
    complete: bool = True


class Breach(Answer):
    """A limit that is exceeded, or in `warnings` one that is nearly reached."""

    name: str
    kind: str
    level: RiskLevel
    severity: Severity
    value: float
    limit: float
    ratio: float
    message: str
    recommended_action: str


class DataUsed(Answer):
    """What the figures rest on."""

    observations: int
    last_date: date | None = None
    synthetic: list[str] = Field(default_factory=list)
    by_volatility: list[str] = Field(default_factory=list)
    unmeasured: list[str] = Field(default_factory=list)
    without_volume: list[str] = Field(default_factory=list)
    assumptions: list[str] = Field(default_factory=list)


class Assessment(Answer):
    """The risk of a portfolio on a day."""

    portfolio_id: str
    as_of: date
    total_value: float
    peak_value: float
    overall_risk_level: RiskLevel
    risk_score: float
    var: ValueAtRisk | None
    cvar: Shortfall | None
    volatility: float | None
    beta: float | None
    current_drawdown: float
    max_drawdown: float | None
    concentration: ConcentrationFigures
    correlation: CorrelationFigures
    liquidity_score: float | None
    components: list[RiskComponent]
    breaches: list[Breach]
    warnings: list[Breach]
    data_quality: DataQuality
    data: DataUsed


class WatchRequest(Portfolio):
    """A portfolio to be watched, as it stands now.

    `net_flows`: all deposits less all withdrawals since it is watched, USD. Because it is the sum of all,
    sending it twice changes nothing; the peak moves with its change. Left out, it is unchanged.
    """

    net_flows: Money | None = None


class HistoryEntry(Answer):
    """One stored result, short."""

    at: datetime
    as_of: date
    total_value: float
    overall_risk_level: RiskLevel
    risk_score: float
    var_95_ratio: float | None
    current_drawdown: float
    breaches: list[str]


class AlertEntry(Answer):
    """A limit that was broken or is kept again."""

    at: datetime
    kind: str
    state: Annotated[str, Field(pattern="^(breach|cleared)$")]
    level: RiskLevel
    value: float | None
    limit: float


class WatchedPortfolio(Answer):
    """A portfolio that is assessed again and again, with its latest result.

    `problem` says why the latest attempt gave none; the breaches known before stay in force.
    """

    portfolio_id: str
    portfolio: Portfolio
    peak_value: float
    net_flows: float
    revision: int
    updated_at: datetime
    assessed_at: datetime | None = None
    assessment: Assessment | None = None
    problem: str | None = None
    history: list[HistoryEntry] = Field(default_factory=list)
    alerts: list[AlertEntry] = Field(default_factory=list)


class PortfolioQuery(Request):
    """Which portfolio, and how many of its past results (newest first)."""

    portfolio_id: Identifier
    history: Annotated[int, Field(ge=0, le=1000)] = 0


class PortfolioPath(Request):
    portfolio_id: Identifier


class WatchedSummary(Answer):
    """One line of the list of watched portfolios."""

    portfolio_id: str
    total_value: float
    peak_value: float
    assessed_at: datetime | None = None
    overall_risk_level: RiskLevel | None = None
    risk_score: float | None = None
    problem: str | None = None


class WatchedList(Answer):
    portfolios: list[WatchedSummary]


class BacktestQuery(Request):
    """Which watched portfolio to test, at which level, over how many days of forecasts."""

    portfolio_id: Identifier
    level: Annotated[float, Field(ge=0.9, lt=1)] = 0.95
    days: Annotated[int, Field(ge=50, le=2000)] = 250
    method: Method = Method.PARAMETRIC
    as_of: Day | None = None

    @field_validator("method")
    @classmethod
    def _rolling(cls, method: Method) -> Method:
        if method not in (Method.PARAMETRIC, Method.HISTORICAL):
            raise ValueError("a backtest is parametric or historical")
        return method


class Backtest(Answer):
    """Kupiec's test of today's weights: one-day forecasts from the 252 days before each day.

    `accepted`: the number of exceptions does not contradict the level at 95 % confidence.
    """

    portfolio_id: str
    method: Method
    level: float
    days: int
    exceptions: int
    expected: float
    exception_rate: float
    statistic: float
    p_value: float
    accepted: bool
    first_date: date
    last_date: date
    synthetic: list[str] = Field(default_factory=list)
