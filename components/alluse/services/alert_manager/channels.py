"""The ways out: the log, a file of JSON lines, a webhook whose body is signed."""

import asyncio
import hashlib
import hmac
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from alluse.runtime.context import Context
from alluse.schemas.alerts import AlertState, Notice
from alluse.schemas.common import Severity

KEY_URL: Final = "monitoring.alerts.webhook_url"
KEY_SECRET: Final = "monitoring.alerts.webhook_secret"  # noqa: S105  the name of a key
TIMEOUT_S: Final = 5.0
FILE: Final = "alerts.jsonl"
MAX_FILE: Final = 5 << 20
#: Answers after which the same notice may be taken later; other 4xx mean that it never will.
_LATER: Final = frozenset({401, 403, 404, 407, 408, 425, 429})


class ChannelError(Exception):
    """The notice did not go out; trying again may help."""


class RefusedError(ChannelError):
    """The receiver will never take this notice."""


Send = Callable[[Context[Any], Notice], Awaitable[str]]


def configured(context: Context[Any]) -> tuple[str, ...]:
    """The channels that are set up."""
    return tuple(CHANNELS) if context.config.text(KEY_URL) else ("log", "file")


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """HMAC-SHA256 (RFC 2104) over `<timestamp>.<body>`, as the receiver computes it too."""
    message = timestamp.encode() + b"." + body
    return "sha256=" + hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


async def to_log(context: Context[Any], notice: Notice) -> str:
    for alert in notice.alerts:
        say = context.log.info
        if alert.state is not AlertState.RESOLVED and alert.severity is not Severity.INFO:
            say = context.log.error if alert.severity is Severity.CRITICAL else context.log.warning
        say(
            f"alert {alert.state.value}: {alert.name}",
            name="alert",
            kind=notice.kind.value,
            alert_id=alert.id,
            severity=alert.severity.value,
            detail=alert.message,
            source=alert.source,
            labels=alert.labels,
        )
    return "written"


async def to_file(context: Context[Any], notice: Notice) -> str:
    """One line a notice; the file before the present one is kept as `.1`."""
    path = context.identity.state_dir / FILE
    line = notice.model_dump_json() + "\n"

    def append() -> None:
        if path.exists() and path.stat().st_size + len(line) > MAX_FILE:
            path.replace(Path(f"{path}.1"))
        with path.open("a", encoding="utf-8") as file:
            file.write(line)

    try:
        await asyncio.to_thread(append)
    except OSError as error:
        raise ChannelError(f"cannot write {path.name}: {error.strerror or error}") from None
    return "written"


async def to_webhook(context: Context[Any], notice: Notice) -> str:
    """POST the notice as JSON; 2xx is success. Repeated deliveries carry the same X-Alluse-Delivery."""
    url, secret = context.config.text(KEY_URL), context.config.text(KEY_SECRET)
    if not url:
        raise RefusedError(f"{KEY_URL} is not set")
    body = notice.model_dump_json().encode()
    timestamp = str(int(time.time()))
    headers = {
        "content-type": "application/json",
        "user-agent": f"alluse-alert-manager/{context.identity.version}",
        "x-alluse-delivery": notice.id,
        "x-alluse-timestamp": timestamp,
    }
    if secret:
        headers["x-alluse-signature"] = signature(secret, timestamp, body)
    status = await asyncio.to_thread(_post, url, headers, body)
    if 200 <= status < 300:
        return f"answered {status}"
    if 400 <= status < 500 and status not in _LATER:
        raise RefusedError(f"the receiver answers {status}")
    raise ChannelError(f"the receiver answers {status}")


def _post(url: str, headers: dict[str, str], body: bytes) -> int:
    """One exchange without redirects or proxies. The errors name the host only: a path may be a secret."""
    import http.client

    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    try:
        connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
        try:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", target, body, headers)
            answer = connection.getresponse()
            answer.read(1 << 16)
            return answer.status
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ChannelError(f"cannot reach {parts.hostname}: {error or type(error).__name__}") from None


CHANNELS: Final[dict[str, Send]] = {"log": to_log, "file": to_file, "webhook": to_webhook}
