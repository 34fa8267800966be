"""What config-manager is asked and what it answers."""

from typing import Annotated, Any

from pydantic import Field, JsonValue, StringConstraints

from alluse.schemas.base import Answer, FieldProblem, Request

DottedKey = Annotated[
    str,
    StringConstraints(
        strip_whitespace=False, pattern=r"^[A-Za-z_][A-Za-z0-9_\-]*(\.[A-Za-z0-9_\-]+)*$", max_length=200
    ),
]


class ConfigKey(Request):
    """Which key."""

    key: DottedKey


class ComponentName(Request):
    """Which component."""

    name: Annotated[str, StringConstraints(max_length=64)]


class WholeConfig(Answer):
    """Everything in force; secrets are masked. `sources` says which layer set each key."""

    revision: int
    environment: str
    values: dict[str, Any]
    sources: dict[str, str]
    warnings: list[str] = Field(default_factory=list)


class ConfigValue(Answer):
    """One key, or everything below it."""

    key: str
    revision: int
    value: Any
    sources: dict[str, str]


class WatchRequest(Request):
    """Since which revision, and how long to wait for another one."""

    since: Annotated[int, Field(ge=0)] = 0
    timeout_s: Annotated[float, Field(ge=0, le=25)] = 25


class Change(Answer):
    """One key that changed; None where it was not or is no longer set."""

    key: str
    old: Any = None
    new: Any = None


class Changes(Answer):
    """The present revision and what has changed since the asked one.

    `complete` is false when the asked revision is no longer remembered: then fetch everything.
    """

    revision: int
    complete: bool
    changes: list[Change]


class OverrideRequest(Request):
    """A value to set at run time, and why."""

    value: JsonValue
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class OverrideAnswer(Answer):
    """The revision after the change."""

    revision: int
    key: str
    old: Any
    new: Any


class Override(Answer):
    """A run-time override in force."""

    key: str
    value: Any
    reason: str
    since: str


class Overrides(Answer):
    overrides: list[Override]


class Revision(Answer):
    """One remembered revision."""

    revision: int
    at: str
    reason: str
    changes: list[Change]


class Revisions(Answer):
    """Newest first."""

    revisions: list[Revision]


class ValidateRequest(Request):
    """A configuration file to check, as it would be laid over the packaged values."""

    yaml: Annotated[str, StringConstraints(strip_whitespace=False, max_length=65_536)]


class ValidateAnswer(Answer):
    valid: bool
    errors: list[FieldProblem]
    warnings: list[str]
