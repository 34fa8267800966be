"""What is judged of a component: its health, what it waits for, how far its recovery is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from alluse_operator.api.conditions import Reason
from alluse_operator.api.spec import DependencyCondition
from alluse_operator.api.status import ActionType, ComponentState, InterlockState
from alluse_operator.core.history import Attempt


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
