"""Wire types of intent-detector: what a person wants, in one of 23 intents.

`unknown` is an honest answer: nothing reached the least confidence, and the caller should ask back.
"""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field, StringConstraints

from alluse.schemas.base import Answer, Request
from alluse.schemas.common import Fraction

MAX_TEXT: Final = 2000
#: Requests of one message that are told apart.
MOST_PARTS: Final = 3


class Intent(StrEnum):
    """What a message asks for."""

    GREETING = "greeting"
    EXPLAIN_PROTOCOL = "explain_protocol"
    EXPLAIN_ACCOUNTS = "explain_accounts"
    EXPLAIN_FORKING = "explain_forking"
    SETUP_ACCOUNTS = "setup_accounts"
    PROVIDE_PROFILE = "provide_profile"
    CLASSIFY_WEEK = "classify_week"
    WEEK_GREEN = "week_green"
    WEEK_RED = "week_red"
    WEEK_CHOP = "week_chop"
    MARKET_OUTLOOK = "market_outlook"
    RECOMMEND_TRADES = "recommend_trades"
    SELECT_DELTA = "select_delta"
    SIZE_POSITION = "size_position"
    ASSESS_RISK = "assess_risk"
    DRAWDOWN_HELP = "drawdown_help"
    ADJUST_POSITIONS = "adjust_positions"
    ACCOUNT_ADVICE = "account_advice"
    CHECK_PERFORMANCE = "check_performance"
    FORK_ACCOUNT = "fork_account"
    REINVEST = "reinvest"
    HELP = "help"
    STATUS = "status"
    UNKNOWN = "unknown"


class Method(StrEnum):
    """What decided: a rule on whole words, or the trained linear model."""

    RULE = "rule"
    MODEL = "model"


class DetectContext(Request):
    """What the caller knows of the conversation; None means not known and changes nothing."""

    has_accounts: bool | None = None
    week_classified: bool | None = None
    last_intent: Intent | None = None


class DetectRequest(Request):
    """One message of a person."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT)]
    context: DetectContext = DetectContext()


class ScoredIntent(Answer):
    intent: Intent
    confidence: Fraction


class IntentPart(Answer):
    """One request of a message that holds several: `text[start:end]` asks for it, in code points."""

    intent: Intent
    confidence: Fraction
    start: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(ge=0)]


class DetectAnswer(Answer):
    """The intent of a message.

    `alternatives` are the next candidates by falling confidence. `secondary` are further intents that the
    same message holds (a greeting before a question). `parts` are the requests of a message that asks for
    several things, in its order and not overlapping; it is empty where there is one. With intent `unknown`,
    `confidence` is that of the best candidate, which is then the first of `alternatives`.
    """

    intent: Intent
    confidence: Fraction
    alternatives: Annotated[list[ScoredIntent], Field(max_length=3)]
    method: Method
    secondary: list[Intent]
    parts: Annotated[list[IntentPart], Field(max_length=MOST_PARTS)] = Field(default_factory=list)


class IntentInfo(Answer):
    """One intent, with sentences that the detector gives to it."""

    intent: Intent
    description: str
    examples: list[str]


class IntentsAnswer(Answer):
    """All intents; `model` is the SHA-256 of the trained model that answers."""

    intents: list[IntentInfo]
    model: str
    least_confidence: Fraction
