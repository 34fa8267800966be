"""Soft time budgets: every overrun is counted, a lasting one makes the component degraded."""

import time
from collections.abc import Callable
from typing import Final

from alluse import contract
from alluse.runtime.metrics import Metrics
from alluse.runtime.recent import Recent

#: Requests over which the p95 is taken, and how many it takes to judge at all.
WINDOW: Final = 100
ENOUGH: Final = 20
#: Overruns that all lie within this time are one moment of a busy machine, not a slow component.
LASTING_S: Final = 10.0


class Budgets:
    """Durations of the operations that have a budget."""

    def __init__(self, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        self._exceeded = metrics.counter(
            contract.METRIC_BUDGET_EXCEEDED, "Operations that took longer than their soft budget", ("op",)
        )
        self._clock = clock
        self._recent: dict[str, Recent] = {}
        self._limits: dict[str, float] = {}

    def record(self, operation: str, seconds: float, budget_s: float) -> bool:
        """Remember one duration; True when it was over the budget."""
        if operation not in self._recent:
            self._recent[operation] = Recent(WINDOW, self._clock)
        self._recent[operation].add(seconds)
        self._limits[operation] = budget_s
        if seconds <= budget_s:
            return False
        self._exceeded.inc(op=operation)
        return True

    def overrun(self) -> list[str]:
        """Sentences about the operations whose p95 of the last minute is over their budget, and not for
        one moment alone."""
        return [
            f"{operation}: p95 {p95 * 1000:.0f} ms is over the budget of {limit * 1000:.0f} ms"
            for operation, limit in self._limits.items()
            if (p95 := self.p95(operation)) is not None
            and p95 > limit
            and self._recent[operation].span_above(limit) >= LASTING_S
        ]

    def p95(self, operation: str) -> float | None:
        """p95 of the recent durations in seconds; None for fewer than `ENOUGH`."""
        recent = self._recent.get(operation)
        return None if recent is None else recent.percentile(0.95, ENOUGH)
