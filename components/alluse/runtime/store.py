"""A component's SQLite file: one connection in one thread, versioned schema, backup and restore.

The file uses a write-ahead log. With `durable` every commit is flushed to the disk (synchronous=FULL), so
that what was answered with success survives a power failure; without it, commits survive the death of the
process (NORMAL). Migrations run in one transaction each, and the reached version is kept in the file, per
owner: the runtime's own tables and the component's are migrated independently.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from alluse.runtime.group_commit import GroupCommit

T = TypeVar("T")

_BUSY_MS: Final = 3000
_VERSIONS: Final = (
    "CREATE TABLE IF NOT EXISTS runtime_schema (owner TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT"
)


class StoreError(Exception):
    """The file cannot be used; says which and why."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of a store's schema: statements that lead from version `version - 1` to `version`."""

    version: int
    statements: tuple[str, ...]


class Store:
    """Access to the file for asynchronous code: `write` is one transaction, `read` sees one state."""

    def __init__(self, path: Path, durable: bool = False) -> None:
        self.path = path
        self._durable = durable
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._connection: sqlite3.Connection | None = None
        self._writes = GroupCommit(self._thread, self._db)

    async def open(self, schemas: dict[str, Sequence[Migration]]) -> None:
        """Open or create the file and bring each owner's tables to their newest version.

        Raises StoreError; calling again tries again.
        """
        await self._run(lambda: self._open(schemas))

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` as a transaction: committed when this returns, undone when it raises."""
        result: T = await self._writes.run(work)
        return result

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work`, which must not change anything."""
        return await self._run(lambda: work(self._db()))

    async def close(self) -> None:
        await self._run(self._close)
        self._thread.shutdown(wait=True)

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _db(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreError(f"{self.path} is not open")
        return self._connection

    def _open(self, schemas: dict[str, Sequence[Migration]]) -> None:
        if self._connection is not None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"cannot open {self.path}: {error}") from None
        try:
            prepare(db, schemas, self._durable)
        except sqlite3.Error as error:
            db.close()
            raise StoreError(f"{self.path}: {error}") from None
        except StoreError:
            db.close()
            raise
        self._connection = db

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def prepare(db: sqlite3.Connection, schemas: dict[str, Sequence[Migration]], durable: bool) -> None:
    """Set a connection up, check the file and migrate it.

    Raises StoreError for a damaged file or one written by a newer version, sqlite3.Error otherwise.
    """
    db.row_factory = sqlite3.Row
    db.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    db.execute("PRAGMA foreign_keys = ON")
    db.execute("PRAGMA cache_size = -1024")
    if (found := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        raise StoreError(f"the file is damaged ({found}); restore a backup")
    db.execute(_VERSIONS)
    for owner, migrations in schemas.items():
        _migrate(db, owner, migrations)


def schema_version(db: sqlite3.Connection, owner: str) -> int:
    """The version of an owner's tables in this file; 0 for none."""
    row = db.execute("SELECT version FROM runtime_schema WHERE owner = ?", (owner,)).fetchone()
    return int(row[0]) if row else 0


def _migrate(db: sqlite3.Connection, owner: str, migrations: Sequence[Migration]) -> None:
    versions = [migration.version for migration in migrations]
    if versions != list(range(1, len(versions) + 1)):
        raise StoreError(f"migrations of {owner} must be numbered 1, 2, 3 …, not {versions}")
    present = schema_version(db, owner)
    if present > len(versions):
        raise StoreError(
            f"the tables of {owner} have version {present}, this program knows {len(versions)}: "
            "run the newer program, or restore a backup of the older one"
        )
    for migration in migrations[present:]:
        db.execute("BEGIN IMMEDIATE")
        try:
            for statement in migration.statements:
                db.execute(statement)
            db.execute(
                "INSERT OR REPLACE INTO runtime_schema VALUES (?, ?)",
                (owner, migration.version),
            )
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            raise


def backup(source: Path, target: Path) -> None:
    """Copy a store, consistent even while a component writes to it. Raises StoreError."""
    if not source.is_file():
        raise StoreError(f"there is no store at {source}")
    partial = target.with_name(f"{target.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        with closing(sqlite3.connect(source)) as from_, closing(sqlite3.connect(partial)) as to:
            from_.backup(to)
        _check(partial)
        partial.replace(target)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"cannot back {source} up to {target}: {error}") from None
    finally:
        partial.unlink(missing_ok=True)


def restore(source: Path, target: Path) -> None:
    """Put a backup in the place of a store that no component has open. Raises StoreError, also when one has:
    it would go on writing into a file that is no longer there.

    The store that was there is kept beside it as `<name>.before-restore`.
    """
    _check(source)
    if _in_use(target):
        raise StoreError(f"{target} is in use: stop the component, then restore")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"{target.name}.partial")
        partial.unlink(missing_ok=True)
        with closing(sqlite3.connect(source)) as from_, closing(sqlite3.connect(partial)) as to:
            from_.backup(to)
        if target.exists():
            _keep(target, target.with_name(f"{target.name}.before-restore"))
        for suffix in ("-wal", "-shm"):
            target.with_name(f"{target.name}{suffix}").unlink(missing_ok=True)
        partial.replace(target)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"cannot restore {source} to {target}: {error}") from None


def _keep(target: Path, kept: Path) -> None:
    """A copy of the store that is replaced; of a damaged one the file as it is."""
    try:
        backup(target, kept)
    except StoreError:
        target.replace(kept)


def _in_use(path: Path) -> bool:
    """Whether a process has the store open: it then holds a lock that a change of journal mode needs."""
    if not path.is_file():
        return False
    try:
        with closing(sqlite3.connect(path, timeout=0)) as db:
            db.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.OperationalError as error:
        return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
    except sqlite3.Error:
        # It is damaged, which is why something is to be put in its place.
        return False
    return False


def _check(path: Path) -> None:
    """Raise StoreError unless the file is a whole store."""
    if not path.is_file():
        raise StoreError(f"there is no backup at {path}")
    try:
        with closing(sqlite3.connect(path)) as db:
            found = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
            tables = db.execute(
                "SELECT count(*) FROM sqlite_master WHERE name = 'runtime_schema'"
            ).fetchone()[0]
    except sqlite3.Error as error:
        raise StoreError(f"{path} is not a store: {error}") from None
    if found != "ok":
        raise StoreError(f"{path} is damaged: {found}")
    if not tables:
        raise StoreError(f"{path} is not a store of a component")
