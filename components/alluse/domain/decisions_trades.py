"""Which trades are looked at, on which day they would be entered, and which one of an account is told."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from alluse.domain.accounts import cents_of, split, usd_of
from alluse.domain.expiries import good_friday, next_weekly_expiry
from alluse.schemas.common import AccountType, Condition, OptionType, Portfolio, RiskAppetite
from alluse.schemas.delta import SelectAnswer, SelectRequest
from alluse.schemas.ledger import AccountView
from alluse.schemas.market import MarketAnalysis, Quality
from alluse.schemas.memory import ContextAnswer
from alluse.schemas.protocol import Protocol
from alluse.schemas.sizing import OptionTerms, RiskPreferences, SizeAnswer, SizeRequest

#: Accounts that are looked at in one turn; three symbols each fit into one batch.
MAX_SLOTS = 16
_WEDNESDAY = 2
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True)
class Slot:
    """An account that might trade. `balance` is null where only a delta is asked for; `supposed` means that
    no such account exists."""

    account_type: AccountType
    symbols: tuple[str, ...]
    balance: float | None
    free: float | None = None
    account: AccountView | None = None
    supposed: bool = False

    @property
    def portfolio(self) -> Portfolio | None:
        """The account as a portfolio: cash, because the ledger knows of no positions."""
        if self.account is None:
            return None
        return Portfolio(
            portfolio_id=self.account.account_id,
            account_type=self.account_type,
            cash=self.account.balance,
            peak_value=self.account.peak if self.account.peak > 0 else None,
        )


@dataclass(frozen=True, slots=True)
class Guard:
    """What risk and drawdown protection say about an account; `stop` is why nothing new may be entered."""

    exposure_factor: float = 1.0
    stop: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """One symbol for one account."""

    slot: Slot
    analysis: MarketAnalysis
    condition: Condition | None
    entry: date
    expiry: date

    @property
    def dte(self) -> int:
        return (self.expiry - self.entry).days


@dataclass(frozen=True, slots=True)
class Idea:
    """A question with what was selected and sized for it."""

    question: Question
    selected: SelectAnswer
    sized: SizeAnswer | None = None


def slots_of(parameters: Mapping[str, Any], context: ContextAnswer, protocol: Protocol) -> list[Slot]:
    """The accounts to look at: the user's own; or a named capital as the protocol would divide it (as one
    account where one is named); or, without any capital, the three tiers."""
    kinds = [AccountType(each) for each in parameters.get("account_types", ())]
    symbols = tuple(parameters.get("symbols", ()))
    refused = parameters.get("without", ())

    def chosen(kind: AccountType) -> tuple[str, ...]:
        return symbols or tuple(each for each in protocol.account(kind).symbols if each not in refused)

    return [each for each in _all_slots(parameters, context, protocol, kinds, chosen) if each.symbols]


def _all_slots(
    parameters: Mapping[str, Any],
    context: ContextAnswer,
    protocol: Protocol,
    kinds: Sequence[AccountType],
    chosen: Callable[[AccountType], tuple[str, ...]],
) -> list[Slot]:
    amount = parameters.get("amount")
    if amount is not None:
        if len(kinds) == 1:
            return [Slot(kinds[0], chosen(kinds[0]), amount, supposed=True)]
        parts = split(cents_of(amount), protocol)
        return [
            Slot(kind, chosen(kind), usd_of(part), supposed=True)
            for kind, part in parts.items()
            if part > 0 and (not kinds or kind in kinds)
        ]
    if context.has_accounts:
        return [
            Slot(
                each.type,
                chosen(each.type),
                each.balance,
                free=round(each.balance - each.contracts - each.leaps, 2),
                account=each,
            )
            for each in context.accounts
            if each.balance > 0 and (not kinds or each.type in kinds)
        ][:MAX_SLOTS]
    return [Slot(kind, chosen(kind), None, supposed=True) for kind in kinds or AccountType]


def symbols_of(slots: Sequence[Slot]) -> list[str]:
    return list(dict.fromkeys(symbol for slot in slots for symbol in slot.symbols))


def entry_day(after: date, kind: AccountType, condition: Condition | None, protocol: Protocol) -> date:
    """The first day after the data's last one on which the account may enter; a Rev-Acc waits for Wednesday
    in a Chop week."""
    days = protocol.account(kind).entry_weekdays or (0, 1, 2, 3, 4)
    if kind is AccountType.REV_ACC and condition is Condition.CHOP and _WEDNESDAY in days:
        days = (_WEDNESDAY,)
    day = after + timedelta(days=1)
    while day.weekday() not in days or is_holiday(day):
        day += timedelta(days=1)
    return day


def is_holiday(day: date) -> bool:
    """Whether the New York Stock Exchange keeps a holiday on a weekday, by its rules of today."""
    kept = {day}
    if day.weekday() == 0:
        kept.add(day - timedelta(days=1))
    elif day.weekday() == 4:
        kept.add(day + timedelta(days=1))
    if any((each.month, each.day) in ((6, 19), (7, 4), (12, 25)) for each in kept):
        return True
    # New Year on a Saturday is not kept on the Friday before.
    if any((each.month, each.day) == (1, 1) for each in kept if each <= day):
        return True
    week = (day.day + 6) // 7
    if day.weekday() == 0:
        memorial = day.month == 5 and day.day > 24
        return memorial or (day.month, week) in ((1, 3), (2, 3), (9, 1))
    return (day.month, week, day.weekday()) == (11, 4, 3) or day == good_friday(day.year)


def ask(
    slot: Slot,
    analysis: MarketAnalysis,
    week: Condition | None,
    dte: int | None,
    protocol: Protocol,
) -> Question | None:
    """The question for one symbol; None when its analysis is too thin. `week` is the user's own class."""
    if analysis.quality is not Quality.OK or analysis.as_of is None:
        return None
    condition = week or analysis.market_condition
    entry = entry_day(analysis.as_of, slot.account_type, condition, protocol)
    expiry = entry + timedelta(days=dte) if dte else next_weekly_expiry(entry)
    return Question(slot, analysis, condition, entry, expiry)


def select_request(question: Question, option_type: OptionType, appetite: RiskAppetite) -> SelectRequest:
    return SelectRequest(
        account_type=question.slot.account_type,
        symbol=question.analysis.symbol,
        option_type=option_type,
        market_condition=question.condition,
        market_analysis=question.analysis,
        dte=question.dte,
        risk_preferences=RiskPreferences(risk_level=appetite),
    )


def size_request(
    question: Question,
    selected: SelectAnswer,
    guard: Guard,
    appetite: RiskAppetite,
    max_position_size: float | None,
) -> SizeRequest:
    """The size of the selected option. Needs a slot with a balance."""
    slot = question.slot
    assert slot.balance is not None
    portfolio = None
    if slot.account is not None:
        portfolio = Portfolio(
            portfolio_id=slot.account.account_id,
            account_type=slot.account_type,
            cash=slot.balance if slot.free is None else slot.free,
            total_value=slot.balance,
        )
    return SizeRequest(
        account_type=slot.account_type,
        account_balance=slot.balance,
        symbol=question.analysis.symbol,
        market_condition=question.condition,
        market_analysis=question.analysis,
        option=OptionTerms(
            type=selected.option_type,
            strike=selected.strike,
            target_delta=None if selected.strike else selected.selected_delta,
            dte=question.dte,
        ),
        portfolio=portfolio,
        risk_preferences=RiskPreferences(risk_level=appetite, max_position_size=max_position_size),
        exposure_factor=guard.exposure_factor,
        entry_date=question.entry,
    )


def best(ideas: Sequence[Idea]) -> Idea:
    """The one that is told: with contracts before without, then by edge on capital, then by the smallest
    balance from which it would fit, then in the account's own order."""

    def rank(place: int) -> tuple[bool, float, float, int]:
        sized = ideas[place].sized
        if sized is None:
            return (True, 0.0, 0.0, place)
        edge = sized.kelly.edge if sized.kelly else 0.0
        return (sized.contracts == 0, -edge, sized.smallest_balance or 1e12, place)

    return ideas[min(range(len(ideas)), key=rank)]


def weekday_name(day: date) -> str:
    return _WEEKDAYS[day.weekday()]
