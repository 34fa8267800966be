"""The trading gate: nothing new is recommended while one of those who guard the capital cannot be relied on.

Each required component is known to be good up to a moment. The gate is closed as soon as that moment is
longer ago than the limit, for any of them, whether the component says that it is unhealthy, does not answer,
or nobody has looked: so it also closes when whoever looks has died. It is closed until all were seen good
once, and open again the moment all are. Moments are seconds of one steady clock that the caller reads.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from alluse.schemas.agent import GateReading as Reading


@dataclass(frozen=True, slots=True)
class Guardian:
    """What is known of one required component."""

    #: It was good then; None when it never was.
    good_at: float | None = None
    seen_at: float | None = None
    reading: Reading = Reading.UNKNOWN
    detail: str = "not looked at yet"
    #: First reading after the last good one; None while the last one is good.
    bad_since: float | None = None

    def seen(self, reading: Reading, detail: str, at: float) -> "Guardian":
        """The same after a reading begun `at`; one that is older than the last changes nothing."""
        if self.seen_at is not None and at < self.seen_at:
            return self
        if reading is Reading.GOOD:
            return Guardian(at, at, reading, detail, None)
        since = at if self.bad_since is None else self.bad_since
        return replace(self, seen_at=at, reading=reading, detail=detail, bad_since=since)


@dataclass(frozen=True, slots=True)
class Blocker:
    """A component that keeps the gate closed, since when it has not been good, and what was found."""

    component: str
    since: float
    reading: Reading
    detail: str


@dataclass(frozen=True, slots=True)
class Gate:
    """All that is known, and whether the gate was open when it was last settled."""

    limit_s: float
    started: float
    guardians: Mapping[str, Guardian]
    open: bool = False
    #: When `open` last changed.
    changed_at: float = 0.0

    @classmethod
    def new(cls, components: Iterable[str], limit_s: float, now: float) -> "Gate":
        """A closed gate of which nothing is known."""
        return cls(limit_s, now, {name: Guardian() for name in components}, changed_at=now)

    def seen(self, component: str, reading: Reading, detail: str, at: float) -> "Gate":
        """The gate after a look at a component; one that it does not require changes nothing."""
        if component not in self.guardians:
            return self
        guardian = self.guardians[component].seen(reading, detail, at)
        return replace(self, guardians={**self.guardians, component: guardian})

    def blockers(self, now: float) -> tuple[Blocker, ...]:
        """Who keeps it closed now; none means that it is open."""
        found = []
        for name, each in self.guardians.items():
            if each.good_at is not None and now - each.good_at <= self.limit_s:
                continue
            stale = each.reading is Reading.GOOD
            since = each.good_at if stale else each.bad_since
            found.append(
                Blocker(
                    name,
                    self.started if since is None else since,
                    Reading.UNKNOWN if stale else each.reading,
                    "not looked at for too long" if stale else each.detail,
                )
            )
        return tuple(found)

    def settled(self, now: float) -> "Gate":
        """The gate with `open` as it is now; `changed_at` moves only when that has changed."""
        is_open = not self.blockers(now)
        return self if is_open is self.open else replace(self, open=is_open, changed_at=now)

    def closes_at(self) -> float | None:
        """When it closes if nothing is seen any more; None when it is closed already or never opens."""
        moments = [each.good_at for each in self.guardians.values()]
        known = [moment for moment in moments if moment is not None]
        return min(known) + self.limit_s if known and len(known) == len(moments) else None
