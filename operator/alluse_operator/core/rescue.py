"""Recovery of a whole system: who is to be restarted in this pass.

Only roots: a component whose Required dependency is not well is left alone, because its trouble is likely the
other's. Among the rest the critical go first, then those that others stand on; the budget says how many
at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from alluse_operator.api.spec import Criticality
from alluse_operator.core import recovery
from alluse_operator.core.desired import System
from alluse_operator.core.gate import WELL
from alluse_operator.core.plan import ComponentPlan, PodTarget, Recover
from alluse_operator.core.recovery import Restart, Trouble
from alluse_operator.core.sight import Sight

_RANK = {Criticality.CRITICAL: 0, Criticality.IMPORTANT: 1, Criticality.OPTIONAL: 2}


@dataclass(frozen=True, slots=True)
class Rescue:
    actions: tuple[Recover, ...]
    components: Mapping[str, ComponentPlan]
    """The plans with their recovery filled in."""


def rescue(
    system: System, sights: Mapping[str, Sight], plans: Mapping[str, ComponentPlan], now: datetime
) -> Rescue:
    """Decide on every component of the system, in the order in which they get the budget."""
    busy = {
        name: until
        for name, sight in sights.items()
        if (until := _under_way_until(sight, plans[name], now)) is not None
    }
    place = {name: index for index, name in enumerate(system.components)}
    order = sorted(system.components.values(), key=lambda c: (_RANK[c.criticality], place[c.name]))
    actions: list[Recover] = []
    decided: dict[str, ComponentPlan] = {}
    for component in order:
        name = component.name
        sight, plan = sights[name], plans[name]
        action: Recover | None = None
        if component.managed and plan.assessment.suspect and sight.workload is not None:
            others = [until for other, until in busy.items() if other != name]
            full = len(others) >= system.recovery.max_concurrent
            decision = recovery.decide(
                Trouble(plan.assessment.suspect, plan.assessment.reason, plan.assessment.since),
                sight.attempts,
                system.recovery,
                system.generation,
                now,
                sick_dependency=_sick_dependency(sight, plans),
                slot_free_at=min(others) if full else None,
            )
            if isinstance(decision, Restart):
                action = _action(sight, decision)
                if action is not None:
                    busy[name] = now + component.start_deadline
            decided[name] = replace(plan, recovery=decision.recovery)
        elif sight.attempts:
            standing = recovery.standing(sight.attempts, system.recovery, system.generation, now)
            decided[name] = replace(plan, recovery=standing)
        if action is not None:
            actions.append(action)
    return Rescue(tuple(actions), decided)


def _action(sight: Sight, decision: Restart) -> Recover | None:
    pod = next((pod for pod in sight.live if pod.uid == decision.history[-1].pod_uid), None)
    if pod is None or sight.workload is None:
        return None
    return Recover(
        component=sight.component.name,
        workload=sight.workload.ref,
        workload_uid=sight.workload.uid,
        resource_version=sight.workload.resource_version,
        history=decision.history,
        attempt=decision.history[-1],
        evict=(PodTarget(pod.name, pod.uid),),
        resume=decision.resume,
    )


def _under_way_until(sight: Sight, plan: ComponentPlan, now: datetime) -> datetime | None:
    """Until when a recovery that has begun takes a place in the budget; None: it takes none.

    It is under way while its pod is still to be evicted, and then until the successor is ready or too late.
    """
    if not sight.attempts:
        return None
    last = sight.attempts[-1]
    until = last.at + sight.component.start_deadline
    to_evict = plan.assessment.suspect == last.pod_uid and now < last.at + recovery.RESUME_WITHIN
    to_come = sight.under_recovery and sight.ready_count < sight.wanted_replicas
    return until if until > now and (to_evict or to_come) else None


def _sick_dependency(sight: Sight, plans: Mapping[str, ComponentPlan]) -> str:
    for edge in sight.component.dependencies:
        if edge.required and plans[edge.name].assessment.state not in WELL:
            return edge.name
    return ""
