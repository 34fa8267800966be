"""What alert-manager writes down: alerts, silences, rules, history, and notices that are not delivered yet.

A change, the events about it and the notices it causes are one transaction. The revision says whether a
board in memory is still what is written.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from alluse.domain.alerting import STORM_WINDOW, Board
from alluse.runtime.store import Migration
from alluse.schemas.alerts import Alert, Notice, Rule, Silence

MIGRATIONS: Final = (
    Migration(
        1,
        (
            "CREATE TABLE revision (number INTEGER NOT NULL) STRICT",
            "INSERT INTO revision VALUES (0)",
            "CREATE TABLE alerts (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID",
            "CREATE TABLE farewells (seq INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT",
            "CREATE TABLE history (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, body TEXT NOT NULL) STRICT",
            "CREATE INDEX history_id ON history (id, seq)",
            "CREATE TABLE silences (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID",
            "CREATE TABLE rules (position INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT",
            "CREATE TABLE deliveries (seq INTEGER PRIMARY KEY, channel TEXT NOT NULL, body TEXT NOT NULL, "
            "created REAL NOT NULL) STRICT",
            "CREATE INDEX deliveries_channel ON deliveries (channel, seq)",
        ),
    ),
)
MAX_HISTORY: Final = 1000
#: Notices waiting for one channel; beyond it the oldest go, they are in the history all the same.
MAX_WAITING: Final = 1000


def revision(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT number FROM revision").fetchone()[0])


def load(db: sqlite3.Connection, now: datetime) -> Board:
    """The board as it is written; what began within the last minute counts towards a storm."""
    alerts = [Alert.model_validate_json(row[0]) for row in db.execute("SELECT body FROM alerts ORDER BY id")]
    silences = [Silence.model_validate_json(row[0]) for row in db.execute("SELECT body FROM silences")]
    board = Board(
        alerts={alert.id: alert for alert in alerts},
        silences={silence.id: silence for silence in silences},
        farewells=[
            Alert.model_validate_json(row[0]) for row in db.execute("SELECT body FROM farewells ORDER BY seq")
        ],
    )
    board.beginnings.extend(
        sorted(alert.first_seen for alert in alerts if alert.first_seen > now - STORM_WINDOW)
    )
    return board


def save(
    db: sqlite3.Connection, board: Board, changed: Iterable[str], ended: Sequence[Alert], farewells: bool
) -> int:
    """Write what changed and return the new revision."""
    for id_ in changed:
        if (alert := board.alerts.get(id_)) is None:
            db.execute("DELETE FROM alerts WHERE id = ?", (id_,))
        else:
            db.execute("INSERT OR REPLACE INTO alerts VALUES (?, ?)", (id_, alert.model_dump_json()))
    db.executemany(
        "INSERT INTO history (id, body) VALUES (?, ?)",
        [(alert.id, alert.model_dump_json()) for alert in ended],
    )
    if ended:
        db.execute(
            "DELETE FROM history WHERE seq <= (SELECT seq FROM history ORDER BY seq DESC LIMIT 1 OFFSET ?)",
            (MAX_HISTORY,),
        )
    if farewells:
        db.execute("DELETE FROM farewells")
        db.executemany(
            "INSERT INTO farewells (body) VALUES (?)",
            [(alert.model_dump_json(),) for alert in board.farewells],
        )
    db.execute("UPDATE revision SET number = number + 1")
    return revision(db)


def history(db: sqlite3.Connection) -> list[Alert]:
    """Resolved alerts, newest first."""
    rows = db.execute("SELECT body FROM history ORDER BY seq DESC")
    return [Alert.model_validate_json(row[0]) for row in rows]


def last_of(db: sqlite3.Connection, id_: str) -> Alert | None:
    """The newest resolved alert of that id."""
    row = db.execute("SELECT body FROM history WHERE id = ? ORDER BY seq DESC LIMIT 1", (id_,)).fetchone()
    return None if row is None else Alert.model_validate_json(row[0])


def put_silence(db: sqlite3.Connection, silence: Silence) -> None:
    db.execute("INSERT OR REPLACE INTO silences VALUES (?, ?)", (silence.id, silence.model_dump_json()))


def keep_silences(db: sqlite3.Connection, ids: Iterable[str]) -> None:
    """Forget the silences that are not among these."""
    db.execute("DELETE FROM silences WHERE id NOT IN (SELECT value FROM json_each(?))", (_json(ids),))


def rules(db: sqlite3.Connection) -> list[Rule]:
    """The rules that people have set; none means the packaged ones."""
    return [
        Rule.model_validate_json(row[0]) for row in db.execute("SELECT body FROM rules ORDER BY position")
    ]


def put_rules(db: sqlite3.Connection, wanted: Sequence[Rule]) -> None:
    db.execute("DELETE FROM rules")
    db.executemany("INSERT INTO rules (body) VALUES (?)", [(rule.model_dump_json(),) for rule in wanted])


def enqueue(db: sqlite3.Connection, channels: Iterable[str], notice: Notice, created: float) -> None:
    """Put a notice in the queue of each channel."""
    body = notice.model_dump_json()
    for channel in channels:
        db.execute(
            "INSERT INTO deliveries (channel, body, created) VALUES (?, ?, ?)", (channel, body, created)
        )
        db.execute(
            "DELETE FROM deliveries WHERE channel = ? AND seq <= (SELECT seq FROM deliveries "
            "WHERE channel = ? ORDER BY seq DESC LIMIT 1 OFFSET ?)",
            (channel, channel, MAX_WAITING),
        )


def next_delivery(db: sqlite3.Connection, channel: str) -> tuple[int, Notice, float] | None:
    """The oldest notice that waits for a channel: number, notice, Unix time it was put there."""
    row = db.execute(
        "SELECT seq, body, created FROM deliveries WHERE channel = ? ORDER BY seq LIMIT 1", (channel,)
    ).fetchone()
    if row is None:
        return None
    return int(row["seq"]), Notice.model_validate_json(row["body"]), float(row["created"])


def delivered(db: sqlite3.Connection, seq: int) -> None:
    db.execute("DELETE FROM deliveries WHERE seq = ?", (seq,))


def _json(values: Iterable[str]) -> str:
    return json.dumps(list(values))
