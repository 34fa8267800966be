"""What state a component is in: a chain of pure rules, each with a name, a reason and a message."""

from alluse_operator.core.health.chain import assess

__all__ = ["assess"]
