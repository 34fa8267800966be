"""How far a user keeps the protocol's rules, as far as the ledger can tell. Pure.

Each rule is judged by what was booked or stands now; what the ledger cannot see is not judged at all.
"""

from collections.abc import Mapping, Sequence

from alluse.schemas.common import AccountType
from alluse.schemas.ledger import AccountView, EntryKind, LedgerEntry
from alluse.schemas.memory import Adherence, RuleKept
from alluse.schemas.protocol import Protocol


def adherence(
    accounts: Sequence[AccountView],
    entries: Sequence[LedgerEntry],
    kinds: Mapping[str, AccountType],
    protocol: Protocol,
) -> Adherence:
    """`accounts` are the open ones, `kinds` tells the type of every account that an entry may name."""
    rules = [
        _entry_days(entries, kinds, protocol),
        _cash_buffers(accounts),
        _drawdown_limits(accounts, protocol),
        _forks(accounts, entries, protocol),
    ]
    kept, broken = sum(rule.kept for rule in rules), sum(rule.broken for rule in rules)
    return Adherence(score=round(kept / (kept + broken), 4) if kept + broken else None, rules=rules)


def _judged(rule: str, results: Sequence[bool], told: str) -> RuleKept:
    return RuleKept(rule=rule, kept=sum(results), broken=len(results) - sum(results), detail=told)


def _entry_days(
    entries: Sequence[LedgerEntry], kinds: Mapping[str, AccountType], protocol: Protocol
) -> RuleKept:
    sold = [
        (each.at.weekday(), protocol.account(kinds[each.account_id]).entry_weekdays)
        for each in entries
        if each.kind is EntryKind.PREMIUM and each.amount > 0 and each.account_id in kinds
    ]
    return _judged(
        "entry_days",
        [day in days for day, days in sold],
        "premiums booked on a day on which their account may enter",
    )


def _cash_buffers(accounts: Sequence[AccountView]) -> RuleKept:
    return _judged(
        "cash_buffer",
        [
            each.balance - each.contracts - each.leaps >= each.cash_buffer
            for each in accounts
            if each.balance > 0
        ],
        "accounts whose free cash covers their buffer",
    )


def _drawdown_limits(accounts: Sequence[AccountView], protocol: Protocol) -> RuleKept:
    return _judged(
        "drawdown_limit",
        [each.drawdown < protocol.account(each.type).drawdown_limit for each in accounts if each.balance > 0],
        "accounts above their drawdown limit",
    )


def _forks(accounts: Sequence[AccountView], entries: Sequence[LedgerEntry], protocol: Protocol) -> RuleKept:
    """Forks that were made, against Gen-Accs that could fork and have not."""
    made = {each.group for each in entries if each.kind is EntryKind.FORK}
    waiting = [
        each
        for each in accounts
        if each.type is AccountType.GEN_ACC and each.surplus >= protocol.fork.surplus_trigger
    ]
    return _judged(
        "fork_when_ready", [True] * len(made) + [False] * len(waiting), "forks made, against those overdue"
    )
