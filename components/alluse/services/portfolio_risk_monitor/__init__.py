"""portfolio-risk-monitor: value at risk, limits and score of portfolios, asked for or watched."""

from alluse.services.portfolio_risk_monitor.monitor import SERVICE

__all__ = ["SERVICE"]
