"""The 16 components of the ALL-USE system as data (profile WS1).

What a component *is* (order, group, hard dependencies, whom it calls, whether it
keeps state) is stated by the components themselves in `alluse.contract`. Here is
added what only the operator needs: how bad its absence is, how much CPU, memory and
disk it gets. An entry is a `ComponentSpec` like the ones that users write, so that
resolving a system is one uniform merge of layers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from alluse import contract
from alluse_operator.api.spec import (
    ALL_COMPONENTS,
    ComponentSpec,
    Criticality,
    Dependency,
    HealthSpec,
    InterlockSpec,
    Requirement,
    ResourceAmounts,
    ResourcesSpec,
    StorageSpec,
)


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """A built-in component: its place among those that could start at the same moment, and its spec."""

    order: int
    spec: ComponentSpec


#: Nobody misses these at once: they make the others better.
_OPTIONAL: Final = frozenset({"performance-optimizer"})

#: Memory limits where the usual one does not do: these load numpy or scipy.
_MEMORY_LIMITS: Final[Mapping[str, str]] = {
    "market-analyzer": "192Mi",
    "position-sizer": "192Mi",
    "delta-selector": "192Mi",
    "portfolio-risk-monitor": "256Mi",
    "portfolio-optimizer": "256Mi",
    "enhanced-agent": "192Mi",
}
_USUAL_MEMORY_LIMIT: Final = "128Mi"

#: Claim sizes of the components that keep state. Logs are capped at 10 MB x 6 x 2 files,
#: metrics at 2,000 series of roll-ups; the rest are small ledgers in SQLite.
_STORAGE: Final[Mapping[str, str]] = {
    "production-logger": "256Mi",
    "metrics-collector": "256Mi",
    "memory-manager": "256Mi",
}
_USUAL_STORAGE: Final = "64Mi"

_HEALTH: Final = HealthSpec(
    path=contract.PATH_HEALTH, liveness_path=contract.PATH_LIVE, readiness_path=contract.PATH_READY
)


def _criticality(facts: contract.ComponentFacts) -> Criticality:
    if facts.critical:
        return Criticality.CRITICAL
    return Criticality.OPTIONAL if facts.name in _OPTIONAL else Criticality.IMPORTANT


def _dependencies(facts: contract.ComponentFacts) -> tuple[Dependency, ...]:
    """Hard dependencies, and config-manager by preference: a component reads its configuration from there
    if it can, and starts with the last good copy or packaged defaults if it cannot."""
    edges = [Dependency(name=name) for name in facts.hard]
    if contract.CONFIG_MANAGER not in {facts.name, *facts.hard}:
        edges.insert(0, Dependency(name=contract.CONFIG_MANAGER, requirement=Requirement.PREFERRED))
    return tuple(edges)


def _calls(facts: contract.ComponentFacts) -> tuple[str, ...]:
    """Soft calls and event deliveries; the dependencies need not be repeated."""
    if len(facts.calls) == len(contract.COMPONENTS) - 1:
        return (ALL_COMPONENTS,)
    depended_on = {edge.name for edge in _dependencies(facts)}
    return tuple(name for name in facts.calls if name not in depended_on)


def _entry(facts: contract.ComponentFacts) -> CatalogEntry:
    return CatalogEntry(
        order=facts.order,
        spec=ComponentSpec(
            name=facts.name,
            group=facts.group,
            criticality=_criticality(facts),
            depends_on=_dependencies(facts),
            calls=_calls(facts),
            health=_HEALTH,
            port=contract.PORT,
            resources=ResourcesSpec(
                requests=ResourceAmounts(cpu="20m", memory="48Mi"),
                limits=ResourceAmounts(cpu="1", memory=_MEMORY_LIMITS.get(facts.name, _USUAL_MEMORY_LIMIT)),
            ),
            storage=StorageSpec(size=_STORAGE.get(facts.name, _USUAL_STORAGE)) if facts.stateful else None,
        ),
    )


WS1: Final[Mapping[str, CatalogEntry]] = MappingProxyType(
    {facts.name: _entry(facts) for facts in contract.COMPONENTS.values()}
)
"""The catalog by component name, in start order."""

SPECS: Final[Mapping[str, ComponentSpec]] = MappingProxyType(
    {name: entry.spec for name, entry in WS1.items()}
)
"""What validation and the CustomResourceDefinition need of the catalog."""

INTERLOCKS: Final = (
    InterlockSpec(
        name="trading-gate",
        guards="enhanced-agent",
        requires=("drawdown-protection", "portfolio-risk-monitor"),
    ),
)
"""The interlocks of profile WS1."""
