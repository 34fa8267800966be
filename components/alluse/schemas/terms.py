"""The vocabulary of ALL-USE: the closed sets of words that every component uses.

Each member's value is its form on the wire. `account_type` also reads the forms that people write.
"""

import re
from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator


class AccountType(StrEnum):
    """The three accounts of the protocol: income, balance, growth."""

    GEN_ACC = "GEN_ACC"
    REV_ACC = "REV_ACC"
    COM_ACC = "COM_ACC"

    @property
    def label(self) -> str:
        """The name shown to people, for example `Gen-Acc`."""
        return self.value.title().replace("_", "-")


class Condition(StrEnum):
    """The class of a market week."""

    GREEN = "Green"
    RED = "Red"
    CHOP = "Chop"


class IvRegime(StrEnum):
    """Level of implied volatility: Low below 0.20, Medium up to and with 0.40, High above."""

    LOW = "Low"
    MEDIUM = "Medium"
    HIGH = "High"


class TrendStrength(StrEnum):
    """Strength of a trend from its R²: Weak below 0.30, Moderate up to and with 0.70, Strong above."""

    WEAK = "Weak"
    MODERATE = "Moderate"
    STRONG = "Strong"


class Direction(StrEnum):
    """Where a trend or momentum points."""

    BULLISH = "bullish"
    BEARISH = "bearish"
    NEUTRAL = "neutral"


class RiskLevel(StrEnum):
    """Risk in four steps, ascending."""

    LOW = "Low"
    MEDIUM = "Medium"
    HIGH = "High"
    CRITICAL = "Critical"


class Severity(StrEnum):
    """How urgent an alert is, ascending."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class OptionType(StrEnum):
    """The right that an option gives: to sell or to buy."""

    PUT = "put"
    CALL = "call"


class PositionKind(StrEnum):
    """What a position consists of."""

    STOCK = "stock"
    PUT = "put"
    CALL = "call"


class RiskAppetite(StrEnum):
    """How much risk a user has said to want; never inferred."""

    CONSERVATIVE = "conservative"
    MODERATE = "moderate"
    MODERATELY_AGGRESSIVE = "moderately_aggressive"
    AGGRESSIVE = "aggressive"


class Quality(StrEnum):
    """Whether there were enough data to compute with."""

    OK = "ok"
    INSUFFICIENT_DATA = "insufficient_data"


_ACCOUNT_NAMES = {
    "gen": AccountType.GEN_ACC,
    "generation": AccountType.GEN_ACC,
    "rev": AccountType.REV_ACC,
    "revenue": AccountType.REV_ACC,
    "com": AccountType.COM_ACC,
    "compounding": AccountType.COM_ACC,
}
_ACCOUNT_SUFFIX = re.compile(r"[\s_-]*(?:account|acc)$")


def account_type(text: str) -> AccountType:
    """Read any written form of an account: `GEN_ACC`, `gen-acc`, `Generation Account`, `rev`.

    Raises ValueError naming the accepted accounts.
    """
    name = _ACCOUNT_SUFFIX.sub("", text.strip().lower())
    if name in _ACCOUNT_NAMES:
        return _ACCOUNT_NAMES[name]
    raise ValueError(f"{text!r} is not an account; use GEN_ACC, REV_ACC or COM_ACC")


def _read_account(value: object) -> object:
    return account_type(value) if isinstance(value, str) else value


#: A field of this type accepts every alias and always writes the canonical form.
AnyAccountType = Annotated[AccountType, BeforeValidator(_read_account)]
