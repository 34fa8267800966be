"""Carries out a plan: its actions in their order, bounded and side by side, and one outcome for each.

What goes before what is decided here; how one action is done is in `actions`, how one write is sent in
`writes`, and what is not offered again after a refusal in `refusals`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from alluse_operator.cluster.actions import Actions
from alluse_operator.cluster.client import Client
from alluse_operator.cluster.mirror import Key, Mirror
from alluse_operator.cluster.refusals import Refusals
from alluse_operator.cluster.writes import Retries, Writes
from alluse_operator.core.actions import (
    Action,
    Apply,
    ApplyReason,
    KeepRevision,
    Outcome,
    RemoveFinalizer,
    SetFinalizer,
)
from alluse_operator.core.desired import Identity
from alluse_operator.core.objects import WORKLOAD_KINDS, Ref
from alluse_operator.core.plan import Mode, Plan
from alluse_operator.errors import ApiError, NotLeading
from alluse_operator.metrics import Metrics

log = logging.getLogger(__name__)

#: Writes of one component at a time, and of the whole process those that nobody waits for.
PARALLEL = 8
PARALLEL_BESIDE = 8
#: Without these a pod cannot be made, would run without its rules, or could not be reached (the name of its
#: Service
#: may be somebody else's); they come before the workload.
NEEDED_BY_PODS = frozenset({"ServiceAccount", "ConfigMap", "NetworkPolicy", "Service"})


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of a plan. `again`: the cluster is not as the plan took it to be, look again at once."""

    outcomes: tuple[Outcome, ...]
    again: bool = False


@dataclass(slots=True)
class _Beside:
    """Objects of a system that are made beside its passes."""

    waiting: deque[Apply] = field(default_factory=deque)
    """What the newest plan lacks, in its order."""
    writing: dict[Ref, asyncio.Event] = field(default_factory=dict)
    """What is under way, with what is done when it is."""
    failed: dict[Ref, Outcome] = field(default_factory=dict)
    """What the next pass has to tell."""
    writers: set[asyncio.Task[None]] = field(default_factory=set)


class Applier:
    """The only writer of children and of our finalizer."""

    def __init__(
        self,
        client: Client,
        mirror: Mirror,
        *,
        leading: Callable[[], bool],
        wake: Callable[[Key], None],
        metrics: Metrics,
        retries: Retries | None = None,
    ) -> None:
        self._mirror = mirror
        self._wake = wake
        self._metrics = metrics
        self._writes = Writes(client, mirror, leading=leading, retries=retries)
        self._actions = Actions(client, mirror, self._writes)
        self._refusals = Refusals()
        self._writes_beside = asyncio.Semaphore(PARALLEL_BESIDE)
        self._beside: dict[Key, _Beside] = {}

    async def apply(self, key: Key, plan: Plan) -> Applied:
        """Carry out the actions."""
        identity = plan.identity
        if plan.mode is not Mode.RUN:
            # Nothing may come into being behind the back of a plan that takes things away.
            await self._finish_beside(key)
        outcomes: list[Outcome] = []
        first: list[Action] = []
        applies: list[Apply] = []
        for action in plan.actions:
            (applies if isinstance(action, Apply) else first).append(action)  # type: ignore[arg-type]
        finalizer = [action for action in first if isinstance(action, SetFinalizer)]
        for action in finalizer:
            outcomes.append(await self._carry_out(key, identity, action))
            if not outcomes[-1].ok:
                return Applied(tuple(outcomes))
        last = [action for action in first if isinstance(action, RemoveFinalizer)]
        others = [action for action in first if not isinstance(action, SetFinalizer | RemoveFinalizer)]
        outcomes += await self._all(self._carry_out(key, identity, action) for action in others)
        unkept = {
            outcome.action.component: outcome
            for outcome in outcomes
            if isinstance(outcome.action, KeepRevision) and not outcome.ok
        }
        for action in [one for one in applies if _is_workload(one) and one.component in unkept]:
            # Its way back would be lost with the write.
            failed = unkept[action.component]
            error = f"{action.ref} waits until its present revision is kept: {failed.error}"
            outcomes.append(Outcome(action, error, failed.transient))
            applies.remove(action)
        await self._apply_objects(key, identity, applies, outcomes)
        for action in last:
            outcomes.append(await self._carry_out(key, identity, action))
        return Applied(tuple(outcomes), again=self._writes.calm(key))

    def forget(self, key: Key) -> None:
        """The system is gone."""
        self._refusals.forget(key)
        if (beside := self._beside.pop(key, None)) is not None:
            beside.waiting.clear()

    async def stop(self) -> None:
        """Cancel what is made beside; whoever leads next makes it."""
        writers = [writer for beside in self._beside.values() for writer in beside.writers]
        self._beside.clear()
        for writer in writers:
            writer.cancel()
        await asyncio.gather(*writers, return_exceptions=True)

    async def _finish_beside(self, key: Key) -> None:
        """Begin nothing more, and wait for what is under way."""
        if (beside := self._beside.get(key)) is not None:
            beside.waiting.clear()
            if beside.writers:
                await asyncio.wait(set(beside.writers))

    # -- order -----------------------------------------------------------------------------------------------

    async def _apply_objects(
        self, key: Key, identity: Identity, applies: Sequence[Apply], outcomes: list[Outcome]
    ) -> None:
        """Components that start now go first, each with what it stands on. What others will need when their
        gates open is made beside, so that these cost one write each; no pass waits for it.
        """
        lanes: dict[str, list[Apply]] = {}
        for action in applies:
            lanes.setdefault(action.component, []).append(action)
        beside = self._beside.setdefault(key, _Beside())
        beside.waiting.clear()
        now: list[list[Apply]] = []
        for lane in lanes.values():
            if any(_is_workload(action) for action in lane):
                now.append(lane)
                continue
            urgent = [action for action in lane if action.reason is not ApplyReason.CREATE]
            if urgent:
                now.append(urgent)
            for action in lane:
                if action in urgent or action.ref in beside.writing:
                    continue
                if (failed := beside.failed.pop(action.ref, None)) is not None:
                    outcomes.append(replace(failed, action=action))
                else:
                    beside.waiting.append(action)
        beside.failed.clear()
        self._go_on_beside(key, identity, beside)
        lane_outcomes = await self._all(self._lane(key, identity, lane) for lane in now)
        outcomes.extend(outcome for each in lane_outcomes for outcome in each)

    def _go_on_beside(self, key: Key, identity: Identity, beside: _Beside) -> None:
        """Have as many writers at work as there is work for."""

        async def write() -> None:
            while beside.waiting:
                async with self._writes_beside:
                    if not beside.waiting:
                        break
                    outcome = await self._write_beside(key, identity, beside, beside.waiting.popleft())
                if not outcome.ok:
                    beside.failed[outcome.action.ref] = outcome  # type: ignore[union-attr]
            if (beside.failed or self._writes.surprised(key)) and self._beside.get(key) is beside:
                self._wake(key)

        for _ in range(min(PARALLEL_BESIDE, len(beside.waiting)) - len(beside.writers)):
            writer = asyncio.create_task(write(), name=f"objects of {key}")
            beside.writers.add(writer)
            writer.add_done_callback(beside.writers.discard)

    async def _write_beside(self, key: Key, identity: Identity, beside: _Beside, action: Apply) -> Outcome:
        if self._is_there(key, action):
            return Outcome(action)
        done = beside.writing[action.ref] = asyncio.Event()
        try:
            return await self._carry_out(key, identity, action)
        except NotLeading as error:
            beside.waiting.clear()
            return Outcome(action, str(error), transient=True)
        except Exception as error:
            self._metrics.reconcile_errors.labels("internal").inc()
            log.exception(
                "%s not made, by a mistake in the operator; please report it",
                action.ref,
                extra={"namespace": key.namespace, "system": key.name, "reason": "internal"},
            )
            return Outcome(action, str(error) or type(error).__name__, transient=True)
        finally:
            del beside.writing[action.ref]
            done.set()

    def _is_there(self, key: Key, action: Apply) -> bool:
        """Whether an object has come into being since it was planned; if it is not right, the next pass
        says so.
        """
        child = self._mirror.child(key, action.ref.kind, action.ref.name)
        return child is not None and not action.live_uid

    async def _lane(self, key: Key, identity: Identity, lane: Sequence[Apply]) -> list[Outcome]:
        """A component's objects: what its pods need to run and to run safely, the workload, and the rest."""
        limit = asyncio.Semaphore(PARALLEL)
        writing = self._beside[key].writing if key in self._beside else {}

        async def one(action: Apply) -> Outcome:
            if (under_way := writing.get(action.ref)) is not None:
                await under_way.wait()
                if self._is_there(key, action):
                    return Outcome(action)
            async with limit:
                return await self._carry_out(key, identity, action)

        needed = [action for action in lane if action.ref.kind in NEEDED_BY_PODS]
        outcomes = list(await self._all(one(action) for action in needed))
        failed = next((outcome for outcome in outcomes if not outcome.ok), None)
        for action in lane:
            if not _is_workload(action):
                continue
            if failed is None:
                outcomes.append(await one(action))
            else:
                error = f"{action.ref} waits for what its pods need: {failed.error}"
                outcomes.append(Outcome(action, error, failed.transient))
        others = [action for action in lane if action not in needed and not _is_workload(action)]
        return outcomes + await self._all(one(action) for action in others)

    async def _all(self, work: Any) -> list[Any]:
        """Run together; the first loss of leadership ends all of it."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one) for one in work]
        except ExceptionGroup as failed:
            # Not `except*`: Python 3.11 before its patch releases wraps what is raised in such a block.
            lost, others = failed.split(NotLeading)
            if lost is None or others is not None:
                raise
            raise NotLeading(str(lost.exceptions[0])) from None
        return [task.result() for task in tasks]

    # -- one action ------------------------------------------------------------------------------------------

    async def _carry_out(self, key: Key, identity: Identity, action: Action) -> Outcome:
        refusal = self._refusals.remembered(key, action)
        if refusal is not None:
            return Outcome(action, refusal, transient=False)
        try:
            await self._actions.do(key, identity, action)
        except ApiError as error:
            self._metrics.reconcile_errors.labels(error.kind).inc()
            transient = error.transient or error.status == 409
            outdated = error.status == 409 and error.reason == "Conflict"
            if not transient:
                self._refusals.note(key, action, error)
            log.log(
                logging.INFO if outdated else logging.WARNING,
                "%s failed: %s",
                type(action).__name__,
                error.message,
                extra={
                    "namespace": key.namespace,
                    "system": key.name,
                    "component": getattr(action, "component", None),
                    "reason": error.reason,
                },
            )
            return Outcome(action, error.message, transient, outdated)
        if isinstance(action, Apply):
            self._refusals.clear(key, action.ref)
            log.info(
                "Applied %s",
                action.ref,
                extra={
                    "namespace": key.namespace,
                    "system": key.name,
                    "component": action.component,
                    "reason": action.reason.value,
                    **({"drifted": list(action.drifted[:8])} if action.drifted else {}),
                },
            )
        return Outcome(action)


def _is_workload(action: Apply) -> bool:
    return action.ref.kind in WORKLOAD_KINDS
