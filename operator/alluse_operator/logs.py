"""Logs for machines: one JSON object a line, whatever is in it.

Modules log with the standard library and put fields into `extra`: namespace, system, component, reason. A
message may carry what the cluster says, so newlines and terminal sequences are escaped and long values cut.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import MutableMapping
from typing import Any

import structlog

VALUE_LIMIT = 4000
#: Kopf reports each attempt of each stream while the API server is away: once in so many seconds is enough.
REPEAT_SECONDS = 30.0

_CONTROL = {
    code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\r\t"
}
_CONTROL |= {ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def configure(level: str, form: str) -> None:
    """Set up logging for the process: `form` is json or text."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.format_exc_info,
        _drop_empty,
    ]
    last: Any = structlog.processors.JSONRenderer(sort_keys=False) if form == "json" else _render_text
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _rename_event, _cut, last],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    handler.addFilter(_OneOfMany())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # "Handler ... succeeded" for each event of each object.
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    logging.captureWarnings(True)


class _OneOfMany(logging.Filter):
    """Lets Kopf's failed attempts through once in a while, and not the same end by each of its streams."""

    def __init__(self) -> None:
        super().__init__()
        self._quiet_until = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name == "asyncio" and "/kopf/" in str(record.args or record.msg):
            return False
        if not (record.name.startswith("kopf") and str(record.msg).startswith("Request attempt")):
            return True
        now = time.monotonic()
        if now < self._quiet_until:
            return False
        self._quiet_until = now + REPEAT_SECONDS
        return True


def _drop_empty(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {name: value for name, value in event.items() if value is not None}


def _rename_event(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """time, level, message first: the order in which people read."""
    first = {
        "time": event.pop("time", None),
        "level": event.pop("level", None),
        "message": event.pop("event", ""),
    }
    return {**first, **event}


def _cut(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if isinstance(value, str) and len(value) > VALUE_LIMIT:
            event[name] = value[:VALUE_LIMIT] + f"… ({len(value)} characters)"
        elif not isinstance(value, str | int | float | bool | list | None):
            event[name] = str(value)[:VALUE_LIMIT]
    return event


def _render_text(_: Any, __: str, event: MutableMapping[str, Any]) -> str:
    head = f"{event.pop('time')} {str(event.pop('level')).upper():7} {event.pop('message')}"
    event.pop("logger", None)
    rest = " ".join(f"{name}={value}" for name, value in event.items())
    return f"{head}  {rest}".rstrip().translate(_CONTROL)
