"""Alerts: who is told what, when, and that it is over.

Trouble comes and goes; an alert is its memory. `advance` takes the alerts of the stored status, the trouble
of now and what has become of earlier notices, and says which alerts there are and which notices are owed. It
keeps nothing: alerts live in `status.alerts`, so a new operator goes on where the old one stopped.

A notice is handed out only after the status that holds its alert as Firing is stored, and it is owed until
its delivery is recorded there (but for the built-in sinks). So an operator that dies in between gives the
same notice again, under the same key; it is never lost, and given twice only where nobody can know whether
it arrived.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError

from alluse_operator.api.spec import AlertSeverity
from alluse_operator.api.status import (
    ALERT_SINKS_MAX,
    ALERTS_MAX,
    MESSAGE_MAX_LENGTH,
    AlertState,
    AlertStatus,
)
from alluse_operator.core.desired import AlertPolicy, Identity
from alluse_operator.core.notices import (
    BUILT_IN_SINKS,
    EVENT_SINK,
    AlertName,
    Alerts,
    Notice,
    NoticeKind,
    Outbox,
    Situation,
    Trouble,
)

#: Alerts that begin within so long of each other are told in one notice.
GROUP_WAIT = timedelta(seconds=5)
#: An alert that no sink took is given again after so long; one that was taken, after the policy's `repeat`.
UNDELIVERED_RETRY = timedelta(minutes=5)
#: For so long it is tried to tell a sink of an end.
END_TOLD_WITHIN = timedelta(hours=24)

_RANK = {AlertSeverity.INFO: 0, AlertSeverity.WARNING: 1, AlertSeverity.CRITICAL: 2}


def stored(raw: Mapping[str, Any]) -> tuple[AlertStatus, ...]:
    """The alerts of a stored status (`raw` is the JSON of all of it). What cannot be read is left out."""
    rows = []
    for row in raw.get("alerts") or ():
        try:
            rows.append(AlertStatus.model_validate(row))
        except ValidationError:
            continue
    return tuple(rows)


def fingerprint(identity: Identity, name: str, subject: str) -> str:
    """16 hexadecimal digits: the same for the same trouble of the same system."""
    text = "\0".join((identity.namespace, identity.name, identity.uid, name, subject))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def advance(
    before: Sequence[AlertStatus],
    situation: Situation,
    policy: AlertPolicy,
    outbox: Outbox,
    identity: Identity,
    now: datetime,
) -> Alerts:
    """One step: deliveries are recorded, trouble becomes alerts, alerts that have ended are told so."""
    return _Step(situation, policy, outbox, identity, _second(now)).take(before)


def farewell(before: Iterable[AlertStatus], now: datetime) -> tuple[Notice, ...]:
    """The ends that are owed when the system itself is gone."""
    now = _second(now)
    ended = (row if row.state is AlertState.RESOLVED else _end(row, now) for row in before)
    return tuple(
        _notice(row, NoticeKind.RESOLVED, sinks, now) for row in ended if (sinks := _told(row)) is not None
    )


class _Step:
    """One call of `advance`."""

    def __init__(
        self, situation: Situation, policy: AlertPolicy, outbox: Outbox, identity: Identity, now: datetime
    ) -> None:
        self._situation = situation
        self._policy = policy
        self._outbox = outbox
        self._now = now
        self._troubles = {
            fingerprint(identity, trouble.name, trouble.subject): trouble for trouble in situation.troubles
        }
        self._notices: list[Notice] = []
        self._times: list[datetime] = [situation.recheck_at] if situation.recheck_at is not None else []

    def take(self, before: Sequence[AlertStatus]) -> Alerts:
        rows = [row for old in before if (row := self._record(old)) is not None]
        known = {row.fingerprint for row in rows}
        rows = [row for old in rows if (row := self._go_on(old)) is not None]
        rows += [self._begin(key, trouble) for key, trouble in self._troubles.items() if key not in known]
        rows = [row for fired in self._fire(_bounded(rows)) if (row := self._tell(fired)) is not None]
        return Alerts(
            rows=tuple(rows),
            notices=tuple(self._notices),
            unknown_sinks=self._unknown_sinks(),
            recheck_at=min((moment for moment in self._times if moment > self._now), default=None),
        )

    # -- what became of earlier notices ----------------------------------------------------------------

    def _record(self, row: AlertStatus) -> AlertStatus | None:
        """The alert with the delivery of its latest notice; None: its end has been told, it is over."""
        if (delivery := self._outbox.done.get(_key(row, NoticeKind.FIRING))) is not None:
            row = row.model_copy(
                update={
                    "notices": (row.notices or 0) + 1,
                    "notified_at": delivery.notice.made_at,
                    "notified_severity": delivery.notice.severity if delivery.taken else None,
                    "sinks": _union(row.sinks, delivery.taken),
                    "offered": None,
                }
            )
        delivery = self._outbox.done.get(_key(row, NoticeKind.RESOLVED))
        if row.state is not AlertState.RESOLVED or delivery is None:
            return row
        missed = tuple(sink for sink in delivery.notice.sinks if sink not in delivery.taken)
        if not missed or (row.resolved_at or self._now) + END_TOLD_WITHIN <= self._now:
            return None
        return row.model_copy(
            update={
                "notices": (row.notices or 0) + 1,
                "notified_at": delivery.notice.made_at,
                "notified_severity": None,
                "sinks": missed,
                "offered": None,
            }
        )

    def _is_on_its_way(self, row: AlertStatus, kind: NoticeKind) -> bool:
        return _key(row, kind) in self._outbox.sending

    # -- trouble becomes alerts ------------------------------------------------------------------------

    def _begin(self, key: str, trouble: Trouble) -> AlertStatus:
        row = AlertStatus(
            fingerprint=key,
            name=trouble.name,
            subject=trouble.subject or None,
            state=AlertState.PENDING,
            severity=trouble.severity,
            since=min(_second(trouble.since), self._now),
            active_at=self._now,
        )
        return self._describe(row, trouble)

    def _go_on(self, row: AlertStatus) -> AlertStatus | None:
        trouble = self._troubles.get(row.fingerprint)
        if trouble is None:
            return self._without_trouble(row)
        if row.state is AlertState.RESOLVED:
            row = self._begin_again(row, trouble)
        return self._describe(row.model_copy(update={"resolved_at": None, "inhibited_by": None}), trouble)

    def _begin_again(self, row: AlertStatus, trouble: Trouble) -> AlertStatus:
        """Trouble that is back before its end was told (or is known to have been)."""
        if self._is_on_its_way(row, NoticeKind.FIRING):
            # Its beginning has not even arrived: it simply goes on.
            return row.model_copy(update={"state": AlertState.FIRING})
        return row.model_copy(
            update={
                "state": AlertState.PENDING,
                "severity": trouble.severity,
                "since": min(_second(trouble.since), self._now),
                "active_at": self._now,
                "notices": (row.notices or 0) + 1,
                "notified_at": None,
                "notified_severity": None,
                "exhausted_at": None,
                "sinks": None if self._is_on_its_way(row, NoticeKind.RESOLVED) else _told(row),
                "offered": None,
            }
        )

    def _describe(self, row: AlertStatus, trouble: Trouble) -> AlertStatus:
        exhausted_at = row.exhausted_at or (self._now if trouble.exhausted else None)
        severity = AlertSeverity.CRITICAL if exhausted_at is not None else trouble.severity
        return row.model_copy(
            update={
                "severity": max(row.severity, severity, key=_RANK.__getitem__),
                "message": _shorten(trouble.message),
                "affects": trouble.affects or None,
                "exhausted_at": exhausted_at,
            }
        )

    def _without_trouble(self, row: AlertStatus) -> AlertStatus | None:
        component = row.subject if row.name == AlertName.COMPONENT_NOT_WELL else None
        if row.state is AlertState.RESOLVED or self._situation.frozen:
            return row
        if component in self._situation.unsettled:
            return row
        if not _told(row):
            return None
        if component is not None and component in self._situation.symptoms:
            return row.model_copy(update={"inhibited_by": self._situation.symptoms[component]})
        return _end(row, self._now)

    # -- alerts become notices -------------------------------------------------------------------------

    def _fire(self, rows: Sequence[AlertStatus]) -> list[AlertStatus]:
        """What is pending is told together, `GROUP_WAIT` after the first of it began."""
        waiting = {
            row.fingerprint: row.active_at
            for row in rows
            if row.state is AlertState.PENDING and row.fingerprint in self._troubles
        }
        due = min(waiting.values(), default=self._now) + GROUP_WAIT
        if due > self._now:
            self._times += [due] if waiting else []
            return list(rows)
        return [
            row.model_copy(update={"state": AlertState.FIRING}) if row.fingerprint in waiting else row
            for row in rows
        ]

    def _tell(self, row: AlertStatus) -> AlertStatus | None:
        """Add the notice that is owed of this alert, if one is; None: it is over and nobody knows of it."""
        if row.state is AlertState.PENDING or self._is_on_its_way(row, NoticeKind.FIRING):
            return row
        if row.state is AlertState.RESOLVED:
            sinks = self._known(_told(row) or ())
            if not sinks:
                return None
            if (again := _end_due(row)) > self._now:
                self._times.append(again)
                return row
            if not self._is_on_its_way(row, NoticeKind.RESOLVED):
                self._notices.append(_notice(row, NoticeKind.RESOLVED, sinks, self._now))
            return None if BUILT_IN_SINKS.issuperset(sinks) else row
        sinks = self._known(self._policy.routes.get(row.severity, ()))
        if not sinks or row.inhibited_by:
            return row
        due = _due(row, self._policy)
        if due is not None and due > self._now:
            self._times.append(due)
            return row
        self._notices.append(
            replace(_notice(row, NoticeKind.FIRING, sinks, self._now), repeat=self._policy.repeat)
        )
        if BUILT_IN_SINKS.issuperset(sinks):
            return row.model_copy(
                update={
                    "notices": (row.notices or 0) + 1,
                    "notified_at": self._now,
                    "notified_severity": row.severity,
                    "sinks": _union(_told(row), sinks),
                    "offered": None,
                }
            )
        # Who was offered it before and has not answered (that operator is gone) may know of it.
        return row.model_copy(update={"sinks": _told(row), "offered": sinks})

    def _known(self, sinks: Iterable[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name if name in self._outbox.sinks else EVENT_SINK for name in sinks))

    def _unknown_sinks(self) -> tuple[str, ...]:
        named = {name for sinks in self._policy.routes.values() for name in sinks}
        return tuple(sorted(named - self._outbox.sinks))


def _key(row: AlertStatus, kind: NoticeKind) -> str:
    """Key of the next notice of an alert; it changes when the delivery of that notice is recorded."""
    return f"{row.fingerprint}-{int(row.active_at.timestamp())}-{row.notices or 0}-{kind}"


def _notice(row: AlertStatus, kind: NoticeKind, sinks: tuple[str, ...], now: datetime) -> Notice:
    return Notice(
        key=_key(row, kind),
        fingerprint=row.fingerprint,
        name=row.name,
        subject=row.subject or "",
        kind=kind,
        severity=row.severity,
        message=row.message or "",
        since=row.since,
        made_at=now,
        sinks=sinks,
        affects=row.affects or (),
        exhausted=row.exhausted_at is not None,
        resolved_at=row.resolved_at,
        told_severity=row.notified_severity,
    )


def _due(row: AlertStatus, policy: AlertPolicy) -> datetime | None:
    """When the next notice of a firing alert is owed; None: at once."""
    if row.notified_at is None:
        return None
    if row.notified_severity is None:
        return row.notified_at + UNDELIVERED_RETRY
    if _RANK[row.severity] > _RANK[row.notified_severity]:
        return None
    if row.exhausted_at is not None and row.notified_at < row.exhausted_at:
        return None
    return row.notified_at + policy.repeat


def _end_due(row: AlertStatus) -> datetime:
    """When the end of an alert is to be told: at once, or a while after it was given up."""
    ended = row.resolved_at or row.active_at
    if row.notified_severity is None and row.notified_at is not None and row.notified_at >= ended:
        return row.notified_at + UNDELIVERED_RETRY
    return ended


def _told(row: AlertStatus) -> tuple[str, ...] | None:
    """Sinks that know of it, or may."""
    return _union(row.sinks, row.offered)


def _end(row: AlertStatus, now: datetime) -> AlertStatus:
    return row.model_copy(
        update={"state": AlertState.RESOLVED, "resolved_at": max(now, row.since), "inhibited_by": None}
    )


def _bounded(rows: Sequence[AlertStatus]) -> list[AlertStatus]:
    """At most `ALERTS_MAX`, in order of their beginning: those that people know of first, then the worst."""
    ranked = sorted(rows, key=lambda row: (not _told(row), -_RANK[row.severity]))
    return sorted(ranked[:ALERTS_MAX], key=lambda row: (row.active_at, row.fingerprint))


def _union(*parts: Iterable[str] | None) -> tuple[str, ...] | None:
    return tuple(dict.fromkeys(name for part in parts for name in part or ()))[:ALERT_SINKS_MAX] or None


def _shorten(text: str) -> str | None:
    return (text if len(text) <= MESSAGE_MAX_LENGTH else text[: MESSAGE_MAX_LENGTH - 1] + "…") or None


def _second(moment: datetime) -> datetime:
    """Whole seconds, as the status stores them: what is computed equals what is read back."""
    return moment.astimezone(UTC).replace(microsecond=0)
