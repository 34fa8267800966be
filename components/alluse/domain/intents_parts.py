"""The requests of a message that asks for several things, each with the part of the text that asks for it.

A message is cut at the ends of sentences, at commas and at `and`; a piece opens a request where its own words
leave no doubt of another intent than that of the request before, and every other piece belongs to the
request that it follows. One who only tells something (of the week, of capital) has asked for nothing by it.
"""

import re
from typing import Final

from alluse.domain.intents import detect
from alluse.domain.intents_model import IntentModel
from alluse.schemas.intent import MOST_PARTS, DetectContext, Intent, IntentPart, Method

#: From this probability on the model leaves no doubt of a piece.
BEYOND_DOUBT: Final = 0.85
#: What is said behind so many cuts is not looked at, so that no message costs much.
_MOST_PIECES: Final = 12
_CUT: Final = re.compile(
    r"(?:[.?!;:\n]+(?=\s|$)|,(?=\s))(?:\s+(?:and|then|also|plus|but)\b)*\s*|\s+(?:and|then|plus|also)(?:\s+(?:then|also))?\s+",
    re.IGNORECASE,
)
#: Words that ask for something; a piece without any (`and Com-Acc`) is a part of an enumeration.
_ASKS: Final = re.compile(
    r"\b(?:what|whats|which|how|hows|when|where|why|should|shall|can|could|would|do|does|is|are|am|tell|show"
    r"|give|open|set|start|split|fork|reinvest|explain|describe|recommend|suggest|pick|choose|find|check"
    r"|assess|analy[sz]e|classify|roll|size|want|need|know|see|down|lost|fell|dropped)\b",
    re.IGNORECASE,
)
_REQUESTS: Final = frozenset(Intent) - {
    Intent.GREETING, Intent.PROVIDE_PROFILE, Intent.WEEK_GREEN, Intent.WEEK_RED, Intent.WEEK_CHOP,
    Intent.HELP, Intent.UNKNOWN,
}  # fmt: skip


def parts(text: str, model: IntentModel) -> list[IntentPart]:
    """Two or three requests in the order of the text, spans in code points; empty for a message with one."""
    pieces = _pieces(text)
    if len(pieces) < 2:
        return []
    found: list[IntentPart] = []
    for start, end in pieces:
        if _ASKS.search(text, start, end) is None:
            found[-1:] = [each.model_copy(update={"end": end}) for each in found[-1:]]
            continue
        answer = detect(text[start:end], DetectContext(), model)
        sure = answer.method is Method.RULE or answer.confidence >= BEYOND_DOUBT
        if sure and answer.intent in _REQUESTS and not (found and found[-1].intent is answer.intent):
            if len(found) == MOST_PARTS:
                break
            begin = start if found else 0
            found.append(IntentPart(intent=answer.intent, confidence=answer.confidence, start=begin, end=end))
        elif found:
            found[-1] = found[-1].model_copy(update={"end": end})
    return found if len(found) > 1 else []


def _pieces(text: str) -> list[tuple[int, int]]:
    pieces: list[tuple[int, int]] = []
    place = 0
    for cut in _CUT.finditer(text):
        if len(pieces) == _MOST_PIECES - 1:
            break
        if text[place : cut.start()].strip():
            pieces.append((place, cut.start()))
        place = cut.end()
    if text[place:].strip():
        pieces.append((place, len(text)))
    return pieces
