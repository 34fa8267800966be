"""Series, figures and roll-ups: what is summed up agrees with what was put in."""

import sqlite3
import statistics
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse.services.metrics_collector import rollups
from alluse.services.metrics_collector.collection import MAX_SERIES, Collection
from alluse.services.metrics_collector.exposition import Family, Sample, parse, quantile
from alluse.services.metrics_collector.series import KEEP_S, Minute, Ring, SeriesKey, figures, weights

values = st.one_of(st.sampled_from([0.0, 1.0, 2.0]), st.floats(-1e6, 1e6))


@given(st.lists(st.tuples(st.integers(1, 30), values), max_size=119))
def test_a_ring_keeps_every_point_of_an_hour(steps: list[tuple[int, float]]) -> None:
    ring, at, points = Ring(0.0), 0.0, []
    for wait, value in steps:
        at += wait
        assert ring.append(at, value)
        points.append((at, value))
    runs = list(ring.runs(at - KEEP_S))
    assert [run.value for run in runs for _ in range(run.points)] == [value for _, value in points]
    assert ring.latest() == (points[-1] if points else None)
    for earlier, later in pairwise(runs):
        assert earlier.last <= later.first
        assert earlier.value != later.value


def test_a_ring_forgets_after_an_hour_without_growing() -> None:
    ring = Ring(0.0)
    for second in range(3 * 3600):
        ring.append(float(second), float(second % 2))
    assert len(list(ring.runs(0.0))) <= KEEP_S + 1
    assert len(ring._values) < 2.2 * KEEP_S


def test_time_does_not_run_backwards() -> None:
    ring = Ring(0.0)
    assert ring.append(10, 1)
    assert not ring.append(9, 1)
    assert not ring.append(-1, 1)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200))
def test_figures_are_those_of_the_values(sample: list[float]) -> None:
    found = figures((value, 1) for value in sample)
    assert found is not None
    ordered = sorted(sample)
    assert (found.points, found.min, found.max) == (len(sample), ordered[0], ordered[-1])
    assert found.avg == pytest.approx(statistics.fmean(sample), abs=1e-6)
    for got, q in ((found.p50, 0.50), (found.p95, 0.95), (found.p99, 0.99)):
        assert sum(value <= got for value in sample) >= q * len(sample) - 1e-9
        assert sum(value < got for value in sample) <= q * len(sample)
    assert found.min <= found.p50 <= found.p95 <= found.p99 <= found.max


@given(st.lists(st.tuples(st.floats(-10, 10), st.integers(1, 5)), min_size=1, max_size=50))
def test_a_weight_is_as_good_as_a_repetition(pairs: list[tuple[float, int]]) -> None:
    repeated = figures((value, 1) for value, weight in pairs for _ in range(weight))
    weighted = figures(pairs)
    assert repeated is not None
    assert weighted is not None
    assert weighted == pytest.approx(repeated)


def test_nothing_has_no_figures() -> None:
    assert figures([]) is None


@given(st.lists(st.floats(0, 12), min_size=1, max_size=200), st.sampled_from([0.5, 0.9, 0.99]))
def test_a_quantile_lies_in_the_bucket_of_the_true_one(observed: list[float], q: float) -> None:
    bounds = (0.005, 0.05, 0.5, 1.0, 5.0, 10.0, float("inf"))
    counts = tuple(float(sum(value <= bound for value in observed)) for bound in bounds)
    got = quantile(bounds, counts, q)
    assert got is not None
    rank = q * len(observed)
    true = next(value for index, value in enumerate(sorted(observed), 1) if index >= rank)
    upper = next(bound for bound in bounds if true <= bound)
    lower = max((bound for bound in (0.0, *bounds) if bound < upper), default=0.0)
    assert lower <= got <= min(upper, 10.0)


def test_no_observations_have_no_quantile() -> None:
    assert quantile((1.0, float("inf")), (0.0, 0.0), 0.5) is None
    assert quantile((), (), 0.5) is None


def test_the_text_of_others_is_understood() -> None:
    samples, families = parse(
        "# HELP a help\n# TYPE a counter\n"
        'a{x="1",y="two, and \\"three\\" \\\\ \\n"} 5 1700000000000\n'
        "b 1e3\nc +Inf\nd NaN\n  \nbroken line here\n"
        'h_bucket{le="1"} 2\nh_bucket{le="+Inf"} 3\nh_sum 4\nh_count 3\n'
    )
    assert samples == [
        Sample("a", (("x", "1"), ("y", 'two, and "three" \\ \n')), 5.0),
        Sample("b", (), 1000.0),
        Sample("h_sum", (), 4.0),
        Sample("h_count", (), 3.0),
    ]
    assert families == [Family("h", (), (1.0, float("inf")), (2.0, 3.0))]


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def collection(clock: Clock) -> Collection:
    return Collection(clock)


def test_beyond_the_limit_series_are_refused_and_counted(collection: Collection, clock: Clock) -> None:
    taken = sum(
        collection.put("m", (("n", str(number)),), 1.0, clock.now) for number in range(MAX_SERIES + 5)
    )
    assert (taken, collection.refused, len(collection)) == (MAX_SERIES, 5, MAX_SERIES)
    clock.now += KEEP_S + 1
    collection.forget_silent()
    assert collection.put("fresh", (), 1.0, clock.now)


@pytest.mark.parametrize("offset", [-KEEP_S - 1, 61.0])
def test_values_of_another_time_are_refused(collection: Collection, clock: Clock, offset: float) -> None:
    assert not collection.put("m", (), 1.0, clock.now + offset)


def test_a_histogram_shows_the_last_minute_only(collection: Collection, clock: Clock) -> None:
    bounds = (0.1, 1.0, float("inf"))

    def scrape(*counts: float) -> float:
        collection.scrape("sizer", [], [Family("s", (), bounds, counts)], clock.now)
        ring = collection.matching("s_p95", (("component", "sizer"),))[0][1]
        latest = ring.latest()
        assert latest is not None
        return latest[1]

    assert scrape(100, 100, 100) <= 0.1
    for _ in range(13):
        clock.now += 5
        scrape(100, 100, 100)
    clock.now += 5
    assert scrape(100, 200, 200) > 0.9, "a hundred slow ones after a quiet minute"
    for _ in range(13):
        clock.now += 5
        scrape(200, 300, 300)
    clock.now += 5
    assert scrape(300, 400, 400) <= 0.1, "the slow ones are longer ago than a minute"
    clock.now += 5
    assert scrape(1, 1, 1) <= 0.1, "the component began anew"


def test_figures_over_components(collection: Collection, clock: Clock) -> None:
    for component, value in (("a", 1.0), ("b", 3.0)):
        collection.put("m_bytes", (("component", component),), value, clock.now)
    found = collection.figures("m_bytes", (), clock.now - 60)
    assert found is not None
    assert (found[0].points, found[0].avg, found[2]) == (2, 2.0, "B")
    one = collection.figures("m_bytes", (("component", "b"),), clock.now - 60)
    assert one is not None
    assert (one[0].points, one[1]) == (1, 3.0)
    assert collection.figures("m_bytes", (("component", "c"),), 0) is None


def test_a_run_that_began_before_the_window_counts_in_part() -> None:
    ring = Ring(0.0)
    for second in range(101):
        ring.append(float(second), 1.0)
    ((value, weight),) = weights(ring.runs(50.0), 50.0)
    assert value == 1.0
    assert weight == pytest.approx(50, abs=1)


# -- on disk -------------------------------------------------------------------------------------------


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(tmp_path / "x.db")
    connection.row_factory = sqlite3.Row
    for migration in rollups.MIGRATIONS:
        for statement in migration.statements:
            connection.execute(statement)
    yield connection
    connection.close()


def minute(*sample: float) -> Minute:
    made = Minute()
    for value in sample:
        made.add(value)
    return made


KEY = SeriesKey("m", (("component", "a"),))


def test_a_minute_in_two_parts_is_one_minute(db: sqlite3.Connection) -> None:
    rollups.write(db, 7, {KEY: minute(1, 3)}, {KEY: "s"})
    rollups.write(db, 7, {KEY: minute(8)}, {KEY: "s"})
    ((key, unit, (kept,)),) = rollups.read(db, "m", (), 0, 10)
    assert (key, unit) == (KEY, "s")
    assert kept == rollups.Rollup(7, 1.0, 8.0, 4.0, 3, 8.0)


def test_old_minutes_go_and_series_without_any_too(db: sqlite3.Connection) -> None:
    other = SeriesKey("other", ())
    for number in (1, 2, 3):
        rollups.write(db, number, {KEY: minute(number)}, {})
    rollups.write(db, 1, {other: minute(1)}, {})
    rollups.forget(db, 3)
    assert [key.name for key, _, _ in rollups.read(db, None, (), 0, 10)] == ["m"]
    ((_, _, kept),) = rollups.read(db, "m", (("component", "a"),), 0, 10)
    assert [rollup.minute for rollup in kept] == [3]
    assert rollups.read(db, "m", (("component", "b"),), 0, 10) == []
