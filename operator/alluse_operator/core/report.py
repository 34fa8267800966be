"""What to say: the status, the Events and the facts for metrics of one pass.

All of it can be computed again from the cluster. A pass that changes nothing says nothing: `Report.status` is
None and there are no events.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from alluse_operator.api.status import ComponentState, SystemState
from alluse_operator.core.events import Event


@dataclass(frozen=True, slots=True)
class Facts:
    """Numbers for metrics; no content of the resource but names."""

    state: SystemState | None = None
    components: Mapping[str, ComponentState] = field(default_factory=dict)
    start_seconds: Mapping[str, int] = field(default_factory=dict)
    """Only of components that became healthy for the first time in this pass."""
    ready_seconds: int | None = None
    """Set in the one pass in which the system first became ready."""
    recoveries: tuple[tuple[str, str], ...] = ()
    """(component, reason) of each recovery action carried out in this pass."""
    exhausted: tuple[str, ...] = ()
    corrected: int = 0
    """Objects restored in this pass because somebody had changed or deleted them."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a pass has to say."""

    status: Mapping[str, Any] | None
    """The whole new status as JSON, for one server-side apply; None: it says nothing new, write nothing."""
    progress_only: bool
    """Only counts, messages or times differ, no state and no condition: may be coalesced."""
    events: tuple[Event, ...]
    facts: Facts
