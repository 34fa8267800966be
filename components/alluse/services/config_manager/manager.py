"""The configuration in force: one validated revision at a time, replaced as a whole or not at all."""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any, Final

from alluse import contract
from alluse.runtime.context import Context
from alluse.runtime.errors import (
    CheckDegradedError,
    InvalidRequestError,
    NotFoundError,
    PreconditionFailedError,
)
from alluse.runtime.logs import now
from alluse.runtime.packaged import reads
from alluse.schemas.config import Change, Changes, Override, OverrideAnswer
from alluse.services.config_manager import ledger
from alluse.services.config_manager.layers import (
    MASK,
    OVERRIDES,
    SECRETS,
    Effective,
    Layer,
    LayerError,
    assemble,
    file_layers,
    packaged_layers,
    variable_layer,
)

#: Revisions of which the changes are kept in memory for the watch.
_WATCHED: Final = 100


class Manager:
    """Holds the present revision, makes the next ones and wakes those who watch."""

    def __init__(self, context: Context["Manager"]) -> None:
        self._context = context
        self._environment = context.identity.environment
        self._changing = asyncio.Lock()
        self._changed = asyncio.Event()
        self._history: dict[int, list[Change]] = {}
        self._fingerprint: tuple[Any, ...] = ()
        self._files: list[Layer] = []
        #: Why the files in the directory are not the ones in force; empty when they are.
        self.problem = ""
        self.overrides: dict[str, Override] = {}
        self.revision = 0
        self.effective: Effective

    async def open(self) -> None:
        """Read everything for the first time. Raises LayerError when there is no valid configuration."""
        remembered = await self._context.store.read(ledger.remember)
        self.overrides, self.revision = dict(remembered.overrides), remembered.revision
        for revision in await self._context.store.read(ledger.revisions):
            self._history[revision.revision] = revision.changes
        self._fingerprint = self._look()
        self._files = file_layers(self._context.identity.config_dir, self._environment)
        try:
            effective = self._assemble(self._files, self.overrides)
        except LayerError as error:
            # Files are the truth and overrides additions: one that no longer fits must not stop us.
            effective = self._assemble(self._files, {})
            self.problem = f"overrides are set aside: {error}"
            self._context.log.error("overrides are set aside", error=str(error))
        changes = _differences(remembered.leaves, effective.leaves)
        if changes or not self.revision:
            await self._commit(effective, changes, "start", lambda db: None)
        else:
            self._take(effective)

    async def reload_if_changed(self) -> None:
        """Look at the files; take them when they changed and are valid, else keep the last good ones."""
        fingerprint = await asyncio.to_thread(self._look)
        if fingerprint == self._fingerprint:
            return
        async with self._changing:
            self._fingerprint = fingerprint
            try:
                files = await asyncio.to_thread(
                    file_layers, self._context.identity.config_dir, self._environment
                )
                effective = self._assemble(files, self.overrides)
            except LayerError as error:
                self.problem = f"the files are not valid, revision {self.revision} stays in force: {error}"
                self._context.log.error("configuration files refused", error=str(error))
                return
            self._files, self.problem = files, ""
            if changes := _differences(self.effective.leaves, effective.leaves):
                await self._commit(effective, changes, "files changed", lambda db: None)
            else:
                self._take(effective)

    async def put(self, key: str, value: Any, reason: str, if_match: str) -> OverrideAnswer:
        """Set an override. Raises ApiError for an unknown key, a bad value or another revision."""
        async with self._changing:
            self._check_revision(if_match)
            if key not in self.effective.leaves:
                below = [leaf for leaf in self.effective.leaves if leaf.startswith(f"{key}.")]
                hint = (
                    f"it is a section; set one of its {len(below)} keys" if below else "there is no such key"
                )
                raise InvalidRequestError.field(key, hint)
            override = Override(key=key, value=value, reason=reason, since=now())
            overrides = {**self.overrides, key: override}
            effective = self._valid(overrides)
            return await self._change(
                key, effective, overrides, reason, lambda db: ledger.put_override(db, override)
            )

    async def drop(self, key: str, if_match: str) -> OverrideAnswer:
        """Take an override away. Raises ApiError when there is none or the revision is another."""
        async with self._changing:
            self._check_revision(if_match)
            if key not in self.overrides:
                raise NotFoundError(f"{key} has no override")
            overrides = {name: override for name, override in self.overrides.items() if name != key}
            effective = self._valid(overrides)
            return await self._change(
                key,
                effective,
                overrides,
                f"override of {key} removed",
                lambda db: ledger.drop_override(db, key),
            )

    async def watch(self, since: int, timeout_s: float) -> Changes | None:
        """What changed since a revision; waits for a change, None when there was none in the time."""
        if since == self.revision and not await self._change_within(timeout_s):
            return None
        return self._changes_since(since)

    async def _change_within(self, timeout_s: float) -> bool:
        """Whether there was a change before the time was over or the process was told to stop."""
        waits = [asyncio.create_task(event.wait()) for event in (self._changed, self._context.stopping)]
        try:
            await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            return waits[0].done()
        finally:
            for wait in waits:
                wait.cancel()

    def component_values(self, component: str) -> dict[str, Any]:
        """Leaves that a component reads, without secrets."""
        return {
            key: value
            for key, value in self.effective.leaves.items()
            if key not in SECRETS and reads(component, key)
        }

    def check_files(self) -> str:
        """Detail for the health report. Raises CheckDegradedError while bad files are kept out."""
        if self.problem:
            raise CheckDegradedError(self.problem)
        return f"revision {self.revision}, {len(self.overrides)} override(s)"

    def _changes_since(self, since: int) -> Changes:
        missing = range(since + 1, self.revision + 1)
        complete = since <= self.revision and all(revision in self._history for revision in missing)
        merged: dict[str, Change] = {}
        for revision in missing if complete else ():
            for change in self._history[revision]:
                first = merged.get(change.key, change)
                merged[change.key] = Change(key=change.key, old=first.old, new=change.new)
        return Changes(revision=self.revision, complete=complete, changes=list(merged.values()))

    def _check_revision(self, if_match: str) -> None:
        wanted = if_match.strip().removeprefix("W/").strip('"')
        if wanted and wanted != "*" and wanted != str(self.revision):
            raise PreconditionFailedError(
                f"the configuration is at revision {self.revision}, If-Match wants {wanted}: "
                "read it again and decide anew"
            )

    def _valid(self, overrides: Mapping[str, Override]) -> Effective:
        try:
            return self._assemble(self._files, overrides)
        except LayerError as error:
            raise InvalidRequestError(str(error), error.problems) from None

    def _assemble(self, files: list[Layer], overrides: Mapping[str, Override]) -> Effective:
        layers = [
            *packaged_layers(self._environment),
            *files,
            variable_layer(self._context.identity.variables),
            Layer(OVERRIDES, {key: override.value for key, override in overrides.items()}),
        ]
        return assemble(layers, self._environment)

    async def _change(
        self,
        key: str,
        effective: Effective,
        overrides: dict[str, Override],
        reason: str,
        record: Callable[[sqlite3.Connection], None],
    ) -> OverrideAnswer:
        old = self.effective.leaves.get(key)
        if changes := _differences(self.effective.leaves, effective.leaves):
            await self._commit(effective, changes, reason, record)
        else:
            await self._context.store.write(record)
            self._take(effective)
        self.overrides = overrides
        if self.problem.startswith("overrides are set aside"):
            self.problem = ""
        return OverrideAnswer(revision=self.revision, key=key, old=old, new=effective.leaves.get(key))

    async def _commit(
        self,
        effective: Effective,
        changes: list[Change],
        reason: str,
        record: Callable[[sqlite3.Connection], None],
    ) -> None:
        """Make the next revision: stored, announced and in force, or none of it."""
        revision = self.revision + 1
        shown = [masked_change(change) for change in changes]
        event = {
            "revision": revision,
            "keys": [change.key for change in changes][:_WATCHED],
            "old_revision": self.revision,
            "reason": reason,
        }

        def write(db: sqlite3.Connection) -> None:
            record(db)
            ledger.add_revision(db, revision, reason, shown, masked(effective.leaves))
            self._context.events.enqueue(db, "config.changed", event)

        await self._context.store.write(write)
        self.revision = revision
        self._history[revision] = shown
        self._history.pop(revision - _WATCHED, None)
        self._take(effective)
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        self._context.log.info(
            "configuration changed", revision_taken=revision, keys=len(changes), reason=reason
        )

    def _take(self, effective: Effective) -> None:
        self.effective = effective
        self._context.config.take(effective.tree, self.revision, contract.CONFIG_MANAGER)
        self._context.metrics.gauge(
            contract.METRIC_CONFIG_REVISION, "Revision of the configuration in use"
        ).set(self.revision)

    def _look(self) -> tuple[Any, ...]:
        """Something that differs when the files differ."""
        directory = self._context.identity.config_dir
        found = []
        for name in ("base.yaml", f"{self._environment}.yaml", contract.CONFIG_FILE):
            try:
                stat = (directory / name).stat()
            except OSError:
                found.append((name, 0, 0, 0))
            else:
                found.append((name, stat.st_mtime_ns, stat.st_size, stat.st_ino))
        return tuple(found)


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Keys whose values differ; a secret is compared by nothing but its presence in memory."""
    return [
        Change(key=key, old=old.get(key), new=new.get(key))
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key) and not (key in SECRETS and old.get(key) == MASK)
    ]


def masked(leaves: Mapping[str, Any]) -> dict[str, Any]:
    """The leaves with secrets that are set replaced."""
    return {key: MASK if key in SECRETS and value else value for key, value in leaves.items()}


def masked_change(change: Change) -> Change:
    """A change that may be shown."""
    if change.key not in SECRETS:
        return change
    return Change(
        key=change.key, old=MASK if change.old else change.old, new=MASK if change.new else change.new
    )
