"""From the spec as written to the system as it shall be.

A component is put together from layers, highest first: the entry in the selected environment, the entry
in `spec.components`, the catalog entry (profile WS1), the defaults. A field that a layer leaves out keeps
what the layers below say; `env` merges by name, `config` by key, `health`, `resources` and `storage`
field by field; lists of dependencies, calls, command and arguments replace the whole list below.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from pydantic import ValidationError

from alluse import contract
from alluse_operator import catalog
from alluse_operator.api import spec as api
from alluse_operator.api.errors import FieldError, InvalidSpec
from alluse_operator.api.layers import Layers
from alluse_operator.api.validation import parse, validate
from alluse_operator.core import desired, graph

#: Rank of components that are not in the catalog: after it.
_CUSTOM_ORDER = 1000

_HEALTH_DEFAULTS = {key: value for key, value in api.HEALTH_DEFAULTS if value is not None}


def resolve(
    identity: desired.Identity, spec: Mapping[str, Any], defaults: desired.Defaults
) -> desired.System:
    """The resolved system. Raises InvalidSpec, which names every field that is wrong."""
    parsed = parse(spec)
    if errors := validate(identity.name, parsed, catalog.SPECS, catalog.INTERLOCKS):
        raise InvalidSpec(errors)
    return _Resolution(identity, parsed, defaults).system()


class _Resolution:
    """The layers of one spec, at hand while its components are put together."""

    def __init__(
        self, identity: desired.Identity, spec: api.AllUseSystemSpec, defaults: desired.Defaults
    ) -> None:
        self.identity = identity
        self.spec = spec
        self.defaults = defaults
        self.layers = Layers(spec, catalog.SPECS, catalog.INTERLOCKS)
        changed = self.layers.environment.version if self.layers.environment else None
        self.version = changed or spec.version or defaults.version

    def system(self) -> desired.System:
        enabled = {name for name in self.layers.names if self.layers.enabled(name)}
        edges = {
            name: {edge.name: edge for edge in self.layers.depends_on(name) if edge.name in enabled}
            for name in sorted(enabled)
        }
        callers = _callers({name: self._top(name, "calls") for name in enabled}, edges)
        try:
            ordered = graph.start_order(edges, {name: self._order(name) for name in enabled})
        except graph.CycleError as error:
            raise InvalidSpec([FieldError("spec.components", str(error))]) from error
        return desired.System(
            identity=self.identity,
            environment=self.spec.environment,
            version=self.version,
            components={name: self._component(name, edges[name].values(), callers[name]) for name in ordered},
            disabled=tuple(sorted(set(self.layers.names) - enabled)),
            startup=desired.Startup(
                max_parallel=self.spec.startup.max_parallel,
                deadline=_seconds(self.spec.startup.deadline_seconds),
            ),
            recovery=_recovery(self.spec.recovery),
            teardown=desired.TeardownPolicy(
                order=self.spec.teardown.order,
                deadline=_seconds(self.spec.teardown.deadline_seconds),
                on_deadline=self.spec.teardown.on_deadline,
            ),
            interlocks=tuple(
                desired.Interlock(lock.name, lock.guards, lock.requires, _seconds(lock.within_seconds))
                for lock in self.layers.interlocks
            ),
            alerts=_alerts(self.spec.alerts),
            operator_namespace=self.defaults.operator_namespace,
        )

    def _component(
        self, name: str, edges: Iterable[api.Dependency], callers: frozenset[str]
    ) -> desired.Component:
        storage = self.layers.merged(name, "storage")
        return desired.Component(
            name=name,
            order=self._order(name),
            group=self._top(name, "group"),
            kind=api.ComponentType.JOB if self.layers.is_job(name) else api.ComponentType.SERVICE,
            criticality=self._top(name, "criticality"),
            managed=self._top(name, "management") is api.Management.MANAGED,
            dependencies=tuple(
                desired.Dependency(
                    edge.name,
                    edge.condition,
                    edge.requirement,
                    edge.on_unhealthy,
                    _seconds(edge.grace_seconds),
                )
                for edge in edges
            ),
            callers=callers,
            health=_health(_HEALTH_DEFAULTS | self.layers.merged(name, "health")),
            image=self._top(name, "image") or f"{self._image('repository')}:{self.version}",
            pull_policy=self._image("pull_policy"),
            pull_secrets=self._image("pull_secrets") or (),
            command=self._top(name, "command") or (),
            args=self._top(name, "args") or (),
            env=self._env(name),
            resources=_resources(self.layers.merged(name, "resources")),
            replicas=self._top(name, "replicas"),
            port=self._top(name, "port"),
            storage=desired.Storage(**_texts(storage)) if storage else None,
            config=self._config(name),
            start_deadline=_seconds(self._top(name, "start_deadline_seconds")),
            stop_grace=_seconds(self._top(name, "stop_grace_seconds")),
            catalog=name in self.layers.catalog,
        )

    def _top(self, name: str, field: str) -> Any:
        """What the highest layer that speaks of the field says, else the default; None if that is silent."""
        written = (getattr(entry, field, None) for entry in self.layers.of(name))
        return next((value for value in written if value is not None), getattr(api.COMPONENT_DEFAULTS, field))

    def _order(self, name: str) -> int:
        return catalog.WS1[name].order if name in self.layers.catalog else _CUSTOM_ORDER

    def _image(self, field: str) -> Any:
        """A field of the image: environment, then spec, then what the operator was installed with."""
        environment = self.layers.environment
        images = (environment.image if environment else None, self.spec.image)
        written = (getattr(image, field) for image in images if image is not None)
        installed = {"repository": self.defaults.component_image}
        return next((value for value in written if value is not None), installed.get(field))

    def _env(self, name: str) -> tuple[desired.EnvVar, ...]:
        merged: dict[str, desired.EnvVar] = {}
        for entry in reversed(tuple(self.layers.of(name))):
            for variable in entry.env or ():
                secret = variable.secret_key_ref
                merged[variable.name] = desired.EnvVar(
                    name=variable.name,
                    value=variable.value,
                    secret_name=secret.name if secret else None,
                    secret_key=secret.key if secret else None,
                )
        return tuple(merged.values())

    def _config(self, name: str) -> Mapping[str, str]:
        """The component's own configuration; config-manager's also holds the system's, for all to ask."""
        config: dict[str, str] = {}
        if name == contract.CONFIG_MANAGER and name in self.layers.catalog:
            environment = self.layers.environment
            config.update(self.spec.config or {})
            config.update((environment.config if environment else None) or {})
        if name in self.layers.catalog:
            config.update(_gates(name, self.layers.interlocks))
        for entry in reversed(tuple(self.layers.of(name))):
            config.update(entry.config or {})
        return config


def _gates(guarded: str, interlocks: Iterable[api.InterlockSpec]) -> dict[str, str]:
    """What a component of the catalog is told of the interlocks that guard it, where they are not built in as
    they are: it watches them by itself."""
    told: dict[str, str] = {}
    for lock in interlocks:
        built_in = next((each for each in catalog.INTERLOCKS if each.name == lock.name), None)
        if built_in is not None and lock.guards == guarded == built_in.guards and lock != built_in:
            section = f"interlocks.{lock.name.replace('-', '_')}"
            told[f"{section}.within_seconds"] = str(lock.within_seconds)
            told[f"{section}.requires"] = ",".join(lock.requires)
    return told


def _callers(
    calls: Mapping[str, Iterable[str]], edges: Mapping[str, Iterable[str]]
) -> dict[str, frozenset[str]]:
    everybody = frozenset(edges)
    talks_to = {
        name: (everybody if api.ALL_COMPONENTS in called else frozenset(called)) | frozenset(edges[name])
        for name, called in calls.items()
    }
    return {
        name: frozenset(other for other in everybody if other != name and name in talks_to[other])
        for name in everybody
    }


def _health(merged: Mapping[str, Any]) -> desired.Health:
    return desired.Health(
        path=merged.get("path"),
        liveness_path=merged.get("liveness_path"),
        readiness_path=merged.get("readiness_path"),
        period=_seconds(merged["period_seconds"]),
        timeout=_seconds(merged["timeout_seconds"]),
        unhealthy_after=merged["unhealthy_after"],
        healthy_for=_seconds(merged["healthy_for_seconds"]),
    )


def _resources(merged: Mapping[str, Any]) -> desired.Resources:
    requests, limits = merged.get("requests") or {}, merged.get("limits") or {}
    return desired.Resources(
        cpu_request=requests.get("cpu"),
        memory_request=requests.get("memory"),
        cpu_limit=limits.get("cpu"),
        memory_limit=limits.get("memory"),
    )


def _recovery(spec: api.RecoverySpec) -> desired.RecoveryPolicy:
    return desired.RecoveryPolicy(
        backoff_initial=_seconds(spec.backoff.initial_seconds),
        backoff_factor=spec.backoff.factor,
        backoff_max=_seconds(spec.backoff.max_seconds),
        max_actions=spec.intensity.max_actions,
        window=_seconds(spec.intensity.window_seconds),
        max_concurrent=spec.budget.max_concurrent,
        min_healthy_percent=spec.budget.min_healthy_percent,
        reset_after=_seconds(spec.reset_after_seconds),
        retry_exhausted_every=_seconds(spec.retry_exhausted_every_seconds),
        ladder=tuple(desired.Rung(rung.action, rung.attempts) for rung in spec.ladder),
    )


def readable_alerts(spec: Mapping[str, Any]) -> desired.AlertPolicy:
    """Whom to tell where the spec as a whole makes no sense: its own routes, if they at least can be read."""
    try:
        return _alerts(api.AlertsSpec.model_validate(spec.get("alerts") or {}))
    except ValidationError:
        return desired.AlertPolicy()


def _alerts(spec: api.AlertsSpec) -> desired.AlertPolicy:
    return desired.AlertPolicy(
        routes={route.severity: route.sinks for route in spec.routes},
        inhibit=spec.dependency_inhibition is api.DependencyInhibition.ENABLED,
        repeat=_seconds(spec.repeat_seconds),
    )


def _texts(values: Mapping[str, object]) -> dict[str, str]:
    return {key: str(value) for key, value in values.items()}


def _seconds(count: int) -> timedelta:
    return timedelta(seconds=count)
