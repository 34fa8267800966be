"""Perceiving: intent, entities and memory are asked for at the same time."""

import asyncio

from alluse.domain.decisions import NOTHING_READ, Perception, keyword_intent
from alluse.runtime.context import Context
from alluse.runtime.errors import UnavailableError
from alluse.runtime.peers import PeerError
from alluse.schemas.agent import ChatRequest
from alluse.schemas.entities import ExtractAnswer, ExtractRequest
from alluse.schemas.intent import DetectAnswer, DetectRequest
from alluse.schemas.memory import ContextAnswer
from alluse.services.enhanced_agent.turn import MEMORY, State

#: Long enough that a hundred users at once wait for an answer rather than lose it.
TIMEOUT_S = 4.0
#: From this confidence on an alternative is worth asking back about.
NEAR = 0.12


async def perceive(context: Context[State], request: ChatRequest, degraded: set[str]) -> Perception:
    """What the message means and what is known of its user.

    A missing intent-detector or entity-extractor is named in `degraded`. Raises UnavailableError without
    memory: an agent that does not know whom it talks to would ask for money twice.
    """
    peers = context.peers
    detected, extracted, known = await asyncio.gather(
        peers.post(
            "intent-detector",
            "/v1/detect",
            DetectRequest(text=request.message, context=context.state.hints.get(request.user_id)),
            DetectAnswer,
            safe=True,
            timeout_s=TIMEOUT_S,
        ),
        peers.post(
            "entity-extractor",
            "/v1/extract",
            ExtractRequest(text=request.message),
            ExtractAnswer,
            safe=True,
            timeout_s=TIMEOUT_S,
        ),
        peers.get(MEMORY, f"/v1/users/{request.user_id}/context", ContextAnswer, timeout_s=TIMEOUT_S),
        return_exceptions=True,
    )
    if isinstance(known, PeerError):
        raise UnavailableError(f"the memory is missing, so nothing can be answered: {known}")
    for found in (detected, extracted, known):
        if isinstance(found, BaseException) and not isinstance(found, PeerError):
            raise found
    assert not isinstance(known, BaseException)
    read = not isinstance(extracted, BaseException)
    if isinstance(extracted, BaseException):
        degraded.add("entity-extractor")
        extracted = NOTHING_READ
    if isinstance(detected, BaseException):
        degraded.add("intent-detector")
        intent = keyword_intent(request.message)
        return Perception(intent, 0.0, extracted, known, understood=False, read=read, message=request.message)
    return Perception(
        detected.intent,
        detected.confidence,
        extracted,
        known,
        secondary=tuple(detected.secondary),
        read=read,
        message=request.message,
        nearest=tuple(each.intent for each in detected.alternatives if each.confidence >= NEAR),
        parts=tuple(detected.parts),
    )
