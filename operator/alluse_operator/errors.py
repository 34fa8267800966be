"""The operator's own errors: each says what is wrong, where, and what would help.

OperatorError
├── SettingsError      a flag or environment variable cannot be used; names it. Retrying does not help.
├── NotLeading         this process may no longer write: another one holds the lease, or may soon hold it.
└── ApiError           the API server answered with a status that is not a success.
    └── ApiUnreachable no answer came at all: refused, cut, timed out. Whether a write took effect is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class OperatorError(Exception):
    """The root: catch this to catch everything that the operator raises on purpose."""


class SettingsError(OperatorError):
    """A setting cannot be used; the message names it and what would be accepted."""


class NotLeading(OperatorError):  # noqa: N818 - a state of this process, not a mistake of anybody
    """Raised instead of a write when the lease is not certainly ours."""


class ApiError(OperatorError):
    """An answer of the API server other than success.

    `status` is the HTTP status (0: no answer), `reason` the machine word of the Status object
    (`Conflict`, `Invalid`, ...), `causes` its field errors as (field, message), `retry_after` the pause
    in seconds that the server asked for.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        *,
        causes: tuple[tuple[str, str], ...] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.causes = causes
        self.retry_after = retry_after

    @classmethod
    def from_answer(cls, status: int, body: Any, retry_after: str | None = None) -> ApiError:
        """Read the `Status` object of an answer; anything else becomes its text, shortened."""
        details: Mapping[str, Any] = {}
        if isinstance(body, Mapping) and body.get("kind") == "Status":
            details = body.get("details") or {}
            reason = str(body.get("reason") or "Unknown")
            message = str(body.get("message") or reason)
        else:
            reason = "Unknown"
            message = f"the API server answered {status}: {str(body)[:200]}"
        causes = tuple(
            (str(cause.get("field") or cause.get("reason") or ""), str(cause.get("message") or ""))
            for cause in details.get("causes") or ()
            if isinstance(cause, Mapping)
        )
        seconds = retry_after or details.get("retryAfterSeconds")
        try:
            pause = float(seconds) if seconds is not None else None
        except (TypeError, ValueError):
            pause = None
        return cls(status, reason, message, causes=causes, retry_after=pause)

    @property
    def transient(self) -> bool:
        """Whether the same request may well succeed a moment later."""
        return self.status in (0, 401, 408, 429) or self.status >= 500

    @property
    def kind(self) -> str:
        """One word for logs and metrics."""
        if self.status == 0:
            return "unreachable"
        if self.status >= 500:
            return "server"
        return {
            401: "unauthorized",
            403: "forbidden",
            404: "notFound",
            409: "conflict",
            410: "gone",
            422: "invalid",
            429: "throttled",
        }.get(self.status, "rejected")

    @property
    def namespace_is_terminating(self) -> bool:
        """Whether the write was refused because its namespace is going away."""
        return self.status == 403 and (
            "because it is being terminated" in self.message
            or any(
                "NamespaceTerminating" in field or "is being terminated" in text
                for field, text in self.causes
            )
        )


class ApiUnreachable(ApiError):  # noqa: N818 - names the state, like NotLeading
    """No answer: the request may or may not have taken effect."""

    def __init__(self, message: str) -> None:
        super().__init__(0, "Unreachable", message)
