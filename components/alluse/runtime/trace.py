"""The thread that runs through one request: trace, request id, user and remaining time.

Held in a context variable, so that logs and outgoing calls find it without being handed it.
Trace headers follow W3C Trace Context level 1 (`traceparent`, version 00).
"""

import asyncio
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Final

_TRACEPARENT: Final = re.compile(r"^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$")
_SAFE: Final = re.compile(r"^[\x21-\x7e]{1,128}$")


@dataclass(frozen=True, slots=True)
class Trace:
    """One request as it passes through components. `deadline` is the event loop's time, or None."""

    trace_id: str
    request_id: str
    user_id: str = ""
    deadline: float | None = None
    flags: str = "01"
    #: Components that did not answer while this request was worked on.
    missed: set[str] = field(default_factory=set)

    @classmethod
    def new(cls) -> "Trace":
        trace_id = secrets.token_hex(16)
        return cls(trace_id=trace_id, request_id=trace_id)

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> "Trace":
        """Continue the caller's trace, or begin one where its headers are missing or malformed."""
        match = _TRACEPARENT.match(headers.get("traceparent", ""))
        if match and match[1] != "0" * 32 and match[2] != "0" * 16:
            trace_id, flags = match[1], match[3]
        else:
            trace_id, flags = secrets.token_hex(16), "01"
        request_id = headers.get("x-request-id", "")
        budget = headers.get("x-deadline-ms", "")
        return cls(
            trace_id=trace_id,
            request_id=request_id if _SAFE.match(request_id) else trace_id,
            user_id=headers.get("x-user-id", ""),
            deadline=(
                asyncio.get_running_loop().time() + min(int(budget), 3_600_000) / 1000
                if budget.isascii() and budget.isdecimal() and len(budget) < 10
                else None
            ),
            flags=flags,
        )

    def remaining(self) -> float | None:
        """Seconds left of the caller's budget (zero or less when spent); None without one."""
        return None if self.deadline is None else self.deadline - asyncio.get_running_loop().time()

    def headers(self) -> dict[str, str]:
        """Headers for a call made on behalf of this request."""
        headers = {
            "traceparent": f"00-{self.trace_id}-{secrets.token_hex(8)}-{self.flags}",
            "x-request-id": self.request_id,
        }
        if self.user_id:
            headers["x-user-id"] = self.user_id
        if (remaining := self.remaining()) is not None:
            headers["x-deadline-ms"] = str(max(0, int(remaining * 1000)))
        return headers


current: ContextVar[Trace | None] = ContextVar("alluse_trace", default=None)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """What is done in the block has at most so long, for itself and for those that it calls."""
    context = current.get() or Trace.new()
    deadline = asyncio.get_running_loop().time() + seconds
    if context.deadline is not None:
        deadline = min(deadline, context.deadline)
    token = current.set(replace(context, deadline=deadline))
    try:
        yield
    finally:
        current.reset(token)
