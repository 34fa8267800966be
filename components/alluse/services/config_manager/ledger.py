"""What config-manager remembers: the overrides and the last hundred revisions, in its store."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from alluse.runtime.logs import now
from alluse.runtime.store import Migration
from alluse.schemas.config import Change, Override, Revision

KEEP: Final = 100

MIGRATIONS: Final = (
    Migration(
        1,
        (
            "CREATE TABLE overrides (key TEXT PRIMARY KEY, value TEXT NOT NULL, reason TEXT NOT NULL, "
            "since TEXT NOT NULL) STRICT",
            "CREATE TABLE revisions (revision INTEGER PRIMARY KEY, at TEXT NOT NULL, reason TEXT NOT NULL, "
            "changes TEXT NOT NULL, leaves TEXT NOT NULL) STRICT",
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Remembered:
    """The state at a start: overrides, the newest revision (0 for none) and its leaves."""

    overrides: dict[str, Override]
    revision: int
    leaves: dict[str, Any]


def remember(db: sqlite3.Connection) -> Remembered:
    """Read the overrides and the newest revision."""
    overrides = {
        row["key"]: Override(
            key=row["key"], value=json.loads(row["value"]), reason=row["reason"], since=row["since"]
        )
        for row in db.execute("SELECT * FROM overrides ORDER BY key")
    }
    row = db.execute("SELECT revision, leaves FROM revisions ORDER BY revision DESC LIMIT 1").fetchone()
    return Remembered(overrides, *((row["revision"], json.loads(row["leaves"])) if row else (0, {})))


def put_override(db: sqlite3.Connection, override: Override) -> None:
    db.execute(
        "INSERT OR REPLACE INTO overrides VALUES (?, ?, ?, ?)",
        (override.key, json.dumps(override.value), override.reason, override.since),
    )


def drop_override(db: sqlite3.Connection, key: str) -> None:
    db.execute("DELETE FROM overrides WHERE key = ?", (key,))


def add_revision(
    db: sqlite3.Connection, revision: int, reason: str, changes: list[Change], leaves: Mapping[str, Any]
) -> None:
    """Keep a revision and forget all but the last `KEEP`."""
    db.execute(
        "INSERT INTO revisions VALUES (?, ?, ?, ?, ?)",
        (
            revision,
            now(),
            reason,
            json.dumps([change.model_dump() for change in changes]),
            json.dumps(dict(leaves)),
        ),
    )
    db.execute("DELETE FROM revisions WHERE revision <= ?", (revision - KEEP,))


def revisions(db: sqlite3.Connection, since: int = 0) -> list[Revision]:
    """The remembered revisions after `since`, oldest first."""
    return [
        Revision(
            revision=row["revision"],
            at=row["at"],
            reason=row["reason"],
            changes=[Change(**change) for change in json.loads(row["changes"])],
        )
        for row in db.execute("SELECT * FROM revisions WHERE revision > ? ORDER BY revision", (since,))
    ]
