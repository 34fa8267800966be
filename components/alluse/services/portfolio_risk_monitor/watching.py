"""Watched portfolios: assessed again and again, each result written with its alerts and their events."""

import json
import sqlite3
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from alluse.domain.errors import DomainError
from alluse.runtime.context import Context
from alluse.runtime.errors import UnavailableError
from alluse.runtime.events import Event
from alluse.schemas.ledger import AccountView
from alluse.schemas.risk import AlertEntry, Assessment, AssessRequest, HistoryEntry, WatchRequest
from alluse.services.portfolio_risk_monitor import records
from alluse.services.portfolio_risk_monitor.assessing import State, assess_portfolio
from alluse.services.portfolio_risk_monitor.records import Watched


async def sweep(context: Context[State]) -> None:
    """Assess every watched portfolio."""
    watched = await context.store.read(records.load_all)
    for each in watched:
        await reassess(context, each)
    context.state.watched = len(watched)
    context.state.swept_at = time.monotonic()
    context.state.sweeps += 1


async def take_ledger(context: Context[State], event: Event) -> None:
    """What the ledger announces: its accounts as they stand now, those that are no more, and cash flows.

    A watched account without positions takes its new balance, peak and flows at once; for any other portfolio
    the flow is counted with its next value. Accounts that were just opened are watched from now on. An event
    that is older than what is known changes no value.
    """
    flows, accounts, closed = _ledger_of(event)
    at = event.time or datetime.now(UTC)

    def note(db: sqlite3.Connection) -> list[Watched]:
        changed = []
        for account in accounts:
            before = records.load(db, account.account_id)
            if before is None and event.name not in _OPENING:
                continue
            if before is not None and (before.portfolio.positions or at <= before.updated_at):
                continue
            after = records.updated(before, _as_watched(account), at)
            records.save(db, after)
            changed.append(after)
        own = {each.portfolio_id for each in changed}
        for portfolio_id, usd in flows.items():
            if portfolio_id not in own:
                records.announce_flow(db, portfolio_id, usd)
        for portfolio_id in closed:
            records.remove(db, portfolio_id)
        return changed

    for each in await context.store.write(note):
        await reassess(context, each)
    for portfolio_id in closed:
        drop(context, portfolio_id)


#: Ledger events that bring accounts into being.
_OPENING = frozenset({"memory.accounts_created", "memory.forked"})


def _ledger_of(event: Event) -> tuple[dict[str, float], list[AccountView], list[str]]:
    """Cash flows in USD, accounts and closed accounts of a ledger event; what cannot be read is left out."""
    flows, accounts, closed = (event.data.get(name) for name in ("cash_flow", "accounts", "closed"))
    read = []
    for each in accounts if isinstance(accounts, list) else ():
        with suppress(ValidationError):
            read.append(AccountView.model_validate_json(json.dumps(each)))
    return (
        {
            str(name): float(usd)
            for name, usd in (flows.items() if isinstance(flows, dict) else ())
            if isinstance(usd, int | float)
        },
        read,
        [str(each) for each in closed] if isinstance(closed, list) else [],
    )


def _as_watched(account: AccountView) -> WatchRequest:
    """An account as a portfolio: cash, because the ledger knows of no positions."""
    return WatchRequest(
        portfolio_id=account.account_id,
        account_type=account.type,
        cash=account.balance,
        peak_value=account.peak if account.peak > 0 else None,
        net_flows=account.net_flows,
    )


def drop(context: Context[State], portfolio_id: str) -> None:
    """Forget the figures of a portfolio that is not watched any more."""
    context.state.problems.pop(portfolio_id, None)
    for level in ("0.95", "0.99"):
        var_gauge(context).drop(portfolio=portfolio_id, level=level)


async def reassess(context: Context[State], watched: Watched) -> None:
    """Assess a watched portfolio and write result, alerts and events together."""
    at = datetime.now(UTC)
    request = AssessRequest.model_validate(watched.portfolio.model_dump())
    try:
        found = await assess_portfolio(context, request, watched.peak)
    except (DomainError, UnavailableError) as error:
        problem = str(error)
        context.state.problems[watched.portfolio_id] = problem
        await context.store.write(lambda db: _note_problem(db, watched.portfolio_id, problem))
        return
    context.state.problems.pop(watched.portfolio_id, None)
    await context.store.write(lambda db: _note_result(context, db, watched, found, at))
    if found.var is not None:
        gauge = var_gauge(context)
        gauge.set(found.var.level_95.ratio, portfolio=watched.portfolio_id, level="0.95")
        gauge.set(found.var.level_99.ratio, portfolio=watched.portfolio_id, level="0.99")


def _note_problem(db: sqlite3.Connection, portfolio_id: str, problem: str) -> None:
    present = records.load(db, portfolio_id)
    if present is not None:
        records.save(db, replace(present, problem=problem))


def _note_result(
    context: Context[State], db: sqlite3.Connection, assessed: Watched, found: Assessment, at: datetime
) -> None:
    present = records.load(db, assessed.portfolio_id)
    if present is None or present.revision != assessed.revision:
        # It was changed or removed meanwhile: the result is of a portfolio that is no more.
        return
    records.save(db, replace(present, assessed_at=at, assessment=found, problem=None))
    records.add_result(db, present.portfolio_id, _entry(found, at))
    _tell(context, db, present, found, at)


def _tell(
    context: Context[State], db: sqlite3.Connection, before: Watched, found: Assessment, at: datetime
) -> None:
    """Events of one assessment: the assessment itself, and limits newly broken or kept again."""
    portfolio_id = found.portfolio_id
    context.events.enqueue(
        db,
        "risk.assessed",
        {
            "portfolio_id": portfolio_id,
            "total_value": found.total_value,
            "peak_value": found.peak_value,
            "level": found.overall_risk_level,
            "score": found.risk_score,
            "net_flows": before.net_flows,
        },
        subject=portfolio_id,
    )
    known = {breach.kind: breach for breach in records.breaches_of(before)}
    present = {breach.kind: breach for breach in found.breaches}
    entries = []
    for state, breaches in (
        ("breach", [breach for kind, breach in present.items() if kind not in known]),
        ("cleared", [breach for kind, breach in known.items() if kind not in present]),
    ):
        for breach in breaches:
            value = breach.value if state == "breach" else _value_now(found, breach.kind)
            context.events.enqueue(
                db,
                f"risk.{state}",
                {
                    "portfolio_id": portfolio_id,
                    "kind": breach.kind,
                    "name": breach.name,
                    "value": value,
                    "limit": breach.limit,
                    "severity": breach.severity,
                    "message": breach.message,
                    "recommended_action": breach.recommended_action,
                },
                subject=portfolio_id,
            )
            entries.append(
                AlertEntry(
                    at=at, kind=breach.kind, state=state, level=breach.level, value=value, limit=breach.limit
                )
            )
    records.add_alerts(db, portfolio_id, entries)


def _value_now(found: Assessment, kind: str) -> float | None:
    """The present figure of a limit that is kept again; null where it is not measured any more."""
    if kind in ("var_95", "var_99"):
        if found.var is None:
            return None
        return (found.var.level_95 if kind == "var_95" else found.var.level_99).ratio
    return next((part.value for part in found.components if part.name == kind), None)


def _entry(found: Assessment, at: datetime) -> HistoryEntry:
    return HistoryEntry(
        at=at,
        as_of=found.as_of,
        total_value=found.total_value,
        overall_risk_level=found.overall_risk_level,
        risk_score=found.risk_score,
        var_95_ratio=found.var.level_95.ratio if found.var else None,
        current_drawdown=found.current_drawdown,
        breaches=[breach.kind for breach in found.breaches],
    )


def var_gauge(context: Context[Any]) -> Any:
    return context.metrics.gauge(
        "alluse_portfolio_var_ratio",
        "Value at risk of a watched portfolio as a fraction of its value",
        ("portfolio", "level"),
    )
