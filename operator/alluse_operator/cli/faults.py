"""The faults of a drill: what each breaks, how it should be noticed, and what should mend it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final


class Cure(StrEnum):
    """What brings a component back."""

    RESTART = "a restart"
    """The kubelet's or the operator's; the fault goes with the process."""
    END = "the end of the fault"
    """No restart may happen: the component is Degraded until the fault ends. The drill ends it once it was
    noticed."""
    TIME = "time"
    """Each new start fails as long as the fault lasts."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to break a component."""

    name: str
    about: str
    request: Mapping[str, Any]
    """What `POST /admin/fault` is asked; `seconds` is added."""
    seconds: int
    """How long it lasts by itself, when nothing ends it before."""
    cure: Cure
    steady: int = 0
    """Seconds without a change after which a recovery counts: longer than the fault leaves it well."""


FAULTS: Final[Mapping[str, Fault]] = {
    fault.name: fault
    for fault in (
        Fault("crash", "the process ends once", {"fault": "exit"}, 60, Cure.RESTART),
        Fault(
            "exit",
            "the process ends, and so does each later start, for as long as the fault lasts",
            {"fault": "exit", "loop": True},
            15,
            Cure.TIME,
        ),
        Fault("hang", "the process does nothing at all any more", {"fault": "hang"}, 300, Cure.RESTART),
        Fault(
            "wrong-answer",
            "it answers 200 and computes nonsense; its own golden case fails",
            {"fault": "wrong-answer"},
            300,
            Cure.RESTART,
        ),
        Fault(
            "slow",
            "it answers late, though within the time-out of its deep check",
            {"fault": "slow", "ms": 750},
            120,
            Cure.END,
        ),
        Fault(
            "flap",
            "it is well for five seconds and unwell for five, by turns",
            {"fault": "flap"},
            300,
            Cure.RESTART,
            steady=12,
        ),
        Fault("leak", "it keeps more memory each second", {"fault": "leak", "mb": 2}, 120, Cure.END),
        Fault(
            "out-of-memory",
            "it takes memory until its container is ended for it",
            {"fault": "out-of-memory"},
            120,
            Cure.RESTART,
        ),
        Fault("not-ready", "its readiness check says no", {"fault": "not-ready"}, 300, Cure.RESTART),
        Fault("not-live", "its liveness check says no", {"fault": "not-live"}, 300, Cure.RESTART),
    )
}
