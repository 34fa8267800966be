"""Soft time budgets: every overrun is counted, a lasting one makes the component degraded."""

from collections import deque
from typing import Final

from alluse import contract
from alluse.runtime.metrics import Metrics

#: Requests over which the p95 is taken, and how many it takes to judge at all.
WINDOW: Final = 100
ENOUGH: Final = 20


class Budgets:
    """Durations of the operations that have a budget."""

    def __init__(self, metrics: Metrics) -> None:
        self._exceeded = metrics.counter(
            contract.METRIC_BUDGET_EXCEEDED, "Operations that took longer than their soft budget", ("op",)
        )
        self._recent: dict[str, deque[float]] = {}
        self._limits: dict[str, float] = {}

    def record(self, operation: str, seconds: float, budget_s: float) -> bool:
        """Remember one duration; True when it was over the budget."""
        self._recent.setdefault(operation, deque(maxlen=WINDOW)).append(seconds)
        self._limits[operation] = budget_s
        if seconds <= budget_s:
            return False
        self._exceeded.inc(op=operation)
        return True

    def overrun(self) -> list[str]:
        """Sentences about the operations whose p95 is over their budget."""
        return [
            f"{operation}: p95 {p95 * 1000:.0f} ms is over the budget of {limit * 1000:.0f} ms"
            for operation, limit in self._limits.items()
            if (p95 := self.p95(operation)) is not None and p95 > limit
        ]

    def p95(self, operation: str) -> float | None:
        """p95 of the recent durations in seconds; None for fewer than `ENOUGH`."""
        recent = self._recent.get(operation, ())
        if len(recent) < ENOUGH:
            return None
        return sorted(recent)[int(0.95 * (len(recent) - 1) + 0.5)]
