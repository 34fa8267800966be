"""The two kinds of message between components, and the form of every error.

What comes in is refused when it holds a field nobody knows (`Request`): a misspelt field must not turn into
a default. What comes back from a peer may hold more than we know (`Answer`), so that an older caller
understands a newer component. Neither can hold NaN or infinity. Validators are built on first use, because
most processes never see most messages.

A number is a number either way: `false`, `"12"` or 1.0 for a count are refused, and a date that comes in is
never a number of seconds. Enumerations and dates are text in JSON, so only numbers and truth values are
strict. An answer may be sent on within a request (an analysis to the sizer), and is then read as strictly.
"""

from datetime import UTC, date, datetime
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema

#: Every reply that recommends a trade carries this.
DISCLAIMER: Final = "simulation, not investment advice"
_STRICT: Final = ("float", "int", "bool")


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

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        _make_strict(schema)
        return schema


def _make_strict(schema: Any) -> None:
    """Make numbers and truth values strict. A model within has a validator of its own, strict or not."""
    if isinstance(schema, list | tuple):
        for part in schema:
            _make_strict(part)
    elif isinstance(schema, dict):
        if schema.get("type") in _STRICT:
            schema["strict"] = True
        for part in schema.values():
            if isinstance(part, dict | list | tuple):
                _make_strict(part)


def _written(value: object) -> object:
    """Refuse a moment or day that is a number, or text that holds only one."""
    if isinstance(value, int | float) or (isinstance(value, str) and "-" not in value.strip().lstrip("-")):
        raise ValueError("write it as in 2024-06-18 or 2024-06-18T15:30:00Z")
    return value


def _day(value: object) -> object:
    """The UTC day of an RFC 3339 time stamp; anything else is left to the date parser."""
    value = _written(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).date()
    if isinstance(value, str) and "T" in value:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return value
        return (moment if moment.tzinfo is None else moment.astimezone(UTC)).date()
    return value


#: A point in time, RFC 3339 with its zone.
Moment = Annotated[AwareDatetime, BeforeValidator(_written)]
#: The same where the zone may be left out.
LocalMoment = Annotated[datetime, BeforeValidator(_written)]

#: A calendar day; a time stamp is accepted and read as its UTC day.
Day = Annotated[date, BeforeValidator(_day)]


class Answer(BaseModel):
    """Base of everything a component answers: fields that the reader does not know are ignored."""

    model_config = ConfigDict(
        extra="ignore", allow_inf_nan=False, frozen=True, populate_by_name=True, defer_build=True
    )

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        _make_strict(schema)
        return schema


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
