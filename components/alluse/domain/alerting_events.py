"""What other components' events mean as alerts: which fire, which are over."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from alluse.domain.alerting import COMPONENT_DOWN, STEP_LABEL
from alluse.schemas.alerts import AlertRequest
from alluse.schemas.common import Severity
from alluse.schemas.drawdown import ProtectionLevel
from alluse.schemas.health import ComponentStatus, OverallStatus

Data = Mapping[str, Any]

#: Nobody says when a burst of errors is over: it is, when none came for so long.
BURST_EXPIRES_S: Final = 300.0
#: A component that was never seen well is most likely still starting.
START_HOLD_S: Final = 30.0
PERF_EXPIRES_S: Final = 3600.0
SYSTEM_HEALTH: Final = "SystemHealth"
DRAWDOWN_LEVEL: Final = "DrawdownLevel"
EMERGENCY: Final = "ProtectionEmergency"
_RISK_NAMES: Final = {
    "var_95": "VarBreach",
    "var_99": "VarBreach",
    "drawdown": "DrawdownBreach",
    "concentration": "Concentration",
    "correlation": "Correlation",
    "volatility": "Volatility",
    "liquidity": "Liquidity",
}
_LEVEL_SEVERITY: Final = (
    Severity.INFO,
    Severity.INFO,
    Severity.WARNING,
    Severity.WARNING,
    Severity.CRITICAL,
)


@dataclass(frozen=True, slots=True)
class Over:
    """The alert of this source, name and labels is over."""

    source: str
    name: str
    labels: Mapping[str, str]


Meaning = AlertRequest | Over


def meaning(event: str, data: Data) -> list[Meaning]:
    """What an event says. Raises KeyError or ValueError for data that its contract does not allow."""
    return list(_MEANINGS[event](data))


def names() -> Iterable[str]:
    """Short names of the events that mean something here."""
    return _MEANINGS.keys()


def _health_changed(data: Data) -> Iterable[Meaning]:
    component, status = _text(data, "component"), ComponentStatus(data["to"])
    labels = {"component": component}
    if not status.failing:
        yield Over("health-monitor", COMPONENT_DOWN, labels)
        return
    error = str(data.get("error") or "")
    yield AlertRequest(
        name=COMPONENT_DOWN,
        source="health-monitor",
        severity=Severity.CRITICAL if data.get("critical") else Severity.WARNING,
        message=f"{component} is {status.value}" + (f": {error}" if error else "")[:800],
        labels=labels,
        value=float(data.get("consecutive_failures") or 0),
        threshold=3.0,
        hold_s=START_HOLD_S if data.get("from") == ComponentStatus.UNKNOWN else 0.0,
        recommended_action="The operator restarts it. If it stays down: describe its pod and read its logs.",
    )


def _system_changed(data: Data) -> Iterable[Meaning]:
    status = OverallStatus(data["to"])
    if status in (OverallStatus.HEALTHY, OverallStatus.UNKNOWN):
        yield Over("health-monitor", SYSTEM_HEALTH, {})
        return
    failing = ", ".join(str(name) for name in data.get("failing", []))[:800]
    yield AlertRequest(
        name=SYSTEM_HEALTH,
        source="health-monitor",
        severity=Severity.INFO,
        message=f"the system is {status.value}" + (f"; failing: {failing}" if failing else ""),
        recommended_action="See the alerts of the components that are named.",
    )


def _error_burst(data: Data) -> Iterable[Meaning]:
    component = _text(data, "component")
    yield AlertRequest(
        name="ErrorBurst",
        source="production-logger",
        severity=Severity.WARNING,
        message=f"{data.get('count')} errors of {component} within {data.get('window_s')} s; "
        f"one of them: {str(data.get('sample', ''))[:600]}",
        labels={"component": component},
        value=float(data.get("count") or 0),
        recommended_action=f"Read them: production-logger, GET /v1/logs?component={component}&level=ERROR",
        expires_s=BURST_EXPIRES_S,
    )


def _breach(data: Data) -> Iterable[Meaning]:
    kind, portfolio = _text(data, "kind"), _text(data, "portfolio_id")
    value, limit = data.get("value"), data.get("limit")
    yield AlertRequest(
        name=_RISK_NAMES.get(kind, "RiskBreach"),
        source="portfolio-risk-monitor",
        severity=Severity(data["severity"]),
        message=str(data.get("message") or f"{kind} of {portfolio} is beyond its limit")[:1000],
        labels={"portfolio": portfolio, "kind": kind},
        value=None if value is None else float(value),
        threshold=None if limit is None else float(limit),
        recommended_action=str(data.get("recommended_action") or "")[:1000],
    )


def _cleared(data: Data) -> Iterable[Meaning]:
    kind, portfolio = _text(data, "kind"), _text(data, "portfolio_id")
    name = _RISK_NAMES.get(kind, "RiskBreach")
    yield Over("portfolio-risk-monitor", name, {"portfolio": portfolio, "kind": kind})


def _detected(data: Data) -> Iterable[Meaning]:
    portfolio = _text(data, "portfolio_id")
    yield from _at_level(portfolio, ProtectionLevel(data["level"]), float(data["drawdown"]))


def _protection(data: Data) -> Iterable[Meaning]:
    """The level as it is now: this one and no higher one."""
    portfolio, level = _text(data, "portfolio_id"), ProtectionLevel(data["to"])
    drawdown = data.get("drawdown")
    yield from _at_level(portfolio, level, None if drawdown is None else float(drawdown))


def _at_level(portfolio: str, level: ProtectionLevel, drawdown: float | None) -> Iterable[Meaning]:
    for other in ProtectionLevel:
        if other.rank > level.rank or level is ProtectionLevel.NONE:
            yield Over("drawdown-protection", _level_name(other), _level_labels(portfolio, other))
    if level is ProtectionLevel.NONE:
        return
    fall = "" if drawdown is None else f" after a fall of {drawdown:.1%}"
    yield AlertRequest(
        name=_level_name(level),
        source="drawdown-protection",
        severity=_LEVEL_SEVERITY[level.rank],
        message=f"protection of {portfolio} is {level.value}{fall}",
        labels=_level_labels(portfolio, level),
        value=drawdown,
        recommended_action="Ask drawdown-protection for its proposal (POST /v1/activate) and carry it out.",
    )


def _level_name(level: ProtectionLevel) -> str:
    return EMERGENCY if level is ProtectionLevel.EMERGENCY else DRAWDOWN_LEVEL


def _level_labels(portfolio: str, level: ProtectionLevel) -> dict[str, str]:
    return {"portfolio": portfolio, "level": level.value, STEP_LABEL: str(level.rank)}


def _bottleneck(data: Data) -> Iterable[Meaning]:
    component, kind = _text(data, "component"), _text(data, "kind")
    yield AlertRequest(
        name="Bottleneck",
        source="performance-optimizer",
        severity=Severity.INFO,
        message=f"{kind} of {component} is beyond its limit",
        labels={"component": component, "kind": kind},
        value=_number(data.get("before")),
        recommended_action="performance-optimizer tries what is safe; GET /v1/runs/{id} tells the outcome.",
        expires_s=PERF_EXPIRES_S,
    )


def _optimized(data: Data) -> Iterable[Meaning]:
    labels = {"component": _text(data, "component"), "kind": _text(data, "kind")}
    yield Over("performance-optimizer", "Bottleneck", labels)


def _rolled_back(data: Data) -> Iterable[Meaning]:
    component, kind = _text(data, "component"), _text(data, "kind")
    yield AlertRequest(
        name="TuningUndone",
        source="performance-optimizer",
        severity=Severity.INFO,
        message=f"a tuning of {component} against {kind} did not help and was undone",
        labels={"component": component, "kind": kind},
        recommended_action="Nothing at once. If the bottleneck stays: more resources, or less load.",
        expires_s=PERF_EXPIRES_S,
    )


def _text(data: Data, name: str) -> str:
    value = data[name]
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} must be a text")
    return value[:120]


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


_MEANINGS: Final[dict[str, Callable[[Data], Iterable[Meaning]]]] = {
    "health.changed": _health_changed,
    "health.system_changed": _system_changed,
    "log.error_burst": _error_burst,
    "risk.breach": _breach,
    "risk.cleared": _cleared,
    "drawdown.detected": _detected,
    "protection.activated": _protection,
    "protection.escalated": _protection,
    "protection.relaxed": _protection,
    "protection.ended": _protection,
    "perf.bottleneck": _bottleneck,
    "perf.optimized": _optimized,
    "perf.rolled_back": _rolled_back,
}
