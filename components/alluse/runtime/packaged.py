"""Every configuration key that exists: its packaged values and who reads it.

One table for all: config-manager serves and checks these keys, every other component falls back to them
while config-manager cannot be reached. The rules for values (types, ranges, combinations) are the model in
`alluse.schemas.settings`; the trading parameters under `protocol.` have their defaults in
`alluse.schemas.protocol` and are not repeated here.
"""

import copy
from typing import Final, NamedTuple

from alluse.contract import COMPONENTS

#: A value as JSON has it.
Value = str | int | float | bool | list[str]

_ALL: Final = tuple(COMPONENTS)
_TRADING_AND_RISK: Final = (
    "market-analyzer",
    "position-sizer",
    "delta-selector",
    "portfolio-risk-monitor",
    "drawdown-protection",
    "portfolio-optimizer",
)
_TRADING: Final = _TRADING_AND_RISK[:3]
_CACHING: Final = ("performance-optimizer", *_TRADING_AND_RISK)
_AGENT: Final = ("memory-manager", "intent-detector", "entity-extractor", "enhanced-agent")
_FROM_OPTIMIZER: Final = ("performance-optimizer", "alert-manager", *_TRADING_AND_RISK, *_AGENT)
_COLLECTOR: Final = ("metrics-collector",)
_MONITOR: Final = ("health-monitor",)
_LOGGER: Final = ("production-logger",)
_ALERTS: Final = ("alert-manager",)
#: Who judges others by their time budgets.
_JUDGES: Final = ("alert-manager", "performance-optimizer")

DEVELOPMENT_LIKE: Final = frozenset({"development", "test"})


class Key(NamedTuple):
    """One key. `development` and `production` are None where the base value holds."""

    name: str
    base: Value
    development: Value | None
    production: Value | None
    readers: tuple[str, ...]


KEYS: Final[dict[str, Key]] = {
    key.name: key
    for key in (
        Key("system.name", "ALL-USE Agent System", None, None, _ALL),
        Key("system.version", "1.0.0", "1.0.0-dev", "1.0.0", _ALL),
        Key("system.environment", "development", "development", "production", _ALL),
        Key("system.debug", False, True, False, _ALL),
        Key("logging.level", "INFO", "DEBUG", "INFO", _ALL),
        Key("logging.format", "json", "text", "json", _ALL),
        Key("logging.console.enabled", True, None, None, _ALL),
        Key("logging.file.enabled", True, None, None, _LOGGER),
        Key("logging.outputs", ["file", "console"], ["console"], ["file", "console"], _LOGGER),
        Key("logging.rotation.max_size", "10MB", "5MB", "10MB", _LOGGER),
        Key("logging.rotation.backup_count", 5, 3, 5, _LOGGER),
        Key("logging.error_file.max_size", "5MB", None, None, _LOGGER),
        Key("logging.error_file.backup_count", 3, None, None, _LOGGER),
        Key("performance.cache.max_size", 1000, 100, 1000, _CACHING),
        Key("performance.cache.ttl_seconds", 300, 1800, 3600, _CACHING),
        Key("performance.memory.gc_threshold", 0.8, 0.9, 0.8, _ALL),
        # A development system's 256 MB cannot hold sixteen pods; config-manager warns about it.
        Key("performance.memory.max_memory_mb", 512, 256, 512, ("performance-optimizer",)),
        Key("performance.async.max_workers", 4, 5, 10, _ALL),
        Key("performance.async.timeout_seconds", 30.0, 60.0, 30.0, _ALL),
        Key("monitoring.enabled", True, None, None, ("metrics-collector", "health-monitor", "alert-manager")),
        Key("monitoring.metrics.collection_interval", 1.0, 5.0, 1.0, _COLLECTOR),
        Key("monitoring.metrics.retention_hours", 24, 12, 24, _COLLECTOR),
        Key("monitoring.health.check_interval", 30.0, 60.0, 30.0, _MONITOR),
        Key("monitoring.health.timeout_seconds", 5.0, 10.0, 5.0, _MONITOR),
        Key("monitoring.health.fast_interval", 5.0, 10.0, 5.0, _MONITOR),
        Key("monitoring.alerts.enabled", True, False, True, _ALERTS),
        Key("monitoring.alerts.severity_levels", ["critical", "warning", "info"], None, None, _ALERTS),
        Key("monitoring.alerts.webhook_url", "", None, None, _ALERTS),
        Key("monitoring.alerts.webhook_secret", "", None, None, _ALERTS),
        Key("health.cpu_threshold", 90.0, None, None, _ALL),
        Key("health.memory_threshold", 90.0, None, None, _ALL),
        Key("health.disk_threshold", 90.0, None, None, _ALL),
        Key("components.agent_core.response_timeout", 100.0, 200.0, 100.0, (*_JUDGES, *_AGENT)),
        Key("components.agent_core.memory_limit_mb", 128, 64, 128, ("performance-optimizer",)),
        Key("components.trading_engine.analysis_timeout", 50.0, 100.0, 50.0, (*_JUDGES, *_TRADING)),
        Key("components.trading_engine.cache_enabled", True, None, None, ("market-analyzer",)),
        # The soft budget of one calculation in milliseconds: as an interval it would burn a core.
        Key(
            "components.risk_management.monitoring_interval",
            25.0,
            50.0,
            25.0,
            (*_JUDGES, "portfolio-risk-monitor", "drawdown-protection"),
        ),
        Key("components.risk_management.loop_interval_s", 30.0, None, None, ("portfolio-risk-monitor",)),
        Key("components.risk_management.protection_interval_s", 10.0, None, None, ("drawdown-protection",)),
        Key("components.risk_management.alert_threshold", 0.9, 0.8, 0.9, ("portfolio-risk-monitor",)),
        Key("components.optimization.auto_optimize", False, False, True, ("performance-optimizer",)),
        Key("components.optimization.optimization_interval", 300, 600, 300, ("performance-optimizer",)),
        Key("security.error_sanitization", True, False, True, _ALL),
        Key("security.log_sanitization", True, False, True, _ALL),
        Key("deployment.health_check_path", "/health", None, None, _ALL),
        Key("deployment.metrics_path", "/metrics", None, None, _ALL),
        Key("deployment.graceful_shutdown_timeout", 30.0, None, None, _ALL),
        Key("deployment.startup_timeout", 60.0, None, None, _ALL),
        Key("development.test_mode", False, True, False, _ALL),
        # How long one that guards the capital may be away before nothing new is recommended.
        Key("interlocks.trading_gate.within_seconds", 5.0, None, None, ("enhanced-agent",)),
        Key(
            "interlocks.trading_gate.requires",
            "drawdown-protection,portfolio-risk-monitor",
            None,
            None,
            ("enhanced-agent",),
        ),
        Key("market_data.as_of", "last", None, None, ("market-analyzer",)),
    )
}

PROTOCOL: Final = "protocol"
_PROTOCOL_READERS: Final = frozenset(_FROM_OPTIMIZER)


def packaged(environment: str) -> dict[str, Value]:
    """Packaged values by dotted key for an environment; one that is not built in gets production's."""
    development = environment in DEVELOPMENT_LIKE
    values = {}
    for key in KEYS.values():
        special = key.development if development else key.production
        values[key.name] = copy.copy(key.base if special is None else special)
    values["system.environment"] = environment
    return values


def reads(component: str, key: str) -> bool:
    """Whether a component gets a dotted key (or a key below `protocol`) served."""
    if key == PROTOCOL or key.startswith(f"{PROTOCOL}."):
        return component in _PROTOCOL_READERS
    known = KEYS.get(key)
    return known is not None and component in known.readers
