"""What may be done, as values: a closed union of actions, and what came of one.

The shell's applier carries them out and returns one `Outcome` for each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from alluse_operator.core.history import Attempt, Debt
from alluse_operator.core.objects import Object, Ref, ref_of


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


@dataclass(frozen=True, slots=True)
class ScaleDown:
    """Take a Deployment or StatefulSet to no pods, by a patch that holds for this uid alone. Not found, or
    another uid, is success.

    What else it stands on stays until it is deleted: its claims, above all, which cost the node a pod each
    to remove.
    """

    component: str
    ref: Ref
    uid: str


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
    succeeded before that.

    Of a workload that is not as it was applied (somebody has edited it, or it is stopped) nothing is kept: a
    part of it would be no way back.
    """

    component: str
    workload: Ref
    workload_uid: str
    obj: Object
    again: bool = False
    """The workload has come back to this revision, and somebody has deleted what was kept of it. If it cannot
    be kept again, the workload is no longer said to have come back: it goes on to what is wanted."""


@dataclass(frozen=True, slots=True)
class SetFinalizer:
    """Put our finalizer on the AllUseSystem (server-side apply). Comes before any child is created."""


@dataclass(frozen=True, slots=True)
class RemoveFinalizer:
    """Take our finalizer off the AllUseSystem, leaving others' in place; a conflict is retried at once."""


Action = Apply | Delete | ScaleDown | Recover | KeepRevision | SetFinalizer | RemoveFinalizer


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
