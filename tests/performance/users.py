"""Users at the agent: 1, 10 and 100 of them at the same moment, and 100 who read before they write again."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Protocol

from conversations import TEN
from load import Answered
from performance.results import Figure, Results, percentile

SENTENCES = [text for text, _, _ in TEN]
#: A person reads an answer and writes the next message.
READING_S = 10.0
AIMS = {1: "< 0.100", 10: "< 0.500", 100: "< 1.0"}


class Talk(Protocol):
    """Has users talk to an agent, as `load.talk` does; where it is, the caller knows."""

    def __call__(
        self, users: Sequence[str], messages: Sequence[str], pause_s: float = 0.0
    ) -> Awaitable[list[Answered]]: ...


async def users_at_once(results: Results, talk: Talk, where: str) -> None:
    """Each user says ten sentences, the next one the moment the last is answered."""
    await talk(["warm"], SENTENCES)
    for count, aim in AIMS.items():
        turns: list[Answered] = []
        for again in range(3 if count < 100 else 1):
            turns += await talk([f"u{count}-{again}-{number}" for number in range(count)], SENTENCES)
        figure(results, f"agent, {count} at once without a pause, {where}", turns, aim)
    readers = [f"reader-{number}" for number in range(100)]
    turns = await talk(readers, SENTENCES[:4], READING_S)
    figure(results, f"agent, 100 users who read for {READING_S:.0f} s, {where}", turns, "< 1.0")


def figure(results: Results, name: str, turns: list[Answered], aim: str) -> None:
    seconds = tuple(turn.seconds for turn in turns)
    results.add(Figure(f"{name}, p95", percentile(seconds, 0.95), "s", aim=aim, samples=seconds))
    failed = [turn for turn in turns if turn.status != 200 or not turn.body["reply"]]
    if failed:
        print(f"  the first that failed: {failed[0]}", flush=True)
    results.add(Figure(f"{name}, turns that failed", len(failed), "", aim="0"))
