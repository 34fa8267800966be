"""Sinks against real servers: what they send, what answers mean, and what they never say."""

from __future__ import annotations

import dataclasses
import json
import logging
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from alluse_operator.api.spec import AlertSeverity
from alluse_operator.cluster.alerting.configuration import SinkSettings, SinkType
from alluse_operator.cluster.alerting.messages import Message, alertmanager_alerts
from alluse_operator.cluster.alerting.sinks import LogSink, Rejected, Result, Retry, Sent, build
from alluse_operator.core.notices import AlertName, Notice, NoticeKind
from builders import T0
from receivers import Receiver, is_genuine

KEY = b"planted-key-5e1f"
FIRING = Notice(
    key="0123456789abcdef-1767603600-0-firing",
    fingerprint="0123456789abcdef",
    name=AlertName.COMPONENT_NOT_WELL,
    subject="config-manager",
    kind=NoticeKind.FIRING,
    severity=AlertSeverity.CRITICAL,
    message="config-manager Unhealthy (ProbeFailed: HTTP 503)",
    since=T0,
    made_at=T0 + timedelta(seconds=5),
    sinks=("pager",),
    affects=("market-analyzer", "position-sizer"),
)
RESOLVED = dataclasses.replace(
    FIRING,
    kind=NoticeKind.RESOLVED,
    resolved_at=T0 + timedelta(seconds=60),
    told_severity=AlertSeverity.CRITICAL,
)
MESSAGE = Message("shop", "demo", (FIRING,))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        yield server


def settings(tmp_path: Path, kind: SinkType, url: str, *, key: bytes | None = KEY) -> SinkSettings:
    secret = tmp_path / "key"
    if key is not None:
        secret.write_bytes(key + b"\n")
    return SinkSettings("pager", kind, url=url, hmac_key_file=secret)


async def send(one: SinkSettings, message: Message = MESSAGE, seconds: float = 5.0) -> Result:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=seconds)) as session:
        return await build(one, session).send(message)


async def test_a_webhook_gets_a_signed_document(tmp_path: Path, receiver: Receiver) -> None:
    assert await send(settings(tmp_path, SinkType.WEBHOOK, f"{receiver.url}/hook")) == Sent()
    [delivery] = receiver.deliveries
    assert delivery.path == "/hook"
    assert delivery.headers["Content-Type"] == "application/json"
    assert delivery.document == {
        "version": "1",
        "id": MESSAGE.id,
        "namespace": "shop",
        "system": "demo",
        "title": "[CRITICAL] shop/demo: config-manager",
        "alerts": [
            {
                "key": FIRING.key,
                "fingerprint": "0123456789abcdef",
                "status": "firing",
                "name": "ComponentNotWell",
                "subject": "config-manager",
                "severity": "Critical",
                "message": "config-manager Unhealthy (ProbeFailed: HTTP 503)",
                "affects": ["market-analyzer", "position-sizer"],
                "recoveryExhausted": False,
                "startsAt": "2026-01-05T09:00:00Z",
            }
        ],
    }
    assert delivery.headers["X-Alluse-Delivery"] == MESSAGE.id


async def test_who_receives_can_tell_forged_old_and_repeated_ones(tmp_path: Path, receiver: Receiver) -> None:
    await send(settings(tmp_path, SinkType.WEBHOOK, receiver.url))
    [delivery] = receiver.deliveries
    headers, body, now = delivery.headers, delivery.body, time.time()
    seen: set[str] = set()
    assert not is_genuine(b"another key", headers, body, now, seen)
    assert not is_genuine(KEY, headers, body.replace(b"Critical", b"Info"), now, seen)
    assert not is_genuine(KEY, {**headers, "X-Alluse-Timestamp": str(int(now) + 1)}, body, now, seen)
    assert not is_genuine(KEY, headers, body, now + 301, seen)
    assert is_genuine(KEY, headers, body, now, seen)
    assert not is_genuine(KEY, headers, body, now, seen)


async def test_alertmanager_gets_the_beginning_with_an_end_and_the_end_at_once(
    tmp_path: Path, receiver: Receiver
) -> None:
    one = dataclasses.replace(
        settings(tmp_path, SinkType.ALERTMANAGER, f"{receiver.url}/am/"), hmac_key_file=None
    )
    assert await send(one) == Sent()
    assert await send(one, Message("shop", "demo", (RESOLVED,))) == Sent()
    first, second = receiver.deliveries
    assert first.path == second.path == "/am/api/v2/alerts"
    [firing], [resolved] = first.document, second.document
    assert (
        firing["labels"]
        == resolved["labels"]
        == {
            "alertname": "AllUseComponentNotWell",
            "namespace": "shop",
            "system": "demo",
            "component": "config-manager",
            "severity": "critical",
            "source": "allusesystem-operator",
        }
    )
    assert firing["startsAt"] == resolved["startsAt"] == "2026-01-05T09:00:00.000Z"
    assert firing["endsAt"] == "2026-01-05T17:00:05.000Z"
    assert resolved["endsAt"] == "2026-01-05T09:01:00.000Z"


def test_a_higher_severity_ends_the_alert_of_the_lower_one() -> None:
    worse = dataclasses.replace(FIRING, told_severity=AlertSeverity.WARNING)
    old, new = alertmanager_alerts(Message("shop", "demo", (worse,)))
    assert (old["labels"]["severity"], new["labels"]["severity"]) == ("warning", "critical")
    assert old["endsAt"] == "2026-01-05T09:00:05.000Z" < new["endsAt"]


@pytest.mark.parametrize(
    ("status", "headers", "result"),
    [
        (200, {}, Sent()),
        (204, {}, Sent()),
        (503, {}, Retry("HTTP 503")),
        (429, {"Retry-After": "7"}, Retry("HTTP 429", 7.0)),
        (429, {"Retry-After": "86400"}, Retry("HTTP 429", 300.0)),
        (503, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, Retry("HTTP 503")),
        (401, {}, Retry("HTTP 401")),
        (400, {}, Rejected("HTTP 400")),
        (302, {"Location": "http://127.0.0.1:1/elsewhere"}, Rejected("HTTP 302: redirects are not followed")),
    ],
)
async def test_what_an_answer_means(
    tmp_path: Path, receiver: Receiver, status: int, headers: dict[str, str], result: Result
) -> None:
    receiver.status, receiver.headers = status, headers
    assert await send(settings(tmp_path, SinkType.WEBHOOK, receiver.url)) == result
    assert len(receiver.deliveries) == 1


async def test_nobody_there_and_no_answer_are_tried_again(tmp_path: Path) -> None:
    with Receiver() as gone:
        url = gone.url
    assert await send(settings(tmp_path, SinkType.WEBHOOK, url)) == Retry("no connection")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        one = settings(tmp_path, SinkType.WEBHOOK, f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert await send(one, seconds=0.1) == Retry("no answer in time")


async def test_a_token_and_an_address_are_read_anew_from_their_files(
    tmp_path: Path, receiver: Receiver
) -> None:
    address, token = tmp_path / "url", tmp_path / "token"
    one = SinkSettings("pager", SinkType.ALERTMANAGER, url_file=address, token_file=token)
    assert await send(one) == Retry("the URL is not mounted (FileNotFoundError)")
    address.write_text("ftp://planted-address")
    assert await send(one) == Retry("the URL in the mounted Secret is no http or https URL")
    address.write_text(receiver.url + "\n")
    token.write_text("bad\r\nX-Injected: 1")
    assert await send(one) == Retry("the token in the mounted Secret cannot stand in a header")
    token.write_text("first\n")
    assert await send(one) == Sent()
    token.write_text("second\n")
    assert await send(one) == Sent()
    assert [d.headers["Authorization"] for d in receiver.deliveries] == ["Bearer first", "Bearer second"]


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
async def test_people_s_channels_are_reached_by_apprise(tmp_path: Path, receiver: Receiver) -> None:
    address = tmp_path / "url"
    address.write_text(receiver.url.replace("http://", "json://") + "/channel")
    one = SinkSettings("people", SinkType.APPRISE, url_file=address)
    assert await send(one, Message("shop", "demo", (FIRING, RESOLVED))) == Sent()
    [delivery] = receiver.deliveries
    assert delivery.document["title"] == "[CRITICAL] shop/demo: config-manager"
    assert delivery.document["message"].count("\n") == 1
    assert delivery.document["type"] == "failure"
    receiver.status = 500
    assert await send(one) == Retry("apprise could not deliver it")
    address.write_text("nonsense-planted://secret")
    assert await send(one) == Retry("the URL in the mounted Secret is none that apprise knows")


async def test_the_log_gets_a_line_a_notice(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await LogSink().send(Message("shop", "demo", (FIRING, RESOLVED)))
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("WARNING", "Alert"),
        ("INFO", "Alert resolved"),
    ]
    assert json.dumps(caplog.records[0].__dict__["subject"]) == '"config-manager"'
