"""The rules that move a delta, and the bounds that hold it.

Rules speak in delta points (one point is 0.01) and integers, so that their sum is exact. Going below the
account's band is defence and allowed; going above it never is. What is unknown moves nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from math import ceil, floor

from alluse.domain import options
from alluse.schemas.common import AccountType, Condition, IvRegime, OptionType, RiskAppetite, TrendStrength
from alluse.schemas.delta import Adjustment, ClampedBy
from alluse.schemas.market import Direction
from alluse.schemas.protocol import Protocol

#: Delta points in a delta of 1.
POINTS = 100
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules look at; None is unknown."""

    kind: OptionType
    spot: float | None
    implied: float | None
    forecast: float | None
    condition: Condition | None
    percentile: float | None
    iv_hv_ratio: float | None
    trend: Direction | None
    strength: TrendStrength | None
    momentum: Direction | None
    days: int
    as_of: date | None
    appetite: RiskAppetite

    @property
    def favourable(self) -> Direction:
        """The trend in which the seller keeps the premium."""
        return Direction.BULLISH if self.kind is OptionType.PUT else Direction.BEARISH

    @property
    def years(self) -> float:
        return self.days / options.DAYS_PER_YEAR


Rule = Callable[[Facts], tuple[str, int]]


def _by_week(facts: Facts) -> tuple[str, int]:
    points = {Condition.GREEN: 0, Condition.RED: -5, Condition.CHOP: -10}
    if facts.kind is OptionType.CALL:
        points = {Condition.GREEN: -5, Condition.RED: 0, Condition.CHOP: -10}
    return "week", 0 if facts.condition is None else points[facts.condition]


def _by_regime(facts: Facts) -> tuple[str, int]:
    if facts.implied is None:
        return "iv_regime", 0
    points = {IvRegime.LOW: 5, IvRegime.MEDIUM: 0, IvRegime.HIGH: -5}
    return "iv_regime", points[IvRegime.of(facts.implied)]


def _by_percentile(facts: Facts) -> tuple[str, int]:
    if facts.percentile is None or 0.20 <= facts.percentile <= 0.80:
        return "iv_percentile", 0
    return "iv_percentile", -3 if facts.percentile > 0.80 else 3


def _by_ratio(facts: Facts) -> tuple[str, int]:
    if facts.iv_hv_ratio is None or 0.8 <= facts.iv_hv_ratio <= 1.5:
        return "iv_hv_ratio", 0
    return "iv_hv_ratio", 2 if facts.iv_hv_ratio > 1.5 else -2


def _by_trend(facts: Facts) -> tuple[str, int]:
    if facts.strength is TrendStrength.WEAK:
        return "trend", -3
    if facts.strength is not TrendStrength.STRONG or facts.trend in (None, Direction.NEUTRAL):
        return "trend", 0
    return "trend", 3 if facts.trend is facts.favourable else -3


def _by_momentum(facts: Facts) -> tuple[str, int]:
    return "momentum", 2 if facts.momentum is facts.favourable else 0


def _by_days(facts: Facts) -> tuple[str, int]:
    return "days_to_expiry", (3 if facts.days > 21 else 0) - (2 if facts.days > 45 else 0)


def _by_appetite(facts: Facts) -> tuple[str, int]:
    points = {RiskAppetite.CONSERVATIVE: -5, RiskAppetite.AGGRESSIVE: 5}
    return "appetite", points.get(facts.appetite, 0)


#: Every rule; a new one needs a function and a place here.
RULES: Sequence[Rule] = (
    _by_week,
    _by_regime,
    _by_percentile,
    _by_ratio,
    _by_trend,
    _by_momentum,
    _by_days,
    _by_appetite,
)


def adjust(facts: Facts) -> list[Adjustment]:
    """The rules that move the delta, in their order."""
    spoken = (rule(facts) for rule in RULES)
    return [Adjustment(name=name, delta_points=points) for name, points in spoken if points != 0]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Least and most delta points, each with its name."""

    low: int
    high: int
    low_name: ClampedBy
    high_name: ClampedBy

    def clamp(self, points: int) -> tuple[int, ClampedBy | None]:
        """Inside the bounds; where they cross, the upper one holds, because more delta is more risk."""
        if points > self.high:
            return self.high, self.high_name
        if points < self.low:
            return min(self.low, self.high), self.low_name
        return points, None


def find_bounds(account: AccountType, symbol: str | None, protocol: Protocol) -> Bounds:
    """The tightest of the account's band top, the symbol's bounds and the protocol's bounds."""
    of_symbol, of_all = protocol.symbol_bounds(symbol), protocol.delta_bounds
    low, low_name = max(
        (of_symbol.low, ClampedBy.SYMBOL_MINIMUM), (of_all.low, ClampedBy.MINIMUM), key=lambda end: end[0]
    )
    high, high_name = min(
        (protocol.account(account).delta_band.high, ClampedBy.BAND_TOP),
        (of_symbol.high, ClampedBy.SYMBOL_MAXIMUM),
        (of_all.high, ClampedBy.MAXIMUM),
        key=lambda end: end[0],
    )
    return Bounds(
        low=ceil(low * POINTS - _ROUNDING),
        high=floor(high * POINTS + _ROUNDING),
        low_name=low_name,
        high_name=high_name,
    )
