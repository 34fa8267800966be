"""memory-manager: users, their accounts and ledger, their conversation and preferences."""

from alluse.services.memory_manager.memory import SERVICE

__all__ = ["SERVICE"]
