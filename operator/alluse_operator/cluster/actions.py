"""One action of a plan: its writes in their order, and what an answer means.

* 409: what was planned on is not what is there. The object is read again, and the next pass plans anew.
* 404 on a delete, an eviction or a scaling down, or another uid: somebody was faster; success.
* anything else that is no success is raised, and becomes the action's outcome.
"""

from __future__ import annotations

from typing import Any

from alluse_operator.api import names
from alluse_operator.cluster.client import Client
from alluse_operator.cluster.kinds import BY_NAME, CONTROLLER_REVISION, POD, SYSTEM
from alluse_operator.cluster.mirror import Key, Mirror
from alluse_operator.cluster.writes import Writes
from alluse_operator.core import history, kept
from alluse_operator.core.actions import (
    Action,
    Apply,
    Delete,
    KeepRevision,
    Recover,
    RemoveFinalizer,
    ScaleDown,
    SetFinalizer,
)
from alluse_operator.core.applied import applied_by
from alluse_operator.core.desired import Identity
from alluse_operator.core.objects import Object, mapping_at, uid_of
from alluse_operator.core.ownership import owns
from alluse_operator.errors import ApiError
from alluse_operator.resources.metadata import is_sealed


class Actions:
    """How each kind of action is done."""

    def __init__(self, client: Client, mirror: Mirror, writes: Writes) -> None:
        self._client = client
        self._mirror = mirror
        self._writes = writes

    async def do(self, key: Key, identity: Identity, action: Action) -> None:
        """Raises ApiError for what was not done, NotLeading when the lease is lost on the way."""
        match action:
            case Apply():
                await self._apply(key, identity, action)
            case Delete():
                await self._delete(key, action)
            case ScaleDown():
                await self._scale_down(key, action)
            case Recover():
                await self._recover(key, action)
            case KeepRevision():
                await self._keep(key, action)
            case SetFinalizer():
                await self._set_finalizer(key)
            case RemoveFinalizer():
                await self._remove_finalizer(key)

    async def _apply(self, key: Key, identity: Identity, action: Apply) -> None:
        """What is ours is taken back by force; what seems not to be there is made without, lest it is
        another's.
        """
        kind = BY_NAME[action.ref.kind]
        body = _with_uid(action.obj, action.live_uid) if action.live_uid else action.obj
        force = bool(action.live_uid)
        try:
            answer = await self._writes.send(
                lambda: self._client.apply(kind, body, names.FIELD_MANAGER, force=force)
            )
        except ApiError as error:
            if error.status not in (404, 409):
                raise
            current = await self._writes.refresh(kind, key, action.ref.name, action.live_uid)
            if force or current is None:
                raise
            if not owns(identity, current):
                raise ApiError(
                    403,
                    "NotOurs",
                    f"{action.ref} exists and belongs to somebody else: rename or remove it",
                ) from error
            body = _with_uid(action.obj, uid_of(current))
            answer = await self._writes.send(lambda: self._client.apply(kind, body, names.FIELD_MANAGER))
        self._writes.learn(key, kind, answer)

    async def _delete(self, key: Key, action: Delete) -> None:
        kind = BY_NAME[action.ref.kind]
        try:
            answer = await self._writes.send(
                lambda: self._client.delete(
                    kind,
                    key.namespace,
                    action.ref.name,
                    uid=action.uid,
                    propagation=action.propagation.value,
                    grace_seconds=action.grace_seconds,
                )
            )
        except ApiError as error:
            if error.status not in (404, 409):
                raise
            await self._writes.refresh(kind, key, action.ref.name, action.uid)
            return
        if answer.get("kind") == kind.name:
            self._mirror.wrote(kind, answer)
        else:
            self._mirror.removed(kind, action.uid)
            self._writes.surprise(key)

    async def _scale_down(self, key: Key, action: ScaleDown) -> None:
        kind = BY_NAME[action.ref.kind]
        operations: list[dict[str, Any]] = [
            {"op": "test", "path": "/metadata/uid", "value": action.uid},
            {"op": "add", "path": "/spec/replicas", "value": 0},
        ]
        try:
            answer = await self._writes.send(
                lambda: self._client.patch(
                    kind, key.namespace, action.ref.name, operations, names.FIELD_MANAGER
                )
            )
        except ApiError as error:
            if error.status not in (404, 409, 422):
                raise
            current = await self._writes.refresh(kind, key, action.ref.name, action.uid)
            # 422: the test has failed, it is another one by that name; or somebody's policy forbids it.
            if error.status == 422 and current is not None and uid_of(current) == action.uid:
                raise
            return
        self._writes.learn(key, kind, answer)

    async def _recover(self, key: Key, action: Recover) -> None:
        """Record first, then act: see the action."""
        kind = BY_NAME[action.workload.kind]
        if not action.resume:
            record: dict[str, Any] = {
                "apiVersion": kind.api_version,
                "kind": kind.name,
                "metadata": {
                    "name": action.workload.name,
                    "namespace": key.namespace,
                    "uid": action.workload_uid,
                    "resourceVersion": action.resource_version,
                    "annotations": {names.RECOVERY_ANNOTATION: history.render(action.history, action.debts)},
                },
            }
            if action.template:
                record["spec"] = {"template": dict(action.template)}
            try:
                answer = await self._writes.send(
                    lambda: self._client.apply(kind, record, names.RECOVERY_FIELD_MANAGER)
                )
            except ApiError as error:
                if error.status in (404, 409):
                    await self._writes.refresh(kind, key, action.workload.name, action.workload_uid)
                raise
            self._writes.learn(key, kind, answer)
        if action.rollback is not None:
            body = _with_uid(action.rollback, action.workload_uid)
            try:
                answer = await self._writes.send(lambda: self._client.apply(kind, body, names.FIELD_MANAGER))
            except ApiError as error:
                if error.status in (404, 409):
                    await self._writes.refresh(kind, key, action.workload.name, action.workload_uid)
                raise
            self._writes.learn(key, kind, answer)
        for target in action.evict:
            try:
                await self._writes.send(
                    lambda target=target: self._client.evict(  # type: ignore[misc]
                        key.namespace, target.name, uid=target.uid
                    )
                )
            except ApiError as error:
                if error.status not in (404, 409):
                    raise
                await self._writes.refresh(POD, key, target.name, target.uid)

    async def _keep(self, key: Key, action: KeepRevision) -> None:
        """Ask for the workload with its field managers, which the mirror leaves out, and keep our part of it.

        Of a revision that is kept already, with other content around the same pods, the newer is kept: the
        data of a ControllerRevision cannot be changed.
        """
        kind = BY_NAME[action.workload.kind]
        live = await self._writes.send(lambda: self._client.get(kind, key.namespace, action.workload.name))
        rendering = applied_by(names.FIELD_MANAGER, live)
        same = uid_of(live) == action.workload_uid and _revision(live) == _revision(action.obj)
        if not same:
            self._writes.learn(key, kind, live)
            raise ApiError(409, "Conflict", f"{action.workload} is another one than was planned on")
        data = kept.as_kept(rendering) if rendering is not None else None
        if data is None or not is_sealed(data):
            if action.again:
                await self._has_not_come_back(key, action)
            return
        body = {**action.obj, "data": data}

        async def apply() -> dict[str, Any]:
            return await self._writes.send(
                lambda: self._client.apply(CONTROLLER_REVISION, body, names.FIELD_MANAGER)
            )

        try:
            answer = await apply()
        except ApiError as error:
            if error.status != 422:
                raise
            name = body["metadata"]["name"]
            old = await self._writes.send(lambda: self._client.get(CONTROLLER_REVISION, key.namespace, name))
            uid = old["metadata"]["uid"]
            await self._writes.send(
                lambda: self._client.delete(CONTROLLER_REVISION, key.namespace, name, uid=uid)
            )
            self._mirror.removed(CONTROLLER_REVISION, uid)
            answer = await apply()
        self._writes.learn(key, CONTROLLER_REVISION, answer)

    async def _has_not_come_back(self, key: Key, action: KeepRevision) -> None:
        """The workload is no longer said to have come back from another revision."""
        kind = BY_NAME[action.workload.kind]
        mark = names.ROLLED_BACK_FROM_ANNOTATION
        operations = [
            {"op": "test", "path": "/metadata/uid", "value": action.workload_uid},
            {"op": "remove", "path": f"/metadata/annotations/{mark.replace('/', '~1')}"},
        ]
        try:
            answer = await self._writes.send(
                lambda: self._client.patch(
                    kind, key.namespace, action.workload.name, operations, names.FIELD_MANAGER
                )
            )
        except ApiError as error:
            if error.status not in (404, 409, 422):
                raise
            uid = action.workload_uid
            current = await self._writes.refresh(kind, key, action.workload.name, uid)
            same = current is not None and uid_of(current) == uid
            # 422: it is another one, or the mark is off already; or somebody's policy forbids it.
            if error.status == 422 and same and mark in mapping_at(current or {}, "metadata", "annotations"):
                raise
            return
        self._writes.learn(key, kind, answer)

    async def _set_finalizer(self, key: Key) -> None:
        system = self._mirror.system(key)
        if system is None:
            return
        body = {
            "apiVersion": SYSTEM.api_version,
            "kind": SYSTEM.name,
            "metadata": {
                "name": key.name,
                "namespace": key.namespace,
                "uid": system["metadata"]["uid"],
                "finalizers": [names.FINALIZER],
            },
        }
        answer = await self._writes.send(lambda: self._client.apply(SYSTEM, body, names.FIELD_MANAGER))
        self._mirror.wrote(SYSTEM, answer)

    async def _remove_finalizer(self, key: Key) -> None:
        """By JSON patch on the position where it was seen; if that has moved, look again."""
        system = self._mirror.system(key)
        for _ in range(self._writes.retries.attempts):
            finalizers = list((system or {}).get("metadata", {}).get("finalizers") or ())
            if system is None or names.FINALIZER not in finalizers:
                return
            path = f"/metadata/finalizers/{finalizers.index(names.FINALIZER)}"
            operations = [
                {"op": "test", "path": "/metadata/uid", "value": system["metadata"]["uid"]},
                {"op": "test", "path": path, "value": names.FINALIZER},
                {"op": "remove", "path": path},
            ]
            try:
                answer = await self._writes.send(
                    lambda operations=operations: self._client.patch(  # type: ignore[misc]
                        SYSTEM, key.namespace, key.name, operations, names.FIELD_MANAGER
                    )
                )
            except ApiError as error:
                if error.status not in (404, 409, 422):
                    raise
                uid = system["metadata"]["uid"]
                await self._writes.refresh(SYSTEM, key, key.name, uid)
                system = self._mirror.system(key)
                if system is not None and system["metadata"]["uid"] != uid:
                    return
                continue
            metadata = answer["metadata"]
            if metadata.get("deletionTimestamp") and not metadata.get("finalizers"):
                self._mirror.removed(SYSTEM, metadata["uid"])
                self._writes.surprise(key)
            else:
                self._mirror.wrote(SYSTEM, answer)
            return
        raise ApiError(409, "Conflict", f"the finalizer of {key} could not be taken off: it keeps changing")


def _revision(obj: Object) -> object:
    return mapping_at(obj, "metadata", "annotations").get(names.REVISION_ANNOTATION)


def _with_uid(obj: Object, uid: str) -> dict[str, Any]:
    return {**obj, "metadata": {**obj["metadata"], "uid": uid}}
