"""Messages, decisions, preferences and weeks in the store."""

import json
import sqlite3
from datetime import date, timedelta

from alluse.domain.conversation import topics_of
from alluse.schemas.memory import (
    MAX_MESSAGES,
    Message,
    MessageRequest,
    Role,
    Signal,
    StoredDecision,
    TurnRequest,
)
from alluse.schemas.users import PreferencesPatch, WeekClass
from alluse.services.memory_manager.tables import know

MAX_DECISIONS = 1000
#: A week's class is of no use when it is older.
WEEK_DAYS = 7


def add_message(db: sqlite3.Connection, user_id: str, message: MessageRequest, at: str) -> Message:
    """Append a message; only the latest `MAX_MESSAGES` of a user are kept, all are counted."""
    know(db, user_id, at)
    cursor = db.execute(
        "INSERT INTO messages (user_id, at, role, content, session_id, intent, entities, confidence) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            user_id,
            at,
            message.role,
            message.content,
            message.session_id,
            message.intent,
            None if message.entities is None else json.dumps(message.entities),
            message.confidence,
        ),
    )
    column = "user_messages" if message.role is Role.USER else "agent_messages"
    db.execute(f"UPDATE users SET {column} = {column} + 1 WHERE user_id = ?", (user_id,))  # noqa: S608
    _trim(db, "messages", user_id, MAX_MESSAGES)
    return Message(seq=cursor.lastrowid or 0, at=at, **message.model_dump())


def add_decision(db: sqlite3.Connection, user_id: str, turn: TurnRequest, at: str) -> None:
    db.execute(
        "INSERT INTO decisions (user_id, turn_id, at, intent, body) VALUES (?, ?, ?, ?, ?)",
        (user_id, turn.turn_id, at, turn.intent, turn.decision.model_dump_json()),
    )
    db.execute("UPDATE users SET decisions = decisions + 1 WHERE user_id = ?", (user_id,))
    _trim(db, "decisions", user_id, MAX_DECISIONS)


def _trim(db: sqlite3.Connection, table: str, user_id: str, keep: int) -> None:
    db.execute(
        f"DELETE FROM {table} WHERE user_id = ? AND seq <= (SELECT seq FROM {table} "  # noqa: S608
        "WHERE user_id = ? ORDER BY seq DESC LIMIT 1 OFFSET ?)",
        (user_id, user_id, keep),
    )


def load_messages(
    db: sqlite3.Connection,
    user_id: str,
    limit: int = MAX_MESSAGES,
    q: str | None = None,
    topic: str | None = None,
    session_id: str | None = None,
) -> list[Message]:
    """The latest messages that match, oldest first."""
    rows = db.execute(
        "SELECT * FROM messages WHERE user_id = ? AND (? IS NULL OR session_id = ?) ORDER BY seq DESC",
        (user_id, session_id, session_id),
    )
    found = []
    for row in rows:
        if q is not None and q.casefold() not in row["content"].casefold():
            continue
        if topic is not None and topic not in topics_of(row["content"]):
            continue
        found.append(_message(row))
        if len(found) == limit:
            break
    return found[::-1]


def _message(row: sqlite3.Row) -> Message:
    return Message(
        seq=row["seq"],
        at=row["at"],
        role=row["role"],
        content=row["content"],
        session_id=row["session_id"],
        intent=row["intent"],
        entities=None if row["entities"] is None else json.loads(row["entities"]),
        confidence=row["confidence"],
    )


def counts(db: sqlite3.Connection, user_id: str) -> tuple[int, int, int]:
    """Messages of the user, messages of the agent, decisions: all ever counted."""
    row = db.execute(
        "SELECT user_messages, agent_messages, decisions FROM users WHERE user_id = ?", (user_id,)
    ).fetchone()
    return (0, 0, 0) if row is None else (row[0], row[1], row[2])


def load_decisions(db: sqlite3.Connection, user_id: str, limit: int = MAX_DECISIONS) -> list[StoredDecision]:
    """The latest decisions, newest first."""
    rows = db.execute("SELECT * FROM decisions WHERE user_id = ? ORDER BY seq DESC LIMIT ?", (user_id, limit))
    return [
        StoredDecision(
            turn_id=row["turn_id"], at=row["at"], intent=row["intent"], **_without_confidence(row["body"])
        )
        for row in rows
    ]


def _without_confidence(body: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(body)
    found.pop("confidence", None)
    return found


def set_week(db: sqlite3.Connection, user_id: str, value: str, as_of: date, at: str) -> WeekClass:
    know(db, user_id, at)
    db.execute("INSERT OR REPLACE INTO weeks VALUES (?, ?, ?, 'user')", (user_id, value, as_of.isoformat()))
    return WeekClass(value=value, as_of=as_of)


def load_week(db: sqlite3.Connection, user_id: str, today: date) -> WeekClass | None:
    """The week's class, unless it is older than `WEEK_DAYS`."""
    row = db.execute("SELECT value, as_of, source FROM weeks WHERE user_id = ?", (user_id,)).fetchone()
    if row is None or today - date.fromisoformat(row["as_of"]) > timedelta(days=WEEK_DAYS):
        return None
    return WeekClass(value=row["value"], as_of=row["as_of"], source=row["source"])


def patch_preferences(db: sqlite3.Connection, user_id: str, patch: PreferencesPatch, at: str) -> None:
    """Write the stated preferences; a null one is forgotten."""
    know(db, user_id, at)
    for name, value in patch.model_dump(mode="json", exclude_unset=True).items():
        if value is None:
            db.execute("DELETE FROM preferences WHERE user_id = ? AND name = ?", (user_id, name))
        else:
            db.execute(
                "INSERT OR REPLACE INTO preferences VALUES (?, ?, ?)", (user_id, name, json.dumps(value))
            )


def load_preferences(db: sqlite3.Connection, user_id: str) -> dict[str, str | float]:
    """Stated preferences by name."""
    rows = db.execute("SELECT name, value FROM preferences WHERE user_id = ? ORDER BY name", (user_id,))
    return {row["name"]: json.loads(row["value"]) for row in rows}


def add_explained(db: sqlite3.Connection, user_id: str, terms: list[str]) -> None:
    db.executemany("INSERT OR IGNORE INTO explained VALUES (?, ?)", [(user_id, term) for term in terms])


def load_explained(db: sqlite3.Connection, user_id: str) -> list[str]:
    rows = db.execute("SELECT term FROM explained WHERE user_id = ? ORDER BY term", (user_id,))
    return [row["term"] for row in rows]


def put_signal(db: sqlite3.Connection, kind: str, subject: str, at: str, data: dict[str, object]) -> None:
    db.execute("INSERT OR REPLACE INTO signals VALUES (?, ?, ?, ?)", (kind, subject, at, json.dumps(data)))


def load_signals(db: sqlite3.Connection, subjects: list[str]) -> list[Signal]:
    """Signals about these accounts, and about every symbol's condition."""
    return [
        Signal(kind=row["kind"], subject=row["subject"], at=row["at"], data=json.loads(row["data"]))
        for row in db.execute("SELECT * FROM signals ORDER BY kind, subject")
        if row["kind"] == "market" or row["subject"] in subjects
    ]
