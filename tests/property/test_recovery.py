"""Promises of recovery over any history, policy and clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from alluse_operator.core import history
from alluse_operator.core.desired import RecoveryPolicy
from alluse_operator.core.history import Attempt
from alluse_operator.core.recovery import RESUME_WITHIN, Leave, Restart, Trouble, decide, pause
from builders import T0
from strategies import attempts_at, moments, policies

#: Close together, so that windows fill up, runs end and begin again, and pods are met a second time.
NEAR = moments(0, 120)
troubles = st.builds(Trouble, st.sampled_from(("pod-a", "pod-d")), st.just("ProbeFailed"), NEAR)
histories = st.lists(attempts_at(NEAR), max_size=8).map(
    lambda found: tuple(sorted(found, key=lambda a: a.at))
)


def settled(attempts: tuple[Attempt, ...], now: datetime) -> tuple[Attempt, ...]:
    """Histories that can be: nothing lies in the future."""
    return tuple(attempt for attempt in attempts if attempt.at <= now)


@settings(max_examples=200)
@given(troubles, histories, policies, st.integers(1, 2), NEAR)
def test_no_window_holds_more_attempts_than_the_budget(
    trouble: Trouble, attempts: tuple[Attempt, ...], policy: RecoveryPolicy, generation: int, now: datetime
) -> None:
    decision = decide(trouble, attempts, policy, generation, now)
    if isinstance(decision, Restart) and not decision.resume:
        window = [a for a in attempts if a.generation == generation and a.at > now - policy.window]
        assert len(window) < policy.max_actions


@given(troubles, histories, policies, st.integers(1, 2), NEAR)
def test_whoever_waits_says_until_when_and_that_is_later(
    trouble: Trouble, attempts: tuple[Attempt, ...], policy: RecoveryPolicy, generation: int, now: datetime
) -> None:
    decision = decide(trouble, attempts, policy, generation, now)
    if isinstance(decision, Leave):
        assert decision.recovery.next_action_at is not None
        assert decision.recovery.next_action_at > now


@given(troubles, histories, policies, st.integers(1, 2), NEAR)
def test_whoever_waits_until_t_acts_at_t(
    trouble: Trouble, attempts: tuple[Attempt, ...], policy: RecoveryPolicy, generation: int, now: datetime
) -> None:
    """Going from wait to wait leads to an attempt in a few steps: nothing is given up for ever."""
    attempts = settled(attempts, now)
    for _ in range(4):
        decision = decide(trouble, attempts, policy, generation, now)
        if isinstance(decision, Restart):
            return
        assert decision.recovery.next_action_at is not None
        now = decision.recovery.next_action_at
    raise AssertionError("waits again and again")


@given(troubles, histories, policies, st.integers(1, 2), NEAR, st.integers(0, 59_999))
def test_a_recorded_attempt_whose_pod_is_still_there_is_resumed_and_not_counted_again(
    trouble: Trouble,
    attempts: tuple[Attempt, ...],
    policy: RecoveryPolicy,
    generation: int,
    now: datetime,
    age: int,
) -> None:
    recorded = Attempt(
        trouble.suspect, now - timedelta(milliseconds=age), "ProbeFailed", number=1, generation=generation
    )
    record = (*settled(attempts, recorded.at), recorded)
    decision = decide(trouble, record, policy, generation, now, sick_dependency="x", slot_free_at=now)
    assert decision == Restart(record, decision.recovery, resume=True)


@given(troubles, histories, policies, NEAR)
def test_symptoms_are_left_alone(
    trouble: Trouble, attempts: tuple[Attempt, ...], policy: RecoveryPolicy, now: datetime
) -> None:
    attempts = tuple(replace(attempt, pod_uid="gone") for attempt in attempts)
    decision = decide(trouble, attempts, policy, 1, now, sick_dependency="config-manager")
    assert isinstance(decision, Leave)


@given(policies, st.lists(st.integers(0, 30_000), min_size=1, max_size=30))
def test_a_component_that_always_fails_again_is_restarted_within_its_budget(
    policy: RecoveryPolicy, gaps: list[int]
) -> None:
    """Over any rhythm of failures: pauses grow, windows hold, and after exhaustion it is tried but rarely."""
    now, record, since = T0, (), T0
    for index, gap in enumerate(gaps):
        now += timedelta(milliseconds=gap)
        decision = decide(Trouble(f"pod-{index}", "ProbeFailed", since), record, policy, 1, now)
        if isinstance(decision, Restart):
            made = decision.history[-1]
            if made.number > 1 and len(decision.history) > 1:
                before = decision.history[-2]
                assert made.at - before.at >= pause(policy, before.number)
            if made.after_exhaustion:
                assert made.at - decision.history[-2].at >= policy.retry_exhausted_every
            record = decision.history
            since = now
    for attempt in record:
        assert len(history.within(record, policy.window, attempt.at)) <= policy.max_actions


@given(policies, st.integers(1, 200))
def test_the_pause_grows_up_to_its_maximum(policy: RecoveryPolicy, number: int) -> None:
    assert pause(policy, 1) == min(policy.backoff_initial, policy.backoff_max)
    assert pause(policy, number) <= pause(policy, number + 1) <= policy.backoff_max


@given(histories)
def test_the_record_survives_the_annotation(attempts: tuple[Attempt, ...]) -> None:
    assert history.parse(history.render(attempts)) == attempts


@given(st.one_of(st.text(), st.recursive(st.none() | st.integers() | st.text(), st.lists).map(repr)))
def test_a_damaged_record_is_an_empty_one(text: str) -> None:
    assert isinstance(history.parse(text), tuple)


@given(policies, NEAR)
def test_an_attempt_that_could_not_be_carried_out_for_long_counts_as_made(
    policy: RecoveryPolicy, now: datetime
) -> None:
    old = Attempt("pod-a", now - RESUME_WITHIN, "ProbeFailed", number=1, generation=1)
    decision = decide(Trouble("pod-a", "ProbeFailed", now), (old,), policy, 1, now)
    assert not (isinstance(decision, Restart) and decision.resume)
