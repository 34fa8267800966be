"""What happened to a system after a component was broken, read off the changes that the API server told.

Times are seconds after the fault, at the arrival of the change here: what a person who watches would see.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from alluse_operator.api.names import COMPONENT_LABEL
from alluse_operator.cli.picture import Row, row_of
from alluse_operator.cli.transport import Change
from alluse_operator.core.objects import Object, labels, mapping_at, uid_of
from alluse_operator.core.reading.pods import read_pod

#: Rows of the victim in one of these states say nothing is wrong.
_GOOD: Final = frozenset({"Healthy", "Completed"})


@dataclass(frozen=True, slots=True)
class Sighting:
    """What the status said of a component at a moment."""

    seconds: float
    state: str
    reason: str
    message: str
    action: str = ""
    """Type and reason of the latest action, when it is newer than the fault."""


@dataclass(slots=True)
class Timeline:
    """Filled change by change; see `feed`."""

    victim: str
    began: float
    """`time.monotonic()` at the fault."""
    rows_before: Mapping[str, Mapping[str, Any]]
    """The status' rows by component as they were before the fault."""
    pods_before: Mapping[str, Mapping[str, tuple[int, str]]]
    """Component -> pod uid -> (container restarts, name) as they were before the fault."""
    sightings: list[Sighting] = field(default_factory=list)
    actions: list[Mapping[str, Any]] = field(default_factory=list)
    """Recovery actions on the victim since the fault, as the status told them."""
    acted_on_others: dict[str, str] = field(default_factory=dict)
    """Components other than the victim with a recovery action since the fault: its type."""
    others_lost: dict[str, str] = field(default_factory=dict)
    """Components other than the victim with a pod replaced or restarted: how."""
    causes: list[str] = field(default_factory=list)
    """One-line causes of the system since the fault, each once."""
    unready: float | None = None
    """When the victim's pod was first seen not ready, or gone."""
    ready: float | None = None
    """When a pod of the victim was ready again after that; None while none is."""
    healthy: float | None = None
    """When the status called the victim Healthy again after it was noticed."""
    system_ready: float | None = None
    """When the system was Ready with the victim Healthy again."""
    _ready_pods: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self._ready_pods = set(self.pods_before.get(self.victim, {}))

    def feed(self, change: Change) -> None:
        """One change of the AllUseSystem or of a pod; what came before the fault says nothing."""
        seconds = change.at - self.began
        if seconds < 0:
            return
        if change.obj.get("kind") == "Pod":
            self._pod(change.kind, change.obj, seconds)
        else:
            self._system(change.obj, seconds)

    @property
    def noticed(self) -> Sighting | None:
        """The first word of the status that something is wrong with the victim."""
        return next(
            (seen for seen in self.sightings if seen.state not in _GOOD or seen.action),
            None,
        )

    @property
    def recovered(self) -> float | None:
        """When everything was good again: the pod ready, the status Healthy, the system Ready."""
        if self.healthy is None or self.system_ready is None or self.noticed is None:
            return None
        if self.unready is not None and self.ready is None:
            return None
        return max(self.healthy, self.ready or 0.0)

    def _pod(self, kind: str, obj: Object, seconds: float) -> None:
        component, pod = labels(obj).get(COMPONENT_LABEL, ""), read_pod(obj)
        gone = kind == "DELETED"
        if component != self.victim:
            known = self.pods_before.get(component, {})
            if gone and pod.uid in known:
                self.others_lost[component] = f"pod {pod.name} is gone"
            elif pod.uid in known and pod.restarts > known[pod.uid][0]:
                self.others_lost[component] = f"pod {pod.name} was restarted"
            return
        self._ready_pods.discard(pod.uid)
        if pod.ready and not pod.deleting and not gone:
            self._ready_pods.add(pod.uid)
        if not self._ready_pods:
            self.unready, self.ready = self.unready if self.unready is not None else seconds, None
        elif self.unready is not None and self.ready is None:
            self.ready = seconds

    def _system(self, obj: Object, seconds: float) -> None:
        status = mapping_at(obj, "status")
        rows = {str(raw.get("name")): raw for raw in status.get("components") or ()}
        if (cause := str(status.get("cause") or "")) and cause not in self.causes:
            self.causes.append(cause)
        for name, raw in rows.items():
            if name != self.victim and _acted(raw, self.rows_before.get(name, {})):
                self.acted_on_others[name] = str(raw["lastAction"].get("type", "?"))
        mine = rows.get(self.victim)
        if mine is None:
            return
        row = row_of(mine)
        acted = _acted(mine, self.rows_before.get(self.victim, {}))
        if acted and (not self.actions or self.actions[-1] != row.last_action):
            self.actions.append(dict(row.last_action))
        self._sight(row, seconds, acted)
        if self.noticed is None:
            return
        self.healthy = (self.healthy or seconds) if row.state in _GOOD else None
        conditions = {c.get("type"): c.get("status") for c in status.get("conditions") or ()}
        good = row.state in _GOOD and conditions.get("Ready") == "True"
        self.system_ready = (self.system_ready or seconds) if good else None

    def _sight(self, row: Row, seconds: float, acted: bool) -> None:
        action = f"{row.last_action.get('type')} ({row.last_action.get('reason')})" if acted else ""
        last = self.sightings[-1] if self.sightings else None
        if last is None or (last.state, last.reason, last.action) != (row.state, row.reason, action):
            self.sightings.append(Sighting(seconds, row.state, row.reason, row.message, action))


def pods_of(pods: Iterable[Object]) -> dict[str, dict[str, tuple[int, str]]]:
    """Component -> pod uid -> (container restarts, name), of the pods that live."""
    found: dict[str, dict[str, tuple[int, str]]] = {}
    for raw in pods:
        pod = read_pod(raw)
        if not pod.deleting:
            found.setdefault(pod.component, {})[uid_of(raw)] = (pod.restarts, pod.name)
    return found


def _acted(raw: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Whether the row tells of an action that it did not tell of before."""
    action = raw.get("lastAction")
    return bool(action) and action != before.get("lastAction")
