"""Reads what components show of themselves, keeps the last minutes of it, and sets bounds of their caches."""

import asyncio
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from alluse import contract
from alluse.contract import COMPONENTS
from alluse.domain import tuning_exposition
from alluse.domain.budgets import BUDGET_KEYS
from alluse.domain.tuning import DEBUG, LEAK_LOOKS, CacheReading, Reading
from alluse.domain.tuning_exposition import Snapshot
from alluse.runtime.context import Context
from alluse.runtime.peers import PeerError
from alluse.runtime.system import CacheChange, MemoryChange
from alluse.schemas.logs import LevelAnswer, LevelRequest
from alluse.schemas.metrics import SeriesFound
from alluse.schemas.performance import Action, Change
from alluse.schemas.settings import LogLevel

LOOK_S: Final = 60.0
#: Until metrics-collector has answered once more: it may be starting, too.
ASK_AGAIN_S: Final = 2.0
#: Looks that the window of figures goes back.
WINDOW_LOOKS: Final = 5
TIMEOUT_S: Final = 0.5
RSS: Final = "process_resident_memory_bytes"
KEY_LOGGING: Final = "logging.level"
#: A level is set for a day at most; production-logger forgets it then.
LEVEL_TTL_S: Final = 86_400.0
AGENT_CORE: Final = "agent-core"
KEY_AGENT_MEMORY: Final = "components.agent_core.memory_limit_mb"
KEY_GC: Final = "performance.memory.gc_threshold"
#: Budget of optimising a portfolio; it is not configured.
PORTFOLIO_BUDGET_MS: Final = 1000.0


@dataclass(slots=True)
class Eyes:
    """The last looks at each component, and the newest memory history that metrics-collector gave."""

    looks: dict[str, deque[Snapshot]] = field(default_factory=dict)
    memory_mb: dict[str, list[float]] = field(default_factory=dict)
    #: Loop time at which metrics-collector last answered, and why it did not since.
    reached_at: float | None = None
    problem: str = ""

    def remember(self, seen: Mapping[str, Snapshot]) -> None:
        for name, found in seen.items():
            self.looks.setdefault(name, deque(maxlen=WINDOW_LOOKS)).append(found)

    def window(self, name: str, now: Snapshot) -> Snapshot:
        """What happened since the oldest look at the same process."""
        looks = [look for look in self.looks.get(name, ()) if look.started == now.started]
        return tuning_exposition.since(now, looks[0] if looks else None)


async def look(context: Context[Any], names: Collection[str]) -> dict[str, Snapshot]:
    """The present figures of components; those that do not answer at once are missing."""

    async def one(name: str) -> Snapshot | None:
        if name == context.identity.name:
            return tuning_exposition.snapshot(context.metrics.render())
        try:
            reply = await context.peers.send(
                name,
                "GET",
                contract.PATH_METRICS,
                timeout_s=TIMEOUT_S,
                repeatable=False,
                observe=False,
            )
        except PeerError:
            return None
        return tuning_exposition.snapshot(reply.body.decode("utf-8", "replace"))

    chosen = [name for name in COMPONENTS if name in names]
    seen = await asyncio.gather(*(one(name) for name in chosen))
    return {name: found for name, found in zip(chosen, seen, strict=True) if found is not None}


async def remember(context: Context[Any], eyes: Eyes) -> None:
    """One look at all, for the window."""
    eyes.remember(await look(context, COMPONENTS))


async def ask_history(context: Context[Any], eyes: Eyes) -> None:
    """The memory of the last minutes, from metrics-collector."""
    since = datetime.now(UTC) - timedelta(seconds=LOOK_S * (LEAK_LOOKS + 1))
    try:
        found = await context.peers.get(
            contract.METRICS_COLLECTOR,
            "/v1/series",
            SeriesFound,
            query={"name": RSS, "since": since.isoformat(), "step_s": int(LOOK_S)},
        )
    except PeerError as error:
        eyes.problem = str(error)
        return
    eyes.problem, eyes.reached_at = "", asyncio.get_running_loop().time()
    eyes.memory_mb = {
        series.labels.get("component", ""): [value / 1e6 for _, value in series.points]
        for series in found.series
    }


async def readings(context: Context[Any], eyes: Eyes, seen: Mapping[str, Snapshot]) -> list[Reading]:
    """What is known of the components that were just seen, with the bounds of their caches."""
    windows = {name: eyes.window(name, found) for name, found in seen.items()}
    caching = [name for name, found in seen.items() if found.caches and name != context.identity.name]
    states = await asyncio.gather(*(_bounds(context, name) for name in caching))
    bounds = dict(zip(caching, states, strict=True))
    budgets = budgets_ms(context)
    figures = {name: tuning_exposition.figures(window) for name, window in windows.items()}
    slow = [
        name
        for name, each in figures.items()
        if each.p95_ms is not None and each.p95_ms > budgets.get(name, float("inf"))
    ]
    verbose = dict(
        zip(slow, await asyncio.gather(*(_is_verbose(context, name) for name in slow)), strict=True)
    )
    return [
        Reading(
            component=name,
            figures=figures[name],
            budget_ms=budgets.get(name, float("inf")),
            memory_limit_mb=memory_limit_mb(context, name, window.limit),
            gc_threshold=context.config.number(KEY_GC),
            snapshots_mb=eyes.memory_mb.get(name, ()),
            verbose=verbose.get(name, False),
            caches=_caches(window, bounds.get(name)),
        )
        for name, window in windows.items()
    ]


def memory_limit_mb(context: Context[Any], component: str, container: float | None) -> float | None:
    """The limit that memory is judged by: the container's, and for the agent's core the configured one where
    it is lower; None without either."""
    limits = [container / 1e6] if container else []
    if COMPONENTS[component].group == AGENT_CORE:
        limits.append(context.config.number(KEY_AGENT_MEMORY) * (1 << 20) / 1e6)
    return min(limits, default=None)


def budgets_ms(context: Context[Any]) -> dict[str, float]:
    """Time budgets of the components that have one."""
    budgets = {name: context.config.number(key) for name, key in BUDGET_KEYS.items()}
    return {**budgets, "portfolio-optimizer": PORTFOLIO_BUDGET_MS}


async def apply(context: Context[Any], change: Change) -> None:
    """Carry a change out. Raises PeerError."""
    if change.action is Action.GC:
        await context.peers.post(change.component, contract.PATH_ADMIN_GC, {}, MemoryChange, safe=True)
        return
    if change.action is Action.LOG_LEVEL:
        level = LogLevel.DEBUG if change.to == DEBUG else LogLevel.INFO
        await context.peers.put(
            contract.PRODUCTION_LOGGER,
            f"/v1/levels/{change.component}",
            LevelRequest(level=level, ttl_s=LEVEL_TTL_S),
            LevelAnswer,
        )
        return
    bound = "max_size" if change.action is Action.CACHE_RESIZE else "ttl_s"
    value = int(change.to or 0) if bound == "max_size" else change.to
    await context.peers.post(
        change.component,
        contract.PATH_ADMIN_CACHE,
        {"cache": change.cache, bound: value},
        CacheChange,
        safe=True,
    )


async def _is_verbose(context: Context[Any], name: str) -> bool:
    """Whether a component logs at DEBUG, for a time or as configured; False where nobody knows."""
    try:
        found = await context.peers.get(
            contract.PRODUCTION_LOGGER, f"/v1/levels/{name}", LevelAnswer, timeout_s=TIMEOUT_S
        )
    except PeerError:
        return False
    return (found.level or context.config.text(KEY_LOGGING)) == LogLevel.DEBUG


async def _bounds(context: Context[Any], name: str) -> CacheChange | None:
    try:
        return await context.peers.post(
            name, contract.PATH_ADMIN_CACHE, {}, CacheChange, safe=True, timeout_s=TIMEOUT_S
        )
    except PeerError:
        return None


def _caches(window: Snapshot, bounds: CacheChange | None) -> tuple[CacheReading, ...]:
    if bounds is None:
        return ()
    return tuple(
        CacheReading(
            name=cache.name,
            max_size=cache.max_size,
            ttl_s=cache.ttl_s,
            entries=cache.entries,
            hits=counts.get("hits", 0.0),
            misses=counts.get("misses", 0.0),
            evictions=counts.get("evictions", 0.0),
        )
        for cache in bounds.after
        if (counts := window.caches.get(cache.name)) is not None
    )
