"""What a person wants: rules on whole words first, then the linear model.

Where several rules match, the model chooses among their intents. A greeting before anything else is a
secondary intent. Below `LEAST_CONFIDENCE` the answer is `unknown`: the caller asks back instead of
guessing.
"""

from collections.abc import Mapping
from typing import Final

from alluse.domain.entities_text import Found
from alluse.domain.intents_model import IntentModel
from alluse.domain.intents_rules import RULE_CONFIDENCE, decide, greeting, hints, is_newcomer
from alluse.domain.intents_text import normalise
from alluse.schemas.entities import EntityType
from alluse.schemas.intent import DetectAnswer, DetectContext, Intent, Method, ScoredIntent

LEAST_CONFIDENCE: Final = 0.35
#: A rule that matches a part of a message gives way where the model is that sure of `unknown`.
OVERRULED_FROM: Final = 0.7
#: A candidate of the model from this probability on is a further intent of the message.
_LEAST_SECONDARY: Final = 0.25
_MOST_ALTERNATIVES: Final = 3
#: What the conversation makes likelier: people without accounts open them, and so on.
SETUP_BOOST: Final = 1.5
CLASSIFY_BOOST: Final = 1.3
RECOMMEND_BOOST: Final = 1.2
#: After a question for amount and appetite, a message that holds either answers it.
PROFILE_BOOST: Final = 3.0
#: An answer to that question is taken for another intent only from this probability on.
SURE_OF_ANOTHER: Final = 0.75
_GREETING_CONFIDENCE: Final = 0.9
_REPLY_CONFIDENCE: Final = 0.6


def detect(text: str, context: DetectContext, model: IntentModel) -> DetectAnswer:
    """The intent of one message. Any Unicode is accepted; what is no language is `unknown`."""
    words, found = normalise(text, model.known_words)
    greeted, rest = greeting(words)
    if greeted and (not rest or is_newcomer(rest)):
        return _answer(Intent.GREETING, RULE_CONFIDENCE, {}, Method.RULE, hints(rest))
    scores = boosted(model.probabilities(rest), context, found)
    ruled, whole = decide(rest)
    if ruled and (whole or scores.get(Intent.UNKNOWN, 0.0) < OVERRULED_FROM):
        chosen = max(ruled, key=lambda intent: scores.get(intent, 0.0))
        confidence = 0.98 if whole else RULE_CONFIDENCE
        others = [intent for intent in ruled if intent is not chosen]
        further = [Intent.GREETING] * greeted + others + hints(rest)
        return _answer(chosen, confidence, scores, Method.RULE, further)
    best = max(scores, key=lambda intent: scores[intent])
    answers = _answers_question(context, found)
    least = SURE_OF_ANOTHER if answers and best is not Intent.PROVIDE_PROFILE else LEAST_CONFIDENCE
    if best is Intent.UNKNOWN or scores[best] < least:
        if answers:
            return _answer(Intent.PROVIDE_PROFILE, _REPLY_CONFIDENCE, scores, Method.RULE, [])
        if greeted:
            return _answer(Intent.GREETING, _GREETING_CONFIDENCE, scores, Method.RULE, [])
        likely = max((intent for intent in scores if intent is not Intent.UNKNOWN), key=lambda i: scores[i])
        return _answer(Intent.UNKNOWN, scores[likely], scores, Method.MODEL, [])
    likely_too = [intent for intent in scores if scores[intent] >= _LEAST_SECONDARY]
    further = [Intent.GREETING] * greeted + likely_too + hints(rest)
    return _answer(best, scores[best], scores, Method.MODEL, further)


def boosted(
    scores: Mapping[Intent, float], context: DetectContext, found: list[Found]
) -> dict[Intent, float]:
    """Probabilities with what the context makes likelier, again with sum 1."""
    factors: dict[Intent, float] = {}
    if context.has_accounts is False:
        factors[Intent.SETUP_ACCOUNTS] = SETUP_BOOST
    if context.has_accounts and context.week_classified is False:
        factors[Intent.CLASSIFY_WEEK] = CLASSIFY_BOOST
    if context.has_accounts and context.week_classified:
        factors[Intent.RECOMMEND_TRADES] = RECOMMEND_BOOST
    if _answers_question(context, found):
        factors[Intent.PROVIDE_PROFILE] = PROFILE_BOOST
    raised = {intent: score * factors.get(intent, 1.0) for intent, score in scores.items()}
    total = sum(raised.values())
    return {intent: score / total for intent, score in raised.items()}


def _answers_question(context: DetectContext, found: list[Found]) -> bool:
    """Whether the last turn asked for capital and appetite and this message names either."""
    asked = context.last_intent in (Intent.SETUP_ACCOUNTS, Intent.PROVIDE_PROFILE)
    return asked and any(each.type in (EntityType.AMOUNT, EntityType.RISK_LEVEL) for each in found)


def _answer(
    intent: Intent, confidence: float, scores: Mapping[Intent, float], method: Method, further: list[Intent]
) -> DetectAnswer:
    ranked = sorted(
        (each for each in scores if each not in (intent, Intent.UNKNOWN)), key=lambda i: -scores[i]
    )
    # The alternatives of a rule share what its confidence leaves.
    room = 1.0 if method is Method.MODEL else 1.0 - confidence
    alternatives = [
        ScoredIntent(intent=each, confidence=round(min(1.0, scores[each]) * room, 4))
        for each in ranked[:_MOST_ALTERNATIVES]
    ]
    return DetectAnswer(
        intent=intent,
        confidence=round(confidence, 4),
        alternatives=alternatives,
        method=method,
        secondary=[each for each in dict.fromkeys(further) if each not in (intent, Intent.UNKNOWN)],
    )
