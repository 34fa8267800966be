"""Reads the Prometheus text format 0.0.4 as components write it."""

import math
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_LINE: Final = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?\s*$")
_LABEL: Final = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"\s*,?')
_ESCAPES: Final = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}
_ESCAPE: Final = re.compile(r'\\[\\"n]')

Labels = tuple[tuple[str, str], ...]


class Sample(NamedTuple):
    """One line: a value that is a finite number."""

    name: str
    labels: Labels
    value: float


class Family(NamedTuple):
    """A histogram's buckets: (labels without `le`) -> cumulative counts by ascending bound."""

    name: str
    labels: Labels
    bounds: tuple[float, ...]
    counts: tuple[float, ...]


def parse(text: str) -> tuple[list[Sample], list[Family]]:
    """Samples and histograms in a text; lines that cannot be read are left out."""
    samples: list[Sample] = []
    buckets: dict[tuple[str, Labels], list[tuple[float, float]]] = {}
    for name, labels, value in _lines(text):
        if name.endswith("_bucket"):
            bound = dict(labels).get("le")
            rest = tuple(label for label in labels if label[0] != "le")
            if bound is not None and (limit := _number(bound)) is not None:
                buckets.setdefault((name.removesuffix("_bucket"), rest), []).append((limit, value))
        elif math.isfinite(value):
            samples.append(Sample(name, labels, value))
    families = []
    for (name, labels), pairs in buckets.items():
        pairs.sort()
        families.append(
            Family(name, labels, tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs))
        )
    return samples, families


def _lines(text: str) -> Iterator[tuple[str, Labels, float]]:
    for line in text.split("\n"):
        if not line or line.startswith("#"):
            continue
        match = _LINE.match(line)
        if match is None or (value := _number(match[3])) is None or math.isnan(value):
            continue
        yield match[1], _labels(match[2]) if match[2] else (), value


def _labels(text: str) -> Labels:
    return tuple(
        sorted((name, _ESCAPE.sub(lambda m: _ESCAPES[m[0]], value)) for name, value in _LABEL.findall(text))
    )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def quantile(bounds: tuple[float, ...], counts: tuple[float, ...], q: float) -> float | None:
    """The q-quantile of cumulative bucket counts, linear within its bucket; None for no observations.

    In the last, open bucket the answer is its lower bound: all that is known is "at least".
    """
    if not counts or counts[-1] <= 0:
        return None
    rank = q * counts[-1]
    below_bound, below_count = 0.0, 0.0
    for bound, count in zip(bounds, counts, strict=True):
        if count >= rank:
            if math.isinf(bound):
                return below_bound
            share = (rank - below_count) / (count - below_count) if count > below_count else 1.0
            return below_bound + (bound - below_bound) * share
        below_bound, below_count = bound, count
    return below_bound
