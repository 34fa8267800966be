"""When a component lost its health: the memory that a status row keeps, and since when it has been unwell.

Between well and well again a component goes through several states (Unhealthy, Recovering, Unhealthy ...),
each with a time of its own. How long it has been unwell in all is what graces and interlocks ask for.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from alluse_operator.api.conditions import ComponentReason
from alluse_operator.api.status import ComponentState
from alluse_operator.core.gate import WELL
from alluse_operator.core.observed import PreviousComponent
from alluse_operator.core.sight import LOSSES_KEPT
from alluse_operator.core.verdicts import Assessment

#: Shorter than this nobody is well again; and the kubelet's times are whole seconds.
_MOMENT = timedelta(seconds=3)
#: As many as a row holds.
_KEPT = 8
_LOST = frozenset({ComponentState.UNHEALTHY, ComponentState.RECOVERING, ComponentState.FAILED})
_UNWELL = _LOST | {ComponentState.STOPPED}


def remember(
    before: PreviousComponent | None, found: Assessment, ended: datetime | None, now: datetime
) -> tuple[datetime, ...]:
    """The losses for the new row, oldest first: those of the old one that still count, and the one of now.

    `ended` is the latest end of a container. What we do ourselves to a component (a rollout, a restart) is no
    loss. The latest stays for as long as it lasts.
    """
    if before is None:
        return ()
    known = list(before.failures)
    lost = before.state in WELL and found.state in _LOST
    if lost and found.reason != ComponentReason.RECOVERY_IN_PROGRESS and not _goes_on(before, ended, now):
        known.append(max((min(found.since, now), *known)))
    lasting = known[-1:] if found.state not in WELL else []
    kept = [moment for moment in known if moment > now - LOSSES_KEPT or moment in lasting]
    return tuple(sorted(set(kept))[-_KEPT:])


def _goes_on(before: PreviousComponent, ended: datetime | None, now: datetime) -> bool:
    """Whether the loss is the latest one still: a process that the kubelet has started again for it answers
    for a moment before the kubelet says that its pod is not ready.
    """
    if not before.failures or before.since is None or ended is None:
        return False
    answered = before.failures[-1] - _MOMENT <= ended <= before.since + _MOMENT
    return answered and now - before.since < _MOMENT


def unwell_since(before: PreviousComponent | None, found: Assessment) -> datetime:
    """Since when a component that is not well has not been, in whole seconds as a row stores them.

    What only begins, or is not known, is not yet unwell: it counts only as part of what began before it.
    """
    since = found.since.replace(microsecond=0)
    if before is None or before.state in WELL:
        return since
    begun = before.unwell_since
    if begun is None and before.state in _UNWELL:
        begun = before.since
    return min(begun, since) if begun is not None else since
