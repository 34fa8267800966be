"""What a conversation says about its user: topics, stage, engagement, expertise. Words only; risk appetite is
never inferred."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from alluse.schemas.users import Engagement, Expertise, Stage

#: Topics by the words that stand for them.
TOPICS: Final = {
    "accounts": "account accounts gen-acc rev-acc com-acc deposit withdraw balance capital invest",
    "forking": "fork forking split splits merge surplus",
    "market": "market week green red chop choppy bullish bearish sideways volatility outlook",
    "trades": "trade trades trading recommend recommendation put puts call calls option options premium",
    "delta": "delta deltas strike strikes",
    "sizing": "size sizing contracts contract afford kelly",
    "risk": "risk risky drawdown var loss losses protect protection down",
    "performance": "performance return returns track results profit sharpe",
    "reinvestment": "reinvest reinvestment leaps quarter",
}
_TERMS: Final = frozenset(
    {"delta", "theta", "gamma", "vega", "strike", "premium", "assignment", "kelly", "drawdown", "var"}
    | {"cvar", "sharpe", "volatility", "leaps", "skew", "iv", "margin", "roll", "expiry", "moneyness"}
)
_WORD: Final = re.compile(r"[a-z][a-z-]*")
_TOPIC_WORDS: Final = {name: frozenset(words.split()) for name, words in TOPICS.items()}
_TEACHING: Final = ("explain", "help", "greeting")
_SETUP: Final = ("setup_accounts", "provide_profile")
_MANAGING: Final = (
    "recommend_trades",
    "select_delta",
    "size_position",
    "assess_risk",
    "drawdown_help",
    "adjust_positions",
    "check_performance",
    "fork_account",
    "reinvest",
)


def topics_of(text: str) -> tuple[str, ...]:
    """The topics of one message, most words first, then by name."""
    words = Counter(_WORD.findall(text.lower()))
    found = {name: sum(words[word] for word in members) for name, members in _TOPIC_WORDS.items()}
    return tuple(
        sorted((name for name, count in found.items() if count), key=lambda name: (-found[name], name))
    )


def dominant_topics(texts: Sequence[str], count: int = 3) -> list[str]:
    """The topics that most messages are about."""
    seen = Counter(topic for text in texts for topic in topics_of(text))
    return [topic for topic, _ in sorted(seen.items(), key=lambda item: (-item[1], item[0]))[:count]]


def stage_of(user_messages: int, has_accounts: bool, intents: Sequence[str]) -> Stage:
    """How far the user has come; `intents` are those of the latest messages, oldest first."""
    if not user_messages:
        return Stage.INITIAL
    recent = intents[-10:]
    if has_accounts:
        managing = sum(intent in _MANAGING for intent in recent)
        return Stage.ACTIVE_MANAGEMENT if managing or not recent else Stage.EXPLORATION
    if any(intent in _SETUP for intent in recent):
        return Stage.SETUP
    if any(intent.startswith(_TEACHING) for intent in recent):
        return Stage.LEARNING if user_messages > 1 else Stage.INITIAL
    return Stage.EXPLORATION


def engagement_of(texts: Sequence[str]) -> Engagement:
    """High: mean length over 50 characters and more than 0.3 questions; medium: over 20 and 0.1."""
    if not texts:
        return Engagement.LOW
    length = sum(len(text) for text in texts) / len(texts)
    questions = sum("?" in text for text in texts) / len(texts)
    if length > 50 and questions > 0.3:
        return Engagement.HIGH
    return Engagement.MEDIUM if length > 20 and questions > 0.1 else Engagement.LOW


def expertise_of(texts: Sequence[str]) -> tuple[Expertise, float]:
    """Expertise by the number of technical terms that the user has used, and how sure that is (0 to 0.9)."""
    terms = len(_TERMS & {word for text in texts for word in _WORD.findall(text.lower())})
    confidence = min(0.9, 0.3 + 0.02 * len(texts))
    if terms >= 8 and len(texts) >= 20:
        return Expertise.ADVANCED, confidence
    return (Expertise.INTERMEDIATE if terms >= 4 and len(texts) >= 8 else Expertise.BEGINNER), confidence
