"""Questions that several turns ask at the same moment."""

import asyncio

import pytest

from alluse.services.enhanced_agent.together import Together


class Peer:
    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.error: Exception | None = None

    async def ask(self) -> int:
        self.asked += 1
        number = self.asked
        await self.may_answer.wait()
        if self.error is not None:
            raise self.error
        return number


async def test_those_who_ask_at_once_share_an_answer_and_the_next_asks_anew() -> None:
    peer, together = Peer(), Together[int]()
    asking = [asyncio.create_task(together.join("KO", peer.ask)) for _ in range(10)]
    other = asyncio.create_task(together.join("SPY", peer.ask))
    await asyncio.sleep(0)
    peer.may_answer.set()
    assert await asyncio.gather(*asking) == [1] * 10
    assert await other == 2
    assert await together.join("KO", peer.ask) == 3


async def test_an_error_is_everybodys_and_remembered_by_nobody() -> None:
    peer, together = Peer(), Together[int]()
    peer.error = LookupError("gone")
    asking = [asyncio.create_task(together.join("KO", peer.ask)) for _ in range(3)]
    await asyncio.sleep(0)
    peer.may_answer.set()
    found = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(each) for each in found] == [LookupError] * 3
    peer.error = None
    assert await together.join("KO", peer.ask) == 2


async def test_the_first_may_go() -> None:
    peer, together = Peer(), Together[int]()
    first, second = (asyncio.create_task(together.join("KO", peer.ask)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    peer.may_answer.set()
    assert await second == 1
    with pytest.raises(asyncio.CancelledError):
        await first
