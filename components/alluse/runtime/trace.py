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
#: What a call still gets when the time of a request that has missed somebody is over; who is there needs less
LAST_S: Final = 0.35
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
    #: Until when calls may take once somebody was missed, in the event loop's time.
    soon: float | None = None

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
        if self.deadline is None:
            return None
        now = asyncio.get_running_loop().time()
        if self.soon is not None and self.missed:
            return min(self.deadline - now, max(self.soon - now, LAST_S))
        return self.deadline - now

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
def within(seconds: float, soon_s: float | None = None) -> Iterator[None]:
    """What is done in the block has at most so long, for itself and for those that it calls.

    With `soon_s` it has only that, or a last moment for each call, once somebody did not answer: nobody is to
    wait for several missing parts one after the other.
    """
    context = current.get() or Trace.new()
    now = asyncio.get_running_loop().time()
    deadline = now + seconds
    if context.deadline is not None:
        deadline = min(deadline, context.deadline)
    soon = context.soon if soon_s is None else now + soon_s
    token = current.set(replace(context, deadline=deadline, soon=soon))
    try:
        yield
    finally:
        current.reset(token)
