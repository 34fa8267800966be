"""The objects of one component: what is around its workload, and the workload itself.

What is around waits for nothing. The workload waits for the start gate when it is missing or of another
revision, goes to nothing and comes back as the edges ask for, and is put right at once whatever else differs
on it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from alluse_operator.api.conditions import ComponentReason
from alluse_operator.api.spec import ComponentType
from alluse_operator.api.status import ComponentState
from alluse_operator.core import edges, gate, removal, rollback, supporting
from alluse_operator.core.actions import Action, Apply, ApplyReason, Delete, KeepRevision, Propagation
from alluse_operator.core.draft import Draft
from alluse_operator.core.drift import drift
from alluse_operator.core.kept import keep, kept_revisions
from alluse_operator.core.objects import ComponentObjects, Ref, metadata, ref_of
from alluse_operator.core.observed import WorkloadView
from alluse_operator.core.sight import Sight
from alluse_operator.core.times import parse_time

#: Fields of a StatefulSet that the API server lets nobody change.
_IMMUTABLE = ("spec.volumeClaimTemplates", "spec.serviceName", "spec.podManagementPolicy", "spec.selector")


class Workloads:
    """Plans components into a draft, one after the other."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft

    def plan(self, sight: Sight, objects: ComponentObjects) -> None:
        name = sight.component.name
        taken = supporting.conflict(objects, self.draft.snapshot)
        if taken is not None:
            self.draft.set(
                name,
                ComponentState.BLOCKED,
                ComponentReason.NAME_CONFLICT,
                f"{taken} exists and belongs to somebody else: rename or remove it",
            )
            return
        if name in self.draft.edges.isolate:
            objects = edges.as_isolated(objects)
        self.draft.actions.extend(supporting.correct(name, objects, self.draft.snapshot))
        if name in self.draft.remains:
            self.draft.actions.extend(
                supporting.prune(name, objects, self.draft.remains[name], self.draft.snapshot)
            )
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
            if not sight.current and self.draft.is_left(sight):
                self._rolled_back(name, objects.revision)
                left = rollback.as_left(objects, live, self.draft.snapshot)
                if left is None:
                    self._keep_again(name, live)
                    return
                objects = left
            if name in self.draft.edges.stop:
                self._stop(sight, objects)
                return
            if name in self.draft.edges.stopped:
                self._come_back(sight, objects, live)
                return
        if live is None or live.ref != wanted or live.revision != objects.revision:
            self._gate(sight, objects, live)
            return
        action = supporting.correction(
            sight.component.name, objects.workload, objects.revision, self.draft.snapshot
        )
        if isinstance(action, Apply) and self._immutable(sight, action):
            return
        if action is not None:
            self.draft.workload_actions.append(action)
        self.draft.workload_actions.extend(_unstick(sight))

    def _stop(self, sight: Sight, objects: ComponentObjects) -> None:
        """Scale to nothing, those that stand on it first."""
        name = sight.component.name
        reasons = ", ".join(self.draft.edges.stop[name])
        if not edges.may_stop(name, self.draft.edges, self.draft.system, self.draft.sights):
            self.draft.note(name, f"stops with {reasons} when those that stand on it are down")
            return
        wanted = edges.as_stopped(objects.workload)
        action = supporting.correction(name, wanted, objects.revision, self.draft.snapshot)
        if isinstance(action, Apply) and self._immutable(sight, action):
            return
        if action is not None:
            if sight.workload is not None and sight.workload.revision != objects.revision:
                self._keep(name, sight.workload)
            self.draft.workload_actions.append(action)
        self.draft.set(
            name,
            ComponentState.STOPPED,
            ComponentReason.STOPPED_WITH_DEPENDENCY,
            f"scaled to nothing while {reasons} is unwell",
        )
        self.draft.without_suspect(name)

    def _come_back(self, sight: Sight, objects: ComponentObjects, live: WorkloadView) -> None:
        """What the stop was for is over: back through the start gate."""
        name = sight.component.name
        self._gate(sight, objects, live)
        if self.draft.plans[name].assessment.state is ComponentState.STOPPED:
            waits = ", ".join(wait.name for wait in self.draft.plans[name].waits)
            why = f"waits for {waits}" if waits else "waits for its turn"
            reason = ComponentReason.STOPPED_WITH_DEPENDENCY
            self.draft.set(name, ComponentState.STOPPED, reason, f"comes back: {why}")

    def _rolled_back(self, name: str, revision: str) -> None:
        """It stays on its last good revision until the spec asks for another one, or a person for a retry."""
        words = f"revision {revision} did not become healthy: it runs its last good one"
        if self.draft.plans[name].assessment.state is ComponentState.HEALTHY:
            self.draft.set(name, ComponentState.DEGRADED, ComponentReason.ROLLED_BACK, words)
        else:
            self.draft.note(name, words)

    def _clear_other_kinds(self, name: str, wanted: Ref) -> None:
        """Beside the wanted workload, one of another kind is a left-over of a change back and forth."""
        rest = self.draft.remains.get(name)
        found = rest.workloads if rest is not None else ()
        for workload in found:
            if workload.ref != wanted and not workload.deleting:
                self.draft.workload_actions.append(
                    Delete(name, workload.ref, workload.uid, Propagation.FOREGROUND)
                )

    def _gate(self, sight: Sight, objects: ComponentObjects, live: WorkloadView | None) -> None:
        component = sight.component
        name = component.name
        known = self.draft.assessments
        if live is None or live.revision == objects.revision:
            known = {**known, **self.draft.standing}
        passed = gate.check(component, known, sight.previous, self._waits_since(sight, live), self.draft.now)
        self.draft.plans[name] = replace(self.draft.plans[name], waits=passed.waits, given_up=passed.skipped)
        if not passed.open:
            if live is None:
                self.draft.set(name, *gate.explain(passed))
            else:
                _, _, why = gate.explain(passed)
                self.draft.note(name, f"its new revision {why}")
            return
        if self.draft.slots <= 0:
            message = f"{self.draft.system.startup.max_parallel} components are starting already"
            if live is None:
                self.draft.set(name, ComponentState.WAITING, ComponentReason.WAITING_FOR_SLOT, message)
            else:
                self.draft.note(name, f"its new revision waits: {message}")
            return
        started = self._start(sight, objects, live)
        if started:
            self.draft.slots -= 1
            self.draft.plans[name] = replace(self.draft.plans[name], skipped=passed.skipped, given_up=())

    def _start(self, sight: Sight, objects: ComponentObjects, live: WorkloadView | None) -> bool:
        """Create the workload or give it the new revision; what cannot be edited is deleted first."""
        component = sight.component
        name = component.name
        if live is not None and (live.ref != ref_of(objects.workload) or component.kind is ComponentType.JOB):
            self.draft.workload_actions.append(Delete(name, live.ref, live.uid, Propagation.FOREGROUND))
            self.draft.set(
                name,
                ComponentState.STOPPING,
                ComponentReason.ROLLING_OUT,
                f"{live.ref} makes room for {ref_of(objects.workload)} in a new revision",
            )
            return True
        if live is None:
            reason = supporting.absence_reason(name, objects.revision, self.draft.snapshot)
            self.draft.workload_actions.append(Apply(name, objects.workload, reason))
            self.draft.set(
                name, ComponentState.STARTING, ComponentReason.CREATED, "created; no pod runs yet", anew=True
            )
            return True
        seen = self.draft.snapshot.objects[live.ref]
        differing = drift(objects.workload, seen)
        action = Apply(name, objects.workload, ApplyReason.UPDATE, differing, live.uid)
        if self._immutable(sight, action):
            return False
        if live.revision != objects.revision:
            self._keep(name, live)
        self.draft.workload_actions.append(action)
        self.draft.set(
            name,
            ComponentState.STARTING,
            ComponentReason.ROLLING_OUT,
            f"revision {objects.revision} takes the place of {live.revision or 'an unknown one'}",
            anew=True,
        )
        return True

    def _keep(self, name: str, live: WorkloadView) -> None:
        """A revision that is healthy is what it can go back to from the one that takes its place."""
        if self.draft.assessments[name].state is not ComponentState.HEALTHY or not live.revision:
            return
        if any(one.revision == live.revision for one in kept_revisions(self.draft.snapshot, name)):
            return
        kept = keep(self.draft.system.identity, name, self.draft.snapshot.objects[live.ref])
        self.draft.workload_actions.append(KeepRevision(name, live.ref, live.uid, kept))

    def _keep_again(self, name: str, live: WorkloadView) -> None:
        """Somebody has deleted what was kept of the revision that it has come back to."""
        kept = keep(self.draft.system.identity, name, self.draft.snapshot.objects[live.ref])
        self.draft.workload_actions.append(KeepRevision(name, live.ref, live.uid, kept, again=True))
        self.draft.note(
            name,
            "somebody has deleted what was kept of it, so what it runs is kept again; unless that can be "
            "kept, it goes on to what is wanted",
        )

    def _immutable(self, sight: Sight, action: Apply) -> bool:
        """Whether the API server would refuse the change; says so."""
        refused = [path for path in action.drifted if path.startswith(_IMMUTABLE)]
        if action.ref.kind != "StatefulSet" or not refused:
            return False
        self.draft.set(
            sight.component.name,
            ComponentState.BLOCKED,
            ComponentReason.STORAGE_IMMUTABLE,
            f"{', '.join(refused)} of {action.ref} cannot be changed: put the old value back, or delete the "
            "StatefulSet (and with it the data) to have it made anew",
        )
        return True

    def _waits_since(self, sight: Sight, live: WorkloadView | None) -> datetime:
        """When the wait began, where no status says so: with the first objects of the component."""
        rest = self.draft.remains.get(sight.component.name)
        if sight.previous is not None or live is not None or rest is None:
            return self.draft.now
        stamps = [str(metadata(obj).get("creationTimestamp", "")) for obj in rest.others]
        moments = [moment for stamp in stamps if (moment := parse_time(stamp)) is not None]
        return min(moments, default=self.draft.now)


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
