"""Wire types of portfolio-optimizer. Returns and volatilities are yearly fractions, weights sum to 1."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from alluse.schemas.base import DISCLAIMER, Answer, Request
from alluse.schemas.common import Day, Identifier, NonNegativeMoney, Symbol
from alluse.schemas.risk import MAX_RETURNS, DailyReturn

Weight = Annotated[float, Field(ge=0, le=1)]
YearlyReturn = Annotated[float, Field(ge=-1, le=10)]
YearlyVolatility = Annotated[float, Field(gt=0, le=5)]
MAX_SYMBOLS = 50
#: Weights that people type sum to one within this.
WEIGHT_TOLERANCE = 1e-3


def _unique(symbols: list[str]) -> list[str]:
    if twice := sorted({symbol for symbol in symbols if symbols.count(symbol) > 1}):
        raise ValueError(f"{', '.join(twice)} named twice")
    return symbols


Symbols = Annotated[list[Symbol], Field(min_length=2, max_length=MAX_SYMBOLS), AfterValidator(_unique)]
ReturnsBySymbol = dict[Symbol, Annotated[list[DailyReturn], Field(max_length=MAX_RETURNS)]]
Weights = Annotated[dict[Symbol, Weight], Field(max_length=MAX_SYMBOLS)]


class Objective(StrEnum):
    """What a portfolio is best at."""

    MAX_SHARPE = "max_sharpe"
    MIN_VARIANCE = "min_variance"
    MAX_RETURN = "max_return"
    RISK_PARITY = "risk_parity"
    TARGET_RISK = "target_risk"
    TARGET_RETURN = "target_return"


class MeanEstimate(StrEnum):
    """Where mean returns come from: shrunk (Bayes–Stein), the historical means, or the caller."""

    SHRUNK = "shrunk"
    HISTORICAL = "historical"
    GIVEN = "given"


class Constraints(Request):
    """What a portfolio may hold. Symbols without a sector are bound by no sector limit."""

    min_weight: Weight = 0.0
    max_weight: Annotated[float, Field(gt=0, le=1)] = 0.40
    sector_limit: Annotated[float, Field(gt=0, le=1)] = 0.60
    sectors: dict[Symbol, str] | None = None
    min_positions: Annotated[int, Field(ge=1, le=MAX_SYMBOLS)] = 3
    max_positions: Annotated[int, Field(ge=1, le=MAX_SYMBOLS)] = 10

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_weight > self.max_weight:
            raise ValueError("min_weight is above max_weight")
        if self.min_positions > self.max_positions:
            raise ValueError("min_positions is above max_positions")
        return self


class MarketInput(Request):
    """Which symbols, and the returns to estimate from: given, or shipped ones up to `as_of`."""

    symbols: Symbols
    returns: ReturnsBySymbol | None = None
    as_of: Day | None = None

    @model_validator(mode="after")
    def _covered(self) -> Self:
        if self.returns is not None and (missing := sorted(set(self.symbols) - set(self.returns))):
            raise ValueError(f"returns lacks {', '.join(missing)}")
        return self


class OptimizeRequest(MarketInput):
    """Optimise one portfolio. `expected_returns` (yearly) are used, and required, with mu `given`."""

    portfolio_id: Identifier | None = None
    objective: Objective = Objective.MAX_SHARPE
    target_return: YearlyReturn | None = None
    target_risk: YearlyVolatility | None = None
    current_weights: Weights | None = None
    constraints: Constraints = Constraints()
    mu: MeanEstimate = MeanEstimate.SHRUNK
    expected_returns: dict[Symbol, YearlyReturn] | None = None
    risk_free_rate: Annotated[float, Field(ge=-0.05, le=0.5)] = 0.02

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.objective is Objective.TARGET_RETURN and self.target_return is None:
            raise ValueError("target_return is needed for this objective")
        if self.objective is Objective.TARGET_RISK and self.target_risk is None:
            raise ValueError("target_risk is needed for this objective")
        if self.mu is MeanEstimate.GIVEN:
            missing = sorted(set(self.symbols) - set(self.expected_returns or {}))
            if missing:
                raise ValueError(f"expected_returns lacks {', '.join(missing)}")
        return self


class OptimizeAnswer(Answer):
    """A portfolio. `expected_return` is the estimate that was optimised with, no forecast."""

    portfolio_id: str | None = None
    objective: Objective
    weights: dict[str, float]
    expected_return: float
    expected_volatility: float
    sharpe_ratio: float
    risk_contributions: dict[str, float]
    converged: bool
    status: str
    constraints_satisfied: bool
    active_constraints: list[str]
    shrinkage: float
    mean_shrinkage: float
    iterations: int
    as_of: date | None = None
    observations: int
    synthetic: list[str] = Field(default_factory=list)
    turnover: float | None = None
    disclaimer: str = DISCLAIMER


class PortfolioPath(Request):
    portfolio_id: Identifier


class FrontierRequest(OptimizeRequest):
    """The efficient frontier in `n` points; the objective is not looked at."""

    n: Annotated[int, Field(ge=2, le=50)] = 20


class FrontierPoint(Answer):
    expected_return: float
    expected_volatility: float
    sharpe_ratio: float
    weights: dict[str, float]


class FrontierAnswer(Answer):
    """From the least volatile portfolio to the one of the highest expected return."""

    points: list[FrontierPoint]
    as_of: date | None = None
    observations: int
    shrinkage: float
    synthetic: list[str] = Field(default_factory=list)


class CorrelationRequest(MarketInput):
    days: Annotated[int, Field(ge=20, le=MAX_RETURNS)] = 252


class Pair(Answer):
    symbols: tuple[str, str]
    value: float


class CorrelationAnswer(Answer):
    """How alike the symbols move: average and extremes over all pairs, the close and the unrelated ones."""

    average: float
    highest: Pair
    lowest: Pair
    above: list[Pair]
    below: list[Pair]
    matrix: dict[str, dict[str, float]]
    as_of: date | None = None
    observations: int
    synthetic: list[str] = Field(default_factory=list)


class RebalanceRequest(OptimizeRequest):
    """Whether to move from the current weights to the target's, or else to those of the objective."""

    current_weights: Weights
    target_weights: Weights | None = None
    value: NonNegativeMoney = 0.0

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for name, weights in (
            ("current_weights", self.current_weights),
            ("target_weights", self.target_weights),
        ):
            if weights is None:
                continue
            if abs(sum(weights.values()) - 1.0) > WEIGHT_TOLERANCE:
                raise ValueError(f"{name} must sum to 1, not {sum(weights.values()):.4f}")
            if foreign := sorted(set(weights) - set(self.symbols)):
                raise ValueError(f"{name} holds {', '.join(foreign)}, which symbols does not name")
        return self


class Trade(Answer):
    """One change of weight and the USD that it moves (negative is a sale)."""

    symbol: str
    from_weight: float
    to_weight: float
    usd: float


class RebalanceAnswer(Answer):
    """Advice: `advised` when a weight has drifted enough and the gain pays for the trades."""

    portfolio_id: str | None = None
    advised: bool
    reason: str
    max_drift: float
    turnover: float
    cost: float
    gain: float
    net_gain: float
    weights: dict[str, float]
    trades: list[Trade]
    as_of: date | None = None
    synthetic: list[str] = Field(default_factory=list)
    disclaimer: str = DISCLAIMER
