"""Sinks: each takes a message and says what came of it, in words that hold nothing of the answer.

Neither addresses nor credentials appear in what a sink says: it goes into logs, Events and metrics. A URL
may be a credential itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import aiohttp

from alluse_operator.cluster.alerting.configuration import SinkSettings, SinkType, address_problem
from alluse_operator.cluster.alerting.messages import (
    Message,
    alertmanager_alerts,
    max_severity,
    sentence,
    sign,
    webhook_body,
)
from alluse_operator.core.notices import LOG_SINK, NoticeKind

log = logging.getLogger(__name__)

#: Longest key, token or URL that is read from a file.
SECRET_LIMIT = 8 * 1024
#: Longest pause that a receiver may ask for, in seconds.
PAUSE_LIMIT = 300.0


@dataclass(frozen=True, slots=True)
class Sent:
    """It was taken."""


@dataclass(frozen=True, slots=True)
class Retry:
    """It was not taken, and may be later; `after`: not before so many seconds."""

    reason: str
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Rejected:
    """It was not taken and never will be."""

    reason: str


Result = Sent | Retry | Rejected


class Sink(Protocol):
    """One receiver."""

    name: str

    async def send(self, message: Message) -> Result:
        """Hand it over. Whatever goes wrong is a result, too."""
        ...


class LogSink:
    """The operator's own log: always there."""

    name = LOG_SINK

    async def send(self, message: Message) -> Result:
        for notice in message.notices:
            over = notice.kind is NoticeKind.RESOLVED
            log.log(
                logging.INFO if over else logging.WARNING,
                "Alert resolved" if over else "Alert",
                extra={
                    "namespace": message.namespace,
                    "system": message.system,
                    "alert": notice.name,
                    "subject": notice.subject or None,
                    "severity": notice.severity.value,
                    "fingerprint": notice.fingerprint,
                    "detail": sentence(notice),
                },
            )
        return Sent()


class SecretFileError(Exception):
    """A mounted file cannot be used; the text names the setting, not the content."""


class HttpSink(ABC):
    """POSTs JSON to one address, without following redirects and without reading the answer."""

    def __init__(self, settings: SinkSettings, session: aiohttp.ClientSession) -> None:
        self.name = settings.name
        self._settings = settings
        self._session = session

    async def send(self, message: Message) -> Result:
        try:
            url = self._address()
            body, headers = self._request(message)
        except SecretFileError as error:
            # A Secret that is not there yet, or is being changed.
            return Retry(str(error))
        try:
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
                return _judge(answer.status, answer.headers.get("Retry-After", ""))
        except TimeoutError:
            return Retry("no answer in time")
        except aiohttp.ClientSSLError:
            return Retry("its certificate is not accepted")
        except aiohttp.ClientConnectorError:
            return Retry("no connection")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Retry(f"the connection failed ({type(error).__name__})")

    def _address(self) -> str:
        if self._settings.url_file is None:
            return self._settings.url
        url = _secret(self._settings.url_file, "URL").decode("utf-8", "replace")
        if problem := address_problem(url):
            raise SecretFileError(f"the URL in the mounted Secret {problem}")
        return url

    def _request(self, message: Message) -> tuple[bytes, dict[str, str]]:
        headers = {"Content-Type": "application/json"}
        if self._settings.token_file is not None:
            token = _secret(self._settings.token_file, "token").decode("latin-1")
            if any(ord(character) < 0x21 or ord(character) > 0x7E for character in token):
                raise SecretFileError("the token in the mounted Secret cannot stand in a header")
            headers["Authorization"] = f"Bearer {token}"
        body, more = self._content(message)
        return body, {**headers, **more}

    @abstractmethod
    def _content(self, message: Message) -> tuple[bytes, Mapping[str, str]]:
        """Body and headers of the request that carries the message."""


class WebhookSink(HttpSink):
    """A document of ours, signed; the time stamp is part of what is signed."""

    def _content(self, message: Message) -> tuple[bytes, Mapping[str, str]]:
        assert self._settings.hmac_key_file is not None
        key = _secret(self._settings.hmac_key_file, "HMAC key")
        body = webhook_body(message)
        timestamp = str(int(time.time()))
        return body, {
            "X-Alluse-Delivery": message.id,
            "X-Alluse-Timestamp": timestamp,
            "X-Alluse-Signature": sign(key, timestamp, body),
        }


class AlertmanagerSink(HttpSink):
    """`POST <url>/api/v2/alerts`."""

    def _address(self) -> str:
        return super()._address().rstrip("/") + "/api/v2/alerts"

    def _content(self, message: Message) -> tuple[bytes, Mapping[str, str]]:
        return json.dumps(alertmanager_alerts(message)).encode(), {}


class AppriseSink:
    """People's channels, by the library Apprise, which an installation adds to its image if it wants it.

    The library writes addresses, which hold credentials, into its log: its log is closed.
    """

    def __init__(self, settings: SinkSettings) -> None:
        self.name = settings.name
        self._settings = settings
        self._library: Any = None

    async def send(self, message: Message) -> Result:
        try:
            assert self._settings.url_file is not None
            url = _secret(self._settings.url_file, "URL").decode("utf-8", "replace")
        except SecretFileError as error:
            return Retry(str(error))
        if self._library is None:
            self._library = await asyncio.to_thread(_import_apprise)
        channels = self._library.Apprise()
        # The first address loads all of the library's plugins: seconds, not on the loop.
        if not await asyncio.to_thread(channels.add, url):
            return Retry("the URL in the mounted Secret is none that apprise knows")
        firing = [notice for notice in message.notices if notice.kind is NoticeKind.FIRING]
        kind = (
            {"Critical": "failure", "Warning": "warning", "Info": "info"}[max_severity(firing)]
            if firing
            else "success"
        )
        taken = await channels.async_notify(title=message.title, body=message.text, notify_type=kind)
        return Sent() if taken else Retry("apprise could not deliver it")


def build(settings: SinkSettings, session: aiohttp.ClientSession) -> Sink:
    """The sink that these settings describe."""
    match settings.type:
        case SinkType.WEBHOOK:
            return WebhookSink(settings, session)
        case SinkType.ALERTMANAGER:
            return AlertmanagerSink(settings, session)
        case SinkType.APPRISE:
            return AppriseSink(settings)


def _import_apprise() -> Any:
    logger = logging.getLogger("apprise")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    logger.disabled = True
    return importlib.import_module("apprise")


def _judge(status: int, retry_after: str) -> Result:
    if 200 <= status < 300:
        return Sent()
    if status in (401, 403, 404, 408, 409, 425, 429) or status >= 500:
        # Credentials and addresses are mended while we try; the rest mends itself.
        pause = 0.0
        with contextlib.suppress(ValueError):
            pause = min(max(float(retry_after), 0.0), PAUSE_LIMIT)
        return Retry(f"HTTP {status}", pause)
    if 300 <= status < 400:
        return Rejected(f"HTTP {status}: redirects are not followed")
    return Rejected(f"HTTP {status}")


def _secret(path: Path, what: str) -> bytes:
    """Content of a mounted file, without the white space around it."""
    try:
        with path.open("rb") as file:
            content = file.read(SECRET_LIMIT + 1).strip()
    except OSError as error:
        raise SecretFileError(f"the {what} is not mounted ({type(error).__name__})") from None
    if not content or len(content) > SECRET_LIMIT:
        raise SecretFileError(f"the {what} in the mounted Secret is empty or too long")
    return content
