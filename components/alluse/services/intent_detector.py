"""intent-detector: what a message asks for."""

import hashlib

from alluse.domain.intents import LEAST_CONFIDENCE, detect
from alluse.domain.intents_catalog import CATALOG
from alluse.domain.intents_parts import parts
from alluse.runtime.errors import SelfTestError
from alluse.runtime.service import Call, Endpoint, Service
from alluse.schemas.intent import (
    DetectAnswer,
    DetectContext,
    DetectRequest,
    Intent,
    IntentInfo,
    IntentsAnswer,
)
from alluse.services.language_model import intent_model, intent_model_digest

BUDGET = 5.0

#: Sentences whose intent is beyond doubt: two by rule, three by the model, one that is no request at all.
GOLDEN = (
    ("Hello, I'm new to ALL-USE and want to get started", Intent.GREETING),
    ("What should I trade this week?", Intent.RECOMMEND_TRADES),
    ("My portfolio is down 10%, what should I do?", Intent.DRAWDOWN_HELP),
    ("I'm rather careful with money", Intent.PROVIDE_PROFILE),
    ("how do I follow my results?", Intent.CHECK_PERFORMANCE),
    ("purple bananas sing quietly", Intent.UNKNOWN),
)


async def detect_intent(call: Call[None], request: DetectRequest) -> DetectAnswer:
    model = intent_model()
    answer = detect(request.text, request.context, model)
    answer = answer.model_copy(update={"parts": parts(request.text, model)})
    context = call.context
    context.metrics.counter("alluse_intent_total", "Messages by intent and method", ("intent", "method")).inc(
        intent=answer.intent, method=answer.method
    )
    if answer.intent is Intent.UNKNOWN:
        # Never the text itself: it is a person's.
        await context.events.emit(
            "intent.unknown",
            {
                "text_hash": hashlib.sha256(request.text.encode("utf-8", "surrogatepass")).hexdigest(),
                "length": len(request.text),
                "intents": [each.intent for each in answer.alternatives],
            },
        )
    return answer


async def list_intents(call: Call[None]) -> IntentsAnswer:
    return IntentsAnswer(
        intents=[
            IntentInfo(intent=intent, description=description, examples=list(examples))
            for intent, (description, examples) in CATALOG.items()
        ],
        model=intent_model_digest(),
        least_confidence=LEAST_CONFIDENCE,
    )


def golden() -> None:
    """Known sentences have their intents."""
    for text, want in GOLDEN:
        got = detect(text, DetectContext(), intent_model()).intent
        if got is not want:
            raise SelfTestError(f"{text!r}: got {got}, want {want}")


SERVICE: Service[None] = Service(
    name="intent-detector",
    selftest=golden,
    endpoints=(
        Endpoint(
            "POST",
            "/v1/detect",
            detect_intent,
            DetectRequest,
            DetectAnswer,
            "The intent of a message",
            budget=BUDGET,
            errors=(422,),
        ),
        Endpoint("GET", "/v1/intents", list_intents, None, IntentsAnswer, "All intents with examples"),
    ),
)
