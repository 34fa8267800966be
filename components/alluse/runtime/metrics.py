"""Counters, gauges and histograms in the Prometheus text format 0.0.4.

A registry of our own, because the usual client library costs each of sixteen processes 4 MB for servers
and bridges that we do not use. Every metric bounds its label combinations: beyond `MAX_SERIES` further
ones are summed under the label value `other`, so that a caller cannot fill the memory.
"""

import os
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

from alluse.runtime.cgroup import ControlGroup

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
#: 5 ms to 10 s: the range between a health answer and a hard time-out.
SECONDS_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
MAX_SERIES: Final = 200
_OTHER: Final = "other"


class Metric:
    """One name with its series; labels are given by keyword, every label each time."""

    kind: str = "untyped"

    def __init__(self, name: str, help_: str, labels: Sequence[str] = ()) -> None:
        self.name = name
        self.help = help_
        self.labels = tuple(labels)
        self._values: dict[tuple[str, ...], float] = {}
        if not labels and self.kind != "histogram":
            self._values[()] = 0.0

    def _key(self, labels: dict[str, str], known: Mapping[tuple[str, ...], object]) -> tuple[str, ...]:
        try:
            key = tuple([str(labels[label]) for label in self.labels])
        except KeyError as missing:
            raise ValueError(f"metric {self.name} needs the label {missing}") from None
        if len(labels) != len(self.labels):
            raise ValueError(f"metric {self.name} has the labels {self.labels}, not {sorted(labels)}")
        if key not in known and len(known) >= MAX_SERIES:
            return (_OTHER,) * len(self.labels)
        return key

    def value(self, **labels: str) -> float:
        """The present value of a series; 0 for one that was never touched."""
        return self._values.get(tuple(str(labels[label]) for label in self.labels), 0.0)

    def total(self) -> float:
        """Sum over all series."""
        return sum(self._values.values())

    def render(self) -> Iterable[str]:
        for key, value in list(self._values.items()):
            yield f"{self.name}{_braces(zip(self.labels, key, strict=True))} {_number(value)}"


class Counter(Metric):
    """Only grows."""

    kind = "counter"

    def inc(self, amount: float = 1.0, **labels: str) -> None:
        key = self._key(labels, self._values)
        self._values[key] = self._values.get(key, 0.0) + amount


class Gauge(Metric):
    """Has a present value."""

    kind = "gauge"

    def set(self, value: float, **labels: str) -> None:
        self._values[self._key(labels, self._values)] = float(value)

    def add(self, amount: float, **labels: str) -> None:
        key = self._key(labels, self._values)
        self._values[key] = self._values.get(key, 0.0) + amount

    def drop(self, **labels: str) -> None:
        """Forget one series."""
        self._values.pop(tuple(str(labels[label]) for label in self.labels), None)


class Histogram(Metric):
    """Distribution of observations over fixed buckets."""

    kind = "histogram"

    def __init__(
        self,
        name: str,
        help_: str,
        labels: Sequence[str] = (),
        buckets: Sequence[float] = SECONDS_BUCKETS,
    ) -> None:
        super().__init__(name, help_, labels)
        self.buckets = tuple(sorted(buckets))
        self._counts: dict[tuple[str, ...], list[int]] = {}

    def observe(self, value: float, **labels: str) -> None:
        key = self._key(labels, self._counts)
        counts = self._counts.get(key)
        if counts is None:
            counts = self._counts[key] = [0] * (len(self.buckets) + 1)
        counts[bisect_left(self.buckets, value)] += 1
        self._values[key] = self._values.get(key, 0.0) + value

    def count(self, **labels: str) -> int:
        return sum(self._counts.get(tuple(str(labels[label]) for label in self.labels), ()))

    def render(self) -> Iterable[str]:
        for key, counts in list(self._counts.items()):
            pairs = list(zip(self.labels, key, strict=True))
            running = 0
            for bound, count in zip((*self.buckets, float("inf")), counts, strict=True):
                running += count
                yield f"{self.name}_bucket{_braces([*pairs, ('le', _number(bound))])} {running}"
            yield f"{self.name}_sum{_braces(pairs)} {_number(self._values[key])}"
            yield f"{self.name}_count{_braces(pairs)} {running}"


M = TypeVar("M", bound=Metric)


class Metrics:
    """The metrics of one process. Asking twice for a name gives the same metric."""

    def __init__(self) -> None:
        self._metrics: dict[str, Metric] = {}
        self._before_render: list[Callable[[], None]] = []

    def counter(self, name: str, help_: str, labels: Sequence[str] = ()) -> Counter:
        return self._register(Counter(name, help_, labels))

    def gauge(self, name: str, help_: str, labels: Sequence[str] = ()) -> Gauge:
        return self._register(Gauge(name, help_, labels))

    def histogram(
        self,
        name: str,
        help_: str,
        labels: Sequence[str] = (),
        buckets: Sequence[float] = SECONDS_BUCKETS,
    ) -> Histogram:
        return self._register(Histogram(name, help_, labels, buckets))

    def _register(self, metric: M) -> M:
        known = self._metrics.setdefault(metric.name, metric)
        if not isinstance(known, type(metric)) or known.labels != metric.labels:
            raise ValueError(f"metric {metric.name} is registered as another kind or with other labels")
        return known

    def before_render(self, refresh: Callable[[], None]) -> None:
        """Call `refresh` each time the text is made, for gauges that are read rather than kept."""
        self._before_render.append(refresh)

    def render(self) -> str:
        for refresh in self._before_render:
            refresh()
        lines: list[str] = []
        for metric in self._metrics.values():
            lines.append(f"# HELP {metric.name} {metric.help}")
            lines.append(f"# TYPE {metric.name} {metric.kind}")
            lines.extend(metric.render())
        return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    if value == float("inf"):
        return "+Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def _braces(pairs: Iterable[tuple[str, str]]) -> str:
    inner = ",".join(f'{label}="{_escaped(value)}"' for label, value in pairs)
    return f"{{{inner}}}" if inner else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def resident_bytes() -> int:
    """Resident memory of this process, from /proc."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


def register_process_metrics(metrics: Metrics) -> None:
    """The process's own memory, CPU time, descriptors and threads; read from /proc at each scrape."""
    rss = metrics.gauge("process_resident_memory_bytes", "Resident memory of the process")
    cpu = metrics.counter("process_cpu_seconds_total", "User and system CPU time of the process")
    fds = metrics.gauge("process_open_fds", "Open file descriptors of the process")
    threads = metrics.gauge("process_threads", "Threads of the process")
    start = metrics.gauge("process_start_time_seconds", "When the process started, in Unix time")
    start.set(time.time())
    memory = metrics.gauge("container_memory_bytes", "Memory charged to the container, 0 if unknown")
    limit = metrics.gauge("container_memory_limit_bytes", "Limit of the container's memory, 0 for none")
    group = ControlGroup()

    def refresh() -> None:
        threads.set(len(os.listdir("/proc/self/task")))
        memory.set(group.memory_used() or 0)
        limit.set(group.memory_limit() or 0)
        rss.set(resident_bytes())
        cpu.inc(time.process_time() - cpu.value())
        fds.set(len(os.listdir("/proc/self/fd")) - 1)

    metrics.before_render(refresh)
