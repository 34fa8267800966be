"""Rules over series, and what events mean."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse import contract
from alluse.domain import alerting_events, alerting_rules
from alluse.domain.alerting_events import Over
from alluse.domain.alerting_rules import PACKAGED, Limits, Observed, Pending, evaluate, growth
from alluse.schemas.alerts import AlertRequest, Rule
from alluse.schemas.common import Severity

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
LIMITS = Limits({"market-analyzer": 0.05}, {"cpu": 90.0, "memory": 90.0, "disk": 90.0})
RULES = {rule.name: rule for rule in PACKAGED}


def seen(*values: float, step: float = 10, **labels: str) -> Observed:
    """Values that end now."""
    first = NOW.timestamp() - step * (len(values) - 1)
    return Observed(labels, [(first + step * index, value) for index, value in enumerate(values)])


def found(
    rule: str | Rule, series: list[Observed], over: list[Observed] | None = None, held: float = 1000
) -> list[tuple[str, float]]:
    """Findings of a rule that has held for so long."""
    chosen = RULES[rule] if isinstance(rule, str) else rule
    pending: Pending = {}
    evaluate(chosen, series, over or [], NOW - timedelta(seconds=0), pending, LIMITS)
    pending = {key: NOW - timedelta(seconds=held) for key in pending}
    return [
        (f.component, round(f.value, 3)) for f in evaluate(chosen, series, over or [], NOW, pending, LIMITS)
    ]


CASES: list[tuple[str, str, list[Observed], list[Observed] | None, list[tuple[str, float]]]] = [
    (
        "one of ten requests fails",
        "HighErrorRate",
        [
            seen(0, 0, 6, component="x", route="/v1/a", code="500", step=30),
            seen(0, 0, 54, component="x", route="/v1/a", code="200", step=30),
        ],
        [
            seen(0, 0, 6, component="x", route="/v1/a", code="500", step=30),
            seen(0, 0, 54, component="x", route="/v1/a", code="200", step=30),
        ],
        [("x", 0.1)],
    ),
    (
        "refused requests are no errors",
        "HighErrorRate",
        [seen(0, 50, component="x", route="/v1/a", code="422")],
        [seen(0, 50, component="x", route="/v1/a", code="422")],
        [],
    ),
    (
        "health answers do not count",
        "HighErrorRate",
        [seen(0, 50, component="x", route="/health", code="503")],
        [seen(0, 50, component="x", route="/health", code="503")],
        [],
    ),
    (
        "twice the budget",
        "SlowP95",
        [seen(0.12, component="market-analyzer", route="/v1/analyze")],
        None,
        [("market-analyzer", 0.12)],
    ),
    (
        "within twice the budget",
        "SlowP95",
        [seen(0.09, component="market-analyzer", route="/v1/analyze")],
        None,
        [],
    ),
    ("no budget, no rule", "SlowP95", [seen(25.0, component="config-manager", route="/v1/watch")], None, []),
    (
        "near the memory limit",
        "MemoryHigh",
        [seen(95, component="x"), seen(10, component="y")],
        [seen(100, component="x"), seen(100, component="y")],
        [("x", 0.95)],
    ),
    ("no memory limit", "MemoryHigh", [seen(95, component="x")], [seen(0, component="x")], []),
    ("a core in use", "CpuHigh", [seen(0, 29, 58, component="x", step=30)], None, [("x", 0.967)]),
    ("a wrong golden case", "SelfTestFailed", [seen(1, 0, component="x")], None, [("x", 0.0)]),
    (
        "old values say nothing",
        "SelfTestFailed",
        [Observed({"component": "x"}, [(NOW.timestamp() - 61, 0.0)])],
        None,
        [],
    ),
    ("events were given up", "EventDeadLetter", [seen(3, 3, 4, component="x", step=60)], None, [("x", 1.0)]),
    ("events were given up long ago", "EventDeadLetter", [seen(4, 4, 4, component="x", step=60)], None, []),
]


@pytest.mark.parametrize(
    ("rule", "series", "over", "want"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_packaged_rules(
    rule: str, series: list[Observed], over: list[Observed] | None, want: list[tuple[str, float]]
) -> None:
    assert found(rule, series, over) == want


def test_a_rule_fires_only_after_its_time_without_a_gap() -> None:
    rule, pending = RULES["MemoryHigh"], Pending()
    high, low, limit = [seen(95, component="x")], [seen(5, component="x")], [seen(100, component="x")]

    def look(series: list[Observed], seconds: int) -> bool:
        moved = [Observed(s.labels, [(t + seconds, v) for t, v in s.points]) for s in series]
        below = [Observed(s.labels, [(t + seconds, v) for t, v in s.points]) for s in limit]
        return bool(evaluate(rule, moved, below, NOW + timedelta(seconds=seconds), pending, LIMITS))

    assert [
        look(high, 0),
        look(high, 45),
        look(low, 50),
        look(high, 60),
        look(high, 119),
        look(high, 120),
    ] == [False] * 5 + [True]


@given(st.lists(st.floats(0, 1e6), max_size=20), st.integers(0, 20))
def test_growth_is_never_negative_and_a_restart_counts_from_zero(values: list[float], from_: int) -> None:
    points = [(float(index), value) for index, value in enumerate(values)]
    assert growth(points, float(from_)) >= 0
    assert growth([(0, 10), (1, 12), (2, 1), (3, 2)], 0) == 4


def test_every_event_that_is_sent_to_us_means_something() -> None:
    assert set(alerting_events.names()) | {"config.changed"} == set(
        contract.COMPONENTS["alert-manager"].consumes
    )


def meanings(event: str, **data: Any) -> list[tuple[str, str | Severity]]:
    return [
        (each.name, "over" if isinstance(each, Over) else each.severity)
        for each in alerting_events.meaning(event, data)
    ]


@pytest.mark.parametrize(
    ("event", "data", "want"),
    [
        (
            "health.changed",
            {"component": "x", "to": "unreachable", "critical": True},
            [("ComponentDown", Severity.CRITICAL)],
        ),
        (
            "health.changed",
            {"component": "x", "to": "unhealthy", "critical": False},
            [("ComponentDown", Severity.WARNING)],
        ),
        (
            "health.changed",
            {"component": "x", "to": "degraded", "critical": True},
            [("ComponentDown", "over")],
        ),
        ("health.system_changed", {"to": "critical", "failing": ["x"]}, [("SystemHealth", Severity.INFO)]),
        ("health.system_changed", {"to": "healthy"}, [("SystemHealth", "over")]),
        (
            "log.error_burst",
            {"component": "x", "count": 20, "window_s": 60, "sample": "no"},
            [("ErrorBurst", Severity.WARNING)],
        ),
        (
            "risk.breach",
            {"kind": "var_95", "portfolio_id": "p", "value": 0.03, "limit": 0.02, "severity": "warning"},
            [("VarBreach", Severity.WARNING)],
        ),
        (
            "risk.breach",
            {"kind": "drawdown", "portfolio_id": "p", "severity": "critical"},
            [("DrawdownBreach", Severity.CRITICAL)],
        ),
        ("risk.cleared", {"kind": "drawdown", "portfolio_id": "p"}, [("DrawdownBreach", "over")]),
        (
            "protection.escalated",
            {"portfolio_id": "p", "from": "Light", "to": "Emergency"},
            [("ProtectionEmergency", Severity.CRITICAL)],
        ),
        (
            "protection.relaxed",
            {"portfolio_id": "p", "from": "Emergency", "to": "Aggressive"},
            [("ProtectionEmergency", "over"), ("DrawdownLevel", Severity.WARNING)],
        ),
        ("perf.rolled_back", {"component": "x", "kind": "cache"}, [("TuningUndone", Severity.INFO)]),
    ],
)
def test_what_events_mean(event: str, data: dict[str, Any], want: list[tuple[str, str | Severity]]) -> None:
    assert meanings(event, **data) == want


def test_the_end_of_a_protection_ends_every_level() -> None:
    ended = alerting_events.meaning("protection.ended", {"portfolio_id": "p", "from": "Light", "to": "None"})
    started = [
        each
        for level in ("Light", "Moderate", "Aggressive", "Emergency")
        for each in alerting_events.meaning(
            "drawdown.detected", {"portfolio_id": "p", "drawdown": 0.1, "level": level}
        )
        if isinstance(each, AlertRequest)
    ]
    over = {(each.name, tuple(sorted(each.labels.items()))) for each in ended}
    assert {(each.name, tuple(sorted(each.labels.items()))) for each in started} <= over


def test_operators() -> None:
    ops = {
        op.value: [alerting_rules.compare(value, op, 2.0) for value in (1.0, 2.0, 3.0)]
        for op in alerting_rules.Operator
    }
    assert ops == {
        ">": [False, False, True],
        ">=": [False, True, True],
        "<": [True, False, False],
        "<=": [True, True, False],
        "==": [False, True, False],
        "!=": [True, False, True],
    }
