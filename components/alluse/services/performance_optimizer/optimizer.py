"""Handlers, loops and self-test of performance-optimizer."""

import asyncio
import sqlite3
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from alluse.contract import COMPONENTS
from alluse.domain import tuning, tuning_exposition
from alluse.domain.tuning_exposition import Snapshot
from alluse.runtime.context import Context
from alluse.runtime.errors import CheckDegradedError, ConflictError, InvalidRequestError, NotFoundError
from alluse.runtime.events import uuid7
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
    RunState,
    Skipped,
)
from alluse.services.golden import expect
from alluse.services.performance_optimizer import measuring, records
from alluse.services.performance_optimizer.measuring import Eyes

VALIDATE_AFTER: Final = timedelta(seconds=30)
VALIDATE_S: Final = 1.0
KEY_AUTO: Final = "components.optimization.auto_optimize"
KEY_INTERVAL: Final = "components.optimization.optimization_interval"
KEY_MEMORY: Final = "performance.memory.max_memory_mb"


@dataclass(slots=True)
class State:
    """What was seen of the others; one run at a time may change anything."""

    eyes: Eyes
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    #: When each component's process began, as of the last time its kept bounds were set.
    tuned: dict[str, float] = field(default_factory=dict)
    #: Automatic runs begin an interval after the start.
    waited: bool = False


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
    return await _optimize(call.context, request)


async def show(call: Call[State], request: RunPath) -> Run:
    return await call.context.store.read(lambda db: _known(db, request.id))


async def list_runs(call: Call[State], request: RunsQuery) -> Runs:
    return Runs(runs=await call.context.store.read(lambda db: records.latest(db, request.limit)))


async def roll_back(call: Call[State]) -> Run:
    """Undo what a run changed and what is still in force of it."""
    context = call.context
    async with call.state.lock:
        run = await context.store.read(lambda db: _known(db, call.params.id))
        if run.state is RunState.DRY:
            raise ConflictError(f"run {run.run_id} changed nothing")
        if run.state is RunState.ROLLED_BACK:
            raise ConflictError(f"run {run.run_id} is rolled back already")
        await _refuse_under_later(context, run)
        changes = []
        for change in run.optimizations_applied:
            if change.kept is not False:
                await _undo(context, change)
            changes.append(
                change.model_copy(update={"kept": False, "reason": change.reason or "rolled back by hand"})
            )
        ended = run.model_copy(
            update={"state": RunState.ROLLED_BACK, "kept": False, "optimizations_applied": changes}
        )
        undone = [
            change
            for was, change in zip(run.optimizations_applied, changes, strict=True)
            if was.kept is not False
        ]
        await context.store.write(lambda db: _finish(context, db, ended, undone))
    return ended


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
        await _optimize(context, OptimizeRequest())


async def validate_due(context: Context[State]) -> None:
    """Judge the runs whose time has come; one whose changes cannot be undone now is tried again."""
    runs = await context.store.read(records.validating)
    now = datetime.now(UTC)
    for run in runs:
        if run.validate_at is not None and run.validate_at <= now:
            async with context.state.lock:
                await _validate(context, run.run_id)


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


async def _optimize(context: Context[State], request: OptimizeRequest) -> Run:
    async with context.state.lock:
        now, run_id = datetime.now(UTC), uuid7()
        seen = await measuring.look(context, request.scope or COMPONENTS)
        readings = await measuring.readings(context, context.state.eyes, seen)
        found = [bottleneck for reading in readings for bottleneck in tuning.bottlenecks(reading)]
        watched = await context.store.read(records.validating)
        busy = {change.component for run in watched for change in run.optimizations_applied}
        changes, skipped = tuning.plan(readings, found, busy, run_id)
        run = Run(
            run_id=run_id,
            state=RunState.DRY if request.dry_run else RunState.VALIDATING,
            started_at=now,
            validate_at=None if request.dry_run else now + VALIDATE_AFTER,
            bottlenecks=found,
            optimizations_applied=changes,
            skipped=skipped,
            before={reading.component: reading.figures for reading in readings},
        )
        if request.dry_run:
            await context.store.write(lambda db: records.add(db, run))
            return run
        # Written before anything is changed: after a crash, what was changed is still judged or undone.
        baselines = {change.component: seen[change.component] for change in changes}

        def write(db: sqlite3.Connection) -> None:
            records.add(db, run)
            records.put_baselines(db, run_id, baselines)
            for each in found:
                before, limit = each.value, each.limit
                data = {"run_id": run_id, "component": each.component, "kind": each.kind.value}
                context.events.enqueue(
                    db, "perf.bottleneck", {**data, "before": before, "after": limit}, subject=each.component
                )

        await context.store.write(write)
        return await _carry_out(context, run)


async def _carry_out(context: Context[State], run: Run) -> Run:
    done, skipped = [], list(run.skipped)
    for change in run.optimizations_applied:
        try:
            await measuring.apply(context, change)
        except PeerError as error:
            if error.retryable:
                # It may have been done although the answer was lost: it is judged, and undone, like others.
                done.append(change.model_copy(update={"reason": f"perhaps not done: {error}"}))
            else:
                skipped.append(Skipped(component=change.component, kind=change.kind, reason=str(error)))
        else:
            done.append(change)
            context.log.info(
                "tuned", target=change.component, action=change.action.value, was=change.from_, now=change.to
            )
    update = {"optimizations_applied": done, "skipped": skipped}
    if not done:
        update |= {"state": RunState.DONE, "validate_at": None, "after": run.before, "kept": False}
    run = run.model_copy(update=update)
    await context.store.write(lambda db: records.update(db, run))
    return run


async def _validate(context: Context[State], run_id: str) -> None:
    run = await context.store.read(lambda db: _known(db, run_id))
    if run.state is not RunState.VALIDATING:
        return  # Rolled back by hand meanwhile.
    baselines = await context.store.read(lambda db: records.baselines(db, run_id))
    seen = await measuring.look(context, {change.component for change in run.optimizations_applied})
    after = {
        name: tuning_exposition.figures(tuning_exposition.since(found, baselines.get(name)))
        for name, found in seen.items()
    }
    changes = []
    for change in run.optimizations_applied:
        before = run.before.get(change.component, Figures())
        keep, reason = tuning.verdict(before, after.get(change.component))
        if not keep and not await _try_undo(context, change):
            return
        changes.append(change.model_copy(update={"kept": keep, "reason": reason}))
    kept = any(change.kept for change in changes)
    ended = run.model_copy(
        update={
            "state": RunState.DONE if kept or not changes else RunState.ROLLED_BACK,
            "after": after,
            "kept": kept,
            "optimizations_applied": changes,
        }
    )
    await context.store.write(lambda db: _finish(context, db, ended, changes))


def _finish(context: Context[State], db: sqlite3.Connection, run: Run, changes: list[Change]) -> None:
    """Write a judged run with the events about these changes."""
    records.update(db, run)
    after = run.after or {}
    for change in changes:
        was, now = run.before.get(change.component), after.get(change.component)
        context.events.enqueue(
            db,
            "perf.optimized" if change.kept else "perf.rolled_back",
            {
                "run_id": run.run_id,
                "component": change.component,
                "kind": change.kind.value,
                "before": None if was is None else was.model_dump(),
                "after": None if now is None else now.model_dump(),
            },
            subject=change.component,
        )


async def _undo(context: Context[State], change: Change) -> None:
    """Raises PeerError when the component cannot be told."""
    if (back := tuning.undo(change)) is not None:
        await measuring.apply(context, back)
        context.log.info(
            "tuning undone", target=change.component, action=change.action.value, now=change.from_
        )


async def _try_undo(context: Context[State], change: Change) -> bool:
    try:
        await _undo(context, change)
    except PeerError as error:
        context.log.warning("tuning not undone yet", target=change.component, error=str(error))
        return False
    return True


async def _refuse_under_later(context: Context[State], run: Run) -> None:
    """Raises ConflictError when a later run built on what this one changed."""
    mine = {(change.component, change.cache) for change in run.optimizations_applied}
    for later in await context.store.read(lambda db: records.latest(db, records.MAX_RUNS)):
        if later.run_id == run.run_id:
            return
        if any(
            (change.component, change.cache) in mine and change.kept is not False
            for change in later.optimizations_applied
            if later.state is not RunState.DRY
        ):
            raise ConflictError(f"run {later.run_id} changed the same later; roll that back first")


def _known(db: sqlite3.Connection, run_id: str) -> Run:
    run = records.load(db, run_id)
    if run is None:
        raise NotFoundError(f"there is no run {run_id}; GET /v1/runs lists them")
    return run


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
