"""The two kinds of message between components, and the form of every error.

What comes in is refused when it holds a field nobody knows (`Request`): a misspelt field must not turn into
a default. What comes back from a peer may hold more than we know (`Answer`), so that an older caller
understands a newer component. Neither can hold NaN or infinity. Validators are built on first use, because
most processes never see most messages.
"""

from typing import Final

from pydantic import BaseModel, ConfigDict, Field

#: Every reply that recommends a trade carries this.
DISCLAIMER: Final = "simulation, not investment advice"


class Request(BaseModel):
    """Base of everything a caller sends: unknown fields, NaN and infinity are refused."""

    model_config = ConfigDict(
        extra="forbid",
        allow_inf_nan=False,
        frozen=True,
        populate_by_name=True,
        str_strip_whitespace=True,
        defer_build=True,
    )


class Answer(BaseModel):
    """Base of everything a component answers: fields that the reader does not know are ignored."""

    model_config = ConfigDict(
        extra="ignore", allow_inf_nan=False, frozen=True, populate_by_name=True, defer_build=True
    )


class FieldProblem(Answer):
    """One field that was refused and why."""

    field: str
    msg: str


class Problem(Answer):
    """The body of every error (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""
    errors: list[FieldProblem] = Field(default_factory=list)
    trace_id: str = ""
