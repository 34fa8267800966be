"""Answers to what is said beside the matter (see `alluse.domain.asides`)."""

from collections.abc import Sequence

from alluse.domain.asides import GLOSSARY
from alluse.domain.replies import holdings, listed, percent, usd
from alluse.schemas.common import AccountType
from alluse.schemas.ledger import AccountView
from alluse.schemas.protocol import Protocol


def courtesy() -> str:
    return "Noted. I am here when you want to look at the market, the week's trades, risk or results."


def term(name: str) -> str:
    """What a term of the glossary means."""
    return f"{name[:1].upper()}{name[1:]}: {GLOSSARY[name]}"


def no_promise(protocol: Protocol) -> str:
    """Nobody knows what will be earned; the targets are what they are."""
    targets = listed(
        f"{kind.display} {percent(protocol.account(kind).weekly_return_target)}" for kind in AccountType
    )
    return (
        "No return is promised, and I cannot say what will be earned: nobody knows it. The protocol has "
        "weekly "
        f"targets ({targets}); they are aspirations, no forecast. Losses are possible, and a sold put can "
        f"lose "
        "far more than its premium. I can tell what a trade ties up and what it can lose, or report what "
        "your "
        "accounts have done so far."
    )


def no_orders() -> str:
    return (
        "This is a simulation: I send no order to any broker, hold no real money, and buy or sell nothing. I "
        "name "
        "the options that the rules select, with delta, strike, expiry, premium, contracts and maximum loss; "
        "what to do with it is yours to decide."
    )


def not_booked_here(accounts: Sequence[AccountView], total: float) -> str:
    return (
        "I book no deposits, withdrawals or transfers in a conversation, so nothing was changed: they are "
        "entries of the ledger, which memory-manager takes for an account (POST "
        "/v1/users/USER/accounts/ACCOUNT/entries). Com-Acc allows no withdrawals. Your accounts hold "
        f"{usd(total)}: {holdings(accounts)}."
    )


def your_data(user_id: str) -> str:
    return (
        "I keep your messages, preferences, accounts and decisions in memory-manager, for you alone, and "
        "delete "
        f"nothing in a conversation. GET /v1/users/{user_id}/export returns all of it, DELETE "
        f"/v1/users/{user_id} erases it for good."
    )
