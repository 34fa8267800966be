"""Performance: what is beyond its limits, what may be changed about it, and whether the change helped.

Only bounds of caches, the collection of garbage and a level of logging are ever touched, one change a
component at a time, and only where there is enough traffic to see whether it helped. A change that does not
help is undone.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from alluse.schemas.performance import (
    Action,
    Bottleneck,
    BottleneckKind,
    Change,
    Figures,
    LeakStatus,
    Skipped,
)

#: Levels of logging as numbers.
DEBUG: Final = 10.0
INFO: Final = 20.0
MIN_SIZE: Final = 100
MAX_SIZE: Final = 10_000
MIN_TTL_S: Final = 30.0
MAX_TTL_S: Final = 3_600.0
STEP: Final = 2
ENOUGH_REQUESTS: Final = 100
#: A p95 or a share of failures of fewer requests says nothing.
JUDGEABLE_REQUESTS: Final = 20
LOW_HIT_RATE: Final = 0.5
HIGH_ERROR_RATE: Final = 0.05
HIGH_MEMORY_MB: Final = 500.0
LEAK_LOOKS: Final = 10
#: p95 or memory must fall by this share for a change to be kept.
GAIN: Final = 0.05
#: Error rates are shares of few requests: a difference below this is no rise.
ERROR_NOISE: Final = 0.001


@dataclass(frozen=True, slots=True)
class CacheReading:
    """One cache: bounds, fill, and what happened in the window."""

    name: str
    max_size: int
    ttl_s: float
    entries: int
    hits: float
    misses: float
    evictions: float

    @property
    def hit_rate(self) -> float | None:
        used = self.hits + self.misses
        return self.hits / used if used > 0 else None


@dataclass(frozen=True, slots=True)
class Reading:
    """One component in the window. `memory_limit_mb` is the container's, None without one; `snapshots_mb`
    are its looks at memory, oldest first; `budget_ms` is of its main operations."""

    component: str
    figures: Figures
    budget_ms: float
    memory_limit_mb: float | None = None
    gc_threshold: float = 0.8
    snapshots_mb: Sequence[float] = ()
    #: It logs at DEBUG.
    verbose: bool = False
    caches: Sequence[CacheReading] = field(default_factory=tuple)


class Plan(NamedTuple):
    """What is to be changed, and what is not and why."""

    changes: list[Change]
    skipped: list[Skipped]


class Verdict(NamedTuple):
    keep: bool
    reason: str


def slope(values: Sequence[float]) -> float | None:
    """Ordinary least squares: growth per look over the last ten; None for fewer."""
    if len(values) < LEAK_LOOKS:
        return None
    recent = values[-LEAK_LOOKS:]
    middle, mean = (LEAK_LOOKS - 1) / 2, sum(recent) / LEAK_LOOKS
    covariance = sum((index - middle) * (value - mean) for index, value in enumerate(recent))
    return covariance / sum((index - middle) ** 2 for index in range(LEAK_LOOKS))


def leak_status(mb_per_look: float | None) -> LeakStatus:
    """More than 1 MB a look is a leak (up to 2 low, up to 5 medium, else high), more than 0.1 may be one."""
    if mb_per_look is None:
        return LeakStatus.INSUFFICIENT
    for limit, status in (
        (0.1, LeakStatus.NONE),
        (1.0, LeakStatus.POTENTIAL),
        (2.0, LeakStatus.LOW),
        (5.0, LeakStatus.MEDIUM),
    ):
        if mb_per_look <= limit:
            return status
    return LeakStatus.HIGH


def bottlenecks(reading: Reading) -> list[Bottleneck]:
    """What of a component is beyond its limits."""
    found = []

    def beyond(kind: BottleneckKind, value: float | None, limit: float) -> None:
        if value is not None and value > limit:
            found.append(Bottleneck(component=reading.component, kind=kind, value=value, limit=limit))

    figures = reading.figures
    if figures.requests >= JUDGEABLE_REQUESTS:
        beyond(BottleneckKind.LATENCY, figures.p95_ms, reading.budget_ms)
        beyond(BottleneckKind.ERRORS, figures.error_rate, HIGH_ERROR_RATE)
    beyond(BottleneckKind.MEMORY, figures.rss_mb, _memory_limit(reading))
    growing = slope(reading.snapshots_mb)
    if growing is not None and leak_status(growing).leaking:
        beyond(BottleneckKind.LEAK, growing, 1.0)
    for cache in reading.caches:
        rate = cache.hit_rate
        if rate is not None and rate < LOW_HIT_RATE and cache.hits + cache.misses >= ENOUGH_REQUESTS:
            found.append(
                Bottleneck(
                    component=reading.component,
                    kind=BottleneckKind.CACHE,
                    value=rate,
                    limit=LOW_HIT_RATE,
                )
            )
            break
    return found


def plan(
    readings: Sequence[Reading], found: Sequence[Bottleneck], busy: Collection[str], run_id: str
) -> Plan:
    """At most one change a component, the first of its bottlenecks about which something can be done.

    `busy` are components whose last change is still being watched.
    """
    by_name = {reading.component: reading for reading in readings}
    changes: dict[str, Change] = {}
    skipped: list[Skipped] = []
    for bottleneck in found:
        component, kind = bottleneck.component, bottleneck.kind

        def skip(reason: str, component: str = component, kind: BottleneckKind = kind) -> None:
            skipped.append(Skipped(component=component, kind=kind, reason=reason))

        if component in busy:
            skip("an earlier change is still being watched")
        elif component in changes:
            skip("one change a component at a time")
        elif kind in (BottleneckKind.ERRORS, BottleneckKind.LEAK):
            skip("no tuning helps against that; look at the component's logs")
        else:
            change = _change(by_name[component], kind, f"{run_id}.{len(changes) + 1}")
            if isinstance(change, str):
                skip(change)
            else:
                changes[component] = change
    return Plan(list(changes.values()), skipped)


def verdict(before: Figures, after: Figures | None) -> Verdict:
    """Keep a change only if p95 or memory fell by 5 % and failures did not rise; not knowing is no gain."""
    if after is None:
        return Verdict(False, "the component could not be measured afterwards")
    if (after.error_rate or 0.0) > (before.error_rate or 0.0) + ERROR_NOISE:
        return Verdict(False, f"failures rose to {after.error_rate:.2%}")
    for name, was, now in (
        ("p95", before.p95_ms, after.p95_ms),
        ("memory", before.rss_mb, after.rss_mb),
    ):
        if was is not None and now is not None and was > 0 and now <= was * (1 - GAIN):
            return Verdict(True, f"{name} fell from {was:.1f} to {now:.1f} {'ms' if name == 'p95' else 'MB'}")
    return Verdict(False, "neither p95 nor memory fell by 5 %")


def undo(change: Change) -> Change | None:
    """The change that takes another back; None for what leaves nothing behind."""
    if change.action is Action.GC:
        return None
    return change.model_copy(update={"from_": change.to, "to": change.from_})


def kept_bounds(changes: Sequence[Change]) -> Mapping[tuple[str, str | None, Action], float]:
    """The bounds that are in force after these changes, oldest first: by component, cache and action."""
    bounds: dict[tuple[str, str | None, Action], float] = {}
    for change in changes:
        if change.kept and change.to is not None and change.action is not Action.GC:
            bounds[(change.component, change.cache, change.action)] = change.to
    return bounds


def _memory_limit(reading: Reading) -> float:
    if reading.memory_limit_mb is None:
        return HIGH_MEMORY_MB
    return min(HIGH_MEMORY_MB, reading.memory_limit_mb * reading.gc_threshold)


def _change(reading: Reading, kind: BottleneckKind, id_: str) -> Change | str:
    """The change against a bottleneck, or why there is none."""
    if kind is BottleneckKind.MEMORY:
        return Change(id=id_, component=reading.component, action=Action.GC, kind=kind)
    if kind is BottleneckKind.LATENCY and reading.figures.requests < ENOUGH_REQUESTS:
        return f"only {reading.figures.requests:.0f} requests in the window, {ENOUGH_REQUESTS} are needed"
    against_caches = _cache_change(reading, kind, id_)
    if isinstance(against_caches, str) and kind is BottleneckKind.LATENCY and reading.verbose:
        return Change(
            id=id_,
            component=reading.component,
            action=Action.LOG_LEVEL,
            kind=kind,
            from_=DEBUG,
            to=INFO,
        )
    return against_caches


def _cache_change(reading: Reading, kind: BottleneckKind, id_: str) -> Change | str:
    """The change of a cache's bound against a bottleneck, or why there is none."""
    poor = [
        cache
        for cache in reading.caches
        if (rate := cache.hit_rate) is not None and (rate < LOW_HIT_RATE or kind is BottleneckKind.LATENCY)
    ]
    if not poor:
        return "it has no cache in use, and nothing else may be changed while it runs"
    for cache in sorted(poor, key=lambda cache: cache.hit_rate or 0.0):
        if cache.evictions > 0:
            size = bounded_size(cache.max_size * STEP)
            if size > cache.max_size:
                return _to(id_, reading, kind, cache, Action.CACHE_RESIZE, cache.max_size, size)
        else:
            ttl = bounded_ttl(cache.ttl_s * STEP)
            if ttl > cache.ttl_s:
                return _to(id_, reading, kind, cache, Action.CACHE_TTL, cache.ttl_s, ttl)
    return "its caches have reached their bounds"


def bounded_size(entries: float) -> int:
    return int(min(MAX_SIZE, max(MIN_SIZE, entries)))


def bounded_ttl(seconds: float) -> float:
    return min(MAX_TTL_S, max(MIN_TTL_S, seconds))


def _to(
    id_: str,
    reading: Reading,
    kind: BottleneckKind,
    cache: CacheReading,
    action: Action,
    from_: float,
    to: float,
) -> Change:
    return Change(
        id=id_,
        component=reading.component,
        action=action,
        kind=kind,
        cache=cache.name,
        from_=float(from_),
        to=float(to),
    )
