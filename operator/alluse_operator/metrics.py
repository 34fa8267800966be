"""The operator's metrics, in a registry of its own. Labels carry names of systems and components, never
content.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from alluse_operator.api.spec import AlertSeverity, Criticality
from alluse_operator.api.status import ComponentState

CONTENT_TYPE = CONTENT_TYPE_LATEST


@dataclass(frozen=True, slots=True)
class _Trouble:
    """What is shown of a system's trouble."""

    criticalities: Mapping[str, Criticality] = field(default_factory=dict)
    roots: frozenset[str] = frozenset()
    exhausted: frozenset[str] = frozenset()
    suspended: bool = False
    spec_invalid: bool = False
    interlocks: Mapping[str, bool] = field(default_factory=dict)
    alerts: Mapping[AlertSeverity, int] = field(default_factory=dict)


class Metrics:
    """Every series of one operator process."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.reconcile_seconds = Histogram(
            "allusesystem_reconcile_seconds",
            "Time of one pass over one system, its writes included",
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60),
            registry=self.registry,
        )
        self.reconcile_errors = Counter(
            "allusesystem_reconcile_errors",
            "Passes or writes that failed, by kind of error",
            ["kind"],
            registry=self.registry,
        )
        self.component_health = Gauge(
            "allusesystem_component_health",
            "1 for the state that a component is in, 0 for the others",
            ["namespace", "system", "component", "state"],
            registry=self.registry,
        )
        self.component_info = Gauge(
            "allusesystem_component_info",
            "1 for each component, with what it is",
            ["namespace", "system", "component", "criticality"],
            registry=self.registry,
        )
        self.component_root = Gauge(
            "allusesystem_component_root",
            "1 while a component is not well and is itself the reason, 0 otherwise",
            ["namespace", "system", "component"],
            registry=self.registry,
        )
        self.component_exhausted = Gauge(
            "allusesystem_component_exhausted",
            "1 while recovery of a component has given up for the time being",
            ["namespace", "system", "component"],
            registry=self.registry,
        )
        self.recovery_suspended = Gauge(
            "allusesystem_recovery_suspended",
            "1 while nothing is restarted in a system because its trouble is not its own",
            ["namespace", "system"],
            registry=self.registry,
        )
        self.interlock_closed = Gauge(
            "allusesystem_interlock_closed",
            "1 while an interlock is closed",
            ["namespace", "system", "interlock"],
            registry=self.registry,
        )
        self.spec_invalid = Gauge(
            "allusesystem_spec_invalid",
            "1 while the spec of a system makes no sense and is not followed",
            ["namespace", "system"],
            registry=self.registry,
        )
        self.time_to_ready = Gauge(
            "allusesystem_time_to_ready_seconds",
            "From the creation of the first component of the latest start until the system was ready",
            ["namespace", "system"],
            registry=self.registry,
        )
        self.component_time_to_ready = Gauge(
            "allusesystem_component_time_to_ready_seconds",
            "From the creation of a component until it was first healthy",
            ["namespace", "system", "component"],
            registry=self.registry,
        )
        self.recoveries = Counter(
            "allusesystem_recoveries",
            "Recovery actions carried out",
            ["namespace", "system", "component", "action"],
            registry=self.registry,
        )
        self.watch_age = Gauge(
            "allusesystem_watch_age_seconds",
            "Time since a watch stream was last heard (at rest the API server speaks about once a minute)",
            ["path"],
            registry=self.registry,
        )
        self.mirror_age = Gauge(
            "allusesystem_mirror_age_seconds",
            "Time since everything was last listed",
            registry=self.registry,
        )
        self.watch_restarts = Counter(
            "allusesystem_watch_restarts",
            "Restarts of the watching part, by reason",
            ["reason"],
            registry=self.registry,
        )
        self.leader = Gauge("allusesystem_leader", "1 while this process leads", registry=self.registry)
        self.systems = Gauge("allusesystem_systems", "Systems that are looked after", registry=self.registry)
        self.api_requests = Counter(
            "allusesystem_api_requests",
            "Requests to the API server by verb and status code (0: no answer); watches not included",
            ["verb", "code"],
            registry=self.registry,
        )
        self.api_seconds = Histogram(
            "allusesystem_api_request_seconds",
            "Time until the API server answered",
            ["verb"],
            buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 15),
            registry=self.registry,
        )
        self.queue = Gauge(
            "allusesystem_dispatcher_queue", "Systems that wait for their pass", registry=self.registry
        )
        self.events_dropped = Counter(
            "allusesystem_events_dropped",
            "Kubernetes Events not sent because there were too many or the API server refused them",
            registry=self.registry,
        )
        self.probes = Counter(
            "allusesystem_probes", "Deep checks of components by outcome", ["outcome"], registry=self.registry
        )
        self.journal_records = Gauge(
            "allusesystem_journal_records", "Decisions that the journal holds", registry=self.registry
        )
        self.journal_bytes = Gauge(
            "allusesystem_journal_bytes", "Bytes that the journal holds", registry=self.registry
        )
        self.alerts = Gauge(
            "allusesystem_alerts",
            "Alerts that are firing, by severity",
            ["namespace", "system", "severity"],
            registry=self.registry,
        )
        self.alerts_sent = Counter(
            "allusesystem_alerts_sent", "Notices of alerts that a sink took", ["sink"], registry=self.registry
        )
        self.alert_retries = Counter(
            "allusesystem_alert_retries",
            "Attempts to tell a sink that failed and were made again",
            ["sink"],
            registry=self.registry,
        )
        self.alert_dead_letters = Counter(
            "allusesystem_alert_dead_letters",
            "Notices of alerts that a sink did not take in the time it is given",
            ["sink"],
            registry=self.registry,
        )
        self.alert_queue = Gauge(
            "allusesystem_alert_queue", "Messages that wait for a sink", ["sink"], registry=self.registry
        )
        self._children: dict[tuple[str, str], dict[str, str]] = {}
        self._trouble: dict[tuple[str, str], _Trouble] = {}

    def request(self, verb: str, status: int, seconds: float) -> None:
        """Note one request to the API server."""
        self.api_requests.labels(verb, str(status)).inc()
        self.api_seconds.labels(verb).observe(seconds)

    def show_components(self, namespace: str, system: str, states: Mapping[str, ComponentState]) -> None:
        """Set each component's state; series of components that are no longer there go away."""
        shown = self._children.setdefault((namespace, system), {})
        for component in shown.keys() - states.keys():
            self._forget_component(namespace, system, component)
            del shown[component]
        for component, state in states.items():
            if shown.get(component) == state.value:
                continue
            for other in ComponentState:
                self.component_health.labels(namespace, system, component, other.value).set(other is state)
            shown[component] = state.value

    def show_trouble(
        self,
        namespace: str,
        system: str,
        *,
        criticalities: Mapping[str, Criticality],
        roots: Collection[str],
        exhausted: Collection[str],
        suspended: bool,
        spec_invalid: bool,
        interlocks: Mapping[str, bool],
        alerts: Mapping[AlertSeverity, int],
    ) -> None:
        """Set what is wrong in a system. `interlocks`: by name, whether it is closed."""
        now = _Trouble(
            dict(criticalities),
            frozenset(roots),
            frozenset(exhausted),
            suspended,
            spec_invalid,
            dict(interlocks),
            dict(alerts),
        )
        before = self._trouble.get((namespace, system), _Trouble())
        if now == before:
            return
        self._trouble[namespace, system] = now
        for component, criticality in criticalities.items():
            old = before.criticalities.get(component, criticality)
            if old is not criticality:
                self.component_info.remove(namespace, system, component, old.value)
            self.component_info.labels(namespace, system, component, criticality.value).set(1)
            self.component_root.labels(namespace, system, component).set(component in roots)
            self.component_exhausted.labels(namespace, system, component).set(component in exhausted)
        self.recovery_suspended.labels(namespace, system).set(suspended)
        self.spec_invalid.labels(namespace, system).set(spec_invalid)
        for interlock in before.interlocks.keys() - interlocks.keys():
            self.interlock_closed.remove(namespace, system, interlock)
        for interlock, closed in interlocks.items():
            self.interlock_closed.labels(namespace, system, interlock).set(closed)
        for severity in AlertSeverity:
            self.alerts.labels(namespace, system, severity.value).set(alerts.get(severity, 0))

    def forget_systems(self) -> None:
        """Remove the series of all systems: who does not lead any more knows nothing of them."""
        for namespace, system in {*self._children, *self._trouble}:
            self.forget_system(namespace, system)
        self.systems.set(0)

    def forget_system(self, namespace: str, system: str) -> None:
        """Remove every series of a system that is gone."""
        for component in self._children.pop((namespace, system), {}):
            self._forget_component(namespace, system, component)
        self._trouble.pop((namespace, system), None)
        for metric in (
            self.time_to_ready,
            self.recovery_suspended,
            self.spec_invalid,
            self.interlock_closed,
            self.alerts,
        ):
            metric.remove_by_labels({"namespace": namespace, "system": system})

    def _forget_component(self, namespace: str, system: str, component: str) -> None:
        labels = {"namespace": namespace, "system": system, "component": component}
        for metric in (
            self.component_health,
            self.component_info,
            self.component_root,
            self.component_exhausted,
            self.component_time_to_ready,
            self.recoveries,
        ):
            metric.remove_by_labels(labels)

    def render(self) -> bytes:
        return generate_latest(self.registry)
