"""The protocol's name for a week that has ended, from what is held and how far the price moved."""

from alluse.schemas.common import Condition
from alluse.schemas.market import Holding, WeekAnswer, WeekRequest, WeekType

#: Least move of stock against its cost basis for each type of loss; below all of them is a drawdown.
_LOSING_CALL_WEEKS = (
    (-0.05, WeekType.CALL_PREMIUM_ONLY),
    (-0.10, WeekType.CALL_ROLLED_OVER),
    (-0.15, WeekType.CALL_RECOVERY),
)


def classify_week(week: WeekRequest) -> WeekAnswer:
    """The type of a week. The request has already been checked to hold what its position needs."""
    if week.position is Holding.CASH:
        idle = week.market_condition is Condition.CHOP
        return _answer(WeekType.IDLE if idle else WeekType.PUT_EARNS_PREMIUM, None)
    reference = week.strike if week.position is Holding.SHORT_PUT else week.cost_basis
    assert reference is not None, "WeekRequest refuses a position without its reference price"
    move = (week.close - reference) / reference
    if week.position is Holding.SHORT_PUT:
        return _answer(_put_week(move, week.can_roll), move)
    return _answer(_call_week(move), move)


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
