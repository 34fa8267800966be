"""Types that more than one component speaks: accounts, positions, portfolios, bars, problems.

Units: money in USD, rates, weights, volatilities and deltas as fractions (0.45), volatility annualised
with 252 days.
"""

import re
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Any, Final, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    model_validator,
)

from alluse.schemas.base import DISCLAIMER as DISCLAIMER
from alluse.schemas.base import Answer as Answer
from alluse.schemas.base import Day as Day
from alluse.schemas.base import FieldProblem as FieldProblem
from alluse.schemas.base import Moment as Moment
from alluse.schemas.base import Problem as Problem
from alluse.schemas.base import Request

#: Number of shares behind one option contract.
CONTRACT_SIZE: Final = 100
MAX_BARS: Final = 2600
MAX_POSITIONS: Final = 200
#: Largest relative difference between a given total and the sum of its parts.
TOTAL_TOLERANCE: Final = 0.01


#: A value of such size is a mistake of the caller, and its square is still finite.
Money = Annotated[float, Field(ge=-1e12, le=1e12)]
PositiveMoney = Annotated[float, Field(gt=0, le=1e12)]
NonNegativeMoney = Annotated[float, Field(ge=0, le=1e12)]
Fraction = Annotated[float, Field(ge=0, le=1)]
#: Annualised, 0.45 is 45 %.
Volatility = Annotated[float, Field(ge=0.01, le=5)]
Symbol = Annotated[
    str, StringConstraints(strip_whitespace=True, to_upper=True, pattern=r"^[A-Za-z][A-Za-z0-9.\-]{0,11}$")
]
Identifier = Annotated[
    str, StringConstraints(strip_whitespace=False, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}$")
]


def _folded(text: object) -> str:
    return re.sub(r"[^a-z0-9]+", "_", str(text).strip().lower()).strip("_")


class AccountType(StrEnum):
    """The three tiers of the protocol. Accepts `gen-acc`, `Gen Acc`, `generation account` and the like."""

    GEN_ACC = "GEN_ACC"
    REV_ACC = "REV_ACC"
    COM_ACC = "COM_ACC"

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        name = _ACCOUNT_ALIASES.get(_folded(value))
        return None if name is None else cls(name)

    @property
    def display(self) -> str:
        """As people read it: `Gen-Acc`."""
        return f"{self.value[:3].capitalize()}-Acc"


_ACCOUNT_ALIASES: Final = {
    alias: f"{short}_ACC".upper()
    for short, long in (("gen", "generation"), ("rev", "revenue"), ("com", "compounding"))
    for alias in (
        short,
        f"{short}_acc",
        f"{short}acc",
        f"{short}_account",
        long,
        f"{long}_account",
        f"{long}_acc",
    )
}


class _AnyCase(StrEnum):
    """An enumeration whose values are recognised whatever their case and separators."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        folded = _folded(value)
        return next((member for member in cls if _folded(member.value) == folded), None)


class Condition(_AnyCase):
    """Week type of a symbol or of the market."""

    GREEN = "Green"
    RED = "Red"
    CHOP = "Chop"


class IvRegime(_AnyCase):
    """Level of implied volatility."""

    LOW = "Low"
    MEDIUM = "Medium"
    HIGH = "High"

    @classmethod
    def of(cls, implied_volatility: float) -> "IvRegime":
        """Low below 0.20, Medium from 0.20 to 0.40 inclusive, High above."""
        if implied_volatility < 0.20:
            return cls.LOW
        return cls.MEDIUM if implied_volatility <= 0.40 else cls.HIGH


class TrendStrength(_AnyCase):
    """How well a straight line explains the recent log closes."""

    WEAK = "Weak"
    MODERATE = "Moderate"
    STRONG = "Strong"

    @classmethod
    def of(cls, score: float) -> "TrendStrength":
        """Weak below 0.30, Moderate from 0.30 to 0.70 inclusive, Strong above."""
        if score < 0.30:
            return cls.WEAK
        return cls.MODERATE if score <= 0.70 else cls.STRONG


class RiskLevel(_AnyCase):
    """Overall risk of a portfolio."""

    LOW = "Low"
    MEDIUM = "Medium"
    HIGH = "High"
    CRITICAL = "Critical"

    @classmethod
    def of(cls, score: float) -> "RiskLevel":
        """Low below 0.25, Medium below 0.50, High below 0.75, else Critical."""
        if score < 0.25:
            return cls.LOW
        if score < 0.50:
            return cls.MEDIUM
        return cls.HIGH if score < 0.75 else cls.CRITICAL

    @property
    def rank(self) -> int:
        """0 for Low to 3 for Critical, for comparisons."""
        return list(RiskLevel).index(self)

    @property
    def severity(self) -> "Severity":
        """Severity of an alert about this level: Medium and High are warnings."""
        return (Severity.INFO, Severity.WARNING, Severity.WARNING, Severity.CRITICAL)[self.rank]


class Severity(_AnyCase):
    """Severity of an alert."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class OptionType(_AnyCase):
    PUT = "put"
    CALL = "call"


class PositionKind(_AnyCase):
    STOCK = "stock"
    PUT = "put"
    CALL = "call"


class RiskAppetite(_AnyCase):
    """What a user said about risk; never inferred."""

    CONSERVATIVE = "conservative"
    MODERATE = "moderate"
    MODERATELY_AGGRESSIVE = "moderately_aggressive"
    AGGRESSIVE = "aggressive"

    @property
    def factor(self) -> float:
        """Multiplier of a position's size."""
        return (0.7, 1.0, 1.15, 1.3)[list(RiskAppetite).index(self)]


class Bar(Request):
    """One trading day of a symbol."""

    date: Day
    open: PositiveMoney | None = None
    high: PositiveMoney | None = None
    low: PositiveMoney | None = None
    close: PositiveMoney
    #: Shares traded; absent when the source has none, which is not the same as nothing traded.
    volume: Annotated[float, Field(ge=0, le=1e15)] | None = None

    @model_validator(mode="after")
    def _within_range(self) -> Self:
        if self.high is not None and self.low is not None and self.high < self.low:
            raise ValueError("high is below low")
        return self


def _ascending(bars: list[Bar]) -> list[Bar]:
    for earlier, later in pairwise(bars):
        if later.date <= earlier.date:
            raise ValueError(f"dates must ascend without repeats: {later.date} follows {earlier.date}")
    return bars


#: Oldest first, each date once, at most `MAX_BARS`.
Bars = Annotated[list[Bar], Field(max_length=MAX_BARS), AfterValidator(_ascending)]


def _position_value(data: dict[str, Any]) -> float:
    multiplier = 1 if data["kind"] is PositionKind.STOCK else CONTRACT_SIZE
    return float(data["quantity"] * data["price"] * multiplier)


class Position(Request):
    """A holding: `quantity` is signed and counts contracts for options.

    `market_value` (USD, signed) defaults to quantity x price, times 100 for options; `value` is accepted
    as another name for it.
    """

    symbol: Symbol
    kind: PositionKind = PositionKind.STOCK
    quantity: Annotated[float, Field(ge=-1e9, le=1e9)]
    price: NonNegativeMoney
    market_value: Money = Field(default_factory=_position_value)
    strike: PositiveMoney | None = None
    expiry: Day | None = None
    iv: Volatility | None = None
    delta: Annotated[float, Field(ge=-1, le=1)] | None = None
    sector: Annotated[str, StringConstraints(max_length=64)] | None = None
    beta: Annotated[float, Field(ge=-10, le=10)] | None = None
    volatility: Volatility | None = None

    @model_validator(mode="before")
    @classmethod
    def _value_is_market_value(cls, data: object) -> object:
        if isinstance(data, dict) and "value" in data:
            if "market_value" in data:
                raise ValueError("give market_value or value, not both")
            data = {**data, "market_value": data["value"]}
            del data["value"]
        return data

    @property
    def is_option(self) -> bool:
        return self.kind is not PositionKind.STOCK


def _positions(value: object) -> object:
    """The list in the older map form `{SYMBOL: {...}}`."""
    if not isinstance(value, dict):
        return value
    return [
        {"symbol": symbol, **fields} if isinstance(fields, dict) else fields
        for symbol, fields in value.items()
    ]


def _portfolio_value(data: dict[str, Any]) -> float:
    return float(sum(position.market_value for position in data["positions"]) + data["cash"])


class Portfolio(Request):
    """Holdings and cash of one owner.

    `total_value` defaults to the positions' market values plus cash. A given total is believed when there
    are no positions; otherwise it must agree within one percent.
    """

    portfolio_id: Identifier
    account_type: AccountType | None = None
    positions: Annotated[
        list[Position],
        BeforeValidator(_positions, list[Position] | dict[str, Any]),
        Field(max_length=MAX_POSITIONS),
    ] = Field(default_factory=list)
    cash: Money = 0.0
    total_value: Money = Field(default_factory=_portfolio_value)
    peak_value: PositiveMoney | None = None
    as_of: Day | None = None

    @model_validator(mode="after")
    def _total_agrees(self) -> Self:
        if not self.positions:
            return self
        parts = _portfolio_value({"positions": self.positions, "cash": self.cash})
        if abs(self.total_value - parts) > TOTAL_TOLERANCE * max(abs(parts), 0.01):
            raise ValueError(
                f"total_value {self.total_value:.2f} differs by more than 1 % from the positions and cash, "
                f"{parts:.2f}; correct one or leave total_value out"
            )
        return self
