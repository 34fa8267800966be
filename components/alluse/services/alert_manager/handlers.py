"""What alert-manager is asked: alerts, silences, rules, a test of the channels."""

import secrets
import sqlite3
from datetime import UTC, datetime

from alluse.domain import alerting
from alluse.domain.alerting import Board, Draft
from alluse.domain.alerting_rules import PACKAGED
from alluse.runtime.context import Context
from alluse.runtime.errors import ConflictError, InvalidRequestError, NotFoundError
from alluse.runtime.service import Call, Reply
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
    NoticeKind,
    NotifyResult,
    Rules,
    Silence,
    SilencePath,
    SilenceRequest,
    Silences,
)
from alluse.schemas.common import Severity
from alluse.services.alert_manager import records
from alluse.services.alert_manager.changing import State, change, make_notice
from alluse.services.alert_manager.channels import CHANNELS, ChannelError, configured


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
    notice = make_notice(call.context, Draft(NoticeKind.TEST, Severity.INFO, [alert]), now)
    results = []
    for channel in configured(call.context):
        try:
            results.append(
                ChannelResult(channel=channel, ok=True, detail=await CHANNELS[channel](call.context, notice))
            )
        except ChannelError as error:
            results.append(ChannelResult(channel=channel, ok=False, detail=str(error)))
    return Reply(NotifyResult(results=results))


async def _all(context: Context[State]) -> tuple[list[Alert], list[Alert]]:
    """Active alerts, and resolved ones newest first."""
    return await change(context, lambda board, db, now: (list(board.alerts.values()), records.history(db)))


def _gone(db: sqlite3.Connection, id_: str) -> Alert:
    if records.last_of(db, id_) is not None:
        raise ConflictError(f"alert {id_} is resolved already")
    raise NotFoundError(f"there is no alert {id_}; GET /v1/alerts lists them")
