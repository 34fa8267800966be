"""Kopf's part: what it watches, and that every event ends in "look at this system again".

Nothing is decided here. Only `on.event` handlers are used: they write nothing to the objects (no finalizer,
no annotation, no status), which create, update, delete and daemon handlers would.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import kopf

from alluse_operator.cluster.kinds import CHILDREN, EVENT, NODE, REFUSAL_FIELDS, SYSTEM, Kind, selector_of
from alluse_operator.cluster.mirror import Key, Mirror
from alluse_operator.core.urgency import is_urgent

Login = Callable[[], Awaitable[kopf.AiohttpSession]]


def build_registry(
    mirror: Mirror,
    wake: Callable[[Key], None],
    wake_soon: Callable[[Key], None],
    login: Login,
    *,
    nodes: bool,
) -> kopf.OperatorRegistry:
    """Handlers that feed the mirror and wake whom it concerns, at once or soon; `nodes`: those of the
    cluster may be read.
    """
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    async def log_in(**_: Any) -> kopf.AiohttpSession:
        return await login()

    def watch(kind: Kind) -> None:
        @kopf.on.event(kind.group, kind.version, kind.plural, registry=registry, id=f"watch-{kind.plural}")
        async def seen(event: kopf.RawEvent, **_: Any) -> None:
            obj: dict[str, Any] = dict(event["object"])
            deleted = event["type"] == "DELETED"
            before = mirror.known(kind, obj["metadata"]["uid"])
            key = mirror.watched(kind, obj, deleted=deleted)
            if key is not None:
                urgent = deleted or is_urgent(kind.name, before, obj, mirror.children(key))
                (wake if urgent else wake_soon)(key)

    for kind in (SYSTEM, *CHILDREN):
        watch(kind)

    if nodes:

        @kopf.on.event(NODE.group, NODE.version, NODE.plural, registry=registry, id="watch-nodes")
        async def node_seen(event: kopf.RawEvent, **_: Any) -> None:
            for key in mirror.node_watched(dict(event["object"]), deleted=event["type"] == "DELETED"):
                wake(key)

    @kopf.on.event(EVENT.group, EVENT.version, EVENT.plural, registry=registry, id="watch-refusals")
    async def refused(event: kopf.RawEvent, **_: Any) -> None:
        if event["type"] != "DELETED" and (key := mirror.refused(dict(event["object"]))) is not None:
            wake(key)

    return registry


def build_settings() -> kopf.OperatorSettings:
    """Kopf as it serves here: patient for ever, silent, and without a finalizer of ours to take off."""
    settings = kopf.OperatorSettings()
    settings.peering.standalone = True
    settings.posting.enabled = False
    # Neither namespaces nor CRDs are watched: which of them are served is known. Saves two cluster-wide
    # rights.
    settings.scanning.disabled = True
    settings.watching.initial_streaming = False
    settings.watching.chunk_size = 500
    settings.watching.inactivity_timeout = 70
    settings.watching.connect_timeout = 5
    settings.watching.reconnect_backoff = 0.1
    settings.networking.request_timeout = 15
    settings.networking.connect_timeout = 5
    settings.networking.error_backoffs = EndlessBackoffs()
    settings.queueing.worker_limit = None
    # Its workers only put events into the mirror: nothing is lost when they are not waited for.
    settings.queueing.exit_timeout = 0.5
    settings.queueing.error_delays = (1, 2, 4, 8)
    # Kopf takes off its finalizer wherever it finds no handler that needs it: it must not be the name of
    # ours.
    settings.persistence.finalizer = "alluse.io/never-set"
    settings.persistence.diffbase_storage = _NothingToCompare()
    settings.persistence.progress_storage = _NothingToResume()
    # Otherwise the whole process is killed ten minutes after the watching part was restarted.
    settings.process.ultimate_exiting_timeout = None
    for kind in CHILDREN:
        settings.watching.label_selectors[kind.group, kind.version, kind.plural] = selector_of(kind)
    settings.watching.field_selectors[EVENT.group, EVENT.version, EVENT.plural] = REFUSAL_FIELDS
    return settings


class _NothingToCompare(kopf.DiffBaseStorage):
    """No handler here asks what has changed. Kopf's own storage copies every object of every event to find
    out, which was a quarter of the operator's CPU time in a start of ten systems.
    """

    def build(self, **_: Any) -> kopf.BodyEssence:
        return kopf.BodyEssence({})

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None


class _NothingToResume(kopf.ProgressStorage):
    """`on.event` handlers have no progress to keep with the object."""

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None

    def purge(self, **_: Any) -> None:
        return None

    def touch(self, **_: Any) -> None:
        return None

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        return essence


class EndlessBackoffs:
    """Pauses between Kopf's attempts: growing to 5 s, jittered, and never at an end, so that it never gives
    up.
    """

    def __iter__(self) -> Iterator[float]:
        nominal = 0.25
        while True:
            yield nominal * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load
            nominal = min(nominal * 2, 5.0)
