"""What the runtime gives to a component's code."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from alluse.runtime.cache import MAX_TTL_S, Cache, Caches
from alluse.runtime.configuration import Config
from alluse.runtime.identity import Identity
from alluse.runtime.logs import Logger, Logs
from alluse.runtime.metrics import Metrics
from alluse.runtime.peers import Peers
from alluse.runtime.store import Store

if TYPE_CHECKING:
    from alluse.runtime.outbox import Outbox

S = TypeVar("S")
R = TypeVar("R")


@dataclass(slots=True)
class Context(Generic[S]):
    """One component's place in the world: configuration, logs, metrics, peers, events, store, state."""

    identity: Identity
    config: Config
    log: Logger
    logs: Logs
    metrics: Metrics
    peers: Peers
    store: Store
    events: "Outbox"
    caches: Caches
    #: Set when the process was told to stop: whoever waits for something else ends its wait.
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _state: list[S] = field(default_factory=list)

    @property
    def state(self) -> S:
        """What the component's `open` returned. Raises RuntimeError before that."""
        if not self._state:
            raise RuntimeError(f"{self.identity.name} is not open yet")
        return self._state[0]

    @state.setter
    def state(self, value: S) -> None:
        self._state[:] = [value]

    @property
    def is_open(self) -> bool:
        return bool(self._state)

    def cache(self, name: str, ttl_limit_s: float = MAX_TTL_S) -> Cache[Any, Any]:
        """The cache of that name, bounded as the configuration says; entries never live past the limit."""
        return self.caches.cache(name, ttl_limit_s)

    async def compute(self, function: Callable[..., R], *args: Any) -> R:
        """Run plain code in a thread, so that health answers do not wait for it."""
        return await asyncio.to_thread(function, *args)
