"""What performance-optimizer is asked and what it answers. Sizes in entries or MB, times in ms or s."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from alluse.schemas.base import Answer, Request

ComponentName = Annotated[str, StringConstraints(strip_whitespace=False, pattern=r"^[a-z][a-z0-9-]{0,62}$")]


class LeakStatus(StrEnum):
    """What the memory of the last ten looks says."""

    INSUFFICIENT = "insufficient_data"
    NONE = "none"
    POTENTIAL = "potential"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def leaking(self) -> bool:
        return self in (LeakStatus.LOW, LeakStatus.MEDIUM, LeakStatus.HIGH)


class CacheStats(Answer):
    """Sums over all caches since their processes began; `hit_rate` is None before the first use."""

    hits: int
    misses: int
    evictions: int
    hit_rate: float | None
    size: int
    #: Components whose caches could not be read.
    missing: list[str] = Field(default_factory=list)


class MemoryStats(Answer):
    """Memory of all components together; slope and status are of the component that grows fastest."""

    rss_mb: float
    limit_mb: float
    slope_mb_per_snapshot: float | None
    leak_status: LeakStatus
    growing: str | None = None


class Latency(Answer):
    """Of the slowest operation of a component over the last minute; None before the first request."""

    p50: float | None
    p95: float | None
    p99: float | None
    budget_ms: float


class PerformanceMetrics(Answer):
    """`missing` are the components of which no figure could be had."""

    cache_stats: CacheStats
    memory_stats: MemoryStats
    latency: dict[str, Latency]
    window_s: float
    missing: list[str] = Field(default_factory=list)


class BottleneckKind(StrEnum):
    LATENCY = "latency"
    ERRORS = "errors"
    MEMORY = "memory"
    CACHE = "cache"
    LEAK = "leak"


class Bottleneck(Answer):
    """A figure beyond its limit: ms, share, MB, share, or MB a look."""

    component: str
    kind: BottleneckKind
    value: float
    limit: float


class Action(StrEnum):
    CACHE_RESIZE = "cache_resize"
    CACHE_TTL = "cache_ttl"
    GC = "gc"
    LOG_LEVEL = "log_level"


class Change(Answer):
    """One tuning: entries, seconds or level (10 DEBUG, 20 INFO) before and after.

    A collection of garbage has no such figures.
    """

    id: str
    component: str
    action: Action
    kind: BottleneckKind
    cache: str | None = None
    from_: Annotated[float | None, Field(alias="from")] = None
    to: float | None = None
    #: None while it is being watched.
    kept: bool | None = None
    reason: str = ""


class Skipped(Answer):
    """A bottleneck about which nothing was done, and why."""

    component: str
    kind: BottleneckKind
    reason: str


class Figures(Answer):
    """What is compared: of the slowest operation, of memory, of failures. None where nothing is known."""

    requests: float = 0.0
    p95_ms: float | None = None
    rss_mb: float | None = None
    error_rate: float | None = None


class RunState(StrEnum):
    DRY = "dry_run"
    VALIDATING = "validating"
    DONE = "done"
    ROLLED_BACK = "rolled_back"


class Run(Answer):
    """One attempt: `kept` is None while it is validated, True when some change stayed."""

    run_id: str
    state: RunState
    started_at: datetime
    validate_at: datetime | None = None
    bottlenecks: list[Bottleneck]
    optimizations_applied: list[Change]
    skipped: list[Skipped]
    before: dict[str, Figures]
    after: dict[str, Figures] | None = None
    kept: bool | None = None


class OptimizeRequest(Request):
    """Find bottlenecks and tune what may be tuned, of these components or of all."""

    dry_run: bool = False
    scope: Annotated[list[ComponentName], Field(min_length=1, max_length=64)] | None = None


class RunPath(Request):
    id: Annotated[str, StringConstraints(strip_whitespace=False, pattern=r"^[A-Za-z0-9-]{1,64}$")]


class RunsQuery(Request):
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class Runs(Answer):
    """Newest first."""

    runs: list[Run]
