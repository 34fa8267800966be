"""The cache keeps its bounds for every sequence of uses, and forgets the right entries."""

from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse.runtime.cache import Cache, Caches
from alluse.runtime.metrics import Metrics


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def make(max_size: int = 3, ttl_s: float = 10, limit: float = 86_400) -> tuple[Cache[int, int], Clock]:
    clock = Clock()
    return Cache("c", max_size, ttl_s, Metrics(), limit, clock), clock


steps = st.one_of(
    st.tuples(st.just("put"), st.integers(0, 6)),
    st.tuples(st.just("get"), st.integers(0, 6)),
    st.tuples(st.just("wait"), st.integers(1, 8)),
    st.tuples(st.just("size"), st.integers(1, 6)),
    st.tuples(st.just("ttl"), st.integers(1, 12)),
)


@given(st.lists(steps, max_size=60))
def test_it_behaves_like_a_simple_model(sequence: list[tuple[str, int]]) -> None:
    cache, clock = make()
    model: OrderedDict[int, tuple[float, int]] = OrderedDict()
    for number, (action, value) in enumerate(sequence):
        match action:
            case "put":
                cache.put(value, number)
                model[value] = (clock.now + cache.ttl_s, number)
                model.move_to_end(value)
            case "get":
                entry = model.get(value)
                expected = entry[1] if entry and entry[0] > clock.now else None
                if expected is None:
                    model.pop(value, None)
                else:
                    model.move_to_end(value)
                assert cache.get(value) == expected
            case "wait":
                clock.now += value
            case "size":
                cache.resize(max_size=value)
            case "ttl":
                cache.resize(ttl_s=value)
        while len(model) > cache.max_size:
            model.popitem(last=False)
        assert cache.state().entries == len(model) <= cache.max_size


def test_the_one_not_used_longest_goes_first() -> None:
    cache, _ = make(max_size=2)
    cache.put(1, 1)
    cache.put(2, 2)
    assert cache.get(1) == 1
    cache.put(3, 3)
    assert [cache.get(key) for key in (1, 2, 3)] == [1, None, 3]


def test_live_data_never_live_longer_than_their_limit() -> None:
    cache, _ = make(ttl_s=3600, limit=900)
    assert cache.ttl_s == 900
    cache.resize(ttl_s=1800)
    assert cache.ttl_s == 900


def test_tuned_by_hand_stays_when_the_configuration_changes() -> None:
    caches = Caches(Metrics())
    caches.configure(100, 60)
    tuned, other = caches.cache("tuned"), caches.cache("other")
    caches.tune(50, None, "tuned")
    caches.configure(200, 120)
    assert (tuned.max_size, tuned.ttl_s) == (50, 60)
    assert (other.max_size, other.ttl_s) == (200, 120)
    with pytest.raises(KeyError):
        caches.tune(10, None, "unknown")


def test_hits_misses_and_evictions_are_counted() -> None:
    metrics = Metrics()
    cache: Cache[int, int] = Cache("c", 1, 10, metrics)
    cache.put(1, 1)
    cache.get(1)
    cache.get(2)
    cache.put(2, 2)
    text = metrics.render()
    for line in (
        'alluse_cache_hits_total{cache="c"} 1',
        'alluse_cache_misses_total{cache="c"} 1',
        'alluse_cache_evictions_total{cache="c"} 1',
        'alluse_cache_entries{cache="c"} 1',
    ):
        assert line in text
