"""A run of the optimizer: planned, carried out, judged, and undone where it was no gain."""

import asyncio
import sqlite3
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from alluse.contract import COMPONENTS
from alluse.domain import tuning, tuning_exposition
from alluse.runtime.context import Context
from alluse.runtime.errors import ConflictError, NotFoundError
from alluse.runtime.events import uuid7
from alluse.runtime.peers import PeerError
from alluse.runtime.service import Call
from alluse.schemas.performance import Change, Figures, OptimizeRequest, Run, RunState, Skipped
from alluse.services.performance_optimizer import measuring, records
from alluse.services.performance_optimizer.measuring import Eyes

VALIDATE_AFTER: Final = timedelta(seconds=30)


@dataclass(slots=True)
class State:
    """What was seen of the others; one run at a time may change anything."""

    eyes: Eyes
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    #: When each component's process began, as of the last time its kept bounds were set.
    tuned: dict[str, float] = field(default_factory=dict)
    #: Automatic runs begin an interval after the start.
    waited: bool = False


async def roll_back(call: Call[State]) -> Run:
    """Undo what a run changed and what is still in force of it."""
    context = call.context
    async with call.state.lock:
        run = await context.store.read(lambda db: known_run(db, call.params.id))
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


async def optimize_once(context: Context[State], request: OptimizeRequest) -> Run:
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


async def validate(context: Context[State], run_id: str) -> None:
    run = await context.store.read(lambda db: known_run(db, run_id))
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


def known_run(db: sqlite3.Connection, run_id: str) -> Run:
    run = records.load(db, run_id)
    if run is None:
        raise NotFoundError(f"there is no run {run_id}; GET /v1/runs lists them")
    return run
