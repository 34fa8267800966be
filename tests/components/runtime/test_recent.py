"""Durations of the last minute, and when a budget counts as overrun."""

from alluse.runtime.budget import LASTING_S, Budgets
from alluse.runtime.metrics import Metrics
from alluse.runtime.recent import WINDOW_S, Recent


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_half_of_them_and_most_of_them() -> None:
    recent = Recent(100, Clock())
    for seconds in (0.4, 0.1, 0.3, 0.2, 9.0):
        recent.add(seconds)
    assert recent.percentile(0.5, enough=5) == 0.3
    assert recent.percentile(0.95, enough=5) == 9.0
    assert recent.percentile(0.5, enough=6) is None


def test_what_is_older_than_a_minute_counts_no_more() -> None:
    clock = Clock()
    recent = Recent(100, clock)
    recent.add(9.0)
    clock.now = WINDOW_S + 1
    recent.add(0.1)
    assert recent.percentile(0.5, enough=1) == 0.1
    assert recent.span_above(1.0) == 0.0


def test_one_moment_in_which_all_is_slow_is_no_overrun_and_a_slow_component_is() -> None:
    clock = Clock()
    budgets = Budgets(Metrics(), clock)

    def run(seconds: float, times: int) -> None:
        for _ in range(times):
            budgets.record("GET /v1/x", seconds, 0.1)

    run(5.0, 30)
    assert budgets.overrun() == [], "one moment"
    clock.now = LASTING_S
    run(0.01, 5)
    assert budgets.overrun() == [], "it is over"
    run(5.0, 1)
    assert budgets.overrun() == ["GET /v1/x: p95 5000 ms is over the budget of 100 ms"]
    clock.now = WINDOW_S + 2 * LASTING_S
    run(0.01, 30)
    assert budgets.overrun() == [], "and forgotten after a minute"
