"""The layers of a system, read as one: catalog, `spec.components`, the selected environment.

Validation asks here for the effective value of one thing at a time. The complete
merge into a resolved system is `alluse_operator.core.resolve`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import BaseModel

from alluse_operator.api.spec import (
    AllUseSystemSpec,
    ComponentOverride,
    ComponentSpec,
    ComponentType,
    Dependency,
    EnvironmentSpec,
    InterlockSpec,
    Profile,
)


@dataclass(frozen=True, slots=True)
class Written:
    """A component where somebody wrote it, with the path to there."""

    path: str
    entry: ComponentOverride


class Layers:
    """One spec over a catalog."""

    def __init__(
        self,
        spec: AllUseSystemSpec,
        catalog: Mapping[str, ComponentSpec],
        interlocks: tuple[InterlockSpec, ...] = (),
    ) -> None:
        """`catalog` and its `interlocks` count only with profile WS1."""
        written = {lock.name: lock for lock in spec.interlocks}
        built_in = interlocks if spec.profile is Profile.WS1 else ()
        self.interlocks = tuple(({lock.name: lock for lock in built_in} | written).values())
        self.catalog = catalog if spec.profile is Profile.WS1 else {}
        self.base = {entry.name: entry for entry in spec.components}
        self.environment: EnvironmentSpec | None = next(
            (each for each in spec.environments if each.name == spec.environment), None
        )
        self.changes = (
            {entry.name: entry for entry in self.environment.components} if self.environment else {}
        )
        #: Names of all components, in the order of the layers.
        self.names = tuple(dict.fromkeys((*self.catalog, *self.base)))
        self.in_base = tuple(
            Written(f"spec.components[{index}]", entry) for index, entry in enumerate(spec.components)
        )
        self.in_environments = tuple(
            Written(f"spec.environments[{outer}].components[{inner}]", entry)
            for outer, environment in enumerate(spec.environments)
            for inner, entry in enumerate(environment.components)
        )

    def of(self, name: str) -> Iterator[ComponentOverride]:
        """What is written about a component, the highest layer first."""
        for layer in (self.changes, self.base, self.catalog):
            if name in layer:
                yield layer[name]

    def depends_on(self, name: str) -> tuple[Dependency, ...]:
        """The list of the highest layer that has one."""
        return next((entry.depends_on for entry in self.of(name) if entry.depends_on is not None), ())

    def enabled(self, name: str) -> bool:
        """Whether the component runs."""
        return next((entry.enabled for entry in self.of(name) if entry.enabled is not None), True)

    def is_job(self, name: str) -> bool:
        """Only `spec.components` can say so."""
        return name in self.base and self.base[name].type is ComponentType.JOB

    def merged(self, name: str, field: str) -> dict[str, object]:
        """A nested value with each of its fields from the highest layer that sets it; two levels deep."""
        merged: dict[str, object] = {}
        for entry in reversed(tuple(self.of(name))):
            _lay_over(merged, getattr(entry, field))
        return merged


def _lay_over(below: dict[str, object], above: object) -> None:
    if not isinstance(above, BaseModel):
        return
    for key, value in above:
        if isinstance(value, BaseModel):
            inner = below.setdefault(key, {})
            assert isinstance(inner, dict)
            _lay_over(inner, value)
        elif value is not None:
            below[key] = value
