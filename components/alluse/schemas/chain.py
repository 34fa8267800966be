"""Wire types of option chains: listed options in, a synthetic chain out. Prices per share in USD."""

from datetime import date
from typing import Annotated, Self

from pydantic import Field, model_validator

from alluse.schemas.base import DISCLAIMER, Answer, Request
from alluse.schemas.common import Day, Fraction, NonNegativeMoney, PositiveMoney, Symbol, Volatility
from alluse.schemas.market import DataSource, IvSource


class ChainEntry(Request):
    """One listed option. Without `iv` its volatility follows from the middle of bid and ask."""

    strike: PositiveMoney
    bid: NonNegativeMoney
    ask: NonNegativeMoney
    iv: Volatility | None = None

    @model_validator(mode="after")
    def _uncrossed(self) -> Self:
        if self.ask < self.bid:
            raise ValueError("ask is below bid")
        return self


class ListedOption(Answer):
    """The entry of the given chain that was chosen, with the delta at its own volatility."""

    strike: float
    delta: Fraction
    iv: float
    bid: float
    ask: float
    mid: float


class ChainRequest(Request):
    """A symbol's chain on a day of the data, for a weekly expiry (the next one unless it is given)."""

    symbol: Symbol
    as_of: Day | None = None
    expiry: Day | None = None
    r: Annotated[float, Field(ge=0, le=0.5)] = 0.02


class ChainAnswer(Answer):
    """A week's puts and calls of a symbol. No chain is observed anywhere in the shipped data: every quote
    is computed from one volatility and a smile, which `source` says."""

    symbol: str
    as_of: date
    expiry: date
    dte: int
    spot: float
    atm_volatility: float
    iv_source: IvSource
    source: str = "synthetic"
    data: DataSource
    puts: list[ListedOption]
    calls: list[ListedOption]
    disclaimer: str = DISCLAIMER


class ExpiriesRequest(Request):
    """The weekly expiries after a day of the data."""

    as_of: Day | None = None
    count: Annotated[int, Field(ge=1, le=52)] = 4


class Expiry(Answer):
    day: date
    dte: int


class ExpiriesAnswer(Answer):
    """Fridays, or the trading day before where Friday is a holiday; ascending."""

    as_of: date
    expiries: list[Expiry]
