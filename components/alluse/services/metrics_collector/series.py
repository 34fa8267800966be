"""Values of the last hour, in memory: one series is four typed arrays, equal neighbours are one run.

Most series stand still most of the time, so a run of equal values costs 18 bytes, not 18 bytes a scrape.
"""

from array import array
from collections.abc import Iterable
from typing import Final, NamedTuple

from alluse.services.metrics_collector.exposition import Labels

KEEP_S: Final = 3600.0
_MAX_REPEATS: Final = 65_535
_TICKS: Final = 100


class SeriesKey(NamedTuple):
    """What identifies a series."""

    name: str
    labels: Labels

    def matches(self, name: str, wanted: Labels) -> bool:
        return self.name == name and all(label in self.labels for label in wanted)


class Run(NamedTuple):
    """`points` equal values between two times."""

    first: float
    last: float
    points: int
    value: float


class Ring:
    """The runs of one series. Times before `epoch` cannot be kept."""

    __slots__ = ("_counts", "_epoch", "_first", "_last", "_skip", "_values", "unit")

    def __init__(self, epoch: float, unit: str = "") -> None:
        self.unit = unit
        self._epoch = epoch
        # Hundredths of a second since the epoch: 16 months in four bytes.
        self._first = array("I")
        self._last = array("I")
        self._counts = array("H")
        self._values = array("d")
        self._skip = 0

    def append(self, at: float, value: float) -> bool:
        """Add a value; False when it is older than the newest."""
        moment = int((at - self._epoch) * _TICKS)
        if moment < 0 or (self._last and moment < self._last[-1]):
            return False
        if len(self._values) > self._skip and self._values[-1] == value and self._counts[-1] < _MAX_REPEATS:
            self._last[-1] = moment
            self._counts[-1] += 1
        else:
            self._first.append(moment)
            self._last.append(moment)
            self._counts.append(1)
            self._values.append(value)
        self._forget(moment - int(KEEP_S * _TICKS))
        return True

    def runs(self, since: float) -> Iterable[Run]:
        """Runs that end at or after a time, oldest first."""
        limit = int((since - self._epoch) * _TICKS)
        for index in range(self._skip, len(self._values)):
            if self._last[index] >= limit:
                yield Run(
                    self._epoch + self._first[index] / _TICKS,
                    self._epoch + self._last[index] / _TICKS,
                    self._counts[index],
                    self._values[index],
                )

    def latest(self) -> tuple[float, float] | None:
        """Time and value of the newest point."""
        if len(self._values) == self._skip:
            return None
        return self._epoch + self._last[-1] / _TICKS, self._values[-1]

    def _forget(self, before: int) -> None:
        while self._skip < len(self._values) and self._last[self._skip] < before:
            self._skip += 1
        if self._skip > 256 and self._skip > len(self._values) // 2:
            for column in (self._first, self._last, self._counts, self._values):
                del column[: self._skip]
            self._skip = 0


class Figures(NamedTuple):
    """A distribution."""

    points: int
    min: float
    max: float
    avg: float
    p50: float
    p95: float
    p99: float


def figures(weighted: Iterable[tuple[float, float]]) -> Figures | None:
    """Count, extremes, mean and quantiles (nearest rank) of (value, weight) pairs; None without any."""
    pairs = sorted(weighted)
    total = sum(weight for _, weight in pairs)
    if not pairs or total <= 0:
        return None
    quantiles = []
    index, reached = 0, pairs[0][1]
    for q in (0.50, 0.95, 0.99):
        while reached < q * total and index < len(pairs) - 1:
            index += 1
            reached += pairs[index][1]
        quantiles.append(pairs[index][0])
    mean = sum(value * weight for value, weight in pairs) / total
    return Figures(max(1, round(total)), pairs[0][0], pairs[-1][0], mean, *quantiles)


def weights(runs: Iterable[Run], since: float) -> Iterable[tuple[float, float]]:
    """Values of runs with the number of points of each that lie after a time."""
    for run in runs:
        if run.first >= since or run.last <= run.first:
            yield run.value, run.points
        else:
            yield run.value, max(1.0, run.points * (run.last - since) / (run.last - run.first))


class Minute:
    """What one series did in the present minute."""

    __slots__ = ("count", "last", "max", "min", "sum")

    def __init__(self) -> None:
        self.count, self.sum, self.last = 0, 0.0, 0.0
        self.min, self.max = float("inf"), float("-inf")

    def add(self, value: float) -> None:
        self.count += 1
        self.sum += value
        self.last = value
        self.min = min(self.min, value)
        self.max = max(self.max, value)
