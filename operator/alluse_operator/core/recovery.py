"""Whether to act on a component that is sick, and how: back-off, budget, patience, the step of the ladder.

The terms. A *run* of trouble is a chain of attempts; each carries its number in the run. The run ends
when the component has been free of trouble for `reset_after`, when the spec changes, when a person asks for
a retry, or when a dependency has recovered since. Within a run the pause before the next attempt grows,
and the ladder is climbed. When the ladder is used up, or `max_actions` attempts of the run fall into
one `window`, the run is *exhausted*: the component is in its safe state, and from then on there is one
attempt at the first step every `retry_exhausted_every`, so that nothing is given up for ever.

Whatever the run says, no window ever holds more than `max_actions` actions made for the same generation
since the last retry that a person asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from alluse_operator.api.conditions import ComponentReason
from alluse_operator.api.spec import RecoveryAction
from alluse_operator.api.status import ActionType
from alluse_operator.core import history, ladder
from alluse_operator.core.desired import RecoveryPolicy
from alluse_operator.core.history import Attempt
from alluse_operator.core.verdicts import Recovery

#: A recorded attempt whose pod is still there is carried out again for so long; later it counts as made.
RESUME_WITHIN = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What recovery needs to know of a sick component."""

    suspect: str
    """uid of the pod that a restart may help."""
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What else bears on the decision."""

    applicable: frozenset[RecoveryAction] = frozenset({RecoveryAction.RESTART_POD})
    """Steps of the ladder that can be taken now."""
    seed: str = ""
    """What the jitter depends on: uid of the workload."""
    start_deadline: timedelta = timedelta(seconds=120)
    """How long a step is given to show its effect."""
    unfinished: bool = True
    """Something that the latest attempt was to do is yet to be done."""
    held_by: str = ""
    """A dependency that is not well: it is nearer to the root, so nothing is done here."""
    held_until: datetime | None = None
    """Its dependency has recovered a moment ago: until then it may get well by itself."""
    suspended: bool = False
    """The cause is outside: nothing is done."""
    suspended_until: datetime | None = None
    """When, while suspended, the one careful attempt may be made; None: not by this component."""
    slot_free_at: datetime | None = None
    """When the budget of concurrent recoveries has room again; None: it has."""
    retried_at: datetime | None = None
    """When a person asked for a retry: what was before counts for nothing."""
    recovered_at: datetime | None = None
    """When a dependency got well: attempts before that could not have helped, so the run is over."""

    @property
    def clean_since(self) -> datetime | None:
        return max((at for at in (self.retried_at, self.recovered_at) if at is not None), default=None)


@dataclass(frozen=True, slots=True)
class Leave:
    """Do nothing now; `recovery` says why and until when."""

    recovery: Recovery


@dataclass(frozen=True, slots=True)
class Act:
    """Take the step that is the last of `history`, the whole new record; `resume`: it is recorded already."""

    history: tuple[Attempt, ...]
    recovery: Recovery
    resume: bool = False


Decision = Leave | Act


def decide(
    trouble: Trouble,
    attempts: tuple[Attempt, ...],
    policy: RecoveryPolicy,
    generation: int,
    now: datetime,
    about: Circumstances,
) -> Decision:
    """What to do about `trouble` now. An Act has yet to be given its targets."""
    steps = tuple(attempt for attempt in attempts if attempt.counts)
    last = steps[-1] if steps else None
    run = run_of(steps, policy, generation, trouble.since, about.clean_since)
    said = _standing(run, last)
    # What was begun before a person asked for a retry is not carried on: the record is clean from then on.
    dropped = last is not None and about.retried_at is not None and last.at < about.retried_at
    if last is not None and last.pod_uid == trouble.suspect and not dropped:
        if about.unfinished and is_to_resume(last, now):
            return Act(attempts, said, resume=True)
        effect_by = last.at + about.start_deadline
        if last.action in ladder.SLOW_STEPS and now < effect_by:
            return Leave(_left(said, ComponentReason.RECOVERY_IN_PROGRESS, effect_by))
    if about.held_by:
        return Leave(_left(said, ComponentReason.DEPENDENCY_UNHEALTHY))
    if about.held_until is not None and now < about.held_until:
        return Leave(_left(said, ComponentReason.DEPENDENCY_UNHEALTHY, about.held_until))
    if about.suspended and (about.suspended_until is None or now < about.suspended_until):
        return Leave(_left(said, ComponentReason.INFRASTRUCTURE, about.suspended_until))
    step = ladder.next_step(policy.ladder, run, about.applicable)
    first = ladder.next_step(policy.ladder, (), about.applicable)
    exhausted = step is None or is_exhausted(run, policy)
    not_before = budget_opens(attempts, policy, generation, now, about.retried_at)
    if exhausted:
        until = _next_rare(run, policy, trouble.since, now, possible=first is not None)
        not_before = max(not_before or until, until)
    if not_before is not None and now < not_before:
        return Leave(_left(said, ComponentReason.RECOVERY_BUDGET_EXHAUSTED, not_before, next=first))
    if run and not exhausted:
        not_before = run[-1].at + ladder.jittered(policy, run[-1].number, about.seed)
        if now < not_before:
            return Leave(_left(said, ComponentReason.RECOVERY_BACKOFF, not_before, next=step))
    if about.slot_free_at is not None:
        return Leave(_left(said, ComponentReason.RECOVERY_BUDGET_IN_USE, about.slot_free_at, next=step))
    attempt = Attempt(
        pod_uid=trouble.suspect,
        at=now,
        reason=trouble.reason,
        number=said.attempts + 1,
        generation=generation,
        after_exhaustion=exhausted,
        action=(first if exhausted else step) or ActionType.RESTART_POD,
    )
    since = len(attempts) - attempts.index(run[0]) if run else 0
    return Act(record(attempts, attempt, policy, since), _standing((*run, attempt), attempt))


def record(
    attempts: tuple[Attempt, ...], attempt: Attempt, policy: RecoveryPolicy, kept: int
) -> tuple[Attempt, ...]:
    """The record with one attempt more, without what no rule looks at any more; the newest `kept` stay."""
    horizon = attempt.at - max(policy.window, policy.reset_after)
    return (*history.forget_before(attempts, horizon, kept), attempt)


def is_to_resume(last: Attempt, now: datetime) -> bool:
    """Whether a recorded attempt is young enough to be carried out, and has something to carry out."""
    return (
        bool(last.evicted or last.action is ActionType.ROLLBACK_COMPONENT) and now < last.at + RESUME_WITHIN
    )


def standing(
    attempts: tuple[Attempt, ...],
    policy: RecoveryPolicy,
    generation: int,
    now: datetime,
    clean_since: datetime | None = None,
) -> Recovery:
    """The record of a component that has no trouble now, and when it will be clean."""
    if not attempts:
        return Recovery()
    steps = tuple(attempt for attempt in attempts if attempt.counts)
    run = run_of(steps, policy, generation, now, clean_since)
    # The run ends *after* `reset_after`; one millisecond later it has.
    clean_at = run[-1].at + policy.reset_after + timedelta(milliseconds=1) if run else None
    return Recovery(attempts=run[-1].number if run else 0, last=attempts[-1], clean_at=clean_at)


def run_of(
    steps: tuple[Attempt, ...],
    policy: RecoveryPolicy,
    generation: int,
    trouble_since: datetime,
    clean_since: datetime | None = None,
) -> tuple[Attempt, ...]:
    """The attempts of the present run, as far as they are recorded; none when a new one begins with the
    trouble that began at `trouble_since`."""
    if not steps:
        return ()
    last = steps[-1]
    if last.generation != generation or trouble_since - last.at > policy.reset_after:
        return ()
    if clean_since is not None and last.at < clean_since:
        return ()
    return steps[-last.number :]


def is_exhausted(run: tuple[Attempt, ...], policy: RecoveryPolicy) -> bool:
    """Whether the run has used up its budget."""
    if not run:
        return False
    in_window = history.within(run, policy.window, run[-1].at)
    return run[-1].after_exhaustion or len(in_window) >= policy.max_actions


def budget_opens(
    attempts: tuple[Attempt, ...],
    policy: RecoveryPolicy,
    generation: int,
    now: datetime,
    retried_at: datetime | None = None,
) -> datetime | None:
    """When the window has room for one more action of this generation; None: it has now."""
    # Attempts with a time to come (clocks differ) count, too.
    counted = [
        a
        for a in attempts
        if a.generation == generation
        and a.at > now - policy.window
        and (retried_at is None or a.at >= retried_at)
    ]
    if len(counted) < policy.max_actions:
        return None
    return counted[-policy.max_actions].at + policy.window


def _next_rare(
    run: tuple[Attempt, ...], policy: RecoveryPolicy, since: datetime, now: datetime, *, possible: bool
) -> datetime:
    """When an exhausted run is tried again. Where there is nothing to try, when to see whether there is."""
    every = policy.retry_exhausted_every
    if run and possible:
        return run[-1].at + every
    began = run[-1].at if run else since
    return began + every * (max(now - began, timedelta(0)) // every + 1)


def _standing(run: tuple[Attempt, ...], last: Attempt | None) -> Recovery:
    return Recovery(attempts=run[-1].number if run else 0, last=last, rung=run[-1].action if run else None)


def _left(
    said: Recovery, reason: str, until: datetime | None = None, *, next: ActionType | None = None
) -> Recovery:
    exhausted = reason == ComponentReason.RECOVERY_BUDGET_EXHAUSTED
    return Recovery(
        attempts=said.attempts,
        last=said.last,
        exhausted=exhausted,
        reason=str(reason),
        next_action_at=until,
        rung=ActionType.SAFE_STATE if exhausted else said.rung,
        next=next,
    )
