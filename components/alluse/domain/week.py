"""The protocol's name for a week that has ended, from what is held and how far the price moved."""

from typing import TypeVar

from alluse.domain.errors import InvalidInputError
from alluse.schemas.common import Condition
from alluse.schemas.market import Holding, WeekAnswer, WeekRequest, WeekType

T = TypeVar("T")

#: Least move of stock against its cost basis for each type of loss; below all of them is a drawdown.
_LOSING_CALL_WEEKS = (
    (-0.05, WeekType.CALL_PREMIUM_ONLY),
    (-0.10, WeekType.CALL_ROLLED_OVER),
    (-0.15, WeekType.CALL_RECOVERY),
)


def classify_week(week: WeekRequest) -> WeekAnswer:
    """The type of a week. Raises InvalidInputError naming what the position needs and the request lacks."""
    if week.position is Holding.CASH:
        condition = _needed("market_condition", week.market_condition, week.position)
        idle = condition is Condition.CHOP
        return _answer(WeekType.IDLE if idle else WeekType.PUT_EARNS_PREMIUM, None)
    if week.position is Holding.SHORT_PUT:
        move = _move(week.close, _needed("strike", week.strike, week.position))
        return _answer(_put_week(move, week.can_roll), move)
    move = _move(week.close, _needed("cost_basis", week.cost_basis, week.position))
    return _answer(_call_week(move), move)


def _move(close: float, reference: float) -> float:
    """Relative move, rounded so that a close of exactly 95 % of the strike is a move of −0.05."""
    return round(close / reference - 1.0, 9)


def _needed(field: str, value: T | None, position: Holding) -> T:
    if value is None:
        raise InvalidInputError(field, f"is required for a position of {position}")
    return value


def _put_week(move: float, can_roll: bool) -> WeekType:
    if move >= 0.0:
        return WeekType.PUT_EARNS_PREMIUM
    if move >= -0.05:
        return WeekType.PUT_ASSIGNMENT_WITHIN_LIMIT
    if move >= -0.15:
        return WeekType.PUT_ROLLED_OVER if can_roll else WeekType.PUT_ASSIGNMENT_OVER_LIMIT
    return WeekType.DRAWDOWN


def _call_week(move: float) -> WeekType:
    if move > 0.05:
        return WeekType.CALL_WITH_APPRECIATION_PLUS
    if move > 0.0:
        return WeekType.CALL_WITH_APPRECIATION
    for least, kind in _LOSING_CALL_WEEKS:
        if move >= least:
            return kind
    return WeekType.DRAWDOWN


def _answer(kind: WeekType, move: float | None) -> WeekAnswer:
    return WeekAnswer(week_type=kind, move=move, capital_preservation=kind is WeekType.DRAWDOWN)
