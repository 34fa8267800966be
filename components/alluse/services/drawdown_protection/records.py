"""What drawdown-protection remembers: the state of each portfolio and its changes of level.

Losing a peak would disarm the protection: a state is written in the transaction that answers for it.
"""

import sqlite3
from collections.abc import Sequence

from alluse.runtime.store import Migration
from alluse.schemas.drawdown import Change, Protection

MIGRATIONS = (
    Migration(
        1,
        (
            "CREATE TABLE protection (portfolio_id TEXT PRIMARY KEY, state TEXT NOT NULL) STRICT",
            "CREATE TABLE changes (seq INTEGER PRIMARY KEY, portfolio_id TEXT NOT NULL "
            "REFERENCES protection ON DELETE CASCADE, body TEXT NOT NULL) STRICT",
            "CREATE INDEX changes_portfolio ON changes (portfolio_id, seq)",
        ),
    ),
)
MAX_CHANGES = 1000


def load(db: sqlite3.Connection, portfolio_id: str) -> Protection | None:
    row = db.execute("SELECT state FROM protection WHERE portfolio_id = ?", (portfolio_id,)).fetchone()
    return None if row is None else Protection.model_validate_json(row["state"])


def load_all(db: sqlite3.Connection) -> list[Protection]:
    rows = db.execute("SELECT state FROM protection ORDER BY portfolio_id")
    return [Protection.model_validate_json(row["state"]) for row in rows]


def save(db: sqlite3.Connection, state: Protection, changes: Sequence[Change] = ()) -> None:
    """Write a state and append the changes that led to it."""
    db.execute(
        "INSERT INTO protection VALUES (?, ?) "
        "ON CONFLICT (portfolio_id) DO UPDATE SET state = excluded.state",
        (state.portfolio_id, state.model_dump_json()),
    )
    for change in changes:
        db.execute(
            "INSERT INTO changes (portfolio_id, body) VALUES (?, ?)",
            (state.portfolio_id, change.model_dump_json()),
        )
    if changes:
        db.execute(
            "DELETE FROM changes WHERE portfolio_id = ? AND seq <= (SELECT seq FROM changes "
            "WHERE portfolio_id = ? ORDER BY seq DESC LIMIT 1 OFFSET ?)",
            (state.portfolio_id, state.portfolio_id, MAX_CHANGES),
        )


def remove(db: sqlite3.Connection, portfolio_id: str) -> None:
    """Forget a portfolio and its changes."""
    db.execute("DELETE FROM changes WHERE portfolio_id = ?", (portfolio_id,))
    db.execute("DELETE FROM protection WHERE portfolio_id = ?", (portfolio_id,))


def changes_of(db: sqlite3.Connection, portfolio_id: str, count: int) -> list[Change]:
    """The latest changes, newest first."""
    rows = db.execute(
        "SELECT body FROM changes WHERE portfolio_id = ? ORDER BY seq DESC LIMIT ?", (portfolio_id, count)
    )
    return [Change.model_validate_json(row["body"]) for row in rows]
