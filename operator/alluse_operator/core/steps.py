"""The steps of the ladder: which can be taken with a component now, and what each of them does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from alluse_operator.api.spec import ComponentType, RecoveryAction
from alluse_operator.api.status import ActionType
from alluse_operator.core import overlay, recovery, rollback
from alluse_operator.core.actions import PodTarget, Recover
from alluse_operator.core.desired import RecoveryPolicy, System
from alluse_operator.core.diagnosis import causal
from alluse_operator.core.gate import WELL
from alluse_operator.core.history import Attempt, Debt
from alluse_operator.core.objects import Object
from alluse_operator.core.observed import PodView, Snapshot
from alluse_operator.core.recovery import Act
from alluse_operator.core.sight import Sight
from alluse_operator.core.verdicts import Assessment

#: Reason of a restart that was owed.
_DEPENDENCY_RECOVERED = "DependencyRecovered"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the steps need to know beside the component itself."""

    system: System
    sights: Mapping[str, Sight]
    assessments: Mapping[str, Assessment]
    snapshot: Snapshot
    now: datetime


def applicable(sight: Sight, around: Surroundings) -> frozenset[RecoveryAction]:
    """The steps that can be taken with the component now."""
    found = {RecoveryAction.RESTART_POD}
    if sight.component.kind is ComponentType.SERVICE:
        found.add(RecoveryAction.ROLLOUT_RESTART)
        if sight.component.storage is None and _another_node(sight, around.snapshot):
            found.add(RecoveryAction.RESCHEDULE_ELSEWHERE)
        if rollback.last_good(sight, around.snapshot, around.now) is not None:
            found.add(RecoveryAction.ROLLBACK_COMPONENT)
    if dependents(sight, around) and _can_spare(sight, around):
        found.add(RecoveryAction.RESTART_DEPENDENTS)
    return frozenset(found)


def dependents(sight: Sight, around: Surroundings) -> tuple[PodView, ...]:
    """The pods of those that require the component and run. What does not run is the kubelet's to start: its
    back-off is not cut short."""
    name = sight.component.name
    return tuple(
        pod
        for other in around.system.components.values()
        if other.managed and other.kind is ComponentType.SERVICE
        if any(edge.name == name for edge in causal(other))
        for pod in around.sights[other.name].live
        if pod.running
    )


def unfinished(sight: Sight, around: Surroundings) -> bool:
    """Whether the latest attempt has something left to do."""
    if not sight.attempts:
        return False
    last = sight.attempts[-1]
    return bool(_left_of(last, around)) or _way_back(sight, last, around) is not None


def pay(
    sight: Sight, debts: tuple[Debt, ...], policy: RecoveryPolicy, around: Surroundings
) -> Recover | None:
    """One restart for all that is owed: what takes the debts off the record also begins the rollout."""
    attempt = Attempt(
        pod_uid="",
        at=around.now,
        reason=_DEPENDENCY_RECOVERED,
        number=0,
        generation=around.system.generation,
        action=ActionType.RESTART_ON_RECOVERY,
        note=",".join(debt.dependency for debt in debts),
    )
    plain = _plain(sight, around)
    if plain is None:
        return None
    record = recovery.record(sight.attempts, attempt, policy, len(sight.attempts))
    template = overlay.restarted_again(_live(plain, around), attempt.at)
    return replace(plain, history=record, debts=(), attempt=attempt, template=template)


def note_debts(sight: Sight, debts: tuple[Debt, ...], around: Surroundings) -> Recover | None:
    """Put on record what is owed, and do nothing else."""
    plain = _plain(sight, around)
    return replace(plain, debts=debts) if plain is not None else None


def carry_out(sight: Sight, decision: Act, around: Surroundings) -> Recover | None:
    """The action for a decision; None: the workload is gone, or there is nothing left to do."""
    plain = _plain(sight, around)
    if plain is None:
        return None
    attempt = decision.history[-1]
    plain = replace(plain, history=decision.history, attempt=attempt)
    if decision.resume:
        evict, back = _left_of(attempt, around), _way_back(sight, attempt, around)
        return replace(plain, evict=evict, rollback=back, resume=True) if evict or back else None
    made, action = _first_time(sight, attempt, plain, around)
    return replace(action, attempt=made, history=(*decision.history[:-1], made))


def _plain(sight: Sight, around: Surroundings) -> Recover | None:
    """The record as it is, with all that its manager owns."""
    workload = sight.workload
    if workload is None:
        return None
    return Recover(
        component=sight.component.name,
        workload=workload.ref,
        workload_uid=workload.uid,
        resource_version=workload.resource_version,
        history=sight.attempts,
        debts=sight.debts,
        template=overlay.carried(around.snapshot.objects.get(workload.ref, {})),
    )


def _live(action: Recover, around: Surroundings) -> Object:
    return around.snapshot.objects.get(action.workload, {})


def _first_time(
    sight: Sight, attempt: Attempt, plain: Recover, around: Surroundings
) -> tuple[Attempt, Recover]:
    """What the attempt is given, and the action that carries it out."""
    suspect = tuple(PodTarget(pod.name, pod.uid) for pod in sight.live if pod.uid == attempt.pod_uid)
    # A rolling update of a StatefulSet may wait for a pod that never becomes ready.
    stuck = suspect if plain.workload.kind == "StatefulSet" else ()
    match attempt.action:
        case ActionType.ROLLOUT_RESTART:
            made = replace(attempt, targets=_uids(stuck))
            template = overlay.restarted_again(_live(plain, around), attempt.at)
            return made, replace(plain, template=template, evict=stuck)
        case ActionType.RESCHEDULE_ELSEWHERE:
            node = _node_of(sight, attempt.pod_uid)
            made = replace(attempt, note=node)
            return made, replace(plain, template=overlay.restarted(attempt.at, node))
        case ActionType.ROLLBACK_COMPONENT if sight.workload is not None:
            made = replace(attempt, note=sight.workload.revision)
            return made, replace(plain, rollback=_way_back(sight, made, around))
        case ActionType.RESTART_DEPENDENTS:
            others = tuple(PodTarget(pod.name, pod.uid) for pod in dependents(sight, around))
            return replace(attempt, targets=_uids(others)), replace(plain, evict=others)
        case _:
            return attempt, replace(plain, evict=suspect)


def _left_of(attempt: Attempt, around: Surroundings) -> tuple[PodTarget, ...]:
    """Pods that the attempt was to evict and that still live."""
    wanted = frozenset(attempt.evicted)
    return tuple(
        PodTarget(pod.name, pod.uid)
        for sight in around.sights.values()
        for pod in sight.live
        if pod.uid in wanted
    )


def _way_back(sight: Sight, attempt: Attempt, around: Surroundings) -> Object | None:
    """What a rollback has yet to apply."""
    if attempt.action is not ActionType.ROLLBACK_COMPONENT:
        return None
    return rollback.way_back(sight, attempt.note, around.snapshot)


def _uids(targets: tuple[PodTarget, ...]) -> tuple[str, ...]:
    return tuple(target.uid for target in targets)


def _node_of(sight: Sight, pod_uid: str) -> str:
    return next((pod.node for pod in sight.live if pod.uid == pod_uid), "")


def _another_node(sight: Sight, snapshot: Snapshot) -> bool:
    """Whether a pod of the component could live on another node than it does."""
    here = {pod.node for pod in sight.live}
    return any(node.ready and node.schedulable and node.name not in here for node in snapshot.nodes.values())


def _can_spare(sight: Sight, around: Surroundings) -> bool:
    """Whether enough of the system stays well while those that require the component restart."""
    restarting = {pod.component for pod in dependents(sight, around)}
    names = around.system.components
    staying = sum(1 for name in names if name not in restarting and around.assessments[name].state in WELL)
    return staying * 100 >= len(names) * around.system.recovery.min_healthy_percent
