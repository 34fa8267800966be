"""`python3 -m alluse_operator.cleanup`: take all AllUseSystems away before the operator itself goes.

Run by the chart's hook before an uninstall, while the operator still works. The systems are deleted, and
the operator tears them down in order. What is not gone at the time limit is released from our finalizer:
nobody would ever do it once the operator is gone, and the resource, its namespace and the definition would
hang. The garbage collector then removes what such a system owns.

Ends with 0 also when something is left that another's finalizer holds: that is not ours to judge, and a
failed hook would only keep the release. Ends with 1 when the API server refuses or cannot be reached.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from alluse_operator.api.names import FIELD_MANAGER, FINALIZER
from alluse_operator.cluster.client import Client, Listing
from alluse_operator.cluster.kinds import SYSTEM, Kind
from alluse_operator.errors import ApiError, OperatorError

#: How often the list of what is left is looked at.
LOOK_SECONDS: Final = 1.0
#: How long what was released may take to disappear: the garbage collector only has to see it.
RELEASE_SECONDS: Final = 15.0


class Systems(Protocol):
    """What is used of `cluster.client.Client`."""

    async def list(self, kind: Kind, namespace: str | None, selector: str = "") -> Listing: ...

    async def delete(
        self, kind: Kind, namespace: str, name: str, *, uid: str | None = None
    ) -> dict[str, Any]: ...

    async def patch(
        self, kind: Kind, namespace: str, name: str, operations: Sequence[Mapping[str, Any]], manager: str
    ) -> dict[str, Any]: ...


class Held(NamedTuple):
    """A system that is still there, and whose finalizers hold it."""

    namespace: str
    name: str
    finalizers: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Cleanup:
    """One run over `namespaces` (None: all of them). `now` and `pause` are a monotonic clock in seconds."""

    systems: Systems
    namespaces: tuple[str | None, ...]
    say: Callable[[str], None]
    now: Callable[[], float]
    pause: Callable[[float], Awaitable[None]]

    async def run(self, patience: float) -> tuple[Held, ...]:
        """Delete, wait, release; returns what others' finalizers still hold. Raises ApiError."""
        found = await self._found()
        if not found:
            self.say("no AllUseSystem is there")
            return ()
        for system in found:
            await self._delete(system)
        if not await self._gone(self.now() + patience):
            for system in await self._found():
                await self._release(system)
            await self._gone(self.now() + RELEASE_SECONDS)
        return tuple(_held(system) for system in await self._found())

    async def _found(self) -> list[dict[str, Any]]:
        """All systems. A definition that is not there has none."""
        found: list[dict[str, Any]] = []
        for namespace in self.namespaces:
            try:
                found.extend((await self.systems.list(SYSTEM, namespace)).items)
            except ApiError as error:
                if error.status != 404:
                    raise
        return found

    async def _delete(self, system: Mapping[str, Any]) -> None:
        held = _held(system)
        if system["metadata"].get("deletionTimestamp"):
            self.say(f"{held}: is being deleted already")
            return
        self.say(f"{held}: deleted, waiting for its teardown")
        try:
            await self.systems.delete(SYSTEM, held.namespace, held.name, uid=system["metadata"]["uid"])
        except ApiError as error:
            # 409: the name already belongs to a newer system, which the next list shows.
            if error.status not in (404, 409):
                raise

    async def _gone(self, deadline: float) -> bool:
        while found := await self._found():
            if self.now() >= deadline:
                return False
            for system in found:
                if not system["metadata"].get("deletionTimestamp"):
                    await self._delete(system)
            await self.pause(LOOK_SECONDS)
        return True

    async def _release(self, system: Mapping[str, Any]) -> None:
        """Take our finalizer off and leave others' on; somebody else's write in between changes nothing."""
        held = _held(system)
        if FINALIZER not in held.finalizers:
            return
        self.say(f"{held}: not torn down in time, released from {FINALIZER}")
        index = held.finalizers.index(FINALIZER)
        path = f"/metadata/finalizers/{index}"
        operations = [{"op": "test", "path": path, "value": FINALIZER}, {"op": "remove", "path": path}]
        try:
            await self.systems.patch(SYSTEM, held.namespace, held.name, operations, FIELD_MANAGER)
        except ApiError as error:
            # 404: gone meanwhile. 422: the test failed, because the list has changed: look again.
            if error.status == 404:
                return
            if error.status not in (409, 422):
                raise
            for current in await self._found():
                if current["metadata"]["uid"] == system["metadata"]["uid"]:
                    await self._release(current)


def _held(system: Mapping[str, Any]) -> Held:
    metadata = system["metadata"]
    return Held(metadata["namespace"], metadata["name"], tuple(metadata.get("finalizers") or ()))


async def _main(patience: float, namespaces: tuple[str, ...]) -> int:
    client = await Client.connect(kubeconfig=None, agent="allusesystem-operator-cleanup")
    try:
        cleanup = Cleanup(client, namespaces or (None,), _say, time.monotonic, asyncio.sleep)
        for left in await cleanup.run(patience):
            _say(f"{left}: still there, held by {', '.join(left.finalizers) or 'the API server'}")
    finally:
        await client.close()
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Exit status: see the module."""
    parser = argparse.ArgumentParser(prog="python3 -m alluse_operator.cleanup")
    parser.add_argument("--timeout", type=float, default=120, help="seconds to wait for ordered teardowns")
    parser.add_argument(
        "--namespace", action="append", default=[], metavar="NAME", help="only these; may be repeated"
    )
    options = parser.parse_args(arguments)
    try:
        return asyncio.run(_main(options.timeout, tuple(options.namespace)))
    except OperatorError as error:
        print(f"cannot take the AllUseSystems away: {error}", file=sys.stderr, flush=True)
        return 1


if __name__ == "__main__":
    sys.exit(main())
