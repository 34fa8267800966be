"""A message that asks for several things, as one perception for each of them. Pure.

Each request has what its own part of the message names. What it leaves open is what the request before it
named (`what should I trade on AAPL and how many contracts?`), or, between questions about one trade, the
request behind it (`which delta and how many contracts for AAPL?`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from alluse.domain.asides import aside
from alluse.domain.decisions import Decision, Perception
from alluse.domain.entities_flat import part_of
from alluse.schemas.agent import ResponseType
from alluse.schemas.entities import ExtractAnswer
from alluse.schemas.intent import Intent

_TRADE: Final = frozenset({Intent.RECOMMEND_TRADES, Intent.SELECT_DELTA, Intent.SIZE_POSITION})
_MARKET: Final = _TRADE | {Intent.MARKET_OUTLOOK, Intent.ADJUST_POSITIONS, Intent.CLASSIFY_WEEK}
_NAMES: Final = ("stock_symbols", "account_types")
_TERMS: Final = ("amount", "week_type", "risk_level", "option_type", "dte")
#: Answers that hold the same lines for the same question.
_SAME: Final = {ResponseType.SIZES: ResponseType.TRADES}


def requests_of(perception: Perception) -> list[Perception]:
    """One to three perceptions in the order of the message."""
    if not perception.parts or not perception.read or _stands_for_all(perception):
        return [perception]
    found = [
        replace(
            perception,
            intent=part.intent,
            confidence=part.confidence,
            entities=part_of(perception.entities, part.start, part.end),
            message=perception.message[part.start : part.end],
            secondary=(),
            nearest=(),
            parts=(),
        )
        for part in perception.parts
    ]
    own = [each.entities for each in found]
    return [
        replace(each, entities=_completed(own, place, [other.intent for other in found]))
        for place, each in enumerate(found)
    ]


def _stands_for_all(perception: Perception) -> bool:
    """Whether the message as a whole has an answer of its own that none of its parts has."""
    has_accounts = perception.context.has_accounts

    def beside(message: str, intent: Intent, has_amount: bool) -> ResponseType | None:
        return aside(message, intent, has_amount, has_accounts)

    whole = beside(perception.message, perception.intent, perception.entities.amount is not None)
    return whole is not None and not any(
        beside(perception.message[part.start : part.end], part.intent, False) for part in perception.parts
    )


def _completed(own: Sequence[ExtractAnswer], place: int, intents: Sequence[Intent]) -> ExtractAnswer:
    """What the request at `place` names, with what it leaves open to the others of its kind."""
    read, intent = own[place], intents[place]
    before = list(range(place - 1, -1, -1))
    behind = list(range(place + 1, len(own)))
    kept: dict[str, Any] = {}
    for fields, kinds in ((_NAMES, _MARKET), (_TERMS, _TRADE)):
        if intent not in kinds:
            continue
        places = [other for other in before if intents[other] in kinds]
        if intent in _TRADE:
            places += [other for other in behind if intents[other] in _TRADE]
        for field in fields:
            if getattr(read, field) in (None, []):
                given = (getattr(own[other], field) for other in places)
                kept[field] = next((each for each in given if each not in (None, [])), getattr(read, field))
    return read.model_copy(update=kept)


def says_the_same(one: Decision, other: Decision) -> bool:
    """Whether two decisions of a message lead to the same lines; a trade tells its delta as well."""
    kinds = {_SAME.get(each.response_type, each.response_type) for each in (one, other)}
    return _plain(one.parameters) == _plain(other.parameters) and (
        len(kinds) == 1 or kinds == {ResponseType.TRADES, ResponseType.DELTA}
    )


def _plain(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if value}
