"""One pass over one system: observe, plan, apply, report. The whole operator on one page.

What is wanted and what is seen go into a pure plan; the plan's actions are carried out; what came of them
goes into a pure report. Nothing is remembered between passes but a cache of what a spec resolves to:
whatever matters is in the cluster, so any operator goes on where another was stopped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from alluse_operator.api.errors import InvalidSpec
from alluse_operator.api.names import object_name
from alluse_operator.api.status import ComponentState
from alluse_operator.clock import Clock
from alluse_operator.cluster.applier import Applied, Applier
from alluse_operator.cluster.mirror import Key, Mirror
from alluse_operator.cluster.notifier import Notifier
from alluse_operator.cluster.observer import FOREIGN_ASKED_EVERY, Observer
from alluse_operator.cluster.prober import LONGEST_TIMEOUT, Prober, Target
from alluse_operator.cluster.reporter import Reporter
from alluse_operator.core.desired import Defaults, Identity, System
from alluse_operator.core.objects import ComponentObjects, Object, mapping_at
from alluse_operator.core.observation import Observation
from alluse_operator.core.observed import Snapshot
from alluse_operator.core.plan import Mode, Plan
from alluse_operator.core.planner import make_plan
from alluse_operator.core.reading.resource import identity_of
from alluse_operator.core.report import make_report
from alluse_operator.core.resolve import resolve
from alluse_operator.dispatcher import Next
from alluse_operator.journal import Journal
from alluse_operator.resources.build import build_all

#: How the API server refuses to make something in a namespace that is going away.
NAMESPACE_TERMINATES = "because it is being terminated"
#: States that last until something happens. While every component is in one of them, nothing is under way,
#: and the cluster may be listed more seldom. Others pass by themselves, or are to be ended by a recovery.
LASTING = frozenset(
    {
        ComponentState.HEALTHY,
        ComponentState.DEGRADED,
        ComponentState.COMPLETED,
        ComponentState.FAILED,
        ComponentState.STOPPED,
        ComponentState.DISABLED,
    }
)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What one writing of a spec asks for; `system` is an error where it asks for something impossible."""

    identity: Identity
    system: System | InvalidSpec
    built: Mapping[str, ComponentObjects]

    @property
    def foreign(self) -> tuple[str, ...]:
        """Names of the workloads that are only observed."""
        if not isinstance(self.system, System):
            return ()
        components = self.system.components.values()
        return tuple(object_name(self.system.name, one.name) for one in components if not one.managed)


class Reconciler:
    """The shell around the pure core."""

    def __init__(
        self,
        *,
        mirror: Mirror,
        observer: Observer,
        prober: Prober,
        applier: Applier,
        reporter: Reporter,
        notifier: Notifier,
        clock: Clock,
        defaults: Defaults,
        journal: Journal,
        deep_checks: bool = True,
    ) -> None:
        self._mirror = mirror
        self._observer = observer
        self._prober = prober
        self._applier = applier
        self._reporter = reporter
        self._notifier = notifier
        self._clock = clock
        self._defaults = defaults
        self._journal = journal
        self._deep_checks = deep_checks
        self._wanted: dict[Key, _Wanted] = {}
        self._unsettled: set[Key] = set()

    async def reconcile(self, key: Key) -> Next:
        resource = self._mirror.system(key)
        if resource is None:
            return self._forget(key)
        wanted = self._resolve(key, resource)
        seen = await self._observe(key, resource, wanted)
        snapshot, now = seen.read(), self._clock.now()
        plan = make_plan(wanted.system, wanted.built, snapshot, now)
        self._prober.aim(key, targets(plan, snapshot) if self._deep_checks else ())
        applied = await self._applier.apply(key, plan)
        if any(outcome.error and NAMESPACE_TERMINATES in outcome.error for outcome in applied.outcomes):
            self._observer.namespace_terminates(key.namespace)
        outbox = self._notifier.outbox(key)
        report = make_report(snapshot, plan, applied.outcomes, self._clock.now(), outbox)
        held_back = self._reporter.publish(key, resource, report)
        self._note_unrest(key, plan)
        self._journal.note(key, seen, self._defaults, plan, now)
        return self._next(wanted, plan, applied, held_back, report.alerts.recheck_at)

    async def dry_plan(self, key: Key) -> tuple[Plan, datetime] | None:
        """What a pass would decide now, and when now is; nothing is written. None: no such system."""
        resource = self._mirror.system(key)
        if resource is None:
            return None
        wanted = self._resolve(key, resource)
        snapshot, now = (await self._observe(key, resource, wanted)).read(), self._clock.now()
        return make_plan(wanted.system, wanted.built, snapshot, now), now

    async def _observe(self, key: Key, resource: Object, wanted: _Wanted) -> Observation:
        probes = self._prober.readings(key).values()
        return await self._observer.observe(key, resource, probes, wanted.foreign)

    def busy(self) -> bool:
        """Whether any system is on its way to somewhere."""
        return bool(self._unsettled)

    def _resolve(self, key: Key, resource: Object) -> _Wanted:
        """Resolve and build once for each writing of a spec: a pass is cheap when only the cluster has
        changed.
        """
        identity = identity_of(resource)
        known = self._wanted.get(key)
        if known is not None and known.identity == identity:
            return known
        try:
            system = resolve(identity, mapping_at(resource, "spec"), self._defaults)
            wanted = _Wanted(identity, system, build_all(system))
        except InvalidSpec as error:
            wanted = _Wanted(identity, error, {})
        self._wanted[key] = wanted
        return wanted

    def _next(
        self,
        wanted: _Wanted,
        plan: Plan,
        applied: Applied,
        held_back: timedelta | None,
        alerts_at: datetime | None,
    ) -> Next:
        now = self._clock.now()
        times = [moment for moment in (plan.requeue_at, alerts_at) if moment is not None]
        if held_back is not None:
            times.append(now + held_back)
        if wanted.foreign:
            times.append(now + FOREIGN_ASKED_EVERY)
        if applied.again:
            times.append(now)
        failed = any(not outcome.ok and outcome.transient for outcome in applied.outcomes)
        if any(not outcome.ok and not outcome.transient for outcome in applied.outcomes):
            times.append(now + timedelta(seconds=2))
        return Next(at=min(times, default=None), failed=failed)

    def _note_unrest(self, key: Key, plan: Plan) -> None:
        (self._unsettled.discard if settled(plan) else self._unsettled.add)(key)

    def _forget(self, key: Key) -> Next:
        """The system is gone: nothing of it stays in this process."""
        wanted = self._wanted.pop(key, None)
        self._unsettled.discard(key)
        self._prober.aim(key, ())
        self._applier.forget(key)
        self._observer.forget(key)
        self._journal.forget(key)
        uid = wanted.identity.uid if wanted is not None else ""
        self._reporter.forget(key, uid, self._clock.now())
        return Next(gone=True)


def settled(plan: Plan) -> bool:
    """Whether nothing is under way in a system: it stays as it is until something happens."""
    return plan.mode is Mode.INVALID or (
        plan.mode is Mode.RUN
        and all(component.assessment.state in LASTING for component in plan.components.values())
    )


def targets(plan: Plan, snapshot: Snapshot) -> list[Target]:
    """The pods to ask about their health: those that run, have an address, and have been ready or asked
    before.

    A pod that was never ready is left alone: its startup probe and its start deadline look after it.
    """
    if plan.system is None or plan.mode is not Mode.RUN:
        return []
    found = []
    for name, component in plan.system.components.items():
        if component.health.path is None:
            continue
        for pod in snapshot.pods.get(name, ()):
            if pod.deleting or not pod.started or not pod.ip:
                continue
            if not pod.ready and pod.uid not in snapshot.probes:
                continue
            found.append(
                Target(
                    pod_uid=pod.uid,
                    ip=pod.ip,
                    port=component.port,
                    path=component.health.path,
                    period=component.health.period,
                    timeout=min(component.health.timeout, LONGEST_TIMEOUT),
                    unhealthy_after=component.health.unhealthy_after,
                    restarts=pod.restarts,
                )
            )
    return found
