"""Wire types of option chains: listed options in, a synthetic chain out. Prices per share in USD."""

from datetime import date
from typing import Self

from pydantic import model_validator

from alluse.schemas.common import (
    DISCLAIMER,
    Answer,
    Fraction,
    NonNegativeMoney,
    PositiveMoney,
    Request,
    Volatility,
)
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


class ListedOption(Answer, allow_inf_nan=False):
    """The entry of the given chain that was chosen, with the delta at its own volatility."""

    strike: float
    delta: Fraction
    iv: float
    bid: float
    ask: float
    mid: float


class ChainAnswer(Answer, allow_inf_nan=False):
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
