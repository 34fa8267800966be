"""What production-logger is asked and what it answers."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from alluse.schemas.base import Answer, Moment, Request
from alluse.schemas.settings import LogLevel


class LogsTaken(Answer):
    """Answer of a batch. `level` is a temporary level that the sender should log at, for `ttl_s` more."""

    accepted: int
    rejected: int
    level: LogLevel | None = None
    ttl_s: float = 0.0


class LogQuery(Request):
    """Which records: `level` and above, within [since, until), containing `q` in any case of letters."""

    component: Annotated[str, StringConstraints(max_length=64)] | None = None
    level: LogLevel | None = None
    since: Moment | None = None
    until: Moment | None = None
    q: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    trace_id: Annotated[str, StringConstraints(strip_whitespace=False, pattern=r"^[0-9a-f]{32}$")] | None = (
        None
    )
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class LogsFound(Answer):
    """Newest first. `complete` is false when the search ended before it had looked everywhere."""

    records: list[dict[str, Any]]
    complete: bool


class ComponentParam(Request):
    component: Annotated[str, StringConstraints(strip_whitespace=False, pattern=r"^[a-z][a-z0-9-]{0,62}$")]


class LevelRequest(Request):
    """A level for a limited time."""

    level: LogLevel
    ttl_s: Annotated[float, Field(ge=1, le=86_400)] = 600


class LevelAnswer(Answer):
    """The temporary level of a component; None when it logs as configured."""

    component: str
    level: LogLevel | None
    ttl_s: float


class ComponentLogStats(Answer):
    records: int
    errors: int


class LogStats(Answer):
    """Counts since the start of the process, and the files."""

    received: int
    rejected: int
    write_failures: int
    by_level: dict[str, int]
    by_component: dict[str, ComponentLogStats]
    per_second_60s: float
    bytes_on_disk: int
    bytes_cap: int
    disk_used_ratio: float
