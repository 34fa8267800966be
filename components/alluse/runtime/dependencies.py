"""Watches the hard dependencies: until all were ready once, then whether they can be reached.

Before the first time each must answer its readiness with 200. Later its liveness is enough, so that a
dependency that is busy with its own trouble does not take everything down that stands on it.
"""

import asyncio
from typing import Final

from alluse import contract
from alluse.runtime.metrics import Metrics
from alluse.runtime.peers import PeerError, Peers

FAST_S: Final = 0.25
STEADY_S: Final = 2.0
RECHECK_S: Final = 0.5
#: Long enough for a component that works on a machine that is busy with other things.
TIMEOUT_S: Final = 2.0
#: Misses in a row after which a dependency that was there counts as lost: within 3 s when nobody is there,
#: within 7 s when somebody is and does not answer.
MISSES: Final = 2


class Dependencies:
    """State of the hard dependencies of one component."""

    def __init__(self, names: tuple[str, ...], peers: Peers, metrics: Metrics) -> None:
        self._peers = peers
        self._misses: dict[str, int] = dict.fromkeys(names, MISSES)
        self._detail: dict[str, str] = dict.fromkeys(names, "has not answered yet")
        self._up = metrics.gauge(
            contract.METRIC_DEPENDENCY_UP, "1 when the last call to a component succeeded", ("dep",)
        )
        #: True from the moment when all were ready.
        self.seen_ready = not names

    def missing(self) -> dict[str, str]:
        """The dependencies that are not there, with what was found."""
        return {name: self._detail[name] for name, misses in self._misses.items() if misses >= MISSES}

    async def run(self) -> None:
        """Watch until cancelled."""
        while self._misses:
            await asyncio.gather(*(self._look(name) for name in self._misses))
            if not self.missing():
                self.seen_ready = True
            if not self.seen_ready:
                await asyncio.sleep(FAST_S)
            else:
                await asyncio.sleep(RECHECK_S if any(self._misses.values()) else STEADY_S)

    async def _look(self, name: str) -> None:
        path = contract.PATH_LIVE if self.seen_ready else contract.PATH_READY
        try:
            reply = await self._peers.exchange(name, "GET", path, timeout_s=TIMEOUT_S)
            problem = "" if reply.status == 200 else f"{path} answers {reply.status}"
        except PeerError as error:
            problem = error.detail
        self._detail[name] = problem
        if not problem:
            self._misses[name] = 0
        elif self.seen_ready:
            self._misses[name] += 1
        else:
            self._misses[name] = MISSES
        self._up.set(0 if problem else 1, dep=name)
