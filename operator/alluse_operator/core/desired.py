"""What is wanted: the spec with every default and every layer resolved, as frozen values.

`resolve.resolve` makes a `System` of a spec; `resources.build_all` makes objects of a `System`. Nothing
in here is optional unless "not there" is itself the wish.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from alluse_operator.api.spec import (
    LADDER_DEFAULT,
    ROUTES_DEFAULT,
    AlertSeverity,
    ComponentType,
    Criticality,
    DependencyCondition,
    OnDeadline,
    OnUnhealthy,
    PullPolicy,
    RecoveryAction,
    Requirement,
    TeardownOrder,
)


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the operator was installed with: it fills in where a spec is silent."""

    component_image: str
    """Repository of the component image, without a tag."""
    version: str
    """Tag of the component image."""
    operator_namespace: str = ""
    """Where the operator itself runs (its probes come from there); empty when it runs outside the cluster."""


@dataclass(frozen=True, slots=True)
class Dependency:
    """An edge of the start graph, seen from the component that waits."""

    name: str
    condition: DependencyCondition = DependencyCondition.HEALTHY
    requirement: Requirement = Requirement.REQUIRED
    on_unhealthy: OnUnhealthy = OnUnhealthy.HOLD
    """Of a Required edge: what happens when the dependency has been unwell for `grace`."""
    grace: timedelta = timedelta(seconds=30)

    @property
    def required(self) -> bool:
        return self.requirement is Requirement.REQUIRED


@dataclass(frozen=True, slots=True)
class Health:
    """How the health of a Service is found out. A path that is None means: no such check."""

    path: str | None = None
    liveness_path: str | None = None
    readiness_path: str | None = None
    period: timedelta = timedelta(seconds=3)
    timeout: timedelta = timedelta(seconds=1)
    unhealthy_after: int = 3
    healthy_for: timedelta = timedelta(0)

    @property
    def patience(self) -> timedelta:
        """How long something may look bad before it is believed: `unhealthy_after` periods."""
        return self.period * self.unhealthy_after


@dataclass(frozen=True, slots=True)
class EnvVar:
    """An environment variable: `value`, or the key `secret_key` of the Secret `secret_name`."""

    name: str
    value: str | None = None
    secret_name: str | None = None
    secret_key: str | None = None


@dataclass(frozen=True, slots=True)
class Resources:
    """Kubernetes quantities as written; None where nothing is asked for."""

    cpu_request: str | None = None
    memory_request: str | None = None
    cpu_limit: str | None = None
    memory_limit: str | None = None


@dataclass(frozen=True, slots=True)
class Storage:
    """A claim for each replica; it makes the component a StatefulSet."""

    size: str
    storage_class_name: str | None = None


@dataclass(frozen=True, slots=True)
class Component:
    """One component as it shall be. Disabled components are not in here: see `System.disabled`."""

    name: str
    order: int
    """Rank among components that may start at the same time: the catalog's number, 1000 for others."""
    group: str
    kind: ComponentType
    criticality: Criticality
    managed: bool
    """False: the operator reports on it and never writes to it."""
    dependencies: tuple[Dependency, ...]
    """Edges to components that run; Preferred edges to disabled ones are already dropped."""
    callers: frozenset[str]
    """Components that may talk to this one: those that depend on it and those that name it in `calls`."""
    health: Health
    image: str
    """Full reference."""
    pull_policy: PullPolicy | None
    pull_secrets: tuple[str, ...]
    command: tuple[str, ...]
    args: tuple[str, ...]
    env: tuple[EnvVar, ...]
    resources: Resources
    replicas: int
    port: int
    storage: Storage | None
    config: Mapping[str, str]
    """Dotted keys for this component's ConfigMap. config-manager's also holds `spec.config`."""
    start_deadline: timedelta
    stop_grace: timedelta
    catalog: bool
    """From the built-in catalog: gets the environment and mounts of `alluse.contract`."""

    def dependency_names(self) -> frozenset[str]:
        return frozenset(edge.name for edge in self.dependencies)


@dataclass(frozen=True, slots=True)
class Startup:
    max_parallel: int = 16
    deadline: timedelta = timedelta(seconds=600)


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of the recovery ladder."""

    action: RecoveryAction
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class RecoveryPolicy:
    """Back-off, budget and patience of recovery; see `recovery.decide` for their meaning."""

    backoff_initial: timedelta = timedelta(seconds=1)
    backoff_factor: int = 2
    backoff_max: timedelta = timedelta(seconds=300)
    max_actions: int = 5
    window: timedelta = timedelta(seconds=600)
    max_concurrent: int = 1
    min_healthy_percent: int = 50
    reset_after: timedelta = timedelta(seconds=600)
    retry_exhausted_every: timedelta = timedelta(seconds=3600)
    ladder: tuple[Rung, ...] = tuple(Rung(rung.action, rung.attempts) for rung in LADDER_DEFAULT)


@dataclass(frozen=True, slots=True)
class TeardownPolicy:
    order: TeardownOrder = TeardownOrder.REVERSE
    deadline: timedelta = timedelta(seconds=30)
    on_deadline: OnDeadline = OnDeadline.FORCE


@dataclass(frozen=True, slots=True)
class Interlock:
    """`guards` is in its safe state while one of `requires` is unwell or unknown for longer than `within`."""

    name: str
    guards: str
    requires: tuple[str, ...]
    within: timedelta = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class AlertPolicy:
    """Sinks by severity, whether a root inhibits its symptoms, and how often an alert is repeated."""

    routes: Mapping[AlertSeverity, tuple[str, ...]] = field(
        default_factory=lambda: {route.severity: route.sinks for route in ROUTES_DEFAULT}
    )
    inhibit: bool = True
    repeat: timedelta = timedelta(hours=4)


@dataclass(frozen=True, slots=True)
class Identity:
    """Which AllUseSystem this is, and which writing of its spec."""

    namespace: str
    name: str
    uid: str
    generation: int


@dataclass(frozen=True, slots=True)
class System:
    """The resolved system. `components` is in start order (dependencies first; ties by order, then name)."""

    identity: Identity
    environment: str
    version: str
    components: Mapping[str, Component]
    disabled: tuple[str, ...] = ()
    startup: Startup = field(default_factory=Startup)
    recovery: RecoveryPolicy = field(default_factory=RecoveryPolicy)
    teardown: TeardownPolicy = field(default_factory=TeardownPolicy)
    interlocks: tuple[Interlock, ...] = ()
    alerts: AlertPolicy = field(default_factory=AlertPolicy)
    operator_namespace: str = ""

    @property
    def namespace(self) -> str:
        return self.identity.namespace

    @property
    def name(self) -> str:
        return self.identity.name

    @property
    def uid(self) -> str:
        return self.identity.uid

    @property
    def generation(self) -> int:
        return self.identity.generation
