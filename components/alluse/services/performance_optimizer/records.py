"""What performance-optimizer writes down: its runs, and what it measured when a change was made."""

import json
import sqlite3
from typing import Final

from alluse.domain.tuning_exposition import Snapshot
from alluse.runtime.store import Migration
from alluse.schemas.performance import Change, Run, RunState

MIGRATIONS: Final = (
    Migration(
        1,
        (
            "CREATE TABLE runs (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, state TEXT NOT NULL, "
            "body TEXT NOT NULL, baselines TEXT NOT NULL) STRICT",
            "CREATE INDEX runs_state ON runs (state)",
        ),
    ),
)
MAX_RUNS: Final = 500


def add(db: sqlite3.Connection, run: Run) -> None:
    """Write a new run; the oldest ones go."""
    db.execute(
        "INSERT INTO runs (id, state, body, baselines) VALUES (?, ?, ?, '{}')",
        (run.run_id, run.state.value, _body(run)),
    )
    db.execute(
        "DELETE FROM runs WHERE seq <= (SELECT seq FROM runs ORDER BY seq DESC LIMIT 1 OFFSET ?)", (MAX_RUNS,)
    )


def update(db: sqlite3.Connection, run: Run) -> None:
    db.execute("UPDATE runs SET state = ?, body = ? WHERE id = ?", (run.state.value, _body(run), run.run_id))


def put_baselines(db: sqlite3.Connection, run_id: str, baselines: dict[str, Snapshot]) -> None:
    """Keep the counters of the moment at which a run's changes were made."""
    text = json.dumps({name: found.to_json() for name, found in baselines.items()})
    db.execute("UPDATE runs SET baselines = ? WHERE id = ?", (text, run_id))


def baselines(db: sqlite3.Connection, run_id: str) -> dict[str, Snapshot]:
    row = db.execute("SELECT baselines FROM runs WHERE id = ?", (run_id,)).fetchone()
    found = json.loads(row[0]) if row is not None else {}
    return {name: Snapshot.from_json(data) for name, data in found.items()}


def load(db: sqlite3.Connection, run_id: str) -> Run | None:
    row = db.execute("SELECT body FROM runs WHERE id = ?", (run_id,)).fetchone()
    return None if row is None else Run.model_validate_json(row[0])


def latest(db: sqlite3.Connection, count: int) -> list[Run]:
    """Newest first."""
    rows = db.execute("SELECT body FROM runs ORDER BY seq DESC LIMIT ?", (count,))
    return [Run.model_validate_json(row[0]) for row in rows]


def validating(db: sqlite3.Connection) -> list[Run]:
    """Runs whose changes are being watched, oldest first."""
    rows = db.execute("SELECT body FROM runs WHERE state = ? ORDER BY seq", (RunState.VALIDATING.value,))
    return [Run.model_validate_json(row[0]) for row in rows]


def kept_changes(db: sqlite3.Connection) -> list[Change]:
    """The changes that stayed, oldest first."""
    rows = db.execute("SELECT body FROM runs WHERE state = ? ORDER BY seq", (RunState.DONE.value,))
    runs = [Run.model_validate_json(row[0]) for row in rows]
    return [change for run in runs for change in run.optimizations_applied if change.kept]


def _body(run: Run) -> str:
    return run.model_dump_json(by_alias=True)
