"""Durations of the last minute, for judgements that one slow moment must not decide."""

import time
from collections import deque
from collections.abc import Callable
from typing import Final

WINDOW_S: Final = 60.0


class Recent:
    """Durations in seconds with the moments at which they were measured; at most `most`, a minute old."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: deque[tuple[float, float]] = deque(maxlen=most)

    def add(self, seconds: float) -> None:
        self._seen.append((self._clock(), seconds))

    def percentile(self, share: float, enough: int) -> float | None:
        """Of `share` (0 to 1), by nearest rank; None for fewer than `enough`."""
        seconds = sorted(each for _, each in self._young())
        if len(seconds) < enough:
            return None
        return seconds[int(share * (len(seconds) - 1) + 0.5)]

    def span_above(self, limit: float) -> float:
        """Seconds between the first and the last duration that were above a limit."""
        moments = [at for at, seconds in self._young() if seconds > limit]
        return moments[-1] - moments[0] if moments else 0.0

    def _young(self) -> deque[tuple[float, float]]:
        oldest = self._clock() - WINDOW_S
        while self._seen and self._seen[0][0] < oldest:
            self._seen.popleft()
        return self._seen
