"""What alert-manager is told, what it keeps and what it answers. Times are UTC, durations in seconds."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from alluse.schemas.base import Answer, Moment, Request
from alluse.schemas.common import Severity

AlertName = Annotated[str, StringConstraints(strip_whitespace=False, pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$")]
AlertId = Annotated[str, StringConstraints(strip_whitespace=False, pattern=r"^[0-9a-f]{16}$")]
Source = Annotated[
    str, StringConstraints(strip_whitespace=False, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}$")
]
LabelName = Annotated[
    str, StringConstraints(strip_whitespace=False, pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$", max_length=40)
]
LabelValue = Annotated[str, StringConstraints(max_length=120)]
Labels = Annotated[dict[LabelName, LabelValue], Field(max_length=16)]
Prose = Annotated[str, StringConstraints(max_length=1000)]
Person = Annotated[str, StringConstraints(min_length=1, max_length=100)]
MetricName = Annotated[
    str, StringConstraints(strip_whitespace=False, pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$", max_length=100)
]


class AlertState(StrEnum):
    """Where an alert is in its life."""

    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class AlertRequest(Request):
    """An alert to record. The same source, name and labels are the same alert.

    `expires_s` resolves it when it has not been sent again for so long; without it somebody must. `hold_s`
    tells nobody before it has fired for so long: what passes by itself within that time wakes nobody.
    """

    name: AlertName
    severity: Severity
    message: Prose = ""
    source: Source
    labels: Labels = Field(default_factory=dict)
    value: float | None = None
    threshold: float | None = None
    recommended_action: Prose = ""
    expires_s: Annotated[float, Field(ge=1, le=604_800)] | None = None
    hold_s: Annotated[float, Field(ge=0, le=3600)] = 0.0


class Alert(Answer):
    """An alert with its life.

    `owed` says that nobody has been told that it fires and that somebody must be; `announced_at` is when a
    notice last told so (None: never since it began); `silenced_by` and `inhibited_by` say why nobody is
    told.
    """

    id: str
    name: str
    severity: Severity
    state: AlertState
    message: str
    source: str
    labels: dict[str, str]
    value: float | None = None
    threshold: float | None = None
    recommended_action: str = ""
    first_seen: datetime
    last_seen: datetime
    count: int = 1
    rule: str | None = None
    expires_s: float | None = None
    hold_s: float = 0.0
    #: Evaluations of its rule in a row that did not find it.
    quiet: int = 0
    owed: bool = False
    announced_at: datetime | None = None
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    resolved_by: str | None = None
    resolved_at: datetime | None = None
    silenced_by: str | None = None
    inhibited_by: str | None = None

    @property
    def active(self) -> bool:
        return self.state is not AlertState.RESOLVED


class AlertPath(Request):
    id: AlertId


class ByRequest(Request):
    """Who does it."""

    by: Person


class AlertsQuery(Request):
    """Which alerts; resolved ones are the newest 1,000."""

    state: AlertState | None = None
    severity: Severity | None = None
    source: Source | None = None
    name: AlertName | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 200


class Alerts(Answer):
    """Active ones first, each part newest first."""

    alerts: list[Alert]


class AlertSummary(Answer):
    """How many there are of which kind."""

    total_active: int
    acknowledged: int
    unacknowledged: int
    by_severity: dict[Severity, int]
    total_resolved: int
    oldest_active: datetime | None
    newest_active: datetime | None


class SilenceRequest(Request):
    """Alerts whose `name`, `source`, `severity` or labels all match get no notices until then.

    A value may hold `*` for anything.
    """

    matchers: Annotated[dict[LabelName, LabelValue], Field(min_length=1, max_length=16)]
    until: Moment
    reason: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    by: Person = "unknown"


class Silence(Answer):
    id: str
    matchers: dict[str, str]
    until: datetime
    reason: str
    by: str
    created: datetime


class SilencePath(Request):
    id: Annotated[str, StringConstraints(max_length=64)]


class Silences(Answer):
    silences: list[Silence]


class Operator(StrEnum):
    """How a value is compared with the limit."""

    ABOVE = ">"
    AT_LEAST = ">="
    BELOW = "<"
    AT_MOST = "<="
    EQUAL = "=="
    UNEQUAL = "!="


class Measure(StrEnum):
    """What is taken of a series: its newest value, its growth per second, or its growth in the window."""

    VALUE = "value"
    RATE = "rate"
    INCREASE = "increase"


class Expression(Request):
    """A condition on a metric, looked at per component.

    Of several series of a component the largest value counts, growths are summed. `over` divides by the
    same measure of another metric; `budget` makes `value` a multiple of the component's time budget in
    seconds (components without one are left out); `threshold` takes the limit from a `health.*_threshold`
    of the configuration (percent) instead. Label values may hold `*`.
    """

    metric: MetricName
    op: Operator
    value: float = 0.0
    for_s: Annotated[float, Field(ge=0, le=86_400)] = 0.0
    labels: Labels = Field(default_factory=dict)
    measure: Measure = Measure.VALUE
    window_s: Annotated[float, Field(ge=10, le=3600)] = 60.0
    over: MetricName | None = None
    over_labels: Labels = Field(default_factory=dict)
    budget: bool = False
    threshold: (
        Annotated[str, StringConstraints(strip_whitespace=False, pattern=r"^(cpu|memory|disk)$")] | None
    ) = None


class Rule(Request):
    """Fires an alert of its name for every component for which the expression holds long enough."""

    name: AlertName
    expr: Expression
    severity: Severity
    message: Prose
    recommended_action: Prose = ""
    enabled: bool = True


class Rules(Request):
    """All rules; a PUT replaces them all, an empty list brings back the packaged ones."""

    rules: Annotated[list[Rule], Field(max_length=200)]

    @model_validator(mode="after")
    def _each_name_once(self) -> Self:
        names = [rule.name for rule in self.rules]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"rules must have different names; more than one is called {', '.join(twice)}")
        return self


class NoticeKind(StrEnum):
    """Why somebody is told."""

    ALERTS = "alerts"
    REPEAT = "repeat"
    TEST = "test"


class Notice(Answer):
    """What goes out on the channels: one or more alerts, each in the state that is to be told."""

    id: str
    kind: NoticeKind
    severity: Severity
    at: datetime
    system: str = ""
    alerts: list[Alert]


class ChannelResult(Answer):
    """`ok`, or what went wrong."""

    channel: str
    ok: bool
    detail: str


class NotifyResult(Answer):
    """One result for each channel that is set up."""

    results: list[ChannelResult]
