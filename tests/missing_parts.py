"""What the workflows and ten users must show while a component is missing, whoever runs the system.

The checks talk as the terminal client does: through `alluse.client`, to processes or to a cluster.
"""

import asyncio

import pytest

from alluse.client.calls import System
from alluse.client.chat import AGENT, CHAT
from alluse.client.errors import AnsweredError
from alluse.client.workflows import OPTIMISATION, WORKFLOWS, Run, run_steps
from conversations import ONBOARDING, SPY, TEN
from load import Answered, talk

#: Intents whose answers rest on market data.
NEED_THE_MARKET = ("market_outlook", "recommend_trades", "select_delta", "size_position", "adjust_positions")


def failed_steps(system: System, name: str, user: str) -> list[str]:
    """Titles and problems of the steps of a workflow that did not meet their requirement."""
    return [
        f"{outcome.title}: {outcome.problem}"
        for outcome in run_steps(WORKFLOWS[name], Run(system, user))
        if not outcome.passed
    ]


def ask(system: System, user: str, message: str) -> dict:
    return system.post(AGENT, CHAT, {"user_id": user, "message": message})


def ten_users(address: tuple[str, int], prefix: str) -> list[Answered]:
    """Ten new users, each with a question of its own, at the same moment: all are answered while they wait."""
    users = [f"{prefix}-{number}" for number in range(len(TEN))]
    sentences = [text for text, _, _ in TEN]

    async def at_once() -> list[Answered]:
        one_each = (talk(*address, [user], [text]) for user, text in zip(users, sentences, strict=True))
        return [turn for talks in await asyncio.gather(*one_each) for turn in talks]

    answered = asyncio.run(at_once())
    assert [turn.status for turn in answered] == [200] * len(TEN), answered
    assert all(turn.body["reply"].strip() for turn in answered)
    assert [turn.body["intent"] for turn in answered] == [intent for _, intent, _ in TEN]
    return answered


def own_figures_alone(address: tuple[str, int], prefix: str) -> None:
    """Ten users with different capital ask at the same moment where they stand: each is told its own."""
    capital = {f"{prefix}-{number}": 11_000 + 1_357 * number for number in range(10)}

    async def all_say(messages: dict[str, str]) -> list[Answered]:
        talks = await asyncio.gather(*(talk(*address, [user], [text]) for user, text in messages.items()))
        return [turn for each in talks for turn in each]

    opened = asyncio.run(
        all_say({u: f"I'm moderate and I have a ${c:,} account" for u, c in capital.items()})
    )
    assert {turn.status for turn in opened} == {200}
    for turn in asyncio.run(all_say(dict.fromkeys(capital, "Show where I stand"))):
        assert turn.status == 200
        told = {user for user, amount in capital.items() if f"{amount:,}" in turn.body["reply"]}
        assert told == {turn.user}, turn


def named_and_passed(system: System, address: tuple[str, int], soft: str, user: str) -> None:
    """Without portfolio-optimizer everything passes, and who needed it says its name."""
    for workflow in WORKFLOWS:
        assert failed_steps(system, workflow, f"{user}-{workflow}") == []
    for turn, (_, intent, _) in zip(ten_users(address, user), TEN, strict=True):
        assert (soft in turn.body["degraded"]) == (intent == "account_advice"), turn
        assert (soft in turn.body["reply"]) == (intent == "account_advice"), turn


def no_digit(answer: dict) -> None:
    assert not any(letter.isdigit() for letter in answer["reply"]), answer["reply"]


def nothing_invented(system: System, address: tuple[str, int], user: str) -> None:
    """Without market-analyzer nothing is said that would need it, and all else goes on."""
    for number, message in enumerate(ONBOARDING):
        answer = ask(system, user, message)
        if number == 3:
            assert answer["degraded"] == ["market-analyzer"]
            assert "market-analyzer" in answer["reply"]
            no_digit(answer)
        else:
            assert answer["degraded"] == [], answer
    spoken = ask(system, user, SPY)
    assert spoken["degraded"] == ["market-analyzer"]
    no_digit(spoken)
    steps = list(run_steps(WORKFLOWS["trading"], Run(system, user)))
    assert not any(step.passed for step in steps if "analys" in step.title.lower()), steps
    assert failed_steps(system, "risk", f"{user}-risk") == []
    warmed = failed_steps(system, OPTIMISATION.name, user)
    assert all(
        "market-analyzer" in problem or "hits" in problem or "the system is" in problem for problem in warmed
    )
    for turn, (_, intent, _) in zip(ten_users(address, f"{user}-ten"), TEN, strict=True):
        assert ("market-analyzer" in turn.body["degraded"]) == (intent in NEED_THE_MARKET), turn
        if intent in NEED_THE_MARKET:
            no_digit(turn.body)


def nobody_is_talked_to(system: System, user: str) -> None:
    """Without the memory no turn is answered, and the agent says why."""
    with pytest.raises(AnsweredError, match="memory") as refused:
        ask(system, user, ONBOARDING[0])
    assert refused.value.status == 503
