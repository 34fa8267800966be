"""What a message names: amounts, percentages, deltas, contracts, times, accounts, symbols and the like.

A grammar of our own in three parts (numbers, dates, names) reads the folded text; a part that was read
once is not read again, so the rules run from the most special to the most general.
"""

from collections.abc import Collection, Iterable
from datetime import date
from typing import TypeVar

from alluse.domain.entities_dates import times
from alluse.domain.entities_names import accounts, appetites, option_types, symbols, week_types
from alluse.domain.entities_numbers import amounts, contracts, deltas, percentages
from alluse.domain.entities_text import Claims, Found, Text
from alluse.schemas.common import AccountType, Condition, OptionType, RiskAppetite
from alluse.schemas.entities import Entity, EntityType, ExtractAnswer

T = TypeVar("T")


def find(
    text: str, today: date, *, day_first: bool = False, more_symbols: Collection[str] = ()
) -> list[Found]:
    """All entities in the order of the text, none overlapping another.

    `day_first` reads 3/4 as the third of April. Any Unicode is accepted; the spans count code points.
    """
    folded = Text.of(text)
    claims = Claims()
    claims.add(symbols(folded, more_symbols))
    claims.add(accounts(folded))
    claims.add(deltas(folded))
    claims.add(percentages(folded))
    claims.add(contracts(folded))
    claims.add(times(folded, today, day_first=day_first))
    claims.add(amounts(folded))
    claims.add(appetites(folded))
    claims.add(week_types(folded))
    claims.add(option_types(folded))
    return sorted(claims.found, key=lambda found: found.start)


def extract(
    text: str, today: date, *, day_first: bool = False, more_symbols: Collection[str] = ()
) -> ExtractAnswer:
    """All entities of the text, and the same as flat fields."""
    found = find(text, today, day_first=day_first, more_symbols=more_symbols)

    def numbers(kind: EntityType) -> list[float]:
        return [each.value for each in found if each.type is kind and isinstance(each.value, float | int)]

    def names(kind: EntityType) -> list[str]:
        return [each.value for each in found if each.type is kind and isinstance(each.value, str)]

    money, weeks, days = numbers(EntityType.AMOUNT), names(EntityType.WEEK_TYPE), numbers(EntityType.DTE)
    risks, options, counts = (
        names(EntityType.RISK_LEVEL),
        names(EntityType.OPTION_TYPE),
        numbers(EntityType.CONTRACTS),
    )
    return ExtractAnswer(
        entities=[_entity(text, each) for each in found],
        amount=money[0] if money else None,
        amounts=money,
        percentages=numbers(EntityType.PERCENTAGE),
        week_type=Condition(weeks[0]) if weeks else None,
        account_types=_once(AccountType(name) for name in names(EntityType.ACCOUNT_TYPE)),
        stock_symbols=_once(names(EntityType.STOCK_SYMBOL)),
        delta_ranges=[
            _range(each) for each in found if each.type in (EntityType.DELTA, EntityType.DELTA_RANGE)
        ],
        time_periods=_once(names(EntityType.TIME_PERIOD)),
        dates=_once(date.fromisoformat(name) for name in names(EntityType.DATE)),
        risk_level=RiskAppetite(risks[0]) if risks else None,
        option_type=OptionType(options[0]) if options else None,
        dte=int(days[0]) if days else None,
        contracts=int(counts[0]) if counts else None,
    )


def _once(values: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(values))


def _range(found: Found) -> tuple[float, float]:
    if isinstance(found.value, tuple):
        return found.value
    return float(found.value), float(found.value)


def _entity(text: str, found: Found) -> Entity:
    value = list(found.value) if isinstance(found.value, tuple) else found.value
    return Entity(
        type=found.type,
        value=value,
        unit=found.unit,
        text=text[found.start : found.end],
        start=found.start,
        end=found.end,
        confidence=found.confidence,
    )
