"""Handlers, loops and self-test of alert-manager."""

import secrets
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from alluse.domain import alerting, alerting_events
from alluse.domain.alerting import Board, Draft
from alluse.domain.alerting_events import Over
from alluse.domain.alerting_rules import PACKAGED, Pending
from alluse.runtime.context import Context
from alluse.runtime.errors import CheckDegradedError, ConflictError, InvalidRequestError, NotFoundError
from alluse.runtime.events import Event, uuid7
from alluse.runtime.peers import PeerError
from alluse.runtime.service import Call, Check, Endpoint, Reply, Service, Task
from alluse.schemas.alerts import (
    Alert,
    AlertPath,
    AlertRequest,
    Alerts,
    AlertsQuery,
    AlertState,
    AlertSummary,
    ByRequest,
    ChannelResult,
    Notice,
    NoticeKind,
    NotifyResult,
    Rules,
    Silence,
    SilencePath,
    SilenceRequest,
    Silences,
)
from alluse.schemas.common import Severity
from alluse.services.alert_manager import records, watching
from alluse.services.alert_manager.channels import CHANNELS, ChannelError, configured
from alluse.services.alert_manager.delivery import Delivery
from alluse.services.golden import expect

TICK_S: Final = 1.0
#: A notice that has waited so long was forgotten; a second is what a busy machine may cost.
MAX_LAG_S: Final = 5.0
KEY_ENABLED: Final = "monitoring.alerts.enabled"
KEY_LEVELS: Final = "monitoring.alerts.severity_levels"
KEY_MONITORING: Final = "monitoring.enabled"

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
            notice = _notice(context, draft, now)
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


async def fire(call: Call[State], request: AlertRequest) -> Alert:
    taken = await change(call.context, lambda board, db, now: alerting.take(board, request, now))
    # As it is now: somebody may have been told of it in the same moment.
    return await show(call, AlertPath(id=taken.id))


async def acknowledge(call: Call[State], request: ByRequest) -> Alert:
    id_ = call.params.id

    def work(board: Board, db: sqlite3.Connection, now: datetime) -> Alert:
        alert = alerting.acknowledge(board, id_, request.by, now)
        return alert if alert is not None else _gone(db, id_)

    return await change(call.context, work)


async def resolve(call: Call[State], request: ByRequest) -> Alert:
    id_ = call.params.id

    def work(board: Board, db: sqlite3.Connection, now: datetime) -> Alert:
        alert = alerting.resolve(board, id_, request.by, now)
        return alert if alert is not None else _gone(db, id_)

    return await change(call.context, work)


async def list_alerts(call: Call[State], request: AlertsQuery) -> Alerts:
    active, resolved = await _all(call.context)
    alerts = sorted(active, key=lambda alert: alert.last_seen, reverse=True) + resolved
    chosen = [
        alert
        for alert in alerts
        if request.state in (None, alert.state)
        and request.severity in (None, alert.severity)
        and request.source in (None, alert.source)
        and request.name in (None, alert.name)
    ]
    return Alerts(alerts=chosen[: request.limit])


async def show(call: Call[State], request: AlertPath) -> Alert:
    def work(board: Board, db: sqlite3.Connection, now: datetime) -> Alert | None:
        return board.alerts.get(request.id) or records.last_of(db, request.id)

    alert = await change(call.context, work)
    if alert is None:
        raise NotFoundError(f"there is no alert {request.id}; GET /v1/alerts lists them")
    return alert


async def summary(call: Call[State]) -> AlertSummary:
    active, resolved = await _all(call.context)
    acknowledged = sum(alert.state is AlertState.ACKNOWLEDGED for alert in active)
    began = [alert.first_seen for alert in active]
    return AlertSummary(
        total_active=len(active),
        acknowledged=acknowledged,
        unacknowledged=len(active) - acknowledged,
        by_severity={severity: sum(a.severity is severity for a in active) for severity in Severity},
        total_resolved=len(resolved),
        oldest_active=min(began, default=None),
        newest_active=max(began, default=None),
    )


async def silence(call: Call[State], request: SilenceRequest) -> Silence:
    if request.until <= datetime.now(UTC):
        raise InvalidRequestError.field("until", "must be in the future")

    def work(board: Board, db: sqlite3.Connection, now: datetime) -> Silence:
        made = Silence(id=secrets.token_hex(8), created=now, **request.model_dump())
        board.silences[made.id] = made
        records.put_silence(db, made)
        return made

    return await change(call.context, work)


async def end_silence(call: Call[State], request: SilencePath) -> None:
    def work(board: Board, db: sqlite3.Connection, now: datetime) -> bool:
        return board.silences.pop(request.id, None) is not None

    if not await change(call.context, work):
        raise NotFoundError(f"there is no silence {request.id}; GET /v1/silences lists them")


async def list_silences(call: Call[State]) -> Silences:
    silences = await change(call.context, lambda board, db, now: list(board.silences.values()))
    return Silences(silences=silences)


async def show_rules(call: Call[State]) -> Rules:
    own = await call.context.store.read(records.rules)
    return Rules(rules=own or list(PACKAGED))


async def put_rules(call: Call[State], request: Rules) -> Rules:
    await call.context.store.write(lambda db: records.put_rules(db, request.rules))
    return await show_rules(call)


async def notify_test(call: Call[State]) -> Reply:
    """Send a test notice on every channel now, without the queue; 503 when none takes it."""
    now = datetime.now(UTC)
    alert = Alert(
        id="0" * 16,
        name="NotifyTest",
        severity=Severity.INFO,
        state=AlertState.FIRING,
        message="a test of the channels; nothing is wrong",
        source=alerting.OWN_SOURCE,
        labels={},
        first_seen=now,
        last_seen=now,
    )
    notice = _notice(call.context, Draft(NoticeKind.TEST, Severity.INFO, [alert]), now)
    results = []
    for channel in configured(call.context):
        try:
            results.append(
                ChannelResult(channel=channel, ok=True, detail=await CHANNELS[channel](call.context, notice))
            )
        except ChannelError as error:
            results.append(ChannelResult(channel=channel, ok=False, detail=str(error)))
    return Reply(NotifyResult(results=results))


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


async def _all(context: Context[State]) -> tuple[list[Alert], list[Alert]]:
    """Active alerts, and resolved ones newest first."""
    return await change(context, lambda board, db, now: (list(board.alerts.values()), records.history(db)))


def _gone(db: sqlite3.Connection, id_: str) -> Alert:
    if records.last_of(db, id_) is not None:
        raise ConflictError(f"alert {id_} is resolved already")
    raise NotFoundError(f"there is no alert {id_}; GET /v1/alerts lists them")


def _levels(context: Context[State]) -> tuple[Severity, ...]:
    if not context.config.flag(KEY_ENABLED):
        return ()
    return tuple(Severity(level) for level in context.config.strings(KEY_LEVELS))


def _notice(context: Context[State], draft: Draft, now: datetime) -> Notice:
    return Notice(
        id=uuid7(),
        kind=draft.kind,
        severity=draft.severity,
        at=now,
        system=context.identity.system,
        alerts=draft.alerts,
    )


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
