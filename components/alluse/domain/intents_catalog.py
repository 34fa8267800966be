"""Each intent in a line, with sentences that have it."""

from collections.abc import Mapping
from typing import Final

from alluse.schemas.intent import Intent

CATALOG: Final[Mapping[Intent, tuple[str, tuple[str, ...]]]] = {
    Intent.GREETING: ("Says hello or is new here", ("good morning", "hey, I'm new here")),
    Intent.EXPLAIN_PROTOCOL: ("Asks how the strategy works", ("what is this strategy about?",)),
    Intent.EXPLAIN_ACCOUNTS: ("Asks what the three accounts are for", ("what does Rev-Acc do?",)),
    Intent.EXPLAIN_FORKING: ("Asks how and when an account forks", ("when does an account split?",)),
    Intent.SETUP_ACCOUNTS: ("Wants accounts", ("open my three accounts", "I'd like to put in 120k")),
    Intent.PROVIDE_PROFILE: (
        "States capital or appetite for risk",
        ("I'm rather careful with money", "medium risk, 80k to start"),
    ),
    Intent.CLASSIFY_WEEK: ("Asks which type of week it is", ("what kind of week is it?",)),
    Intent.WEEK_GREEN: ("Says that the week is green", ("I think it's green",)),
    Intent.WEEK_RED: ("Says that the week is red", ("looks bearish",)),
    Intent.WEEK_CHOP: ("Says that the week has no direction", ("sideways market",)),
    Intent.MARKET_OUTLOOK: ("Asks about the market or a share", ("how is the market doing today?",)),
    Intent.RECOMMEND_TRADES: (
        "Wants a trade to make",
        ("any ideas for my Gen-Acc?", "which puts this week?"),
    ),
    Intent.SELECT_DELTA: ("Asks which delta or strike to sell", ("which delta fits now?",)),
    Intent.SIZE_POSITION: ("Asks how much to put into a trade", ("how many contracts can I afford?",)),
    Intent.ASSESS_RISK: ("Asks about the risk of what is held", ("how risky is my book?",)),
    Intent.DRAWDOWN_HELP: ("Has losses and wants to act", ("I've lost 12 %, now what?",)),
    Intent.ADJUST_POSITIONS: ("Asks what to do with open positions", ("should I roll my puts?",)),
    Intent.ACCOUNT_ADVICE: ("Asks how to run the accounts", ("how should I manage the accounts?",)),
    Intent.CHECK_PERFORMANCE: (
        "Asks about results so far",
        ("how am I doing?", "how do I follow my results?"),
    ),
    Intent.FORK_ACCOUNT: ("Wants an account forked", ("split my Gen-Acc",)),
    Intent.REINVEST: ("Wants profits reinvested", ("it's quarter end, reinvest",)),
    Intent.HELP: ("Asks what the agent can do", ("what can you do?",)),
    Intent.STATUS: ("Asks for accounts and balances", ("show where I stand",)),
}
