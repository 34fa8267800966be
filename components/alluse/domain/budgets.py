"""Whose time budget is set where: configuration keys (milliseconds) by component.

Components that are not here have none: what they do has no time by which it should be done.
"""

from collections.abc import Mapping
from typing import Final

BUDGET_KEYS: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("market-analyzer", "position-sizer", "delta-selector"), "components.trading_engine.analysis_timeout"
    ),
    **dict.fromkeys(
        ("portfolio-risk-monitor", "drawdown-protection"), "components.risk_management.monitoring_interval"
    ),
    **dict.fromkeys(
        ("memory-manager", "intent-detector", "entity-extractor", "enhanced-agent"),
        "components.agent_core.response_timeout",
    ),
}
