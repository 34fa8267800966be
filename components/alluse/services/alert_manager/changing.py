"""The board and how it is changed: with all that follows, in one transaction."""

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, TypeVar

from alluse.domain import alerting
from alluse.domain.alerting import Board, Draft
from alluse.domain.alerting_rules import Pending
from alluse.runtime.context import Context
from alluse.runtime.events import uuid7
from alluse.schemas.alerts import Notice
from alluse.schemas.common import Severity
from alluse.services.alert_manager import records
from alluse.services.alert_manager.channels import configured
from alluse.services.alert_manager.delivery import Delivery

KEY_ENABLED: Final = "monitoring.alerts.enabled"
KEY_LEVELS: Final = "monitoring.alerts.severity_levels"

T = TypeVar("T")


@dataclass(slots=True)
class State:
    """The board as of a revision of the store, the deliveries, and how the last evaluation went."""

    delivery: Delivery
    board: Board = field(default_factory=Board)
    #: Revision that `board` is; -1 for none. Both belong to the store's thread.
    revision: int = -1
    pending: Pending = field(default_factory=dict)
    #: Why the last evaluation could not be made; empty when it could.
    problem: str = "the rules have not been evaluated yet"
    evaluated_at: float = 0.0


async def change(context: Context[State], work: Callable[[Board, sqlite3.Connection, datetime], T]) -> T:
    """Change the board and let its consequences follow, all in one transaction."""
    now = datetime.now(UTC)
    levels = _levels(context)
    channels = configured(context)
    state = context.state

    def transaction(db: sqlite3.Connection) -> tuple[T, bool]:
        if state.revision != (written := records.revision(db)):
            # A change that failed half-way leaves a board that is not what is written; its clocks go on.
            since, beginnings = state.board.group_since, state.board.beginnings
            state.board = records.load(db, now)
            state.board.group_since, state.board.beginnings = since, beginnings
        board = state.board
        state.revision = -1  # Until the end: what is half done is not to be used.
        farewells, silences = list(board.farewells), set(board.silences)
        result = work(board, db, now)
        drafts = alerting.tick(board, now, levels)
        changed, ended, told = board.take_changes()
        for draft in drafts:
            notice = make_notice(context, draft, now)
            wanted = ("log",) if draft.severity is Severity.INFO else channels
            records.enqueue(db, wanted, notice, time.time())
        for each in told:
            data = {"alert": each.alert.model_dump(mode="json")}
            context.events.enqueue(db, f"alert.{each.what}", data, subject=each.alert.id)
        if silences != set(board.silences):
            records.keep_silences(db, board.silences)
        if changed or ended or farewells != board.farewells or silences != set(board.silences):
            written = records.save(db, board, changed, ended, farewells != board.farewells)
        state.revision = written
        return result, bool(drafts)

    result, notices = await context.store.write(transaction)
    if notices:
        state.delivery.wake()
    return result


def _levels(context: Context[State]) -> tuple[Severity, ...]:
    if not context.config.flag(KEY_ENABLED):
        return ()
    return tuple(Severity(level) for level in context.config.strings(KEY_LEVELS))


def make_notice(context: Context[State], draft: Draft, now: datetime) -> Notice:
    return Notice(
        id=uuid7(),
        kind=draft.kind,
        severity=draft.severity,
        at=now,
        system=context.identity.system,
        alerts=draft.alerts,
    )
