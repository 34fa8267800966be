"""What a message names: amounts, percentages, deltas, contracts, times, accounts, symbols and the like.

A grammar of our own in three parts (numbers, dates, names) reads the folded text; a part that was read
once is not read again, so the rules run from the most special to the most general.
"""

from collections.abc import Collection
from datetime import date

from alluse.domain.entities_dates import times
from alluse.domain.entities_flat import flat
from alluse.domain.entities_names import accounts, appetites, option_types, symbols, week_types
from alluse.domain.entities_numbers import amounts, contracts, deltas, percentages
from alluse.domain.entities_text import Claims, Found, Text
from alluse.schemas.entities import Entity, ExtractAnswer


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
    return flat([_entity(text, each) for each in found])


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
