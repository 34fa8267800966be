"""Answers to what is said beside the matter (see `alluse.domain.asides`)."""

from collections.abc import Sequence

from alluse.domain.asides import GLOSSARY
from alluse.domain.replies import SIMULATION, day, fit_lines, holdings, listed, percent, usd
from alluse.schemas.common import AccountType
from alluse.schemas.ledger import AccountView
from alluse.schemas.market import SymbolEntry
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


def data_sources(entries: Sequence[SymbolEntry]) -> str:
    """From where prices come and how old they are."""
    real = [each for each in entries if not each.data.synthetic]
    drawn = [each for each in entries if each.data.synthetic]
    spans = {(each.data.source, each.data.last_bar) for each in real}
    parts = [
        f"{listed(each.symbol for each in real if (each.data.source, each.data.last_bar) == span)}: real "
        f"daily prices from the data set {span[0]}, up to {day(span[1])}."
        for span in sorted(spans, key=lambda span: (span[1] is None, span[1], span[0]), reverse=True)
    ]
    if drawn:
        parts.append(
            f"{listed(each.symbol for each in drawn)}: synthetic, drawn at random after the manner of real "
            f"prices, up to {day(drawn[0].data.last_bar)}; no real prices of them are shipped."
        )
    return fit_lines(
        "My prices are historical and come with the program; nothing is live, and each answer tells its day.",
        parts,
        "Option prices are computed, and the implied volatility is assumed from the forecast where no index "
        f"of it exists. {SIMULATION}",
        more="symbol",
    )


def no_such_data(names: Sequence[str]) -> str:
    return f"I have no prices of {listed(names)}."


def position_limit(limit: float | None, lifted: bool) -> str:
    """The user's own limit is noted or taken back, or how one is named."""
    if lifted:
        return "Noted: you limit positions no more. The limits of each account hold as before."
    if limit is None:
        return (
            "Sizes follow from the rules, and I do not scale one by a word. You can limit them: name the "
            "most that one position may take in USD, for example: at most 5,000 USD per position."
        )
    return (
        f"Noted: no position takes more than {usd(limit)} of capital. The limit holds for all later sizes, "
        "beside the limits of each account; name another amount to change it."
    )


def confirm_amount(amounts: Sequence[float]) -> str:
    """Asks back before accounts are opened."""
    if len(amounts) > 1:
        return (
            f"I opened no accounts: you name {listed(usd(each) for each in amounts)}. With which amount "
            f"shall I open them? Say for example: open accounts with {amounts[-1]:,.2f} USD."
        )
    return (
        f"I opened no accounts, because I am not sure that you want them. If you do, say: open accounts with "
        f"{amounts[0]:,.2f} USD. They can start from 1,000.00 USD; nothing here is real money."
    )
