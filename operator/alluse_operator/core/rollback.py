"""Going back to the last good revision: when it can be done, and when it is left at that."""

from dataclasses import replace
from datetime import datetime, timedelta

from alluse_operator.api.names import COMPONENT_LABEL, ROLLED_BACK_FROM_ANNOTATION
from alluse_operator.api.status import ActionType
from alluse_operator.core import history
from alluse_operator.core.kept import Kept, kept_revisions, rollback_object
from alluse_operator.core.objects import ComponentObjects, Object, annotations, labels, metadata
from alluse_operator.core.observed import Snapshot, WorkloadView
from alluse_operator.core.sight import Sight
from alluse_operator.core.times import parse_time

#: A revision that has been there for longer is not to blame for trouble that begins now.
_BLAMED_FOR = timedelta(minutes=10)


def last_good(sight: Sight, snapshot: Snapshot, now: datetime) -> Kept | None:
    """What to go back to: the newest revision that was kept, if the present one took its place of late.

    It was kept in the moment of the change, so its age is that of the change.
    """
    workload = sight.workload
    if workload is None or annotations(_live(workload, snapshot)).get(ROLLED_BACK_FROM_ANNOTATION):
        return None
    kept = [
        one for one in kept_revisions(snapshot, sight.component.name) if one.revision != workload.revision
    ]
    if not kept:
        return None
    made = parse_time(metadata(snapshot.objects[kept[-1].ref]).get("creationTimestamp"))
    return kept[-1] if made is not None and now - made <= _BLAMED_FOR else None


def way_back(sight: Sight, revision: str, snapshot: Snapshot) -> Object | None:
    """What to apply to go back from `revision`; None: the workload is not in it, or nothing is kept."""
    workload = sight.workload
    if workload is None or workload.revision != revision:
        return None
    kept = [one for one in kept_revisions(snapshot, sight.component.name) if one.revision != revision]
    return rollback_object(kept[-1], revision) if kept else None


def is_left(
    wanted_revision: str,
    snapshot: Snapshot,
    workload: WorkloadView,
    retried_at: datetime | None,
) -> bool:
    """Whether the workload stays as it is: it came back from the very revision that is wanted, and nobody
    has asked for a retry since. What was done in the moment of a retry was done after it."""
    if annotations(_live(workload, snapshot)).get(ROLLED_BACK_FROM_ANNOTATION) != wanted_revision:
        return False
    made = [a.at for a in history.parse(workload.recovery) if a.action is ActionType.ROLLBACK_COMPONENT]
    return retried_at is None or bool(made and made[-1] >= retried_at)


def as_left(objects: ComponentObjects, workload: WorkloadView, snapshot: Snapshot) -> ComponentObjects | None:
    """What is wanted of a component that `is_left`: its last good revision; None: nobody has kept it."""
    notes = annotations(_live(workload, snapshot))
    name = labels(_live(workload, snapshot)).get(COMPONENT_LABEL, "")
    for one in kept_revisions(snapshot, name):
        if one.revision == workload.revision:
            body = rollback_object(one, notes[ROLLED_BACK_FROM_ANNOTATION])
            return replace(objects, workload=body, revision=one.revision)
    return None


def _live(workload: WorkloadView, snapshot: Snapshot) -> Object:
    return snapshot.objects.get(workload.ref, {})
