"""An API server in memory, as far as the shell's unit tests need one: versions, uids, conflicts, and faults on order.

It has the methods of `cluster.client.Client`. Applying is merging: field ownership is the real server's matter
and is tested against it.
"""

from __future__ import annotations

import asyncio
import copy
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from alluse_operator.cluster.client import Listing
from alluse_operator.cluster.kinds import Kind
from alluse_operator.errors import ApiError, ApiUnreachable

Object = dict[str, Any]
#: Called before a request with verb, kind and name: raises what the server shall answer, or returns None.
Fault = Callable[[str, str, str], None]


@dataclass(frozen=True, slots=True)
class Request:
    verb: str
    kind: str
    name: str
    body: Any = None


@dataclass
class FakeApi:
    """The whole server."""

    objects: dict[tuple[str, str, str], Object] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    fault: Fault | None = None
    """Before the write takes effect."""
    fault_after: Fault | None = None
    """After it has taken effect: the answer is lost."""
    latency: float = 0.0
    _versions: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def writes(self) -> list[Request]:
        return [request for request in self.requests if request.verb not in ("GET", "LIST")]

    def put(self, kind: Kind, obj: Mapping[str, Any]) -> Object:
        """Store an object as if somebody had written it."""
        stored = copy.deepcopy(dict(obj))
        metadata = stored["metadata"]
        known = self.objects.get(self._at(kind, metadata["namespace"], metadata["name"]))
        version = next(self._versions)
        metadata["uid"] = metadata.get("uid") or (known["metadata"]["uid"] if known else f"uid-{version}")
        metadata["resourceVersion"] = str(version)
        stored["kind"], stored["apiVersion"] = kind.name, kind.api_version
        self.objects[self._at(kind, metadata["namespace"], metadata["name"])] = stored
        return copy.deepcopy(stored)

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Object:
        await self._enter("GET", kind, name)
        return copy.deepcopy(self._find(kind, namespace or "", name))

    async def list(self, kind: Kind, namespace: str | None, selector: str = "") -> Listing:
        await self._enter("LIST", kind, "")
        found = [
            copy.deepcopy(obj)
            for (plural, where, _), obj in self.objects.items()
            if plural == kind.plural and namespace in (None, where)
        ]
        return Listing(found, next(self._versions))

    async def apply(
        self,
        kind: Kind,
        body: Mapping[str, Any],
        manager: str,
        *,
        subresource: str | None = None,
        force: bool = True,
    ) -> Object:
        metadata = body["metadata"]
        await self._enter("APPLY", kind, metadata["name"], body)
        at = self._at(kind, metadata["namespace"], metadata["name"])
        known = self.objects.get(at)
        if known is None and subresource is not None:
            raise ApiError(404, "NotFound", f"{kind.plural} {metadata['name']} not found")
        if metadata.get("uid") and (known is None or known["metadata"]["uid"] != metadata["uid"]):
            raise ApiError(409, "Conflict", "uid mismatch")
        version = metadata.get("resourceVersion")
        if version and known is not None and known["metadata"]["resourceVersion"] != version:
            raise ApiError(409, "Conflict", "the object has been modified")
        if known is not None and not force and known.get("foreign"):
            raise ApiError(409, "Conflict", 'conflict with "kubectl"')
        merged = _merge(known or {}, {k: v for k, v in body.items() if k != "metadata"})
        merged["metadata"] = _merge(
            (known or {}).get("metadata") or {},
            {k: v for k, v in metadata.items() if k not in ("uid", "resourceVersion")},
        )
        stored = self.put(kind, merged)
        await self._leave("APPLY", kind, metadata["name"])
        return stored

    async def create(self, kind: Kind, body: Mapping[str, Any]) -> Object:
        metadata = body["metadata"]
        await self._enter("POST", kind, metadata["name"], body)
        if self._at(kind, metadata["namespace"], metadata["name"]) in self.objects:
            raise ApiError(409, "AlreadyExists", f"{metadata['name']} exists")
        stored = self.put(kind, body)
        await self._leave("POST", kind, metadata["name"])
        return stored

    async def replace(self, kind: Kind, body: Mapping[str, Any]) -> Object:
        metadata = body["metadata"]
        await self._enter("PUT", kind, metadata["name"], body)
        known = self._find(kind, metadata["namespace"], metadata["name"])
        if metadata.get("resourceVersion") != known["metadata"]["resourceVersion"]:
            raise ApiError(409, "Conflict", "the object has been modified")
        stored = self.put(kind, {**body, "metadata": {**metadata, "uid": known["metadata"]["uid"]}})
        await self._leave("PUT", kind, metadata["name"])
        return stored

    async def merge(
        self, kind: Kind, namespace: str, name: str, body: Mapping[str, Any], manager: str
    ) -> Object:
        await self._enter("PATCH", kind, name, body)
        stored = self.put(kind, _merge(self._find(kind, namespace, name), body))
        await self._leave("PATCH", kind, name)
        return stored

    async def patch(
        self, kind: Kind, namespace: str, name: str, operations: Sequence[Mapping[str, Any]], manager: str
    ) -> Object:
        """Only what is needed: `test` and `remove` of list items and scalars, `add` of members."""
        await self._enter("PATCH", kind, name, operations)
        obj = copy.deepcopy(self._find(kind, namespace, name))
        for operation in operations:
            *path, last = (part.replace("~1", "/") for part in operation["path"].strip("/").split("/"))
            holder: Any = obj
            for part in path:
                holder = holder[part]
            at: Any = int(last) if isinstance(holder, list) else last
            if isinstance(holder, list) and at >= len(holder):
                raise ApiError(422, "Invalid", "the path does not exist")
            if operation["op"] == "test" and holder[at] != operation["value"]:
                raise ApiError(422, "Invalid", "testing value failed")
            if operation["op"] == "remove" and isinstance(holder, dict) and at not in holder:
                raise ApiError(422, "Invalid", "the path does not exist")
            if operation["op"] == "remove":
                del holder[at]
            if operation["op"] == "add":
                holder[at] = operation["value"]
        stored = self.put(kind, obj)
        if stored["metadata"].get("deletionTimestamp") and not stored["metadata"].get("finalizers"):
            del self.objects[self._at(kind, namespace, name)]
        await self._leave("PATCH", kind, name)
        return stored

    async def delete(
        self, kind: Kind, namespace: str, name: str, *, uid: str | None = None, **_: Any
    ) -> Object:
        await self._enter("DELETE", kind, name)
        known = self._find(kind, namespace, name)
        if uid is not None and known["metadata"]["uid"] != uid:
            raise ApiError(409, "Conflict", "the uid in the precondition differs")
        del self.objects[self._at(kind, namespace, name)]
        await self._leave("DELETE", kind, name)
        return {"kind": "Status", "status": "Success"}

    async def evict(self, namespace: str, pod: str, *, uid: str, grace_seconds: int | None = None) -> Object:
        await self._enter("EVICT", Kind("", "v1", "pods", "Pod"), pod)
        key = ("pods", namespace, pod)
        if key not in self.objects or self.objects[key]["metadata"]["uid"] != uid:
            raise ApiError(404, "NotFound", f"pods {pod} not found")
        del self.objects[key]
        return {"kind": "Status", "status": "Success"}

    async def _enter(self, verb: str, kind: Kind, name: str, body: Any = None) -> None:
        self.requests.append(Request(verb, kind.name, name, copy.deepcopy(body)))
        await asyncio.sleep(self.latency)
        if self.fault is not None:
            self.fault(verb, kind.name, name)

    async def _leave(self, verb: str, kind: Kind, name: str) -> None:
        if self.fault_after is not None:
            self.fault_after(verb, kind.name, name)

    def _find(self, kind: Kind, namespace: str, name: str) -> Object:
        known = self.objects.get(self._at(kind, namespace, name))
        if known is None:
            raise ApiError(404, "NotFound", f'{kind.plural} "{name}" not found')
        return known

    @staticmethod
    def _at(kind: Kind, namespace: str, name: str) -> tuple[str, str, str]:
        return kind.plural, namespace, name


def failing(times: int, error: ApiError | None = None, *, verb: str = "", kind: str = "") -> Fault:
    """A fault for the first so many matching requests; without an error, no answer at all."""
    left = itertools.count(times, -1)

    def fault(seen_verb: str, seen_kind: str, name: str) -> None:
        if (verb and verb != seen_verb) or (kind and kind != seen_kind):
            return
        if next(left) > 0:
            raise error or ApiUnreachable("no answer")

    return fault


def _merge(base: Mapping[str, Any], patch: Mapping[str, Any]) -> Object:
    merged = copy.deepcopy(dict(base))
    for name, value in patch.items():
        if isinstance(value, Mapping) and isinstance(merged.get(name), Mapping):
            merged[name] = _merge(merged[name], value)
        else:
            merged[name] = copy.deepcopy(value)
    return merged
