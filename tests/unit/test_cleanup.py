"""What the hook before an uninstall does, against a small world of systems with finalizers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from alluse_operator.api.names import FINALIZER
from alluse_operator.cleanup import Cleanup
from alluse_operator.cluster.client import Listing
from alluse_operator.cluster.kinds import Kind
from alluse_operator.errors import ApiError


class World:
    """Systems, a clock, and an operator that tears a system down `teardown` seconds after its deletion."""

    def __init__(self, teardown: float | None) -> None:
        self.teardown = teardown
        self.seconds = 0.0
        self.systems: dict[str, dict[str, Any]] = {}
        self.said: list[str] = []
        self.refusals: list[ApiError] = []

    def add(
        self, name: str, *finalizers: str, namespace: str = "shop", deleted_at: float | None = None
    ) -> None:
        metadata: dict[str, Any] = {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{name}",
            "finalizers": list(finalizers),
        }
        if deleted_at is not None:
            metadata["deletionTimestamp"] = deleted_at
        self.systems[name] = {"metadata": metadata}

    def now(self) -> float:
        return self.seconds

    async def pause(self, seconds: float) -> None:
        self.seconds += seconds
        for system in self.systems.values():
            metadata = system["metadata"]
            deleted = metadata.get("deletionTimestamp")
            if self.teardown is not None and deleted is not None and self.seconds >= deleted + self.teardown:
                metadata["finalizers"] = [f for f in metadata["finalizers"] if f != FINALIZER]
        self._collect()

    def _collect(self) -> None:
        self.systems = {
            name: system
            for name, system in self.systems.items()
            if "deletionTimestamp" not in system["metadata"] or system["metadata"]["finalizers"]
        }

    async def list(self, kind: Kind, namespace: str | None, selector: str = "") -> Listing:
        if self.refusals:
            raise self.refusals.pop(0)
        found = [s for s in self.systems.values() if namespace in (None, s["metadata"]["namespace"])]
        return Listing(found, 1)

    async def delete(
        self, kind: Kind, namespace: str, name: str, *, uid: str | None = None
    ) -> dict[str, Any]:
        assert uid == self.systems[name]["metadata"]["uid"]
        self.systems[name]["metadata"]["deletionTimestamp"] = self.seconds
        self._collect()
        return {}

    async def patch(
        self, kind: Kind, namespace: str, name: str, operations: Sequence[Mapping[str, Any]], manager: str
    ) -> dict[str, Any]:
        test, remove = operations
        index = int(test["path"].rpartition("/")[2])
        finalizers = self.systems[name]["metadata"]["finalizers"]
        assert finalizers[index] == test["value"]
        assert remove == {"op": "remove", "path": test["path"]}
        del finalizers[index]
        self._collect()
        return {}

    def cleanup(self, *namespaces: str) -> Cleanup:
        return Cleanup(self, namespaces or (None,), self.said.append, self.now, self.pause)


async def test_systems_are_torn_down_by_the_operator_while_it_waits() -> None:
    world = World(teardown=7)
    world.add("one", FINALIZER)
    world.add("two", namespace="other")
    assert await world.cleanup().run(60) == ()
    assert world.systems == {}
    assert 7 <= world.seconds < 10


async def test_what_is_not_torn_down_in_time_is_released() -> None:
    world = World(teardown=None)
    world.add("stuck", "others/first", FINALIZER)
    world.add("plain", FINALIZER)
    (left,) = await world.cleanup().run(20)
    assert (left.name, left.finalizers) == ("stuck", ("others/first",))
    assert world.seconds <= 20 + 1 + 15 + 1
    assert any("released" in line for line in world.said)


async def test_the_deletion_of_a_system_that_is_going_already_is_waited_for() -> None:
    world = World(teardown=3)
    world.add("going", FINALIZER, deleted_at=-1)
    assert await world.cleanup().run(60) == ()
    assert world.said == ["shop/going: is being deleted already"]


async def test_only_the_namespaces_of_the_release_are_touched() -> None:
    world = World(teardown=1)
    world.add("ours", FINALIZER, namespace="a")
    world.add("theirs", FINALIZER, namespace="b")
    assert await world.cleanup("a").run(60) == ()
    assert list(world.systems) == ["theirs"]
    assert "deletionTimestamp" not in world.systems["theirs"]["metadata"]


async def test_a_system_made_meanwhile_goes_too() -> None:
    world = World(teardown=5)
    world.add("first", FINALIZER)
    first_pause = world.pause

    async def pause(seconds: float) -> None:
        if world.seconds == 0:
            world.add("late", FINALIZER)
        await first_pause(seconds)

    world.pause = pause  # type: ignore[method-assign]
    assert await world.cleanup().run(60) == ()
    assert world.systems == {}


async def test_a_definition_that_is_gone_means_that_there_is_nothing_to_do() -> None:
    world = World(teardown=None)
    world.refusals = [ApiError(404, "NotFound", "the server could not find the requested resource")]
    assert await world.cleanup().run(60) == ()
    assert world.said == ["no AllUseSystem is there"]


async def test_a_refusal_of_the_api_server_is_told_and_not_hidden() -> None:
    world = World(teardown=None)
    world.refusals = [ApiError(403, "Forbidden", "may not list allusesystems")]
    with pytest.raises(ApiError, match="may not list"):
        await world.cleanup().run(60)
