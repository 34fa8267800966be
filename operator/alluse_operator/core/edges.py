"""The edges at run time: what a component does while one that it requires is unwell.

The start gate asks before a start; these rules speak later, when the dependency has been unwell for longer
than the edge's grace. Hold and Ignore ask for nothing here (see `diagnosis`). Isolate and Stop are states
that are wanted until the dependency is well again; which of them holds already is read from the objects, so
that they outlast every operator. Restart is a debt: it is put on record while the dependency is unwell, and
paid once, after it has recovered, by one write that takes it off the record and begins the rollout.

Not to know does nothing: what is isolated or stopped stays so, and nothing else is touched.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from alluse_operator.api.names import APPLIED_ANNOTATION, ISOLATED_LABEL, object_name
from alluse_operator.api.spec import ComponentType, OnUnhealthy
from alluse_operator.api.status import ComponentState
from alluse_operator.core.desired import Component, Dependency, System
from alluse_operator.core.gate import WELL, has_recovered
from alluse_operator.core.history import Debt
from alluse_operator.core.losses import unwell_since
from alluse_operator.core.objects import ComponentObjects, Object, Ref, annotations, mapping_at, metadata
from alluse_operator.core.observed import Snapshot
from alluse_operator.core.sight import Sight
from alluse_operator.core.verdicts import Assessment

#: It had started and does not do its work. What starts, waits or is not known has not failed.
_UNWELL = frozenset(
    {ComponentState.UNHEALTHY, ComponentState.RECOVERING, ComponentState.FAILED, ComponentState.STOPPED}
)
_STOPPED = ".stopped"
_ISOLATED = ".isolated"


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What the edges ask for at one moment; each with the dependencies that are the reason."""

    isolate: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    stop: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    stopped: frozenset[str] = frozenset()
    """Components that are scaled to nothing now, wanted or not."""
    owed: Mapping[str, tuple[Debt, ...]] = field(default_factory=dict)
    """Restarts that are owed, for components to which any is; what the spec asks for no more is left out."""
    recheck_at: datetime | None = None
    """When the next grace is over."""


def judge(
    system: System,
    sights: Mapping[str, Sight],
    assessments: Mapping[str, Assessment],
    snapshot: Snapshot,
    now: datetime,
) -> Verdicts:
    """What each edge of the system asks for."""
    return _Judge(system, sights, assessments, snapshot, now).verdicts()


class _Judge:
    def __init__(
        self,
        system: System,
        sights: Mapping[str, Sight],
        assessments: Mapping[str, Assessment],
        snapshot: Snapshot,
        now: datetime,
    ) -> None:
        self.system = system
        self.sights = sights
        self.assessments = assessments
        self.snapshot = snapshot
        self.now = now
        self.moments: list[datetime] = []

    def verdicts(self) -> Verdicts:
        isolate: dict[str, tuple[str, ...]] = {}
        stop: dict[str, tuple[str, ...]] = {}
        owed: dict[str, tuple[Debt, ...]] = {}
        stopped = {name for name, sight in self.sights.items() if is_stopped(sight, self.snapshot)}
        for name, component in self.system.components.items():
            if not self._can_be_asked(component):
                continue
            if is_isolated(name, self.system, self.snapshot):
                asked = (e for e in _edges(component, OnUnhealthy.ISOLATE) if not self._well(e))
            else:
                asked = (e for e in _edges(component, OnUnhealthy.ISOLATE) if self._past_grace(e))
            if found := tuple(edge.name for edge in asked):
                isolate[name] = found
            # In start order: whoever stands on what is to be stopped comes after it.
            if found := tuple(
                edge.name
                for edge in _edges(component, OnUnhealthy.STOP)
                if edge.name in stop or self._past_grace(edge)
            ):
                stop[name] = found
            if debts := tuple(self._debts(component)):
                owed[name] = debts
        return Verdicts(isolate, stop, frozenset(stopped), owed, min(self.moments, default=None))

    def _can_be_asked(self, component: Component) -> bool:
        workload = self.sights[component.name].workload
        return (
            component.managed
            and component.kind is ComponentType.SERVICE
            and workload is not None
            and not workload.deleting
        )

    def _well(self, edge: Dependency) -> bool:
        return self.assessments[edge.name].state in WELL

    def _past_grace(self, edge: Dependency) -> bool:
        found = self.assessments[edge.name]
        if found.state not in _UNWELL:
            return False
        over = self._lost_at(edge) + edge.grace
        if self.now < over:
            self.moments.append(over)
        return self.now >= over

    def _lost_at(self, edge: Dependency) -> datetime:
        return unwell_since(
            self.snapshot.resource.status.components.get(edge.name), self.assessments[edge.name]
        )

    def _debts(self, component: Component) -> Iterator[Debt]:
        known = {debt.dependency: debt for debt in self.sights[component.name].debts}
        for edge in _edges(component, OnUnhealthy.RESTART):
            if edge.name in known:
                yield known[edge.name]
            elif self._past_grace(edge):
                yield Debt(edge.name, self._lost_at(edge))


def is_stopped(sight: Sight, snapshot: Snapshot) -> bool:
    """Whether the component was scaled to nothing for the sake of an edge."""
    live = snapshot.objects.get(sight.workload.ref, {}) if sight.workload is not None else {}
    return annotations(live).get(APPLIED_ANNOTATION, "").endswith(_STOPPED)


def is_isolated(name: str, system: System, snapshot: Snapshot) -> bool:
    """Whether the component was taken out of its Service for the sake of an edge."""
    service = snapshot.objects.get(Ref("Service", object_name(system.name, name)), {})
    return ISOLATED_LABEL in mapping_at(service, "spec", "selector")


def may_stop(name: str, verdicts: Verdicts, system: System, sights: Mapping[str, Sight]) -> bool:
    """Whether those that stand on the component and are to be stopped, too, are down: reverse order."""
    return not any(
        name in system.components[other].dependency_names() and _runs(sights[other])
        for other in verdicts.stop
        if other != name
    )


def is_due(name: str, verdicts: Verdicts, system: System, assessments: Mapping[str, Assessment]) -> bool:
    """Whether the restarts that are owed to the component can be paid: what it stands on is well, what it is
    owed for is healthy, and nothing below it is owed a restart itself (graph order)."""
    below = [edge.name for edge in system.components[name].dependencies if edge.required]
    owed_for = [debt.dependency for debt in verdicts.owed[name]]
    return (
        all(assessments[other].state in WELL for other in below)
        and all(has_recovered(assessments[other]) for other in owed_for)
        and not any(other in verdicts.owed for other in below)
    )


def as_stopped(workload: Object) -> Object:
    """The wanted workload with no pods; its seal tells that this is our own wish."""
    marked = _marked(workload, _STOPPED)
    return {**marked, "spec": {**workload["spec"], "replicas": 0}}


def as_isolated(objects: ComponentObjects) -> ComponentObjects:
    """The wanted objects, with a Service that leads to no pod."""
    return replace(objects, supporting=tuple(_lead_nowhere(objects.supporting)))


def _lead_nowhere(supporting: Iterable[Object]) -> Iterator[Object]:
    for obj in supporting:
        if obj["kind"] != "Service":
            yield obj
            continue
        selector = {**obj["spec"]["selector"], ISOLATED_LABEL: "true"}
        yield {**_marked(obj, _ISOLATED), "spec": {**obj["spec"], "selector": selector}}


def _marked(obj: Object, mark: str) -> dict[str, object]:
    notes = annotations(obj)
    sealed = {**notes, APPLIED_ANNOTATION: notes.get(APPLIED_ANNOTATION, "") + mark}
    return {**obj, "metadata": {**metadata(obj), "annotations": sealed}}


def _edges(component: Component, kind: OnUnhealthy) -> tuple[Dependency, ...]:
    return tuple(e for e in component.dependencies if e.required and e.on_unhealthy is kind)


def _runs(sight: Sight) -> bool:
    return any(pod.phase not in ("Failed", "Succeeded") for pod in sight.pods)
