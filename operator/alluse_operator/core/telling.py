"""What there is to tell of a pass: Events from the outcomes of its actions, and from comparing what the
stored status said with what the new one says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from alluse_operator.api.conditions import ComponentReason, ConditionType, Reason
from alluse_operator.api.status import (
    ActionType,
    AllUseSystemStatus,
    ComponentState,
    ComponentStatus,
    ConditionStatus,
    InterlockState,
    SystemState,
    format_time,
)
from alluse_operator.core.actions import Apply, ApplyReason, Delete, KeepRevision, Outcome, Recover, ScaleDown
from alluse_operator.core.events import NOTE_MAX_LENGTH, Event, EventReason
from alluse_operator.core.gate import WELL
from alluse_operator.core.history import Attempt
from alluse_operator.core.objects import WORKLOAD_KINDS
from alluse_operator.core.observed import PreviousComponent, PreviousStatus
from alluse_operator.core.plan import Mode, Plan


def tell(
    plan: Plan, before: PreviousStatus, after: AllUseSystemStatus, outcomes: Sequence[Outcome]
) -> tuple[Event, ...]:
    """What has changed between two statuses, and what the actions of this pass have done."""
    return tuple(
        Event(event.reason, event.note[:NOTE_MAX_LENGTH], event.component)
        for event in (
            *_from_actions(plan, before, outcomes),
            *_from_components(before, after),
            *_from_causes(before, after),
            *_from_interlocks(before, after),
            *_from_system(plan, before, after),
        )
    )


# -- actions -------------------------------------------------------------------------------------------

_DONE: Mapping[ActionType, str] = {
    ActionType.ROLLOUT_RESTART: "replaces all pods of",
    ActionType.RESCHEDULE_ELSEWHERE: "moves to another node the pods of",
    ActionType.ROLLBACK_COMPONENT: "went back to the last good revision of",
    ActionType.RESTART_DEPENDENTS: "restarted the pods of those that require",
    ActionType.RESTART_ON_RECOVERY: "replaces, after its dependency has recovered, the pods of",
}


def _from_actions(plan: Plan, before: PreviousStatus, outcomes: Sequence[Outcome]) -> Iterator[Event]:
    started: list[str] = []
    restored: dict[str, list[str]] = {}
    for outcome in outcomes:
        action = outcome.action
        if not outcome.ok:
            yield from _failure(before, outcome)
            continue
        match action:
            case Apply(component=name, reason=ApplyReason.RESTORE):
                restored.setdefault(name, []).append(_what_drifted(action))
            case Apply(component=name) if action.ref.kind in WORKLOAD_KINDS:
                started.append(name)
            case Recover(attempt=Attempt() as attempt):
                again = " (resumed)" if action.resume else ""
                number = f", attempt {attempt.number}" if attempt.number else ""
                yield Event(
                    EventReason.RECOVERY_ACTION,
                    f"{_done(action, attempt)} {action.component}: {attempt.reason}{number}{again}",
                    action.component,
                )
            case _:
                pass
    for name, what in restored.items():
        yield Event(EventReason.DRIFT_CORRECTED, f"put right {', '.join(what)} of {name}", name)
    yield from _together(EventReason.COMPONENT_STARTING, "starting", started)
    for name in started:
        for wait in plan.components[name].skipped if name in plan.components else ():
            yield Event(
                EventReason.PREFERRED_DEPENDENCY_SKIPPED,
                f"{name} starts without {wait.name}, which was to be {wait.condition} (it is {wait.why})",
                name,
            )


def _done(action: Recover, attempt: Attempt) -> str:
    pods = ", ".join(target.name for target in action.evict)
    return _DONE.get(attempt.action) or f"restarted pod {pods} of"


def _what_drifted(action: Apply) -> str:
    if not action.live_uid:
        return f"{action.ref} (it was gone)"
    return f"{action.ref} ({', '.join(action.drifted[:5])})"


def _failure(before: PreviousStatus, outcome: Outcome) -> Iterator[Event]:
    """Told once: the status of the pass before has said it already when it comes again."""
    action = outcome.action
    if outcome.outdated or not isinstance(action, Apply | Delete | ScaleDown | Recover | KeepRevision):
        return
    error = outcome.error or ""
    said = before.components.get(action.component)
    if said is None or error not in said.message:
        yield Event(EventReason.ACTION_FAILED, f"{type(action).__name__} failed: {error}", action.component)


def _together(reason: EventReason, verb: str, names: Sequence[str]) -> Iterator[Event]:
    """One event for what happened to several components in one pass: a start is no flood."""
    if names:
        component = names[0] if len(names) == 1 else ""
        yield Event(reason, f"{verb}: {', '.join(names)}", component)


# -- components ----------------------------------------------------------------------------------------

_STATE_EVENTS: Mapping[ComponentState, EventReason] = {
    ComponentState.DEGRADED: EventReason.COMPONENT_DEGRADED,
    ComponentState.UNHEALTHY: EventReason.COMPONENT_UNHEALTHY,
    ComponentState.FAILED: EventReason.COMPONENT_FAILED,
    ComponentState.BLOCKED: EventReason.COMPONENT_BLOCKED,
    ComponentState.COMPLETED: EventReason.COMPONENT_COMPLETED,
    ComponentState.STOPPED: EventReason.COMPONENT_STOPPED,
}
#: Reasons that have an Event of their own, whatever the state.
_REASON_EVENTS: Mapping[str, EventReason] = {
    ComponentReason.ISOLATED: EventReason.COMPONENT_ISOLATED,
    ComponentReason.ROLLED_BACK: EventReason.ROLLED_BACK,
}


def _from_components(before: PreviousStatus, after: AllUseSystemStatus) -> Iterator[Event]:
    rows = after.components or ()
    healthy: list[str] = []
    waiting: list[ComponentStatus] = []
    for row in rows:
        old = before.components.get(row.name)
        yield from _between(old, row)
        if old is not None and old.state is row.state and not _new_reason(old.reason, row):
            continue
        match row.state:
            case ComponentState.HEALTHY:
                seconds = f" ({row.start_seconds} s)" if row.start_seconds is not None else ""
                healthy.append(f"{row.name}{seconds}")
            case ComponentState.WAITING if row.waiting_for:
                waiting.append(row)
            case _:
                yield from _from_state(old, row)
    yield from _together_rows(EventReason.COMPONENT_HEALTHY, "healthy", healthy)
    if waiting:
        component = waiting[0].name if len(waiting) == 1 else ""
        yield Event(EventReason.WAITING_FOR_DEPENDENCY, f"waiting: {'; '.join(_waits(waiting))}", component)
    if after.components is not None:
        yield from _from_those_gone(before, {row.name for row in rows})


def _between(old: PreviousComponent | None, row: ComponentStatus) -> Iterator[Event]:
    """What happened since, whatever state it is in now."""
    if old is not None and old.reason == ComponentReason.ISOLATED and row.reason != old.reason:
        yield Event(EventReason.COMPONENT_REJOINED, f"{row.name} is in its Service again", row.name)
    if _fell_and_rose(old, row):
        note = f"{row.name} ended, and the kubelet has started it again: it is {row.state} now"
        yield Event(EventReason.COMPONENT_UNHEALTHY, note, row.name)


def _from_state(old: PreviousComponent | None, row: ComponentStatus) -> Iterator[Event]:
    """The state that it has come into, where that is news by itself."""
    note = f"{row.name} {row.state}: {row.message or row.reason}"
    match row.state:
        case ComponentState.BLOCKED if row.reason == ComponentReason.DEPENDENCY_DEADLINE_EXCEEDED:
            yield Event(EventReason.DEPENDENCY_DEADLINE_EXCEEDED, f"{row.name} {row.message}", row.name)
        case ComponentState.UNHEALTHY if row.reason == ComponentReason.RECOVERY_BUDGET_EXHAUSTED:
            yield Event(EventReason.RECOVERY_EXHAUSTED, f"{row.name}: {row.message}", row.name)
        case ComponentState.RECOVERING if _fell(old, row):
            yield Event(EventReason.COMPONENT_UNHEALTHY, note, row.name)
        case state if state in _STATE_EVENTS:
            yield Event(_REASON_EVENTS.get(row.reason or "", _STATE_EVENTS[state]), note, row.name)
        case _:
            pass


def _from_those_gone(before: PreviousStatus, here: Collection[str]) -> Iterator[Event]:
    for name, old in before.components.items():
        if name not in here and old.state is ComponentState.STOPPING:
            yield Event(EventReason.COMPONENT_REMOVED, f"{name} is gone", name)


def _from_causes(before: PreviousStatus, after: AllUseSystemStatus) -> Iterator[Event]:
    """One Event for each cause that components have come to suffer from."""
    known = {row.get("name"): row.get("causedBy") for row in before.raw.get("components") or ()}
    found: dict[str, list[str]] = {}
    rows = {row.name: row for row in after.components or ()}
    for row in rows.values():
        for root in row.caused_by or ():
            if root not in (known.get(row.name) or ()):
                found.setdefault(root, []).append(row.name)
    for root, names in found.items():
        is_component = root in rows
        note = f"{', '.join(names)}: the cause is {root}"
        yield Event(EventReason.CAUSE_FOUND, note, root if is_component else "")


def _from_interlocks(before: PreviousStatus, after: AllUseSystemStatus) -> Iterator[Event]:
    """A gate that is closed from its beginning is no news."""
    known = {row.get("name"): row.get("state") for row in before.raw.get("interlocks") or ()}
    for lock in after.interlocks or ():
        old = known.get(lock.name)
        if old is None or old == lock.state:
            continue
        if lock.state is InterlockState.CLOSED:
            yield Event(EventReason.INTERLOCK_CLOSED, f"{lock.name} closed: {lock.message}")
        else:
            yield Event(EventReason.INTERLOCK_OPENED, f"{lock.name} open: what it stands on is well")


def _waits(rows: Sequence[ComponentStatus]) -> Iterator[str]:
    """Who waits for whom, and until when; those that wait for the same together."""
    together: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        waits = row.waiting_for or ()
        deadline = max((format_time(wait.deadline) for wait in waits if wait.deadline), default="")
        together.setdefault((", ".join(wait.name for wait in waits), deadline), []).append(row.name)
    for (dependencies, deadline), names in together.items():
        until = f" until {deadline}" if deadline else ""
        yield f"{', '.join(names)} for {dependencies}{until}"


def _fell(old: PreviousComponent | None, row: ComponentStatus) -> bool:
    """Whether it was well, and lost that by nothing that we have done to it."""
    return old is not None and old.state in WELL and row.reason != ComponentReason.RECOVERY_IN_PROGRESS


def _fell_and_rose(old: PreviousComponent | None, row: ComponentStatus) -> bool:
    """Whether it ended and is back, with no status in between that told of it."""
    action = row.last_action
    if old is None or old.state not in WELL or row.state not in WELL or action is None:
        return False
    new = old.last_action_at is None or action.time > old.last_action_at
    return action.type is ActionType.CONTAINER_RESTART and new


def _new_reason(old: str, row: ComponentStatus) -> bool:
    return row.state in _STATE_EVENTS and old != row.reason


def _together_rows(reason: EventReason, verb: str, lines: Sequence[str]) -> Iterator[Event]:
    if lines:
        component = lines[0].split(" ", 1)[0] if len(lines) == 1 else ""
        yield Event(reason, f"{verb}: {'; '.join(lines)}", component)


# -- the system ----------------------------------------------------------------------------------------


def _from_system(plan: Plan, before: PreviousStatus, after: AllUseSystemStatus) -> Iterator[Event]:
    if plan.mode is Mode.TEARDOWN and before.state != SystemState.TERMINATING:
        yield Event(EventReason.TEARDOWN_STARTED, f"{after.summary}")
    now_true = {condition.type for condition in after.conditions}
    suspended = before.conditions.get(ConditionType.RECOVERY_SUSPENDED)
    ended = suspended is not None and suspended.reason != Reason.OBSERVATION_STALE
    if ended and plan.mode is Mode.RUN and ConditionType.RECOVERY_SUSPENDED not in now_true:
        yield Event(EventReason.RECOVERY_RESUMED, "recovery goes on")
    for condition in after.conditions:
        old = before.conditions.get(condition.type)
        changed = old is None or old.status is not condition.status or old.reason != condition.reason
        match condition.type:
            case ConditionType.READY if changed and condition.status is ConditionStatus.TRUE:
                yield Event(EventReason.SYSTEM_READY, condition.message)
            case ConditionType.READY if changed and condition.reason == Reason.COMPONENTS_NOT_READY:
                yield Event(EventReason.SYSTEM_NOT_READY, condition.message)
            case ConditionType.STALLED if changed and condition.reason == Reason.TEARDOWN_DEADLINE_EXCEEDED:
                orphans = plan.teardown.orphaned if plan.teardown is not None else ()
                what = f"left behind: {', '.join(orphans)}" if orphans else condition.message
                yield Event(EventReason.TEARDOWN_FORCED, f"past its deadline; {what}")
            case ConditionType.STALLED if changed and condition.reason != Reason.SPEC_INVALID:
                yield Event(EventReason.SYSTEM_STALLED, condition.message)
            case ConditionType.RECOVERY_SUSPENDED if changed and plan.mode is Mode.RUN:
                yield Event(EventReason.RECOVERY_SUSPENDED, condition.message)
            case ConditionType.SPEC_VALID if condition.status is ConditionStatus.FALSE and (
                changed or (old is not None and old.message != condition.message)
            ):
                yield Event(EventReason.INVALID_SPEC, condition.message)
            case _:
                pass
