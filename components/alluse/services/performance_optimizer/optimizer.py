"""Handlers, loops and self-test of performance-optimizer."""

import asyncio
from datetime import UTC, datetime
from typing import Final

from alluse.contract import COMPONENTS
from alluse.domain import tuning, tuning_exposition
from alluse.domain.tuning_exposition import Snapshot
from alluse.runtime.context import Context
from alluse.runtime.errors import CheckDegradedError, InvalidRequestError
from alluse.runtime.peers import PeerError
from alluse.runtime.service import Call, Check, Endpoint, Service, Task
from alluse.schemas.performance import (
    BottleneckKind,
    CacheStats,
    Change,
    Figures,
    Latency,
    LeakStatus,
    MemoryStats,
    OptimizeRequest,
    PerformanceMetrics,
    Run,
    RunPath,
    Runs,
    RunsQuery,
)
from alluse.services.golden import expect
from alluse.services.performance_optimizer import measuring, records
from alluse.services.performance_optimizer.measuring import Eyes
from alluse.services.performance_optimizer.running import State, known_run, optimize_once, roll_back, validate

VALIDATE_S: Final = 1.0
KEY_AUTO: Final = "components.optimization.auto_optimize"
KEY_INTERVAL: Final = "components.optimization.optimization_interval"
KEY_MEMORY: Final = "performance.memory.max_memory_mb"


async def metrics(call: Call[State]) -> PerformanceMetrics:
    context, eyes = call.context, call.state.eyes
    seen = await measuring.look(context, COMPONENTS)
    missing = [name for name in COMPONENTS if name not in seen]
    growing = {
        name: rise for name, history in eyes.memory_mb.items() if (rise := tuning.slope(history)) is not None
    }
    fastest = max(growing, key=growing.__getitem__, default=None)
    rise = growing[fastest] if fastest is not None else None
    return PerformanceMetrics(
        cache_stats=_cache_stats(seen, missing),
        memory_stats=MemoryStats(
            rss_mb=round(sum(found.rss for found in seen.values()) / 1e6, 2),
            limit_mb=context.config.number(KEY_MEMORY),
            slope_mb_per_snapshot=rise,
            leak_status=tuning.leak_status(rise),
            growing=fastest if tuning.leak_status(rise).leaking else None,
        ),
        latency={
            name: _latency(eyes.window(name, seen[name]), budget)
            for name, budget in measuring.budgets_ms(context).items()
            if name in seen
        },
        window_s=measuring.LOOK_S * measuring.WINDOW_LOOKS,
        missing=missing,
    )


async def optimize(call: Call[State], request: OptimizeRequest) -> Run:
    unknown = [name for name in request.scope or () if name not in COMPONENTS]
    if unknown:
        raise InvalidRequestError.field("scope", f"there is no component {', '.join(unknown)}")
    return await optimize_once(call.context, request)


async def show(call: Call[State], request: RunPath) -> Run:
    return await call.context.store.read(lambda db: known_run(db, request.id))


async def list_runs(call: Call[State], request: RunsQuery) -> Runs:
    return Runs(runs=await call.context.store.read(lambda db: records.latest(db, request.limit)))


async def look_around(context: Context[State]) -> None:
    """Remember how things are, and give kept bounds back to components that began anew."""
    state = context.state
    await measuring.remember(context, state.eyes)
    changes = await context.store.read(records.kept_changes)
    bounds = tuning.kept_bounds(changes)
    for (component, cache, action), value in bounds.items():
        looks = state.eyes.looks.get(component)
        if not looks or state.tuned.get(component) == looks[-1].started:
            continue
        change = Change(
            id="again", component=component, action=action, kind=BottleneckKind.CACHE, cache=cache, to=value
        )
        try:
            await measuring.apply(context, change)
        except PeerError as error:
            context.log.info("bounds not set again", target=component, error=str(error))
    for component in {key[0] for key in bounds}:
        if looks := state.eyes.looks.get(component):
            state.tuned[component] = looks[-1].started


async def ask_history(context: Context[State]) -> None:
    await measuring.ask_history(context, context.state.eyes)


def next_question_s(context: Context[State]) -> float:
    return measuring.ASK_AGAIN_S if context.state.eyes.problem else measuring.LOOK_S


async def optimize_by_itself(context: Context[State]) -> None:
    if not context.state.waited:
        context.state.waited = True
        return
    if context.config.flag(KEY_AUTO):
        await optimize_once(context, OptimizeRequest())


async def validate_due(context: Context[State]) -> None:
    """Judge the runs whose time has come; one whose changes cannot be undone now is tried again."""
    runs = await context.store.read(records.validating)
    now = datetime.now(UTC)
    for run in runs:
        if run.validate_at is not None and run.validate_at <= now:
            async with context.state.lock:
                await validate(context, run.run_id)


async def open_state(context: Context[State]) -> State:
    await context.store.read(records.validating)
    return State(Eyes())


async def check_collector(context: Context[State]) -> str:
    eyes = context.state.eyes
    if eyes.problem:
        now = asyncio.get_running_loop().time()
        if eyes.reached_at is None or now - eyes.reached_at > 2 * measuring.LOOK_S:
            raise CheckDegradedError(f"no memory history: {eyes.problem}")
    return "reached" if eyes.reached_at is not None else "not asked yet"


def _cache_stats(seen: dict[str, Snapshot], missing: list[str]) -> CacheStats:
    caches = [cache for found in seen.values() for cache in found.caches.values()]
    hits, misses, evictions, size = (
        int(sum(cache.get(name, 0.0) for cache in caches))
        for name in ("hits", "misses", "evictions", "entries")
    )
    return CacheStats(
        hits=hits,
        misses=misses,
        evictions=evictions,
        size=size,
        hit_rate=hits / (hits + misses) if hits + misses else None,
        missing=missing,
    )


def _latency(window: Snapshot, budget_ms: float) -> Latency:
    p50, p95, p99 = (tuning_exposition.quantile(window, q) for q in (0.50, 0.95, 0.99))
    return Latency(p50=p50, p95=p95, p99=p99, budget_ms=budget_ms)


def golden() -> None:
    """Slopes and their names, a step within the bounds, a verdict."""
    for rise, status in ((0.0, LeakStatus.NONE), (0.5, LeakStatus.POTENTIAL), (3.0, LeakStatus.MEDIUM)):
        found = tuning.slope([100 + rise * index for index in range(10)])
        expect(f"slope of {rise} MB", found, rise)
        expect(f"status of {rise} MB", tuning.leak_status(found), status)
    expect("size at its bound", tuning.bounded_size(20_000), 10_000)
    before = Figures(requests=200, p95_ms=100, rss_mb=50, error_rate=0.0)
    better = before.model_copy(update={"p95_ms": 90.0})
    expect("a gain", tuning.verdict(before, better).keep, True)
    expect("no gain", tuning.verdict(before, before).keep, False)
    expect("more failures", tuning.verdict(before, better.model_copy(update={"error_rate": 0.1})).keep, False)


SERVICE: Final[Service[State]] = Service(
    name="performance-optimizer",
    open=open_state,
    selftest=golden,
    migrations=records.MIGRATIONS,
    checks=(Check("metrics-collector", check_collector, critical=False),),
    tasks=(
        Task("looks", look_around, measuring.LOOK_S),
        Task("memory history", ask_history, next_question_s),
        Task("validation", validate_due, VALIDATE_S),
        Task("automatic", optimize_by_itself, lambda context: context.config.number(KEY_INTERVAL)),
    ),
    endpoints=(
        Endpoint("GET", "/v1/metrics", metrics, answer=PerformanceMetrics, summary="How fast, how large"),
        Endpoint(
            "POST",
            "/v1/optimize",
            optimize,
            OptimizeRequest,
            Run,
            "Find bottlenecks and tune what may be tuned",
            changes_state=True,
        ),
        Endpoint("GET", "/v1/runs", list_runs, RunsQuery, Runs, "The newest runs"),
        Endpoint("GET", "/v1/runs/{id}", show, RunPath, Run, "One run", errors=(404,)),
        Endpoint(
            "POST",
            "/v1/runs/{id}/rollback",
            roll_back,
            answer=Run,
            summary="Undo what a run changed",
            params=RunPath,
            changes_state=True,
            errors=(404, 409),
        ),
    ),
)
