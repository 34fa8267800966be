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
from alluse_operator.api.spec import ComponentType, TeardownOrder
from alluse_operator.api.status import ComponentState
from alluse_operator.core import edges, gate, interlocks, removal, rollback, startup, supporting
from alluse_operator.core.desired import System
from alluse_operator.core.diagnosis import causal
from alluse_operator.core.drift import drift
from alluse_operator.core.health import assess
from alluse_operator.core.kept import keep, kept_revisions
from alluse_operator.core.objects import ComponentObjects, Ref, metadata, ref_of
from alluse_operator.core.observed import PreviousComponent, Snapshot, WorkloadView
from alluse_operator.core.plan import (
    Action,
    Apply,
    ApplyReason,
    Assessment,
    ComponentPlan,
    Delete,
    InterlockView,
    KeepRevision,
    Mode,
    Plan,
    Propagation,
    RemoveFinalizer,
    SetFinalizer,
)
from alluse_operator.core.reading import parse_time
from alluse_operator.core.rescue import rescue
from alluse_operator.core.retry import parse_retry
from alluse_operator.core.sight import Sight, see
from alluse_operator.core.teardown import plan_teardown

#: How often to look again while what is known cannot be trusted.
_DISTRUST = timedelta(seconds=5)
#: Fields of a StatefulSet that the API server lets nobody change.
_IMMUTABLE = ("spec.volumeClaimTemplates", "spec.serviceName", "spec.podManagementPolicy", "spec.selector")


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
    return _Pass(desired, built, snapshot, now).run()


class _Pass:
    """One ordinary pass; collects actions, verdicts and the times at which to look again."""

    def __init__(
        self,
        system: System,
        built: Mapping[str, ComponentObjects],
        snapshot: Snapshot,
        now: datetime,
    ) -> None:
        self.system = system
        self.built = built
        self.snapshot = snapshot
        self.now = now
        self.sights = see(system, built, snapshot, now)
        self.assessments = {name: self._assess(sight) for name, sight in self.sights.items()}
        self.edges = edges.judge(system, self.sights, self.assessments, snapshot, now)
        for name in self.edges.isolate:
            # Nobody reaches it: no moment to start others on it.
            self.assessments[name] = replace(self.assessments[name], healthy=False)
        self.remains = removal.remains(snapshot)
        self.plans = {
            name: ComponentPlan(
                name=name,
                assessment=self.assessments[name],
                revision=sight.revision or (sight.workload.revision if sight.workload else ""),
                start_seconds=startup.start_seconds(sight, self.assessments[name]),
                restarts=sum(pod.restarts for pod in sight.live),
                last_exit=sight.last_exit,
                criticality=sight.component.criticality,
                requires=frozenset(edge.name for edge in causal(sight.component)),
            )
            for name, sight in self.sights.items()
        }
        self.interlocks: tuple[InterlockView, ...] = ()
        self.owed_at: datetime | None = None
        self.actions: list[Action] = []
        self.workload_actions: list[Action] = []
        self.slots = system.startup.max_parallel - sum(
            1
            for name, sight in self.sights.items()
            if name not in self.edges.stopped and startup.takes_slot(sight, self.assessments[name])
        )

    def run(self) -> Plan:
        self._finalizer()
        for name, objects in self.built.items():
            self._component(self.sights[name], objects)
        self._remove()
        self._isolated()
        rescued = rescue(self.system, self.sights, self.plans, self.edges, self.snapshot, self.now)
        self.plans.update(rescued.components)
        self.owed_at = rescued.recheck_at
        self.interlocks = interlocks.check(self.system, self.plans, self.snapshot.resource.status, self.now)
        actions = (*self.actions, *self.workload_actions, *rescued.actions)
        return Plan(
            mode=Mode.RUN,
            identity=self.system.identity,
            actions=actions,
            components=self.plans,
            requeue_at=self._requeue_at(),
            system=self.system,
            suspension=rescued.suspension,
            actions_in_window=rescued.actions_in_window,
            interlocks=self.interlocks,
        )

    def _finalizer(self) -> None:
        held = FINALIZER in self.snapshot.resource.finalizers
        wanted = self.system.teardown.order is TeardownOrder.REVERSE
        if wanted and not held:
            self.actions.append(SetFinalizer())
        if held and not wanted:
            self.actions.append(RemoveFinalizer())

    # -- one component -------------------------------------------------------------------------------------

    def _component(self, sight: Sight, objects: ComponentObjects) -> None:
        name = sight.component.name
        taken = supporting.conflict(objects, self.snapshot)
        if taken is not None:
            self._set(
                name,
                ComponentState.BLOCKED,
                ComponentReason.NAME_CONFLICT,
                f"{taken} exists and belongs to somebody else: rename or remove it",
            )
            return
        if name in self.edges.isolate:
            objects = edges.as_isolated(objects)
        self.actions.extend(supporting.correct(name, objects, self.snapshot))
        if name in self.remains:
            self.actions.extend(supporting.prune(name, objects, self.remains[name], self.snapshot))
        self._workload(sight, objects)

    def _workload(self, sight: Sight, objects: ComponentObjects) -> None:
        """The workload is there and current: put drift right. Otherwise: the gate."""
        live = sight.workload
        wanted = ref_of(objects.workload)
        if live is not None and live.deleting:
            return
        name = sight.component.name
        if live is not None and live.ref == wanted:
            self._clear_other_kinds(name, wanted)
            if live.revision != objects.revision and rollback.is_left(
                name, objects.revision, self.snapshot, live, self._retried(name)
            ):
                self._rolled_back(name, objects.revision)
                return
            if name in self.edges.stop:
                self._stop(sight, objects)
                return
            if name in self.edges.stopped:
                self._come_back(sight, objects, live)
                return
        if live is None or live.ref != wanted or live.revision != objects.revision:
            self._gate(sight, objects, live)
            return
        action = supporting.correction(
            sight.component.name, objects.workload, objects.revision, self.snapshot
        )
        if isinstance(action, Apply) and self._immutable(sight, action):
            return
        if action is not None:
            self.workload_actions.append(action)
        self.workload_actions.extend(_unstick(sight))

    def _stop(self, sight: Sight, objects: ComponentObjects) -> None:
        """Scale to nothing, those that stand on it first."""
        name = sight.component.name
        reasons = ", ".join(self.edges.stop[name])
        if not edges.may_stop(name, self.edges, self.system, self.sights):
            self._note(name, f"stops with {reasons} when those that stand on it are down")
            return
        wanted = edges.as_stopped(objects.workload)
        action = supporting.correction(name, wanted, objects.revision, self.snapshot)
        if isinstance(action, Apply) and self._immutable(sight, action):
            return
        if action is not None:
            self.workload_actions.append(action)
        self._set(
            name,
            ComponentState.STOPPED,
            ComponentReason.STOPPED_WITH_DEPENDENCY,
            f"scaled to nothing while {reasons} is unwell",
        )
        self._without_suspect(name)

    def _come_back(self, sight: Sight, objects: ComponentObjects, live: WorkloadView) -> None:
        """What the stop was for is over: back through the start gate."""
        name = sight.component.name
        self._gate(sight, objects, live)
        if self.plans[name].assessment.state is ComponentState.STOPPED:
            waits = ", ".join(wait.name for wait in self.plans[name].waits)
            why = f"waits for {waits}" if waits else "waits for its turn"
            reason = ComponentReason.STOPPED_WITH_DEPENDENCY
            self._set(name, ComponentState.STOPPED, reason, f"comes back: {why}")

    def _rolled_back(self, name: str, revision: str) -> None:
        """It stays on its last good revision until the spec asks for another one, or a person for a retry."""
        words = f"revision {revision} did not become healthy: it runs its last good one"
        if self.plans[name].assessment.state is ComponentState.HEALTHY:
            self._set(name, ComponentState.DEGRADED, ComponentReason.ROLLED_BACK, words)
        else:
            self._note(name, words)

    def _isolated(self) -> None:
        for name, dependencies in self.edges.isolate.items():
            words = f"out of its Service while {', '.join(dependencies)} is unwell"
            if self.plans[name].assessment.state is ComponentState.HEALTHY:
                self._set(name, ComponentState.DEGRADED, ComponentReason.ISOLATED, words)
                self.plans[name] = replace(self.plans[name], causes=dependencies)
            else:
                self._note(name, words)

    def _without_suspect(self, name: str) -> None:
        plan = self.plans[name]
        self.plans[name] = replace(plan, assessment=replace(plan.assessment, suspect="", recheck_at=None))

    def _retried(self, name: str) -> datetime | None:
        retry = parse_retry(self.snapshot.resource.retry)
        return retry.of(name, self.now) if retry is not None else None

    def _clear_other_kinds(self, name: str, wanted: Ref) -> None:
        """Beside the wanted workload, one of another kind is a left-over of a change back and forth."""
        rest = self.remains.get(name)
        found = rest.workloads if rest is not None else ()
        for workload in found:
            if workload.ref != wanted and not workload.deleting:
                self.workload_actions.append(Delete(name, workload.ref, workload.uid, Propagation.FOREGROUND))

    def _gate(self, sight: Sight, objects: ComponentObjects, live: WorkloadView | None) -> None:
        component = sight.component
        name = component.name
        passed = gate.check(
            component, self.assessments, sight.previous, self._waits_since(sight, live), self.now
        )
        self.plans[name] = replace(self.plans[name], waits=passed.waits)
        if not passed.open:
            if live is None:
                self._set(name, *gate.explain(passed))
            else:
                _, _, why = gate.explain(passed)
                self._note(name, f"its new revision {why}")
            return
        if self.slots <= 0:
            message = f"{self.system.startup.max_parallel} components are starting already"
            if live is None:
                self._set(name, ComponentState.WAITING, ComponentReason.WAITING_FOR_SLOT, message)
            else:
                self._note(name, f"its new revision waits: {message}")
            return
        started = self._start(sight, objects, live)
        if started:
            self.slots -= 1
            self.plans[name] = replace(self.plans[name], skipped=passed.skipped)

    def _start(self, sight: Sight, objects: ComponentObjects, live: WorkloadView | None) -> bool:
        """Create the workload or give it the new revision; what cannot be edited is deleted first."""
        component = sight.component
        name = component.name
        if live is not None and (live.ref != ref_of(objects.workload) or component.kind is ComponentType.JOB):
            self.workload_actions.append(Delete(name, live.ref, live.uid, Propagation.FOREGROUND))
            self._set(
                name,
                ComponentState.STOPPING,
                ComponentReason.ROLLING_OUT,
                f"{live.ref} makes room for {ref_of(objects.workload)} in a new revision",
            )
            return True
        if live is None:
            reason = supporting.absence_reason(name, objects.revision, self.snapshot)
            self.workload_actions.append(Apply(name, objects.workload, reason))
            self._set(
                name, ComponentState.STARTING, ComponentReason.CREATED, "created; no pod runs yet", anew=True
            )
            return True
        seen = self.snapshot.objects[live.ref]
        differing = drift(objects.workload, seen)
        action = Apply(name, objects.workload, ApplyReason.UPDATE, differing, live.uid)
        if self._immutable(sight, action):
            return False
        if live.revision != objects.revision and self._is_worth_keeping(name, live):
            kept = keep(self.system.identity, name, seen)
            self.workload_actions.append(KeepRevision(name, live.ref, live.uid, kept))
        self.workload_actions.append(action)
        self._set(
            name,
            ComponentState.STARTING,
            ComponentReason.ROLLING_OUT,
            f"revision {objects.revision} takes the place of {live.revision or 'an unknown one'}",
            anew=True,
        )
        return True

    def _is_worth_keeping(self, name: str, live: WorkloadView) -> bool:
        """A revision that is healthy is what the component can go back to."""
        if self.assessments[name].state is not ComponentState.HEALTHY or not live.revision:
            return False
        return all(one.revision != live.revision for one in kept_revisions(self.snapshot, name))

    def _immutable(self, sight: Sight, action: Apply) -> bool:
        """Whether the API server would refuse the change; says so."""
        refused = [path for path in action.drifted if path.startswith(_IMMUTABLE)]
        if action.ref.kind != "StatefulSet" or not refused:
            return False
        self._set(
            sight.component.name,
            ComponentState.BLOCKED,
            ComponentReason.STORAGE_IMMUTABLE,
            f"{', '.join(refused)} of {action.ref} cannot be changed: put the old value back, or delete the "
            "StatefulSet (and with it the data) to have it made anew",
        )
        return True

    def _waits_since(self, sight: Sight, live: WorkloadView | None) -> datetime:
        """When the wait began, where no status says so: with the first objects of the component."""
        rest = self.remains.get(sight.component.name)
        if sight.previous is not None or live is not None or rest is None:
            return self.now
        stamps = [str(metadata(obj).get("creationTimestamp", "")) for obj in rest.others]
        moments = [moment for stamp in stamps if (moment := parse_time(stamp)) is not None]
        return min(moments, default=self.now)

    # -- components that are no longer wanted --------------------------------------------------------------

    def _remove(self) -> None:
        going = {name: rest for name, rest in self.remains.items() if name not in self.system.components}
        for name, rest in going.items():
            above = removal.dependants_left(name, self.remains, tuple(self.remains))
            before = self.snapshot.resource.status.components.get(name)
            since = _stopping_since(before) or self.now
            overdue = self.now >= since + self.system.teardown.deadline
            message = "no longer in the spec: stopping"
            if rest.runs and above and not overdue:
                message = f"no longer in the spec: stops when {', '.join(above)} no longer need it"
            elif rest.workloads:
                self.workload_actions.extend(removal.delete_workloads(name, rest))
            elif not rest.pods:
                self.actions.extend(removal.delete_others(name, rest))
            self.plans[name] = ComponentPlan(
                name=name,
                removed=True,
                assessment=Assessment(
                    state=ComponentState.STOPPING,
                    reason=ComponentReason.REMOVED,
                    message=message,
                    since=min(since, self.now),
                    recheck_at=since + self.system.teardown.deadline,
                    serving=any(pod.ready for pod in rest.pods),
                ),
            )

    def _assess(self, sight: Sight) -> Assessment:
        """What health says; what was scaled to nothing for the sake of an edge is not asked."""
        found = assess(sight)
        if not edges.is_stopped(sight, self.snapshot):
            return found
        before = sight.previous
        since = before.since if before is not None and before.state is ComponentState.STOPPED else None
        return replace(
            found,
            state=ComponentState.STOPPED,
            reason=ComponentReason.STOPPED_WITH_DEPENDENCY,
            message="scaled to nothing",
            since=min(since or self.now, self.now),
            recheck_at=None,
            started=False,
            healthy=False,
            suspect="",
        )

    # -- words and times -----------------------------------------------------------------------------------

    def _set(
        self, name: str, state: ComponentState, reason: str, message: str, *, anew: bool = False
    ) -> None:
        """The plan's own word for a component, in place of what health says.

        `anew`: the state begins with this pass, even if the component was in one of that name before.
        """
        plan = self.plans[name]
        before = self.snapshot.resource.status.components.get(name)
        since = before.since if before is not None and before.state is state and not anew else None
        self.plans[name] = replace(
            plan,
            assessment=replace(
                plan.assessment,
                state=state,
                reason=str(reason),
                message=message,
                since=min(since or self.now, self.now),
            ),
        )

    def _note(self, name: str, words: str) -> None:
        plan = self.plans[name]
        message = f"{plan.assessment.message}; {words}"
        self.plans[name] = replace(plan, assessment=replace(plan.assessment, message=message))

    def _requeue_at(self) -> datetime | None:
        moments: list[datetime | None] = []
        if not all(plan.done for plan in self.plans.values()):
            moments.append(startup.deadline(self.system, self.snapshot, self.now))
        for plan in self.plans.values():
            moments.append(plan.assessment.recheck_at)
            moments.extend((plan.recovery.next_action_at, plan.recovery.clean_at))
            moments.extend(wait.deadline for wait in plan.waits)
        moments.extend((self.edges.recheck_at, self.owed_at))
        moments.extend(lock.closes_at for lock in self.interlocks)
        retry = parse_retry(self.snapshot.resource.retry)
        moments.append(retry.at if retry is not None else None)
        return min((m for m in moments if m is not None and m > self.now), default=None)


def _unstick(sight: Sight) -> list[Action]:
    """A StatefulSet does not replace a broken pod of an old revision by itself: it waits for it to become
    ready.

    Kubernetes documents this as a forced rollback that needs a person; the person would delete the pod.
    """
    workload = sight.workload
    if workload is None or workload.ref.kind != "StatefulSet" or not workload.settled:
        return []
    return [
        Delete(sight.component.name, removal.pod_ref(pod), pod.uid)
        for pod in sight.live
        if pod.revision != workload.revision and not pod.ready and not pod.started
    ]


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
