"""What becomes of alerts: the same one is kept once, the right people are told, and told again of the end.

A `Board` holds the alerts that fire. `take`, `acknowledge` and `resolve` change it at once; `tick` lets time
pass and says which notices are due. Every function gets the time, and the caller persists what changed, so
that nothing here can lose an alert: it is either active, or in `board.ended` for the history.

Who is told when: critical at once, then every five minutes until acknowledged; warning in one group each
thirty seconds, then every hour; info in the log. Nobody is told of an alert that is silenced or explained
by a greater one (inhibited), until that ends; the notice is owed meanwhile. The end of an alert is told
whenever its beginning was. More than sixty beginnings a minute are a storm: one alert stands for all, the
others are told together when it is over, if they still fire.
"""

import hashlib
import json
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from alluse.schemas.alerts import Alert, AlertRequest, AlertState, NoticeKind, Silence
from alluse.schemas.common import Severity

GROUP_WAIT: Final = timedelta(seconds=30)
REPEAT: Final = {Severity.CRITICAL: timedelta(minutes=5), Severity.WARNING: timedelta(hours=1)}
STORM_WINDOW: Final = timedelta(minutes=1)
STORM_LIMIT: Final = 60
#: Evaluations without a finding after which a rule's alert is over.
QUIET_LIMIT: Final = 2
COMPONENT_DOWN: Final = "ComponentDown"
STORM: Final = "AlertStorm"
OWN_SOURCE: Final = "alert-manager"
#: Labels of alerts that are steps of one thing: of the same portfolio the highest step explains the others.
STEP_LABEL: Final = "step"
ALL_LEVELS: Final = frozenset(Severity)
_RANK: Final = {severity: rank for rank, severity in enumerate(Severity)}


class Draft(NamedTuple):
    """A notice that is due."""

    kind: NoticeKind
    severity: Severity
    alerts: list[Alert]


class Told(NamedTuple):
    """A change that other components hear of: `fired`, `acknowledged` or `resolved`."""

    what: str
    alert: Alert


@dataclass(slots=True)
class Board:
    """The present alerts and what has to be written down.

    `farewells` are ended alerts whose end is yet to be told. `changed` (ids), `ended` and `told` collect
    what happened since the caller last took them with `take_changes`.
    """

    alerts: dict[str, Alert] = field(default_factory=dict)
    silences: dict[str, Silence] = field(default_factory=dict)
    farewells: list[Alert] = field(default_factory=list)
    #: When alerts began, within the last minute.
    beginnings: deque[datetime] = field(default_factory=deque)
    group_since: datetime | None = None
    changed: set[str] = field(default_factory=set)
    ended: list[Alert] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)

    def take_changes(self) -> tuple[set[str], list[Alert], list[Told]]:
        """Ids of active alerts that changed or went, alerts that ended, and what others should hear."""
        taken = self.changed, self.ended, self.told
        self.changed, self.ended, self.told = set(), [], []
        return taken

    def put(self, alert: Alert) -> Alert:
        self.alerts[alert.id] = alert
        self.changed.add(alert.id)
        return alert


def fingerprint(source: str, name: str, labels: Mapping[str, str]) -> str:
    """What makes an alert the same alert: 16 hexadecimal digits of a hash of source, name and labels."""
    text = json.dumps([source, name, sorted(labels.items())], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def take(board: Board, request: AlertRequest, now: datetime, rule: str | None = None) -> Alert:
    """Record that an alert fires: a new one, or once more the same one.

    A severity that rises makes an acknowledged alert fire again, because what was acknowledged was less.
    """
    id_ = fingerprint(request.source, request.name, request.labels)
    known = board.alerts.get(id_)
    facts = request.model_dump(exclude={"severity"})
    if known is None:
        alert = Alert(
            id=id_,
            state=AlertState.FIRING,
            severity=request.severity,
            first_seen=now,
            last_seen=now,
            rule=rule,
            owed=True,
            **facts,
        )
        if request.name != STORM:
            board.beginnings.append(now)
        alert = board.put(_muted(board, alert, now))
        board.told.append(Told("fired", alert))
        return alert
    update = {
        **facts,
        "severity": request.severity,
        "last_seen": now,
        "count": known.count + 1,
        "quiet": 0,
        "rule": rule or known.rule,
    }
    if _RANK[request.severity] > _RANK[known.severity]:
        update |= {
            "state": AlertState.FIRING,
            "acknowledged_by": None,
            "acknowledged_at": None,
            "owed": True,
        }
    alert = board.put(known.model_copy(update=update))
    if alert.owed and not known.owed:
        board.told.append(Told("fired", alert))
    return alert


def acknowledge(board: Board, id_: str, by: str, now: datetime) -> Alert | None:
    """Somebody has seen it: no more repeats. None when there is no such active alert."""
    known = board.alerts.get(id_)
    if known is None or known.state is AlertState.ACKNOWLEDGED:
        return known
    alert = known.model_copy(
        update={
            "state": AlertState.ACKNOWLEDGED,
            "acknowledged_by": by,
            "acknowledged_at": now,
            "owed": False,
        }
    )
    board.put(alert)
    board.told.append(Told("acknowledged", alert))
    return alert


def resolve(board: Board, id_: str, by: str, now: datetime) -> Alert | None:
    """It is over. Its end is told if its beginning was, or was about to be. None for no such active alert."""
    known = board.alerts.pop(id_, None)
    if known is None:
        return None
    alert = known.model_copy(
        update={"state": AlertState.RESOLVED, "resolved_by": by, "resolved_at": now, "owed": False}
    )
    if known.announced_at is not None or (known.owed and not _is_muted(known) and not _is_held(known, now)):
        board.farewells.append(alert)
    board.changed.add(id_)
    board.ended.append(alert)
    board.told.append(Told("resolved", alert))
    return alert


def evaluated(board: Board, rule: str, found: Collection[str], now: datetime) -> None:
    """A rule was evaluated and found these alerts (ids); its others are over after two such evaluations."""
    for alert in [alert for alert in board.alerts.values() if alert.rule == rule and alert.id not in found]:
        if alert.quiet + 1 >= QUIET_LIMIT:
            resolve(board, alert.id, "no longer found", now)
        else:
            board.put(alert.model_copy(update={"quiet": alert.quiet + 1}))


def tick(board: Board, now: datetime, levels: Collection[Severity] = ALL_LEVELS) -> list[Draft]:
    """Let time pass: end what expired, open and close a storm, and give the notices that are due.

    `levels` are the severities of which anybody is told; none of them when notices are switched off.
    """
    _expire(board, now)
    storm = _brake(board, now)
    for alert in list(board.alerts.values()):
        muted = _muted(board, alert, now)
        if (muted.silenced_by, muted.inhibited_by) != (alert.silenced_by, alert.inhibited_by):
            board.put(muted)
    # Nobody was told that they began, and nobody wants to hear of such: no need to tell of their end.
    board.farewells = [
        ended for ended in board.farewells if ended.announced_at is not None or ended.severity in levels
    ]
    if not levels:
        return []
    return _notices(board, now, frozenset(levels), storm)


def matches(silence: Silence, alert: Alert) -> bool:
    """Whether every matcher fits the alert's name, source, severity or label."""
    fields = {**alert.labels, "name": alert.name, "source": alert.source, "severity": alert.severity.value}
    return all(
        name in fields and fnmatchcase(fields[name], pattern) for name, pattern in silence.matchers.items()
    )


def _expire(board: Board, now: datetime) -> None:
    for alert in list(board.alerts.values()):
        if alert.expires_s is not None and now - alert.last_seen >= timedelta(seconds=alert.expires_s):
            resolve(board, alert.id, "not seen again", now)
    for silence in [silence for silence in board.silences.values() if silence.until <= now]:
        del board.silences[silence.id]


def _brake(board: Board, now: datetime) -> bool:
    """Whether there is a storm now; fires and ends the alert that stands for all."""
    while board.beginnings and board.beginnings[0] <= now - STORM_WINDOW:
        board.beginnings.popleft()
    count, id_ = len(board.beginnings), fingerprint(OWN_SOURCE, STORM, {})
    if count > STORM_LIMIT:
        take(
            board,
            AlertRequest(
                name=STORM,
                source=OWN_SOURCE,
                severity=Severity.CRITICAL,
                message=f"{count} alerts began within a minute; single notices wait until it is quieter",
                value=float(count),
                threshold=float(STORM_LIMIT),
                recommended_action="Look at GET /v1/alerts for what they have in common.",
            ),
            now,
        )
        return True
    resolve(board, id_, "quieter", now)
    return False


def _muted(board: Board, alert: Alert, now: datetime) -> Alert:
    """The alert with what keeps people from being told of it."""
    silence = next(
        (each.id for each in board.silences.values() if each.until > now and matches(each, alert)), None
    )
    return alert.model_copy(
        update={"silenced_by": silence, "inhibited_by": _explained_by(board.alerts.values(), alert)}
    )


def _explained_by(alerts: Iterable[Alert], alert: Alert) -> str | None:
    """The alert that says it already: the component is down, or the same fall went further."""
    component, portfolio = alert.labels.get("component"), alert.labels.get("portfolio")
    step = alert.labels.get(STEP_LABEL, "")
    for other in alerts:
        if other.id == alert.id:
            continue
        if (
            component is not None
            and other.name == COMPONENT_DOWN
            and alert.name != COMPONENT_DOWN
            and other.labels.get("component") == component
        ):
            return other.id
        if (
            step
            and other.labels.get("portfolio") == portfolio
            and (further := other.labels.get(STEP_LABEL, "")).isdecimal()
            and step.isdecimal()
            and int(further) > int(step)
        ):
            return other.id
    return None


def _is_muted(alert: Alert) -> bool:
    return alert.silenced_by is not None or alert.inhibited_by is not None


def _is_held(alert: Alert, now: datetime) -> bool:
    return now - alert.first_seen < timedelta(seconds=alert.hold_s)


def _notices(board: Board, now: datetime, levels: frozenset[Severity], storm: bool) -> list[Draft]:
    open_ = [
        alert
        for alert in board.alerts.values()
        if alert.severity in levels and not _is_muted(alert) and not _is_held(alert, now)
    ]
    owed = [alert for alert in open_ if alert.owed and (not storm or alert.name == STORM)]
    first = [alert for alert in owed if alert.severity is Severity.CRITICAL]
    infos = [alert for alert in owed if alert.severity is Severity.INFO]
    warnings = [alert for alert in owed if alert.severity is Severity.WARNING]
    grouped = [ended for ended in board.farewells if storm or ended.severity is Severity.WARNING]
    last = [ended for ended in board.farewells if ended not in grouped]
    drafts = []
    if told := first + [ended for ended in last if ended.severity is Severity.CRITICAL]:
        drafts.append(Draft(NoticeKind.ALERTS, Severity.CRITICAL, told))
    if told := infos + [ended for ended in last if ended.severity is Severity.INFO]:
        drafts.append(Draft(NoticeKind.ALERTS, Severity.INFO, told))
    board.farewells = grouped
    if warnings or grouped:
        board.group_since = board.group_since or now
        if now - board.group_since >= GROUP_WAIT:
            group = warnings + grouped
            drafts.append(Draft(NoticeKind.ALERTS, _highest(group), group))
            board.farewells, board.group_since = [], None
    else:
        board.group_since = None
    for severity, interval in REPEAT.items():
        again = [
            alert
            for alert in open_
            if alert.severity is severity
            and alert.state is AlertState.FIRING
            and alert.announced_at is not None
            and not alert.owed
            and not storm
            and now - alert.announced_at >= interval
        ]
        if again:
            drafts.append(Draft(NoticeKind.REPEAT, severity, again))
    for draft in drafts:
        for alert in draft.alerts:
            if alert.active:
                board.put(alert.model_copy(update={"owed": False, "announced_at": now}))
    return drafts


def _highest(alerts: Iterable[Alert]) -> Severity:
    return max((alert.severity for alert in alerts), key=_RANK.__getitem__)
