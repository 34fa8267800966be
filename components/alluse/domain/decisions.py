"""The agent's decision table: from what was understood and what is known to what is done about it.

Every intent has one row. A row looks at nothing but the perception, so the whole table can be tried out.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from alluse.domain.asides import aside, lifts_limit, limits_positions
from alluse.domain.caution import is_beyond_doubt, opens_accounts, refused_symbols
from alluse.schemas.agent import Action, ResponseType
from alluse.schemas.common import AccountType, Condition
from alluse.schemas.entities import EntityType, ExtractAnswer
from alluse.schemas.intent import Intent, IntentPart
from alluse.schemas.ledger import MIN_INVESTMENT
from alluse.schemas.memory import ContextAnswer
from alluse.schemas.protocol import Protocol

NOTHING_READ: Final = ExtractAnswer(entities=[])


@dataclass(frozen=True, slots=True)
class Perception:
    """One message as it was understood. `read` is false when nothing could be extracted from it."""

    intent: Intent
    confidence: float
    entities: ExtractAnswer
    context: ContextAnswer
    secondary: tuple[Intent, ...] = ()
    understood: bool = True
    read: bool = True
    message: str = ""
    #: Intents that a message which fits none comes nearest to.
    nearest: tuple[Intent, ...] = ()
    #: The reasons of the last answer are asked for.
    why: bool = False
    #: The requests of a message that asks for several things; empty where there is one.
    parts: tuple[IntentPart, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do. `parameters` hold what the answer is computed from, JSON-able."""

    action: Action
    response_type: ResponseType
    rationale: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


_IN_DAYS: Final = re.compile(r"(?:in )?(?P<count>[0-9]{1,3})[ -](?P<unit>days?|weeks?)")

Row = Callable[[Perception, Protocol], Decision]


def decide(perception: Perception, protocol: Protocol, gate_open: bool = True) -> Decision:
    """What is to be done about a message. While the trading gate is closed nothing new is recommended."""
    known, has_amount = perception.context, perception.entities.amount is not None
    beside = aside(perception.message, perception.intent, has_amount, known.has_accounts)
    if beside is not None:
        return Decision(_BESIDE[beside], beside, "what was said beside the matter has an answer of its own")
    if limits_positions(perception.message) and perception.read:
        return Decision(
            Action.RESPOND,
            ResponseType.POSITION_LIMIT,
            "the user limits what one position may take",
            _limit(perception),
        )
    if not perception.understood and perception.intent is Intent.UNKNOWN:
        return Decision(
            Action.CLARIFY,
            ResponseType.NOT_UNDERSTOOD_NOW,
            "what the message asks for cannot be determined now",
        )
    decision = TABLE[perception.intent](perception, protocol)
    if decision.response_type in _NEEDS_SURE and not (
        perception.confidence >= SURE and is_beyond_doubt(perception.message) and _one_week(perception)
    ):
        return Decision(
            Action.CLARIFY,
            ResponseType.SUGGESTIONS,
            "something would be written down, and the message may have meant another thing",
            {"nearest": [perception.intent, *perception.nearest[:1]]},
        )
    if not gate_open and decision.response_type in _NEEDS_GATE:
        return Decision(
            Action.RESPOND,
            ResponseType.GATE_CLOSED,
            "the trading gate is closed: one that guards the capital cannot be relied on",
        )
    if not perception.read and decision.response_type in _NEEDS_READING:
        return Decision(
            Action.CLARIFY,
            ResponseType.NOT_READ_NOW,
            f"{decision.response_type} needs figures or names from the message, which cannot be read now",
        )
    return decision


_BARE: Final = re.compile(r"(?<![\w$.,%-])([0-9]{3,7}(?:\.[0-9]{1,2})?)(?![\w,%]|\.[0-9])(?! ?(?:%|percent))")


def _limit(perception: Perception) -> dict[str, Any]:
    """The one amount of the message in USD, of which a plain number may be one here; `lifted` for none."""
    if lifts_limit(perception.message):
        return {"lifted": True}
    amounts = perception.entities.amounts or [float(each) for each in _BARE.findall(perception.message)]
    return {"limit": round(amounts[0], 2)} if len(amounts) == 1 and 0 < amounts[0] <= 1e10 else {}


def _one_week(perception: Perception) -> bool:
    """Whether the message names one class at most (`I say red, my friend says green` does not)."""
    named = {each.value for each in perception.entities.entities if each.type is EntityType.WEEK_TYPE}
    return len(named) < 2


_BESIDE: Final = {
    ResponseType.COURTESY: Action.RESPOND,
    ResponseType.TERM: Action.EXPLAIN,
    ResponseType.NO_PROMISE: Action.EXPLAIN,
    ResponseType.NO_ORDERS: Action.EXPLAIN,
    ResponseType.NOT_BOOKED_HERE: Action.RESPOND,
    ResponseType.YOUR_DATA: Action.HELP,
    ResponseType.DATA_SOURCES: Action.EXPLAIN,
    ResponseType.HELP: Action.HELP,
}

#: Answers that would be wrong if an amount, percentage or symbol in the message were overlooked.
_NEEDS_READING: Final = frozenset(
    {
        ResponseType.ASK_AMOUNT,
        ResponseType.OPEN_ACCOUNTS,
        ResponseType.CONFIRM_AMOUNT,
        ResponseType.TRADES,
        ResponseType.ACCOUNT_SETUP_REQUIRED,
        ResponseType.DELTA,
        ResponseType.SIZES,
        ResponseType.ASK_CAPITAL,
        ResponseType.DRAWDOWN,
        ResponseType.ASK_DRAWDOWN,
    }
)


#: Answers that write something down are given only from this confidence on; below, the agent asks back.
SURE: Final = 0.7
#: Below this an amount may have been named for another reason than to open accounts.
_LIKELY: Final = 0.6
_NEEDS_SURE: Final = frozenset({ResponseType.FORK, ResponseType.REINVEST, ResponseType.WEEK_STATED})

#: Answers that name a new trade, its size or its delta.
_NEEDS_GATE: Final = frozenset(
    {ResponseType.TRADES, ResponseType.ACCOUNT_SETUP_REQUIRED, ResponseType.DELTA, ResponseType.SIZES}
)


def _always(action: Action, response_type: ResponseType, rationale: str) -> Row:
    return lambda perception, protocol: Decision(action, response_type, rationale)


def _setup(perception: Perception, protocol: Protocol) -> Decision:
    entities, context = perception.entities, perception.context
    appetite = {"risk_level": entities.risk_level} if entities.risk_level else {}
    if context.has_accounts:
        return Decision(Action.SETUP, ResponseType.ACCOUNTS_EXIST, "the accounts are open already", appetite)
    if entities.amount is None:
        return Decision(
            Action.CLARIFY, ResponseType.ASK_AMOUNT, "an amount is needed to open accounts", appetite
        )
    amount = round(entities.amount, 2)
    if not MIN_INVESTMENT <= amount <= 1e10:
        return Decision(
            Action.CLARIFY,
            ResponseType.AMOUNT_TOO_SMALL,
            f"the rules open accounts from {MIN_INVESTMENT:,.2f} USD",
            {**appetite, "amount": amount},
        )
    if perception.confidence < _LIKELY or not opens_accounts(perception.message, entities):
        named = list(dict.fromkeys(round(each, 2) for each in entities.amounts or [amount]))
        return Decision(
            Action.CLARIFY,
            ResponseType.CONFIRM_AMOUNT,
            "an amount is named, but not beyond doubt that accounts are wanted with it",
            {**appetite, "amounts": named[:4]},
        )
    return Decision(
        Action.SETUP,
        ResponseType.OPEN_ACCOUNTS,
        "an amount was named and there are no accounts",
        {**appetite, "amount": amount},
    )


def _week(condition: Condition) -> Row:
    return lambda perception, protocol: Decision(
        Action.CLASSIFY, ResponseType.WEEK_STATED, "the user classified the week", {"week": condition}
    )


def _classify_week(perception: Perception, protocol: Protocol) -> Decision:
    """Whoever asks whether the week is red has not said that it is."""
    return Decision(
        Action.CLASSIFY,
        ResponseType.WEEK_FROM_DATA,
        "the user asks for the class; the data are looked at",
        {"symbols": symbols_asked(perception, protocol)},
    )


def _outlook(perception: Perception, protocol: Protocol) -> Decision:
    return Decision(
        Action.OUTLOOK,
        ResponseType.MARKET,
        "the market is looked at by its symbols",
        {"symbols": symbols_asked(perception, protocol)},
    )


def _recommend(perception: Perception, protocol: Protocol) -> Decision:
    parameters = trade_parameters(perception)
    if perception.context.has_accounts or "amount" in parameters:
        return Decision(
            Action.RECOMMEND,
            ResponseType.TRADES,
            "balances are known" if perception.context.has_accounts else "a capital was named",
            parameters,
        )
    return Decision(
        Action.CLARIFY,
        ResponseType.ACCOUNT_SETUP_REQUIRED,
        "without accounts there is no size, only what the rules would select",
        parameters,
    )


def _select(perception: Perception, protocol: Protocol) -> Decision:
    return Decision(
        Action.SELECT,
        ResponseType.DELTA,
        "the rules select a delta from band and market",
        trade_parameters(perception),
    )


def _size(perception: Perception, protocol: Protocol) -> Decision:
    parameters = trade_parameters(perception)
    if perception.context.has_accounts or "amount" in parameters:
        return Decision(Action.SIZE, ResponseType.SIZES, "a capital is known", parameters)
    return Decision(Action.CLARIFY, ResponseType.ASK_CAPITAL, "a size needs a capital", parameters)


def _assess(perception: Perception, protocol: Protocol) -> Decision:
    if perception.context.has_accounts:
        return Decision(Action.ASSESS, ResponseType.RISK, "the accounts are known")
    return Decision(Action.CLARIFY, ResponseType.RISK_UNKNOWN, "no portfolio of the user is known")


def _drawdown(perception: Perception, protocol: Protocol) -> Decision:
    """The percentage of the message counts as fall from the peak; without one the ledger's own is used."""
    came = _from_to(perception)
    if came is not None and came[0] > came[1] > 0:
        return Decision(
            Action.PROTECT,
            ResponseType.DRAWDOWN,
            "two values were named; the fall counts from the first to the second",
            {"drawdown": round(1 - came[1] / came[0], 4), "peak": came[0], "now": came[1]},
        )
    if came is not None:
        return _performance(perception, protocol)
    if _GAINED.search(perception.message.casefold()) and all(
        each > 0 for each in perception.entities.percentages or (0,)
    ):
        return _performance(perception, protocol)
    falls = [abs(each) for each in perception.entities.percentages if 0 < abs(each) < 1]
    if falls:
        return Decision(
            Action.PROTECT,
            ResponseType.DRAWDOWN,
            "the fall was named; it counts from the peak to now",
            {"drawdown": falls[0]},
        )
    lost, total = _lost(perception), perception.context.total_balance
    if lost is not None and 0 < lost < total:
        return Decision(
            Action.PROTECT,
            ResponseType.DRAWDOWN,
            "a loss was named; it counts as a part of what the ledger holds",
            {"drawdown": round(lost / total, 4), "lost": lost, "total": total},
        )
    if perception.context.has_accounts:
        return Decision(Action.PROTECT, ResponseType.DRAWDOWN, "the ledger knows the fall of each account")
    return Decision(Action.CLARIFY, ResponseType.ASK_DRAWDOWN, "neither a fall nor an account is known")


#: A gain in so many words is no fall, whatever the message was taken for.
_GAINED: Final = re.compile(
    r"^(?!.*\b(?:down|lost|lose|loss|losing|fell|drop|dropped|drawdown|fallen)\b)"
    r".*\b(?:made|gained|earned|up|grew|won|profit of)\b(?: \w+){0,2} [0-9]"
)
_LOST: Final = re.compile(
    r"\b(?:lost|lose|losing|loss of|a loss is|down|minus|dropped|fell|fallen)"
    r"(?: by| about| around| almost| nearly| over| roughly| already| some)*[ ~-]*$"
)


def _lost(perception: Perception) -> float | None:
    """The one amount of the message, if the message says that it is lost; USD."""
    amounts = [each for each in perception.entities.entities if each.type is EntityType.AMOUNT]
    if len(amounts) != 1 or not isinstance(amounts[0].value, int | float):
        return None
    before = perception.message[: amounts[0].start].casefold()
    return float(amounts[0].value) if _LOST.search(before) else None


_CAME: Final = re.compile(
    r"(?P<from>\bfrom )?AMOUNT(?: \w+){0,3} (?:to|became|becomes|turned into|is now|are now|now)"
    r"(?: (?:only|just|about|around|some))* AMOUNT"
)


def _from_to(perception: Perception) -> tuple[float, float] | None:
    """What was and what is, where the message names both (`from 120k to 102k`, `my 100k became 85k`); USD."""
    amounts = [each for each in perception.entities.entities if each.type is EntityType.AMOUNT]
    if len(amounts) != 2:
        return None
    first, second = amounts
    if not isinstance(first.value, int | float) or not isinstance(second.value, int | float):
        return None
    text = perception.message.casefold()
    between = text[first.end : second.start]
    found = _CAME.search(f"{text[: first.start]}AMOUNT{between}AMOUNT")
    return (float(first.value), float(second.value)) if found else None


def _adjust(perception: Perception, protocol: Protocol) -> Decision:
    return Decision(
        Action.ADVISE,
        ResponseType.ADJUSTMENTS,
        "adverse moves are measured in average true ranges",
        {"symbols": symbols_asked(perception, protocol)},
    )


def _performance(perception: Perception, protocol: Protocol) -> Decision:
    if perception.context.has_accounts:
        return Decision(Action.REPORT, ResponseType.PERFORMANCE, "the ledger has values to report")
    return Decision(Action.CLARIFY, ResponseType.NOTHING_TO_REPORT, "there are no accounts to report on")


def _fork(perception: Perception, protocol: Protocol) -> Decision:
    if not perception.context.has_accounts:
        return Decision(Action.CLARIFY, ResponseType.SETUP_FIRST, "there are no accounts to split")
    gen = [each for each in perception.context.accounts if each.type is AccountType.GEN_ACC]
    best = max(gen, key=lambda each: each.surplus, default=None)
    trigger = protocol.fork.surplus_trigger
    if best is not None and best.surplus >= trigger:
        return Decision(
            Action.FORK,
            ResponseType.FORK,
            f"the surplus is at least {trigger:,.2f} USD",
            {"account_id": best.account_id, "surplus": best.surplus},
        )
    surplus = best.surplus if best is not None else 0.0
    return Decision(
        Action.REPORT,
        ResponseType.FORK_NOT_READY,
        f"the surplus is below {trigger:,.2f} USD",
        {"surplus": surplus, "missing": round(trigger - surplus, 2)},
    )


def _reinvest(perception: Perception, protocol: Protocol) -> Decision:
    if not perception.context.has_accounts:
        return Decision(Action.CLARIFY, ResponseType.SETUP_FIRST, "there are no accounts to reinvest in")
    return Decision(Action.SETUP, ResponseType.REINVEST, "the ledger's rules say whether there is something")


def _unknown(perception: Perception, protocol: Protocol) -> Decision:
    return Decision(
        Action.CLARIFY,
        ResponseType.SUGGESTIONS,
        "the message fits no intent well enough",
        {"nearest": list(perception.nearest[:2])} if perception.nearest else {},
    )


TABLE: Final[Mapping[Intent, Row]] = {
    Intent.GREETING: _always(Action.RESPOND, ResponseType.WELCOME, "a greeting is answered"),
    Intent.EXPLAIN_PROTOCOL: _always(Action.EXPLAIN, ResponseType.PROTOCOL, "the protocol is asked for"),
    Intent.EXPLAIN_ACCOUNTS: _always(Action.EXPLAIN, ResponseType.ACCOUNTS, "the accounts are asked for"),
    Intent.EXPLAIN_FORKING: _always(Action.EXPLAIN, ResponseType.FORKING, "splitting is asked for"),
    Intent.SETUP_ACCOUNTS: _setup,
    Intent.PROVIDE_PROFILE: _setup,
    Intent.CLASSIFY_WEEK: _classify_week,
    Intent.WEEK_GREEN: _week(Condition.GREEN),
    Intent.WEEK_RED: _week(Condition.RED),
    Intent.WEEK_CHOP: _week(Condition.CHOP),
    Intent.MARKET_OUTLOOK: _outlook,
    Intent.RECOMMEND_TRADES: _recommend,
    Intent.SELECT_DELTA: _select,
    Intent.SIZE_POSITION: _size,
    Intent.ASSESS_RISK: _assess,
    Intent.DRAWDOWN_HELP: _drawdown,
    Intent.ADJUST_POSITIONS: _adjust,
    Intent.ACCOUNT_ADVICE: _always(
        Action.ADVISE, ResponseType.ACCOUNT_ADVICE, "the accounts' rules are told"
    ),
    Intent.CHECK_PERFORMANCE: _performance,
    Intent.FORK_ACCOUNT: _fork,
    Intent.REINVEST: _reinvest,
    Intent.HELP: _always(Action.HELP, ResponseType.HELP, "help is asked for"),
    Intent.STATUS: _always(Action.STATUS, ResponseType.STATUS, "the present state is asked for"),
    Intent.UNKNOWN: _unknown,
}


def trade_parameters(perception: Perception) -> dict[str, Any]:
    """What a message says about a trade, of what a trade is computed from."""
    entities = perception.entities
    refused = refused_symbols(perception.message, entities)
    found: dict[str, Any] = {
        "symbols": [each for each in entities.stock_symbols if each not in refused][:3],
        "without": refused,
        "account_types": entities.account_types,
        "option_type": entities.option_type,
        "dte": _days_to_expiry(entities),
        "risk_level": entities.risk_level,
        "week": entities.week_type,
        "why": perception.why,
    }
    if entities.amount is not None and 0 < entities.amount <= 1e10:
        found["amount"] = round(entities.amount, 2)
    if entities.delta_ranges:
        found["named_delta"] = list(entities.delta_ranges[0])
    return {name: value for name, value in found.items() if value}


def _days_to_expiry(entities: ExtractAnswer) -> int | None:
    """As it was named, or else the days of an `in 14 days`; None outside of 1 to 730."""
    days = entities.dte
    for each in entities.entities:
        match = _IN_DAYS.fullmatch(each.text.casefold())
        if days is None and match:
            days = int(match["count"]) * (7 if match["unit"].startswith("week") else 1)
    return days if days is not None and 1 <= days <= 730 else None


def symbols_asked(perception: Perception, protocol: Protocol) -> list[str]:
    """The symbols of the message, else the index and those of the accounts."""
    return perception.entities.stock_symbols[:6] or ["SP500", *protocol_symbols(protocol)][:6]


def protocol_symbols(protocol: Protocol) -> list[str]:
    """Every symbol that an account trades, once."""
    return list(dict.fromkeys(symbol for kind in AccountType for symbol in protocol.account(kind).symbols))


#: What is understood without intent-detector: whole words that can mean nothing else.
_KEYWORDS: Final = (
    (Intent.HELP, frozenset({"help"})),
    (Intent.STATUS, frozenset({"status"})),
    (Intent.GREETING, frozenset({"hello", "hi", "hey", "greetings", "morning", "afternoon", "evening"})),
)


def keyword_intent(text: str) -> Intent:
    """Greeting, help or status by a whole word, else unknown."""
    words = {word.strip(".,;:!?\"'()").lower() for word in text.split()}
    return next((intent for intent, known in _KEYWORDS if words & known), Intent.UNKNOWN)
