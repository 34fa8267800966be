"""The recovery ladder: which step is next, and how long to pause before it.

Each step (rung) has a number of attempts. The step that is next follows from the attempts of the present run
of trouble and from which steps can be taken now: a step that cannot is passed over, and none that lies
below what was tried already is taken again in the same run. Nothing but the record decides, so a new
operator climbs on where the old one stood.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from datetime import timedelta

from alluse_operator.api.spec import RecoveryAction
from alluse_operator.api.status import ActionType
from alluse_operator.core.desired import RecoveryPolicy, Rung
from alluse_operator.core.history import Attempt

#: Steps that leave the sick pod where it is for a while: they are given time before the next one.
SLOW_STEPS = frozenset(
    {
        ActionType.ROLLOUT_RESTART,
        ActionType.RESCHEDULE_ELSEWHERE,
        ActionType.ROLLBACK_COMPONENT,
        ActionType.RESTART_DEPENDENTS,
    }
)
#: The pause varies by a fifth to either side, so that what failed together is not restarted together.
_LEAST_PERMILLE, _MOST_PERMILLE = 800, 1200


def next_step(
    ladder: Sequence[Rung], run: Sequence[Attempt], applicable: Collection[RecoveryAction]
) -> ActionType | None:
    """The step after those of `run`; None: the ladder is used up, which is the safe state."""
    place = {ActionType(rung.action): index for index, rung in enumerate(ladder)}
    reached = max((place.get(attempt.action, 0) for attempt in run), default=0)
    for rung in ladder[reached:]:
        if rung.action is RecoveryAction.SAFE_STATE:
            return None
        made = sum(1 for attempt in run if attempt.action is ActionType(rung.action))
        if rung.action in applicable and made < rung.attempts:
            return ActionType(rung.action)
    return None


def pause(policy: RecoveryPolicy, number: int) -> timedelta:
    """Nominal pause after the attempt of that number: initial * factor^(number - 1), at most the maximum."""
    wait = policy.backoff_initial
    for _ in range(number - 1):
        if wait >= policy.backoff_max:
            break
        wait *= policy.backoff_factor
    return min(wait, policy.backoff_max)


def jittered(policy: RecoveryPolicy, number: int, seed: str) -> timedelta:
    """The pause as it is kept: 0.8 to 1.2 of the nominal one, the same for the same workload and number."""
    digest = hashlib.sha256(f"{seed}/{number}".encode()).digest()
    spread = _MOST_PERMILLE - _LEAST_PERMILLE + 1
    permille = _LEAST_PERMILLE + int.from_bytes(digest[:4]) % spread
    return pause(policy, number) * permille // 1000
