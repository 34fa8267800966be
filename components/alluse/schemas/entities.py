"""Wire types of entity-extractor: amounts, percentages, symbols, dates and the like in a message.

Spans count Unicode code points of the text as it was sent: `text[start:end]` is what was read. Money is in
USD, percentages and deltas are fractions (10 % is 0.10).
"""

from datetime import date
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from alluse.schemas.base import Answer, LocalMoment, Request
from alluse.schemas.common import AccountType, Condition, Fraction, OptionType, RiskAppetite
from alluse.schemas.intent import MAX_TEXT


class EntityType(StrEnum):
    AMOUNT = "amount"
    PERCENTAGE = "percentage"
    WEEK_TYPE = "week_type"
    ACCOUNT_TYPE = "account_type"
    STOCK_SYMBOL = "stock_symbol"
    DELTA = "delta"
    DELTA_RANGE = "delta_range"
    TIME_PERIOD = "time_period"
    DATE = "date"
    DTE = "dte"
    RISK_LEVEL = "risk_level"
    OPTION_TYPE = "option_type"
    CONTRACTS = "contracts"


class ExtractRequest(Request):
    """One message of a person. `now` is the moment that "next Thursday" counts from (default: the clock);
    `locale` says which of day and month comes first in 3/4/2025."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT, strip_whitespace=False)]
    locale: Literal["en-US", "en-GB"] = "en-US"
    now: LocalMoment | None = None


class Entity(Answer):
    """One thing that was read. `value` is a number (amount in USD, fraction, days, contracts), a name
    (Green, GEN_ACC, AAPL, moderate, put), an ISO 8601 date, interval or duration, or [low, high] of a
    range of deltas."""

    type: EntityType
    value: float | str | list[float]
    unit: str | None = None
    text: str
    start: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(ge=1)]
    confidence: Fraction


class ExtractAnswer(Answer):
    """What a message names: all entities in their order with spans, and the same as flat fields.

    `amount` is the first of `amounts` (USD). `percentages` carry a sign where the text gives a direction
    ("down 5 %" is -0.05). A single delta stands in `delta_ranges` as a range of no width.
    `time_periods` are ISO 8601 durations (`P1W` for "weekly") or intervals of days
    (`2025-03-03/2025-03-09` for "this week"). `dte` is days to expiry.
    """

    entities: list[Entity]
    amount: float | None = None
    amounts: list[float] = Field(default_factory=list)
    percentages: list[float] = Field(default_factory=list)
    week_type: Condition | None = None
    account_types: list[AccountType] = Field(default_factory=list)
    stock_symbols: list[str] = Field(default_factory=list)
    delta_ranges: list[tuple[float, float]] = Field(default_factory=list)
    time_periods: list[str] = Field(default_factory=list)
    dates: list[date] = Field(default_factory=list)
    risk_level: RiskAppetite | None = None
    option_type: OptionType | None = None
    dte: int | None = None
    contracts: int | None = None
