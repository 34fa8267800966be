"""Keeps the mirror true, and looks at it for a pass.

Watches bring changes within milliseconds, but they can miss some, and nobody would ever know. So everything
is listed again and again, whole and for all systems at once: often while something is under way, and at
rest as often as that is cheap. A pass that finds the mirror older than `TRUSTED_FOR` must not act on it: the
snapshot says how old it is.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from alluse_operator.clock import Clock
from alluse_operator.cluster.client import Client
from alluse_operator.cluster.kinds import (
    DEPLOYMENT,
    ENDPOINT_SLICE,
    JOB,
    MIRRORED,
    NAMESPACE,
    NODE,
    POD,
    STATEFUL_SET,
    Kind,
    selector_of,
)
from alluse_operator.cluster.mirror import Key, Mirror
from alluse_operator.core.objects import CHILD_KINDS, Object
from alluse_operator.core.observation import Observation
from alluse_operator.core.observed import ProbeReading
from alluse_operator.errors import ApiError
from alluse_operator.metrics import Metrics

log = logging.getLogger(__name__)

#: Three listings at rest may fail before nothing is done any more.
TRUSTED_FOR = timedelta(seconds=100)
#: A change that is known from elsewhere must come on the watch within so long, or the watch is stalled.
OWED_FOR = timedelta(seconds=8)
#: How often a terminating system asks whether its namespace is terminating, too.
NAMESPACE_ASKED_EVERY = timedelta(seconds=2)

#: Nodes are many, large, and seldom change: how often they are listed beside being watched.
NODES_LISTED_EVERY = timedelta(minutes=5)
#: How often workloads of others are asked for, where a system observes some.
FOREIGN_ASKED_EVERY = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often everything is listed."""

    shortest: timedelta = timedelta(seconds=10)
    """While something is under way, and at rest where listing is cheap: a watch that is stalled hides a
    change for no longer."""
    longest: timedelta = timedelta(seconds=30)
    share: float = 0.05
    """Of the time at rest may go into listing: where there is much to list it is done more seldom."""
    retry: timedelta = timedelta(seconds=1)
    retry_max: timedelta = timedelta(seconds=5)

    def pause(self, *, busy: bool, took: timedelta, failures: int = 0) -> timedelta:
        """From the end of one listing, which took so long, to the next, after so many failures in a row."""
        if failures:
            return min(self.retry * 2.0 ** min(failures - 1, 8), self.retry_max)
        if busy:
            return self.shortest
        return min(max(took / self.share, self.shortest), self.longest)


@dataclass(slots=True)
class _ForeignView:
    found: Sequence[Object]
    asked_at: float


@dataclass(slots=True)
class _NamespaceView:
    terminating: bool
    asked_at: float


class Observer:
    """Reads the cluster."""

    def __init__(
        self,
        client: Client,
        mirror: Mirror,
        *,
        namespaces: Sequence[str],
        clock: Clock,
        metrics: Metrics,
        rhythm: Rhythm | None = None,
    ) -> None:
        self._client = client
        self._mirror = mirror
        self._scopes: Sequence[str | None] = namespaces or (None,)
        # Who serves some namespaces alone has no right on what belongs to the whole cluster.
        self._sees_nodes = not namespaces
        self._nodes_listed_at: datetime | None = None
        self._clock = clock
        self._metrics = metrics
        self._rhythm = rhythm or Rhythm()
        self._listed_at: dict[Kind, datetime] = {}
        self._namespaces: dict[str, _NamespaceView] = {}
        self._foreign: dict[tuple[str, str], _ForeignView] = {}
        self._wanted = asyncio.Event()
        self._missing: set[Kind] = set()
        self.errors: dict[Kind, str] = {}
        """Kinds whose last listing failed, and why."""

    @property
    def synced_at(self) -> datetime | None:
        """Since when the mirror may have missed something; None: not everything has been listed yet."""
        if len(self._listed_at) < len(MIRRORED):
            return None
        return min(self._listed_at.values())

    @property
    def age(self) -> timedelta:
        """How old the oldest listing is."""
        synced_at = self.synced_at
        return timedelta.max if synced_at is None else max(self._clock.now() - synced_at, timedelta(0))

    def stalled(self) -> Collection[str]:
        """Kinds whose watch owes a change that is known from elsewhere."""
        return [kind.plural for kind in MIRRORED if self._mirror.overdue(kind) > OWED_FOR]

    def hurry(self) -> None:
        """List soon: what is known may be wrong."""
        self._wanted.set()

    async def run(
        self,
        *,
        busy: Callable[[], bool],
        changed: Callable[[Iterable[Key]], None],
        appeared: Callable[[], None],
    ) -> None:
        """List for ever. `changed` gets the systems of which a listing brought news; `appeared` is called
        when a kind that was not served before (the CRD was missing) is served now."""
        failures = 0
        while True:
            self._wanted.clear()
            was_missing = set(self._missing)
            began = _now()
            changed(await self.resync())
            if was_missing - self._missing:
                appeared()
            failures = failures + 1 if self.errors else 0
            ended = _now()
            took = timedelta(seconds=ended - began)
            jitter = random.uniform(0.8, 1.0)  # noqa: S311 - spreads load
            while not self._wanted.is_set():
                # Something may get under way in mid-pause: then the shorter one counts.
                pause = self._rhythm.pause(busy=busy(), took=took, failures=failures) * jitter
                left = pause.total_seconds() - (_now() - ended)
                if left <= 0:
                    break
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(max(left, 0.01), 1.0)):
                        await self._wanted.wait()

    async def resync(self) -> set[Key]:
        """List every kind once; answers the systems whose objects differ from what was known."""
        changed: set[Key] = set()
        limit = asyncio.Semaphore(4)

        async def one(kind: Kind) -> None:
            async with limit:
                changed.update(await self._list(kind))

        async def nodes() -> None:
            async with limit:
                changed.update(await self._list_nodes())

        await asyncio.gather(*(one(kind) for kind in MIRRORED), nodes())
        if self.synced_at is not None:
            self._metrics.mirror_age.set(self.age.total_seconds())
        return changed

    async def observe(
        self, key: Key, resource: Object, probes: Iterable[ProbeReading], foreign: Iterable[str] = ()
    ) -> Observation:
        """What is known of one system now. `foreign`: names of workloads that somebody else runs and that the
        system only observes; they bear no label of ours, so they are asked for one by one, now and then."""
        children = list(self._mirror.children(key))
        others = [obj for name in foreign for obj in await self._foreign_workloads(key.namespace, name)]
        return Observation(
            resource,
            (*(child for child in children if child["kind"] in CHILD_KINDS), *others),
            tuple(child for child in children if child["kind"] == POD.name),
            tuple(probes),
            self.synced_at or datetime.fromtimestamp(0, self._clock.now().tzinfo),
            TRUSTED_FOR,
            namespace_terminating=await self._namespace_terminates(key, resource),
            refusals=tuple(self._mirror.refusals(key)),
            nodes=tuple(self._mirror.nodes.known()),
            slices=tuple(child for child in children if child["kind"] == ENDPOINT_SLICE.name),
        )

    def namespace_terminates(self, namespace: str) -> None:
        """An answer to a write said so."""
        self._namespaces[namespace] = _NamespaceView(True, _now())

    def forget(self, key: Key) -> None:
        """The system is gone; the namespace may come again under the same name."""
        for place in [place for place in self._foreign if place[0] == key.namespace]:
            del self._foreign[place]
        if all(other.namespace != key.namespace for other in self._mirror.systems()):
            self._namespaces.pop(key.namespace, None)

    async def _list(self, kind: Kind) -> set[Key]:
        asked_at = self._clock.now()
        changed: set[Key] = set()
        selector = selector_of(kind)
        try:
            for namespace in self._scopes:
                listing = await self._client.list(kind, namespace, selector)
                changed |= self._mirror.listed(kind, namespace, listing)
        except ApiError as error:
            if self.errors.get(kind) != error.message:
                log.warning("Cannot list %s: %s", kind.plural, error.message, extra={"reason": error.kind})
            self.errors[kind] = error.message
            self._metrics.reconcile_errors.labels(error.kind).inc()
            if error.status == 404:
                self._missing.add(kind)
            return changed
        self.errors.pop(kind, None)
        self._missing.discard(kind)
        self._listed_at[kind] = asked_at
        return changed

    async def _list_nodes(self) -> Collection[Key]:
        """Nodes are watched and decide little: a listing that fails leaves what is known of them as it is."""
        asked_at = self._clock.now()
        listed_at = self._nodes_listed_at
        if not self._sees_nodes or (listed_at is not None and asked_at - listed_at < NODES_LISTED_EVERY):
            return ()
        try:
            listing = await self._client.list(NODE, None)
        except ApiError as error:
            log.warning("Cannot list nodes: %s", error.message, extra={"reason": error.kind})
            self._metrics.reconcile_errors.labels(error.kind).inc()
            self._nodes_listed_at = asked_at if error.status == 403 else None
            return ()
        self._nodes_listed_at = asked_at
        return self._mirror.nodes_listed(listing)

    async def _foreign_workloads(self, namespace: str, name: str) -> Sequence[Object]:
        known = self._foreign.get((namespace, name))
        if known is not None and _now() - known.asked_at < FOREIGN_ASKED_EVERY.total_seconds():
            return known.found
        found: list[Object] = []
        for kind in (DEPLOYMENT, STATEFUL_SET, JOB):
            try:
                found.append(await self._client.get(kind, namespace, name))
            except ApiError as error:
                if error.status != 404:
                    raise
        self._foreign[namespace, name] = _ForeignView(found, _now())
        return found

    async def _namespace_terminates(self, key: Key, resource: Object) -> bool:
        """Asked only for a system that is being deleted; without the right to know, the answer is no."""
        if not resource["metadata"].get("deletionTimestamp"):
            return False
        view = self._namespaces.get(key.namespace)
        if view is not None and (
            view.terminating or _now() - view.asked_at < NAMESPACE_ASKED_EVERY.total_seconds()
        ):
            return view.terminating
        try:
            namespace = await self._client.get(NAMESPACE, None, key.namespace)
        except ApiError as error:
            terminating = error.status == 404
        else:
            terminating = bool(namespace["metadata"].get("deletionTimestamp"))
        self._namespaces[key.namespace] = _NamespaceView(terminating, _now())
        return terminating


def _now() -> float:
    return asyncio.get_running_loop().time()
