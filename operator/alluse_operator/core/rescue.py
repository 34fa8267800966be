"""Recovery of a whole system: who is to be treated in this pass.

Only roots: a component that stands on one that is not well is left alone, because its trouble is likely the
other's. Among the roots the critical go first, then those that others stand on; the budget says how many
at a time. Where the cause is outside, nobody is treated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from alluse_operator.api.spec import Criticality
from alluse_operator.core import edges, ladder, recovery, steps
from alluse_operator.core.actions import Recover
from alluse_operator.core.desired import System
from alluse_operator.core.diagnosis import Diagnosis, causal, diagnose
from alluse_operator.core.edges import Verdicts
from alluse_operator.core.gate import WELL, has_recovered
from alluse_operator.core.observed import Snapshot
from alluse_operator.core.plan import ComponentPlan
from alluse_operator.core.recovery import Act, Circumstances, Trouble
from alluse_operator.core.retry import parse_retry
from alluse_operator.core.sight import Sight
from alluse_operator.core.steps import Surroundings
from alluse_operator.core.verdicts import Assessment, Suspension

#: The API server's times are whole seconds.
_SAME_MOMENT = timedelta(seconds=1)
_RANK = {Criticality.CRITICAL: 0, Criticality.IMPORTANT: 1, Criticality.OPTIONAL: 2}


@dataclass(frozen=True, slots=True)
class Rescue:
    actions: tuple[Recover, ...]
    components: Mapping[str, ComponentPlan]
    """The plans with their causes and their recovery filled in."""
    suspension: Suspension | None = None
    actions_in_window: int = 0
    recheck_at: datetime | None = None
    """When a restart that is owed may be paid, if nothing changes until then."""


def rescue(
    system: System,
    sights: Mapping[str, Sight],
    plans: Mapping[str, ComponentPlan],
    asked: Verdicts,
    snapshot: Snapshot,
    now: datetime,
) -> Rescue:
    """Decide on every component of the system, in the order in which they get the budget."""
    assessments = {name: plans[name].assessment for name in system.components}
    found = diagnose(system, sights, assessments, snapshot.resource.status, now)
    around = Surroundings(system, sights, assessments, snapshot, now)
    return _Rescue(around, plans, found, asked).run()


class _Rescue:
    """One decision after the other, as each takes its share of the budget."""

    def __init__(
        self,
        around: Surroundings,
        plans: Mapping[str, ComponentPlan],
        diagnosis: Diagnosis,
        asked: Verdicts,
    ) -> None:
        self.around = around
        self.system = around.system
        self.now = around.now
        self.plans = plans
        self.diagnosis = diagnosis
        self.asked = asked
        self.moments: list[datetime] = []
        self.retry = parse_retry(around.snapshot.resource.retry)
        self.busy = {
            name: until
            for name, sight in around.sights.items()
            if (until := _under_way_until(sight, plans[name].assessment, self.now)) is not None
        }
        place = {name: index for index, name in enumerate(self.system.components)}
        self.order = sorted(
            self.system.components.values(), key=lambda c: (_RANK[c.criticality], place[c.name])
        )
        self.careful = next(
            (c.name for c in self.order if self._treatable(c.name) and not self._held_by(c.name)), ""
        )

    def run(self) -> Rescue:
        actions: list[Recover] = []
        decided: dict[str, ComponentPlan] = {}
        for component in self.order:
            name = component.name
            plan = self.plans[name]
            plan = replace(plan, causes=self.diagnosis.causes.get(name, plan.causes))
            sight = self.around.sights[name]
            if self._treatable(name):
                action, plan = self._treat(sight, plan)
                if action is not None:
                    actions.append(action)
            elif sight.attempts:
                standing = recovery.standing(
                    sight.attempts,
                    self.system.recovery,
                    self.system.generation,
                    self.now,
                    self._retried(name),
                )
                plan = replace(plan, recovery=standing)
            decided[name] = plan
        acting = {action.component for action in actions}
        actions += (action for name in self.asked.owed if name not in acting for action in self._owed(name))
        made = [attempt for sight in self.around.sights.values() for attempt in sight.attempts]
        made += [action.attempt for action in actions if action.attempt is not None and not action.resume]
        window = self.now - self.system.recovery.window
        return Rescue(
            tuple(actions),
            decided,
            self.diagnosis.suspension,
            sum(1 for attempt in made if attempt.at > window),
            min(self.moments, default=None),
        )

    def _owed(self, name: str) -> Iterator[Recover]:
        """Restarts that are owed to the component: put on record, and paid when they are due."""
        sight, debts = self.around.sights[name], self.asked.owed[name]
        action: Recover | None = None
        if any(debt not in sight.debts for debt in debts):
            action = steps.note_debts(sight, debts, self.around)
        elif self._may_pay(name):
            action = steps.pay(sight, debts, self.system.recovery, self.around)
            self.busy[name] = self.now + sight.component.start_deadline
        if action is not None:
            yield action

    def _may_pay(self, name: str) -> bool:
        policy = self.system.recovery
        if (
            name in self.asked.stopped
            or self.diagnosis.infrastructure
            or self.diagnosis.on_lost_node(name)
            or not edges.is_due(name, self.asked, self.system, self.around.assessments)
        ):
            return False
        if name in self.busy:
            # Its own recovery is under way: not two restarts at once.
            self.moments.append(self.busy[name])
            return False
        if len(self.busy) >= policy.max_concurrent:
            self.moments.append(min(self.busy.values()))
            return False
        attempts = self.around.sights[name].attempts
        full = recovery.budget_opens(attempts, policy, self.system.generation, self.now, self._retried(name))
        if full is not None:
            self.moments.append(full)
        return full is None

    def _treatable(self, name: str) -> bool:
        sight = self.around.sights[name]
        found = self.around.assessments[name]
        return sight.component.managed and bool(found.suspect) and sight.workload is not None

    def _treat(self, sight: Sight, plan: ComponentPlan) -> tuple[Recover | None, ComponentPlan]:
        found = plan.assessment
        decision = recovery.decide(
            Trouble(found.suspect, found.reason, found.since),
            sight.attempts,
            self.system.recovery,
            self.system.generation,
            self.now,
            self._circumstances(sight, found),
        )
        if not isinstance(decision, Act):
            return None, replace(plan, recovery=decision.recovery)
        action = steps.carry_out(sight, decision, self.around)
        if action is not None:
            self.busy[plan.name] = self.now + sight.component.start_deadline
        return action, replace(plan, recovery=replace(decision.recovery, last=decision.history[-1]))

    def _circumstances(self, sight: Sight, found: Assessment) -> Circumstances:
        name = sight.component.name
        others = [until for other, until in self.busy.items() if other != name]
        full = len(others) >= self.system.recovery.max_concurrent
        suspended = self.diagnosis.infrastructure or self.diagnosis.on_lost_node(name)
        below = [self.around.assessments[edge.name] for edge in causal(sight.component)]
        healed = [one.since for one in below if one.state in WELL and one.since > found.since]
        patience = sight.component.health.patience
        return Circumstances(
            applicable=steps.applicable(sight, self.around),
            seed=sight.workload.uid if sight.workload is not None else "",
            start_deadline=sight.component.start_deadline,
            unfinished=steps.unfinished(sight, self.around),
            held_by=self._held_by(name),
            held_until=max(healed) + patience if healed else None,
            suspended=suspended,
            suspended_until=self._careful_at() if name == self.careful else None,
            slot_free_at=min(others) if full else None,
            retried_at=self._retried(name),
            recovered_at=max((one.since for one in below if has_recovered(one)), default=None),
        )

    def _held_by(self, name: str) -> str:
        """A component that it stands on and that is not well."""
        for edge in causal(self.system.components[name]):
            if self.around.assessments[edge.name].state not in WELL:
                return edge.name
        return ""

    def _retried(self, name: str) -> datetime | None:
        return self.retry.of(name, self.now) if self.retry is not None else None

    def _careful_at(self) -> datetime | None:
        """When, while the cause is taken to be outside, one component may be treated all the same.

        Only where nothing else speaks for a cause outside: the nodes are well, and the API answers (or there
        would be no pass). So nothing is given up for ever, and nothing is restarted in heaps.
        """
        suspension = self.diagnosis.suspension
        if suspension is None or self.diagnosis.lost:
            return None
        made = [attempt.at for sight in self.around.sights.values() for attempt in sight.attempts[-1:]]
        return max((suspension.since, *made)) + self.system.recovery.retry_exhausted_every


def _under_way_until(sight: Sight, found: Assessment, now: datetime) -> datetime | None:
    """Until when a recovery that has begun takes a place in the budget; None: it takes none.

    It is under way while its pod is still to be evicted, or to be replaced by a rollout, and then until the
    successor is ready or too late.
    """
    if not sight.attempts:
        return None
    last = sight.attempts[-1]
    if not last.counts:
        old = any(pod.created_at < last.at - _SAME_MOMENT for pod in sight.live)
        to_come = old or sight.ready_count < sight.wanted_replicas
        until = last.at + sight.component.start_deadline
        return until if until > now and to_come else None
    until = last.at + sight.component.start_deadline
    same = bool(found.suspect) and found.suspect == last.pod_uid
    to_do = same and (recovery.is_to_resume(last, now) or last.action in ladder.SLOW_STEPS)
    to_come = sight.under_recovery and sight.ready_count < sight.wanted_replicas
    return until if until > now and (to_do or to_come) else None
