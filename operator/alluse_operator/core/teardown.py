"""The deletion of a system: in reverse order, within a deadline, and never for ever.

Only `snapshot` decides; the spec may be invalid by now (deletion beats validation). Three points in time,
counted from the deletion: until the *deadline* components stop in reverse order; from then on the rest is
forced or orphaned; at *twice the deadline* the finalizer goes, whatever is left. The garbage collector
removes the rest by ownerReference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from alluse_operator.api.conditions import ComponentReason
from alluse_operator.api.names import FINALIZER
from alluse_operator.api.spec import OnDeadline, TeardownOrder
from alluse_operator.api.status import ComponentState
from alluse_operator.core import removal
from alluse_operator.core.actions import Action, Delete, Propagation, RemoveFinalizer
from alluse_operator.core.desired import TeardownPolicy
from alluse_operator.core.objects import mapping_at
from alluse_operator.core.observed import Snapshot
from alluse_operator.core.plan import ComponentPlan, Mode, Plan, Teardown
from alluse_operator.core.removal import Remains
from alluse_operator.core.verdicts import Assessment

#: How often to look again while nothing is known to change.
_PATIENCE = timedelta(seconds=5)


def plan_teardown(snapshot: Snapshot, now: datetime) -> Plan:
    """The plan for a system whose deletion has begun."""
    resource = snapshot.resource
    started_at = resource.deleted_at or now
    policy = read_policy(resource.spec)
    deadline = started_at + policy.deadline
    end = started_at + 2 * policy.deadline
    if FINALIZER not in resource.finalizers:
        return Plan(Mode.GONE, resource.identity, (), {})
    trusted = snapshot.trusted(now)
    left = {name: rest for name, rest in removal.remains(snapshot).items() if rest.runs}
    progress = Teardown(
        started_at=started_at,
        deadline=deadline,
        forced=now >= deadline,
        remaining=tuple(left),
        orphaned=_orphaned(left) if now >= deadline and policy.on_deadline is OnDeadline.ORPHAN else (),
    )
    actions, done = _actions(snapshot, policy, left, forced=progress.forced) if trusted else ([], False)
    if done or now >= end or snapshot.namespace_terminating or policy.order is TeardownOrder.PARALLEL:
        actions = [*(actions if trusted and not snapshot.namespace_terminating else ()), RemoveFinalizer()]
    return Plan(
        mode=Mode.TEARDOWN,
        identity=resource.identity,
        actions=tuple(actions),
        components={name: _describe(name, rest, left, snapshot, now) for name, rest in left.items()},
        requeue_at=min(moment for moment in (deadline, end, now + _PATIENCE) if moment > now),
        teardown=progress,
    )


def read_policy(spec: Mapping[str, Any]) -> TeardownPolicy:
    """The policy in a spec that may be wrong anywhere: each field that makes no sense is its default."""
    written = mapping_at(spec, "teardown")
    default = TeardownPolicy()
    seconds = written.get("deadlineSeconds")
    sensible = isinstance(seconds, int) and not isinstance(seconds, bool) and 0 < seconds <= 3600
    order, on_deadline = written.get("order"), written.get("onDeadline")
    return TeardownPolicy(
        order=TeardownOrder(order) if order in tuple(TeardownOrder) else default.order,
        deadline=timedelta(seconds=seconds) if sensible and seconds is not None else default.deadline,
        on_deadline=OnDeadline(on_deadline) if on_deadline in tuple(OnDeadline) else default.on_deadline,
    )


def _actions(
    snapshot: Snapshot, policy: TeardownPolicy, left: Mapping[str, Remains], *, forced: bool
) -> tuple[list[Action], bool]:
    """What to stop now, and whether the finalizer may go afterwards.

    A component is stopped by scaling it to nothing. Its objects go with the system: to remove them, and the
    volumes of its claims, is work that those who are still to stop would wait for.
    """
    if not left:
        return [*removal.strays(snapshot)], True
    if forced and policy.on_deadline is OnDeadline.ORPHAN:
        orphaned = [
            Delete(name, workload.ref, workload.uid, Propagation.ORPHAN)
            for name, rest in left.items()
            for workload in rest.workloads
        ]
        return [*orphaned], not orphaned
    if forced:
        return list(_force(left)), False
    actions: list[Action] = []
    for name, rest in left.items():
        if not removal.dependants_left(name, left, tuple(left)):
            actions.extend(removal.stop_workloads(name, rest))
    return actions, False


def _force(left: Mapping[str, Remains]) -> Iterator[Delete]:
    """Everything at once and without grace; what is on its way already is asked again without grace."""
    for name, rest in left.items():
        for workload in rest.workloads:
            yield Delete(name, workload.ref, workload.uid, Propagation.BACKGROUND, grace_seconds=0)
        for pod in rest.pods:
            yield Delete(name, removal.pod_ref(pod), pod.uid, Propagation.BACKGROUND, grace_seconds=0)


def _orphaned(left: Mapping[str, Remains]) -> tuple[str, ...]:
    return tuple(str(removal.pod_ref(pod)) for rest in left.values() for pod in rest.pods)


def _describe(
    name: str, rest: Remains, left: Mapping[str, Remains], snapshot: Snapshot, now: datetime
) -> ComponentPlan:
    above = removal.dependants_left(name, left, tuple(left))
    begun = all(workload.deleting or workload.replicas == 0 for workload in rest.workloads)
    message = "stopping"
    if above and not begun:
        message = f"stops when {', '.join(above)} {'is' if len(above) == 1 else 'are'} gone"
    before = snapshot.resource.status.components.get(name)
    kept = before.since if before is not None and before.state is ComponentState.STOPPING else None
    return ComponentPlan(
        name=name,
        assessment=Assessment(
            state=ComponentState.STOPPING,
            reason=ComponentReason.STOPPING,
            message=message,
            since=min(kept or now, now),
            serving=any(pod.ready for pod in rest.pods),
        ),
        revision=before.revision if before is not None else "",
    )
