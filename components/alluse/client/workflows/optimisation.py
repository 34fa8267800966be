"""Metrics, a warmed cache, an optimisation and the system's health, within 1 s."""

from typing import Final

from alluse.client.workflows.steps import (
    AS_OF,
    SYMBOL,
    Facts,
    Run,
    Step,
    Workflow,
    field_of,
    number_of,
    require,
)

CACHED_CALLS: Final = 10


def _metrics(run: Run) -> Facts:
    answer = run.system.get("performance-optimizer", "/v1/metrics")
    cache, memory = field_of(answer, "cache_stats"), field_of(answer, "memory_stats")
    run.known["hits"] = number_of(cache, "hits")
    return [
        ("caches", f"{run.known['hits']:.0f} hits, {number_of(cache, 'size'):.0f} entries"),
        ("memory", f"{number_of(memory, 'rss_mb'):.0f} MB"),
    ]


def _warm(run: Run) -> Facts:
    for _ in range(CACHED_CALLS):
        run.system.post("market-analyzer", "/v1/analyze", {"symbol": SYMBOL, "as_of": AS_OF})
    return [("calls", str(CACHED_CALLS))]


def _optimize(run: Run) -> Facts:
    answer = run.system.post("performance-optimizer", "/v1/optimize", {"dry_run": False})
    applied = answer.get("optimizations_applied")
    require(isinstance(applied, list), "the answer has no optimizations_applied")
    assert isinstance(applied, list)
    if not applied:
        return [("applied", "nothing to change")]
    return [
        (str(each.get("component")), f"{each.get('action')} {each.get('from')} to {each.get('to')}")
        for each in applied
    ]


def _hits_rose(run: Run) -> Facts:
    before = run.known["hits"]
    facts = _metrics(run)
    rise = run.known["hits"] - before
    require(rise >= CACHED_CALLS - 1, f"hits rose by {rise:.0f}, not by {CACHED_CALLS - 1}")
    return [("hits", f"{rise:.0f} more"), *facts]


def _healthy(run: Run) -> Facts:
    answer = run.system.get("health-monitor", "/v1/health")
    status = field_of(answer, "overall_status")
    require(status in ("healthy", "degraded"), f"the system is {status}")
    return [("system", str(status))]


OPTIMISATION: Final = Workflow(
    "optimisation",
    "The system looks at its own performance",
    1.0,
    ("performance-optimizer", "market-analyzer", "health-monitor"),
    (
        Step("read the metrics", _metrics),
        Step(f"{CACHED_CALLS} equal analyses", _warm),
        Step("optimise", _optimize),
        Step("read the metrics again", _hits_rose),
        Step("ask for the system's health", _healthy),
    ),
)
