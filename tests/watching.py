"""Looking at a control plane from a test: systems, children, and waiting for what shall come true."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from alluse_operator.api import names
from alluse_operator.cluster.kinds import CHILDREN, EVENT, SYSTEM, Kind
from apiserver import ApiServer, Object, system

Found = TypeVar("Found")

SELECTOR = f"{names.SYSTEM_LABEL}={{system}}"
LOOK_AGAIN_SECONDS = 0.1
#: Only for what never comes: how long things take is measured elsewhere, on a machine that does nothing else.
PATIENCE_SECONDS = 90.0


class Watcher:
    """One system in one namespace, seen and handled as its administrator."""

    def __init__(self, api: ApiServer, namespace: str, name: str = "demo") -> None:
        self.api = api
        self.namespace = namespace
        self.name = name

    # -- acting ------------------------------------------------------------------------------------------------

    def create(self, spec: Object) -> Object:
        answer = self.api.create(system(spec, self.name), self.namespace)
        assert answer.ok, answer.message
        return answer.body

    def edit(self, patch: Object) -> Object:
        return self.patch(SYSTEM, self.name, patch)

    def patch(self, kind: Kind, name: str, patch: Object, subresource: str | None = None) -> Object:
        path = kind.path(self.namespace, name, subresource)
        answer = self.api.request("PATCH", path, patch, "application/merge-patch+json")
        assert answer.ok, answer.message
        return answer.body

    def delete(self, kind: Kind = SYSTEM, name: str | None = None) -> None:
        answer = self.api.request("DELETE", kind.path(self.namespace, name or self.name))
        assert answer.ok or answer.status == 404, answer.message

    # -- seeing ------------------------------------------------------------------------------------------------

    def get(self, kind: Kind = SYSTEM, name: str | None = None) -> Object | None:
        answer = self.api.request("GET", kind.path(self.namespace, name or self.name))
        assert answer.ok or answer.status == 404, answer.message
        return answer.body if answer.ok else None

    def status(self) -> Object:
        return (self.get() or {}).get("status") or {}

    def condition(self, kind: str) -> Object:
        found = [row for row in self.status().get("conditions") or () if row["type"] == kind]
        return found[0] if found else {}

    def component(self, name: str) -> Object:
        found = [row for row in self.status().get("components") or () if row["name"] == name]
        return found[0] if found else {}

    def list(self, kind: Kind) -> list[Object]:
        selector = SELECTOR.format(system=self.name)
        answer = self.api.request("GET", f"{kind.path(self.namespace)}?labelSelector={selector}")
        assert answer.ok, answer.message
        return answer.body["items"]

    def children(self) -> Iterator[tuple[Kind, Object]]:
        for kind in CHILDREN:
            for obj in self.list(kind):
                yield kind, obj

    def refs(self) -> list[str]:
        return sorted(f"{kind.name}/{obj['metadata']['name']}" for kind, obj in self.children())

    def workload(self, kind: Kind, component: str) -> Object | None:
        return self.get(kind, f"{self.name}-{component}")

    def events(self) -> list[Object]:
        answer = self.api.request("GET", EVENT.path(self.namespace))
        assert answer.ok, answer.message
        return [event for event in answer.body["items"] if event["involvedObject"]["kind"] == names.KIND]

    def told(self, reason: str) -> list[Object]:
        """The Events of that reason. They follow the status that tells the same: wait for them."""
        return [event for event in self.events() if event["reason"] == reason]

    def ready(self) -> bool:
        resource = self.get() or {}
        status = resource.get("status") or {}
        ready = {row["type"]: row["status"] for row in status.get("conditions") or ()}.get("Ready")
        return (
            status.get("observedGeneration") == resource.get("metadata", {}).get("generation")
            and ready == "True"
        )

    # -- waiting -----------------------------------------------------------------------------------------------

    def until(self, seen: Callable[[], Found], what: str, seconds: float = PATIENCE_SECONDS) -> Found:
        """The first true answer; when none comes, a picture of what there is."""
        deadline = time.monotonic() + seconds
        while not (found := seen()):
            assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s\n{self.picture()}"
            time.sleep(LOOK_AGAIN_SECONDS)
        return found

    def until_ready(self, seconds: float = PATIENCE_SECONDS) -> None:
        self.until(self.ready, f"{self.namespace}/{self.name} is ready", seconds)

    def until_gone(self, seconds: float = PATIENCE_SECONDS) -> None:
        self.until(
            lambda: self.get() is None and not self.refs(), "the system and all it had are gone", seconds
        )

    def picture(self) -> str:
        events = [f"{e['reason']} x{e.get('count')}: {e['message'][:200]}" for e in self.events()]
        status: Any = json.dumps(self.status(), indent=1)
        return "\n".join([status, *self.refs(), *events])
