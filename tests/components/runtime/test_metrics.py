"""The metrics text: what the usual reader of it understands, bounded whatever a caller sends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from alluse.runtime.metrics import MAX_SERIES, Metrics, register_process_metrics
from alluse.services.metrics_collector.exposition import parse

finite = st.floats(allow_nan=False, allow_infinity=False)


def read(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Samples as the reference implementation reads them."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@given(st.dictionaries(st.text(max_size=20), finite, max_size=20))
def test_gauges_survive_the_text(values: dict[str, float]) -> None:
    metrics = Metrics()
    gauge = metrics.gauge("g", "help", ("label",))
    for label, value in values.items():
        gauge.set(value, label=label)
    wanted = {("g", (("label", label),)): value for label, value in values.items()}
    assert read(metrics.render()) == wanted


@given(st.lists(st.floats(0, 20), max_size=50))
def test_a_histogram_counts_every_observation_once(values: list[float]) -> None:
    metrics = Metrics()
    histogram = metrics.histogram("h", "help", ("op",))
    for value in values:
        histogram.observe(value, op="x")
    samples = read(metrics.render())
    if not values:
        assert samples == {}
        return
    for bound in histogram.buckets:
        text = f"{bound:g}" if bound != int(bound) else str(int(bound))
        key = ("h_bucket", (("le", text), ("op", "x")))
        assert samples[key] == sum(value <= bound for value in values)
    assert samples[("h_bucket", (("le", "+Inf"), ("op", "x")))] == len(values)
    assert samples[("h_count", (("op", "x"),))] == len(values)
    assert samples[("h_sum", (("op", "x"),))] == pytest.approx(sum(values))


@given(st.dictionaries(st.text(max_size=20), finite, max_size=20))
def test_our_own_reader_reads_what_we_write(values: dict[str, float]) -> None:
    metrics = Metrics()
    gauge = metrics.gauge("g", "help", ("label",))
    for label, value in values.items():
        gauge.set(value, label=label)
    samples, families = parse(metrics.render())
    assert {sample.labels[0][1]: sample.value for sample in samples} == values
    assert families == []


def test_labels_beyond_the_limit_are_summed_up() -> None:
    metrics = Metrics()
    counter = metrics.counter("c_total", "help", ("who",))
    for number in range(MAX_SERIES + 50):
        counter.inc(who=str(number))
    samples = read(metrics.render())
    assert len(samples) == MAX_SERIES + 1
    assert samples[("c_total", (("who", "other"),))] == 50
    assert counter.total() == MAX_SERIES + 50


@pytest.mark.parametrize("labels", [{}, {"a": "1", "b": "2"}, {"b": "1"}])
def test_labels_must_be_those_of_the_metric(labels: dict[str, str]) -> None:
    counter = Metrics().counter("c", "help", ("a",))
    with pytest.raises(ValueError, match="metric c"):
        counter.inc(**labels)


def test_a_name_means_one_metric() -> None:
    metrics = Metrics()
    assert metrics.counter("c", "help") is metrics.counter("c", "help")
    with pytest.raises(ValueError, match="another kind"):
        metrics.gauge("c", "help")
    with pytest.raises(ValueError, match="other labels"):
        metrics.counter("c", "help", ("a",))


def test_the_process_shows_its_own_figures() -> None:
    metrics = Metrics()
    register_process_metrics(metrics)
    metrics.render()
    samples = read(metrics.render())
    assert 5e6 < samples[("process_resident_memory_bytes", ())] < 2e9
    assert samples[("process_cpu_seconds_total", ())] > 0
    assert samples[("process_open_fds", ())] >= 3
    assert samples[("process_threads", ())] >= 1
