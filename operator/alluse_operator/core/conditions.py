"""The conditions of a system, computed from its components; see `api.conditions` for when each is what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from alluse_operator.api.conditions import ComponentReason, ConditionType, Reason
from alluse_operator.api.spec import Criticality
from alluse_operator.api.status import ComponentState, Condition, ConditionStatus, format_time
from alluse_operator.core import startup, words
from alluse_operator.core.gate import WELL
from alluse_operator.core.observed import Snapshot
from alluse_operator.core.plan import ComponentPlan, Mode, Plan
from alluse_operator.core.rows import shorten
from alluse_operator.core.verdicts import Suspension

_TRUE, _FALSE, _UNKNOWN = ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN

#: Something that had started does not do its work, or not all of it.
_SICK = frozenset(
    {
        ComponentState.UNHEALTHY,
        ComponentState.DEGRADED,
        ComponentState.FAILED,
        ComponentState.RECOVERING,
        ComponentState.STOPPED,
    }
)
#: Of a component that counts: it is broken rather than on its way.
_BROKEN = frozenset(
    {
        ComponentState.UNHEALTHY,
        ComponentState.DEGRADED,
        ComponentState.FAILED,
        ComponentState.BLOCKED,
        ComponentState.STOPPED,
    }
)
_SETTLED = frozenset({ComponentState.HEALTHY, ComponentState.COMPLETED, ComponentState.DEGRADED})


class Verdict(NamedTuple):
    """A condition before it gets its times."""

    type: ConditionType
    status: ConditionStatus
    reason: Reason
    message: str = ""


def conditions(
    plan: Plan, components: Mapping[str, ComponentPlan], snapshot: Snapshot, now: datetime
) -> tuple[Condition, ...]:
    """All conditions, with `lastTransitionTime` kept where the status did not change."""
    match plan.mode:
        case Mode.INVALID:
            verdicts = _invalid(plan, snapshot)
        case Mode.UNTRUSTED:
            verdicts = _untrusted(snapshot)
        case Mode.TEARDOWN | Mode.GONE:
            verdicts = _terminating(plan, snapshot)
        case Mode.RUN:
            verdicts = _running(plan, components, snapshot, now)
    return tuple(_timed(verdict, snapshot, now) for verdict in verdicts)


def _running(
    plan: Plan, components: Mapping[str, ComponentPlan], snapshot: Snapshot, now: datetime
) -> Sequence[Verdict]:
    wanted = [component for component in components.values() if not component.removed]
    ready = _ready(wanted, components, snapshot, plan.suspension)
    stalled = _stalled(plan, wanted, snapshot, now, is_ready=ready.status is _TRUE)
    moving = any(_moves(component) for component in components.values())
    found = [
        ready,
        _available(wanted),
        _degraded(wanted),
        Verdict(ConditionType.SPEC_VALID, _TRUE, Reason.SPEC_ACCEPTED, "the spec is valid"),
    ]
    if plan.suspension is not None:
        found.append(
            Verdict(ConditionType.RECOVERY_SUSPENDED, _TRUE, plan.suspension.reason, plan.suspension.message)
        )
    # Never both: readers of kstatus take whichever they meet first.
    if stalled is not None:
        found.append(stalled)
    elif moving:
        found.append(
            Verdict(
                ConditionType.RECONCILING,
                _TRUE,
                ready.reason if ready.status is _UNKNOWN else Reason.RECOVERING,
                words.summary(components),
            )
        )
    return found


def _ready(
    wanted: Iterable[ComponentPlan],
    components: Mapping[str, ComponentPlan],
    snapshot: Snapshot,
    suspension: Suspension | None,
) -> Verdict:
    counting = [component for component in wanted if component.criticality is not Criticality.OPTIONAL]
    missing = [component for component in counting if not component.done]
    message = words.summary(components)
    if not missing:
        return Verdict(ConditionType.READY, _TRUE, Reason.ALL_COMPONENTS_READY, message)
    has_been = snapshot.resource.status.ready_at is not None
    broken = any(component.assessment.state in _BROKEN for component in missing)
    cause = words.cause(components, suspension) if broken else None
    if has_been and broken:
        return Verdict(ConditionType.READY, _FALSE, Reason.COMPONENTS_NOT_READY, cause or message)
    if not has_been:
        reason = Reason.STARTING
    elif any(component.assessment.state is ComponentState.RECOVERING for component in missing):
        reason = Reason.RECOVERING
    else:
        reason = Reason.UPDATING
    return Verdict(ConditionType.READY, _UNKNOWN, reason, f"{message}: {cause}" if cause else message)


def _available(wanted: Iterable[ComponentPlan]) -> Verdict:
    missing = [
        component.name
        for component in wanted
        if component.criticality is Criticality.CRITICAL
        and component.assessment.state not in WELL
        and not (component.assessment.serving and component.assessment.state is not ComponentState.UNHEALTHY)
    ]
    if missing:
        return Verdict(
            ConditionType.AVAILABLE,
            _FALSE,
            Reason.CRITICAL_COMPONENTS_UNAVAILABLE,
            f"critical components that do not work: {', '.join(missing)}",
        )
    return Verdict(
        ConditionType.AVAILABLE,
        _TRUE,
        Reason.CRITICAL_COMPONENTS_AVAILABLE,
        "all critical components work",
    )


def _degraded(wanted: Iterable[ComponentPlan]) -> Verdict:
    sick = [component for component in wanted if component.assessment.state in _SICK]
    if not sick:
        return Verdict(
            ConditionType.DEGRADED, _FALSE, Reason.NO_COMPONENT_DEGRADED, "no component is degraded"
        )
    listed = ", ".join(
        f"{component.name} {component.assessment.state} ({component.assessment.reason})" for component in sick
    )
    return Verdict(ConditionType.DEGRADED, _TRUE, Reason.COMPONENTS_DEGRADED, listed)


def _stalled(
    plan: Plan,
    wanted: Sequence[ComponentPlan],
    snapshot: Snapshot,
    now: datetime,
    *,
    is_ready: bool,
) -> Verdict | None:
    def named(reason: Reason, found: Sequence[ComponentPlan]) -> Verdict:
        listed = "; ".join(f"{component.name}: {component.assessment.message}" for component in found)
        return Verdict(ConditionType.STALLED, _TRUE, reason, listed)

    refused = [c for c in wanted if c.assessment.reason == ComponentReason.APPLY_REFUSED]
    exhausted = [c for c in wanted if c.recovery.exhausted]
    failed = [c for c in wanted if c.assessment.state is ComponentState.FAILED]
    if refused:
        return named(Reason.APPLY_REFUSED, refused)
    if failed:
        return named(Reason.JOB_FAILED, failed)
    if exhausted:
        return named(Reason.RECOVERY_BUDGET_EXHAUSTED, exhausted)
    if is_ready or plan.system is None or not startup.overdue(plan.system, snapshot, now):
        return None
    return Verdict(
        ConditionType.STALLED,
        _TRUE,
        Reason.STARTUP_DEADLINE_EXCEEDED,
        f"not ready within {int(plan.system.startup.deadline.total_seconds())} s; attempts go on. "
        f"{words.cause({c.name: c for c in wanted}) or ''}".rstrip(),
    )


def _moves(component: ComponentPlan) -> bool:
    return (
        component.assessment.state not in _SETTLED
        or bool(component.waits)
        or component.removed
        or not component.assessment.current
    )


def _invalid(plan: Plan, snapshot: Snapshot) -> Sequence[Verdict]:
    message = "; ".join(str(error) for error in plan.spec_errors)
    kept = [_kept(kind, snapshot) for kind in (ConditionType.AVAILABLE, ConditionType.DEGRADED)]
    return [
        Verdict(ConditionType.READY, _FALSE, Reason.SPEC_INVALID, "the spec is invalid; nothing is changed"),
        *kept,
        Verdict(ConditionType.SPEC_VALID, _FALSE, Reason.SPEC_INVALID, message),
        Verdict(ConditionType.STALLED, _TRUE, Reason.SPEC_INVALID, message),
    ]


def _kept(kind: ConditionType, snapshot: Snapshot) -> Verdict:
    """What was last known, where this pass cannot say."""
    before = snapshot.resource.status.conditions.get(kind)
    if before is None or before.reason not in tuple(Reason):
        return Verdict(kind, _UNKNOWN, Reason.SPEC_INVALID, "not known yet")
    return Verdict(kind, before.status, Reason(before.reason), before.message)


def _untrusted(snapshot: Snapshot) -> Sequence[Verdict]:
    message = f"the cluster was last seen at {format_time(snapshot.synced_at)}; nothing is done meanwhile"
    return [
        *(
            Verdict(kind, _UNKNOWN, Reason.OBSERVATION_STALE, message)
            for kind in (ConditionType.READY, ConditionType.AVAILABLE, ConditionType.DEGRADED)
        ),
        Verdict(ConditionType.SPEC_VALID, _TRUE, Reason.SPEC_ACCEPTED, "the spec is valid"),
        Verdict(ConditionType.RECOVERY_SUSPENDED, _TRUE, Reason.OBSERVATION_STALE, message),
        *(
            _kept(kind, snapshot)
            for kind in (ConditionType.RECONCILING, ConditionType.STALLED)
            if kind in snapshot.resource.status.conditions
        ),
    ]


def _terminating(plan: Plan, snapshot: Snapshot) -> Sequence[Verdict]:
    progress = plan.teardown
    remaining = progress.remaining if progress is not None else ()
    left = f"still there: {', '.join(remaining)}" if remaining else "nothing is left"
    found = [
        Verdict(ConditionType.READY, _FALSE, Reason.TERMINATING, left),
        Verdict(ConditionType.AVAILABLE, _FALSE, Reason.TERMINATING, left),
        Verdict(ConditionType.DEGRADED, _FALSE, Reason.TERMINATING, "being deleted"),
        _kept(ConditionType.SPEC_VALID, snapshot),
    ]
    if progress is not None and progress.forced:
        found.append(Verdict(ConditionType.STALLED, _TRUE, Reason.TEARDOWN_DEADLINE_EXCEEDED, left))
    else:
        found.append(Verdict(ConditionType.RECONCILING, _TRUE, Reason.TERMINATING, left))
    return found


def _timed(verdict: Verdict, snapshot: Snapshot, now: datetime) -> Condition:
    """`lastTransitionTime` is kept while the status is the same.

    Reconciling exists only while it is True, so each generation begins a new one: its time is when the way
    to this generation's state began.
    """
    generation = snapshot.resource.identity.generation
    before = snapshot.resource.status.conditions.get(verdict.type)
    kept = before is not None and before.status is verdict.status
    if verdict.type is ConditionType.RECONCILING and before is not None:
        kept = before.observed_generation == generation
    changed_at = before.last_transition_time if before is not None and kept else now
    if verdict.type is ConditionType.RECONCILING and before is None:
        changed_at = min(now, startup.began_at(snapshot, now))
    return Condition(
        type=verdict.type,
        status=verdict.status,
        observed_generation=generation,
        last_transition_time=changed_at,
        reason=verdict.reason,
        message=shorten(verdict.message),
    )
