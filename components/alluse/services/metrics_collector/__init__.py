"""metrics-collector: scrapes and stores the metrics of all components, takes pushes, sums up.

Values stay in memory for an hour, one-minute roll-ups on disk for `monitoring.metrics.retention_hours`.
"""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from alluse.runtime.context import Context
from alluse.runtime.errors import CheckDegradedError, InvalidRequestError, NotFoundError, SelfTestError
from alluse.runtime.events import Event
from alluse.runtime.service import Call, Check, Endpoint, Service, Task
from alluse.schemas.metrics import (
    MetricPoints,
    PointsTaken,
    Series,
    SeriesFound,
    SeriesQuery,
    Summaries,
    Summary,
    SummaryAnswer,
    SummaryQuery,
    Target,
    Targets,
)
from alluse.services.metrics_collector import rollups
from alluse.services.metrics_collector.collection import MAX_SERIES, Collection
from alluse.services.metrics_collector.exposition import Labels, parse, quantile
from alluse.services.metrics_collector.rollups import STEP_S, Rollup
from alluse.services.metrics_collector.scraping import KEY_INTERVAL, Scraper
from alluse.services.metrics_collector.series import (
    KEEP_S,
    Figures,
    Run,
    SeriesKey,
    figures,
)

FLUSH_S: Final = 60.0
MAX_FOUND: Final = 100
MAX_POINTS: Final = 5000
#: Metrics in a summary of everything.
MAX_SUMMARIES: Final = 500
ENOUGH_SHARE: Final = 0.8
#: However short the interval: a busy machine delays the answers of a second or two.
RECENT_S: Final = 10.0
LAG_S: Final = 5.0
KEY_RETENTION: Final = "monitoring.metrics.retention_hours"


@dataclass(slots=True)
class Collector:
    """The component's state."""

    collection: Collection
    scraper: Scraper
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    #: Events seen, by short name: they become series of their own.
    events: dict[str, int] = field(default_factory=dict)


async def push(call: Call[Collector], request: MetricPoints) -> PointsTaken:
    collection = call.state.collection
    accepted = 0
    for point in request.root:
        labels = tuple(sorted(point.labels.items()))
        at = point.ts.timestamp() if point.ts else time.time()
        accepted += collection.put(point.name, labels, point.value, at, point.unit)
    return PointsTaken(accepted=accepted, refused=len(request.root) - accepted)


async def series(call: Call[Collector], request: SeriesQuery) -> SeriesFound:
    now = time.time()
    since = request.since.timestamp() if request.since else now - KEEP_S
    wanted = _labels(request.labels)
    if since >= now - KEEP_S - 1:
        found = [
            (key, ring.unit, [(run.first, run.value) for run in _spread(ring.runs(since))])
            for key, ring in call.state.collection.matching(request.name, wanted)
        ]
        resolution = 0
    else:
        found = [
            (key, unit, [(float(rollup.minute * STEP_S), rollup.avg) for rollup in kept])
            for key, unit, kept in await _kept(call.context, request.name, wanted, since)
        ]
        resolution = STEP_S
    if request.step_s is not None and request.step_s > resolution:
        resolution = request.step_s
        found = [(key, unit, _averaged(points, resolution)) for key, unit, points in found]
    if any(len(points) > MAX_POINTS for _, _, points in found):
        raise InvalidRequestError.field("step_s", f"more than {MAX_POINTS} points; take larger steps")
    return SeriesFound(
        series=[
            Series(name=key.name, labels=dict(key.labels), unit=unit, points=points)
            for key, unit, points in found[:MAX_FOUND]
        ],
        resolution_s=resolution,
        truncated=len(found) > MAX_FOUND,
    )


async def summary(call: Call[Collector], request: SummaryQuery) -> Summary | Summaries:
    wanted = _labels(request.labels)
    since = time.time() - request.window_min * 60
    if request.window_min * 60 <= KEEP_S:
        names = [request.name] if request.name else call.state.collection.names()
        summaries = _from_memory(call.state.collection, names, wanted, since)
    else:
        summaries = _from_rollups(await _kept(call.context, request.name, wanted, since))
    if request.name is None:
        return Summaries(metrics=summaries, window_min=request.window_min)
    if request.name not in summaries:
        raise NotFoundError(f"there is no value of {request.name} in the last {request.window_min} min")
    return summaries[request.name]


async def targets(call: Call[Collector]) -> Targets:
    collector = call.state
    return Targets(
        targets=[
            Target(
                component=source.component,
                up=not source.down and source.last_success is not None,
                misses=source.misses,
                samples=source.samples,
                last_success=source.last_success,
                duration_ms=round(source.duration_s * 1000, 3),
                error=source.error,
            )
            for source in collector.scraper.sources.values()
        ],
        series=len(collector.collection),
        series_cap=MAX_SERIES,
        refused_series=collector.collection.refused,
    )


async def count_event(context: Context[Collector], event: Event) -> None:
    """Events of others as a series: how many of each kind there were."""
    collector = context.state
    collector.events[event.name] = collector.events.get(event.name, 0) + 1
    collector.collection.put(
        "alluse_events_seen_total", (("type", event.name),), collector.events[event.name], time.time()
    )


async def flush(context: Context[Collector]) -> None:
    """Write the minutes since the last flush, and forget what is too old."""
    collection = context.state.collection
    minutes, units = collection.take_minutes()
    now = int(time.time()) // STEP_S
    oldest = now - context.config.integer(KEY_RETENTION) * 60

    try:
        if minutes:
            await context.store.write(lambda db: rollups.write(db, now, minutes, units))
    except Exception:
        collection.put_back(minutes)
        raise
    if now % 10 == 0:
        await context.store.write(lambda db: rollups.forget(db, oldest))
        collection.forget_silent()


async def check_targets(context: Context[Collector]) -> str:
    if not context.config.flag("monitoring.enabled"):
        return "monitoring is switched off"
    interval = context.config.number(KEY_INTERVAL)
    recent, total = context.state.scraper.recent(max(3 * interval, RECENT_S))
    if recent < ENOUGH_SHARE * total:
        raise CheckDegradedError(f"only {recent} of {total} targets answered lately")
    return f"{recent} of {total} targets answered"


async def check_lag(context: Context[Collector]) -> str:
    if not context.config.flag("monitoring.enabled"):
        return "monitoring is switched off"
    lag = asyncio.get_running_loop().time() - context.state.scraper.alive_at
    interval = context.config.number(KEY_INTERVAL)
    if lag > max(2 * interval, LAG_S):
        raise CheckDegradedError(f"nothing was scraped for {lag:.1f} s, the interval is {interval:g} s")
    return f"last scrape {lag:.1f} s ago"


async def open_collector(context: Context[Collector]) -> Collector:
    collection = Collection()
    scraper = Scraper(context, collection)  # type: ignore[arg-type]
    collector = Collector(collection, scraper)
    gauge = context.metrics.gauge("alluse_collector_series", "Series in memory")
    refused = context.metrics.counter("alluse_collector_refused_total", "Values that were refused")

    def refresh() -> None:
        gauge.set(len(collection))
        refused.inc(collection.refused - refused.value())

    context.metrics.before_render(refresh)
    collector.tasks.append(asyncio.create_task(scraper.run(), name="scraper"))
    return collector


async def close_collector(context: Context[Collector]) -> None:
    for task in context.state.tasks:
        task.cancel()
    await asyncio.gather(*context.state.tasks, return_exceptions=True)
    await flush(context)


async def _kept(
    context: Context[Collector], name: str | None, wanted: Labels, since: float
) -> list[tuple[SeriesKey, str, list[Rollup]]]:
    minute = int(since) // STEP_S
    return await context.store.read(lambda db: rollups.read(db, name, wanted, minute, MAX_SUMMARIES))


def _from_memory(
    collection: Collection, names: Iterable[str], wanted: Labels, since: float
) -> dict[str, Summary]:
    summaries = {}
    for name in names:
        if (found := collection.figures(name, wanted, since)) is not None:
            summaries[name] = _summary(*found)
    return summaries


def _from_rollups(kept: list[tuple[SeriesKey, str, list[Rollup]]]) -> dict[str, Summary]:
    by_name: dict[str, list[tuple[str, Rollup]]] = {}
    for key, unit, found in kept:
        by_name.setdefault(key.name, []).extend((unit, rollup) for rollup in found)
    summaries = {}
    for name, pairs in by_name.items():
        averages = figures((rollup.avg, rollup.points) for _, rollup in pairs)
        assert averages is not None
        exact = averages._replace(
            min=min(rollup.min for _, rollup in pairs), max=max(rollup.max for _, rollup in pairs)
        )
        newest = max((rollup.minute, rollup.last) for _, rollup in pairs)[1]
        summaries[name] = _summary(exact, newest, pairs[0][0])
    return summaries


def _summary(found: Figures, latest: float, unit: str) -> Summary:
    points, *rest = found
    least, most, mean, p50, p95, p99 = rest
    return Summary(
        count=points, min=least, max=most, avg=mean, p50=p50, p95=p95, p99=p99, latest=latest, unit=unit
    )


def _labels(filters: list[str]) -> Labels:
    return tuple((name, value) for name, _, value in (text.partition("=") for text in filters))


def _spread(runs: Iterable[Run]) -> Iterable[Run]:
    """A run as its two ends."""
    for run in runs:
        yield run
        if run.points > 1:
            yield run._replace(first=run.last)


def _averaged(points: list[tuple[float, float]], step_s: int) -> list[tuple[float, float]]:
    sums: dict[int, tuple[float, int]] = {}
    for at, value in points:
        slot = int(at) // step_s
        total, count = sums.get(slot, (0.0, 0))
        sums[slot] = (total + value, count + 1)
    return [(float(slot * step_s), total / count) for slot, (total, count) in sorted(sums.items())]


def golden() -> None:
    """A known text gives known values; known values give known figures."""
    samples, families = parse(
        'a_total{x="1\\"2"} 3\nb_bucket{le="0.1"} 5\nb_bucket{le="+Inf"} 10\nb_sum 2.5\nnonsense\nc NaN\n'
    )
    if [(sample.name, sample.labels, sample.value) for sample in samples] != [
        ("a_total", (("x", '1"2'),), 3.0),
        ("b_sum", (), 2.5),
    ]:
        raise SelfTestError(f"the text was read as {samples}")
    if quantile(families[0].bounds, families[0].counts, 0.25) != 0.05:
        raise SelfTestError("a quarter of the observations must lie below 0.05")
    found = figures((float(value), 1) for value in range(1, 101))
    if found is None or (found.avg, found.p50, found.p95, found.p99) != (50.5, 50.0, 95.0, 99.0):
        raise SelfTestError(f"the figures of 1 … 100 were {found}")


SERVICE: Final[Service[Collector]] = Service(
    name="metrics-collector",
    open=open_collector,
    close=close_collector,
    migrations=rollups.MIGRATIONS,
    selftest=golden,
    checks=(Check("targets", check_targets, critical=False), Check("lag", check_lag, critical=False)),
    tasks=(Task("flush", flush, FLUSH_S),),
    consumers=dict.fromkeys(
        (
            "perf.bottleneck",
            "perf.optimized",
            "perf.rolled_back",
            "market.analyzed",
            "sizing.computed",
            "delta.selected",
            "risk.assessed",
            "agent.turn_completed",
            "agent.turn_failed",
            "agent.gate_closed",
            "agent.gate_opened",
        ),
        count_event,
    ),
    endpoints=(
        Endpoint("POST", "/v1/metrics", push, MetricPoints, PointsTaken, "Take values"),
        Endpoint("GET", "/v1/series", series, SeriesQuery, SeriesFound, "Values over time"),
        Endpoint(
            "GET",
            "/v1/summary",
            summary,
            SummaryQuery,
            SummaryAnswer,
            "Figures of one metric or of all",
            errors=(404,),
        ),
        Endpoint("GET", "/v1/targets", targets, answer=Targets, summary="Where metrics come from"),
    ),
)
