"""All series in memory: what is taken in, and what is known of the last hour."""

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from alluse.services.metrics_collector.exposition import Family, Labels, Sample, quantile
from alluse.services.metrics_collector.series import (
    KEEP_S,
    Figures,
    Minute,
    Ring,
    SeriesKey,
    figures,
    weights,
)

MAX_SERIES: Final = 2000
#: A pushed value may be this much ahead of our clock.
AHEAD_S: Final = 60.0
QUANTILES: Final = (("p50", 0.50), ("p95", 0.95), ("p99", 0.99))
#: Quantiles of a histogram are taken over the observations of this time.
HISTOGRAM_WINDOW_S: Final = 60.0
_HISTOGRAM_STEP_S: Final = 5.0


class Collection:
    """Rings by series, the present minute of each, and the counters of what was refused."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._epoch = clock() - KEEP_S
        self._rings: dict[SeriesKey, Ring] = {}
        self._minutes: dict[SeriesKey, Minute] = {}
        self._buckets: dict[SeriesKey, deque[tuple[float, tuple[float, ...]]]] = {}
        self.refused = 0

    def __len__(self) -> int:
        return len(self._rings)

    def put(self, name: str, labels: Labels, value: float, at: float, unit: str = "") -> bool:
        """Take one value; False when the series would be one too many or the time is out of reach."""
        key = SeriesKey(name, labels)
        ring = self._rings.get(key)
        if ring is None:
            if len(self._rings) >= MAX_SERIES:
                self.refused += 1
                return False
            ring = self._rings[key] = Ring(self._epoch, unit or _unit(name))
        now = self._clock()
        if not now - KEEP_S <= at <= now + AHEAD_S or not ring.append(at, value):
            self.refused += 1
            return False
        self._minutes.setdefault(key, Minute()).add(value)
        return True

    def scrape(self, component: str, samples: Iterable[Sample], families: Iterable[Family], at: float) -> int:
        """Take what a component showed; histograms become quantiles over the last minute."""
        taken = 0
        for sample in samples:
            taken += self.put(sample.name, _with(sample.labels, component), sample.value, at)
        for family in families:
            labels = _with(family.labels, component)
            recent = self._recent_counts(SeriesKey(family.name, labels), family.counts, at)
            for suffix, q in QUANTILES:
                value = quantile(family.bounds, recent, q)
                if value is not None:
                    taken += self.put(f"{family.name}_{suffix}", labels, value, at)
        return taken

    def matching(self, name: str, wanted: Labels) -> list[tuple[SeriesKey, Ring]]:
        return [(key, ring) for key, ring in self._rings.items() if key.matches(name, wanted)]

    def names(self) -> list[str]:
        return sorted({key.name for key in self._rings})

    def figures(self, name: str, wanted: Labels, since: float) -> tuple[Figures, float, str] | None:
        """Figures, newest value and unit over all matching series; None when there is nothing."""
        rings = [ring for _, ring in self.matching(name, wanted)]
        found = figures(pair for ring in rings for pair in weights(ring.runs(since), since))
        newest = max((latest for ring in rings if (latest := ring.latest()) is not None), default=None)
        if found is None or newest is None:
            return None
        return found, newest[1], rings[0].unit

    def take_minutes(self) -> tuple[dict[SeriesKey, Minute], dict[SeriesKey, str]]:
        """The minutes so far, and their units; the next ones begin."""
        minutes, self._minutes = self._minutes, {}
        return minutes, {key: self._rings[key].unit for key in minutes if key in self._rings}

    def put_back(self, minutes: dict[SeriesKey, Minute]) -> None:
        """Minutes that could not be written: the next flush takes them along."""
        for key, minute in minutes.items():
            present = self._minutes.get(key)
            if present is None:
                self._minutes[key] = minute
                continue
            present.count += minute.count
            present.sum += minute.sum
            present.min = min(present.min, minute.min)
            present.max = max(present.max, minute.max)

    def forget_silent(self) -> None:
        """Drop series that have had no value for an hour, so that new ones find room."""
        limit = self._clock() - KEEP_S
        for key in [key for key, ring in self._rings.items() if (ring.latest() or (0.0,))[0] < limit]:
            del self._rings[key]
            self._buckets.pop(key, None)

    def _recent_counts(self, key: SeriesKey, counts: tuple[float, ...], at: float) -> tuple[float, ...]:
        """Observations of the last minute by bucket: the counts minus those of a minute ago."""
        history = self._buckets.setdefault(key, deque())
        if history and (counts[-1] < history[-1][1][-1] or len(counts) != len(history[-1][1])):
            history.clear()  # The component began anew.
        while len(history) > 1 and history[1][0] <= at - HISTOGRAM_WINDOW_S:
            history.popleft()
        base = history[0][1] if history else (0.0,) * len(counts)
        if not history or at - history[-1][0] >= _HISTOGRAM_STEP_S:
            history.append((at, counts))
        return tuple(new - old for new, old in zip(counts, base, strict=True))


def _with(labels: Labels, component: str) -> Labels:
    return tuple(sorted((*labels, ("component", component))))


def _unit(name: str) -> str:
    for part, unit in (("_seconds", "s"), ("_bytes", "B"), ("_ratio", "ratio"), ("_total", "count")):
        if part in name:
            return unit
    return ""
