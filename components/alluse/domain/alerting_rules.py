"""Rules over metrics: what is measured of series, which components it holds for, and the packaged rules."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Final

from alluse.schemas.alerts import Expression, Measure, Operator, Rule
from alluse.schemas.common import Severity


@dataclass(frozen=True, slots=True)
class Observed:
    """One series: labels, and (Unix seconds, value) oldest first."""

    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Limits:
    """What limits are relative to: budgets in seconds by component, thresholds in percent by name."""

    budgets_s: Mapping[str, float]
    thresholds: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Finding:
    """A component for which a rule holds."""

    component: str
    value: float
    limit: float


#: Since when a rule has held for a component, by (rule, component).
Pending = dict[tuple[str, str], datetime]


def evaluate(
    rule: Rule,
    series: Iterable[Observed],
    over: Iterable[Observed],
    now: datetime,
    pending: Pending,
    limits: Limits,
) -> list[Finding]:
    """The components for which the rule has held for its time, by name; `pending` is brought up to date."""
    expr = rule.expr
    values = measured(expr, series, expr.labels, now)
    if expr.over is not None:
        below = measured(expr, over, expr.over_labels, now)
        values = {name: value / below[name] for name, value in values.items() if below.get(name, 0.0) > 0.0}
    holding = {}
    for component, value in values.items():
        limit = _limit(expr, component, limits)
        if limit is not None and compare(value, expr.op, limit):
            holding[component] = Finding(component, value, limit)
    for key in [key for key in pending if key[0] == rule.name and key[1] not in holding]:
        del pending[key]
    found = []
    for component, finding in sorted(holding.items()):
        since = pending.setdefault((rule.name, component), now)
        if now - since >= timedelta(seconds=expr.for_s):
            found.append(finding)
    return found


def measured(
    expr: Expression, series: Iterable[Observed], labels: Mapping[str, str], now: datetime
) -> dict[str, float]:
    """The measure by component: the largest newest value, or the sum of the growths."""
    start = now.timestamp() - expr.window_s
    values: dict[str, float] = {}
    for each in series:
        if not all(fnmatchcase(each.labels.get(name, ""), pattern) for name, pattern in labels.items()):
            continue
        component = each.labels.get("component", "")
        if expr.measure is Measure.VALUE:
            if not each.points or each.points[-1][0] < start:
                continue
            value = each.points[-1][1]
            values[component] = max(value, values.get(component, value))
        else:
            rise = growth(each.points, start)
            if expr.measure is Measure.RATE:
                rise /= expr.window_s
            values[component] = values.get(component, 0.0) + rise
    return values


def growth(points: Sequence[tuple[float, float]], since: float) -> float:
    """How much a counter grew from a time on; a fall is a restart from zero.

    A counter that was first seen within the time began at zero only if it was seen at zero: its first value
    is not growth, because it may be old.
    """
    before = None
    total = 0.0
    for at, value in points:
        if before is not None and at >= since:
            total += value - before if value >= before else value
        before = value
    return total


def compare(value: float, op: Operator, limit: float) -> bool:
    match op:
        case Operator.ABOVE:
            return value > limit
        case Operator.AT_LEAST:
            return value >= limit
        case Operator.BELOW:
            return value < limit
        case Operator.AT_MOST:
            return value <= limit
        case Operator.EQUAL:
            return value == limit
        case Operator.UNEQUAL:
            return value != limit


def _limit(expr: Expression, component: str, limits: Limits) -> float | None:
    if expr.threshold is not None:
        return limits.thresholds[expr.threshold] / 100.0
    if expr.budget:
        budget = limits.budgets_s.get(component)
        return None if budget is None else expr.value * budget
    return expr.value


_OWN_WORK: Final = {"route": "/v1/*"}

#: The rules of a system whose people have set none of their own.
PACKAGED: Final = (
    Rule(
        name="HighErrorRate",
        severity=Severity.WARNING,
        message="more than 5 % of the requests fail",
        recommended_action="Look at the component's logs for the errors behind its 5xx answers.",
        expr=Expression(
            metric="alluse_requests_total",
            labels={"code": "5*", **_OWN_WORK},
            over="alluse_requests_total",
            over_labels=_OWN_WORK,
            measure=Measure.RATE,
            op=Operator.ABOVE,
            value=0.05,
            for_s=60,
        ),
    ),
    Rule(
        name="SlowP95",
        severity=Severity.WARNING,
        message="p95 is over twice its time budget",
        recommended_action="Ask performance-optimizer: GET /v1/metrics, then POST /v1/optimize.",
        expr=Expression(
            metric="alluse_request_seconds_p95",
            labels=_OWN_WORK,
            op=Operator.ABOVE,
            value=2.0,
            budget=True,
            for_s=300,
        ),
    ),
    Rule(
        name="MemoryHigh",
        severity=Severity.WARNING,
        message="memory is near the container's limit",
        recommended_action="Raise the component's memory limit, or look for a leak.",
        expr=Expression(
            metric="container_memory_bytes",
            over="container_memory_limit_bytes",
            op=Operator.ABOVE,
            threshold="memory",
            for_s=60,
        ),
    ),
    Rule(
        name="DiskHigh",
        severity=Severity.CRITICAL,
        message="the volume is nearly full",
        recommended_action="Enlarge the component's claim or shorten what it keeps.",
        expr=Expression(metric="alluse_disk_used_ratio", op=Operator.ABOVE, threshold="disk"),
    ),
    Rule(
        name="CpuHigh",
        severity=Severity.WARNING,
        message="a whole core has been in use for minutes",
        recommended_action="Look at what it is asked for, and at its CPU limit.",
        expr=Expression(
            metric="process_cpu_seconds_total",
            measure=Measure.RATE,
            op=Operator.ABOVE,
            threshold="cpu",
            for_s=300,
        ),
    ),
    Rule(
        name="SelfTestFailed",
        severity=Severity.CRITICAL,
        message="the golden case gives a wrong answer: do not trust its figures",
        recommended_action="Read the self-test check at its /health; go back to the last version.",
        expr=Expression(metric="alluse_selftest_ok", op=Operator.EQUAL, value=0.0),
    ),
    Rule(
        name="EventDeadLetter",
        severity=Severity.WARNING,
        message="events were given up",
        recommended_action="See whether the consumers of its events are reachable.",
        expr=Expression(
            metric="alluse_events_dead_total",
            measure=Measure.INCREASE,
            window_s=300,
            op=Operator.ABOVE,
            value=0.0,
        ),
    ),
)
