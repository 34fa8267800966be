"""portfolio-optimizer: weights for an objective under constraints, and when moving to them pays."""

from alluse.services.portfolio_optimizer.optimizer import SERVICE

__all__ = ["SERVICE"]
