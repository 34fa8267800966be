"""Wire types of enhanced-agent: a message in; an answer with its decision, its figures and its gaps out."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from alluse.schemas.base import DISCLAIMER, Answer, Request
from alluse.schemas.common import Fraction
from alluse.schemas.ledger import AccountView
from alluse.schemas.memory import SessionId, StoredDecision
from alluse.schemas.users import UserId

MAX_REPLY = 1_200


class Action(StrEnum):
    """What the agent does about a message."""

    RESPOND = "respond"
    EXPLAIN = "explain"
    SETUP = "setup"
    CLASSIFY = "classify"
    RECOMMEND = "recommend"
    REPORT = "report"
    FORK = "fork"
    CLARIFY = "clarify"
    HELP = "help"
    STATUS = "status"
    SIZE = "size"
    SELECT = "select"
    ASSESS = "assess"
    PROTECT = "protect"
    OUTLOOK = "outlook"
    ADVISE = "advise"


class GateReading(StrEnum):
    """What was found when one of the components that guard the capital was looked at."""

    GOOD = "good"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"


class ResponseType(StrEnum):
    """Which answer is given; each has one way to be computed and one template."""

    WELCOME = "welcome"
    PROTOCOL = "protocol"
    ACCOUNTS = "accounts"
    FORKING = "forking"
    ASK_AMOUNT = "ask_amount"
    CONFIRM_AMOUNT = "confirm_amount"
    AMOUNT_TOO_SMALL = "amount_too_small"
    OPEN_ACCOUNTS = "open_accounts"
    ACCOUNTS_EXIST = "accounts_exist"
    WEEK_STATED = "week_stated"
    WEEK_FROM_DATA = "week_from_data"
    MARKET = "market"
    TRADES = "trades"
    ACCOUNT_SETUP_REQUIRED = "account_setup_required"
    DELTA = "delta"
    SIZES = "sizes"
    ASK_CAPITAL = "ask_capital"
    RISK = "risk"
    RISK_UNKNOWN = "risk_unknown"
    DRAWDOWN = "drawdown"
    ASK_DRAWDOWN = "ask_drawdown"
    ADJUSTMENTS = "adjustments"
    ACCOUNT_ADVICE = "account_advice"
    PERFORMANCE = "performance"
    NOTHING_TO_REPORT = "nothing_to_report"
    FORK = "fork"
    FORK_NOT_READY = "fork_not_ready"
    REINVEST = "reinvest"
    SETUP_FIRST = "setup_first"
    HELP = "help"
    STATUS = "status"
    SUGGESTIONS = "suggestions"
    NOT_UNDERSTOOD_NOW = "not_understood_now"
    NOT_READ_NOW = "not_read_now"
    GATE_CLOSED = "gate_closed"
    COURTESY = "courtesy"
    TERM = "term"
    NO_PROMISE = "no_promise"
    NO_ORDERS = "no_orders"
    NOT_BOOKED_HERE = "not_booked_here"
    YOUR_DATA = "your_data"
    DATA_SOURCES = "data_sources"
    POSITION_LIMIT = "position_limit"


class ChatRequest(Request):
    user_id: UserId
    session_id: SessionId = "default"
    message: Annotated[str, StringConstraints(min_length=1, max_length=2_000)]


class GateBlocker(Answer):
    """A component that keeps the trading gate closed, and since when it has not been good."""

    component: str
    since: datetime
    seconds: Annotated[float, Field(ge=0)]
    reading: GateReading
    detail: str


class TradingGate(Answer):
    """Whether new trades may be recommended. `blockers` is empty while the gate is open."""

    open: bool
    since: datetime
    seconds: Annotated[float, Field(ge=0)]
    within_seconds: float
    requires: list[str]
    blockers: list[GateBlocker]


class DecisionView(Answer):
    """What was decided, by which rule, and on what."""

    action: Action
    response_type: ResponseType
    parameters: dict[str, Any]
    rationale: str
    confidence: Fraction


class AnsweredPart(Answer):
    """One of several requests of a message, answered: what it asks for, what was decided, its figures."""

    intent: str
    decision: DecisionView
    data: dict[str, Any]


class ChatAnswer(Answer):
    """`intent`, `decision` and `data` are those of the first request of the message, `also` holds the others;
    `reply` answers all of them. `degraded` names the components that were missing; `saved` is false when the
    turn is not stored.
    """

    reply: str
    intent: str
    entities: dict[str, Any]
    decision: DecisionView
    data: dict[str, Any]
    degraded: list[str]
    timings_ms: dict[str, float]
    turn_id: str
    saved: bool = True
    also: list[AnsweredPart] = Field(default_factory=list)
    disclaimer: str = DISCLAIMER


class UserStatus(Answer):
    user_id: str
    has_accounts: bool
    accounts: list[AccountView]
    week_classified: bool
    total_balance: float
    last_decision: StoredDecision | None
    decision_count: int
    total_interactions: int


class ResetAnswer(Answer):
    """The session begins anew; accounts, ledger and preferences are as they were."""

    user_id: str
    reset: bool = True


class AgentInfo(Answer):
    agent_id: str
    session_start: datetime
    interactions: int = Field(ge=0)
