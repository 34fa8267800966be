"""Whose an object is. We write to our own objects and to no others.

* *ours*: it names this very AllUseSystem (by uid) as an owner and nobody else controls it; or it bears
  our labels and nobody controls it (somebody stripped the ownerReference, or the system was deleted with
  its children orphaned and then made again): applying puts the ownerReference back.
* *foreign*: everything else. Another controller owns it (also an AllUseSystem of the same name with
  another uid, whose remains the garbage collector is still removing), or it just happens to have the
  name.
"""

from alluse_operator.api.names import MANAGED_BY, MANAGED_BY_LABEL, SYSTEM_LABEL
from alluse_operator.core.desired import Identity
from alluse_operator.core.objects import Object, controller_uid, labels, owner_uids


def owns(identity: Identity, obj: Object) -> bool:
    controller = controller_uid(obj)
    if controller is not None:
        return controller == identity.uid
    return identity.uid in owner_uids(obj) or is_stray(identity, obj)


def is_stray(identity: Identity, obj: Object) -> bool:
    """It bears our labels and has no owner at all: nobody but us would ever remove it."""
    marks = labels(obj)
    return (
        not owner_uids(obj)
        and marks.get(MANAGED_BY_LABEL) == MANAGED_BY
        and marks.get(SYSTEM_LABEL) == identity.name
    )
