"""Bottlenecks, bounded changes, verdicts, leaks, and figures out of metrics text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse.domain import tuning, tuning_exposition
from alluse.domain.tuning import CacheReading, Reading
from alluse.domain.tuning_exposition import Snapshot, snapshot
from alluse.schemas.performance import Action, BottleneckKind, Change, Figures, LeakStatus

KIND = BottleneckKind


def cache(
    hits: float = 10, misses: float = 190, evictions: float = 0, size: int = 1000, ttl: float = 300
) -> CacheReading:
    return CacheReading("c", size, ttl, 10, hits, misses, evictions)


def reading(
    p95: float | None = 10, requests: float = 200, rss: float | None = 50, errors: float = 0.0, **more: object
) -> Reading:
    figures = Figures(requests=requests, p95_ms=p95, rss_mb=rss, error_rate=errors)
    return Reading("x", figures, 50.0, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("what", "kinds"),
    [
        (reading(), []),
        (reading(p95=51), [KIND.LATENCY]),
        (reading(p95=None), []),
        (reading(p95=51, errors=0.06, requests=19), []),
        (reading(errors=0.06), [KIND.ERRORS]),
        (reading(rss=501), [KIND.MEMORY]),
        (reading(rss=85, memory_limit_mb=100.0), [KIND.MEMORY]),
        (reading(rss=79, memory_limit_mb=100.0), []),
        (reading(caches=(cache(),)), [KIND.CACHE]),
        (reading(caches=(cache(hits=5, misses=90),)), []),
        (reading(caches=(cache(hits=100, misses=100),)), []),
        (reading(snapshots_mb=[10.0 + 2 * i for i in range(10)]), [KIND.LEAK]),
        (reading(snapshots_mb=[10.0 + 2 * i for i in range(9)]), []),
    ],
)
def test_bottlenecks(what: Reading, kinds: list[BottleneckKind]) -> None:
    assert [each.kind for each in tuning.bottlenecks(what)] == kinds


@pytest.mark.parametrize(
    ("what", "change"),
    [
        (reading(caches=(cache(evictions=9),)), (Action.CACHE_RESIZE, 1000, 2000)),
        (reading(caches=(cache(),)), (Action.CACHE_TTL, 300, 600)),
        (reading(caches=(cache(evictions=9, size=6000),)), (Action.CACHE_RESIZE, 6000, 10_000)),
        (reading(caches=(cache(ttl=3600),)), "its caches have reached their bounds"),
        (reading(p95=60, requests=99), "only 99 requests in the window, 100 are needed"),
        (reading(p95=60, caches=(cache(hits=190, misses=10),)), (Action.CACHE_TTL, 300, 600)),
        (reading(p95=60), "it has no cache in use, and nothing else may be changed while it runs"),
        (reading(rss=600), (Action.GC, None, None)),
        (reading(errors=0.5), "no tuning helps against that; look at the component's logs"),
    ],
)
def test_what_is_done_about_it(what: Reading, change: object) -> None:
    changes, skipped = tuning.plan([what], tuning.bottlenecks(what), (), "r")
    got = [(each.action, each.from_, each.to) for each in changes] + [each.reason for each in skipped]
    assert got == [change]


def test_a_component_whose_change_is_being_watched_is_left_alone() -> None:
    what = reading(caches=(cache(),))
    changes, skipped = tuning.plan([what], tuning.bottlenecks(what), {"x"}, "r")
    assert (changes, [each.reason for each in skipped]) == ([], ["an earlier change is still being watched"])


CACHES = st.builds(
    CacheReading,
    name=st.sampled_from(["a", "b"]),
    max_size=st.integers(10, 10_000),
    ttl_s=st.floats(1, 86_400),
    entries=st.integers(0, 10_000),
    hits=st.floats(0, 1e6),
    misses=st.floats(0, 1e6),
    evictions=st.floats(0, 1e6),
)
READINGS = st.lists(
    st.builds(
        Reading,
        component=st.sampled_from(["x", "y", "z"]),
        figures=st.builds(
            Figures,
            requests=st.floats(0, 1e6),
            p95_ms=st.none() | st.floats(0, 1e5),
            rss_mb=st.none() | st.floats(0, 1e4),
            error_rate=st.none() | st.floats(0, 1),
        ),
        budget_ms=st.floats(1, 1000),
        caches=st.lists(CACHES, max_size=2, unique_by=lambda each: each.name).map(tuple),
    ),
    unique_by=lambda each: each.component,
)


@given(READINGS, st.sets(st.sampled_from(["x", "y", "z"])))
def test_tuning_never_leaves_its_bounds_and_changes_one_thing_at_a_time(
    readings: list[Reading], busy: set[str]
) -> None:
    found = [each for what in readings for each in tuning.bottlenecks(what)]
    changes, skipped = tuning.plan(readings, found, busy, "r")
    assert len(changes) + len(skipped) == len(found)
    components = [change.component for change in changes]
    assert len(set(components)) == len(components)
    assert not busy & set(components)
    for change in changes:
        if change.action is Action.GC:
            continue
        assert change.from_ is not None
        assert change.to is not None
        low, high = (100, 10_000) if change.action is Action.CACHE_RESIZE else (30, 3600)
        assert low <= change.to <= high
        assert change.from_ < change.to
        what = next(each for each in readings if each.component == change.component)
        assert what.figures.requests >= 100 or change.kind is KIND.CACHE


@given(READINGS)
def test_an_undone_change_leaves_the_bounds_as_they_were(readings: list[Reading]) -> None:
    bounds = {
        (r.component, c.name): {Action.CACHE_RESIZE: c.max_size, Action.CACHE_TTL: c.ttl_s}
        for r in readings
        for c in r.caches
    }
    found = [each for what in readings for each in tuning.bottlenecks(what)]
    for change in tuning.plan(readings, found, (), "r").changes:
        back = tuning.undo(change)
        if change.action is Action.GC:
            assert back is None
        else:
            assert back is not None
            assert (back.to, back.from_) == (change.from_, change.to)
            assert any(
                back.to == each[change.action]
                for key, each in bounds.items()
                if key == (change.component, change.cache)
            )


FIGURES = st.builds(
    Figures,
    requests=st.floats(0, 1e6),
    p95_ms=st.none() | st.floats(0, 1e5),
    rss_mb=st.none() | st.floats(0, 1e4),
    error_rate=st.none() | st.floats(0, 1),
)


@given(FIGURES, st.none() | FIGURES)
def test_a_change_is_kept_only_for_a_measured_gain_without_more_failures(
    before: Figures, after: Figures | None
) -> None:
    if not tuning.verdict(before, after).keep:
        return
    assert after is not None
    assert (after.error_rate or 0) <= (before.error_rate or 0) + tuning.ERROR_NOISE
    pairs = [(before.p95_ms, after.p95_ms), (before.rss_mb, after.rss_mb)]
    assert any(was is not None and now is not None and now <= 0.95 * was for was, now in pairs)


@pytest.mark.parametrize(
    ("rise", "status"),
    [
        (-3, LeakStatus.NONE),
        (0.05, LeakStatus.NONE),
        (0.9, LeakStatus.POTENTIAL),
        (1.9, LeakStatus.LOW),
        (4.9, LeakStatus.MEDIUM),
        (5.1, LeakStatus.HIGH),
        (None, LeakStatus.INSUFFICIENT),
    ],
)
def test_leaks(rise: float | None, status: LeakStatus) -> None:
    assert tuning.leak_status(rise) is status
    if rise is not None:
        assert tuning.slope([7.0, *(20 + rise * index for index in range(10))]) == pytest.approx(rise)


def test_the_last_of_the_kept_changes_is_in_force() -> None:
    def change(to: float, kept: bool | None) -> Change:
        return Change(
            id="i",
            component="x",
            action=Action.CACHE_TTL,
            kind=KIND.CACHE,
            cache="c",
            from_=1,
            to=to,
            kept=kept,
        )

    bounds = tuning.kept_bounds([change(60, True), change(120, True), change(240, False), change(480, None)])
    assert bounds == {("x", "c", Action.CACHE_TTL): 120}


TEXT = """\
# HELP alluse_requests_total Requests answered
alluse_requests_total{route="/v1/analyze",code="200"} 90
alluse_requests_total{route="/v1/analyze",code="500"} 10
alluse_requests_total{route="/health/live",code="200"} 5000
alluse_request_seconds_bucket{route="/v1/analyze",le="0.05"} 50
alluse_request_seconds_bucket{route="/v1/analyze",le="0.1"} 100
alluse_request_seconds_bucket{route="/v1/analyze",le="+Inf"} 100
alluse_request_seconds_bucket{route="/metrics",le="+Inf"} 100
alluse_cache_hits_total{cache="analysis"} 7
alluse_cache_misses_total{cache="analysis"} 3
process_resident_memory_bytes 50000000
process_start_time_seconds 1000
nonsense
x NaN
"""


def test_figures_of_a_text() -> None:
    found = snapshot(TEXT)
    figures = tuning_exposition.figures(found)
    assert (figures.requests, figures.error_rate, figures.rss_mb) == (100, 0.1, 50)
    assert figures.p95_ms == pytest.approx(95)
    assert found.caches == {"analysis": {"hits": 7, "misses": 3}}
    assert Snapshot.from_json(found.to_json()) == found


def test_what_happened_between_two_moments() -> None:
    earlier = snapshot(TEXT)
    later = snapshot(TEXT.replace('code="200"} 90', 'code="200"} 150').replace("} 7", "} 20"))
    between = tuning_exposition.since(later, earlier)
    assert (between.requests, between.caches["analysis"]["hits"]) == ({"/v1/analyze": 60}, 13)
    assert tuning_exposition.quantile(between, 0.95) is None
    began_anew = snapshot(TEXT.replace("seconds 1000", "seconds 2000"))
    assert tuning_exposition.since(began_anew, earlier) is began_anew


@given(st.text(max_size=200))
def test_no_text_is_too_strange(text: str) -> None:
    snapshot(text)


@pytest.mark.parametrize(
    ("verbose", "requests", "caches", "action"),
    [
        (True, 200, (), Action.LOG_LEVEL),
        (False, 200, (), None),
        (True, 50, (), None),
        (True, 200, (cache(evictions=5),), Action.CACHE_RESIZE),
    ],
)
def test_who_is_slow_and_logs_much_logs_less(
    verbose: bool, requests: int, caches: tuple[CacheReading, ...], action: Action | None
) -> None:
    """Only where no cache can be tuned, and only with traffic to judge by."""
    slow = reading(p95=90.0, requests=requests, verbose=verbose, caches=caches)
    found = tuning.plan([slow], tuning.bottlenecks(slow), (), "run")
    assert [change.action for change in found.changes] == ([action] if action else [])
    for change in found.changes:
        if change.action is Action.LOG_LEVEL:
            assert (change.from_, change.to) == (tuning.DEBUG, tuning.INFO)
            back = tuning.undo(change)
            assert back is not None
            assert back.to == tuning.DEBUG
