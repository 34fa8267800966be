"""Carries out a plan: every write idempotent, bounded, retried a little, and only while we lead.

What an answer means is decided here, by its status:

* no answer, 5xx, 429, 401: the same write again, with a jittered back-off, for a few seconds; after that a
  transient outcome, and the dispatcher's own back-off takes over.
* 409: what was planned on is not what is there. The object is read again, and the next pass plans anew.
* 404 on a delete or an eviction, or another uid: somebody was faster; success.
* 422, 403, 400: the server says no. The outcome carries its words, and the same body is not sent again for
  a while, so that a refusal never becomes a hot loop. Another body is sent at once.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from alluse_operator.api import names
from alluse_operator.cluster.client import Client
from alluse_operator.cluster.kinds import BY_NAME, CONTROLLER_REVISION, POD, SYSTEM, Kind
from alluse_operator.cluster.mirror import Key, Mirror
from alluse_operator.core import history, kept
from alluse_operator.core.applied import applied_by
from alluse_operator.core.desired import Identity
from alluse_operator.core.objects import WORKLOAD_KINDS, Object, Ref, uid_of
from alluse_operator.core.ownership import owns
from alluse_operator.core.plan import (
    Action,
    Apply,
    ApplyReason,
    Delete,
    KeepRevision,
    Mode,
    Outcome,
    Plan,
    Recover,
    RemoveFinalizer,
    SetFinalizer,
)
from alluse_operator.errors import ApiError, NotLeading
from alluse_operator.metrics import Metrics

log = logging.getLogger(__name__)

#: Writes of one component at a time, of the whole process, and those among them that nobody waits for.
PARALLEL = 8
PARALLEL_IN_ALL = 24
PARALLEL_BESIDE = 8
#: Without these a pod cannot be made, would run without its rules, or could not be reached (the name of its
#: Service
#: may be somebody else's); they come before the workload.
NEEDED_BY_PODS = frozenset({"ServiceAccount", "ConfigMap", "NetworkPolicy", "Service"})


@dataclass(frozen=True, slots=True)
class Retries:
    """How long one write is tried within one pass."""

    attempts: int = 5
    initial: timedelta = timedelta(seconds=0.1)
    longest: timedelta = timedelta(seconds=1)

    def pause(self, attempt: int, asked: float | None) -> float:
        """Seconds before the next attempt: jittered, and as long as the server asked for (up to 5 s)."""
        nominal = min(self.initial.total_seconds() * 2.0**attempt, self.longest.total_seconds())
        jittered = nominal * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load
        return max(jittered, min(asked, 5.0)) if asked else jittered


@dataclass(frozen=True, slots=True)
class _Refused:
    """A body that the server would not have, and until when it is not offered again."""

    body: int
    until: float
    times: int
    error: str


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
        self._client = client
        self._mirror = mirror
        self._leading = leading
        self._wake = wake
        self._metrics = metrics
        self._retries = retries or Retries()
        self._writes = asyncio.Semaphore(PARALLEL_IN_ALL)
        self._writes_beside = asyncio.Semaphore(PARALLEL_BESIDE)
        self._beside: dict[Key, _Beside] = {}
        self._refused: dict[Key, dict[Ref, _Refused]] = {}
        self._surprised: set[Key] = set()

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
        surprised = key in self._surprised
        self._surprised.discard(key)
        return Applied(tuple(outcomes), again=surprised)

    def forget(self, key: Key) -> None:
        """The system is gone."""
        self._refused.pop(key, None)
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
            if (beside.failed or key in self._surprised) and self._beside.get(key) is beside:
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
        refusal = self._remembered(key, action)
        if refusal is not None:
            return Outcome(action, refusal, transient=False)
        try:
            match action:
                case Apply():
                    await self._apply(key, identity, action)
                case Delete():
                    await self._delete(key, action)
                case Recover():
                    await self._recover(key, action)
                case KeepRevision():
                    await self._keep(key, action)
                case SetFinalizer():
                    await self._set_finalizer(key)
                case RemoveFinalizer():
                    await self._remove_finalizer(key)
        except ApiError as error:
            self._metrics.reconcile_errors.labels(error.kind).inc()
            transient = error.transient or error.status == 409
            if not transient:
                self._remember(key, action, error)
            log.warning(
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
            return Outcome(action, error.message, transient)
        if isinstance(action, Apply):
            self._refused.get(key, {}).pop(action.ref, None)
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

    async def _apply(self, key: Key, identity: Identity, action: Apply) -> None:
        """What is ours is taken back by force; what seems not to be there is made without, lest it is
        another's.
        """
        kind = BY_NAME[action.ref.kind]
        body = _with_uid(action.obj, action.live_uid) if action.live_uid else action.obj
        force = bool(action.live_uid)
        try:
            answer = await self._write(
                lambda: self._client.apply(kind, body, names.FIELD_MANAGER, force=force)
            )
        except ApiError as error:
            if error.status not in (404, 409):
                raise
            current = await self._refresh(kind, key, action.ref.name, action.live_uid)
            if force or current is None:
                raise
            if not owns(identity, current):
                raise ApiError(
                    403,
                    "NotOurs",
                    f"{action.ref} exists and belongs to somebody else: rename or remove it",
                ) from error
            body = _with_uid(action.obj, uid_of(current))
            answer = await self._write(lambda: self._client.apply(kind, body, names.FIELD_MANAGER))
        self._learn(key, kind, answer)

    async def _delete(self, key: Key, action: Delete) -> None:
        kind = BY_NAME[action.ref.kind]
        try:
            answer = await self._write(
                lambda: self._client.delete(
                    kind,
                    key.namespace,
                    action.ref.name,
                    uid=action.uid,
                    propagation=action.propagation.value,
                    grace_seconds=action.grace_seconds,
                )
            )
        except ApiError as error:
            if error.status not in (404, 409):
                raise
            await self._refresh(kind, key, action.ref.name, action.uid)
            return
        if answer.get("kind") == kind.name:
            self._mirror.wrote(kind, answer)
        else:
            self._mirror.removed(kind, action.uid)
            self._surprised.add(key)

    async def _recover(self, key: Key, action: Recover) -> None:
        """Record first, then act: see the action."""
        kind = BY_NAME[action.workload.kind]
        if not action.resume:
            record: dict[str, Any] = {
                "apiVersion": kind.api_version,
                "kind": kind.name,
                "metadata": {
                    "name": action.workload.name,
                    "namespace": key.namespace,
                    "uid": action.workload_uid,
                    "resourceVersion": action.resource_version,
                    "annotations": {names.RECOVERY_ANNOTATION: history.render(action.history, action.debts)},
                },
            }
            if action.template:
                record["spec"] = {"template": dict(action.template)}
            try:
                answer = await self._write(
                    lambda: self._client.apply(kind, record, names.RECOVERY_FIELD_MANAGER)
                )
            except ApiError as error:
                if error.status in (404, 409):
                    await self._refresh(kind, key, action.workload.name, action.workload_uid)
                raise
            self._learn(key, kind, answer)
        if action.rollback is not None:
            body = _with_uid(action.rollback, action.workload_uid)
            try:
                answer = await self._write(lambda: self._client.apply(kind, body, names.FIELD_MANAGER))
            except ApiError as error:
                if error.status in (404, 409):
                    await self._refresh(kind, key, action.workload.name, action.workload_uid)
                raise
            self._learn(key, kind, answer)
        for target in action.evict:
            try:
                await self._write(
                    lambda target=target: self._client.evict(  # type: ignore[misc]
                        key.namespace, target.name, uid=target.uid
                    )
                )
            except ApiError as error:
                if error.status not in (404, 409):
                    raise
                await self._refresh(POD, key, target.name, target.uid)

    async def _keep(self, key: Key, action: KeepRevision) -> None:
        """Ask for the workload with its field managers, which the mirror leaves out, and keep our part of it.

        Of a revision that is kept already, with other content around the same pods, the newer is kept: the
        data of a ControllerRevision cannot be changed.
        """
        kind = BY_NAME[action.workload.kind]
        live = await self._write(lambda: self._client.get(kind, key.namespace, action.workload.name))
        rendering = applied_by(names.FIELD_MANAGER, live)
        if live["metadata"]["uid"] != action.workload_uid:
            self._learn(key, kind, live)
            raise ApiError(409, "Conflict", f"{action.workload} is another one than was planned on")
        if rendering is None:
            return
        body = {**action.obj, "data": kept.as_kept(rendering)}

        async def apply() -> dict[str, Any]:
            return await self._write(
                lambda: self._client.apply(CONTROLLER_REVISION, body, names.FIELD_MANAGER)
            )

        try:
            answer = await apply()
        except ApiError as error:
            if error.status != 422:
                raise
            name = body["metadata"]["name"]
            old = await self._write(lambda: self._client.get(CONTROLLER_REVISION, key.namespace, name))
            uid = old["metadata"]["uid"]
            await self._write(lambda: self._client.delete(CONTROLLER_REVISION, key.namespace, name, uid=uid))
            self._mirror.removed(CONTROLLER_REVISION, uid)
            answer = await apply()
        self._learn(key, CONTROLLER_REVISION, answer)

    async def _set_finalizer(self, key: Key) -> None:
        system = self._mirror.system(key)
        if system is None:
            return
        body = {
            "apiVersion": SYSTEM.api_version,
            "kind": SYSTEM.name,
            "metadata": {
                "name": key.name,
                "namespace": key.namespace,
                "uid": system["metadata"]["uid"],
                "finalizers": [names.FINALIZER],
            },
        }
        answer = await self._write(lambda: self._client.apply(SYSTEM, body, names.FIELD_MANAGER))
        self._mirror.wrote(SYSTEM, answer)

    async def _remove_finalizer(self, key: Key) -> None:
        """By JSON patch on the position where it was seen; if that has moved, look again."""
        system = self._mirror.system(key)
        for _ in range(self._retries.attempts):
            finalizers = list((system or {}).get("metadata", {}).get("finalizers") or ())
            if system is None or names.FINALIZER not in finalizers:
                return
            path = f"/metadata/finalizers/{finalizers.index(names.FINALIZER)}"
            operations = [
                {"op": "test", "path": "/metadata/uid", "value": system["metadata"]["uid"]},
                {"op": "test", "path": path, "value": names.FINALIZER},
                {"op": "remove", "path": path},
            ]
            try:
                answer = await self._write(
                    lambda operations=operations: self._client.patch(  # type: ignore[misc]
                        SYSTEM, key.namespace, key.name, operations, names.FIELD_MANAGER
                    )
                )
            except ApiError as error:
                if error.status not in (404, 409, 422):
                    raise
                uid = system["metadata"]["uid"]
                await self._refresh(SYSTEM, key, key.name, uid)
                system = self._mirror.system(key)
                if system is not None and system["metadata"]["uid"] != uid:
                    return
                continue
            metadata = answer["metadata"]
            if metadata.get("deletionTimestamp") and not metadata.get("finalizers"):
                self._mirror.removed(SYSTEM, metadata["uid"])
                self._surprised.add(key)
            else:
                self._mirror.wrote(SYSTEM, answer)
            return
        raise ApiError(409, "Conflict", f"the finalizer of {key} could not be taken off: it keeps changing")

    # -- one request -----------------------------------------------------------------------------------------

    async def _write(self, send: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        """Send while we lead; again, after a pause, while the failure looks like one that passes."""
        attempt = 0
        while True:
            if not self._leading():
                raise NotLeading("the lease is not ours: nothing more is written")
            try:
                async with self._writes:
                    return await send()
            except ApiError as error:
                attempt += 1
                if not error.transient or attempt >= self._retries.attempts:
                    raise
                pause = self._retries.pause(attempt, error.retry_after)
            await asyncio.sleep(pause)

    def _learn(self, key: Key, kind: Kind, answer: dict[str, Any]) -> None:
        if self._mirror.wrote(kind, answer):
            self._surprised.add(key)

    async def _refresh(self, kind: Kind, key: Key, name: str, uid: str) -> dict[str, Any] | None:
        """Learn what is really there, after an answer that did not fit."""
        try:
            current = await self._client.get(kind, key.namespace, name)
        except ApiError as error:
            if error.status == 404 and uid:
                self._mirror.removed(kind, uid)
                self._surprised.add(key)
            return None
        if uid and current["metadata"]["uid"] != uid:
            self._mirror.removed(kind, uid)
        self._mirror.wrote(kind, current)
        self._surprised.add(key)
        return current

    # -- refusals --------------------------------------------------------------------------------------------

    def _remembered(self, key: Key, action: Action) -> str | None:
        if not isinstance(action, Apply):
            return None
        refused = self._refused.get(key, {}).get(action.ref)
        if refused is None or refused.body != _fingerprint(action.obj) or refused.until <= _now():
            return None
        return refused.error

    def _remember(self, key: Key, action: Action, error: ApiError) -> None:
        """Offer the same body again after 2, 4, 8, then every 10 s."""
        if not isinstance(action, Apply):
            return
        body = _fingerprint(action.obj)
        before = self._refused.get(key, {}).get(action.ref)
        times = before.times + 1 if before is not None and before.body == body else 1
        until = _now() + min(2.0**times, 10.0) * random.uniform(0.8, 1.0)  # noqa: S311 - spreads load
        self._refused.setdefault(key, {})[action.ref] = _Refused(body, until, times, error.message)


def _is_workload(action: Apply) -> bool:
    return action.ref.kind in WORKLOAD_KINDS


def _with_uid(obj: Object, uid: str) -> dict[str, Any]:
    return {**obj, "metadata": {**obj["metadata"], "uid": uid}}


def _fingerprint(obj: Object) -> int:
    return hash(json.dumps(obj, sort_keys=True, default=str))


def _now() -> float:
    return asyncio.get_running_loop().time()
