"""A new user opens accounts: five turns with the agent, within 5 s."""

from typing import Final

from alluse.client.chat import AGENT
from alluse.client.workflows.steps import Facts, Run, Step, Workflow, field_of, number_of, require, saying


def _three_accounts(run: Run) -> Facts:
    status = run.system.get(AGENT, f"/v1/users/{run.user_id}/status")
    accounts = field_of(status, "accounts")
    require(len(accounts) == 3, f"there are {len(accounts)} accounts, not three")
    total = sum(number_of(account, "balance") for account in accounts)
    require(abs(total - 50_000) < 0.005, f"the accounts hold {total:,.2f} USD, not 50,000.00")
    return [(str(account.get("type")), f"{account['balance']:,.2f} USD") for account in accounts]


ONBOARDING: Final = Workflow(
    "onboarding",
    "A new user opens accounts",
    5.0,
    (AGENT,),
    (
        saying("Hello, I'm new to ALL-USE and want to get started", "greeting", ("welcome",), ("account",)),
        saying(
            "I want to set up my trading accounts",
            "setup_accounts",
            ("account",),
            ("gen-acc", "rev-acc", "com-acc"),
        ),
        saying(
            "I'm moderately aggressive and I have a $50,000 account", "provide_profile", ("risk",), ("50",)
        ),
        Step("three accounts hold 50,000.00 USD together", _three_accounts),
        saying(
            "What should I trade this week?",
            "recommend_trades",
            ("recommend", "suggest", "trade", "option"),
        ),
        saying(
            "How can I track my performance?",
            "check_performance",
            ("performance", "track", "monitor", "report"),
        ),
    ),
)
