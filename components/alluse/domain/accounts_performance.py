"""What the accounts have earned, and how far they are from a split: plain arithmetic on past balances.

Returns are time-weighted: r_t = V_t / (V_{t-1} + F_t) − 1, with the flow F_t counted at the start of its day,
chained over the days (the usual definition of GIPS). Volatility is the sample deviation of r_t times √252;
weekends have no observation. What too few days cannot carry is null and named.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil, log, sqrt
from statistics import fmean, stdev

from alluse.domain.accounts import Account, cents_of, may_fork, usd_of
from alluse.schemas.common import AccountType
from alluse.schemas.ledger import ForkOutlook
from alluse.schemas.protocol import Protocol

TRADING_DAYS = 252
#: Fewer days than these say nothing about a year, or about a deviation.
DAYS_FOR_A_YEAR = 30
DAYS_FOR_VOLATILITY = 20
RISK_FREE = 0.02
_LONGEST_WEEKS = 520


@dataclass(frozen=True, slots=True)
class Day:
    """Cents: the value of all accounts at the day's end, and what was paid in less taken out on it."""

    day: date
    value: int
    flow: int


@dataclass(frozen=True, slots=True)
class Figures:
    observations: int
    total_return: float | None
    annualised_return: float | None
    volatility: float | None
    sharpe: float | None
    max_drawdown: float | None
    notes: tuple[str, ...]


def trading_day(day: date) -> date:
    """The day itself, or the Monday after a weekend."""
    return day + timedelta(days=7 - day.weekday()) if day.weekday() >= 5 else day


def figures(days: Sequence[Day], first: date, last: date) -> Figures:
    """Figures from `first` to `last`. `days` are all known days with a change, oldest first; between them the
    value stays."""
    returns = _returns(days, first, last)
    if not returns:
        return Figures(0, None, None, None, None, None, ("there is no full day to compute a return from",))
    notes = []
    index, peak, fall = 1.0, 1.0, 0.0
    for each in returns:
        index *= 1.0 + each
        peak = max(peak, index)
        fall = max(fall, 1.0 - index / peak)
    span = (last - first).days
    annualised = volatility = sharpe = None
    if span >= DAYS_FOR_A_YEAR:
        annualised = index ** (365.0 / span) - 1.0 if index > 0 else -1.0
    else:
        notes.append(f"annualised_return needs {DAYS_FOR_A_YEAR} days, there are {span}")
    if len(returns) >= DAYS_FOR_VOLATILITY:
        volatility = stdev(returns) * sqrt(TRADING_DAYS)
        if volatility > 1e-9:
            sharpe = (fmean(returns) * TRADING_DAYS - RISK_FREE) / volatility
        else:
            notes.append("sharpe needs a value that moves")
    else:
        notes.append(f"volatility and sharpe need {DAYS_FOR_VOLATILITY} days, there are {len(returns)}")
    return Figures(len(returns), index - 1.0, annualised, volatility, sharpe, fall, tuple(notes))


def _returns(days: Sequence[Day], first: date, last: date) -> list[float]:
    """One return a weekday after the first known value, from the day after `first`."""
    changes = {each.day: each for each in days}
    before = [each for each in days if each.day <= first]
    value = before[-1].value if before else 0
    returns = []
    opened = before[0] if len(before) == 1 and before[0].day == first else None
    if opened is not None and opened.flow > 0 and opened.value != opened.flow:
        # The day on which the accounts were opened has a result of its own: something was booked.
        returns.append(opened.value / opened.flow - 1.0)
    day = first
    while day < last:
        day += timedelta(days=1)
        if day.weekday() >= 5:
            continue
        change = changes.get(day)
        if change is None:
            if value > 0:
                returns.append(0.0)
            continue
        start = value + change.flow
        if value > 0 and start > 0:
            returns.append(change.value / start - 1.0)
        value = change.value
    return returns


def outlook(account: Account, protocol: Protocol) -> ForkOutlook:
    """How far a Gen-Acc is from its split."""
    trigger = cents_of(protocol.fork.surplus_trigger)
    missing = max(0, trigger - account.surplus)
    weeks: int | None = 0
    if missing:
        target = protocol.account(AccountType.GEN_ACC).weekly_return_target
        needed = account.base + trigger
        weeks = (
            ceil(log(needed / account.balance) / log(1.0 + target))
            if account.balance > 0 and target > 0
            else None
        )
        if weeks is not None and weeks > _LONGEST_WEEKS:
            weeks = None
    return ForkOutlook(
        account_id=account.account_id,
        surplus=usd_of(account.surplus),
        trigger=usd_of(trigger),
        missing=usd_of(missing),
        ready=may_fork(account, protocol),
        weeks_at_target=weeks,
    )
