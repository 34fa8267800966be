"""One component as a pass sees it: the wish, the workload, its pods, what was said of it before.

Everything that the rules of health and recovery ask is derived here once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from alluse_operator.api.names import ISOLATED_LABEL, object_name
from alluse_operator.api.status import ComponentState
from alluse_operator.core import history
from alluse_operator.core.desired import Component, System
from alluse_operator.core.history import Attempt, Debt
from alluse_operator.core.objects import WORKLOAD_KINDS, ComponentObjects, Ref, mapping_at, ref_of
from alluse_operator.core.observed import (
    ContainerExit,
    NodeView,
    PodView,
    PreviousComponent,
    ProbeOutcome,
    ProbeReading,
    Snapshot,
    WorkloadView,
)

#: A deep check answers, fails or times out within this much of its schedule, or is not running.
_PROBE_SLACK = timedelta(seconds=2)
#: A pod may be seen so long before the node that it is on, where both are new.
_YOUNG = timedelta(seconds=30)
#: Losses of health are remembered for so long.
LOSSES_KEPT = timedelta(minutes=10)
#: The end of a container and the loss that the status tells of are the same within so long: told before it
#: (a hang, until the kubelet ends it), or after it.
_TOLD_BEFORE = timedelta(seconds=30)
_TOLD_AFTER = timedelta(seconds=5)

#: States of a component whose workload is yet to show itself, whatever an earlier workload of that name did.
_BEGINNING = frozenset(
    {
        ComponentState.WAITING,
        ComponentState.BLOCKED,
        ComponentState.STARTING,
        ComponentState.STOPPING,
        ComponentState.STOPPED,
    }
)


@dataclass(frozen=True)
class Sight:
    """Not slotted: the derived facts are cached."""

    component: Component
    revision: str
    """The wanted revision; empty where the operator does not say (ObserveOnly)."""
    workload: WorkloadView | None
    pods: tuple[PodView, ...]
    """All pods of the component, finished and deleting ones included."""
    probes: Mapping[str, ProbeReading]
    previous: PreviousComponent | None
    now: datetime
    nodes: Mapping[str, NodeView] = field(default_factory=dict)
    """Empty: not known."""
    endpoints: frozenset[str] | None = None
    """uids of the pods that its Service leads to; None: not known, or it shall lead nowhere."""

    @cached_property
    def current(self) -> bool:
        """The workload was asked for what is wanted now."""
        return self.workload is not None and (
            not self.component.managed or self.workload.revision == self.revision
        )

    @cached_property
    def live(self) -> tuple[PodView, ...]:
        """Pods that run or will run."""
        return tuple(p for p in self.pods if not p.deleting and p.phase not in ("Failed", "Succeeded"))

    @cached_property
    def asked(self) -> tuple[PodView, ...]:
        """Live pods of the revision that the workload was last asked for."""
        return tuple(p for p in self.live if self.is_asked(p))

    @cached_property
    def ready(self) -> tuple[PodView, ...]:
        return tuple(p for p in self.asked if p.ready)

    @cached_property
    def unready(self) -> tuple[PodView, ...]:
        return tuple(p for p in self.asked if not p.ready)

    @cached_property
    def ready_count(self) -> int:
        """Somebody else's pods may bear no label of ours: then their workload's word counts."""
        if self.workload is not None and not self.workload.ours and not self.pods:
            return self.workload.available
        return len(self.ready)

    @cached_property
    def wanted_replicas(self) -> int:
        if self.workload is not None and not self.workload.ours:
            return max(1, self.workload.replicas)
        return self.component.replicas

    @cached_property
    def serving(self) -> bool:
        """Some pod of some revision is ready and does not fail its deep check."""
        if not self.pods:
            return self.ready_count > 0
        return any(p.ready and not self.probe_failed(p) for p in self.live)

    @cached_property
    def was_healthy(self) -> bool:
        """It has been healthy in the revision that the workload was asked for."""
        before = self.previous
        return (
            before is not None
            and self.workload is not None
            and before.start_seconds is not None
            and before.state not in _BEGINNING
            and (not self.component.managed or before.revision == self.workload.revision)
        )

    @cached_property
    def began_at(self) -> datetime:
        """When the present start began: with the first pod that is still to become ready; before there is
        one, when the status first spoke of the start; failing that, with the workload.
        """
        if self.unready:
            return min(p.created_at for p in self.unready)
        before = self.previous
        if before is not None:
            said = before.since if before.state is ComponentState.STARTING else None
            return said or self.now
        return self.workload.created_at if self.workload is not None else self.now

    @cached_property
    def attempts(self) -> tuple[Attempt, ...]:
        return history.parse(self.workload.recovery) if self.workload is not None else ()

    @cached_property
    def debts(self) -> tuple[Debt, ...]:
        """Restarts that are owed to it."""
        return history.parse_debts(self.workload.recovery) if self.workload is not None else ()

    @cached_property
    def under_recovery(self) -> bool:
        """The latest attempt is young and its pod is going or gone: its successor has to show itself."""
        if not self.attempts:
            return False
        last = self.attempts[-1]
        return (
            last.counts
            and self.now < last.at + self.component.start_deadline
            and all(pod.uid not in last.evicted for pod in self.live)
        )

    @cached_property
    def lost_node(self) -> str:
        """The node, not ready or gone, with the pods that the component misses; empty: there is none such."""
        if self.ready_count >= self.wanted_replicas:
            return ""
        unfinished = [p for p in self.pods if p.phase not in ("Failed", "Succeeded")]
        elsewhere = [p for p in unfinished if not p.deleting and not self._is_stranded(p)]
        if len(elsewhere) >= self.wanted_replicas:
            return ""
        return min((p.node for p in unfinished if not p.ready and self._is_stranded(p)), default="")

    def _is_stranded(self, pod: PodView) -> bool:
        """Its node is not ready; or gone, unless the pod is so young that its node may be as young."""
        if not self.nodes or not pod.node:
            return False
        node = self.nodes.get(pod.node)
        return not node.ready if node is not None else self.now - pod.created_at > _YOUNG

    @cached_property
    def losses(self) -> tuple[datetime, ...]:
        """When it lost its health of late, oldest first: what the status remembers, and the last end of a
        container. What was before the latest action of ours counts no more: the action answered it.
        """
        known = list(self.previous.failures) if self.previous is not None else []
        end = self.last_exit.finished_at if self.last_exit is not None else None
        if end is not None and not any(-_TOLD_AFTER <= end - moment <= _TOLD_BEFORE for moment in known):
            known.append(end)
        horizon = self.now - LOSSES_KEPT
        if self.attempts:
            horizon = max(horizon, self.attempts[-1].at)
        return tuple(sorted(moment for moment in known if moment > horizon))

    @cached_property
    def last_exit(self) -> ContainerExit | None:
        """The latest end of a container, among pods that still are."""
        ends = [pod.last_exit for pod in self.live if pod.last_exit is not None and pod.restarts > 0]
        return max(
            ends, key=lambda end: end.finished_at.timestamp() if end.finished_at else 0.0, default=None
        )

    def is_asked(self, pod: PodView) -> bool:
        """Whether a pod, live or not, is of the revision that the workload was last asked for."""
        if self.workload is None:
            return False
        return not self.workload.ours or pod.revision == self.workload.revision

    def reading(self, pod: PodView) -> ProbeReading | None:
        """The deep check of the pod, unless it is too old to say anything."""
        found = self.probes.get(pod.uid)
        health = self.component.health
        if health.path is None or found is None:
            return None
        return found if self.now - found.at <= 2 * health.period + health.timeout + _PROBE_SLACK else None

    @cached_property
    def in_doubt(self) -> bool:
        """The latest deep check of one of its pods has failed, whether that is a verdict yet or not."""
        readings = [self.reading(pod) for pod in self.live]
        return any(found is not None and found.outcome is ProbeOutcome.FAILED for found in readings)

    def probe_failed(self, pod: PodView) -> bool:
        reading = self.reading(pod)
        return (
            reading is not None
            and reading.outcome is ProbeOutcome.FAILED
            and reading.failures >= self.component.health.unhealthy_after
        )


def see(
    system: System, built: Mapping[str, ComponentObjects], snapshot: Snapshot, now: datetime
) -> dict[str, Sight]:
    """All components of the system, in start order."""
    return {
        name: Sight(
            component=component,
            revision=built[name].revision if name in built else "",
            workload=_workload_of(system, component, built.get(name), snapshot),
            pods=snapshot.pods.get(name, ()),
            probes=snapshot.probes,
            previous=snapshot.resource.status.components.get(name),
            now=now,
            nodes=snapshot.nodes,
            endpoints=_endpoints_of(system, name, snapshot),
        )
        for name, component in system.components.items()
    }


def _endpoints_of(system: System, name: str, snapshot: Snapshot) -> frozenset[str] | None:
    """None also for a component that was taken out of its Service."""
    service = snapshot.objects.get(Ref("Service", object_name(system.name, name)), {})
    if ISOLATED_LABEL in mapping_at(service, "spec", "selector"):
        return None
    return snapshot.endpoints.get(name)


def _workload_of(
    system: System, component: Component, built: ComponentObjects | None, snapshot: Snapshot
) -> WorkloadView | None:
    """The workload of the wanted kind; failing that, one of another kind with the component's name."""
    name = object_name(system.name, component.name)
    kinds = (ref_of(built.workload).kind,) if built is not None else ()
    for kind in (*kinds, *WORKLOAD_KINDS):
        found = snapshot.workloads.get(Ref(kind, name))
        if found is not None and (found.ours or not component.managed):
            return found
    return None
