"""drawdown-protection: proposes reductions as a portfolio falls from its peak."""

from alluse.services.drawdown_protection.protection import SERVICE

__all__ = ["SERVICE"]
