"""What portfolio-risk-monitor remembers: watched portfolios with their peaks, results and alerts.

Every function works inside a transaction of the store: what one of them wrote is there together with the
events that tell of it, or not at all.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from alluse.domain.drawdown import moved_peak
from alluse.runtime.store import Migration
from alluse.schemas.common import Portfolio
from alluse.schemas.risk import AlertEntry, Assessment, Breach, HistoryEntry, WatchRequest

MIGRATIONS = (
    Migration(
        1,
        (
            "CREATE TABLE watched (portfolio_id TEXT PRIMARY KEY, portfolio TEXT NOT NULL, "
            "peak REAL NOT NULL, net_flows REAL NOT NULL, pending_flow REAL NOT NULL, "
            "revision INTEGER NOT NULL, updated_at TEXT NOT NULL, assessed_at TEXT, "
            "assessment TEXT, problem TEXT) STRICT",
            "CREATE TABLE results (seq INTEGER PRIMARY KEY, portfolio_id TEXT NOT NULL "
            "REFERENCES watched ON DELETE CASCADE, body TEXT NOT NULL) STRICT",
            "CREATE INDEX results_portfolio ON results (portfolio_id, seq)",
            "CREATE TABLE alerts (seq INTEGER PRIMARY KEY, portfolio_id TEXT NOT NULL "
            "REFERENCES watched ON DELETE CASCADE, body TEXT NOT NULL) STRICT",
            "CREATE INDEX alerts_portfolio ON alerts (portfolio_id, seq)",
        ),
    ),
)
MAX_RESULTS = 1000
MAX_ALERTS = 100


@dataclass(frozen=True, slots=True)
class Watched:
    """One watched portfolio. `pending_flow`: announced by the ledger, not yet seen in a value (USD)."""

    portfolio: Portfolio
    peak: float
    net_flows: float
    pending_flow: float
    revision: int
    updated_at: datetime
    assessed_at: datetime | None
    assessment: Assessment | None
    problem: str | None

    @property
    def portfolio_id(self) -> str:
        return self.portfolio.portfolio_id


def updated(before: Watched | None, request: WatchRequest, at: datetime) -> Watched:
    """The record after its owner reported how it stands; deposits and withdrawals move the peak."""
    portfolio = Portfolio.model_validate(request.model_dump(exclude={"net_flows"}))
    value, given = request.total_value, request.peak_value or 0.0
    if before is None:
        flows = request.net_flows or 0.0
        return Watched(portfolio, max(value, given, 0.0), flows, 0.0, 1, at, None, None, None)
    if request.net_flows is None:
        flow, flows = before.pending_flow, before.net_flows + before.pending_flow
    else:
        flow, flows = request.net_flows - before.net_flows, request.net_flows
    return replace(
        before,
        portfolio=portfolio,
        peak=max(moved_peak(before.peak, value, flow), value, given),
        net_flows=flows,
        pending_flow=0.0,
        revision=before.revision + 1,
        updated_at=at,
    )


def load(db: sqlite3.Connection, portfolio_id: str) -> Watched | None:
    row = db.execute("SELECT * FROM watched WHERE portfolio_id = ?", (portfolio_id,)).fetchone()
    return None if row is None else _watched(row)


def load_all(db: sqlite3.Connection) -> list[Watched]:
    return [_watched(row) for row in db.execute("SELECT * FROM watched ORDER BY portfolio_id")]


def save(db: sqlite3.Connection, watched: Watched) -> None:
    columns = (
        watched.portfolio_id,
        watched.portfolio.model_dump_json(),
        watched.peak,
        watched.net_flows,
        watched.pending_flow,
        watched.revision,
        watched.updated_at.isoformat(),
        watched.assessed_at.isoformat() if watched.assessed_at else None,
        watched.assessment.model_dump_json(by_alias=True) if watched.assessment else None,
        watched.problem,
    )
    marks = ", ".join("?" * len(columns))
    # Not REPLACE: that would delete the row first, and its results with it.
    db.execute(
        f"INSERT INTO watched VALUES ({marks}) ON CONFLICT (portfolio_id) DO UPDATE SET "  # noqa: S608
        "portfolio = excluded.portfolio, peak = excluded.peak, net_flows = excluded.net_flows, "
        "pending_flow = excluded.pending_flow, revision = excluded.revision, "
        "updated_at = excluded.updated_at, assessed_at = excluded.assessed_at, "
        "assessment = excluded.assessment, problem = excluded.problem",
        columns,
    )


def remove(db: sqlite3.Connection, portfolio_id: str) -> bool:
    """Whether there was one to remove."""
    return db.execute("DELETE FROM watched WHERE portfolio_id = ?", (portfolio_id,)).rowcount > 0


def announce_flow(db: sqlite3.Connection, portfolio_id: str, usd: float) -> bool:
    """Note a deposit or withdrawal that the next value will contain; false for one that is not watched."""
    changed = db.execute(
        "UPDATE watched SET pending_flow = pending_flow + ? WHERE portfolio_id = ?", (usd, portfolio_id)
    )
    return changed.rowcount > 0


def add_result(db: sqlite3.Connection, portfolio_id: str, entry: HistoryEntry) -> None:
    _append(db, "results", portfolio_id, entry.model_dump_json(), MAX_RESULTS)


def add_alerts(db: sqlite3.Connection, portfolio_id: str, entries: Sequence[AlertEntry]) -> None:
    for entry in entries:
        _append(db, "alerts", portfolio_id, entry.model_dump_json(), MAX_ALERTS)


def results(db: sqlite3.Connection, portfolio_id: str, count: int) -> list[HistoryEntry]:
    """The latest results, newest first."""
    rows = _latest(db, "results", portfolio_id, count)
    return [HistoryEntry.model_validate_json(body) for body in rows]


def alerts(db: sqlite3.Connection, portfolio_id: str, count: int) -> list[AlertEntry]:
    """The latest alerts, newest first."""
    return [AlertEntry.model_validate_json(body) for body in _latest(db, "alerts", portfolio_id, count)]


def breaches_of(watched: Watched) -> list[Breach]:
    return watched.assessment.breaches if watched.assessment else []


def _append(db: sqlite3.Connection, table: str, portfolio_id: str, body: str, most: int) -> None:
    db.execute(f"INSERT INTO {table} (portfolio_id, body) VALUES (?, ?)", (portfolio_id, body))  # noqa: S608
    db.execute(
        f"DELETE FROM {table} WHERE portfolio_id = ? AND seq <= (SELECT seq FROM {table} "  # noqa: S608
        "WHERE portfolio_id = ? ORDER BY seq DESC LIMIT 1 OFFSET ?)",
        (portfolio_id, portfolio_id, most),
    )


def _latest(db: sqlite3.Connection, table: str, portfolio_id: str, count: int) -> list[str]:
    rows = db.execute(
        f"SELECT body FROM {table} WHERE portfolio_id = ? ORDER BY seq DESC LIMIT ?",  # noqa: S608
        (portfolio_id, count),
    )
    return [row["body"] for row in rows]


def _watched(row: sqlite3.Row) -> Watched:
    assessed, body = row["assessed_at"], row["assessment"]
    return Watched(
        portfolio=Portfolio.model_validate_json(row["portfolio"]),
        peak=row["peak"],
        net_flows=row["net_flows"],
        pending_flow=row["pending_flow"],
        revision=row["revision"],
        updated_at=datetime.fromisoformat(row["updated_at"]),
        assessed_at=datetime.fromisoformat(assessed) if assessed else None,
        assessment=Assessment.model_validate_json(body) if body else None,
        problem=row["problem"],
    )
