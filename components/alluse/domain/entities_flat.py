"""The flat fields of what a message names, from its entities: of the whole message, or of a part of it."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import TypeVar

from alluse.schemas.common import AccountType, Condition, OptionType, RiskAppetite
from alluse.schemas.entities import Entity, EntityType, ExtractAnswer

T = TypeVar("T")


def flat(entities: Sequence[Entity]) -> ExtractAnswer:
    """Entities in the order of the text, with the flat fields that they give."""

    def numbers(kind: EntityType) -> list[float]:
        return [each.value for each in entities if each.type is kind and isinstance(each.value, float | int)]

    def names(kind: EntityType) -> list[str]:
        return [each.value for each in entities if each.type is kind and isinstance(each.value, str)]

    money, weeks, days = numbers(EntityType.AMOUNT), names(EntityType.WEEK_TYPE), numbers(EntityType.DTE)
    risks, options, counts = (
        names(EntityType.RISK_LEVEL),
        names(EntityType.OPTION_TYPE),
        numbers(EntityType.CONTRACTS),
    )
    return ExtractAnswer(
        entities=list(entities),
        amount=money[0] if money else None,
        amounts=money,
        percentages=numbers(EntityType.PERCENTAGE),
        week_type=Condition(weeks[0]) if weeks else None,
        account_types=_once(AccountType(name) for name in names(EntityType.ACCOUNT_TYPE)),
        stock_symbols=_once(names(EntityType.STOCK_SYMBOL)),
        delta_ranges=[
            _range(each) for each in entities if each.type in (EntityType.DELTA, EntityType.DELTA_RANGE)
        ],
        time_periods=_once(names(EntityType.TIME_PERIOD)),
        dates=_once(date.fromisoformat(name) for name in names(EntityType.DATE)),
        risk_level=RiskAppetite(risks[0]) if risks else None,
        option_type=OptionType(options[0]) if options else None,
        dte=int(days[0]) if days else None,
        contracts=int(counts[0]) if counts else None,
    )


def part_of(read: ExtractAnswer, start: int, end: int) -> ExtractAnswer:
    """What `text[start:end]` names, with spans that count from its own beginning."""
    return flat(
        [
            each.model_copy(update={"start": each.start - start, "end": each.end - start})
            for each in read.entities
            if start <= each.start and each.end <= end
        ]
    )


def _once(values: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(values))


def _range(entity: Entity) -> tuple[float, float]:
    if isinstance(entity.value, list):
        return entity.value[0], entity.value[1]
    return float(entity.value), float(entity.value)
