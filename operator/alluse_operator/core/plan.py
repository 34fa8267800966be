"""What to do, as values: a closed union of actions, and the plan that carries them with its reasons.

`planner.make_plan` makes plans, the shell's applier carries them out and returns one `Outcome` for each
action, `report.make_report` says what came of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from alluse_operator.api.conditions import Reason
from alluse_operator.api.errors import FieldError
from alluse_operator.api.spec import Criticality, DependencyCondition
from alluse_operator.api.status import ActionType, ComponentState, InterlockState
from alluse_operator.core.desired import Identity, System
from alluse_operator.core.history import Attempt, Debt
from alluse_operator.core.objects import Object, Ref, ref_of
from alluse_operator.core.observed import ContainerExit

# -- actions -------------------------------------------------------------------------------------------


class ApplyReason(StrEnum):
    CREATE = "Create"
    """The object is not there and was not there before, as far as we know."""
    UPDATE = "Update"
    """We want something else than before."""
    RESTORE = "Restore"
    """Somebody deleted or changed it: drift."""


class Propagation(StrEnum):
    """`propagationPolicy` of a delete."""

    FOREGROUND = "Foreground"
    BACKGROUND = "Background"
    ORPHAN = "Orphan"


@dataclass(frozen=True, slots=True)
class Apply:
    """Server-side apply of `obj` with our field manager, forced: what we name is ours."""

    component: str
    obj: Object
    reason: ApplyReason
    drifted: tuple[str, ...] = ()
    """Paths that differ, for Update and Restore."""
    live_uid: str = ""
    """uid of the object that this was decided on; empty: there was none.

    Where it is set, apply with `metadata.uid` set to it: a replaced object is then refused (409), not
    merged.
    """

    @property
    def ref(self) -> Ref:
        return ref_of(self.obj)


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete with a uid precondition. Not found, or another uid, is success."""

    component: str
    ref: Ref
    uid: str
    propagation: Propagation = Propagation.BACKGROUND
    grace_seconds: int | None = None
    """None: the object's own grace period."""


class PodTarget(NamedTuple):
    """A pod to evict: by name, and only if it is still this one."""

    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Recover:
    """A step of recovery on one component: the record first, then the deed.

    1. Left out when `resume` (already recorded). Server-side apply on `workload` with the recovery field
       manager: the annotation `alluse.io/recovery` = `history.render(history, debts)`, and `template` as
       `spec.template` where it is not empty; `metadata.uid` = `workload_uid`, `metadata.resourceVersion` =
       `resource_version`: who planned on an old record must fail (409) and plan again. Whatever that field
       manager owns in the template is part of `template` each time, or this write would take it away; a
       rollout is recorded and done by this one write.
    2. Server-side apply of `rollback` with the main field manager, forced, with `metadata.uid`.
    3. Eviction of each of `evict` with its uid as precondition. Not found, or another uid, is success; 429 (a
       PodDisruptionBudget says no) is a failure that the next pass tries again.
    """

    component: str
    workload: Ref
    workload_uid: str
    resource_version: str
    history: tuple[Attempt, ...]
    """All attempts of the new record."""
    debts: tuple[Debt, ...] = ()
    """All that is owed by the new record."""
    attempt: Attempt | None = None
    """What is done, the last of `history`; None: only the record changes."""
    template: Mapping[str, Any] = field(default_factory=dict)
    evict: tuple[PodTarget, ...] = ()
    rollback: Object | None = None
    resume: bool = False


@dataclass(frozen=True, slots=True)
class KeepRevision:
    """Keep what our field manager has applied of `workload` in `obj`, a ControllerRevision without data, so
    that the component can go back to it. Comes before the component's workload is applied, and must have
    succeeded before that."""

    component: str
    workload: Ref
    workload_uid: str
    obj: Object


@dataclass(frozen=True, slots=True)
class SetFinalizer:
    """Put our finalizer on the AllUseSystem (server-side apply). Comes before any child is created."""


@dataclass(frozen=True, slots=True)
class RemoveFinalizer:
    """Take our finalizer off the AllUseSystem, leaving others' in place; a conflict is retried at once."""


Action = Apply | Delete | Recover | KeepRevision | SetFinalizer | RemoveFinalizer


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an action."""

    action: Action
    error: str | None = None
    """One sentence with the API server's reason, or None for success."""
    transient: bool = True
    """Of an error: whether the same action may succeed later (409, 429, 5xx, time-outs)."""
    outdated: bool = False
    """Of an error: somebody else has written to the object since it was planned on. The next pass plans anew,
    and nobody needs to hear of it.
    """

    @property
    def ok(self) -> bool:
        return self.error is None


# -- verdicts on components ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Assessment:
    """What the health rules say of one component, from observed objects only."""

    state: ComponentState
    reason: str
    """PascalCase, from `api.conditions`."""
    message: str
    since: datetime
    recheck_at: datetime | None = None
    """When time alone may change the verdict."""
    started: bool = False
    """A pod of the wanted revision runs and has passed its startup probe (Job: has begun)."""
    healthy: bool = False
    """The predicate Healthy of the start gate."""
    completed: bool = False
    """Job: succeeded in the wanted revision."""
    failed: bool = False
    """Job: given up in the wanted revision."""
    serving: bool = False
    """At least one pod, of whatever revision, is ready."""
    current: bool = False
    """The workload was asked for the wanted revision."""
    suspect: str = ""
    """uid of the pod that a restart may help; empty: none would."""

    def meets(self, condition: DependencyCondition) -> bool:
        match condition:
            case DependencyCondition.STARTED:
                return self.started or self.healthy or self.completed
            case DependencyCondition.HEALTHY:
                return self.healthy or self.completed
            case DependencyCondition.COMPLETED:
                return self.completed


@dataclass(frozen=True, slots=True)
class Wait:
    """An edge that does not hold and is waited for."""

    name: str
    condition: DependencyCondition
    required: bool
    since: datetime
    deadline: datetime
    overdue: bool
    """The deadline has passed: Required is Blocked, Preferred is given up."""
    why: str
    """State of the dependency, for people: 'Unhealthy (ProbeFailed)'."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What recovery has done about a component and when it may act next."""

    attempts: int = 0
    """In the present run of trouble."""
    last: Attempt | None = None
    exhausted: bool = False
    reason: str = ""
    """Why nothing is done now: a `ComponentReason` such as RecoveryBackoff, or empty."""
    next_action_at: datetime | None = None
    clean_at: datetime | None = None
    """When the record of a component without trouble becomes clean."""
    rung: ActionType | None = None
    """The step of the ladder that it is on; None: on none."""
    next: ActionType | None = None
    """What is done at `next_action_at`, if nothing changes until then."""


@dataclass(frozen=True, slots=True)
class ComponentPlan:
    """One component in a plan: what it is and what keeps it from being what it shall be."""

    name: str
    assessment: Assessment
    waits: tuple[Wait, ...] = ()
    skipped: tuple[Wait, ...] = ()
    """Preferred edges that are given up in this very start."""
    recovery: Recovery = field(default_factory=Recovery)
    causes: tuple[str, ...] = ()
    """Where its trouble comes from: components at the root, `Node/<name>`, `Infrastructure`. Empty: it has
    none, or is itself the root."""
    revision: str = ""
    """The wanted one."""
    start_seconds: int | None = None
    restarts: int = 0
    """Container restarts that the kubelet has counted in the present pods."""
    last_exit: ContainerExit | None = None
    """The latest end of a container in the present pods."""
    criticality: Criticality = Criticality.IMPORTANT
    requires: frozenset[str] = frozenset()
    """Components that it stands on: Required edges, but those whose trouble is to be ignored."""
    removed: bool = False
    """No longer in the spec; something of it is still there."""

    @property
    def done(self) -> bool:
        """Healthy or Completed, in the wanted revision."""
        return (
            self.assessment.state in (ComponentState.HEALTHY, ComponentState.COMPLETED)
            and self.assessment.current
            and not self.removed
        )


@dataclass(frozen=True, slots=True)
class Suspension:
    """Recovery holds still, because the trouble is not the components' own."""

    reason: Reason
    message: str
    since: datetime


@dataclass(frozen=True, slots=True)
class InterlockView:
    """One interlock at one moment."""

    name: str
    state: InterlockState
    since: datetime
    message: str = ""
    closes_at: datetime | None = None
    """When it closes, if nothing changes until then; None: it is closed, or all is well."""


class Mode(StrEnum):
    """What kind of pass this is."""

    RUN = "Run"
    INVALID = "Invalid"
    """The spec cannot be carried out: nothing is touched."""
    UNTRUSTED = "Untrusted"
    """What is known is too old: nothing is touched."""
    TEARDOWN = "Teardown"
    """The system is being deleted."""
    GONE = "Gone"
    """Being deleted, and no longer ours to hold: nothing to do or to report."""


@dataclass(frozen=True, slots=True)
class Teardown:
    """How far the deletion is."""

    started_at: datetime
    deadline: datetime
    forced: bool
    """The deadline has passed and the rest is dealt with by `onDeadline`."""
    remaining: tuple[str, ...]
    """Components of which something is still there."""
    orphaned: tuple[str, ...] = ()
    """Objects left behind on purpose, as Kind/name."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one pass decided."""

    mode: Mode
    identity: Identity
    actions: tuple[Action, ...]
    """In order. A SetFinalizer comes first and must have succeeded before the rest; Applies of supporting
    objects come before workloads; other than that they are independent and may run side by side."""
    components: Mapping[str, ComponentPlan]
    """In start order. Components that are no longer in the spec but still there come last."""
    requeue_at: datetime | None = None
    """When time alone may change the plan; later than now. None: only events do."""
    system: System | None = None
    """The resolved system, where the spec is valid."""
    spec_errors: tuple[FieldError, ...] = ()
    teardown: Teardown | None = None
    suspension: Suspension | None = None
    """Set while recovery holds still, for all of the system or for the components on lost nodes."""
    actions_in_window: int = 0
    """Recovery actions on all components within the window of the recovery budget."""
    interlocks: tuple[InterlockView, ...] = ()
