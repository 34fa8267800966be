"""What sinks are sent, as values: one message holds all notices that go to a sink together."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from alluse_operator.api.status import format_time
from alluse_operator.core.notices import AlertName, Notice, NoticeKind

#: Version of the webhook's document; it grows by new fields and changes with new meanings only.
DOCUMENT_VERSION = "1"
#: Label under which Alertmanager gets the subject of an alert.
_SUBJECT_LABEL = {
    AlertName.COMPONENT_NOT_WELL: "component",
    AlertName.NODE_NOT_READY: "node",
    AlertName.INTERLOCK_CLOSED: "interlock",
}
_ALERT_NAME_PREFIX = "AllUse"


@dataclass(frozen=True, slots=True)
class Message:
    """Notices of one system for one sink."""

    namespace: str
    system: str
    notices: tuple[Notice, ...]

    @property
    def id(self) -> str:
        """The same for the same notices, however often they are sent and by whom."""
        return hashlib.sha256("\0".join(sorted(notice.key for notice in self.notices)).encode()).hexdigest()[
            :32
        ]

    @property
    def title(self) -> str:
        """One line: how bad it is, where, and what."""
        firing = [notice for notice in self.notices if notice.kind is NoticeKind.FIRING]
        what = ", ".join(dict.fromkeys(subject_of(notice) for notice in firing or self.notices))
        word = max_severity(firing).upper() if firing else "RESOLVED"
        return f"[{word}] {self.namespace}/{self.system}: {what}"

    @property
    def text(self) -> str:
        """A line a notice."""
        return "\n".join(sentence(notice) for notice in self.notices)


def subject_of(notice: Notice) -> str:
    return notice.subject or notice.name


def max_severity(notices: Sequence[Notice]) -> str:
    order = ("Info", "Warning", "Critical")
    return max((notice.severity.value for notice in notices), key=order.index)


def sentence(notice: Notice) -> str:
    """One notice for people."""
    if notice.kind is NoticeKind.RESOLVED:
        until = format_time(notice.resolved_at or notice.made_at)
        was = f"{notice.severity}: {notice.message}"
        return f"over since {until}: {subject_of(notice)} (it was {was})"
    text = f"{notice.severity}: {notice.message} (since {format_time(notice.since)})"
    if notice.affects:
        text += f"; affects {', '.join(notice.affects)}"
    return text


def webhook_body(message: Message) -> bytes:
    """The document that a webhook gets; docs/howto/alerts.md describes it."""
    document = {
        "version": DOCUMENT_VERSION,
        "id": message.id,
        "namespace": message.namespace,
        "system": message.system,
        "title": message.title,
        "alerts": [_document(notice) for notice in message.notices],
    }
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def sign(key: bytes, timestamp: str, body: bytes) -> str:
    """Value of `X-Alluse-Signature`: HMAC-SHA256 (RFC 2104) of `<timestamp>.<body>`."""
    return "sha256=" + hmac.new(key, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def alertmanager_alerts(message: Message) -> list[dict[str, Any]]:
    """The body of `POST /api/v2/alerts`.

    A beginning holds until it is said to be over, or until two repetitions of it have failed to come: so the
    alert of an operator that is gone ends, too. The severity is a label, by which receivers route; when it
    changes, the alert of the old severity ends.
    """
    alerts = []
    for notice in message.notices:
        told = notice.told_severity or notice.severity
        if notice.kind is NoticeKind.RESOLVED:
            end = notice.resolved_at or notice.made_at
            alerts += [
                _alert(message, notice, severity, end) for severity in dict.fromkeys((told, notice.severity))
            ]
            continue
        if told is not notice.severity:
            alerts.append(_alert(message, notice, told, notice.made_at))
        alerts.append(_alert(message, notice, notice.severity, notice.made_at + 2 * notice.repeat))
    return alerts


def _document(notice: Notice) -> dict[str, Any]:
    document: dict[str, Any] = {
        "key": notice.key,
        "fingerprint": notice.fingerprint,
        "status": notice.kind.value,
        "name": notice.name,
        "subject": notice.subject,
        "severity": notice.severity.value,
        "message": notice.message,
        "affects": list(notice.affects),
        "recoveryExhausted": notice.exhausted,
        "startsAt": format_time(notice.since),
    }
    if notice.resolved_at is not None:
        document["endsAt"] = format_time(notice.resolved_at)
    return document


def _alert(message: Message, notice: Notice, severity: str, ends_at: datetime) -> dict[str, Any]:
    labels = {
        "alertname": _ALERT_NAME_PREFIX + notice.name,
        "namespace": message.namespace,
        "system": message.system,
        "severity": severity.lower(),
        "source": "allusesystem-operator",
    }
    if notice.subject:
        labels[_SUBJECT_LABEL.get(AlertName(notice.name), "subject")] = notice.subject
    annotations = {"summary": message_of(notice), "fingerprint": notice.fingerprint}
    if notice.affects:
        annotations["affects"] = ", ".join(notice.affects)
    starts = min(notice.since, ends_at)
    return {
        "labels": labels,
        "annotations": annotations,
        "startsAt": _rfc3339(starts),
        "endsAt": _rfc3339(ends_at),
    }


def message_of(notice: Notice) -> str:
    return notice.message or subject_of(notice)


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
