"""The rows of `status.components`: each component's plan, with what came of the actions, in the API's
words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from alluse_operator.api.conditions import ComponentReason
from alluse_operator.api.spec import MAX_COMPONENTS
from alluse_operator.api.status import (
    MESSAGE_MAX_LENGTH,
    ActionType,
    ComponentState,
    ComponentStatus,
    LastAction,
    WaitingFor,
    format_time,
)
from alluse_operator.core import losses
from alluse_operator.core.actions import Apply, Outcome, Recover
from alluse_operator.core.gate import WELL
from alluse_operator.core.history import Attempt
from alluse_operator.core.observed import PreviousComponent, PreviousStatus, Snapshot
from alluse_operator.core.plan import ComponentPlan, Plan
from alluse_operator.core.verdicts import Assessment

#: Reasons under which the kubelet's own restarts are what is being done about a component.
_KUBELET_ACTS = frozenset({ComponentReason.CRASHED, ComponentReason.CRASH_LOOP})


def settle(plan: Plan, outcomes: Sequence[Outcome], before: PreviousStatus) -> dict[str, ComponentPlan]:
    """The components of a plan after its actions: what failed is said where it was promised.

    A failure that goes on goes on since it began: a state that the status names already keeps its time.
    """
    settled = dict(plan.components)
    for outcome in outcomes:
        if outcome.ok or not isinstance(outcome.action, Apply | Recover):
            continue
        name = outcome.action.component
        if name in settled:
            failed = (
                _overtaken(settled[name], outcome) if outcome.outdated else _failed(settled[name], outcome)
            )
            said = before.components.get(name)
            if said is not None and said.state is failed.assessment.state and said.since is not None:
                since = min(said.since, failed.assessment.since)
                failed = replace(failed, assessment=replace(failed.assessment, since=since))
            settled[name] = failed
    return settled


def component_rows(
    components: Mapping[str, ComponentPlan], disabled: Iterable[str], snapshot: Snapshot, now: datetime
) -> tuple[ComponentStatus, ...]:
    """One row a component, in start order; disabled ones after them, those that are being removed last."""
    wanted = [_row(plan, snapshot, now) for plan in components.values() if not plan.removed]
    off = [_disabled(name, snapshot) for name in disabled if name not in components]
    going = [_row(plan, snapshot, now) for plan in components.values() if plan.removed]
    return tuple([*wanted, *off, *going][:MAX_COMPONENTS])


def shorten(text: str) -> str:
    return text if len(text) <= MESSAGE_MAX_LENGTH else text[: MESSAGE_MAX_LENGTH - 1] + "…"


def _failed(plan: ComponentPlan, outcome: Outcome) -> ComponentPlan:
    assessment = plan.assessment
    error = f"{_describe(outcome)} failed: {outcome.error}"
    if assessment.state in (ComponentState.WAITING, ComponentState.STARTING) and not outcome.transient:
        assessment = replace(
            assessment, state=ComponentState.BLOCKED, reason=ComponentReason.APPLY_REFUSED, message=error
        )
    elif assessment.state is ComponentState.STARTING and assessment.reason == ComponentReason.CREATED:
        assessment = replace(assessment, message=f"{error}; it is tried again")
    elif error not in assessment.message:
        assessment = replace(assessment, message=f"{assessment.message}; {error}")
    return replace(plan, assessment=assessment)


def _overtaken(plan: ComponentPlan, outcome: Outcome) -> ComponentPlan:
    """Nothing is said of it: an attempt that was not recorded is none, and the next pass makes its own."""
    action, said = outcome.action, plan.recovery
    if not isinstance(action, Recover) or action.attempt is None or action.resume:
        return plan
    last = action.history[-2] if len(action.history) > 1 else None
    attempts = max(said.attempts - 1, 0)
    return replace(
        plan, recovery=replace(said, attempts=attempts, last=last, rung=said.rung if attempts else None)
    )


def _describe(outcome: Outcome) -> str:
    match outcome.action:
        case Apply() as apply:
            return f"applying {apply.ref}"
        case Recover(attempt=Attempt() as attempt):
            return str(attempt.action)
        case Recover():
            return "recording a restart that is owed"
        case _:
            return "an action"


def _row(plan: ComponentPlan, snapshot: Snapshot, now: datetime) -> ComponentStatus:
    assessment, recovery = plan.assessment, plan.recovery
    before = snapshot.resource.status.components.get(plan.name)
    attempts = recovery.attempts or (plan.restarts if assessment.reason in _KUBELET_ACTS else 0)
    return ComponentStatus(
        name=plan.name,
        state=assessment.state,
        since=assessment.since,
        reason=ComponentReason.RECOVERY_BUDGET_EXHAUSTED if recovery.exhausted else assessment.reason,
        message=shorten("; ".join(filter(None, (assessment.message, _recovery_words(plan))))),
        waiting_for=tuple(
            WaitingFor(name=wait.name, condition=wait.condition, since=wait.since, deadline=wait.deadline)
            for wait in (*plan.waits, *plan.given_up)
        )
        or None,
        caused_by=plan.causes[:MAX_COMPONENTS] or None,
        rung=recovery.rung,
        attempts=attempts or None,
        last_action=_last_action(plan),
        next_action_time=recovery.next_action_at,
        failures=losses.remember(before, assessment, _ended(plan), now) or None,
        unwell_since=_unwell_since(before, assessment),
        start_seconds=plan.start_seconds,
        revision=plan.revision or None,
    )


def _unwell_since(before: PreviousComponent | None, found: Assessment) -> datetime | None:
    """Said only where `since` does not say it."""
    if found.state in WELL:
        return None
    began = losses.unwell_since(before, found)
    return began if began < found.since.replace(microsecond=0) else None


def _recovery_words(plan: ComponentPlan) -> str:
    recovery = plan.recovery
    until = format_time(recovery.next_action_at) if recovery.next_action_at is not None else ""
    match recovery.reason:
        case ComponentReason.RECOVERY_BACKOFF:
            return f"{recovery.next} (attempt {recovery.attempts + 1}) not before {until}"
        case ComponentReason.RECOVERY_IN_PROGRESS:
            return f"{recovery.rung} is given until {until} to help"
        case ComponentReason.RECOVERY_BUDGET_EXHAUSTED if recovery.next is not None:
            return (
                f"safe state: {recovery.attempts} attempts did not help; {recovery.next} is tried at "
                f"{until}, or when the spec changes, a dependency recovers, or a person asks for a retry"
            )
        case ComponentReason.RECOVERY_BUDGET_EXHAUSTED:
            return "safe state: the ladder has no step that can be taken"
        case ComponentReason.RECOVERY_BUDGET_IN_USE:
            return f"{recovery.next} waits until other recoveries are through"
        case ComponentReason.DEPENDENCY_UNHEALTHY if until:
            return f"left alone until {until}: a component that it stands on has just recovered"
        case ComponentReason.DEPENDENCY_UNHEALTHY:
            return "left alone while a component that it requires is not well"
        case ComponentReason.INFRASTRUCTURE:
            careful = f"; one careful attempt at {until}" if until else ""
            return f"left alone: the cause is taken to be outside{careful}"
        case _:
            return ""


def _ended(plan: ComponentPlan) -> datetime | None:
    return plan.last_exit.finished_at if plan.last_exit is not None else None


def _last_action(plan: ComponentPlan) -> LastAction | None:
    """The later of the operator's own latest attempt and the kubelet's latest restart."""
    ours = plan.recovery.last
    end = plan.last_exit
    if end is not None and end.finished_at is not None and (ours is None or end.finished_at > ours.at):
        return LastAction(
            type=ActionType.CONTAINER_RESTART, time=end.finished_at, reason=end.reason or "Exited"
        )
    if ours is None:
        return None
    return LastAction(type=ours.action, time=ours.at, reason=ours.reason)


def _disabled(name: str, snapshot: Snapshot) -> ComponentStatus:
    before = snapshot.resource.status.components.get(name)
    return ComponentStatus(
        name=name,
        state=ComponentState.DISABLED,
        since=before.since if before is not None and before.state is ComponentState.DISABLED else None,
        reason=ComponentReason.DISABLED,
    )
