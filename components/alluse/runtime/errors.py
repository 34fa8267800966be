"""Errors that a component answers with, each one a problem document (RFC 9457).

    ApiError
    ├── BadMessageError          400  the message itself is broken (no JSON, no such media type)
    ├── NotAllowedError          403  the component's configuration forbids it
    ├── NotFoundError            404
    ├── MethodNotAllowedError    405
    ├── ConflictError            409  the state, or missing data, stands against it
    │   └── PreconditionFailedError   `If-Match` names another revision than the present one
    ├── TooLargeError            413
    ├── InvalidRequestError      422  the caller must change the fields named in `errors`
    ├── NotBuiltError            501  the endpoint is not part of this version
    ├── UnavailableError         503  something that is needed is missing; a retry may help
    └── DeadlineExceededError    504  the caller's or our own time was spent

A handler raises one of these or lets a `DomainError` or `PeerError` pass; anything else is our own
failure and answered with 500.
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from alluse.schemas.base import FieldProblem, Problem


class ApiError(Exception):
    """An answer that is a problem: `detail` says what is wrong and what to do about it."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"

    def __init__(self, detail: str, errors: Iterable[FieldProblem] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = list(errors)
        #: Header fields of the answer beside the usual ones.
        self.headers: Mapping[str, str] = {}

    def problem(self, trace_id: str) -> Problem:
        return Problem(
            title=self.title, status=self.status, detail=self.detail, errors=self.errors, trace_id=trace_id
        )


class BadMessageError(ApiError):
    status = 400
    title = "Bad request"


class NotAllowedError(ApiError):
    status = 403
    title = "Not allowed"


class NotFoundError(ApiError):
    status = 404
    title = "Not found"


class MethodNotAllowedError(ApiError):
    """The answer's `Allow` names what the path takes (RFC 9110)."""

    status = 405
    title = "Method not allowed"

    def __init__(self, path: str, method: str, allowed: Iterable[str]) -> None:
        listed = ", ".join(sorted(allowed))
        super().__init__(f"{path} takes {listed}, not {method}")
        self.headers = {"allow": listed}


class ConflictError(ApiError):
    status = 409
    title = "Conflict"


class PreconditionFailedError(ConflictError):
    title = "Precondition failed"


class TooLargeError(ApiError):
    status = 413
    title = "Request too large"


class InvalidRequestError(ApiError):
    status = 422
    title = "Invalid input"

    @classmethod
    def field(cls, field: str, msg: str) -> "InvalidRequestError":
        """One field is wrong."""
        return cls(f"{field}: {msg}", [FieldProblem(field=field, msg=msg)])


class NotBuiltError(ApiError):
    status = 501
    title = "Not implemented"


class UnavailableError(ApiError):
    status = 503
    title = "Unavailable"


class DeadlineExceededError(ApiError):
    status = 504
    title = "Deadline exceeded"


class CheckFailedError(Exception):
    """A health check found the component unable to do its work; the text is the check's detail."""


class CheckDegradedError(Exception):
    """A health check found the component working with less than it wants; the text is the check's detail."""


class SelfTestError(Exception):
    """The golden case gave a wrong answer: the component computes nonsense and must not be ready."""
