"""Evaluates the rules: reads series from metrics-collector, fires what holds, ends what does not."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from alluse.contract import COMPONENTS, METRICS_COLLECTOR
from alluse.domain import alerting, alerting_rules
from alluse.domain.alerting import Board
from alluse.domain.alerting_rules import Finding, Limits, Observed, Pending
from alluse.domain.budgets import BUDGET_KEYS
from alluse.runtime.context import Context
from alluse.runtime.peers import PeerError
from alluse.schemas.alerts import AlertRequest, Rule
from alluse.schemas.metrics import SeriesFound, Targets

EVALUATE_S: Final = 15.0
#: Values older than the window that a growth is counted from.
MARGIN_S: Final = 60.0
TIMEOUT_S: Final = 3.0

Findings = list[tuple[Rule, list[Finding]]]


async def find(context: Context[Any], rules: Sequence[Rule], pending: Pending) -> Findings:
    """What every enabled rule finds now. Raises PeerError when the metrics cannot be read."""
    now = datetime.now(UTC)
    limits = limits_of(context)
    read: dict[str, list[Observed]] = {}
    enabled = [rule for rule in rules if rule.enabled]
    for name, window_s in _needed(enabled).items():
        read[name] = await series(context, name, now - timedelta(seconds=window_s + MARGIN_S))
    return [
        (
            rule,
            alerting_rules.evaluate(
                rule, read[rule.expr.metric], read.get(rule.expr.over or "", []), now, pending, limits
            ),
        )
        for rule in enabled
    ]


def limits_of(context: Context[Any]) -> Limits:
    config = context.config
    return Limits(
        {component: config.number(key) / 1000 for component, key in BUDGET_KEYS.items()},
        {name: config.number(f"health.{name}_threshold") for name in ("cpu", "memory", "disk")},
    )


async def series(context: Context[Any], name: str, since: datetime) -> list[Observed]:
    """All series of a metric; asked by component when there are more than one answer holds."""
    found = await _series(context, name, since, None)
    if found.truncated:
        parts = [await _series(context, name, since, component) for component in COMPONENTS]
    else:
        parts = [found]
    return [Observed(each.labels, each.points) for part in parts for each in part.series]


async def _series(context: Context[Any], name: str, since: datetime, component: str | None) -> SeriesFound:
    return await context.peers.get(
        METRICS_COLLECTOR,
        "/v1/series",
        SeriesFound,
        query={
            "name": name,
            "since": since.isoformat(),
            "labels": None if component is None else f"component={component}",
        },
        timeout_s=TIMEOUT_S,
    )


async def answering(context: Context[Any]) -> set[str]:
    """The components whose metrics can be read; empty when metrics-collector cannot be asked."""
    try:
        targets = await context.peers.get(METRICS_COLLECTOR, "/v1/targets", Targets, timeout_s=TIMEOUT_S)
    except PeerError:
        return set()
    return {target.component for target in targets.targets if target.up and target.misses == 0}


def apply(board: Board, findings: Findings, answering_: set[str], now: datetime) -> None:
    """Fire and end alerts as the rules found, and end those of components that answer again.

    The news that a component is back may be lost with the one who brings it; that it is scraped is proof
    enough, after two looks.
    """
    known = {rule.name for rule, _ in findings}
    for rule, found in findings:
        ids = set()
        for finding in found:
            labels = {"component": finding.component} if finding.component else {}
            request = AlertRequest(
                name=rule.name,
                source="rules",
                severity=rule.severity,
                message=f"{finding.component or 'the system'}: {rule.message}"[:1000],
                labels=labels,
                value=finding.value,
                threshold=finding.limit,
                recommended_action=rule.recommended_action,
            )
            ids.add(alerting.take(board, request, now, rule=rule.name).id)
        alerting.evaluated(board, rule.name, ids, now)
    for name in {alert.rule for alert in board.alerts.values() if alert.rule is not None} - known:
        alerting.evaluated(board, name, (), now)
    for alert in [each for each in board.alerts.values() if each.name == alerting.COMPONENT_DOWN]:
        if alert.labels.get("component") in answering_ and "unreachable" in alert.message:
            if alert.quiet + 1 >= alerting.QUIET_LIMIT:
                alerting.resolve(board, alert.id, "answers again", now)
            else:
                board.put(alert.model_copy(update={"quiet": alert.quiet + 1}))


def _needed(rules: Sequence[Rule]) -> dict[str, float]:
    """Metrics that the rules read, with the longest window of each."""
    windows: dict[str, float] = {}
    for rule in rules:
        for name in (rule.expr.metric, rule.expr.over):
            if name is not None:
                windows[name] = max(windows.get(name, 0.0), rule.expr.window_s)
    return windows
