"""Acts that need the market: outlook, weeks, deltas, sizes, trades. Independent calls run together."""

import asyncio
from collections.abc import Sequence
from typing import Any

from alluse.domain import replies, replies_asides, replies_trades
from alluse.domain.decisions import protocol_symbols
from alluse.domain.decisions_trades import (
    Guard,
    Idea,
    Question,
    Slot,
    ask,
    best,
    select_request,
    size_request,
    slots_of,
    symbols_of,
)
from alluse.runtime.context import Context
from alluse.runtime.peers import PeerRefusedError
from alluse.schemas.agent import ResponseType
from alluse.schemas.common import Condition, OptionType, RiskAppetite
from alluse.schemas.delta import SelectAnswer, SelectBatchAnswer, SelectBatchRequest
from alluse.schemas.market import AnalyzeRequest, MarketAnalysis, Quality, SymbolsAnswer
from alluse.schemas.sizing import SizeBatchAnswer, SizeBatchRequest
from alluse.schemas.users import Expertise
from alluse.services.enhanced_agent.guarding import guard_of
from alluse.services.enhanced_agent.turn import Said, State, Turn


async def analyse(turn: Turn, symbols: Sequence[str]) -> tuple[dict[str, MarketAnalysis], dict[str, str]]:
    """Analyses by symbol, and why the others have none. Raises PeerError when market-analyzer is missing."""
    found = await asyncio.gather(*(_analysis(turn, symbol) for symbol in symbols))
    analyses = {symbol: each for symbol, each in zip(symbols, found, strict=True) if each is not None}
    missing = {symbol: "no data" for symbol in symbols if symbol not in analyses}
    thin = [symbol for symbol, each in analyses.items() if each.quality is not Quality.OK]
    return analyses, missing | dict.fromkeys(thin, "too few data")


async def _analysis(turn: Turn, symbol: str) -> MarketAnalysis | None:
    return await turn.context.state.analyses.join(symbol, lambda: _asked(turn.context, symbol))


async def _asked(context: Context[State], symbol: str) -> MarketAnalysis | None:
    try:
        return await context.peers.post(
            "market-analyzer", "/v1/analyze", AnalyzeRequest(symbol=symbol), MarketAnalysis, safe=True
        )
    except PeerRefusedError as error:
        if error.status == 404:
            return None
        raise


async def market(turn: Turn) -> Said:
    analyses, missing = await analyse(turn, turn.parameters["symbols"])
    found = list(analyses.values())
    data = {"analyses": [each.model_dump(mode="json") for each in found], "missing": missing}
    if turn.decision.response_type is ResponseType.WEEK_FROM_DATA:
        return Said(replies_trades.week_from_data(found, missing), data)
    if turn.decision.response_type is ResponseType.ADJUSTMENTS:
        return Said(replies_trades.adjustments_text(found, turn.protocol, missing), data)
    return Said(replies_trades.market_text(found, missing), data)


async def sources(turn: Turn) -> Said:
    """Where the prices of the symbols in question come from, and how old they are."""
    asked = turn.perception.entities.stock_symbols or ["SP500", *protocol_symbols(turn.protocol)]
    found = await turn.context.peers.get("market-analyzer", "/v1/symbols", SymbolsAnswer)
    entries = [each for each in found.symbols if each.symbol in asked]
    missing = {symbol: "no data" for symbol in asked if symbol not in {each.symbol for each in entries}}
    text = replies_asides.data_sources(entries) if entries else replies_trades.no_data(missing)
    return Said(text, {"symbols": [each.model_dump(mode="json") for each in entries], "missing": missing})


async def delta(turn: Turn) -> Said:
    """The delta that the rules select, for the first symbol of each account."""
    slots = [
        Slot(each.account_type, each.symbols[:1], None, account=each.account, supposed=each.supposed)
        for each in _slots(turn)
    ]
    analyses, missing = await analyse(turn, symbols_of(slots))
    ideas = await _select(turn, _questions(turn, slots, analyses))
    notes = [*_refused(turn), *_named_delta(turn)]
    text = replies_trades.delta_text(ideas, turn.protocol, missing, notes)
    return Said(text, _data(ideas, [], missing), {"trades": [_brief(idea) for idea in ideas]})


async def trades(turn: Turn) -> Said:
    """Per account: analyses, risk and protection at once; then deltas; then sizes; the best one is told."""
    slots = _slots(turn)
    (analyses, missing), guards = await asyncio.gather(
        analyse(turn, symbols_of(slots)),
        asyncio.gather(*(guard_of(turn, slot) for slot in slots)),
    )
    guard_by_slot = dict(zip((id(slot) for slot in slots), guards, strict=True))
    ideas = await _select(turn, _questions(turn, slots, analyses))
    # An account that may enter nothing gets no size either.
    sizable = [
        idea
        for idea in ideas
        if idea.question.slot.balance is not None and guard_by_slot[id(idea.question.slot)].stop is None
    ]
    if sizable:
        sized = await _size(turn, sizable, [guard_by_slot[id(idea.question.slot)] for idea in sizable])
        by_idea = dict(zip(map(id, sizable), sized, strict=True))
        ideas = [by_idea.get(id(idea), idea) for idea in ideas]
    told = [best(own) for slot in slots if (own := [idea for idea in ideas if idea.question.slot is slot])]
    shown = [guard_by_slot[id(idea.question.slot)] for idea in told]
    text = replies_trades.trades_text(
        told,
        shown,
        turn.protocol,
        missing,
        _notes(turn),
        turn.decision.response_type is ResponseType.ACCOUNT_SETUP_REQUIRED,
        technical=turn.known.expertise is Expertise.ADVANCED or bool(turn.parameters.get("why")),
    )
    record = {"trades": [_brief(idea) for idea in told]}
    return Said(text, _data(ideas, told, missing), record)


def _slots(turn: Turn) -> list[Slot]:
    return slots_of(turn.parameters, turn.known, turn.protocol)


def _appetite(turn: Turn) -> RiskAppetite:
    stated = turn.parameters.get("risk_level") or turn.known.risk_appetite
    return RiskAppetite(stated) if stated else RiskAppetite.MODERATE


def _notes(turn: Turn) -> list[str]:
    notes = []
    if not turn.parameters.get("risk_level") and turn.known.risk_appetite is None:
        notes.append("Moderate risk is used; you stated none.")
    return [*notes, *_refused(turn), *_named_delta(turn)]


def _refused(turn: Turn) -> list[str]:
    """What the user did not want is said to be left out, so that a misreading is seen."""
    refused = turn.parameters.get("without")
    return [f"Without {replies.listed(refused)}, as you said; this holds for this answer."] if refused else []


def _named_delta(turn: Turn) -> list[str]:
    """A delta that the user named is not taken over silently, and not ignored silently either."""
    named = turn.parameters.get("named_delta")
    if not named:
        return []
    low, high = named
    shown = f"{low:.2f}" if low == high else f"{low:.2f} to {high:.2f}"
    return [f"You named delta {shown}; the rule decides by the account's band and the market."]


def _questions(turn: Turn, slots: Sequence[Slot], analyses: dict[str, MarketAnalysis]) -> list[Question]:
    stated = turn.known.week_classification
    named = turn.parameters.get("week")
    # The week of this question counts before the one that was noted.
    week = Condition(named) if named else stated.value if stated else None
    asked = [
        ask(slot, analyses[symbol], week, turn.parameters.get("dte"), turn.protocol)
        for slot in slots
        for symbol in slot.symbols
        if symbol in analyses
    ]
    return [question for question in asked if question is not None]


async def _select(turn: Turn, questions: Sequence[Question]) -> list[Idea]:
    if not questions:
        return []
    option_type = OptionType(turn.parameters.get("option_type", OptionType.PUT))
    answer = await turn.context.peers.post(
        "delta-selector",
        "/v1/select/batch",
        SelectBatchRequest(
            requests=[select_request(each, option_type, _appetite(turn)) for each in questions]
        ),
        SelectBatchAnswer,
        safe=True,
    )
    pairs: list[tuple[Question, SelectAnswer]] = list(zip(questions, answer.results, strict=True))
    return [Idea(question, selected) for question, selected in pairs]


async def _size(turn: Turn, ideas: Sequence[Idea], guards: Sequence[Guard]) -> list[Idea]:
    appetite, most = _appetite(turn), turn.known.max_position_size
    answer = await turn.context.peers.post(
        "position-sizer",
        "/v1/size/batch",
        SizeBatchRequest(
            requests=[
                size_request(idea.question, idea.selected, guard, appetite, most)
                for idea, guard in zip(ideas, guards, strict=True)
            ]
        ),
        SizeBatchAnswer,
        safe=True,
    )
    return [
        Idea(idea.question, idea.selected, sized) for idea, sized in zip(ideas, answer.results, strict=True)
    ]


def _brief(idea: Idea) -> dict[str, Any]:
    """What a decision record keeps of a trade."""
    question, selected, sized = idea.question, idea.selected, idea.sized
    return {
        "account_type": question.slot.account_type.value,
        "account_id": question.slot.account.account_id if question.slot.account else None,
        "balance": question.slot.balance,
        "symbol": question.analysis.symbol,
        "as_of": replies.day(question.analysis.as_of),
        "condition": question.condition.value if question.condition else None,
        "delta": selected.selected_delta,
        "strike": selected.strike,
        "expiry": question.expiry.isoformat(),
        "entry": question.entry.isoformat(),
        "contracts": sized.contracts if sized else None,
        "capital": sized.capital_used if sized else None,
        "max_loss": sized.max_loss if sized else None,
        "blocked_by": sized.blocked_by.value if sized and sized.blocked_by else None,
    }


def _data(ideas: Sequence[Idea], told: Sequence[Idea], missing: dict[str, str]) -> dict[str, Any]:
    chosen = {id(idea) for idea in told}
    return {
        "trades": [
            {
                **_brief(idea),
                "told": id(idea) in chosen or not told,
                "selection": idea.selected.model_dump(mode="json"),
                "size": idea.sized.model_dump(mode="json") if idea.sized else None,
            }
            for idea in ideas
        ],
        "missing": missing,
    }
