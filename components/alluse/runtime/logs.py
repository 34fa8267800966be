"""Structured logs: one JSON object a line on standard output, and the same to production-logger.

Record fields: timestamp, level, component, logger, message, module, function, line, trace_id, user_id
(hashed), event, duration_ms, exception, pod, revision, and whatever the caller adds.
"""

import json
import logging
import sys
import time
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any, Final, TextIO

import structlog

from alluse.runtime import trace
from alluse.runtime.identity import Identity
from alluse.runtime.masking import hashed_user, mask_record

LEVELS: Final = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}

Logger = structlog.typing.FilteringBoundLogger
Record = MutableMapping[str, Any]


def now() -> str:
    """The present time as RFC 3339 in UTC with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Logs:
    """The log of one process. `ship` gets every finished record; set it to send them somewhere."""

    def __init__(self, identity: Identity, out: TextIO | None = None) -> None:
        self._identity = identity
        self._out = out if out is not None else sys.stdout
        self._level = LEVELS["INFO"]
        self._until: tuple[int, float] | None = None
        self.format = "json"
        self.console = True
        self.sanitize = True
        self.ship: Callable[[dict[str, Any]], None] | None = None

    def configure(self, level: str, format_: str, console: bool, sanitize: bool) -> None:
        """Follow the configuration; a temporary level stays until it ends."""
        self._level = LEVELS.get(level.upper(), LEVELS["INFO"])
        self.format, self.console, self.sanitize = format_, console, sanitize

    def set_level_for(self, level: str, seconds: float) -> None:
        """A temporary level, for a look from close by."""
        self._until = (LEVELS[level.upper()], time.monotonic() + seconds)

    @property
    def level(self) -> int:
        if self._until is not None:
            level, end = self._until
            if time.monotonic() < end:
                return level
            self._until = None
        return self._level

    def logger(self, name: str = "") -> Logger:
        """A logger whose records carry `name`; use keyword arguments for values, not the message."""
        logger: Logger = structlog.wrap_logger(
            None,
            processors=[self._drop_below, _CALLSITE, self._finish],
            wrapper_class=structlog.make_filtering_bound_logger(0),
            log_name=name or self._identity.name,
        )
        return logger

    def _drop_below(self, logger: object, method: str, record: Record) -> Record:
        if LEVELS.get(method.upper(), 40) < self.level:
            raise structlog.DropEvent
        return record

    def _finish(self, logger: object, method: str, record: Record) -> Record:
        level = "ERROR" if method == "exception" else method.upper()
        message = record.pop("event", "")
        finished: dict[str, Any] = {
            "timestamp": now(),
            "level": level,
            "component": self._identity.name,
            "logger": record.pop("log_name", ""),
            "message": message,
            "module": record.pop("module", ""),
            "function": record.pop("func_name", ""),
            "line": record.pop("lineno", 0),
        }
        if (current := trace.current.get()) is not None:
            finished["trace_id"] = current.trace_id
            if current.user_id:
                finished["user_id"] = hashed_user(current.user_id)
        if "name" in record:
            finished["event"] = record.pop("name")
        if error := record.pop("exc_info", None):
            finished["exception"] = _exception(error)
        finished.update(record)
        if self._identity.pod:
            finished["pod"] = self._identity.pod
        self.write(mask_record(finished) if self.sanitize else finished)
        raise structlog.DropEvent

    def write(self, record: dict[str, Any]) -> None:
        """Put a finished record on standard output and hand it on."""
        if self.console:
            line = json.dumps(record, default=str) if self.format == "json" else text_line(record)
            try:
                self._out.write(line + "\n")
                self._out.flush()
            except (OSError, ValueError):
                self.console = False
        if self.ship is not None:
            self.ship(record)

    def capture_standard_logging(self) -> None:
        """Send what libraries log through the standard module the same way, from WARNING on."""
        root = logging.getLogger()
        root.handlers[:] = [_Bridge(self)]
        root.setLevel(logging.WARNING)


_CALLSITE: Final = structlog.processors.CallsiteParameterAdder(
    {
        structlog.processors.CallsiteParameter.MODULE,
        structlog.processors.CallsiteParameter.FUNC_NAME,
        structlog.processors.CallsiteParameter.LINENO,
    },
    additional_ignores=["alluse.runtime.logs"],
)


class _Bridge(logging.Handler):
    """A standard handler that writes our records."""

    def __init__(self, logs: Logs) -> None:
        super().__init__()
        self._logs = logs

    def emit(self, record: logging.LogRecord) -> None:
        extra: dict[str, Any] = {"exc_info": record.exc_info[1]} if record.exc_info else {}
        level = record.levelname.lower()
        method = getattr(self._logs.logger(record.name), level if level.upper() in LEVELS else "error")
        method(record.getMessage(), **extra)


def text_line(record: MutableMapping[str, Any]) -> str:
    """A record for people: time, level, component, message, then the other values."""
    known = (
        "timestamp",
        "level",
        "component",
        "message",
        "module",
        "function",
        "line",
        "logger",
        "exception",
    )
    rest = " ".join(f"{key}={value}" for key, value in record.items() if key not in known)
    line = (
        f"{record.get('timestamp', '')} {record.get('level', ''):<8} {record.get('component', '')}: "
        f"{record.get('message', '')} {rest}"
    ).rstrip()
    return f"{line}\n{record['exception']}" if record.get("exception") else line


def _exception(error: Any) -> str:
    import traceback

    if error is True:
        error = sys.exc_info()[1]
    if isinstance(error, tuple):
        error = error[1]
    return "".join(traceback.format_exception(error)).rstrip() if isinstance(error, BaseException) else ""
