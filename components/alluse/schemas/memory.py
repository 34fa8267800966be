"""Wire types of memory-manager: users, their accounts and ledger, their conversation and preferences.

Money is in USD with at most two decimals; the ledger itself counts integer cents. Everything belongs to one
user, named in the path.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from alluse.schemas.base import Answer, Request
from alluse.schemas.common import AccountType, Condition, Day, Fraction, RiskAppetite

MAX_CONTENT: Final = 4_000
MAX_MESSAGES: Final = 200
MIN_INVESTMENT: Final = 1_000.0


def _whole_cents(amount: float) -> float:
    if abs(amount * 100 - round(amount * 100)) > 1e-4:
        raise ValueError("has more than two decimals")
    return amount


UserId = Annotated[str, StringConstraints(strip_whitespace=False, pattern=r"^[A-Za-z0-9_-]{1,64}$")]
SessionId = Annotated[str, StringConstraints(strip_whitespace=False, pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
Label = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Content = Annotated[str, StringConstraints(min_length=1, max_length=MAX_CONTENT)]
AccountId = Annotated[str, StringConstraints(strip_whitespace=False, pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
Amount = Annotated[float, Field(gt=0, le=1e10), AfterValidator(_whole_cents)]
SignedAmount = Annotated[float, Field(ge=-1e10, le=1e10), AfterValidator(_whole_cents)]


class Role(StrEnum):
    USER = "user"
    AGENT = "agent"


class Stage(StrEnum):
    """How far a user has come."""

    INITIAL = "initial"
    LEARNING = "learning"
    SETUP = "setup"
    ACTIVE_MANAGEMENT = "active_management"
    EXPLORATION = "exploration"


class Engagement(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Expertise(StrEnum):
    BEGINNER = "beginner"
    INTERMEDIATE = "intermediate"
    ADVANCED = "advanced"


class Pending(StrEnum):
    """What a user has still to do, or may do now."""

    ACCOUNT_SETUP = "account_setup"
    WEEK_CLASSIFICATION = "week_classification"
    ACCOUNT_FORK = "account_fork"


class EntryKind(StrEnum):
    """What moves money. `premium` may be negative: options bought back or losses taken. `allocation` moves
    within an account and leaves its balance as it is."""

    OPENING = "opening"
    PREMIUM = "premium"
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    FEE = "fee"
    TRANSFER = "transfer"
    FORK = "fork"
    MERGE = "merge"
    ALLOCATION = "allocation"
    CLOSING = "closing"


class UserPath(Request):
    user_id: UserId


class AccountPath(UserPath):
    account_id: AccountId


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


class AccountsRequest(Request):
    """Open the three accounts. `replace` closes those that are there, in the ledger too."""

    initial_investment: Annotated[float, Field(ge=MIN_INVESTMENT, le=1e10), AfterValidator(_whole_cents)]
    replace: bool = False


class AccountView(Answer):
    """One account. `base` is what was paid in and not taken out: `surplus` is what it earned above.

    `contracts` and `leaps` are parts of the balance set aside by reinvestment. `peak` is the highest balance
    so far, scaled by deposits and withdrawals; `net_flows` their sum since the account exists.
    """

    account_id: str
    type: AccountType
    balance: float
    base: float
    surplus: float
    cash_buffer: float
    investable: float
    contracts: float
    leaps: float
    peak: float
    drawdown: float
    net_flows: float
    parent: str | None = None
    set_id: str
    opened_at: datetime
    closed: bool = False


class LedgerEntry(Answer):
    """One booking of one account; `balance` is that after it. `set_aside` only changed its purpose within
    the account (`ref` says to which)."""

    seq: int
    account_id: str
    at: datetime
    kind: EntryKind
    amount: float
    balance: float
    set_aside: float = 0.0
    ref: str = ""
    group: str


class AccountsAnswer(Answer):
    user_id: str
    accounts: list[AccountView]
    total_balance: float


class EntryRequest(Request):
    """Book one amount. `amount` is positive except a premium, which is negative when it was paid.

    A transfer needs `to_account`, which gets what this account gives.
    """

    amount: SignedAmount
    kind: Literal["premium", "deposit", "withdrawal", "fee", "transfer"]
    ref: Annotated[str, StringConstraints(max_length=200)] = ""
    to_account: AccountId | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "EntryRequest":
        if self.amount == 0:
            raise ValueError("amount must not be 0")
        if self.amount < 0 and self.kind != "premium":
            raise ValueError(f"amount of a {self.kind} must be positive")
        if (self.kind == "transfer") != (self.to_account is not None):
            raise ValueError("to_account belongs to a transfer, and a transfer needs it")
        return self


class BookingAnswer(Answer):
    """Accounts after a booking, and what was booked."""

    user_id: str
    accounts: list[AccountView]
    entries: list[LedgerEntry]


class EntriesQuery(AccountPath):
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class EntriesAnswer(Answer):
    """The latest bookings, newest first."""

    entries: list[LedgerEntry]


class ForkRequest(Request):
    """Split a Gen-Acc; without `account_id` the one whose surplus is largest."""

    account_id: AccountId | None = None


class MergeRequest(Request):
    """Move a forked account into its parent's Com-Acc; the caller states that its positions are closed."""

    account_id: AccountId
    positions_closed: bool = False


class ReinvestRequest(Request):
    """Set the income of the quarter aside for contracts and LEAPS; without `account_id` in every account
    that reinvests. `as_of` is the day of a simulation, else today."""

    account_id: AccountId | None = None
    as_of: Day | None = None


class ForkOutlook(Answer):
    """How far a Gen-Acc is from its split. `weeks_at_target` supposes that every week reaches the weekly
    return target, which is an aspiration and no forecast; null where that would take over ten years."""

    account_id: str
    surplus: float
    trigger: float
    missing: float
    ready: bool
    weeks_at_target: int | None


class ForkOutlookAnswer(Answer):
    user_id: str
    outlook: list[ForkOutlook]


class WeekClass(Answer):
    value: Condition
    as_of: date
    source: str = "user"


class WeekRequest(Request):
    value: Condition
    as_of: Day | None = None


class PreferencesPatch(Request):
    """What a user stated; fields left out stay as they are, null forgets."""

    risk_appetite: RiskAppetite | None = None
    income_priority: Literal["income", "growth", "balanced"] | None = None
    style: Label | None = None
    detail_level: Literal["overview", "detailed", "technical"] | None = None
    behaviour: Label | None = None
    expertise: Expertise | None = None
    max_position_size: Amount | None = None


class Preference(Answer):
    """`stated` beats `inferred`; an inferred one says how sure it is."""

    value: str | float | None
    source: Literal["stated", "inferred"]
    confidence: Fraction = 1.0


class PreferencesAnswer(Answer):
    user_id: str
    preferences: dict[str, Preference]


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


class Snapshot(Answer):
    """Value of all accounts at the end of a day, and what was paid in less taken out on it."""

    day: date
    value: float
    flow: float


class PerformanceQuery(UserPath):
    days: Annotated[int, Field(ge=1, le=3660)] = 30


class Performance(Answer):
    """Time-weighted over the days asked for. A figure that too few days cannot carry is null, and `notes`
    say which and why."""

    user_id: str
    days: int
    first_day: date | None
    last_day: date | None
    observations: int
    value: float
    net_flows: float
    total_return: float | None
    annualised_return: float | None
    volatility: float | None
    sharpe: float | None
    max_drawdown: float | None
    snapshots: list[Snapshot]
    notes: list[str]


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
