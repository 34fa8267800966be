"""The runtime's own tables in a component's store."""

from typing import Final

from alluse.runtime.store import Migration

MIGRATIONS: Final = (
    Migration(
        1,
        (
            "CREATE TABLE runtime_outbox (seq INTEGER PRIMARY KEY, consumer TEXT NOT NULL, "
            "type TEXT NOT NULL, body TEXT NOT NULL, created REAL NOT NULL) STRICT",
            "CREATE INDEX runtime_outbox_consumer ON runtime_outbox (consumer, seq)",
            "CREATE TABLE runtime_dead (seq INTEGER PRIMARY KEY, consumer TEXT NOT NULL, type TEXT NOT NULL, "
            "body TEXT NOT NULL, created REAL NOT NULL, died REAL NOT NULL, reason TEXT NOT NULL) STRICT",
            "CREATE TABLE runtime_inbox (id TEXT PRIMARY KEY, at REAL NOT NULL) STRICT, WITHOUT ROWID",
            "CREATE INDEX runtime_inbox_at ON runtime_inbox (at)",
            "CREATE TABLE runtime_idempotency (key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, "
            "status INTEGER NOT NULL, headers TEXT NOT NULL, body BLOB NOT NULL, at REAL NOT NULL) STRICT",
            "CREATE INDEX runtime_idempotency_at ON runtime_idempotency (at)",
        ),
    ),
)
