"""Reads the few figures that tuning needs out of a component's own metrics text, and compares two of them."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from alluse import contract
from alluse.schemas.performance import Figures

_LINE: Final = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?\s+(\S+)$")
_LABEL: Final = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
_OWN: Final = "/v1/"
_BUCKET: Final = f"{contract.METRIC_REQUEST_SECONDS}_bucket"
_CACHE: Final = {
    contract.METRIC_CACHE_HITS: "hits",
    contract.METRIC_CACHE_MISSES: "misses",
    contract.METRIC_CACHE_EVICTIONS: "evictions",
    contract.METRIC_CACHE_ENTRIES: "entries",
}
_PLAIN: Final = {
    "process_resident_memory_bytes": "rss",
    "process_start_time_seconds": "started",
    "container_memory_limit_bytes": "limit",
}


@dataclass(slots=True)
class Snapshot:
    """A component at one moment: counters since its process began, by route and by cache."""

    requests: dict[str, float] = field(default_factory=dict)
    failures: dict[str, float] = field(default_factory=dict)
    #: By route: upper bound in seconds (text, as JSON has no infinity) -> cumulative count.
    buckets: dict[str, dict[str, float]] = field(default_factory=dict)
    caches: dict[str, dict[str, float]] = field(default_factory=dict)
    rss: float = 0.0
    started: float = 0.0
    limit: float = 0.0

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Snapshot":
        return cls(**data)


def snapshot(text: str) -> Snapshot:
    """What a metrics text says; lines that cannot be read or are not needed are left out."""
    found = Snapshot()
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        name, labels = match[1], dict(_LABEL.findall(match[2] or ""))
        try:
            value = float(match[3])
        except ValueError:
            continue
        if not math.isfinite(value):
            continue
        route = labels.get("route", "")
        if name in _PLAIN:
            setattr(found, _PLAIN[name], value)
        elif name in _CACHE:
            found.caches.setdefault(labels.get("cache", ""), {})[_CACHE[name]] = value
        elif name == contract.METRIC_REQUESTS and route.startswith(_OWN):
            found.requests[route] = found.requests.get(route, 0.0) + value
            if labels.get("code", "").startswith("5"):
                found.failures[route] = found.failures.get(route, 0.0) + value
        elif name == _BUCKET and route.startswith(_OWN) and "le" in labels:
            found.buckets.setdefault(route, {})[labels["le"]] = value
    return found


def since(later: Snapshot, earlier: Snapshot | None) -> Snapshot:
    """What happened between two moments. A process that began anew counts from its beginning."""
    if earlier is None or earlier.started != later.started:
        return later
    return Snapshot(
        requests=_less(later.requests, earlier.requests),
        failures=_less(later.failures, earlier.failures),
        buckets={
            route: _less(found, earlier.buckets.get(route, {})) for route, found in later.buckets.items()
        },
        caches={
            name: {
                **_less(found, earlier.caches.get(name, {})),
                "entries": found.get("entries", 0.0),
            }
            for name, found in later.caches.items()
        },
        rss=later.rss,
        started=later.started,
        limit=later.limit,
    )


def quantile(found: Snapshot, q: float) -> float | None:
    """The q-quantile in ms of the slowest route, linear within its bucket; None without requests."""
    slowest: float | None = None
    for buckets in found.buckets.values():
        pairs = sorted((float(bound), count) for bound, count in buckets.items())
        if not pairs or pairs[-1][1] <= 0:
            continue
        value = _within(pairs, q * pairs[-1][1]) * 1000
        slowest = value if slowest is None else max(slowest, value)
    return slowest


def figures(found: Snapshot) -> Figures:
    requests = sum(found.requests.values())
    return Figures(
        requests=requests,
        p95_ms=quantile(found, 0.95),
        rss_mb=found.rss / 1e6 if found.rss > 0 else None,
        error_rate=sum(found.failures.values()) / requests if requests > 0 else None,
    )


def _within(pairs: list[tuple[float, float]], rank: float) -> float:
    below, counted = 0.0, 0.0
    for bound, count in pairs:
        if count >= rank:
            if math.isinf(bound):
                return below
            share = (rank - counted) / (count - counted) if count > counted else 1.0
            return below + (bound - below) * share
        below, counted = bound, count
    return below


def _less(later: Mapping[str, float], earlier: Mapping[str, float]) -> dict[str, float]:
    return {name: max(0.0, value - earlier.get(name, 0.0)) for name, value in later.items()}
