"""The rule about a component that is good each time somebody looks, and has not been in between."""

from __future__ import annotations

from datetime import datetime, timedelta

from alluse_operator.api.conditions import ComponentReason
from alluse_operator.api.status import ComponentState
from alluse_operator.core.health.words import say
from alluse_operator.core.sight import LOSSES_KEPT, Sight
from alluse_operator.core.verdicts import Assessment

#: So many losses of health within `LOSSES_KEPT` are flapping.
LOSSES = 3
#: It ends when the component has been good for so long without a gap.
CALM = timedelta(seconds=60)


def flapping(sight: Sight) -> Assessment | None:
    """All is good now, but it was lost again and again.

    Where it was containers that ended, the kubelet is at work with its own back-off, which a new pod would
    cut short: no pod is suspected then.
    """
    losses = sight.losses
    if len(losses) < LOSSES:
        return None
    calm_at = max(losses[-1], *(_good_since(sight))) + CALM
    if sight.now >= calm_at:
        return None
    ended = sight.last_exit.finished_at if sight.last_exit is not None else None
    by_kubelet = ended is not None and ended > sight.now - LOSSES_KEPT
    latest = max(
        sight.ready, key=lambda pod: (pod.ready_changed_at or pod.created_at, pod.name), default=None
    )
    minutes = int(LOSSES_KEPT.total_seconds() // 60)
    return say(
        sight,
        ComponentState.UNHEALTHY,
        ComponentReason.FLAPPING,
        f"good now, but it lost its health {len(losses)} times within {minutes} minutes; "
        f"it counts as good again after {int(CALM.total_seconds())} s without a gap",
        losses[-1],
        recheck_at=calm_at,
        suspect="" if by_kubelet or latest is None else latest.uid,
    )


def _good_since(sight: Sight) -> list[datetime]:
    """When each ready pod became ready, and when it began to answer its deep checks as it does now."""
    moments = [pod.ready_changed_at or pod.created_at for pod in sight.ready]
    readings = [reading for pod in sight.ready if (reading := sight.reading(pod)) is not None]
    return [*moments, *(reading.since for reading in readings if reading.since is not None)]
