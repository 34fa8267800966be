"""performance-optimizer: finds bottlenecks, tunes within bounds and takes back what does not help."""

from alluse.services.performance_optimizer.optimizer import SERVICE

__all__ = ["SERVICE"]
