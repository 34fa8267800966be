"""One-minute roll-ups on disk: what lasts longer than an hour, and longer than the process."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from alluse.runtime.store import Migration
from alluse.services.metrics_collector.exposition import Labels
from alluse.services.metrics_collector.series import Minute, SeriesKey

STEP_S: Final = 60

MIGRATIONS: Final = (
    Migration(
        1,
        (
            "CREATE TABLE series (id INTEGER PRIMARY KEY, name TEXT NOT NULL, labels TEXT NOT NULL, "
            "unit TEXT NOT NULL, UNIQUE (name, labels)) STRICT",
            "CREATE TABLE rollup (series INTEGER NOT NULL, minute INTEGER NOT NULL, min REAL NOT NULL, "
            "max REAL NOT NULL, avg REAL NOT NULL, count INTEGER NOT NULL, last REAL NOT NULL, "
            "PRIMARY KEY (series, minute)) STRICT, WITHOUT ROWID",
        ),
    ),
)


class Rollup(NamedTuple):
    """One minute of one series."""

    minute: int
    min: float
    max: float
    avg: float
    points: int
    last: float


def write(
    db: sqlite3.Connection, minute: int, values: Mapping[SeriesKey, Minute], units: Mapping[SeriesKey, str]
) -> None:
    """Keep a minute (Unix time / 60) of many series; a second part of the same minute is added to it."""
    rows = []
    for key, value in values.items():
        text = _text(key.labels)
        db.execute(
            "INSERT INTO series (name, labels, unit) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (key.name, text, units.get(key, "")),
        )
        (id_,) = db.execute(
            "SELECT id FROM series WHERE name = ? AND labels = ?", (key.name, text)
        ).fetchone()
        rows.append((id_, minute, value.min, value.max, value.sum / value.count, value.count, value.last))
    db.executemany(
        "INSERT INTO rollup VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (series, minute) DO UPDATE SET "
        "min = min(min, excluded.min), max = max(max, excluded.max), "
        "avg = (avg * count + excluded.avg * excluded.count) / (count + excluded.count), "
        "count = count + excluded.count, last = excluded.last",
        rows,
    )


def forget(db: sqlite3.Connection, before_minute: int) -> None:
    """Drop what is older than a minute, and series that have nothing left."""
    db.execute("DELETE FROM rollup WHERE minute < ?", (before_minute,))
    db.execute("DELETE FROM series WHERE id NOT IN (SELECT series FROM rollup)")


def read(
    db: sqlite3.Connection, name: str | None, wanted: Labels, since_minute: int, limit: int
) -> list[tuple[SeriesKey, str, list[Rollup]]]:
    """Roll-ups from a minute on, with units, of at most `limit` series of a name (None: of all)."""
    found = []
    rows = db.execute(
        "SELECT * FROM series WHERE ?1 IS NULL OR name = ?1 ORDER BY name, labels", (name,)
    ).fetchall()
    for row in rows:
        key = SeriesKey(row["name"], tuple((label, value) for label, value in json.loads(row["labels"])))
        if not key.matches(row["name"], wanted):
            continue
        rollups = [
            Rollup(*values)
            for values in db.execute(
                "SELECT minute, min, max, avg, count, last FROM rollup WHERE series = ? AND minute >= ? "
                "ORDER BY minute",
                (row["id"], since_minute),
            )
        ]
        if rollups:
            found.append((key, row["unit"], rollups))
        if len(found) >= limit:
            break
    return found


def _text(labels: Iterable[tuple[str, str]]) -> str:
    return json.dumps([list(label) for label in labels])
