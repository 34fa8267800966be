"""Follow-ups: `and for Gen-Acc?` asks again what was asked before, with what it names exchanged. Pure.

The last decision is memory's, so a follow-up means the same after the agent has begun anew.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from alluse.domain.decisions import Perception
from alluse.schemas.agent import ResponseType
from alluse.schemas.common import AccountType, OptionType
from alluse.schemas.entities import ExtractAnswer
from alluse.schemas.intent import Intent

_BEGINS: Final = re.compile(
    r"^\W*(?:(?:ok(?:ay)?|so|but|well|then|thanks|alright)\W+)*(?:and\b|what about\b|how about\b"
    r"|same\b|what if\b|also\b|now for\b|now\b(?= (?:the|for|with|in)\b))",
    re.IGNORECASE,
)
_WHY: Final = re.compile(
    r"^\W*(?:(?:ok(?:ay)?|so|and|but|well)\W+)*(?:why\b|how come\b|(?:what is|what's) the reason\b"
    r"|explain (?:that|this|it|your \w+)\b|(?:on )?what is (?:that|this|it) based on\b|reasons?\W*$)",
    re.IGNORECASE,
)
_MOST_WORDS: Final = 9
#: What was asked, by the answer that was given.
_ASKED: Final[Mapping[str, Intent]] = {
    ResponseType.TRADES: Intent.RECOMMEND_TRADES,
    ResponseType.ACCOUNT_SETUP_REQUIRED: Intent.RECOMMEND_TRADES,
    ResponseType.DELTA: Intent.SELECT_DELTA,
    ResponseType.SIZES: Intent.SIZE_POSITION,
    ResponseType.MARKET: Intent.MARKET_OUTLOOK,
    ResponseType.ADJUSTMENTS: Intent.ADJUST_POSITIONS,
}
#: What a message without a verb of its own is easily taken for.
_VAGUE: Final = frozenset(
    {
        Intent.UNKNOWN,
        Intent.EXPLAIN_ACCOUNTS,
        Intent.MARKET_OUTLOOK,
        Intent.ACCOUNT_ADVICE,
        Intent.CLASSIFY_WEEK,
    }
)
_TRADES_OR_UNKNOWN: Final = frozenset(
    {Intent.UNKNOWN, Intent.RECOMMEND_TRADES, Intent.SELECT_DELTA, Intent.SIZE_POSITION}
)
#: Below this a message fits its intent badly, whatever it is.
_BADLY: Final = 0.6


def followed(perception: Perception) -> Perception:
    """The perception of a follow-up, completed by what the turn before was about; others as they are."""
    last = perception.context.last_decision
    intent = _ASKED.get(last.response_type) if last is not None else None
    if last is None or intent is None:
        return perception
    if _asks_why(perception, intent):
        completed = _completed(perception.entities, last.parameters)
        return replace(perception, intent=intent, confidence=1.0, entities=completed, why=True, parts=())
    if not _is_follow_up(perception, intent):
        return perception
    return replace(perception, intent=intent, entities=_completed(perception.entities, last.parameters))


def _asks_why(perception: Perception, intent: Intent) -> bool:
    """Whether the reasons of the last answer are asked for, and not those of another thing."""
    message, read = perception.message, perception.entities
    if not _WHY.match(message) or len(message.split()) > _MOST_WORDS or read.amounts:
        return False
    return (
        perception.intent in _TRADES_OR_UNKNOWN
        or perception.intent is intent
        or perception.confidence < _BADLY
    )


def _is_follow_up(perception: Perception, intent: Intent) -> bool:
    message, read = perception.message, perception.entities
    if not _BEGINS.match(message) or len(message.split()) > _MOST_WORDS:
        return False
    named = (
        read.account_types, read.stock_symbols, read.time_periods, read.dates, read.week_type, read.amount,
        read.option_type, read.dte, read.delta_ranges, read.risk_level,
    )  # fmt: skip
    vague = perception.intent in _VAGUE or perception.intent is intent or perception.confidence < _BADLY
    return vague and any(each not in (None, []) for each in named)


def _completed(read: ExtractAnswer, before: Mapping[str, Any]) -> ExtractAnswer:
    """What the message does not name stays as it was."""
    kept: dict[str, Any] = {}
    symbols, accounts = before.get("symbols"), before.get("account_types")
    if not read.stock_symbols and isinstance(symbols, list) and len(symbols) <= _FEW_SYMBOLS:
        kept["stock_symbols"] = [str(symbol) for symbol in symbols]
    if not read.account_types and isinstance(accounts, list):
        kept["account_types"] = [AccountType(name) for name in accounts]
    if read.option_type is None and (option := before.get("option_type")) is not None:
        kept["option_type"] = OptionType(option)
    if read.amount is None and isinstance(amount := before.get("amount"), int | float):
        kept["amount"] = float(amount)
    return read.model_copy(update=kept)


#: More are the list that stands for "no symbol was named".
_FEW_SYMBOLS: Final = 3
