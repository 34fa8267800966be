"""What is known of the cluster: the newest version seen of every system and child.

Three sources feed it: watch events, answers to our own writes, and listings. They arrive in any order, so
nothing older ever replaces something newer: resource versions of one resource are compared as the integers
that they are in Kubernetes, and what is gone stays gone unless something newer is seen of it (a child
whose label somebody took off and we put back is the same object again). A listing is the only source that
knows of absence; it removes what it lacks, unless that is younger than the listing.

The mirror also notices a watch that has gone quiet: what a listing or an answer brought first must come
again on the watch soon. `overdue` tells for how long a kind's watch has owed something.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple

from alluse_operator.api import names
from alluse_operator.cluster.client import Listing
from alluse_operator.cluster.kinds import ENDPOINT_SLICE, POD, SYSTEM, Kind
from alluse_operator.cluster.nodes import Nodes
from alluse_operator.core.surroundings import ready_pods

#: Watches that have just been opened list everything first; a large cluster takes a while.
EXCUSED_FOR = timedelta(seconds=15)
#: Refusals remembered, of all systems; the oldest are forgotten first.
REMEMBERED_REFUSALS = 1024
#: Uids remembered as gone, per kind; the oldest are forgotten first.
REMEMBERED_GONE = 4096


class Key(NamedTuple):
    """Names one AllUseSystem."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class _Child(NamedTuple):
    kind: str
    name: str


@dataclass(slots=True)
class _Shelf:
    """All objects of one kind, by uid, and what the watch still owes."""

    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    gone: dict[str, int] = field(default_factory=dict)
    """uid -> the version at which it was not there any more: nothing older is believed."""
    owed: dict[str, tuple[int, float]] = field(default_factory=dict)
    """uid -> (version that some other source has brought, since when)."""


class Mirror:
    """Objects by kind and uid, and by the system that they belong to. Not safe for threads."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._shelves: dict[Kind, _Shelf] = {}
        self._systems: dict[Key, dict[str, Any]] = {}
        self._children: dict[Key, dict[_Child, dict[str, Any]]] = {}
        self._refusals: dict[str, Mapping[str, Any]] = {}
        self._excused_until = monotonic()
        self.nodes = Nodes()

    # -- reading ---------------------------------------------------------------------------------------------

    def system(self, key: Key) -> Mapping[str, Any] | None:
        return self._systems.get(key)

    def children(self, key: Key) -> Iterable[Mapping[str, Any]]:
        return self._children.get(key, {}).values()

    def child(self, key: Key, kind: str, name: str) -> Mapping[str, Any] | None:
        return self._children.get(key, {}).get(_Child(kind, name))

    def known(self, kind: Kind, uid: str) -> Mapping[str, Any] | None:
        """The object of this uid."""
        return self._shelf(kind).objects.get(uid)

    def systems(self) -> Sequence[Key]:
        return tuple(self._systems)

    def refusals(self, key: Key) -> Iterable[Mapping[str, Any]]:
        """Kubernetes Events that say that the Pods of a system's workloads could not be created."""
        for child in self.children(key):
            if (event := self._refusals.get(child["metadata"]["uid"])) is not None:
                yield event

    def owner_of(self, uid: str) -> Key | None:
        """The system that a child's uid belongs to."""
        for kind, shelf in self._shelves.items():
            if (obj := shelf.objects.get(uid)) is not None:
                return key_of(kind, obj)
        return None

    def overdue(self, kind: Kind) -> timedelta:
        """How long this kind's watch has owed a change that is known from elsewhere."""
        owed = self._shelves[kind].owed if kind in self._shelves else {}
        if not owed:
            return timedelta(0)
        since = max(min(since for _, since in owed.values()), self._excused_until)
        return timedelta(seconds=max(self._monotonic() - since, 0.0))

    # -- feeding ---------------------------------------------------------------------------------------------

    def watched(self, kind: Kind, obj: dict[str, Any], *, deleted: bool) -> Key | None:
        """Take a watch event; answers whose objects it changed."""
        shelf = self._shelf(kind)
        uid, version = _identity(obj)
        owed = shelf.owed.get(uid)
        if owed is not None and (deleted or version >= owed[0]):
            del shelf.owed[uid]
        if deleted:
            return self._remove(kind, uid, version)
        before = shelf.objects.get(uid)
        key = self._put(kind, obj)
        if kind is ENDPOINT_SLICE and (before is None or ready_pods(before) <= ready_pods(obj)):
            # A Service that leads to one pod more is no news: the pod itself has told that it is ready.
            return None
        return key

    def node_watched(self, obj: dict[str, Any], *, deleted: bool) -> Collection[Key]:
        """Take a watch event of a node; answers whose pods are on it, if that matters to them now."""
        name = obj["metadata"]["name"]
        version = int(obj["metadata"]["resourceVersion"])
        matters = self.nodes.remove(name, version) if deleted else self.nodes.put(obj)
        return self._on_nodes({name}) if matters else ()

    def nodes_listed(self, listing: Listing) -> Collection[Key]:
        """Take a listing of all nodes."""
        return self._on_nodes(self.nodes.listed(listing.items, listing.version))

    def wrote(self, kind: Kind, obj: dict[str, Any]) -> bool:
        """Take the answer to a write of ours; the watch is to bring it, too.

        True: the answer also tells of something that others did and that no pass has seen. The watch event
        will not be newer than this answer, so nobody else will call for a pass.
        """
        known = self._shelf(kind).objects.get(_identity(obj)[0])
        if self._put(kind, obj) is None:
            return False
        self._owe(kind, *_identity(obj))
        return known is not None and (
            known.get("status") != obj.get("status")
            or known["metadata"].get("deletionTimestamp") != obj["metadata"].get("deletionTimestamp")
        )

    def removed(self, kind: Kind, uid: str) -> Key | None:
        """An answer said that this object is not there. That alone is no proof: a path that is not served
        (the definition is being installed) says the same. So a listing may bring it back.
        """
        key = self._remove(kind, uid, None)
        if key is not None:
            self._owe(kind, uid, 0)
        return key

    def listed(self, kind: Kind, namespace: str | None, listing: Listing) -> set[Key]:
        """Take a listing of a namespace (None: of all); answers whose objects it changed."""
        shelf = self._shelf(kind)
        changed: set[Key] = set()
        present = set()
        for obj in listing.items:
            uid, version = _identity(obj)
            present.add(uid)
            if (key := self._put(kind, obj)) is not None:
                changed.add(key)
                self._owe(kind, uid, version)
        for uid, obj in list(shelf.objects.items()):
            if uid in present or (namespace is not None and obj["metadata"].get("namespace") != namespace):
                continue
            if _identity(obj)[1] > listing.version:
                continue
            if (key := self._remove(kind, uid, listing.version)) is not None:
                changed.add(key)
                self._owe(kind, uid, 0)
        return changed

    def refused(self, event: Mapping[str, Any]) -> Key | None:
        """Take a Kubernetes Event about a Pod that could not be created; answers whose it is."""
        uid = str((event.get("involvedObject") or {}).get("uid") or "")
        if not uid:
            return None
        self._refusals.pop(uid, None)
        self._refusals[uid] = event
        while len(self._refusals) > REMEMBERED_REFUSALS:
            del self._refusals[next(iter(self._refusals))]
        return self.owner_of(uid)

    def excuse(self) -> None:
        """The watches start anew and list by themselves: what they owed no longer counts, and they need
        some time.
        """
        for shelf in self._shelves.values():
            shelf.owed.clear()
        self._excused_until = self._monotonic() + EXCUSED_FOR.total_seconds()

    # -- inside ----------------------------------------------------------------------------------------------

    def _on_nodes(self, names: Collection[str]) -> Collection[Key]:
        """The systems with pods on these nodes."""
        if not names:
            return ()
        pods = self._shelf(POD).objects.values()
        found = {key_of(POD, pod) for pod in pods if (pod.get("spec") or {}).get("nodeName") in names}
        return [key for key in found if key is not None]

    def _shelf(self, kind: Kind) -> _Shelf:
        return self._shelves.setdefault(kind, _Shelf())

    def _owe(self, kind: Kind, uid: str, version: int) -> None:
        owed = self._shelf(kind).owed
        since = owed[uid][1] if uid in owed else self._monotonic()
        owed[uid] = (version, since)

    def _put(self, kind: Kind, obj: dict[str, Any]) -> Key | None:
        shelf = self._shelf(kind)
        uid, version = _identity(obj)
        known = shelf.objects.get(uid)
        if version <= shelf.gone.get(uid, -1) or (known is not None and _identity(known)[1] >= version):
            return None
        key = key_of(kind, obj)
        if key is None:
            return self._remove(kind, uid, version) if known is not None else None
        obj = {**obj, "kind": kind.name, "apiVersion": kind.api_version}
        obj["metadata"] = {name: value for name, value in obj["metadata"].items() if name != "managedFields"}
        if known is not None:
            self._unindex(kind, known)
        shelf.objects[uid] = obj
        index = self._index(kind, key)
        slot = _slot(kind, obj)
        other = index.get(slot)
        if other is None or _identity(other)[1] < version:
            index[slot] = obj
        return key

    def _remove(self, kind: Kind, uid: str, version: int | None) -> Key | None:
        """Take it out if nothing newer than `version` (None: whatever) is known of it."""
        shelf = self._shelf(kind)
        known = shelf.objects.get(uid)
        if version is not None:
            before = shelf.gone.pop(uid, version)
            shelf.gone[uid] = max(before, version)
            while len(shelf.gone) > REMEMBERED_GONE:
                del shelf.gone[next(iter(shelf.gone))]
            if known is not None and _identity(known)[1] > version:
                return None
        if known is None:
            return None
        del shelf.objects[uid]
        self._unindex(kind, known)
        return key_of(kind, known)

    def _index(self, kind: Kind, key: Key) -> dict[Any, dict[str, Any]]:
        if kind is SYSTEM:
            return self._systems
        return self._children.setdefault(key, {})

    def _unindex(self, kind: Kind, obj: Mapping[str, Any]) -> None:
        key = key_of(kind, obj)
        if key is None:
            return
        index = self._index(kind, key)
        slot = _slot(kind, obj)
        if index.get(slot) is obj:
            del index[slot]
        if kind is not SYSTEM and not index:
            self._children.pop(key, None)


def key_of(kind: Kind, obj: Mapping[str, Any]) -> Key | None:
    """The system that an object is, or belongs to by its label."""
    metadata = obj["metadata"]
    if kind is SYSTEM:
        return Key(metadata["namespace"], metadata["name"])
    system = (metadata.get("labels") or {}).get(names.SYSTEM_LABEL)
    return Key(metadata["namespace"], system) if system else None


def _slot(kind: Kind, obj: Mapping[str, Any]) -> Key | _Child:
    metadata = obj["metadata"]
    if kind is SYSTEM:
        return Key(metadata["namespace"], metadata["name"])
    return _Child(kind.name, metadata["name"])


def _identity(obj: Mapping[str, Any]) -> tuple[str, int]:
    metadata = obj["metadata"]
    return str(metadata["uid"]), int(metadata.get("resourceVersion") or 0)
