"""Loops, checks and self-test of alert-manager, and the service that they make."""

import sqlite3
import time
from datetime import UTC, datetime, timedelta
from typing import Final

from alluse.domain import alerting, alerting_events
from alluse.domain.alerting import Board
from alluse.domain.alerting_events import Over
from alluse.domain.alerting_rules import PACKAGED
from alluse.runtime.context import Context
from alluse.runtime.errors import CheckDegradedError
from alluse.runtime.events import Event
from alluse.runtime.peers import PeerError
from alluse.runtime.service import Check, Endpoint, Service, Task
from alluse.schemas.alerts import (
    Alert,
    AlertPath,
    AlertRequest,
    Alerts,
    AlertsQuery,
    AlertState,
    AlertSummary,
    ByRequest,
    NotifyResult,
    Rules,
    Silence,
    SilencePath,
    SilenceRequest,
    Silences,
)
from alluse.schemas.common import Severity
from alluse.services.alert_manager import records, watching
from alluse.services.alert_manager.changing import State, change
from alluse.services.alert_manager.delivery import Delivery
from alluse.services.alert_manager.handlers import (
    acknowledge,
    end_silence,
    fire,
    list_alerts,
    list_silences,
    notify_test,
    put_rules,
    resolve,
    show,
    show_rules,
    silence,
    summary,
)
from alluse.services.golden import expect

TICK_S: Final = 1.0
#: A notice that has waited so long was forgotten; a second is what a busy machine may cost.
MAX_LAG_S: Final = 5.0
KEY_MONITORING: Final = "monitoring.enabled"


async def take_event(context: Context[State], event: Event) -> None:
    """Fire or end what an event means. One that breaks its contract is logged and not asked for again."""
    try:
        meanings = alerting_events.meaning(event.name, event.data)
    except (KeyError, ValueError, TypeError) as error:
        context.log.error("event not understood", name=event.name, source=event.source, error=str(error))
        return

    def work(board: Board, db: sqlite3.Connection, now: datetime) -> None:
        for each in meanings:
            if isinstance(each, Over):
                id_ = alerting.fingerprint(each.source, each.name, each.labels)
                alerting.resolve(board, id_, each.source, now)
            else:
                alerting.take(board, each, now)

    await change(context, work)


async def pass_time(context: Context[State]) -> None:
    await change(context, lambda board, db, now: None)


async def evaluate(context: Context[State]) -> None:
    """Evaluate every rule; while metrics cannot be read, what fires goes on firing."""
    state = context.state
    if not context.config.flag(KEY_MONITORING):
        state.problem, state.evaluated_at = "", time.monotonic()
        return
    try:
        rules = await context.store.read(records.rules) or list(PACKAGED)
        findings = await watching.find(context, rules, state.pending)
        answering = await watching.answering(context)
    except PeerError as error:
        state.problem = f"the rules cannot be evaluated: {error}"
        return
    await change(context, lambda board, db, now: watching.apply(board, findings, answering, now))
    state.problem, state.evaluated_at = "", time.monotonic()


async def open_state(context: Context[State]) -> State:
    now = datetime.now(UTC)
    board, revision = await context.store.read(lambda db: (records.load(db, now), records.revision(db)))
    state = State(Delivery(context), board, revision)
    active = context.metrics.gauge("alluse_alerts_active", "Alerts that fire", ("severity",))

    def refresh() -> None:
        alerts = list(state.board.alerts.values())
        for severity in Severity:
            active.set(sum(alert.severity is severity for alert in alerts), severity=severity.value)

    context.metrics.before_render(refresh)
    state.delivery.start()
    state.delivery.wake()
    return state


async def close_state(context: Context[State]) -> None:
    await context.state.delivery.stop()


async def check_queue(context: Context[State]) -> str:
    if (lag := context.state.delivery.lag_s()) > MAX_LAG_S:
        raise CheckDegradedError(f"a notice has waited {lag:.1f} s to be tried")
    return "no notice waits untried"


async def check_channels(context: Context[State]) -> str:
    last = context.state.delivery.last
    failed = {channel: text for channel, text in last.items() if text}
    said = "; ".join(f"{channel}: {text}" for channel, text in failed.items())
    if last and len(failed) == len(last):
        raise CheckDegradedError(f"the last notice failed on all channels: {said}")
    return said or "the last notice went out"


async def check_store(context: Context[State]) -> str:
    """Critical: an alert that cannot be written must not be taken."""
    await context.store.write(lambda db: db.execute("UPDATE revision SET number = number"))
    return "writable"


async def check_rules(context: Context[State]) -> str:
    if context.state.problem:
        raise CheckDegradedError(context.state.problem)
    return "evaluated"


def golden() -> None:
    """Told once, again after five minutes, silent when acknowledged; the end is told."""
    board, start = Board(), datetime(2026, 1, 5, tzinfo=UTC)
    request = AlertRequest(
        name="Golden", source="test", severity=Severity.CRITICAL, labels={"b": "2", "a": "1"}
    )
    alert = alerting.take(board, request, start)
    expect("fingerprint", alert.id, alerting.fingerprint("test", "Golden", {"a": "1", "b": "2"}))
    for seconds, notices in ((0, 1), (1, 0), (299, 0), (300, 1), (301, 0)):
        alerting.take(board, request, start + timedelta(seconds=seconds))
        drafts = alerting.tick(board, start + timedelta(seconds=seconds))
        expect(f"notices after {seconds} s", len(drafts), notices)
    expect("alerts", len(board.alerts), 1)
    alerting.acknowledge(board, alert.id, "somebody", start + timedelta(seconds=302))
    expect("notices once seen", len(alerting.tick(board, start + timedelta(hours=1))), 0)
    alerting.resolve(board, alert.id, "somebody", start + timedelta(hours=2))
    drafts = alerting.tick(board, start + timedelta(hours=2))
    expect("end", [each.state for draft in drafts for each in draft.alerts], [AlertState.RESOLVED])


SERVICE: Final[Service[State]] = Service(
    name="alert-manager",
    open=open_state,
    close=close_state,
    selftest=golden,
    migrations=records.MIGRATIONS,
    durable=True,
    checks=(
        Check("store", check_store),
        Check("queue", check_queue, critical=False),
        Check("channels", check_channels, critical=False),
        Check("rules", check_rules, critical=False),
    ),
    tasks=(Task("time", pass_time, TICK_S), Task("rules", evaluate, watching.EVALUATE_S)),
    consumers=dict.fromkeys(alerting_events.names(), take_event),
    endpoints=(
        Endpoint("POST", "/v1/alerts", fire, AlertRequest, Alert, "Fire an alert", changes_state=True),
        Endpoint("GET", "/v1/alerts", list_alerts, AlertsQuery, Alerts, "Alerts, active ones first"),
        Endpoint("GET", "/v1/alerts/{id}", show, AlertPath, Alert, "One alert", errors=(404,)),
        Endpoint(
            "POST",
            "/v1/alerts/{id}/ack",
            acknowledge,
            ByRequest,
            Alert,
            "Say that somebody has seen it",
            params=AlertPath,
            changes_state=True,
            errors=(404, 409),
        ),
        Endpoint(
            "POST",
            "/v1/alerts/{id}/resolve",
            resolve,
            ByRequest,
            Alert,
            "Say that it is over",
            params=AlertPath,
            changes_state=True,
            errors=(404, 409),
        ),
        Endpoint("GET", "/v1/summary", summary, answer=AlertSummary, summary="How many there are"),
        Endpoint(
            "POST",
            "/v1/silences",
            silence,
            SilenceRequest,
            Silence,
            "Tell nobody of some alerts for a while",
            status=201,
            changes_state=True,
        ),
        Endpoint("GET", "/v1/silences", list_silences, answer=Silences, summary="Silences in force"),
        Endpoint(
            "DELETE",
            "/v1/silences/{id}",
            end_silence,
            SilencePath,
            summary="End a silence",
            status=204,
            errors=(404,),
        ),
        Endpoint("GET", "/v1/rules", show_rules, answer=Rules, summary="The rules in force"),
        Endpoint("PUT", "/v1/rules", put_rules, Rules, Rules, "Replace all rules"),
        Endpoint(
            "POST", "/v1/notify-test", notify_test, answer=NotifyResult, summary="Try every channel now"
        ),
    ),
)
