"""Trouble, alerts and notices as values: what is wrong, what is told of it, and what became of that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from alluse_operator.api.spec import AlertSeverity
from alluse_operator.api.status import AlertStatus

#: Built into every operator; `EVENT_SINK` stands in for sinks that are not set up.
EVENT_SINK = "event"
LOG_SINK = "log"
#: What goes to these alone counts as told with the status that says so: they never refuse, and a write to
#: record it would tell no more.
BUILT_IN_SINKS = frozenset({EVENT_SINK, LOG_SINK})


class AlertName(StrEnum):
    """What kind of trouble an alert is about. Never renamed within a version."""

    #: A component is not well, and no other component is the reason.
    COMPONENT_NOT_WELL = "ComponentNotWell"
    #: A node that components run on is not ready or gone.
    NODE_NOT_READY = "NodeNotReady"
    #: So much is wrong at once that the ground is taken to be the reason; nothing is restarted.
    INFRASTRUCTURE_TROUBLE = "InfrastructureTrouble"
    #: An interlock is closed and no component explains it.
    INTERLOCK_CLOSED = "InterlockClosed"
    #: The spec makes no sense: nothing is changed until it does.
    SPEC_INVALID = "SpecInvalid"


class NoticeKind(StrEnum):
    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong now and that people should know of, symptoms left out."""

    name: AlertName
    subject: str
    """The component, node or interlock; empty for the system as a whole."""
    severity: AlertSeverity
    message: str
    since: datetime
    affects: tuple[str, ...] = ()
    exhausted: bool = False
    """Recovery has given up for the time being."""


@dataclass(frozen=True, slots=True)
class Situation:
    """All that is wrong in one system now, and of what nothing can be said."""

    troubles: tuple[Trouble, ...] = ()
    symptoms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Components that are not well, but because of these roots, of which people are told instead."""
    unsettled: frozenset[str] = frozenset()
    """Components neither well nor in trouble: they start, stop, or nothing is known of them."""
    frozen: bool = False
    """Nothing is known of anything: no alert begins or ends, but for the `troubles` given."""
    recheck_at: datetime | None = None
    """When time alone makes trouble of something."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What the sinks are to be told of one alert."""

    key: str
    """The same notice has the same key, whoever gives it: receivers can drop repetitions by it."""
    fingerprint: str
    name: str
    subject: str
    kind: NoticeKind
    severity: AlertSeverity
    message: str
    since: datetime
    made_at: datetime
    sinks: tuple[str, ...]
    affects: tuple[str, ...] = ()
    exhausted: bool = False
    resolved_at: datetime | None = None
    repeat: timedelta = timedelta(hours=4)
    """How often it is told while it lasts."""
    told_severity: AlertSeverity | None = None
    """What the latest notice before this one said; None: this is the first."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a notice: every sink has taken it or given it up."""

    notice: Notice
    taken: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outbox:
    """What is known of notices that were handed out by this process."""

    sinks: frozenset[str] = frozenset({EVENT_SINK, LOG_SINK})
    """Names that are set up."""
    sending: frozenset[str] = frozenset()
    """Keys of notices on their way."""
    done: Mapping[str, Delivery] = field(default_factory=dict)
    """By key."""


@dataclass(frozen=True, slots=True)
class Alerts:
    """The new state of a system's alerts and what follows from it."""

    rows: tuple[AlertStatus, ...] = ()
    notices: tuple[Notice, ...] = ()
    """To be handed out once `rows` are stored."""
    unknown_sinks: tuple[str, ...] = ()
    """Named in the routes, not set up: `event` stands in for them."""
    recheck_at: datetime | None = None
    """When time alone makes a notice owed; later than now."""
