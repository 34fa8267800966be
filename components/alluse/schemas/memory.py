"""Wire types of memory-manager: the conversation with a user, and what follows from it."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import Field, StringConstraints

from alluse.schemas.base import Answer, Request
from alluse.schemas.common import Fraction, RiskAppetite
from alluse.schemas.ledger import AccountView, LedgerEntry, Snapshot
from alluse.schemas.users import (
    Engagement,
    Expertise,
    Label,
    Pending,
    Preference,
    PreferencesPatch,
    Stage,
    UserPath,
    WeekClass,
    WeekRequest,
)

MAX_CONTENT: Final = 4_000
MAX_MESSAGES: Final = 200
SessionId = Annotated[str, StringConstraints(strip_whitespace=False, pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
Content = Annotated[str, StringConstraints(min_length=1, max_length=MAX_CONTENT)]


class Role(StrEnum):
    USER = "user"
    AGENT = "agent"


class MessageRequest(Request):
    role: Role
    content: Content
    session_id: SessionId = "default"
    intent: Label | None = None
    entities: dict[str, Any] | None = None
    confidence: Fraction | None = None


class Message(Answer):
    seq: int
    at: datetime
    role: Role
    content: str
    session_id: str
    intent: str | None = None
    entities: dict[str, Any] | None = None
    confidence: float | None = None


class MessagesQuery(UserPath):
    """The latest messages, oldest first; `q` is text they hold, `topic` a topic they are about."""

    limit: Annotated[int, Field(ge=1, le=MAX_MESSAGES)] = MAX_MESSAGES
    q: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    topic: Label | None = None
    session_id: SessionId | None = None


class MessagesAnswer(Answer):
    messages: list[Message]


class MessageCounts(Answer):
    user: int
    agent: int


class SummaryAnswer(Answer):
    counts: MessageCounts
    dominant_topics: list[str]
    stage: Stage
    engagement: Engagement


class DecisionRecord(Request):
    """What was decided in a turn; `parameters` are the figures it rests on. Nothing is ever executed."""

    action: Label
    response_type: Label
    parameters: dict[str, Any] = Field(default_factory=dict)
    rationale: Annotated[str, StringConstraints(max_length=1000)] = ""
    confidence: Fraction | None = None
    paper: bool = True


class TurnRequest(Request):
    """A whole turn: stored whole or not at all, once per Idempotency-Key."""

    turn_id: Label
    session_id: SessionId = "default"
    message: Content
    reply: Content
    intent: Label
    entities: dict[str, Any] = Field(default_factory=dict)
    confidence: Fraction = 0.0
    decision: DecisionRecord
    week: WeekRequest | None = None
    preferences: PreferencesPatch | None = None
    explained: Annotated[list[Label], Field(max_length=20)] = Field(default_factory=list)


class TurnAnswer(Answer):
    turn_id: str
    stored: bool
    message_count: int


class StoredDecision(Answer):
    turn_id: str
    at: datetime
    intent: str
    action: str
    response_type: str
    parameters: dict[str, Any]
    rationale: str
    paper: bool


class ContextAnswer(Answer):
    """What the agent has to know before it answers; `explained` are terms the user was told."""

    user_id: str
    has_accounts: bool
    accounts: list[AccountView]
    total_balance: float
    week_classification: WeekClass | None
    expertise: Expertise
    risk_appetite: RiskAppetite | None
    max_position_size: float | None
    recent_topics: list[str]
    pending: list[Pending]
    last_intent: str | None
    message_count: int
    decision_count: int
    last_decision: StoredDecision | None
    explained: list[str]


class Signal(Answer):
    """The newest word of another component about an account or a symbol."""

    kind: str
    subject: str
    at: datetime
    data: dict[str, Any]


class RuleKept(Answer):
    """How often one rule was kept and broken; `detail` says what was counted."""

    rule: str
    kept: int
    broken: int
    detail: str


class Adherence(Answer):
    """`score` is the share of what was judged that kept its rule; null when there was nothing to judge."""

    score: Fraction | None
    rules: list[RuleKept]


class ProtocolStateAnswer(Answer):
    user_id: str
    accounts: list[AccountView]
    closed_accounts: list[AccountView]
    week_classification: WeekClass | None
    decisions: list[StoredDecision]
    forks: list[LedgerEntry]
    merges: list[LedgerEntry]
    reinvestments: list[LedgerEntry]
    signals: list[Signal]
    pending: list[Pending]
    adherence: Adherence


class ExportAnswer(Answer):
    """Everything that is kept of a user."""

    user_id: str
    exported_at: datetime
    schema_version: int
    messages: list[Message]
    decisions: list[StoredDecision]
    accounts: list[AccountView]
    entries: list[LedgerEntry]
    preferences: dict[str, Preference]
    week_classification: WeekClass | None
    explained: list[str]
    snapshots: list[Snapshot]


class EraseAnswer(Answer):
    user_id: str
    erased: dict[str, int]
