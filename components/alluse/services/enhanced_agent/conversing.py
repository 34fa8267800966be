"""A turn from the message to the stored answer."""

import hashlib
import time
from typing import Any, Final

from alluse.domain import replies
from alluse.domain.decisions import Perception
from alluse.domain.followups import followed
from alluse.runtime import trace
from alluse.runtime.errors import NotAllowedError
from alluse.runtime.events import uuid7
from alluse.runtime.peers import PeerError, PeerRefusedError
from alluse.runtime.service import Call
from alluse.schemas.agent import MAX_REPLY, AnsweredPart, ChatAnswer, ChatRequest, DecisionView
from alluse.schemas.agent import ResponseType as Kind
from alluse.schemas.intent import DetectContext, Intent
from alluse.schemas.memory import MAX_CONTENT, DecisionRecord, TurnAnswer, TurnRequest
from alluse.services.enhanced_agent import booking
from alluse.services.enhanced_agent.answering import Answered, answer, text_of
from alluse.services.enhanced_agent.perceiving import perceive
from alluse.services.enhanced_agent.turn import MEMORY, State

#: For understanding and computing; what is not known then is named as missing, and the turn is stored.
ANSWER_S: Final = 6.0
#: For storing it, where nobody is missing.
STORE_S: Final = 5.0
#: All of it together once somebody did not answer: a turn ends within three seconds, whoever else does not.
MISSING_S: Final = 2.4


async def chat(call: Call[State], request: ChatRequest) -> ChatAnswer:
    """One turn. Raises UnavailableError without memory."""
    own(call, request.user_id)
    context, started = call.context, time.perf_counter()
    turn_id = _turn_id(request.user_id, call.idempotency_key)
    degraded: set[str] = set()
    timings: dict[str, float] = {}
    intent = Intent.UNKNOWN
    try:
        with trace.within(ANSWER_S + STORE_S, soon_s=MISSING_S):
            with trace.within(ANSWER_S):
                perception = followed(await perceive(context, request, degraded))
                intent = perception.intent
                timings["perceive"] = _ms(started)
                acting = time.perf_counter()
                answered = await answer(context, request, turn_id, perception, degraded)
                timings["act"] = _ms(acting)
            intent = answered[0].turn.perception.intent
            storing = time.perf_counter()
            text, explained = text_of(answered), list[str]()
            if all(each.said.computed for each in answered):
                known = perception.context
                text, explained = replies.explain_terms(text, known.expertise, known.explained)
            with trace.within(STORE_S):
                saved = await _store(answered, text, explained)
            timings["store"] = _ms(storing)
    except Exception:
        failed = {"turn_id": turn_id, "intent": intent, "timings_ms": timings, "degraded": sorted(degraded)}
        await context.events.emit("agent.turn_failed", failed)
        raise
    if not saved:
        text = replies.fit([text, replies.not_saved()], MAX_REPLY * len(answered))
    timings["total"] = _ms(started)
    context.state.interactions += 1
    context.metrics.histogram("alluse_agent_turn_seconds", "Time of a turn", ("intent",)).observe(
        timings["total"] / 1000, intent=intent
    )
    completed = {"turn_id": turn_id, "intent": intent, "timings_ms": timings, "degraded": sorted(degraded)}
    await context.events.emit("agent.turn_completed", completed)
    return _answer(answered, _entities(perception), text, saved, timings)


def _answer(
    answered: list[Answered], entities: dict[str, Any], text: str, saved: bool, timings: dict[str, float]
) -> ChatAnswer:
    first, *others = (_part(each) for each in answered)
    turn = answered[0].turn
    return ChatAnswer(
        reply=text,
        intent=first.intent,
        entities=entities,
        decision=first.decision,
        data=first.data,
        degraded=sorted(turn.degraded),
        timings_ms=timings,
        turn_id=turn.turn_id,
        saved=saved,
        also=others,
    )


def _part(each: Answered) -> AnsweredPart:
    decision = each.turn.decision
    return AnsweredPart(
        intent=each.turn.perception.intent,
        decision=DecisionView(
            action=decision.action,
            response_type=decision.response_type,
            parameters=dict(decision.parameters),
            rationale=decision.rationale,
            confidence=each.turn.perception.confidence,
        ),
        data=each.said.data,
    )


async def _store(answered: list[Answered], text: str, explained: list[str]) -> bool:
    """Write the turn into memory, once whatever happens in between; False when that failed.

    Of several decisions the last one is kept whole, because that is what the next message may follow up.
    """
    turn, said = answered[-1].turn, answered[-1].said
    perception, decision = turn.perception, turn.decision
    parameters = {**decision.parameters, **said.record}
    if len(answered) > 1:
        parameters["besides"] = [each.turn.decision.response_type for each in answered[:-1]]
    record = DecisionRecord(
        action=decision.action,
        response_type=decision.response_type,
        parameters=parameters,
        rationale=decision.rationale,
        confidence=perception.confidence,
    )
    body = TurnRequest(
        turn_id=turn.turn_id,
        session_id=turn.request.session_id,
        message=turn.request.message,
        reply=text[:MAX_CONTENT],
        intent=perception.intent,
        entities=_entities(perception),
        confidence=perception.confidence,
        decision=record,
        week=next((each.said.week for each in answered if each.said.week), None),
        preferences=next((each.said.preferences for each in answered if each.said.preferences), None),
        explained=explained,
    )
    path = booking.user_path(turn, "/turns")
    try:
        await turn.context.peers.post(MEMORY, path, body, TurnAnswer, idempotency_key=turn.turn_id)
    except PeerError as error:
        if isinstance(error, PeerRefusedError) and error.status == 409:
            # The same turn is stored: this is its repetition, and it was answered anew.
            return True
        turn.context.log.warning("turn not saved", error=str(error))
        turn.degraded.add(MEMORY)
        return False
    known, kinds = turn.known, {each.turn.decision.response_type for each in answered}
    turn.context.state.hints.put(
        turn.request.user_id,
        DetectContext(
            has_accounts=known.has_accounts or Kind.OPEN_ACCOUNTS in kinds,
            week_classified=known.week_classification is not None or body.week is not None,
            last_intent=perception.intent,
        ),
    )
    return True


def _entities(perception: Perception) -> dict[str, Any]:
    return perception.entities.model_dump(mode="json", exclude_defaults=True)


def _turn_id(user_id: str, key: str) -> str:
    """New for each turn; the same for a turn that is repeated under its key."""
    if not key:
        return f"turn-{uuid7()}"
    return f"turn-{hashlib.sha256(f'{user_id} {key}'.encode()).hexdigest()[:32]}"


def _ms(since: float) -> float:
    return round((time.perf_counter() - since) * 1000, 2)


def own(call: Call[State], user_id: str) -> str:
    """The user that is asked about. Raises NotAllowedError when the call comes from another one."""
    if call.user_id and call.user_id != user_id:
        raise NotAllowedError("X-User-Id names another user; a user's data are nobody else's")
    return user_id
