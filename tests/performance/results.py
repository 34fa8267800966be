"""Figures of one run, printed as a table and kept as JSON in build/bench/."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

OUTPUT = Path(__file__).resolve().parents[2] / "build" / "bench"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured thing: its value, what it is held against in the same run, and what it should be."""

    name: str
    value: float
    unit: str
    beside: float | None = None
    beside_what: str = ""
    aim: str = ""
    samples: tuple[float, ...] = ()

    @property
    def ratio(self) -> float | None:
        return self.value / self.beside if self.beside else None


@dataclass(slots=True)
class Results:
    figures: list[Figure] = field(default_factory=list)

    def add(self, figure: Figure) -> None:
        self.figures.append(figure)
        print(f"  {describe(figure)}", flush=True)

    def write(self, section: str) -> Path:
        OUTPUT.mkdir(parents=True, exist_ok=True)
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        path = OUTPUT / f"{section}-{stamp}.json"
        machine = {
            "cores": os.cpu_count(),
            "system": platform.platform(),
            "python": platform.python_version(),
        }
        rows = [{**asdict(figure), "ratio": figure.ratio} for figure in self.figures]
        path.write_text(json.dumps({"at": stamp, "machine": machine, "figures": rows}, indent=2) + "\n")
        return path


def describe(figure: Figure) -> str:
    text = f"{figure.name:56} {figure.value:10.3f} {figure.unit:5}"
    if figure.beside is not None:
        text += f" beside {figure.beside:9.3f} ({figure.beside_what}): ratio {figure.ratio:.2f}"
    return f"{text}   aim {figure.aim}" if figure.aim else text


def median(samples: Sequence[float]) -> float:
    return statistics.median(samples)


def percentile(samples: Sequence[float], share: float) -> float:
    """The sample below or at which `share` (0-1) of all lie, by nearest rank."""
    ordered = sorted(samples)
    return ordered[max(0, min(len(ordered) - 1, round(share * len(ordered) + 0.5) - 1))]
