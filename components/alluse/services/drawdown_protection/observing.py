"""Observations: a state is read, moved on and written in one transaction, with its changes and events.

A portfolio is observed by one source: once somebody checks it here, the values that portfolio-risk-monitor
sends of it are not counted any more, because a deposit would reach us on two ways at two times and one of
them would look like a gain or a loss.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from alluse.domain.drawdown import Observation, Rules, drawdown_of, observe, stop_new_entries
from alluse.domain.reduction import holdings_of
from alluse.runtime.context import Context
from alluse.runtime.events import Event
from alluse.runtime.metrics import Gauge
from alluse.schemas.common import Portfolio
from alluse.schemas.drawdown import Change, Protection
from alluse.schemas.protocol import Protocol
from alluse.services.drawdown_protection import records
from alluse.services.parameters import Parameters


@dataclass(slots=True)
class State:
    """The protocol's parameters, when the last loop ended (monotonic seconds; before the first: the
    opening), how many there were, and what the last one saw."""

    parameters: Parameters
    looped_at: float
    portfolios: int = 0
    protected: int = 0
    loops: int = 0


def rules_of(protocol: Protocol) -> Rules:
    """The rules with the account limits of the protocol."""
    return Rules(account_limits={kind: rules.drawdown_limit for kind, rules in protocol.accounts.items()})


def observation_of(
    known: Protection | None, portfolio: Portfolio, cash_flow: float, at: datetime, implied_peak: float | None
) -> Observation:
    peaks = [peak for peak in (portfolio.peak_value, implied_peak) if peak is not None]
    return Observation(
        value=portfolio.total_value,
        at=at,
        peak=max(peaks, default=None),
        cash_flow=cash_flow or (known.pending_flow if known else 0.0),
        account_type=portfolio.account_type,
        holdings=holdings_of(portfolio.positions) if portfolio.positions else None,
    )


def observe_and_save(
    context: Context[State],
    db: sqlite3.Connection,
    portfolio: Portfolio,
    cash_flow: float,
    at: datetime,
    rules: Rules,
    implied_peak: float | None = None,
) -> Protection:
    """Move a portfolio's state on by what the caller says, and write it with changes and events."""
    known = records.load(db, portfolio.portfolio_id)
    seen = observation_of(known, portfolio, cash_flow, at, implied_peak)
    state, changes = observe(known, portfolio.portfolio_id, seen, rules)
    state = state.model_copy(update={"direct": True, "pending_flow": 0.0})
    _save(context, db, state, changes, rules)
    return state


def _save(
    context: Context[State],
    db: sqlite3.Connection,
    state: Protection,
    changes: Sequence[Change],
    rules: Rules,
) -> None:
    records.save(db, state, changes)
    for change in changes:
        tell(context, db, state, change, rules)


def tell(
    context: Context[State], db: sqlite3.Connection, state: Protection, change: Change, rules: Rules
) -> None:
    """Events of one change of level."""
    portfolio_id = state.portfolio_id
    if change.kind in ("activated", "escalated"):
        found = {"portfolio_id": portfolio_id, "drawdown": change.drawdown, "level": change.to_level}
        context.events.enqueue(db, "drawdown.detected", found, subject=portfolio_id)
    context.events.enqueue(
        db,
        f"protection.{change.kind}",
        {
            "portfolio_id": portfolio_id,
            "from": change.from_level,
            "to": change.to_level,
            "exposure_factor": rules.exposure_factor(change.to_level),
            "stop_new_entries": stop_new_entries(state),
            "drawdown": change.drawdown,
        },
        subject=portfolio_id,
    )


def show_level(context: Context[Any], state: Protection) -> None:
    ratio, level = _gauges(context)
    ratio.set(drawdown_of(state.value, state.peak), portfolio=state.portfolio_id)
    level.set(state.level.rank, portfolio=state.portfolio_id)


def hide_level(context: Context[Any], portfolio_id: str) -> None:
    """The gauges of a portfolio that is no more."""
    for gauge in _gauges(context):
        gauge.drop(portfolio=portfolio_id)


def _gauges(context: Context[Any]) -> tuple[Gauge, Gauge]:
    labels = ("portfolio",)
    return (
        context.metrics.gauge("alluse_drawdown_ratio", "Fall of a portfolio from its peak", labels),
        context.metrics.gauge(
            "alluse_protection_level", "0 none, 1 light, 2 moderate, 3 aggressive, 4 emergency", labels
        ),
    )


async def take_value(context: Context[State], event: Event) -> None:
    """A value that portfolio-risk-monitor measured of a portfolio that nobody checks here."""
    portfolio_id, value = event.data.get("portfolio_id"), event.data.get("total_value")
    if not isinstance(portfolio_id, str) or not isinstance(value, int | float):
        return
    peak, flows = event.data.get("peak_value"), float(event.data.get("net_flows") or 0.0)
    at, rules = datetime.now(UTC), rules_of(context.state.parameters.protocol)

    def work(db: sqlite3.Connection) -> Protection | None:
        known = records.load(db, portfolio_id)
        if known is not None and known.direct:
            return None
        flow = flows - known.net_flows if known else 0.0
        seen = Observation(
            float(value),
            at,
            peak=float(peak) if isinstance(peak, int | float) and peak > 0 else None,
            cash_flow=flow,
        )
        state, changes = observe(known, portfolio_id, seen, rules)
        state = state.model_copy(update={"net_flows": flows})
        _save(context, db, state, changes, rules)
        return state

    state = await context.store.write(work)
    if state is not None:
        show_level(context, state)


async def take_ledger(context: Context[State], event: Event) -> None:
    """Deposits and withdrawals that the ledger announces: `cash_flow` is USD by portfolio.

    They are counted with the next value that is checked, unless that check names its own cash flow; what
    portfolio-risk-monitor measures brings its flows itself. `closed` portfolios are no more.
    """
    flows, closed = event.data.get("cash_flow", {}), event.data.get("closed", [])
    if not (isinstance(flows, dict) and isinstance(closed, list)):
        return
    amounts = {str(name): float(usd) for name, usd in flows.items() if isinstance(usd, int | float)}

    def note(db: sqlite3.Connection) -> None:
        for portfolio_id, usd in amounts.items():
            state = records.load(db, portfolio_id)
            if state is not None and state.direct:
                pending = state.pending_flow + usd
                records.save(db, state.model_copy(update={"pending_flow": pending}))
        for portfolio_id in closed:
            records.remove(db, str(portfolio_id))

    await context.store.write(note)
    for portfolio_id in closed:
        hide_level(context, str(portfolio_id))
