"""What metrics-collector is asked and what it answers. Times are Unix seconds inside points."""

from typing import Annotated

from pydantic import Field, RootModel, StringConstraints

from alluse.schemas.base import Answer, Moment, Request

MetricName = Annotated[
    str, StringConstraints(strip_whitespace=False, pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$", max_length=100)
]
LabelName = Annotated[
    str, StringConstraints(strip_whitespace=False, pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$", max_length=40)
]
LabelValue = Annotated[str, StringConstraints(max_length=120)]


class MetricPoint(Request):
    """One pushed value; without `ts` it is of now."""

    name: MetricName
    value: float
    labels: Annotated[dict[LabelName, LabelValue], Field(max_length=8)] = Field(default_factory=dict)
    unit: Annotated[str, StringConstraints(max_length=20)] = ""
    ts: Moment | None = None


class MetricPoints(RootModel[Annotated[list[MetricPoint], Field(max_length=5000)]]):
    """A list of points."""


class PointsTaken(Answer):
    """`refused` points belong to series beyond the limit or to a time outside the last hour."""

    accepted: int
    refused: int


#: `name=value`.
LabelFilter = Annotated[
    str, StringConstraints(strip_whitespace=False, pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*=[^=,]*$", max_length=200)
]


class SeriesQuery(Request):
    """Which series; `labels` are `name=value` pairs that must all hold, `step_s` averages over steps."""

    name: MetricName
    labels: Annotated[list[LabelFilter], Field(max_length=8)] = Field(default_factory=list)
    since: Moment | None = None
    step_s: Annotated[int, Field(ge=1, le=86_400)] | None = None


class Series(Answer):
    """One series: `points` are [time, value]."""

    name: str
    labels: dict[str, str]
    unit: str
    points: list[tuple[float, float]]


class SeriesFound(Answer):
    """`resolution_s` is 0 for values as they came, else the seconds over which they are averaged."""

    series: list[Series]
    resolution_s: int
    truncated: bool


class SummaryQuery(Request):
    """Of one metric, or of all; over the last minutes."""

    name: MetricName | None = None
    labels: Annotated[list[LabelFilter], Field(max_length=8)] = Field(default_factory=list)
    window_min: Annotated[int, Field(ge=1, le=168 * 60)] = 60


class Summary(Answer):
    """Figures over all matching series; beyond an hour they rest on one-minute averages."""

    count: int
    min: float
    max: float
    avg: float
    p50: float
    p95: float
    p99: float
    latest: float
    unit: str


class Summaries(Answer):
    """By metric name."""

    metrics: dict[str, Summary]
    window_min: int


class SummaryAnswer(RootModel[Summary | Summaries]):
    """One summary for a name, else all."""


class Target(Answer):
    """One component as a source of metrics."""

    component: str
    up: bool
    misses: int
    samples: int
    last_success: str | None
    duration_ms: float
    error: str


class Targets(Answer):
    targets: list[Target]
    series: int
    series_cap: int
    refused_series: int
