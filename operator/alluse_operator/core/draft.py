"""A plan in the making: what is wanted and seen, and what has been decided so far.

The parts of the planner share one draft; each puts its actions and its word on the components into it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from alluse_operator.api.conditions import ComponentReason
from alluse_operator.api.status import ComponentState
from alluse_operator.core import edges, removal, rollback, startup
from alluse_operator.core.actions import Action
from alluse_operator.core.desired import System
from alluse_operator.core.diagnosis import causal
from alluse_operator.core.health import assess
from alluse_operator.core.objects import ComponentObjects
from alluse_operator.core.observed import Snapshot
from alluse_operator.core.plan import ComponentPlan
from alluse_operator.core.retry import parse_retry
from alluse_operator.core.sight import Sight, see
from alluse_operator.core.verdicts import Assessment


class Draft:
    """Actions and verdicts of one pass. Objects around the workloads come before the workloads."""

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
        self.standing = {
            name: assess(replace(sight, revision=sight.workload.revision))
            for name, sight in self.sights.items()
            if sight.workload is not None and not sight.current and self.is_left(sight)
        }
        """As the gate sees those that run their last good revision, where nothing new is put on top of it."""
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
        self.actions: list[Action] = []
        self.workload_actions: list[Action] = []
        self.slots = system.startup.max_parallel - sum(
            1
            for name, sight in self.sights.items()
            if name not in self.edges.stopped and startup.takes_slot(sight, self.assessments[name])
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

    def set(self, name: str, state: ComponentState, reason: str, message: str, *, anew: bool = False) -> None:
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

    def note(self, name: str, words: str) -> None:
        plan = self.plans[name]
        message = f"{plan.assessment.message}; {words}"
        self.plans[name] = replace(plan, assessment=replace(plan.assessment, message=message))

    def without_suspect(self, name: str) -> None:
        plan = self.plans[name]
        self.plans[name] = replace(plan, assessment=replace(plan.assessment, suspect="", recheck_at=None))

    def is_left(self, sight: Sight) -> bool:
        """Whether the component went back to its last good revision and stays there."""
        live, asked = sight.workload, self.retried_at(sight.component.name)
        return live is not None and rollback.is_left(sight.revision, self.snapshot, live, asked)

    def retried_at(self, name: str) -> datetime | None:
        retry = parse_retry(self.snapshot.resource.retry)
        return retry.of(name, self.now) if retry is not None else None
