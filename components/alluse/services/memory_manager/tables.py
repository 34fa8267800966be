"""The tables of memory-manager, and what was answered under which key.

A change and the answer to its Idempotency-Key are written in one transaction: whoever repeats a request after
the process died in the middle of it gets the answer of the first time, or does it for the first time.
"""

import hashlib
import sqlite3
import time
from collections.abc import Callable
from typing import Final

from pydantic import BaseModel

from alluse.runtime.errors import InvalidRequestError
from alluse.runtime.store import Migration

REMEMBER_S: Final = 24 * 3600
MAX_KEY: Final = 128

MIGRATIONS: Final = (
    Migration(
        1,
        (
            "CREATE TABLE users (user_id TEXT PRIMARY KEY, since TEXT NOT NULL, "
            "user_messages INTEGER NOT NULL DEFAULT 0, agent_messages INTEGER NOT NULL DEFAULT 0, "
            "decisions INTEGER NOT NULL DEFAULT 0) STRICT",
            "CREATE TABLE messages (seq INTEGER PRIMARY KEY, user_id TEXT NOT NULL REFERENCES users, "
            "at TEXT NOT NULL, role TEXT NOT NULL, content TEXT NOT NULL, session_id TEXT NOT NULL, "
            "intent TEXT, entities TEXT, confidence REAL) STRICT",
            "CREATE INDEX messages_user ON messages (user_id, seq)",
            "CREATE TABLE decisions (seq INTEGER PRIMARY KEY, user_id TEXT NOT NULL REFERENCES users, "
            "turn_id TEXT NOT NULL, at TEXT NOT NULL, intent TEXT NOT NULL, body TEXT NOT NULL) STRICT",
            "CREATE INDEX decisions_user ON decisions (user_id, seq)",
            "CREATE TABLE accounts (account_id TEXT PRIMARY KEY, user_id TEXT NOT NULL REFERENCES users, "
            "place INTEGER NOT NULL, opened_at TEXT NOT NULL, type TEXT NOT NULL, balance INTEGER NOT NULL "
            "CHECK (balance >= 0), base INTEGER NOT NULL, peak INTEGER NOT NULL, set_id TEXT NOT NULL, "
            "parent TEXT, contracts INTEGER NOT NULL, leaps INTEGER NOT NULL, income INTEGER NOT NULL, "
            "net_flows INTEGER NOT NULL, reinvested TEXT, closed INTEGER NOT NULL) STRICT",
            "CREATE INDEX accounts_user ON accounts (user_id, place)",
            "CREATE TABLE entries (seq INTEGER PRIMARY KEY, user_id TEXT NOT NULL REFERENCES users, "
            "account_id TEXT NOT NULL REFERENCES accounts, at TEXT NOT NULL, kind TEXT NOT NULL, "
            "amount INTEGER NOT NULL, balance INTEGER NOT NULL, set_aside INTEGER NOT NULL, "
            "ref TEXT NOT NULL, grp TEXT NOT NULL) STRICT",
            "CREATE INDEX entries_user ON entries (user_id, seq)",
            "CREATE INDEX entries_account ON entries (account_id, seq)",
            "CREATE TABLE snapshots (user_id TEXT NOT NULL REFERENCES users, day TEXT NOT NULL, "
            "value INTEGER NOT NULL, flow INTEGER NOT NULL, PRIMARY KEY (user_id, day)) STRICT, "
            "WITHOUT ROWID",
            "CREATE TABLE preferences (user_id TEXT NOT NULL REFERENCES users, name TEXT NOT NULL, "
            "value TEXT NOT NULL, PRIMARY KEY (user_id, name)) STRICT, WITHOUT ROWID",
            "CREATE TABLE weeks (user_id TEXT PRIMARY KEY REFERENCES users, value TEXT NOT NULL, "
            "as_of TEXT NOT NULL, source TEXT NOT NULL) STRICT",
            "CREATE TABLE explained (user_id TEXT NOT NULL REFERENCES users, term TEXT NOT NULL, "
            "PRIMARY KEY (user_id, term)) STRICT, WITHOUT ROWID",
            "CREATE TABLE answers (user_id TEXT NOT NULL, operation TEXT NOT NULL, key TEXT NOT NULL, "
            "fingerprint TEXT NOT NULL, body TEXT NOT NULL, at REAL NOT NULL, "
            "PRIMARY KEY (user_id, operation, key)) STRICT, WITHOUT ROWID",
            "CREATE INDEX answers_at ON answers (at)",
            "CREATE TABLE signals (kind TEXT NOT NULL, subject TEXT NOT NULL, at TEXT NOT NULL, "
            "data TEXT NOT NULL, PRIMARY KEY (kind, subject)) STRICT, WITHOUT ROWID",
            "CREATE TABLE probe (id INTEGER PRIMARY KEY CHECK (id = 1), at REAL NOT NULL) STRICT",
        ),
    ),
)

#: Tables that hold rows of a user, in the order in which they can be emptied.
OF_USERS: Final = (
    "answers",
    "explained",
    "weeks",
    "preferences",
    "snapshots",
    "entries",
    "accounts",
    "decisions",
    "messages",
    "users",
)


def once(
    db: sqlite3.Connection,
    user_id: str,
    operation: str,
    key: str,
    request: bytes,
    work: Callable[[], BaseModel],
) -> bytes:
    """The answer of `work` as JSON, or that of the first request under the same key.

    Raises InvalidRequestError for an unusable key or one that was used for another body.
    """
    if not key:
        return work().model_dump_json().encode()
    if not key.isascii() or not key.isprintable() or len(key) > MAX_KEY:
        raise InvalidRequestError.field(
            "Idempotency-Key", f"must be at most {MAX_KEY} printable ASCII characters"
        )
    fingerprint, now = hashlib.sha256(request).hexdigest(), time.time()
    row = db.execute(
        "SELECT fingerprint, body FROM answers WHERE user_id = ? AND operation = ? AND key = ? AND at >= ?",
        (user_id, operation, key, now - REMEMBER_S),
    ).fetchone()
    if row is not None:
        if row["fingerprint"] != fingerprint:
            raise InvalidRequestError.field(
                "Idempotency-Key", "was used for another request body; use a new key for a new request"
            )
        return str(row["body"]).encode()
    body = work().model_dump_json()
    db.execute("DELETE FROM answers WHERE at < ?", (now - REMEMBER_S,))
    db.execute(
        "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?)",
        (user_id, operation, key, fingerprint, body, now),
    )
    return body.encode()


def know(db: sqlite3.Connection, user_id: str, at: str) -> None:
    """Make sure that the user has a row."""
    db.execute("INSERT OR IGNORE INTO users (user_id, since) VALUES (?, ?)", (user_id, at))


def erase(db: sqlite3.Connection, user_id: str) -> dict[str, int]:
    """Delete everything of a user; returns the number of rows by table."""
    db.execute(
        "DELETE FROM signals WHERE subject IN (SELECT account_id FROM accounts WHERE user_id = ?)", (user_id,)
    )
    db.execute("DELETE FROM runtime_dead WHERE json_extract(body, '$.subject') = ?", (user_id,))
    return {
        table: db.execute(f"DELETE FROM {table} WHERE user_id = ?", (user_id,)).rowcount  # noqa: S608
        for table in OF_USERS
    }
