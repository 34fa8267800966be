"""From measured figures to one score, a level and the limits that are broken.

Score = Σ weight · min(1, value/limit); Low below 0.25, Medium below 0.50, High below 0.75, else Critical.
A figure that is not complete counts 1. A broken drawdown or VaR99 limit lifts the level to at least High,
because the weights alone could hide it; uncertain data lift it to at least Medium.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from alluse.domain.errors import InvalidInputError
from alluse.schemas.common import RiskLevel
from alluse.schemas.risk import Breach, RiskComponent

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a figure counts fully, and from which share of that an early warning is given."""

    var_95: float = 0.02
    var_99: float = 0.03
    drawdown: float = 0.10
    concentration: float = 0.25
    correlation: float = 0.80
    volatility: float = 0.30
    liquidity_days: float = 5.0
    alert_threshold: float = 0.9

    def __post_init__(self) -> None:
        if not 0.5 <= self.alert_threshold <= 1.0:
            raise InvalidInputError("alert_threshold", f"must lie in 0.5…1, not {self.alert_threshold}")


WEIGHTS = {
    "var": 0.25,
    "drawdown": 0.25,
    "correlation": 0.15,
    "concentration": 0.15,
    "liquidity": 0.10,
    "volatility": 0.10,
}


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures as fractions (liquidity in days); null where there is nothing to measure.

    With `losses_complete` false, VaR and volatility leave a position out; with `pairs_complete` false the
    correlation does; with `composition_known` false nothing but the drawdown is known.
    """

    var_95: float
    var_99: float
    drawdown: float
    correlation: float | None
    concentration: float
    liquidity_days: float
    volatility: float
    losses_complete: bool = True
    pairs_complete: bool = True
    liquidity_complete: bool = True
    composition_known: bool = True


@dataclass(frozen=True, slots=True)
class Scored:
    """The verdict."""

    score: float
    level: RiskLevel
    components: tuple[RiskComponent, ...]
    breaches: tuple[Breach, ...]
    warnings: tuple[Breach, ...]

    def part(self, name: str) -> RiskComponent:
        return next(component for component in self.components if component.name == name)


@dataclass(frozen=True, slots=True)
class _Rule:
    """One limit: its figure, how serious it is to break it and what to do then."""

    kind: str
    alert: str
    value: float | None
    limit: float
    level: RiskLevel
    unit: str
    action: str
    #: A limit that is itself still allowed is broken only beyond it.
    inclusive: bool = False

    @property
    def ratio(self) -> float:
        return max(self.value or 0.0, 0.0) / self.limit

    @property
    def broken(self) -> bool:
        return self.ratio >= 1.0 - _ROUNDING if self.inclusive else self.ratio > 1.0 + _ROUNDING

    def breach(self, verb: str) -> Breach:
        shown = f"{self.value:.1f}" if self.unit else f"{self.value or 0.0:.2%}"
        limit = f"{self.limit:.1f}{self.unit}" if self.unit else f"{self.limit:.2%}"
        return Breach(
            name=self.alert,
            kind=self.kind,
            level=self.level,
            severity=self.level.severity,
            value=self.value or 0.0,
            limit=self.limit,
            ratio=self.ratio,
            message=f"{self.kind.replace('_', ' ')} {shown}{self.unit} {verb} the limit of {limit}",
            recommended_action=self.action,
        )


def score(measured: Measured, limits: Limits, *, certain: bool) -> Scored:
    """Weigh the figures against their limits; `certain` false means that some rest on assumptions."""
    components = tuple(_components(measured, limits))
    total = min(sum(part.weight * part.score for part in components), 1.0)
    rules = tuple(_rules(measured, limits))
    breaches = tuple(rule.breach("exceeds") for rule in rules if rule.broken)
    near = tuple(
        rule.breach("is close to")
        for rule in rules
        if not rule.broken and rule.ratio >= limits.alert_threshold - _ROUNDING
    )
    level = RiskLevel.of(total)
    if any(breach.kind in ("drawdown", "var_99") for breach in breaches):
        level = _at_least(level, RiskLevel.HIGH)
    if not certain:
        level = _at_least(level, RiskLevel.MEDIUM)
    return Scored(total, level, components, breaches, near)


def _components(measured: Measured, limits: Limits) -> Iterator[RiskComponent]:
    """The six parts of the score; VaR by whichever level is nearer to its limit."""
    losses, known = measured.losses_complete, measured.composition_known
    nearer_99 = measured.var_99 / limits.var_99 > measured.var_95 / limits.var_95
    var, var_limit = (measured.var_99, limits.var_99) if nearer_99 else (measured.var_95, limits.var_95)
    figures = (
        ("var", var if known else None, var_limit, losses),
        ("drawdown", measured.drawdown, limits.drawdown, True),
        ("correlation", measured.correlation, limits.correlation, measured.pairs_complete),
        ("concentration", measured.concentration if known else None, limits.concentration, known),
        (
            "liquidity",
            measured.liquidity_days if measured.liquidity_complete else None,
            limits.liquidity_days,
            measured.liquidity_complete,
        ),
        ("volatility", measured.volatility if known else None, limits.volatility, losses),
    )
    for name, value, limit, complete in figures:
        ratio = None if value is None else max(value, 0.0) / limit
        yield RiskComponent(
            name=name,
            value=value,
            limit=limit,
            ratio=ratio,
            score=min(ratio or 0.0, 1.0) if complete else 1.0,
            weight=WEIGHTS[name],
            complete=complete,
        )


def _rules(measured: Measured, limits: Limits) -> Iterator[_Rule]:
    """What is alerted: a lower bound that breaks a limit breaks it too."""
    reduce = "reduce the largest contributors to the loss or hedge them"
    yield _Rule("var_95", "VarBreach", measured.var_95, limits.var_95, RiskLevel.HIGH, "", reduce)
    yield _Rule("var_99", "VarBreach", measured.var_99, limits.var_99, RiskLevel.HIGH, "", reduce)
    yield _Rule(
        "drawdown",
        "DrawdownBreach",
        measured.drawdown,
        limits.drawdown,
        RiskLevel.CRITICAL,
        "",
        "follow the reductions that drawdown-protection proposes",
        inclusive=True,
    )
    yield _Rule(
        "concentration",
        "Concentration",
        measured.concentration,
        limits.concentration,
        RiskLevel.MEDIUM,
        "",
        "move part of the largest holding into other issuers",
    )
    yield _Rule(
        "correlation",
        "Correlation",
        measured.correlation,
        limits.correlation,
        RiskLevel.MEDIUM,
        "",
        "add holdings that do not move with the others",
    )
    yield _Rule(
        "volatility",
        "Volatility",
        measured.volatility,
        limits.volatility,
        RiskLevel.MEDIUM,
        "",
        "hold more cash or calmer issuers",
    )
    yield _Rule(
        "liquidity",
        "Liquidity",
        measured.liquidity_days,
        limits.liquidity_days,
        RiskLevel.MEDIUM,
        " days",
        "reduce the holding that takes longest to sell",
    )


def _at_least(level: RiskLevel, floor: RiskLevel) -> RiskLevel:
    return level if level.rank >= floor.rank else floor
