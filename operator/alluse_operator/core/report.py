"""What to say: the status, the Events and the facts for metrics of one pass.

All of it can be computed again from the cluster. A pass that changes nothing says nothing: `Report.status` is
None and there are no events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from alluse_operator.api.conditions import ConditionType
from alluse_operator.api.spec import AlertSeverity, Criticality
from alluse_operator.api.status import (
    AlertState,
    AllUseSystemStatus,
    ComponentState,
    ComponentStatus,
    Condition,
    ConditionStatus,
    InterlockState,
    InterlockStatus,
    RecoveryStatus,
    StartupStatus,
    SystemState,
)
from alluse_operator.core import alerts, startup, troubles, words
from alluse_operator.core.actions import Apply, ApplyReason, Outcome, Recover
from alluse_operator.core.conditions import conditions
from alluse_operator.core.diagnosis import SICK
from alluse_operator.core.events import Event
from alluse_operator.core.notices import Alerts, Outbox
from alluse_operator.core.objects import Object
from alluse_operator.core.observed import PreviousStatus, Snapshot
from alluse_operator.core.plan import ComponentPlan, Mode, Plan
from alluse_operator.core.resolve import readable_alerts
from alluse_operator.core.rows import component_rows, settle, shorten
from alluse_operator.core.telling import tell


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
    """(component, action) of each recovery action carried out in this pass."""
    exhausted: tuple[str, ...] = ()
    criticalities: Mapping[str, Criticality] = field(default_factory=dict)
    roots: frozenset[str] = frozenset()
    """Components that are not well and are themselves the reason."""
    suspended: bool = False
    """Recovery holds still."""
    spec_invalid: bool = False
    """The spec makes no sense and is not followed."""
    interlocks: Mapping[str, bool] = field(default_factory=dict)
    """By name, whether it is closed."""
    alerts: Mapping[AlertSeverity, int] = field(default_factory=dict)
    """How many are firing."""
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
    alerts: Alerts = field(default_factory=Alerts)
    """Alerts with the notices that are owed once `status` is stored."""


def make_report(
    snapshot: Snapshot,
    plan: Plan,
    outcomes: Sequence[Outcome],
    now: datetime,
    outbox: Outbox | None = None,
) -> Report:
    """The report of a pass, made after its actions were carried out.

    `outbox`: what became of the notices that this process has handed out.
    """
    if plan.mode is Mode.GONE:
        return Report(None, False, (), Facts())
    before = snapshot.resource.status
    components = settle(plan, outcomes, before)
    judged = conditions(plan, components, snapshot, now)
    told = _alerts(plan, components, snapshot.resource.spec, before, outbox or Outbox(), now)
    status = _status(plan, components, judged, snapshot, told, now)
    said = status.to_json()
    unchanged = said == before.raw
    return Report(
        status=None if unchanged else said,
        progress_only=not unchanged and _essence(said) == _essence(before.raw),
        events=tell(plan, before, status, outcomes),
        facts=_facts(plan, status, before, outcomes, components),
        alerts=told,
    )


def _alerts(
    plan: Plan,
    components: Mapping[str, ComponentPlan],
    spec: Object,
    before: PreviousStatus,
    outbox: Outbox,
    now: datetime,
) -> Alerts:
    known = alerts.stored(before.raw)
    situation = troubles.find(plan, components, before, known, now)
    policy = plan.system.alerts if plan.system is not None else readable_alerts(spec)
    return alerts.advance(known, situation, policy, outbox, plan.identity, now)


def _status(
    plan: Plan,
    components: Mapping[str, ComponentPlan],
    judged: Sequence[Condition],
    snapshot: Snapshot,
    told: Alerts,
    now: datetime,
) -> AllUseSystemStatus:
    resource = snapshot.resource
    wanted = [component for component in components.values() if not component.removed]
    rows: tuple[ComponentStatus, ...] | None
    if plan.mode is Mode.INVALID:
        # Nobody can say what the components should be: what was said of them stands.
        stored = AllUseSystemStatus.model_validate({"components": resource.status.raw.get("components")})
        rows = stored.components
        ready = resource.status.raw.get("ready")
    else:
        rows = component_rows(components, plan.system.disabled if plan.system else (), snapshot, now)
        ready = f"{sum(1 for component in wanted if component.done)}/{len(wanted)}"
    is_ready = any(c.type is ConditionType.READY and c.status is ConditionStatus.TRUE for c in judged)
    return AllUseSystemStatus(
        observed_generation=resource.identity.generation,
        conditions=tuple(judged),
        state=_state(plan, judged, components, resource.status),
        ready=ready,
        summary=_summary(plan, components),
        cause=_cause(plan, components),
        waiting=words.waiting(components),
        environment=plan.system.environment if plan.system else resource.status.raw.get("environment"),
        version=plan.system.version if plan.system else resource.status.raw.get("version"),
        components=rows,
        startup=_startup(snapshot, components, is_ready=is_ready),
        recovery=_recovery(plan, components),
        interlocks=tuple(
            InterlockStatus(
                name=lock.name, state=lock.state, since=lock.since, message=shorten(lock.message) or None
            )
            for lock in plan.interlocks
        )
        or None,
        alerts=told.rows or None,
    )


def _recovery(plan: Plan, components: Mapping[str, ComponentPlan]) -> RecoveryStatus | None:
    """Only while there is something to say."""
    exhausted = tuple(name for name, found in components.items() if found.recovery.exhausted)
    if not exhausted and not plan.actions_in_window:
        return None
    return RecoveryStatus(actions_in_window=plan.actions_in_window, exhausted=exhausted or None)


def _state(
    plan: Plan,
    judged: Sequence[Condition],
    components: Mapping[str, ComponentPlan],
    before: PreviousStatus,
) -> SystemState:
    is_true = {condition.type for condition in judged if condition.status is ConditionStatus.TRUE}
    if plan.mode is Mode.TEARDOWN:
        return SystemState.TERMINATING
    if ConditionType.STALLED in is_true:
        return SystemState.STALLED
    if ConditionType.READY in is_true:
        return SystemState.RUNNING
    if plan.mode is Mode.UNTRUSTED and before.state in tuple(SystemState):
        return SystemState(before.state)
    if ConditionType.DEGRADED in is_true and before.ready_at is not None:
        return SystemState.DEGRADED
    waiting = (ComponentState.WAITING, ComponentState.BLOCKED)
    if all(component.assessment.state in waiting for component in components.values()):
        return SystemState.PENDING
    return SystemState.STARTING


def _summary(plan: Plan, components: Mapping[str, ComponentPlan]) -> str:
    match plan.mode:
        case Mode.INVALID:
            return shorten("invalid spec, nothing is changed: " + "; ".join(map(str, plan.spec_errors)))
        case Mode.UNTRUSTED:
            return "what is known of the cluster is too old; nothing is done meanwhile"
        case Mode.TEARDOWN if plan.teardown is not None:
            left = plan.teardown.remaining
            return shorten(f"stopping; {len(left)} left: {', '.join(left)}" if left else "stopped")
        case _:
            return shorten(words.summary(components))


def _cause(plan: Plan, components: Mapping[str, ComponentPlan]) -> str | None:
    if plan.mode is Mode.INVALID:
        return shorten(f"SpecInvalid ({'; '.join(map(str, plan.spec_errors))})")
    return words.cause(components, plan.suspension) if plan.mode is Mode.RUN else None


def _startup(
    snapshot: Snapshot, components: Mapping[str, ComponentPlan], *, is_ready: bool
) -> StartupStatus | None:
    """From the creation of the first component to the first Ready; once known, it stays."""
    started_at = startup.first_created_at(snapshot)
    if started_at is None:
        return None
    ready_at = snapshot.resource.status.ready_at
    if ready_at is None and is_ready:
        ready_at = max((c.assessment.since for c in components.values() if c.done), default=started_at)
        ready_at = max(ready_at, started_at)
    seconds = max(0, round((ready_at - started_at).total_seconds())) if ready_at is not None else None
    return StartupStatus(started_at=started_at, ready_at=ready_at, seconds=seconds)


def _essence(status: Mapping[str, Any]) -> object:
    """What is worth a write at once: the states and conditions, without the words and times."""
    return (
        status.get("state"),
        status.get("observedGeneration"),
        [(c.get("type"), c.get("status"), c.get("reason")) for c in status.get("conditions") or ()],
        [
            (row.get("name"), row.get("state"))
            for row in status.get("components") or ()
            if row.get("state") not in _QUIET
        ],
    )


#: States that come and go by the dozen while a system starts.
_QUIET = frozenset({ComponentState.WAITING, ComponentState.STARTING, ComponentState.HEALTHY})


def _facts(
    plan: Plan,
    status: AllUseSystemStatus,
    before: PreviousStatus,
    outcomes: Sequence[Outcome],
    components: Mapping[str, ComponentPlan],
) -> Facts:
    done = [outcome.action for outcome in outcomes if outcome.ok]
    rows = status.components or ()
    ready_at = status.startup.ready_at if status.startup is not None else None
    first_ready = ready_at is not None and before.ready_at is None
    return Facts(
        state=status.state,
        components={row.name: row.state for row in rows},
        start_seconds={
            row.name: row.start_seconds
            for row in rows
            if row.start_seconds is not None and _start_is_new(row, before)
        },
        ready_seconds=status.startup.seconds if first_ready and status.startup is not None else None,
        recoveries=tuple(
            (action.component, action.attempt.action.value)
            for action in done
            if isinstance(action, Recover) and action.attempt is not None
        ),
        exhausted=tuple(name for name, found in components.items() if found.recovery.exhausted),
        criticalities={name: found.criticality for name, found in components.items()},
        roots=frozenset(
            name for name, found in components.items() if found.assessment.state in SICK and not found.causes
        ),
        suspended=plan.suspension is not None,
        spec_invalid=plan.mode is Mode.INVALID,
        interlocks={lock.name: lock.state is InterlockState.CLOSED for lock in plan.interlocks},
        alerts=Counter(row.severity for row in status.alerts or () if row.state is AlertState.FIRING),
        corrected=sum(
            1 for action in done if isinstance(action, Apply) and action.reason is ApplyReason.RESTORE
        ),
    )


def _start_is_new(row: ComponentStatus, before: PreviousStatus) -> bool:
    old = before.components.get(row.name)
    return old is None or old.start_seconds is None or old.revision != row.revision
