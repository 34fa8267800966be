"""The configuration as a whole: types, ranges and the rules between values.

The keys, their packaged values and readers are the table in `alluse.runtime.packaged`; this model says what
values they may have. Durations are in seconds unless the field says otherwise.
"""

import re
from enum import StrEnum
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from alluse.schemas.protocol import Protocol

PRODUCTION: Final = "production"
#: Below this a whole system does not fit.
ENOUGH_MEMORY_MB: Final = 500

_SIZE: Final = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(B|KB|MB|GB)?\s*$", re.IGNORECASE)
_UNITS: Final = {"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}


def size_in_bytes(text: str) -> int:
    """Bytes in a size such as `10MB` (1 MB = 1,048,576 bytes). Raises ValueError for another form."""
    match = _SIZE.match(text)
    if match is None:
        raise ValueError(f"{text!r} is not a size such as 10MB")
    return int(float(match[1]) * _UNITS[(match[2] or "B").upper()])


class Section(BaseModel):
    """A part of the configuration: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]
EnvironmentName = Annotated[
    str, StringConstraints(strip_whitespace=False, pattern=r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$")
]
UrlPath = Annotated[
    str, StringConstraints(strip_whitespace=False, pattern=r"^/[A-Za-z0-9/_.-]*$", max_length=100)
]
Percent = Annotated[float, Field(ge=50, le=99)]
Milliseconds = Annotated[float, Field(ge=1, le=60_000)]


class LogLevel(StrEnum):
    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"
    CRITICAL = "CRITICAL"


class System(Section):
    name: Text
    version: Text
    environment: EnvironmentName
    debug: bool


class Console(Section):
    enabled: bool


class LogFile(Section):
    enabled: bool


class Rotation(Section):
    max_size: str
    backup_count: Annotated[int, Field(ge=1, le=20)]

    @model_validator(mode="after")
    def _within(self) -> Self:
        if not 1 << 20 <= size_in_bytes(self.max_size) <= 100 << 20:
            raise ValueError(f"max_size must be from 1MB to 100MB, not {self.max_size}")
        return self


class Logging(Section):
    level: LogLevel
    format: Literal["json", "text"]
    console: Console
    file: LogFile
    outputs: Annotated[list[Literal["file", "console"]], Field(max_length=2)]
    rotation: Rotation
    error_file: Rotation


class CacheBounds(Section):
    max_size: Annotated[int, Field(ge=10, le=10_000)]
    ttl_seconds: Annotated[int, Field(ge=1, le=86_400)]


class Memory(Section):
    gc_threshold: Annotated[float, Field(ge=0.5, le=0.95)]
    max_memory_mb: Annotated[int, Field(ge=64, le=65_536)]


class Async(Section):
    max_workers: Annotated[int, Field(ge=1, le=64)]
    timeout_seconds: Annotated[float, Field(gt=0, le=600)]


class Performance(Section):
    model_config = ConfigDict(populate_by_name=True)

    cache: CacheBounds
    memory: Memory
    async_: Annotated[Async, Field(alias="async")]


class MetricsSettings(Section):
    collection_interval: Annotated[float, Field(ge=0.5, le=60)]
    retention_hours: Annotated[int, Field(ge=1, le=168)]


class HealthSettings(Section):
    check_interval: Annotated[float, Field(ge=1, le=3600)]
    timeout_seconds: Annotated[float, Field(gt=0, le=60)]
    fast_interval: Annotated[float, Field(ge=1)]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.timeout_seconds >= self.check_interval:
            raise ValueError("timeout_seconds must be below check_interval")
        if self.fast_interval > self.check_interval:
            raise ValueError("fast_interval must not be above check_interval")
        return self


class AlertSettings(Section):
    enabled: bool
    severity_levels: Annotated[
        list[Literal["critical", "warning", "info"]], Field(min_length=1, max_length=3)
    ]
    webhook_url: Annotated[
        str, StringConstraints(strip_whitespace=False, pattern=r"^(https?://\S+)?$", max_length=500)
    ]
    #: Only ever given as an environment variable, from a Secret.
    webhook_secret: Annotated[str, StringConstraints(max_length=500)]


class Monitoring(Section):
    enabled: bool
    metrics: MetricsSettings
    health: HealthSettings
    alerts: AlertSettings


class Thresholds(Section):
    cpu_threshold: Percent
    memory_threshold: Percent
    disk_threshold: Percent


class AgentCore(Section):
    response_timeout: Milliseconds
    memory_limit_mb: Annotated[int, Field(ge=16, le=4096)]


class TradingEngine(Section):
    analysis_timeout: Milliseconds
    cache_enabled: bool


class RiskManagement(Section):
    #: Soft budget of one calculation, in milliseconds.
    monitoring_interval: Milliseconds
    loop_interval_s: Annotated[float, Field(ge=1, le=3600)]
    protection_interval_s: Annotated[float, Field(ge=1, le=3600)]
    alert_threshold: Annotated[float, Field(ge=0.5, le=1)]


class Optimization(Section):
    auto_optimize: bool
    optimization_interval: Annotated[int, Field(ge=60, le=86_400)]


class Components(Section):
    agent_core: AgentCore
    trading_engine: TradingEngine
    risk_management: RiskManagement
    optimization: Optimization


class Security(Section):
    error_sanitization: bool
    log_sanitization: bool


class Deployment(Section):
    health_check_path: UrlPath
    metrics_path: UrlPath
    graceful_shutdown_timeout: Annotated[float, Field(ge=1, le=120)]
    startup_timeout: Annotated[float, Field(ge=10, le=600)]


class Development(Section):
    test_mode: bool


class TradingGateSettings(Section):
    within_seconds: Annotated[float, Field(ge=1, le=300)]
    #: Names of components, separated by commas.
    requires: Annotated[
        str, StringConstraints(pattern=r"^ *[a-z][-a-z0-9]*( *, *[a-z][-a-z0-9]*){0,7} *$", max_length=400)
    ]


class Interlocks(Section):
    trading_gate: TradingGateSettings


class MarketDataSettings(Section):
    #: A date, or `last` for the newest day of the data set.
    as_of: Annotated[str, StringConstraints(strip_whitespace=False, pattern=r"^(last|\d{4}-\d{2}-\d{2})$")]


class Settings(Section):
    """Every key and its value."""

    system: System
    logging: Logging
    performance: Performance
    monitoring: Monitoring
    health: Thresholds
    components: Components
    security: Security
    deployment: Deployment
    development: Development
    interlocks: Interlocks
    market_data: MarketDataSettings
    protocol: Protocol

    @model_validator(mode="after")
    def _time_limit_above_budgets(self) -> Self:
        limit_ms = self.performance.async_.timeout_seconds * 1000
        for name, budget in (
            ("components.agent_core.response_timeout", self.components.agent_core.response_timeout),
            ("components.trading_engine.analysis_timeout", self.components.trading_engine.analysis_timeout),
            (
                "components.risk_management.monitoring_interval",
                self.components.risk_management.monitoring_interval,
            ),
        ):
            if budget >= limit_ms:
                raise ValueError(
                    f"performance.async.timeout_seconds ({limit_ms / 1000:g} s) must be above "
                    f"the soft budget {name} ({budget:g} ms)"
                )
        return self

    @model_validator(mode="after")
    def _strict_in_production(self) -> Self:
        if self.system.environment != PRODUCTION:
            return self
        wrong = [f"system.debug must be false in {PRODUCTION}"] if self.system.debug else []
        wrong += [f"development.{name} must be false in {PRODUCTION}" for name, on in self.development if on]
        wrong += [f"security.{name} must be true in {PRODUCTION}" for name, on in self.security if not on]
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    def warnings(self) -> list[str]:
        """What is allowed but probably not meant."""
        found = []
        if self.performance.memory.max_memory_mb < ENOUGH_MEMORY_MB:
            found.append(
                f"performance.memory.max_memory_mb: {self.performance.memory.max_memory_mb} MB "
                f"cannot hold sixteen components; {ENOUGH_MEMORY_MB} MB or more can"
            )
        return found
