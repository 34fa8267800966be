"""What several turns want at the same moment is asked for once: ten users, one question to a peer.

Nothing is kept: who comes when the answer is there asks anew.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

A = TypeVar("A")


class Together(Generic[A]):
    """Questions that are under way, by what they ask."""

    def __init__(self) -> None:
        self._asking: dict[str, asyncio.Future[A]] = {}

    async def join(self, question: str, ask: Callable[[], Awaitable[A]]) -> A:
        """The answer to a question, or what it raises; asked by the first who wants to know.

        It goes on for the others when the first has gone.
        """
        asking = self._asking.get(question)
        if asking is None:
            asking = asyncio.ensure_future(ask())
            self._asking[question] = asking
            asking.add_done_callback(lambda done: self._ended(question, done))
        return await asyncio.shield(asking)

    def _ended(self, question: str, done: "asyncio.Future[A]") -> None:
        del self._asking[question]
        if not done.cancelled():
            # Told to whoever waits; looked at here, in case nobody does any more.
            done.exception()
