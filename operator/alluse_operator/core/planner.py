"""From what is wanted and what is seen to what to do: one pass, without a clock and without I/O.

The rules, in the order in which they speak:

1. A system that is being deleted is torn down, whatever its spec says (`teardown`).
2. What is too old to be trusted, or a spec that makes no sense, leads to no action at all.
3. Supporting objects of all components are brought to what is wanted at once (`supporting`).
4. A workload that is missing, or of another revision, passes the start gate (`gate`), providers first, at
   most `maxParallel` at a time. Whatever else differs on a workload is put right at once.
5. A component may be isolated, stopped, or owed a restart while one that it requires is unwell (`edges`).
6. Components that are no longer wanted go in reverse order (`removal`).
7. Of the sick components that an action may help the roots are treated, step by step, within the budget
   (`rescue`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from alluse_operator.api.conditions import ComponentReason
from alluse_operator.api.errors import InvalidSpec
from alluse_operator.api.names import FINALIZER
from alluse_operator.api.spec import TeardownOrder
from alluse_operator.api.status import ComponentState
from alluse_operator.core import interlocks, removal, startup
from alluse_operator.core.actions import RemoveFinalizer, SetFinalizer
from alluse_operator.core.desired import System
from alluse_operator.core.draft import Draft
from alluse_operator.core.objects import ComponentObjects
from alluse_operator.core.observed import PreviousComponent, Snapshot
from alluse_operator.core.plan import ComponentPlan, Mode, Plan
from alluse_operator.core.rescue import rescue
from alluse_operator.core.retry import parse_retry
from alluse_operator.core.teardown import plan_teardown
from alluse_operator.core.verdicts import Assessment, InterlockView
from alluse_operator.core.workloads import Workloads

#: How often to look again while what is known cannot be trusted.
_DISTRUST = timedelta(seconds=5)


def make_plan(
    desired: System | InvalidSpec,
    built: Mapping[str, ComponentObjects],
    snapshot: Snapshot,
    now: datetime,
) -> Plan:
    """The plan of one pass. `built` holds the objects of each managed component; empty for an invalid
    spec.
    """
    identity = snapshot.resource.identity
    if snapshot.resource.deleted_at is not None:
        return plan_teardown(snapshot, now)
    if isinstance(desired, InvalidSpec):
        return Plan(Mode.INVALID, identity, (), {}, spec_errors=tuple(desired.errors))
    if not snapshot.trusted(now):
        unknown = {name: _unknown(name, snapshot, now) for name in desired.components}
        return Plan(
            Mode.UNTRUSTED,
            identity,
            (),
            unknown,
            requeue_at=now + _DISTRUST,
            system=desired,
            interlocks=interlocks.check(desired, unknown, snapshot.resource.status, now),
        )
    return _Pass(Draft(desired, built, snapshot, now)).run()


class _Pass:
    """One ordinary pass; collects actions, verdicts and the times at which to look again."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.interlocks: tuple[InterlockView, ...] = ()
        self.owed_at: datetime | None = None

    def run(self) -> Plan:
        self._finalizer()
        workloads = Workloads(self.draft)
        for name, objects in self.draft.built.items():
            workloads.plan(self.draft.sights[name], objects)
        self._remove()
        self._isolated()
        rescued = rescue(
            self.draft.system,
            self.draft.sights,
            self.draft.plans,
            self.draft.edges,
            self.draft.snapshot,
            self.draft.now,
        )
        self.draft.plans.update(rescued.components)
        self.owed_at = rescued.recheck_at
        self.interlocks = interlocks.check(
            self.draft.system, self.draft.plans, self.draft.snapshot.resource.status, self.draft.now
        )
        actions = (*self.draft.actions, *self.draft.workload_actions, *rescued.actions)
        return Plan(
            mode=Mode.RUN,
            identity=self.draft.system.identity,
            actions=actions,
            components=self.draft.plans,
            requeue_at=self._requeue_at(),
            system=self.draft.system,
            suspension=rescued.suspension,
            actions_in_window=rescued.actions_in_window,
            interlocks=self.interlocks,
        )

    def _finalizer(self) -> None:
        held = FINALIZER in self.draft.snapshot.resource.finalizers
        wanted = self.draft.system.teardown.order is TeardownOrder.REVERSE
        if wanted and not held:
            self.draft.actions.append(SetFinalizer())
        if held and not wanted:
            self.draft.actions.append(RemoveFinalizer())

    def _isolated(self) -> None:
        for name, dependencies in self.draft.edges.isolate.items():
            words = f"out of its Service while {', '.join(dependencies)} is unwell"
            if self.draft.plans[name].assessment.state is ComponentState.HEALTHY:
                self.draft.set(name, ComponentState.DEGRADED, ComponentReason.ISOLATED, words)
                self.draft.plans[name] = replace(self.draft.plans[name], causes=dependencies)
            else:
                self.draft.note(name, words)

    # -- components that are no longer wanted --------------------------------------------------------------

    def _remove(self) -> None:
        going = {
            name: rest
            for name, rest in self.draft.remains.items()
            if name not in self.draft.system.components
        }
        for name, rest in going.items():
            above = removal.dependants_left(name, self.draft.remains, tuple(self.draft.remains))
            before = self.draft.snapshot.resource.status.components.get(name)
            since = _stopping_since(before) or self.draft.now
            overdue = self.draft.now >= since + self.draft.system.teardown.deadline
            message = "no longer in the spec: stopping"
            if rest.runs and above and not overdue:
                message = f"no longer in the spec: stops when {', '.join(above)} no longer need it"
            elif rest.workloads:
                self.draft.workload_actions.extend(removal.delete_workloads(name, rest))
            elif not rest.pods:
                self.draft.actions.extend(removal.delete_others(name, rest))
            self.draft.plans[name] = ComponentPlan(
                name=name,
                removed=True,
                assessment=Assessment(
                    state=ComponentState.STOPPING,
                    reason=ComponentReason.REMOVED,
                    message=message,
                    since=min(since, self.draft.now),
                    recheck_at=since + self.draft.system.teardown.deadline,
                    serving=any(pod.ready for pod in rest.pods),
                ),
            )

    def _requeue_at(self) -> datetime | None:
        moments: list[datetime | None] = []
        if not all(plan.done for plan in self.draft.plans.values()):
            moments.append(startup.deadline(self.draft.system, self.draft.snapshot, self.draft.now))
        for plan in self.draft.plans.values():
            moments.append(plan.assessment.recheck_at)
            moments.extend((plan.recovery.next_action_at, plan.recovery.clean_at))
            moments.extend(wait.deadline for wait in plan.waits)
        moments.extend((self.draft.edges.recheck_at, self.owed_at))
        moments.extend(lock.closes_at for lock in self.interlocks)
        retry = parse_retry(self.draft.snapshot.resource.retry)
        moments.append(retry.at if retry is not None else None)
        return min((m for m in moments if m is not None and m > self.draft.now), default=None)


def _unknown(name: str, snapshot: Snapshot, now: datetime) -> ComponentPlan:
    before = snapshot.resource.status.components.get(name)
    kept = before.since if before is not None and before.state is ComponentState.UNKNOWN else None
    return ComponentPlan(
        name=name,
        assessment=Assessment(
            state=ComponentState.UNKNOWN,
            reason=ComponentReason.OBSERVATION_STALE,
            message=f"not seen since {snapshot.synced_at:%Y-%m-%dT%H:%M:%SZ}; nothing is done meanwhile",
            since=min(kept or snapshot.synced_at, now),
        ),
        revision=before.revision if before is not None else "",
        start_seconds=before.start_seconds if before is not None else None,
    )


def _stopping_since(before: PreviousComponent | None) -> datetime | None:
    return before.since if before is not None and before.state is ComponentState.STOPPING else None
