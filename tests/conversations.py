"""Conversations with the agent among all that it needs, in one process.

    async with conversation(tmp_path) as talk:
        answer = await talk.say("u1", "What should I trade this week?")

What sentences mean is told by a table, so that these tests fail for the agent's reasons alone; with
`language=True` the two real components understand them.
"""

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alluse.runtime.http_client import HttpError, HttpReply
from alluse.runtime.http_server import HttpRequest
from alluse.services import (
    delta_selector,
    drawdown_protection,
    enhanced_agent,
    health_monitor,
    market_analyzer,
    memory_manager,
    portfolio_optimizer,
    portfolio_risk_monitor,
    position_sizer,
)
from inprocess import Component, Response, System, component

#: The five turns of an onboarding.
ONBOARDING = (
    "Hello, I'm new to ALL-USE and want to get started",
    "I want to set up my trading accounts",
    "I'm moderately aggressive with a $50,000 account",
    "What should I trade this week?",
    "How can I track my performance?",
)
#: Ten sentences of ten users, with the intent that each must have.
TEN = (
    ("Hello, how is the market doing today?", "market_outlook", {}),
    ("I want to trade SPY options, what do you recommend?", "recommend_trades", {"stock_symbols": ["SPY"]}),
    ("My account is down 5%, should I be worried?", "drawdown_help", {"percentages": [-0.05]}),
    ("What's the best delta to use now?", "select_delta", {}),
    ("How should I size positions for a $100k account?", "size_position", {"amount": 100_000}),
    ("Can you analyze the risk in my portfolio?", "assess_risk", {}),
    ("What trading opportunities do you see this week?", "recommend_trades", {}),
    ("I'm new to options trading, help me get started", "help", {}),
    ("Should I adjust my positions given the recent volatility?", "adjust_positions", {}),
    ("What's your recommendation for account management?", "account_advice", {}),
)
SPY = "What should I trade on SPY with a $50,000 account?"
DOWN = "My portfolio is down 10%, what should I do?"

MEANINGS: dict[str, tuple[str, dict[str, Any]]] = {
    ONBOARDING[0]: ("greeting", {}),
    ONBOARDING[1]: ("setup_accounts", {}),
    ONBOARDING[2]: ("provide_profile", {"amount": 50_000, "risk_level": "moderately_aggressive"}),
    ONBOARDING[3]: ("recommend_trades", {}),
    ONBOARDING[4]: ("check_performance", {}),
    SPY: ("recommend_trades", {"amount": 50_000, "stock_symbols": ["SPY"]}),
    DOWN: ("drawdown_help", {"percentages": [-0.10]}),
    **{text: (intent, entities) for text, intent, entities in TEN},
}


def mean(text: str) -> tuple[str, dict[str, Any]]:
    """A sentence of the table, or `intent {json}` for anything else."""
    if text in MEANINGS:
        return MEANINGS[text]
    intent, _, entities = text.partition(" ")
    return intent, json.loads(entities or "{}")


def _detect(request: HttpRequest) -> HttpReply:
    if request.path != "/v1/detect":
        return HttpReply(200, {}, b"{}")
    answer = {"intent": mean(json.loads(request.body)["text"])[0], "confidence": 0.9, "method": "rule"}
    return HttpReply(200, {}, json.dumps({**answer, "alternatives": [], "secondary": []}).encode())


def _extract(request: HttpRequest) -> HttpReply:
    if request.path != "/v1/extract":
        return HttpReply(200, {}, b"{}")
    return HttpReply(
        200, {}, json.dumps({"entities": [], **mean(json.loads(request.body)["text"])[1]}).encode()
    )


@dataclass
class Conversation:
    """All components; `without` takes one away."""

    system: System
    agent: Component
    memory: Component

    def without(self, *names: str) -> None:
        """From now on nobody reaches these."""
        for name in names:

            def refuse(_: HttpRequest, name: str = name) -> HttpReply:
                raise HttpError(f"cannot reach {name}")

            self.system.played[name] = refuse

    def with_(self, *names: str) -> None:
        """They are there again."""
        for name in names:
            del self.system.played[name]

    async def ask(self, user: str, message: str, **headers: str) -> Response:
        return await self.agent.post("/v1/chat", {"user_id": user, "message": message}, **headers)

    async def say(self, user: str, message: str) -> dict[str, Any]:
        answer = await self.ask(user, message)
        assert answer.status == 200, (answer.status, answer.body)
        found: dict[str, Any] = answer.json
        return found


@asynccontextmanager
async def conversation(directory: Path, language: bool = False) -> AsyncIterator[Conversation]:
    """Start everything that a turn can need."""
    system = System()
    services = [
        memory_manager.SERVICE,
        market_analyzer.SERVICE,
        position_sizer.SERVICE,
        delta_selector.SERVICE,
        portfolio_risk_monitor.SERVICE,
        drawdown_protection.SERVICE,
        portfolio_optimizer.SERVICE,
        health_monitor.SERVICE,
    ]
    if language:
        from alluse.services import entity_extractor, intent_detector

        services += [intent_detector.SERVICE, entity_extractor.SERVICE]
    else:
        system.played |= {"intent-detector": _detect, "entity-extractor": _extract}
    async with AsyncExitStack() as stack:
        running = [
            await stack.enter_async_context(component(each, directory, system=system)) for each in services
        ]
        agent = await stack.enter_async_context(component(enhanced_agent.SERVICE, directory, system=system))
        yield Conversation(system, agent, running[0])


def amounts(text: str) -> set[str]:
    """The amounts of money that a text names."""
    return set(re.findall(r"-?[\d,]+\.\d\d(?= USD)", text))


def figures(value: Any) -> Iterator[str]:
    """Every number in a JSON value, as a text would write it."""
    if isinstance(value, dict):
        for each in value.values():
            yield from figures(each)
    elif isinstance(value, list):
        for each in value:
            yield from figures(each)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield f"{value:,.2f}"
