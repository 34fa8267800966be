"""Rules for what is said in so many words, on the whole words of a normalised message."""

import re
from typing import Final

from alluse.domain.intents_phrases import HINTS, PART, WHOLE
from alluse.schemas.intent import Intent

#: Confidence of an intent that a rule found.
RULE_CONFIDENCE: Final = 0.95

_COURTESY = re.compile(
    r"\b(?:please|kindly|now|thanks|thank you|so|ok|okay|well|then|just|yes|right now|for me|sir|also)\b"
)
_GREETING = re.compile(
    r"^(?:(?:hell+o+|hi+|he+y+|heya|hiya|howdy|hallo|hola|bonjour|ciao|aloha|ahoy|salut|yo|sup|wassup|g'?day|"
    r"gm|greetings|good (?:morning|afternoon|evening|day)|morning|afternoon|evening)"
    r"(?: (?:there|again|everybody|everyone|all|bot|agent|robot|assistant|team|friend|folks|guys|man|mate|"
    r"dude|buddy|pal|partner|sir|madam|or|my|old|dear|to you|world))*(?: |$))+"
)
_NEWCOMER = re.compile(
    r"^(?:and |i )*(?:am )?(?:(?:new|a newcomer|a new user|new user|first time|a beginner|joining|"
    r"just joined|signed up)"
    r"(?: here| around here| to this| to all use| to alluse| user here| to it| with all use)*)"
    r"(?: (?:and|here|i|we|would|want|wants|like|to|get|getting|be|started|starting|begin|start|know|"
    r"it|this|looking|forward))*$"
)


def greeting(words: str) -> tuple[bool, str]:
    """Whether the message begins with a greeting, and the rest of it."""
    match = _GREETING.match(words)
    return (True, words[match.end() :].strip()) if match else (False, words)


def is_newcomer(words: str) -> bool:
    """Whether somebody only says that they are new and want to begin."""
    return bool(_NEWCOMER.match(words))


def decide(words: str) -> tuple[list[Intent], bool]:
    """The intents whose rules match, without repeats, and whether a rule took the whole message."""
    bare = " ".join(_COURTESY.sub(" ", words).split())
    whole = [intent for intent, rule in WHOLE if rule.fullmatch(bare)]
    found = whole or [intent for intent, rule in PART if rule.search(words)]
    return list(dict.fromkeys(found)), bool(whole)


def hints(words: str) -> list[Intent]:
    """Further intents that a message may have."""
    return [intent for intent, rule in HINTS if rule.search(words)]
