"""What is wrong in a system now, as far as people should be told: one trouble for each root.

Read from a plan: the roots and symptoms are those of the diagnosis, nothing is guessed anew here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from alluse_operator.api.conditions import ComponentReason, ConditionType
from alluse_operator.api.spec import AlertSeverity, Criticality
from alluse_operator.api.status import AlertStatus, ComponentState, ConditionStatus, InterlockState
from alluse_operator.core.causes import INFRASTRUCTURE, node_cause
from alluse_operator.core.diagnosis import SICK
from alluse_operator.core.gate import WELL
from alluse_operator.core.notices import AlertName, Situation, Trouble
from alluse_operator.core.observed import PreviousStatus
from alluse_operator.core.plan import ComponentPlan, Mode, Plan
from alluse_operator.core.verdicts import InterlockView

#: A component that works, but less well than it should, is told of after so long.
DEGRADED_FOR = timedelta(seconds=60)

_SEVERITY = {
    Criticality.CRITICAL: AlertSeverity.CRITICAL,
    Criticality.IMPORTANT: AlertSeverity.WARNING,
    Criticality.OPTIONAL: AlertSeverity.INFO,
}
#: Of something that works: a step less.
_MILD = {
    Criticality.CRITICAL: AlertSeverity.WARNING,
    Criticality.IMPORTANT: AlertSeverity.INFO,
    Criticality.OPTIONAL: AlertSeverity.INFO,
}
_ORDER = (AlertSeverity.INFO, AlertSeverity.WARNING, AlertSeverity.CRITICAL)
#: Blocked by something that no dependency explains.
_OWN_BLOCKS = frozenset(
    {ComponentReason.NAME_CONFLICT, ComponentReason.APPLY_REFUSED, ComponentReason.STORAGE_IMMUTABLE}
)
#: Degraded because of something that the component does not have from others.
_OWN_DEGRADATIONS = frozenset(
    {
        ComponentReason.SLOW,
        ComponentReason.NOT_IN_SERVICE,
        ComponentReason.REPLICAS_MISSING,
        ComponentReason.ROLLED_BACK,
    }
)
_NODE_PREFIX = node_cause("")


def find(
    plan: Plan,
    components: Mapping[str, ComponentPlan],
    before: PreviousStatus,
    known: Iterable[AlertStatus],
    now: datetime,
) -> Situation:
    """The trouble of one pass. `components`: the plan's, after its actions; `known`: the alerts so far."""
    match plan.mode:
        case Mode.RUN:
            return _Search(plan, components, before, known, now).find()
        case Mode.UNTRUSTED:
            return Situation(troubles=(_blind(components, now),), frozen=True)
        case Mode.INVALID:
            # Nobody can say what should run: what was said of that stands.
            return Situation(troubles=(_senseless(plan, before, now),), frozen=True)
        case _:
            return Situation()


class _Search:
    """The trouble of an ordinary pass."""

    def __init__(
        self,
        plan: Plan,
        components: Mapping[str, ComponentPlan],
        before: PreviousStatus,
        known: Iterable[AlertStatus],
        now: datetime,
    ) -> None:
        self._plan = plan
        self._inhibit = plan.system is None or plan.system.alerts.inhibit
        self._components = {name: found for name, found in components.items() if not found.removed}
        self._was_ready = before.ready_at is not None
        self._known = frozenset(row.subject for row in known if row.name == AlertName.COMPONENT_NOT_WELL)
        self._now = now
        self._recheck: list[datetime] = []

    def find(self) -> Situation:
        sick = {name: found.causes for name, found in self._components.items() if _is_sick(found)}
        affected = self._affected(sick)
        symptoms = {name: causes for name, causes in sick.items() if causes and name not in affected}
        troubles = [self._trouble(root, names) for root, names in affected.items()]
        mild = self._mild(troubles)
        locks, troubles = self._interlocks(troubles, symptoms)
        named = {*affected, *symptoms, *(trouble.subject for trouble in mild)}
        return Situation(
            troubles=(*troubles, *mild, *locks),
            symptoms=symptoms,
            unsettled=frozenset(
                name
                for name, found in self._components.items()
                if name not in named and self._is_unsettled(found)
            ),
            recheck_at=min(self._recheck, default=None),
        )

    def _affected(self, sick: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
        """Of what people are told, each with those that suffer from it: the roots of all that is sick, and
        without inhibition what is sick by itself, too."""
        affected: dict[str, list[str]] = {}
        for name, causes in sick.items():
            for root in causes or (name,):
                sufferers = affected.setdefault(root, [])
                if root != name:
                    sufferers.append(name)
            if causes and not self._inhibit:
                affected.setdefault(name, [])
        return affected

    def _trouble(self, root: str, affects: list[str]) -> Trouble:
        worst = self._worst([root, *affects])
        names = tuple(affects) if self._inhibit else ()
        found = self._components.get(root)
        if found is not None:
            return Trouble(
                name=AlertName.COMPONENT_NOT_WELL,
                subject=root,
                severity=worst if self._inhibit else _SEVERITY[found.criticality],
                message=_words(found),
                since=found.assessment.since,
                affects=names,
                exhausted=found.recovery.exhausted,
            )
        since = min((self._components[name].assessment.since for name in affects), default=self._now)
        if root == INFRASTRUCTURE:
            suspension = self._plan.suspension
            return Trouble(
                name=AlertName.INFRASTRUCTURE_TROUBLE,
                subject="",
                severity=worst,
                message=suspension.message if suspension is not None else "the trouble comes from outside",
                since=suspension.since if suspension is not None else since,
                affects=names,
            )
        node = root.removeprefix(_NODE_PREFIX)
        return Trouble(
            name=AlertName.NODE_NOT_READY,
            subject=node,
            severity=worst,
            message=f"node {node} is not ready or gone; on it: {', '.join(affects)}",
            since=since,
            affects=names,
        )

    def _worst(self, names: Iterable[str]) -> AlertSeverity:
        found = (_SEVERITY[self._components[name].criticality] for name in names if name in self._components)
        return max(found, key=_ORDER.index, default=AlertSeverity.WARNING)

    # -- what works, but not well ----------------------------------------------------------------------

    def _mild(self, worse: list[Trouble]) -> list[Trouble]:
        """Components that have been degraded for long. One that only says so itself may miss another: while
        anything is worse, that is taken to be the reason."""
        found = []
        for name, plan in self._components.items():
            assessment = plan.assessment
            if assessment.state is not ComponentState.DEGRADED or not _degraded_by_itself(plan, bool(worse)):
                continue
            if (due := assessment.since + DEGRADED_FOR) > self._now:
                self._recheck.append(due)
                continue
            found.append(
                Trouble(
                    name=AlertName.COMPONENT_NOT_WELL,
                    subject=name,
                    severity=_MILD[plan.criticality],
                    message=_words(plan),
                    since=assessment.since,
                )
            )
        return found

    def _is_unsettled(self, plan: ComponentPlan) -> bool:
        """Neither in trouble nor certainly well."""
        if plan.assessment.state is ComponentState.DEGRADED:
            return True
        return plan.assessment.state not in WELL

    # -- interlocks ------------------------------------------------------------------------------------

    def _interlocks(
        self, troubles: list[Trouble], symptoms: Mapping[str, tuple[str, ...]]
    ) -> tuple[list[Trouble], list[Trouble]]:
        """Closed interlocks that nothing explains, and the other troubles with what they close.

        Before the system was first ready its interlocks are closed because nothing runs yet: no trouble.
        """
        alone: list[Trouble] = []
        if not self._was_ready or self._plan.system is None:
            return alone, troubles
        closed = {lock.name: lock for lock in self._plan.interlocks if lock.state is InterlockState.CLOSED}
        by_cause = {_cause_of(trouble): trouble for trouble in troubles}
        for lock in self._plan.system.interlocks:
            if lock.name not in closed:
                continue
            roots = {
                root for name in lock.requires for root in (symptoms.get(name) or (name,))
            } & by_cause.keys()
            if self._inhibit and roots:
                for root in roots:
                    by_cause[root] = _closing(by_cause[root], lock.name)
            elif not (self._inhibit and self._known & set(lock.requires)):
                alone.append(_lock_trouble(closed[lock.name]))
        return alone, list(by_cause.values())


def _is_sick(plan: ComponentPlan) -> bool:
    state = plan.assessment.state
    return state in SICK or (state is ComponentState.BLOCKED and plan.assessment.reason in _OWN_BLOCKS)


def _degraded_by_itself(plan: ComponentPlan, something_is_worse: bool) -> bool:
    reason = plan.assessment.reason
    if reason == ComponentReason.REPORTS_DEGRADED:
        return not something_is_worse
    return reason in _OWN_DEGRADATIONS


def _words(plan: ComponentPlan) -> str:
    assessment = plan.assessment
    message = f": {assessment.message}" if assessment.message else ""
    return f"{plan.name} {assessment.state} ({assessment.reason}{message})"


def _cause_of(trouble: Trouble) -> str:
    """As `causedBy` names it."""
    match trouble.name:
        case AlertName.INFRASTRUCTURE_TROUBLE:
            return INFRASTRUCTURE
        case AlertName.NODE_NOT_READY:
            return node_cause(trouble.subject)
        case _:
            return trouble.subject


def _closing(trouble: Trouble, lock: str) -> Trouble:
    return Trouble(
        name=trouble.name,
        subject=trouble.subject,
        severity=AlertSeverity.CRITICAL,
        message=f"{trouble.message}; closes {lock}",
        since=trouble.since,
        affects=trouble.affects,
        exhausted=trouble.exhausted,
    )


def _lock_trouble(lock: InterlockView) -> Trouble:
    return Trouble(
        name=AlertName.INTERLOCK_CLOSED,
        subject=lock.name,
        severity=AlertSeverity.CRITICAL,
        message=f"interlock {lock.name} is closed: {lock.message}",
        since=lock.since,
    )


def _blind(components: Mapping[str, ComponentPlan], now: datetime) -> Trouble:
    """What is known of the cluster is too old: the trouble is the API server's, or the way to it."""
    since = min((found.assessment.since for found in components.values()), default=now)
    severities = (_SEVERITY[found.criticality] for found in components.values())
    return Trouble(
        name=AlertName.INFRASTRUCTURE_TROUBLE,
        subject="",
        severity=max(severities, key=_ORDER.index, default=AlertSeverity.WARNING),
        message="what is known of the cluster is too old; nothing is done meanwhile",
        since=since,
    )


def _senseless(plan: Plan, before: PreviousStatus, now: datetime) -> Trouble:
    """What runs runs on, so it is not the worst; but what somebody wanted does not happen."""
    known = before.conditions.get(ConditionType.SPEC_VALID)
    lasts = known is not None and known.status is ConditionStatus.FALSE
    return Trouble(
        name=AlertName.SPEC_INVALID,
        subject="",
        severity=AlertSeverity.WARNING,
        message=f"the spec is invalid, nothing is changed: {'; '.join(map(str, plan.spec_errors))}",
        since=min(known.last_transition_time, now) if known is not None and lasts else now,
    )
