"""How the agent writes: numbers with unit and date, numbered steps, each new term explained once.

Calm and exact: "the rule says", "the data say", never a promise, no urgency. Every text is built from values
that were computed; nothing here computes.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Final

from alluse.domain.asides import GLOSSARY
from alluse.schemas.agent import MAX_REPLY, GateBlocker, GateReading
from alluse.schemas.base import DISCLAIMER
from alluse.schemas.common import AccountType
from alluse.schemas.intent import Intent
from alluse.schemas.ledger import AccountView
from alluse.schemas.protocol import Protocol
from alluse.schemas.users import Expertise

#: Terms that are explained to a beginner at their first use.
TERMS: Final = {
    term: f"{term.capitalize()}: {GLOSSARY[term]}"
    for term in (
        "delta",
        "strike",
        "premium",
        "surplus",
        "drawdown",
        "value at risk",
        "implied volatility",
        "cash buffer",
    )
}

SIMULATION: Final = f"{DISCLAIMER[:1].upper()}{DISCLAIMER[1:]}."


def usd(amount: float) -> str:
    return f"{amount:,.2f} USD"


def percent(fraction: float, digits: int = 1) -> str:
    return f"{fraction * 100:.{digits}f} %"


def day(value: date | None) -> str:
    return "no date" if value is None else value.isoformat()


def listed(items: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    names = list(items)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else "none"


def holdings(accounts: Sequence[AccountView]) -> str:
    """Accounts with their balances: six of them, the others counted."""
    named = [f"{each.type.display} {usd(each.balance)}" for each in accounts[:6]]
    return listed([*named, f"{len(accounts) - 6} more"] if len(accounts) > 6 else named)


def steps(items: Sequence[str]) -> str:
    """Numbered when there are more than two."""
    return " ".join(items) if len(items) <= 2 else "\n".join(numbered(items))


def numbered(items: Sequence[str]) -> list[str]:
    """The items with their numbers when there are more than two."""
    if len(items) <= 2:
        return list(items)
    return [f"{number}. {item}" for number, item in enumerate(items, 1)]


def fit_lines(
    opening: str, lines: Sequence[str], closing: str, more: str = "account", limit: int = MAX_REPLY
) -> str:
    """Opening and closing with as many whole lines between them as there is room for; says how many are left
    out, and how to get them."""
    for count in range(len(lines), -1, -1):
        left = len(lines) - count
        rest = f"{left} more left out for length: ask for one {more}." if left else ""
        text = "\n".join(part for part in (opening, *lines[:count], rest, closing) if part)
        if len(text) <= limit:
            return text
    return fit([opening, closing], limit)


def fit(parts: Sequence[str], limit: int = MAX_REPLY) -> str:
    """The parts as paragraphs, from the first on as many as fit whole; the last part always does.

    A single part that is too long ends at its last whole sentence.
    """
    given = [part for part in parts if part]
    if not given:
        return ""
    last = given[-1][:limit]
    kept: list[str] = []
    room = limit - len(last)
    for part in given[:-1]:
        if len(part) + 1 <= room:
            kept.append(part)
            room -= len(part) + 1
        else:
            cut = part[: max(0, room - 1)]
            end = max(cut.rfind(". "), cut.rfind(".\n"))
            if end > 0:
                kept.append(cut[: end + 1])
            break
    return "\n".join([*kept, last])


def explain_terms(text: str, expertise: Expertise, explained: Iterable[str]) -> tuple[str, list[str]]:
    """The text with the terms explained that it uses for the first time, and which these are."""
    if expertise is not Expertise.BEGINNER:
        return text, []
    known = set(explained)
    told: list[str] = []
    for term, sentence in TERMS.items():
        if len(told) == 2:
            break
        if term in known or sentence in text or not re.search(rf"\b{term}\b", text, re.IGNORECASE):
            continue
        if len(text) + len(sentence) + 1 <= MAX_REPLY:
            text, told = f"{text}\n{sentence}", [*told, term]
    return text, told


def cannot_compute(thing: str, component: str, refused: bool = False) -> str:
    """What is said instead of figures when a component is missing (or refuses what it was asked)."""
    if refused:
        return f"I cannot compute {thing}: {component} refuses the request. I give no figures in its place."
    return (
        f"I cannot compute {thing} now: {component} does not answer. I give no figures in its place. Please "
        "ask again in a few minutes."
    )


def gate_closed(blockers: Sequence[GateBlocker]) -> str:
    """What is said instead of a trade, a size or a delta while the trading gate is closed."""
    found = {GateReading.UNHEALTHY: "says that it is unhealthy", GateReading.UNKNOWN: "cannot be relied on"}
    named = listed(
        f"{each.component} {found.get(each.reading, 'was not well')} since {each.since:%Y-%m-%d %H:%M:%S} UTC"
        for each in blockers
    )
    return (
        f"I recommend no new trade, size or delta now, because the trading gate is closed: {named}. Without "
        "drawdown-protection and portfolio-risk-monitor, which guard your capital, a recommendation could be "
        "wrong. The gate opens by itself when both are well. Market, accounts and reports are still answered."
    )


def rest_unanswered(component: str) -> str:
    return f"The rest of your message I cannot answer now: {component} does not answer."


def not_saved() -> str:
    return "This turn could not be saved, so I will not remember it."


# -- answers without computed figures ------------------------------------------------------------


def welcome(has_accounts: bool) -> str:
    if has_accounts:
        return (
            "Welcome back. Your accounts are open. I can look at the market, name what the rules select this "
            "week for each account, assess risk, or report performance."
        )
    return (
        "Welcome to ALL-USE. It sells options by written rules in three accounts: Gen-Acc, Rev-Acc and "
        "Com-Acc. To begin, tell me the amount that you want to start with and how much risk suits you "
        "(conservative, moderate, moderately aggressive or aggressive); I then set up the accounts. This is "
        "a simulation: no order is ever sent."
    )


def protocol_text(protocol: Protocol) -> str:
    shares = "/".join(f"{protocol.account(kind).share * 100:.0f}" for kind in AccountType)
    return fit(
        [
            f"The protocol divides capital into three accounts ({shares} %) and works in weeks:",
            steps(
                [
                    "Each week is classified from market data as Green, Red or Chop.",
                    "Each account sells options within its own delta band; weak weeks lower delta and size.",
                    "Premium is collected, and positions are rolled or closed by rules when prices move "
                    "against them.",
                    f"A Gen-Acc whose surplus reaches {usd(protocol.fork.surplus_trigger)} splits; the other "
                    "two reinvest each quarter.",
                ]
            ),
            "Weekly return targets are aspirations of the protocol, no forecast, and losses are possible.",
        ]
    )


def accounts_text(protocol: Protocol) -> str:
    lines = []
    for kind in AccountType:
        rules = protocol.account(kind)
        lines.append(
            f"{kind.display}: {percent(rules.share, 0)} of the capital, delta {rules.delta_band.low:.2f} to "
            f"{rules.delta_band.high:.2f}, {listed(rules.symbols)}, target "
            f"{percent(rules.weekly_return_target)} a week (an aspiration, no forecast), at most "
            f"{percent(rules.max_position, 0)} in one position, protected from a fall of "
            f"{percent(rules.drawdown_limit, 0)}{'' if rules.withdrawals else ', no withdrawals'}."
        )
    share = protocol.account(AccountType.GEN_ACC).cash_buffer
    return fit([steps(lines), f"Each keeps a cash buffer of {percent(share, 0)}."])


def forking_text(protocol: Protocol) -> str:
    trigger, kept = protocol.fork.surplus_trigger, protocol.fork.retain_fraction
    half = trigger * (1 - kept) / 2
    return fit(
        [
            f"A Gen-Acc splits when its surplus over what was paid in reaches {usd(trigger)}. Example: a "
            f"surplus of {usd(trigger)} gives a new Gen-Acc of {usd(half)} and a new Com-Acc of {usd(half)}; "
            f"the parent keeps its base{f' and {percent(kept, 0)} of the surplus' if kept else ''}.",
            f"A forked account of {usd(protocol.fork.merge_threshold)} merges into its parent's Com-Acc "
            "after its positions are closed.",
        ]
    )


def ask_amount(protocol: Protocol, appetite: str | None) -> str:
    parts = ", ".join(f"{kind.display} {percent(protocol.account(kind).share, 0)}" for kind in AccountType)
    question = (
        "Which amount do you want to start with (at least 1,000.00 USD)?"
        if appetite
        else "Which amount do you want to start with (at least 1,000.00 USD), and which risk suits you: "
        "conservative, moderate, moderately aggressive or aggressive?"
    )
    noted = f"I note your risk appetite: {appetite.replace('_', ' ')}. " if appetite else ""
    buffer = percent(protocol.account(AccountType.GEN_ACC).cash_buffer, 0)
    return (
        f"{noted}Your trading accounts are set up from one amount: {parts}; each keeps {buffer} as cash "
        f"buffer. {question}"
    )


def amount_too_small(amount: float) -> str:
    return (
        f"{usd(amount)} cannot be set up: the rules open accounts from 1,000.00 USD (and below 10 billion). "
        "Please name another amount."
    )


def accounts_opened(accounts: Sequence[AccountView], total: float, appetite: str | None) -> str:
    lines = [
        f"{each.type.display}: {usd(each.balance)}, of it {usd(each.cash_buffer)} cash buffer."
        for each in accounts
    ]
    risk = (
        f"Your risk appetite is noted: {appetite.replace('_', ' ')}."
        if appetite
        else "Your risk appetite is not known yet; until you state it, moderate is used."
    )
    return fit(
        [
            f"Your accounts are open with {usd(total)} in all:",
            steps(lines),
            f"{risk} Next step: ask what the rules select this week.",
        ]
    )


def accounts_exist(accounts: Sequence[AccountView], total: float, appetite: str | None) -> str:
    held = holdings(accounts)
    noted = f"Your risk appetite is noted: {appetite.replace('_', ' ')}. " if appetite else ""
    return (
        f"{noted}Your accounts are already set up with {usd(total)}: {held}. They stay as they are; risk and "
        "size follow from these balances."
    )


def week_stated(condition: str) -> str:
    effects = {
        "Green": "deltas as in each account's band, full exposure limits",
        "Red": "lower deltas, three quarters of the exposure limits",
        "Chop": "no new Gen-Acc entries, Rev-Acc on Wednesday, lower deltas, half of the exposure",
    }
    return (
        f"Noted: you classify this week as {condition}. The rules then use {effects[condition]}. The note "
        "holds for 7 days."
    )


def ask_capital() -> str:
    return (
        "A position size needs a capital. Name an amount (for example 50,000.00 USD), or set up your "
        "accounts first."
    )


def risk_unknown() -> str:
    return (
        "I know of no portfolio or accounts of yours, so I cannot assess their risk and will not guess it. "
        "Set up your accounts by naming an amount, or ask about a fall from the peak, for example: my "
        "portfolio is down 10 %."
    )


def ask_drawdown() -> str:
    return (
        "How far has your portfolio fallen from its highest value, in percent? Protection has four levels, "
        "at a drawdown of 5, 10, 15 and 20 %, and each reduces risk further."
    )


def account_advice(protocol: Protocol, accounts: Sequence[AccountView]) -> str:
    trigger = usd(protocol.fork.surplus_trigger)
    shares = listed(f"{kind.display} {percent(protocol.account(kind).share, 0)}" for kind in AccountType)
    lines = [
        f"Keep the split: {shares}.",
        "Classify each week before entering anything; a Chop week opens no new Gen-Acc position.",
        f"Let a Gen-Acc split when its surplus reaches {trigger}; reinvest Rev-Acc and Com-Acc each quarter.",
        "Take nothing out of Com-Acc; withdraw from Rev-Acc or Gen-Acc.",
    ]
    state = (
        f"Now: {holdings(accounts)}."
        if accounts
        else "You have no accounts yet; name an amount to set them up."
    )
    return fit(["The account rules say:", steps(lines), state])


def nothing_to_report() -> str:
    return (
        "Performance is tracked from the ledger of your accounts: every premium, fee, deposit and withdrawal "
        "is booked, and returns are time-weighted, so that deposits do not count as gains. There are no "
        "accounts yet; name an amount to set them up."
    )


def setup_first() -> str:
    return "There are no accounts yet. Name an amount (at least 1,000.00 USD) to set them up."


def help_text() -> str:
    return fit(
        [
            "I am the agent of ALL-USE, a program; I send no orders. You can ask me to:",
            steps(
                [
                    "set up accounts (I want to start with 50,000 USD, moderate risk);",
                    "look at the market or classify the week;",
                    "name what the rules select this week, a delta, or a position size;",
                    "assess risk, or help with a drawdown;",
                    "report performance, split a Gen-Acc, or reinvest.",
                ]
            ),
            "If you are new: start with the amount for your accounts.",
        ]
    )


#: What a message that fits no intent may have been about, as something to ask.
_ASKABLE: Final = {
    Intent.EXPLAIN_PROTOCOL: "How does the protocol work?",
    Intent.EXPLAIN_ACCOUNTS: "What are the three accounts for?",
    Intent.EXPLAIN_FORKING: "When does an account fork?",
    Intent.SETUP_ACCOUNTS: "Set up my accounts with 50,000 USD",
    Intent.PROVIDE_PROFILE: "I am a moderate investor",
    Intent.CLASSIFY_WEEK: "What kind of week is it?",
    Intent.WEEK_GREEN: "I think the week is green",
    Intent.WEEK_RED: "I think the week is red",
    Intent.WEEK_CHOP: "I think the week is chop",
    Intent.MARKET_OUTLOOK: "How is the market doing?",
    Intent.RECOMMEND_TRADES: "What should I trade this week?",
    Intent.SELECT_DELTA: "Which delta fits now?",
    Intent.SIZE_POSITION: "How many contracts can I afford?",
    Intent.ASSESS_RISK: "How risky are my accounts?",
    Intent.DRAWDOWN_HELP: "My portfolio is down 10 %, what now?",
    Intent.ADJUST_POSITIONS: "Should I roll my puts?",
    Intent.ACCOUNT_ADVICE: "How should I manage the accounts?",
    Intent.CHECK_PERFORMANCE: "How am I doing?",
    Intent.FORK_ACCOUNT: "Fork my Gen-Acc",
    Intent.REINVEST: "Reinvest my profits",
    Intent.HELP: "What can you do?",
    Intent.STATUS: "Where do I stand?",
}
_ALWAYS_ASKABLE: Final = (Intent.RECOMMEND_TRADES, Intent.ASSESS_RISK, Intent.CHECK_PERFORMANCE)


def suggestions(nearest: Sequence[Intent] = ()) -> str:
    """Asks back. `nearest` are intents that the message comes near to; without any it is about something
    else."""
    near = [each for each in nearest if each in _ASKABLE]
    offered = list(dict.fromkeys([*near, *_ALWAYS_ASKABLE]))[:3]
    opening = (
        "I did not understand that well enough to act on it. Did you mean one of these?"
        if near
        else "I cannot help with that, or did not understand it: I know about the ALL-USE accounts, their "
        "market, trades, risk and results, in English. You could ask:"
    )
    return "\n".join([opening, *numbered([_ASKABLE[each] for each in offered])])


def not_understood_now() -> str:
    return (
        "I cannot work out what you ask for now: intent-detector does not answer. Greeting, help and status "
        "still work; please ask again in a few minutes."
    )


def not_read_now() -> str:
    return (
        "I cannot read amounts, symbols or percentages now: entity-extractor does not answer. I will not "
        "guess them; please ask again in a few minutes."
    )


def status_text(
    accounts: Sequence[AccountView], total: float, week: str | None, week_day: date | None, decisions: int
) -> str:
    held = f"{holdings(accounts)}; {usd(total)} in all" if accounts else "no accounts yet"
    classed = f"{week} (stated for {day(week_day)})" if week else "not classified by you; the data are used"
    return f"Status: {held}. Week: {classed}. Decisions so far: {decisions}. No order is ever sent."


def system_text(overall: str, failing: Sequence[str]) -> str:
    return f"System: {overall}{f'; failing: {listed(failing)}' if failing else ''}."


def fork_not_ready(surplus: float, missing: float, trigger: float, weeks: int | None, target: float) -> str:
    ahead = (
        f" At the weekly target of {percent(target)}, which is an aspiration and no forecast, that would "
        f"take {weeks} weeks."
        if weeks
        else ""
    )
    return (
        f"The Gen-Acc does not split yet: its surplus is {usd(surplus)} of {usd(trigger)}; {usd(missing)} "
        f"are missing.{ahead}"
    )


def spreading(weights: Mapping[str, float], as_of: date | None, synthetic: Sequence[str]) -> str:
    """How equal shares of risk would be held."""
    held = listed(f"{symbol} {percent(weight, 0)}" for symbol, weight in weights.items() if weight >= 0.005)
    drawn = f" Prices of {listed(synthetic)} are synthetic." if synthetic else ""
    return f"By the data to {day(as_of)}, equal shares of risk would be {held}.{drawn}"
