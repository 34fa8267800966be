"""Keeps the journal of one operator process: notes what is worth it, and counts."""

from __future__ import annotations

from datetime import datetime

from alluse_operator.cluster.mirror import Key
from alluse_operator.core import journal
from alluse_operator.core.desired import Defaults
from alluse_operator.core.journal import Before, Ring
from alluse_operator.core.observation import Observation
from alluse_operator.core.plan import Plan
from alluse_operator.metrics import Metrics


class Journal:
    """The latest decisions of this process, whether it leads now or has led."""

    def __init__(self, *, metrics: Metrics, version: str, ring: Ring | None = None) -> None:
        self._metrics = metrics
        self._version = version
        self._number = 0
        self._before: dict[Key, Before] = {}
        self.ring = ring or Ring()

    def note(self, key: Key, given: Observation, defaults: Defaults, plan: Plan, now: datetime) -> None:
        """Take the decision of a pass, which was made at `now`."""
        why = journal.reasons(plan, self._before.get(key, Before()))
        self._before[key] = Before(plan.mode, journal.troubles(plan))
        if not why:
            return
        self._number += 1
        record = journal.make_record(self._number, why, given, defaults, plan, now, self._version)
        self.ring.add(record)
        self._metrics.journal_records.set(len(self.ring))
        self._metrics.journal_bytes.set(self.ring.size)

    def forget(self, key: Key) -> None:
        """The system is gone; what was decided about it stays to be read."""
        self._before.pop(key, None)
