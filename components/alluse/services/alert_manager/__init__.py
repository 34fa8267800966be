"""alert-manager: deduplicates, routes and remembers alerts."""

from alluse.services.alert_manager.manager import SERVICE

__all__ = ["SERVICE"]
