"""Wire types of drawdown-protection, and the state that it keeps of each portfolio.

Drawdowns, reductions and recoveries are fractions: 0.10 is ten percent below the peak.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from alluse.schemas.base import DISCLAIMER, Answer, Request
from alluse.schemas.common import AccountType, Identifier, Money, Portfolio
from alluse.schemas.risk import unwrapped


class ProtectionLevel(StrEnum):
    """How far a portfolio is protected, ascending."""

    NONE = "None"
    LIGHT = "Light"
    MODERATE = "Moderate"
    AGGRESSIVE = "Aggressive"
    EMERGENCY = "Emergency"

    @property
    def rank(self) -> int:
        """0 for None to 4 for Emergency."""
        return list(ProtectionLevel).index(self)


class Holding(Answer):
    """What is held of one instrument: signed quantity, and the USD at stake (≥ 0)."""

    model_config = ConfigDict(extra="forbid")

    quantity: float
    exposure: float


class Episode(Answer):
    """A fall from a peak until nine tenths of it are recovered.

    `baseline`: what was held when it began, by instrument. Every reduction is measured from there.
    """

    model_config = ConfigDict(extra="forbid")

    started_at: datetime
    peak: float
    worst_drawdown: float
    baseline: dict[str, Holding] = Field(default_factory=dict)
    account_limit_hit: bool = False
    #: Since when at least half of the worst drawdown is recovered without a relapse.
    recovering_since: datetime | None = None
    acted_level: ProtectionLevel = ProtectionLevel.NONE


class Protection(Answer):
    """All that is remembered of one portfolio; written after every observation."""

    model_config = ConfigDict(extra="forbid")

    portfolio_id: Identifier
    account_type: AccountType | None = None
    peak: float
    value: float
    seen_at: datetime
    #: What the caller said, or what portfolio-risk-monitor measured; the first rules once it has spoken.
    direct: bool = False
    #: Sum of the deposits and withdrawals that the other source has reported so far.
    net_flows: float = 0.0
    #: Deposits less withdrawals announced by the ledger and not yet seen in a value.
    pending_flow: float = 0.0
    holdings: dict[str, Holding] = Field(default_factory=dict)
    level: ProtectionLevel = ProtectionLevel.NONE
    episode: Episode | None = None
    acted_at: datetime | None = None
    proposed_at: datetime | None = None
    proposed_level: ProtectionLevel = ProtectionLevel.NONE
    action_day: date | None = None
    actions: int = 0


class CheckRequest(Portfolio):
    """A portfolio as it stands. `cash_flow`: deposits less withdrawals since the last report, USD.

    The body may also be wrapped as `{"portfolio": {...}, "cash_flow": ...}`.
    """

    cash_flow: Money = 0.0

    @model_validator(mode="before")
    @classmethod
    def _unwrapped(cls, data: object) -> object:
        return unwrapped(data)


class CheckAnswer(Answer):
    """Where a portfolio stands. `recovery` is the recovered share of the episode's worst drawdown."""

    portfolio_id: str
    current_drawdown: float
    peak_value: float
    total_value: float
    protection_level: ProtectionLevel
    level_needed: ProtectionLevel
    exposure_factor: float
    stop_new_entries: bool
    max_drawdown_episode: float | None
    duration_days: float | None
    recovery: float | None
    in_cooldown: bool
    adjustments_today: int
    as_of: datetime


class ActivateRequest(Request):
    """Ask for reductions.

    `drawdown`: the fall from the peak when no peak is known. `dry_run` proposes and changes nothing but the
    time of the proposal; with false the caller undertakes to carry the reductions out.
    """

    portfolio: CheckRequest
    drawdown: Annotated[float, Field(ge=0, lt=1)] | None = None
    dry_run: bool = True


class Adjustment(Answer):
    """One reduction: signed quantities (contracts for options) and the share of the position that goes."""

    symbol: str
    instrument: str
    action: Annotated[str, StringConstraints(strip_whitespace=False, pattern="^(reduce|close)$")]
    from_: float = Field(alias="from")
    to: float
    fraction: float
    reason: str

    model_config = ConfigDict(populate_by_name=True)


class NotActivated(StrEnum):
    """Why nothing was set in motion."""

    NOT_NEEDED = "not_needed"
    DRY_RUN = "dry_run"
    COOLDOWN = "cooldown"
    DAILY_LIMIT = "daily_limit"
    ALREADY_REDUCED = "already_reduced"


class ActivateAnswer(Answer):
    """The reductions. The caller reports what it did by PUT /v1/portfolios/{id}."""

    portfolio_id: str
    protection_level: ProtectionLevel
    current_drawdown: float
    activated: bool
    adjustments_made: list[Adjustment]
    exposure_factor: float
    stop_new_entries: bool
    reason_not_activated: NotActivated | None = None
    dry_run: bool
    disclaimer: str = DISCLAIMER


class PortfolioQuery(Request):
    """Which portfolio, and how many of its past changes (newest first)."""

    portfolio_id: Identifier
    history: Annotated[int, Field(ge=0, le=1000)] = 100


class PortfolioPath(Request):
    portfolio_id: Identifier


class ResetRequest(Request):
    """Who starts a portfolio's protection anew, and why: the peak becomes the present value."""

    by: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class Change(Answer):
    """One entry of a portfolio's history."""

    at: datetime
    kind: str
    from_level: ProtectionLevel
    to_level: ProtectionLevel
    drawdown: float
    detail: str = ""


class PortfolioState(CheckAnswer):
    """A portfolio with its latest changes, newest first."""

    account_type: AccountType | None
    history: list[Change]


class ProtectedList(Answer):
    portfolios: list[CheckAnswer]
