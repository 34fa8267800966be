"""Whether to act on a component that a restart of its pod may help: back-off, budget, patience.

The terms. A *run* of trouble is a chain of attempts; each carries its number in the run. The run ends
when the component has been free of trouble for `reset_after`, or when the spec changes. Within a run the
pause before the next attempt grows. When `max_actions` attempts of the run fall into one `window`, the
run is *exhausted*: from then on there is one attempt every `retry_exhausted_every`, so that nothing is
given up for ever.

Whatever the run says, no window ever holds more than `max_actions` attempts made for the same generation.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from alluse_operator.api.conditions import ComponentReason
from alluse_operator.core import history
from alluse_operator.core.desired import RecoveryPolicy
from alluse_operator.core.history import Attempt
from alluse_operator.core.plan import Recovery

#: A recorded attempt whose pod is still there is carried out again for so long; later it counts as made.
RESUME_WITHIN = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What recovery needs to know of an unhealthy component."""

    suspect: str
    """uid of the pod that a restart may help."""
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Leave:
    """Do nothing now; `recovery` says why and until when."""

    recovery: Recovery


@dataclass(frozen=True, slots=True)
class Restart:
    """Restart the suspect. `history` is the whole new record; `resume`: it is recorded already."""

    history: tuple[Attempt, ...]
    recovery: Recovery
    resume: bool = False


Decision = Leave | Restart


def decide(
    trouble: Trouble,
    attempts: tuple[Attempt, ...],
    policy: RecoveryPolicy,
    generation: int,
    now: datetime,
    *,
    sick_dependency: str = "",
    slot_free_at: datetime | None = None,
) -> Decision:
    """What to do about `trouble` now.

    `sick_dependency` names a Required dependency that is not well: it is the root, so nothing is done here.
    `slot_free_at` is when the budget of concurrent recoveries has room again; None: it has.
    """
    last = attempts[-1] if attempts else None
    number = run_length(attempts, policy, generation, trouble.since)
    standing = Recovery(attempts=number, last=last)
    if last is not None and last.pod_uid == trouble.suspect and now < last.at + RESUME_WITHIN:
        return Restart(attempts, standing, resume=True)
    if sick_dependency:
        return Leave(_left(standing, ComponentReason.DEPENDENCY_UNHEALTHY))
    exhausted = number > 0 and is_exhausted(attempts, policy)
    not_before = _budget_opens(attempts, policy, generation, now)
    if last is not None and exhausted:
        not_before = max(not_before or now, last.at + policy.retry_exhausted_every)
    if not_before is not None and now < not_before:
        return Leave(_left(standing, ComponentReason.RECOVERY_BUDGET_EXHAUSTED, not_before, exhausted=True))
    if last is not None and number > 0 and not exhausted:
        not_before = last.at + pause(policy, number)
        if now < not_before:
            return Leave(_left(standing, ComponentReason.RECOVERY_BACKOFF, not_before))
    if slot_free_at is not None:
        return Leave(_left(standing, ComponentReason.RECOVERY_BUDGET_IN_USE, slot_free_at))
    attempt = Attempt(
        pod_uid=trouble.suspect,
        at=now,
        reason=trouble.reason,
        number=number + 1,
        generation=generation,
        after_exhaustion=exhausted,
    )
    horizon = now - max(policy.window, policy.reset_after)
    record = (*history.forget_before(attempts, horizon), attempt)
    return Restart(record, Recovery(attempts=number + 1, last=attempt))


def standing(
    attempts: tuple[Attempt, ...], policy: RecoveryPolicy, generation: int, now: datetime
) -> Recovery:
    """The record of a component that has no trouble now, and when it will be clean."""
    if not attempts:
        return Recovery()
    last = attempts[-1]
    number = run_length(attempts, policy, generation, now)
    # The run ends *after* `reset_after`; one millisecond later it has.
    clean_at = last.at + policy.reset_after + timedelta(milliseconds=1) if number else None
    return Recovery(attempts=number, last=last, clean_at=clean_at)


def run_length(
    attempts: tuple[Attempt, ...], policy: RecoveryPolicy, generation: int, trouble_since: datetime
) -> int:
    """Attempts in the present run, 0 when a new one begins with the trouble that began at `trouble_since`."""
    if not attempts:
        return 0
    last = attempts[-1]
    if last.generation != generation or trouble_since - last.at > policy.reset_after:
        return 0
    return last.number


def is_exhausted(attempts: tuple[Attempt, ...], policy: RecoveryPolicy) -> bool:
    """Whether the run that the latest attempt belongs to has used up its budget."""
    last = attempts[-1]
    run = [a for a in attempts if a.generation == last.generation]
    in_window = history.within(tuple(run), policy.window, last.at)
    return last.after_exhaustion or len(in_window) >= policy.max_actions


def pause(policy: RecoveryPolicy, number: int) -> timedelta:
    """Pause after the attempt of that number: initial * factor^(number - 1), at most the maximum."""
    wait = policy.backoff_initial
    for _ in range(number - 1):
        if wait >= policy.backoff_max:
            break
        wait *= policy.backoff_factor
    return min(wait, policy.backoff_max)


def _budget_opens(
    attempts: tuple[Attempt, ...], policy: RecoveryPolicy, generation: int, now: datetime
) -> datetime | None:
    """When the window has room for one more attempt of this generation; None: it has now."""
    # Attempts with a time to come (clocks differ) count, too.
    counted = [a for a in attempts if a.generation == generation and a.at > now - policy.window]
    if len(counted) < policy.max_actions:
        return None
    return counted[-policy.max_actions].at + policy.window


def _left(
    standing: Recovery, reason: str, until: datetime | None = None, *, exhausted: bool = False
) -> Recovery:
    return Recovery(
        attempts=standing.attempts,
        last=standing.last,
        exhausted=exhausted,
        reason=str(reason),
        next_action_at=until,
    )
