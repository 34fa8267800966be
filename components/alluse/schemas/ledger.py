"""Wire types of memory-manager: the accounts of a user, their entries and how they perform.

Money is in USD with at most two decimals; the ledger itself counts integer cents.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from alluse.schemas.base import Answer, Request
from alluse.schemas.common import AccountType, Day
from alluse.schemas.users import SignedAmount, UserPath, _whole_cents

MIN_INVESTMENT: Final = 1_000.0
AccountId = Annotated[str, StringConstraints(strip_whitespace=False, pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]


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


class AccountPath(UserPath):
    account_id: AccountId


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
