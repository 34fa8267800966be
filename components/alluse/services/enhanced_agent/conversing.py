"""A turn from the message to the stored answer."""

import hashlib
import time
from typing import Any, Final

from alluse.domain import replies
from alluse.domain.decisions import Perception, decide
from alluse.domain.followups import followed
from alluse.runtime import trace
from alluse.runtime.errors import NotAllowedError
from alluse.runtime.events import uuid7
from alluse.runtime.peers import PeerError, PeerRefusedError
from alluse.runtime.service import Call
from alluse.schemas.agent import ChatAnswer, ChatRequest, DecisionView
from alluse.schemas.agent import ResponseType as Kind
from alluse.schemas.intent import DetectContext, Intent
from alluse.schemas.memory import MAX_CONTENT, DecisionRecord, TurnAnswer, TurnRequest
from alluse.services.enhanced_agent import booking
from alluse.services.enhanced_agent.acting import act
from alluse.services.enhanced_agent.perceiving import perceive
from alluse.services.enhanced_agent.turn import MEMORY, Said, State, Turn

#: For understanding and computing; what is not known then is named as missing, and the turn is stored.
ANSWER_S: Final = 6.0
#: The same once somebody did not answer: a turn ends within three seconds, whoever else does not answer.
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
        with trace.within(ANSWER_S, soon_s=MISSING_S):
            perception = followed(await perceive(context, request, degraded))
            intent = perception.intent
            gate = context.state.gate.standing()
            decision = decide(perception, context.state.parameters.protocol, gate.open)
            timings["perceive"] = _ms(started)
            turn = Turn(context, turn_id, request, perception, decision, gate, degraded)
            acting = time.perf_counter()
            said = await act(turn)
            timings["act"] = _ms(acting)
        storing = time.perf_counter()
        text, explained = said.text, list[str]()
        if said.computed:
            known = perception.context
            text, explained = replies.explain_terms(text, known.expertise, known.explained)
        saved = await _store(turn, said, text, explained)
        timings["store"] = _ms(storing)
    except Exception:
        failed = {"turn_id": turn_id, "intent": intent, "timings_ms": timings, "degraded": sorted(degraded)}
        await context.events.emit("agent.turn_failed", failed)
        raise
    if not saved:
        text = replies.fit([text, replies.not_saved()])
    timings["total"] = _ms(started)
    context.state.interactions += 1
    context.metrics.histogram("alluse_agent_turn_seconds", "Time of a turn", ("intent",)).observe(
        timings["total"] / 1000, intent=intent
    )
    completed = {"turn_id": turn_id, "intent": intent, "timings_ms": timings, "degraded": sorted(degraded)}
    await context.events.emit("agent.turn_completed", completed)
    return _answer(turn, said, text, saved, timings)


def _answer(turn: Turn, said: Said, text: str, saved: bool, timings: dict[str, float]) -> ChatAnswer:
    perception, decision = turn.perception, turn.decision
    return ChatAnswer(
        reply=text,
        intent=perception.intent,
        entities=_entities(perception),
        decision=DecisionView(
            action=decision.action,
            response_type=decision.response_type,
            parameters=dict(decision.parameters),
            rationale=decision.rationale,
            confidence=perception.confidence,
        ),
        data=said.data,
        degraded=sorted(turn.degraded),
        timings_ms=timings,
        turn_id=turn.turn_id,
        saved=saved,
    )


async def _store(turn: Turn, said: Said, text: str, explained: list[str]) -> bool:
    """Write the turn into memory, once whatever happens in between; False when that failed."""
    perception, decision = turn.perception, turn.decision
    record = DecisionRecord(
        action=decision.action,
        response_type=decision.response_type,
        parameters={**decision.parameters, **said.record},
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
        week=said.week,
        preferences=said.preferences,
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
    known = turn.known
    turn.context.state.hints.put(
        turn.request.user_id,
        DetectContext(
            has_accounts=known.has_accounts or decision.response_type is Kind.OPEN_ACCOUNTS,
            week_classified=known.week_classification is not None or said.week is not None,
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
