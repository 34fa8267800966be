"""What one pass decided: the actions, and for each component what it is and what keeps it from being well.

`planner.make_plan` makes plans, the shell's applier carries out their actions, `report.make_report` says what
came of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from alluse_operator.api.errors import FieldError
from alluse_operator.api.spec import Criticality
from alluse_operator.api.status import ComponentState
from alluse_operator.core.actions import Action
from alluse_operator.core.desired import Identity, System
from alluse_operator.core.observed import ContainerExit
from alluse_operator.core.verdicts import Assessment, InterlockView, Recovery, Suspension, Wait


@dataclass(frozen=True, slots=True)
class ComponentPlan:
    """One component in a plan: what it is and what keeps it from being what it shall be."""

    name: str
    assessment: Assessment
    waits: tuple[Wait, ...] = ()
    skipped: tuple[Wait, ...] = ()
    """Preferred edges that are given up in this very start."""
    given_up: tuple[Wait, ...] = ()
    """Preferred edges that are not waited for any more, while others are: their time is to be remembered."""
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
