"""What is seen: one `Snapshot` holds all that a pass may know, as values with their ages.

`reading.read_snapshot` makes it of raw objects. The planner sees nothing else, so that a decision can be
replayed from its snapshot, and a new operator decides as the old one would have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from alluse_operator.api.spec import DependencyCondition
from alluse_operator.api.status import ComponentState, ConditionStatus
from alluse_operator.core.desired import Identity
from alluse_operator.core.objects import Object, Ref


class ProbeOutcome(StrEnum):
    """Answer of a deep check."""

    GOOD = "Good"
    DEGRADED = "Degraded"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class ProbeReading:
    """The latest deep check of one pod."""

    pod_uid: str
    outcome: ProbeOutcome
    at: datetime
    """When the answer (or the lack of one) was noted."""
    failures: int = 0
    """Failed checks in a row, this one included; 0 unless `outcome` is Failed."""
    since: datetime | None = None
    """When the present outcome was first seen without a gap; None: not known, take `at`."""
    message: str = ""
    """For people: 'HTTP 503', 'no answer within 1 s', what the body says is degraded."""
    took: timedelta = timedelta(0)
    """How long the answer took."""
    slow: int = 0
    """Answers in a row, this one included, that took more than half of the time-out."""
    refused: bool = False
    """Nobody listens at the pod's port: its process has ended, or has yet to listen."""


@dataclass(frozen=True, slots=True)
class ContainerExit:
    """How a container last ended."""

    reason: str
    """Error, OOMKilled, Completed ..."""
    exit_code: int
    finished_at: datetime | None
    message: str = ""


@dataclass(frozen=True, slots=True)
class PodView:
    """One pod of a component, reduced to what decides. A component's pods have one main container."""

    name: str
    uid: str
    component: str
    revision: str
    owner_uid: str
    """uid of the ReplicaSet, StatefulSet or Job that controls it."""
    phase: str
    created_at: datetime
    deleting: bool = False
    ip: str = ""
    node: str = ""
    running: bool = False
    """All containers run now."""
    started: bool = False
    """All containers run and have passed their startup probes."""
    running_since: datetime | None = None
    ready: bool = False
    ready_changed_at: datetime | None = None
    """When the condition Ready last changed."""
    ready_message: str = ""
    containers_ready: bool = False
    """What the kubelet says of the containers alone. While it is True and Ready is not, somebody else has
    called the pod not ready: the node controller does so when it has not heard of the node."""
    restarts: int = 0
    waiting_reason: str = ""
    """Why a container does not run: CrashLoopBackOff, ImagePullBackOff, ContainerCreating ..."""
    waiting_message: str = ""
    last_exit: ContainerExit | None = None
    unscheduled_since: datetime | None = None
    """Since when the scheduler has found no place for it; None: it has, or has not said."""
    unscheduled_message: str = ""
    config_maps: tuple[str, ...] = ()
    """ConfigMaps that it mounts or reads."""
    failed_reason: str = ""
    """`status.reason` of a pod in phase Failed: Evicted, NodeLost ..."""
    failed_message: str = ""
    disruption: str = ""
    """Reason of the condition DisruptionTarget: PreemptionByScheduler, DeletionByTaintManager ..."""
    ended_at: datetime | None = None
    """When it was evicted, preempted or given up, as far as the cluster says; None: it was not."""

    @property
    def ready_since(self) -> datetime | None:
        return self.ready_changed_at if self.ready else None


@dataclass(frozen=True, slots=True)
class NodeView:
    """One node of the cluster, reduced to whether pods can live there."""

    name: str
    ready: bool
    since: datetime | None = None
    """When `ready` last changed."""
    schedulable: bool = True
    """New pods may be put there: neither cordoned nor tainted against all."""


@dataclass(frozen=True, slots=True)
class WorkloadView:
    """The Deployment, StatefulSet or Job of a component."""

    ref: Ref
    uid: str
    component: str
    created_at: datetime
    ours: bool = True
    """False: somebody else runs it. It can be reported on, never written to."""
    resource_version: str = ""
    generation: int = 0
    observed_generation: int = 0
    deleted_at: datetime | None = None
    revision: str = ""
    """Annotation `alluse.io/revision`: what the workload was last asked to run."""
    depends_on: tuple[str, ...] = ()
    """Annotation `alluse.io/depends-on`: what it needs, also when the spec no longer says so."""
    recovery: str = ""
    """Annotation `alluse.io/recovery`, unparsed."""
    replicas: int = 1
    existing: int = 0
    """How many pods its controller counts, ready or not."""
    available: int = 0
    updated: int = 0
    refusal: str = ""
    """Why the cluster refuses to create its pods (quota, Pod Security); empty: it does not."""
    rollout_started_at: datetime | None = None
    """When the newest revision was last asked for, as far as the cluster says (not before `created_at`)."""
    completed_at: datetime | None = None
    """Job: when it succeeded."""
    failed_at: datetime | None = None
    """Job: when it was given up."""
    failed_message: str = ""

    @property
    def deleting(self) -> bool:
        return self.deleted_at is not None

    @property
    def settled(self) -> bool:
        """The workload's controller has seen the newest spec."""
        return self.observed_generation >= self.generation

    @property
    def halted(self) -> bool:
        """It is scaled to nothing, and its controller has seen that: it makes no pod any more."""
        return self.ref.kind != "Job" and self.replicas == 0 and self.settled


@dataclass(frozen=True, slots=True)
class Refusal:
    """A Kubernetes Event with reason FailedCreate: the only sign where a workload has no such condition."""

    ref: Ref
    message: str
    at: datetime


# -- what the status of the previous pass said ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PreviousWait:
    name: str
    condition: DependencyCondition
    since: datetime | None
    deadline: datetime | None


@dataclass(frozen=True, slots=True)
class PreviousComponent:
    """A row of `status.components` as stored. Nothing in it is needed; it carries times across a restart."""

    name: str
    state: ComponentState
    since: datetime | None = None
    reason: str = ""
    message: str = ""
    waiting_for: tuple[PreviousWait, ...] = ()
    attempts: int = 0
    last_action_at: datetime | None = None
    start_seconds: int | None = None
    revision: str = ""
    failures: tuple[datetime, ...] = ()
    """When it lost its health, oldest first."""
    unwell_since: datetime | None = None
    """Since when it has not been well, if that is longer than `since`."""


@dataclass(frozen=True, slots=True)
class PreviousCondition:
    type: str
    status: ConditionStatus
    reason: str
    message: str
    observed_generation: int
    last_transition_time: datetime


@dataclass(frozen=True, slots=True)
class PreviousStatus:
    """The stored status; empty when there is none yet, or when it cannot be read."""

    observed_generation: int = 0
    components: Mapping[str, PreviousComponent] = field(default_factory=dict)
    conditions: Mapping[str, PreviousCondition] = field(default_factory=dict)
    state: str = ""
    started_at: datetime | None = None
    ready_at: datetime | None = None
    raw: Object = field(default_factory=dict)
    """As stored, to find out whether a new status says anything new."""


# -- the whole -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ResourceView:
    """The AllUseSystem itself, as far as it can be read without its spec being valid."""

    identity: Identity
    created_at: datetime
    deleted_at: datetime | None = None
    finalizers: tuple[str, ...] = ()
    spec: Object = field(default_factory=dict)
    status: PreviousStatus = field(default_factory=PreviousStatus)
    retry: str = ""
    """Annotation `alluse.io/retry`, unparsed."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a pass may know."""

    resource: ResourceView
    objects: Mapping[Ref, Object]
    """Live children and whatever else bears one of their names: kinds of `objects.CHILD_KINDS`."""
    workloads: Mapping[Ref, WorkloadView]
    pods: Mapping[str, tuple[PodView, ...]]
    """By component; finished and deleting pods included."""
    probes: Mapping[str, ProbeReading]
    """By pod uid."""
    synced_at: datetime
    """Up to when the listing is known to be whole."""
    trust_for: timedelta
    """How long a listing is believed."""
    namespace_terminating: bool = False
    nodes: Mapping[str, NodeView] = field(default_factory=dict)
    """By name; empty: not known (an operator of some namespaces may not read nodes)."""
    endpoints: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By component: uids of the pods that its Service leads to. A component that is not here: not known."""

    def trusted(self, now: datetime) -> bool:
        return now - self.synced_at <= self.trust_for
