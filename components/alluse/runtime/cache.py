"""A bounded cache: least recently used goes first, entries live a limited time, the bounds can change.

All caches of a process are registered with `Caches`, which follows the configuration until somebody
tunes a cache by hand (`POST /admin/cache`), and counts hits, misses and evictions.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final, Generic, NamedTuple, TypeVar

from alluse import contract
from alluse.runtime.metrics import Metrics

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

KEY_MAX_SIZE: Final = "performance.cache.max_size"
KEY_TTL: Final = "performance.cache.ttl_seconds"
MIN_SIZE: Final = 10
MAX_SIZE: Final = 10_000
MIN_TTL_S: Final = 1
MAX_TTL_S: Final = 86_400


class CacheState(NamedTuple):
    """Bounds and fill of one cache, as `/admin/cache` shows them."""

    name: str
    max_size: int
    ttl_s: float
    entries: int


class Cache(Generic[K, V]):
    """Least-recently-used cache with a time to live. Values must not be changed by those who get them."""

    def __init__(
        self,
        name: str,
        max_size: int,
        ttl_s: float,
        metrics: Metrics,
        ttl_limit_s: float = MAX_TTL_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._ttl_limit_s = ttl_limit_s
        self._clock = clock
        self._entries: OrderedDict[K, tuple[float, V]] = OrderedDict()
        labels = ("cache",)
        self._hits = metrics.counter(contract.METRIC_CACHE_HITS, "Answers found in a cache", labels)
        self._misses = metrics.counter(contract.METRIC_CACHE_MISSES, "Answers not found in a cache", labels)
        self._evictions = metrics.counter(
            contract.METRIC_CACHE_EVICTIONS, "Entries dropped for want of room", labels
        )
        self._gauge = metrics.gauge(contract.METRIC_CACHE_ENTRIES, "Entries in a cache", labels)
        for counter in (self._hits, self._misses, self._evictions):
            counter.inc(0, cache=name)
        metrics.before_render(lambda: self._gauge.set(len(self._entries), cache=name))
        self.max_size = max_size
        self.ttl_s = min(ttl_s, ttl_limit_s)

    def get(self, key: K) -> V | None:
        entry = self._entries.get(key)
        if entry is None or entry[0] <= self._clock():
            if entry is not None:
                del self._entries[key]
            self._misses.inc(cache=self.name)
            return None
        self._entries.move_to_end(key)
        self._hits.inc(cache=self.name)
        return entry[1]

    def put(self, key: K, value: V) -> None:
        self._entries[key] = (self._clock() + self.ttl_s, value)
        self._entries.move_to_end(key)
        self._shrink()

    def clear(self) -> None:
        self._entries.clear()

    def resize(self, max_size: int | None = None, ttl_s: float | None = None) -> None:
        """Change the bounds; a shorter time to live holds for what is put from now on."""
        if max_size is not None:
            self.max_size = max_size
        if ttl_s is not None:
            self.ttl_s = min(ttl_s, self._ttl_limit_s)
        self._shrink()

    def state(self) -> CacheState:
        return CacheState(self.name, self.max_size, self.ttl_s, len(self._entries))

    def _shrink(self) -> None:
        while len(self._entries) > self.max_size:
            self._entries.popitem(last=False)
            self._evictions.inc(cache=self.name)


class Caches:
    """Every cache of the process, by name."""

    def __init__(self, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._clock = clock
        self._caches: dict[str, Cache[Hashable, object]] = {}
        self._tuned: set[str] = set()
        self._max_size = 1000
        self._ttl_s: float = 300

    def cache(self, name: str, ttl_limit_s: float = MAX_TTL_S) -> Cache[Hashable, object]:
        """The cache of that name; made with the configured bounds on first use."""
        if name not in self._caches:
            self._caches[name] = Cache(
                name, self._max_size, self._ttl_s, self._metrics, ttl_limit_s, self._clock
            )
        return self._caches[name]

    def configure(self, max_size: int, ttl_s: float) -> None:
        """Take the bounds of the configuration; hand-tuned caches keep theirs."""
        self._max_size, self._ttl_s = max_size, ttl_s
        for name, cache in self._caches.items():
            if name not in self._tuned:
                cache.resize(max_size, ttl_s)

    def tune(self, max_size: int | None, ttl_s: float | None, name: str | None = None) -> None:
        """Set bounds by hand for one cache or all; without bounds nothing changes.

        Raises KeyError for an unknown name.
        """
        chosen = [self._caches[name]] if name else list(self._caches.values())
        if max_size is None and ttl_s is None:
            return
        for cache in chosen:
            cache.resize(max_size, ttl_s)
            self._tuned.add(cache.name)

    def states(self) -> list[CacheState]:
        return [cache.state() for cache in self._caches.values()]
