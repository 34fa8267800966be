"""The rules of a spec in Python: all that the API server checks in CEL, and what CEL cannot see.

The API server refuses nearly everything at `kubectl apply`. What comes through: a
resource that was stored under another version of the definition, values that only go
wrong when the layers are merged (an environment's limit below the base's request), and
configuration keys that exclude each other. All of it ends as `SpecValid=False`.

Not here: that storage cannot change. Only the API server sees the old object.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError

from alluse_operator.api import messages, spec
from alluse_operator.api.errors import FieldError, InvalidSpec, from_pydantic
from alluse_operator.api.layers import Layers, Written
from alluse_operator.api.names import OBJECT_NAME_MAX_LENGTH
from alluse_operator.api.quantity import amount

__all__ = ["FieldError", "InvalidSpec", "parse", "validate"]

Catalog = Mapping[str, spec.ComponentSpec]
Errors = Iterator[FieldError]

_AMOUNTS: Final = ("cpu", "memory")
#: What an edge that is only Preferred may ask for when its dependency fails.
_MILD: Final = (spec.OnUnhealthy.IGNORE, spec.OnUnhealthy.HOLD)


def parse(raw: Mapping[str, Any]) -> spec.AllUseSystemSpec:
    """A spec as stored -> typed. Raises InvalidSpec with every field that has a wrong form."""
    try:
        return spec.AllUseSystemSpec.model_validate(dict(raw))
    except ValidationError as error:
        raise InvalidSpec(from_pydantic(error)) from error


def validate(
    name: str,
    system: spec.AllUseSystemSpec,
    catalog: Catalog,
    interlocks: tuple[spec.InterlockSpec, ...] = (),
) -> tuple[FieldError, ...]:
    """Everything that is wrong with the spec of the system called `name`; empty when it makes sense."""
    layers = Layers(system, catalog, interlocks)
    errors = [
        *_identity(name, system, layers),
        *_duplicates(system),
        *_references(layers),
        *_interlocks(system, layers),
        *_graph(layers),
        *_types(layers, catalog),
        *_images(system, layers),
        *_ranges(system, layers),
        *_configuration(system, layers),
    ]
    for written in (*layers.in_base, *layers.in_environments):
        errors += _variables(written)
    return tuple(errors)


def _identity(name: str, system: spec.AllUseSystemSpec, layers: Layers) -> Errors:
    if not re.fullmatch(spec.DNS_LABEL, name):
        yield FieldError("metadata.name", f"the name {messages.SYSTEM_NAME}")
    longest = max((len(component) for component in layers.names), default=0)
    if len(name) + 1 + longest > OBJECT_NAME_MAX_LENGTH:
        yield FieldError("metadata.name", f"the name {messages.SYSTEM_NAME_LENGTH}")
    if system.environment not in spec.BUILT_IN_ENVIRONMENTS and layers.environment is None:
        yield FieldError(
            "spec.environment",
            f"{messages.ENVIRONMENT}: {system.environment}; {messages.ENVIRONMENT_REMEDY}",
        )
    if not layers.names:
        yield FieldError("spec.components", messages.CUSTOM_EMPTY)
    if len(layers.names) > spec.MAX_COMPONENTS:
        yield FieldError("spec.components", messages.TOO_MANY)


def _duplicates(system: spec.AllUseSystemSpec) -> Errors:
    """The API server knows these lists as maps, by name."""

    def check(path: str, names: Iterable[str]) -> Errors:
        seen: set[str] = set()
        for index, name in enumerate(names):
            if name in seen:
                yield FieldError(f"{path}[{index}]", f"duplicate value {name}: remove one of the two")
            seen.add(name)

    layers = Layers(system, {})
    yield from check("spec.components", (each.name for each in system.components))
    yield from check("spec.environments", (each.name for each in system.environments))
    yield from check("spec.interlocks", (each.name for each in system.interlocks))
    yield from check("spec.recovery.ladder", (each.action for each in system.recovery.ladder))
    yield from check("spec.alerts.routes", (each.severity for each in system.alerts.routes))
    for index, lock in enumerate(system.interlocks):
        yield from check(f"spec.interlocks[{index}].requires", lock.requires)
    for index, route in enumerate(system.alerts.routes):
        yield from check(f"spec.alerts.routes[{index}].sinks", route.sinks)
    for index, environment in enumerate(system.environments):
        yield from check(
            f"spec.environments[{index}].components", (each.name for each in environment.components)
        )
    for written in (*layers.in_base, *layers.in_environments):
        entry = written.entry
        yield from check(f"{written.path}.dependsOn", (each.name for each in entry.depends_on or ()))
        yield from check(f"{written.path}.env", (each.name for each in entry.env or ()))
        yield from check(f"{written.path}.calls", entry.calls or ())


def _references(layers: Layers) -> Errors:
    known = frozenset(layers.names)
    for written in (*layers.in_base, *layers.in_environments):
        entry, path = written.entry, written.path
        for edge in entry.depends_on or ():
            if edge.name == entry.name:
                yield FieldError(f"{path}.dependsOn", f"{entry.name}: {messages.SELF_DEPENDENCY}")
            if edge.name not in known:
                yield _unknown(f"{path}.dependsOn", messages.UNKNOWN_DEPENDENCY, entry.name, edge.name)
            if edge.requirement is spec.Requirement.PREFERRED and edge.on_unhealthy not in _MILD:
                yield FieldError(f"{path}.dependsOn", messages.PREFERRED_EDGE)
        for called in entry.calls or ():
            if called == entry.name:
                yield FieldError(f"{path}.calls", f"{entry.name}: {messages.SELF_CALL}")
            if called not in known and called != spec.ALL_COMPONENTS:
                yield _unknown(f"{path}.calls", messages.UNKNOWN_CALL, entry.name, called)
    for written in layers.in_environments:
        if written.entry.name not in known:
            yield FieldError(
                f"{written.path}.name",
                f"{messages.UNKNOWN_OVERRIDE}: {written.entry.name}; {messages.UNKNOWN_REMEDY}",
            )


def _interlocks(system: spec.AllUseSystemSpec, layers: Layers) -> Errors:
    known = frozenset(layers.names)
    for index, lock in enumerate(system.interlocks):
        path = f"spec.interlocks[{index}]"
        for target in (lock.guards, *lock.requires):
            if target not in known:
                yield _unknown(path, messages.UNKNOWN_INTERLOCK, lock.name, target)
        if lock.guards in lock.requires:
            yield FieldError(f"{path}.requires", messages.INTERLOCK_SELF)


def _unknown(path: str, message: str, name: str, target: str) -> FieldError:
    return FieldError(path, f"{message}: {name} -> {target}; {messages.UNKNOWN_REMEDY}")


def _graph(layers: Layers) -> Errors:
    """Cycles through Preferred edges and disabled components count: one edit away from a system that
    waits for itself."""
    edges = {
        name: {edge.name for edge in layers.depends_on(name)} & set(layers.names) - {name}
        for name in layers.names
    }
    if stuck := _in_cycles(edges):
        names = ", ".join(name for name in layers.names if name in stuck)
        yield FieldError("spec.components", f"{messages.CYCLE}: {names}; {messages.CYCLE_REMEDY}")
    off = {name for name in layers.names if not layers.enabled(name)}
    for name in layers.names:
        missing = [
            edge.name
            for edge in layers.depends_on(name)
            if edge.requirement is spec.Requirement.REQUIRED and edge.name in off
        ]
        if missing and name not in off:
            yield FieldError(
                "spec.components",
                f"{messages.DISABLED}: {name} needs {', '.join(missing)}; {messages.DISABLED_REMEDY}",
            )


def _in_cycles(edges: Mapping[str, set[str]]) -> set[str]:
    """The names that are in a cycle or between two cycles: take away, as long as there are any, those that
    depend on nothing that is left, and those on which nothing that is left depends."""
    left = set(edges)
    while True:
        needed = set().union(*(edges[name] for name in left)) & left
        inner = {name for name in left if edges[name] & left and name in needed}
        if inner == left:
            return left
        left = inner


def _types(layers: Layers, catalog: Catalog) -> Errors:
    """What fits a Service only, or a Job only, or state that only one pod may keep."""
    for written in (*layers.in_base, *layers.in_environments):
        entry, path = written.entry, written.path
        yield from _conditions(written, layers)
        if layers.is_job(entry.name):
            for field, message in messages.JOB_FIELDS.items():
                if getattr(entry, field) is not None:
                    yield FieldError(f"{path}.{field}", message)
            if entry.name in layers.catalog:
                yield FieldError(f"{path}.type", messages.CATALOG_JOB)
        stateful = entry.name in layers.catalog and catalog[entry.name].storage is not None
        if stateful and entry.replicas not in (None, 1):
            yield FieldError(f"{path}.replicas", messages.ONE_REPLICA)


def _conditions(written: Written, layers: Layers) -> Errors:
    """Only a Job completes, and a Job is never healthy."""
    for index, edge in enumerate(written.entry.depends_on or ()):
        job = layers.is_job(edge.name)
        if edge.condition is spec.DependencyCondition.COMPLETED and not job:
            yield FieldError(f"{written.path}.dependsOn[{index}].condition", messages.COMPLETED_SERVICE)
        if edge.condition is spec.DependencyCondition.HEALTHY and job:
            yield FieldError(f"{written.path}.dependsOn[{index}].condition", messages.HEALTHY_JOB)


def _images(system: spec.AllUseSystemSpec, layers: Layers) -> Errors:
    defaults = (system.image, layers.environment.image if layers.environment else None)
    if any(image is not None and image.repository for image in defaults):
        return
    without = [
        name
        for name, entry in layers.base.items()
        if name not in layers.catalog
        and not any(layer.image or layer.command is not None for layer in layers.of(name))
        and entry.enabled is not False
        and entry.management is not spec.Management.OBSERVE_ONLY
    ]
    if without:
        yield FieldError(
            "spec.components", f"{messages.IMAGE_MISSING}: {', '.join(without)}; {messages.IMAGE_REMEDY}"
        )


def _ranges(system: spec.AllUseSystemSpec, layers: Layers) -> Errors:
    if system.recovery.backoff.initial_seconds > system.recovery.backoff.max_seconds:
        yield FieldError("spec.recovery.backoff.initialSeconds", messages.BACKOFF)
    if spec.RecoveryAction.SAFE_STATE in [rung.action for rung in system.recovery.ladder[:-1]]:
        yield FieldError("spec.recovery.ladder", messages.SAFE_STATE_LAST)
    broken = False
    for written in (*layers.in_base, *layers.in_environments):
        found = [*_written_ranges(written)]
        if (written.entry.stop_grace_seconds or 0) > system.teardown.deadline_seconds:
            found.append(FieldError(f"{written.path}.stopGraceSeconds", messages.STOP_GRACE))
        broken = broken or bool(found)
        yield from found
    if not broken:  # otherwise the same mistakes would be told twice
        for name in layers.names:
            yield from _merged_ranges(layers, name)


def _written_ranges(written: Written) -> Errors:
    entry, path = written.entry, written.path
    if entry.health is not None and _too_slow(dict(entry.health)):
        yield FieldError(f"{path}.health.timeoutSeconds", messages.TIMEOUT)
    if entry.resources is not None:
        sides = {"requests": entry.resources.requests, "limits": entry.resources.limits}
        amounts = {side: dict(given) for side, given in sides.items() if given is not None}
        yield from _below_request(path, amounts)
        for side, given in amounts.items():
            memory = given["memory"]
            if memory is not None and amount(memory) < amount(spec.SMALLEST_MEMORY):
                yield FieldError(f"{path}.resources.{side}.memory", messages.MEMORY_SMALL)
    if entry.storage is not None and amount(entry.storage.size) < amount(spec.SMALLEST_CLAIM):
        yield FieldError(f"{path}.storage.size", messages.SIZE_SMALL)


def _merged_ranges(layers: Layers, name: str) -> Errors:
    """What each layer says for itself is right, and together it is not."""
    path = _highest(layers, name)
    if _too_slow(layers.merged(name, "health")):
        yield FieldError(f"{path}.health.timeoutSeconds", messages.TIMEOUT)
    yield from _below_request(path, layers.merged(name, "resources"))


def _highest(layers: Layers, name: str) -> str:
    """Path of the highest place where somebody wrote about a component."""
    if layers.environment is not None and name in layers.changes:
        return next(each.path for each in layers.in_environments if each.entry is layers.changes[name])
    return next((each.path for each in layers.in_base if each.entry.name == name), "spec.components")


def _too_slow(health: Mapping[str, Any]) -> bool:
    values = dict(spec.HEALTH_DEFAULTS) | {key: value for key, value in health.items() if value is not None}
    return bool(values["timeout_seconds"] > values["period_seconds"])


def _below_request(path: str, resources: Mapping[str, Any]) -> Errors:
    requests, limits = resources.get("requests", {}), resources.get("limits", {})
    for kind in _AMOUNTS:
        request, limit = requests.get(kind), limits.get(kind)
        if request is not None and limit is not None and amount(limit) < amount(request):
            yield FieldError(f"{path}.resources.limits.{kind}", messages.LIMIT_BELOW_REQUEST[kind])


def _variables(written: Written) -> Errors:
    for index, variable in enumerate(written.entry.env or ()):
        path = f"{written.path}.env[{index}]"
        if (variable.value is None) == (variable.secret_key_ref is None):
            yield FieldError(path, messages.ENV_SOURCE)
        if (
            variable.name.startswith(spec.RESERVED_VARIABLE_PREFIX)
            or variable.name in spec.RESERVED_VARIABLES
        ):
            yield FieldError(f"{path}.name", messages.ENV_RESERVED)


def _configuration(system: spec.AllUseSystemSpec, layers: Layers) -> Errors:
    places: list[tuple[str, Mapping[str, str]]] = [("spec.config", system.config)]
    places += [
        (f"spec.environments[{index}].config", each.config or {})
        for index, each in enumerate(system.environments)
    ]
    places += [
        (f"{written.path}.config", written.entry.config or {})
        for written in (*layers.in_base, *layers.in_environments)
    ]
    for path, config in places:
        for key in config:
            if not re.fullmatch(spec.CONFIG_KEY, key):
                yield FieldError(f"{path}[{key}]", messages.CONFIG_KEYS)
    selected = (layers.environment.config if layers.environment else None) or {}
    yield from _nesting("spec.config", (*system.config, *selected))
    for name in layers.names:
        keys = [key for entry in layers.of(name) for key in entry.config or {}]
        yield from _nesting(f"{_highest(layers, name)}.config", keys)


def _nesting(path: str, keys: Iterable[str]) -> Errors:
    """Dotted keys become nested objects: a key cannot hold a value and other keys."""
    all_keys = set(keys)
    parents = {key[:index] for key in all_keys for index, letter in enumerate(key) if letter == "."}
    for key in sorted(all_keys & parents):
        yield FieldError(f"{path}[{key}]", f"{key} {messages.CONFIG_NESTING}")
