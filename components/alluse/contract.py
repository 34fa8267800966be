"""What a component and whoever runs it agree on: names, facts, paths, environment, metrics.

This is the only module of `alluse` that the operator reads, so it imports nothing but `typing` and
holds data only. Events and components are each stated once; what follows from them (who emits, who
consumes, who calls whom) is derived here, so that a network policy, `/info` and the outbox cannot
disagree.
"""

from typing import Final, NamedTuple

# -- addresses -------------------------------------------------------------------------------------

PORT: Final = 8080
PATH_LIVE: Final = "/health/live"
PATH_READY: Final = "/health/ready"
PATH_HEALTH: Final = "/health"
PATH_METRICS: Final = "/metrics"
PATH_INFO: Final = "/info"
PATH_EVENTS: Final = "/events"
PATH_OPENAPI: Final = "/openapi.json"
PATH_ADMIN_CACHE: Final = "/admin/cache"
PATH_ADMIN_GC: Final = "/admin/gc"
PATH_ADMIN_FAULT: Final = "/admin/fault"

#: Which component to run as: a command is `python3 -m alluse` for all sixteen.
MODULE: Final = "alluse"

# -- environment of the process --------------------------------------------------------------------

ENV_COMPONENT: Final = "ALLUSE_COMPONENT"
ENV_SYSTEM: Final = "ALLUSE_SYSTEM"
ENV_ENVIRONMENT: Final = "ALL_USE_ENV"
ENV_VERSION: Final = "ALLUSE_VERSION"
#: Peers are reached at `http://<prefix><component>:<PORT>`.
ENV_SERVICE_PREFIX: Final = "ALLUSE_SERVICE_PREFIX"
ENV_CONFIG_DIR: Final = "ALLUSE_CONFIG_DIR"
ENV_STATE_DIR: Final = "ALLUSE_STATE_DIR"
ENV_PORT: Final = "ALLUSE_PORT"
#: Address to listen on; all addresses unless given.
ENV_HOST: Final = "ALLUSE_HOST"
#: JSON object component -> base URL; overrides the service prefix for the peers it names.
ENV_PEERS: Final = "ALLUSE_PEERS"
#: `enabled` makes the component take `POST /admin/fault` in every environment.
ENV_FAULTS: Final = "ALLUSE_FAULTS"
FAULTS_ENABLED: Final = "enabled"
ENV_POD_NAME: Final = "POD_NAME"
ENV_POD_NAMESPACE: Final = "POD_NAMESPACE"
ENV_POD_IP: Final = "POD_IP"

#: A variable `ALL_USE__MONITORING__HEALTH__CHECK_INTERVAL` is the key `monitoring.health.check_interval`.
CONFIG_VARIABLE_PREFIX: Final = "ALL_USE__"

DEFAULT_ENVIRONMENT: Final = "development"
DEFAULT_CONFIG_DIR: Final = "/etc/alluse/config"
DEFAULT_STATE_DIR: Final = "/var/lib/alluse"
#: The ConfigMap's one file: a JSON object nested by the parts of the dotted keys.
CONFIG_FILE: Final = "config.json"

#: Seconds within which a component that got SIGTERM has exited with 0.
STOP_SECONDS: Final = 5

# -- metric names shared by all components ---------------------------------------------------------

METRIC_REQUESTS: Final = "alluse_requests_total"
METRIC_REQUEST_SECONDS: Final = "alluse_request_seconds"
METRIC_INFLIGHT: Final = "alluse_inflight"
METRIC_ERRORS: Final = "alluse_errors_total"
METRIC_BUDGET_EXCEEDED: Final = "alluse_budget_exceeded_total"
METRIC_CACHE_HITS: Final = "alluse_cache_hits_total"
METRIC_CACHE_MISSES: Final = "alluse_cache_misses_total"
METRIC_CACHE_EVICTIONS: Final = "alluse_cache_evictions_total"
METRIC_CACHE_ENTRIES: Final = "alluse_cache_entries"
METRIC_DEPENDENCY_UP: Final = "alluse_dependency_up"
METRIC_SELFTEST_OK: Final = "alluse_selftest_ok"
METRIC_CONFIG_REVISION: Final = "alluse_config_revision"
METRIC_EVENTS_OUT: Final = "alluse_events_out_total"
METRIC_EVENTS_IN: Final = "alluse_events_in_total"
METRIC_EVENTS_DEAD: Final = "alluse_events_dead_total"
METRIC_DISK_USED: Final = "alluse_disk_used_ratio"
METRIC_LOG_DROPPED: Final = "alluse_log_dropped_total"

# -- events ----------------------------------------------------------------------------------------

EVENT_PREFIX: Final = "com.alluse."
EVENT_SUFFIX: Final = ".v1"
#: Stands for every other component in `EventFacts.consumers` and `ComponentFacts.soft`.
ALL: Final = "*"


def event_type(name: str) -> str:
    """The CloudEvents `type` of an event's short name: `config.changed` -> `com.alluse.config.changed.v1`."""
    return f"{EVENT_PREFIX}{name}{EVENT_SUFFIX}"


def event_name(type_: str) -> str:
    """The short name in a CloudEvents `type`; a foreign type is returned unchanged."""
    if type_.startswith(EVENT_PREFIX) and type_.endswith(EVENT_SUFFIX):
        return type_[len(EVENT_PREFIX) : -len(EVENT_SUFFIX)]
    return type_


class EventFacts(NamedTuple):
    """One kind of event: who sends it, who receives it, what its `data` holds."""

    name: str
    emitter: str
    consumers: tuple[str, ...]
    data: tuple[str, ...]


_ALERT = ("alert",)
_PERF = ("run_id", "component", "kind", "before", "after")
_PROTECTION = ("portfolio_id", "from", "to", "exposure_factor", "stop_new_entries")
_PROTECTION_CONSUMERS = ("alert-manager", "position-sizer", "memory-manager")
_LEDGER = ("user_id", "accounts", "closed", "entries", "cash_flow")
_LEDGER_CONSUMERS = ("portfolio-risk-monitor", "drawdown-protection", "enhanced-agent")
_BREACH = ("portfolio_id", "kind", "value", "limit", "severity", "recommended_action")
_GATE = ("open", "since", "within_seconds", "requires", "blockers")
_DECISION = ("account_type", "symbol", "result", "blocked_by")

EVENTS: Final[dict[str, EventFacts]] = {
    facts.name: facts
    for facts in (
        EventFacts(
            "config.changed", "config-manager", (ALL,), ("revision", "keys", "old_revision", "reason")
        ),
        EventFacts(
            "log.error_burst",
            "production-logger",
            ("alert-manager",),
            ("component", "count", "window_s", "sample"),
        ),
        EventFacts("metrics.target_down", "metrics-collector", ("health-monitor",), ("component", "misses")),
        EventFacts("metrics.target_up", "metrics-collector", ("health-monitor",), ("component", "misses")),
        EventFacts(
            "health.changed",
            "health-monitor",
            ("alert-manager", "enhanced-agent"),
            ("component", "from", "to", "critical", "consecutive_failures", "error"),
        ),
        EventFacts("health.system_changed", "health-monitor", ("alert-manager",), ("from", "to", "failing")),
        EventFacts("alert.fired", "alert-manager", ("enhanced-agent", "production-logger"), _ALERT),
        EventFacts("alert.acknowledged", "alert-manager", ("enhanced-agent", "production-logger"), _ALERT),
        EventFacts("alert.resolved", "alert-manager", ("enhanced-agent", "production-logger"), _ALERT),
        EventFacts("perf.bottleneck", "performance-optimizer", ("alert-manager", "metrics-collector"), _PERF),
        EventFacts("perf.optimized", "performance-optimizer", ("alert-manager", "metrics-collector"), _PERF),
        EventFacts(
            "perf.rolled_back", "performance-optimizer", ("alert-manager", "metrics-collector"), _PERF
        ),
        EventFacts(
            "market.analyzed",
            "market-analyzer",
            ("metrics-collector",),
            ("symbol", "condition", "confidence", "as_of"),
        ),
        EventFacts(
            "market.condition_changed",
            "market-analyzer",
            ("memory-manager", "portfolio-risk-monitor"),
            ("symbol", "from", "to", "as_of"),
        ),
        EventFacts("sizing.computed", "position-sizer", ("metrics-collector",), _DECISION),
        EventFacts("delta.selected", "delta-selector", ("metrics-collector",), _DECISION),
        EventFacts(
            "risk.assessed",
            "portfolio-risk-monitor",
            ("drawdown-protection", "metrics-collector"),
            ("portfolio_id", "total_value", "peak_value", "level", "score"),
        ),
        EventFacts(
            "risk.breach", "portfolio-risk-monitor", ("alert-manager", "drawdown-protection"), _BREACH
        ),
        EventFacts(
            "risk.cleared", "portfolio-risk-monitor", ("alert-manager", "drawdown-protection"), _BREACH
        ),
        EventFacts(
            "drawdown.detected",
            "drawdown-protection",
            ("alert-manager",),
            ("portfolio_id", "drawdown", "level"),
        ),
        EventFacts("protection.activated", "drawdown-protection", _PROTECTION_CONSUMERS, _PROTECTION),
        EventFacts("protection.escalated", "drawdown-protection", _PROTECTION_CONSUMERS, _PROTECTION),
        EventFacts("protection.relaxed", "drawdown-protection", _PROTECTION_CONSUMERS, _PROTECTION),
        EventFacts("protection.ended", "drawdown-protection", _PROTECTION_CONSUMERS, _PROTECTION),
        EventFacts(
            "portfolio.optimized",
            "portfolio-optimizer",
            ("memory-manager",),
            ("portfolio_id", "objective", "weights", "turnover", "net_gain"),
        ),
        EventFacts(
            "portfolio.rebalance_advised",
            "portfolio-optimizer",
            ("memory-manager",),
            ("portfolio_id", "objective", "weights", "turnover", "net_gain"),
        ),
        EventFacts("memory.accounts_created", "memory-manager", _LEDGER_CONSUMERS, _LEDGER),
        EventFacts("memory.forked", "memory-manager", _LEDGER_CONSUMERS, _LEDGER),
        EventFacts("memory.merged", "memory-manager", _LEDGER_CONSUMERS, _LEDGER),
        EventFacts("memory.reinvested", "memory-manager", _LEDGER_CONSUMERS, _LEDGER),
        EventFacts("memory.fork_ready", "memory-manager", _LEDGER_CONSUMERS, _LEDGER),
        EventFacts("memory.booked", "memory-manager", _LEDGER_CONSUMERS, _LEDGER),
        EventFacts("memory.erased", "memory-manager", _LEDGER_CONSUMERS, ("user_id", "closed")),
        EventFacts(
            "intent.unknown",
            "intent-detector",
            ("production-logger",),
            ("text_hash", "length", "intents"),
        ),
        EventFacts(
            "agent.turn_completed",
            "enhanced-agent",
            ("metrics-collector", "production-logger"),
            ("turn_id", "intent", "timings_ms", "degraded"),
        ),
        EventFacts("agent.gate_closed", "enhanced-agent", ("metrics-collector", "production-logger"), _GATE),
        EventFacts("agent.gate_opened", "enhanced-agent", ("metrics-collector", "production-logger"), _GATE),
        EventFacts(
            "agent.turn_failed",
            "enhanced-agent",
            ("metrics-collector", "production-logger"),
            ("turn_id", "intent", "timings_ms", "degraded"),
        ),
    )
}

# -- components ------------------------------------------------------------------------------------

CONFIG_MANAGER: Final = "config-manager"
PRODUCTION_LOGGER: Final = "production-logger"
METRICS_COLLECTOR: Final = "metrics-collector"

#: What every component talks to without needing it: its configuration and the place for its logs.
EVERYBODY_CALLS: Final = (CONFIG_MANAGER, PRODUCTION_LOGGER)


class ComponentFacts(NamedTuple):
    """One component of the system as a whole knows it."""

    name: str
    #: Start order; a tie-break between components whose dependencies hold, never a dependency itself.
    order: int
    group: str
    purpose: str
    #: Must be healthy before this one can be ready.
    hard: tuple[str, ...]
    #: Called at run time beside `EVERYBODY_CALLS`; without them the component is degraded, not down.
    soft: tuple[str, ...]
    #: Keeps state that must survive its pod: a StatefulSet with a claim.
    stateful: bool
    #: Its failure makes the whole system critical.
    critical: bool

    @property
    def module(self) -> str:
        """Module of `alluse.services` that holds this component's `SERVICE`."""
        return self.name.replace("-", "_")

    @property
    def emits(self) -> tuple[str, ...]:
        """Short names of the events that this component sends."""
        return tuple(event.name for event in EVENTS.values() if event.emitter == self.name)

    @property
    def consumes(self) -> tuple[str, ...]:
        """Short names of the events that this component receives."""
        return tuple(
            event.name
            for event in EVENTS.values()
            if event.emitter != self.name and (self.name in event.consumers or ALL in event.consumers)
        )

    @property
    def calls(self) -> tuple[str, ...]:
        """Every component this one opens connections to, `hard` included, in start order; never itself."""
        return calls(self)


def consumers(event: str) -> tuple[str, ...]:
    """Components to which an event (short name) is delivered, in start order.

    Raises KeyError for an event that is not in the table.
    """
    facts = EVENTS[event]
    if ALL in facts.consumers:
        return tuple(name for name in COMPONENTS if name != facts.emitter)
    return facts.consumers


def calls(component: ComponentFacts) -> tuple[str, ...]:
    """Every component that `component` opens connections to, in start order."""
    if ALL in component.soft:
        return tuple(name for name in COMPONENTS if name != component.name)
    called = {*component.hard, *component.soft, *EVERYBODY_CALLS}
    for event in component.emits:
        called.update(consumers(event))
    return tuple(name for name in COMPONENTS if name in called and name != component.name)


COMPONENTS: Final[dict[str, ComponentFacts]] = {
    facts.name: facts
    for facts in (
        ComponentFacts(
            name="config-manager",
            order=10,
            group="production",
            purpose="one validated, versioned configuration for all components",
            hard=(),
            soft=(),
            stateful=True,
            critical=True,
        ),
        ComponentFacts(
            name="production-logger",
            order=20,
            group="production",
            purpose="collects, cleans, rotates and queries structured logs",
            hard=("config-manager",),
            soft=(),
            stateful=True,
            critical=False,
        ),
        ComponentFacts(
            name="metrics-collector",
            order=30,
            group="monitoring",
            purpose="scrapes and stores the metrics of all components",
            hard=(),
            soft=(ALL,),
            stateful=True,
            critical=False,
        ),
        ComponentFacts(
            name="health-monitor",
            order=40,
            group="monitoring",
            purpose="the system's own view of the health of all components",
            hard=(),
            soft=(ALL,),
            stateful=False,
            critical=False,
        ),
        ComponentFacts(
            name="alert-manager",
            order=50,
            group="monitoring",
            purpose="deduplicates, routes and remembers alerts",
            hard=(),
            soft=("metrics-collector",),
            stateful=True,
            critical=False,
        ),
        ComponentFacts(
            name="performance-optimizer",
            order=60,
            group="optimization",
            purpose="finds bottlenecks, tunes within bounds and takes back what does not help",
            hard=(),
            soft=(ALL,),
            stateful=True,
            critical=False,
        ),
        ComponentFacts(
            name="market-analyzer",
            order=70,
            group="trading-engine",
            purpose="classifies a symbol's week from its prices and serves the shipped bars",
            hard=(),
            soft=(),
            stateful=False,
            critical=True,
        ),
        ComponentFacts(
            name="position-sizer",
            order=80,
            group="trading-engine",
            purpose="how much capital an option position may take",
            hard=(),
            soft=(),
            stateful=False,
            critical=True,
        ),
        ComponentFacts(
            name="delta-selector",
            order=90,
            group="trading-engine",
            purpose="which delta and strike an option should have",
            hard=(),
            soft=(),
            stateful=False,
            critical=True,
        ),
        ComponentFacts(
            name="portfolio-risk-monitor",
            order=100,
            group="risk",
            purpose="value at risk, limits and score of portfolios",
            hard=(),
            soft=("market-analyzer", "alert-manager"),
            stateful=True,
            critical=True,
        ),
        ComponentFacts(
            name="drawdown-protection",
            order=110,
            group="risk",
            purpose="proposes reductions as a portfolio falls from its peak",
            hard=(),
            soft=("alert-manager",),
            stateful=True,
            critical=True,
        ),
        ComponentFacts(
            name="portfolio-optimizer",
            order=120,
            group="risk",
            purpose="weights for an objective under constraints, and when to rebalance",
            hard=(),
            soft=("market-analyzer",),
            stateful=False,
            critical=False,
        ),
        ComponentFacts(
            name="memory-manager",
            order=130,
            group="agent-core",
            purpose="users, conversations, accounts and their ledger",
            hard=(),
            soft=(),
            stateful=True,
            critical=True,
        ),
        ComponentFacts(
            name="intent-detector",
            order=140,
            group="agent-core",
            purpose="what a sentence asks for",
            hard=(),
            soft=(),
            stateful=False,
            critical=False,
        ),
        ComponentFacts(
            name="entity-extractor",
            order=150,
            group="agent-core",
            purpose="amounts, symbols, dates and other values in a sentence",
            hard=(),
            soft=(),
            stateful=False,
            critical=False,
        ),
        ComponentFacts(
            name="enhanced-agent",
            order=200,
            group="agent-core",
            purpose="the conversation: understands, decides, computes with the others, answers",
            hard=(
                "memory-manager",
                "intent-detector",
                "entity-extractor",
                "market-analyzer",
                "position-sizer",
                "delta-selector",
                "portfolio-risk-monitor",
            ),
            soft=("drawdown-protection", "portfolio-optimizer", "health-monitor", "performance-optimizer"),
            stateful=False,
            critical=True,
        ),
    )
}
