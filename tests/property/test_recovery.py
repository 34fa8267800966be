"""Promises of recovery over any history, policy, ladder and clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from alluse_operator.api.spec import RecoveryAction
from alluse_operator.api.status import ActionType
from alluse_operator.core import history, ladder
from alluse_operator.core.desired import RecoveryPolicy
from alluse_operator.core.history import Attempt, Debt
from alluse_operator.core.ladder import jittered, pause
from alluse_operator.core.recovery import RESUME_WITHIN, Act, Circumstances, Leave, Trouble, decide
from builders import T0
from strategies import attempts_at, moments, policies, possible_steps

#: Close together, so that windows fill up, runs end and begin again, and pods are met a second time.
NEAR = moments(0, 120)
troubles = st.builds(Trouble, st.sampled_from(("pod-a", "pod-d")), st.just("ProbeFailed"), NEAR)
histories = st.lists(attempts_at(NEAR), max_size=8).map(
    lambda found: tuple(sorted(found, key=lambda a: a.at))
)
#: What else is so; nobody is held, nothing is suspended.
plain = st.builds(
    Circumstances,
    applicable=possible_steps,
    seed=st.sampled_from(("uid-1", "uid-2")),
    start_deadline=st.sampled_from((timedelta(seconds=10), timedelta(seconds=30))),
    unfinished=st.booleans(),
    retried_at=st.one_of(st.none(), st.none(), NEAR),
    recovered_at=st.one_of(st.none(), st.none(), NEAR),
)


def settled(attempts: tuple[Attempt, ...], now: datetime) -> tuple[Attempt, ...]:
    """Histories that can be: nothing lies in the future."""
    return tuple(attempt for attempt in attempts if attempt.at <= now)


def can_begin(policy: RecoveryPolicy, about: Circumstances) -> bool:
    """Whether the ladder has any step that can be taken now."""
    return ladder.next_step(policy.ladder, (), about.applicable) is not None


@settings(max_examples=200)
@given(troubles, histories, policies, st.integers(1, 2), NEAR, plain)
def test_no_window_holds_more_attempts_than_the_budget(
    trouble: Trouble,
    attempts: tuple[Attempt, ...],
    policy: RecoveryPolicy,
    generation: int,
    now: datetime,
    about: Circumstances,
) -> None:
    decision = decide(trouble, attempts, policy, generation, now, about)
    if isinstance(decision, Act) and not decision.resume:
        window = [
            a
            for a in attempts
            if a.generation == generation
            and a.at > now - policy.window
            and (about.retried_at is None or a.at >= about.retried_at)
        ]
        assert len(window) < policy.max_actions


@given(troubles, histories, policies, st.integers(1, 2), NEAR, plain)
def test_whoever_waits_says_until_when_and_that_is_later(
    trouble: Trouble,
    attempts: tuple[Attempt, ...],
    policy: RecoveryPolicy,
    generation: int,
    now: datetime,
    about: Circumstances,
) -> None:
    decision = decide(trouble, attempts, policy, generation, now, about)
    if isinstance(decision, Leave):
        assert decision.recovery.next_action_at is not None
        assert decision.recovery.next_action_at > now
        assert decision.recovery.reason


@settings(max_examples=200)
@given(troubles, histories, policies, st.integers(1, 2), NEAR, plain)
def test_whoever_waits_until_t_acts_at_t(
    trouble: Trouble,
    attempts: tuple[Attempt, ...],
    policy: RecoveryPolicy,
    generation: int,
    now: datetime,
    about: Circumstances,
) -> None:
    """Going from wait to wait leads to an attempt in a few steps: nothing is given up for ever. And what was
    said to come is what is done."""
    if not can_begin(policy, about):
        return
    attempts = settled(attempts, now)
    said = None
    for _ in range(5):
        decision = decide(trouble, attempts, policy, generation, now, about)
        if isinstance(decision, Act):
            assert decision.resume or said is None or decision.history[-1].action is said
            return
        assert decision.recovery.next_action_at is not None
        now, said = decision.recovery.next_action_at, decision.recovery.next
    raise AssertionError("waits again and again")


@given(troubles, histories, policies, st.integers(1, 2), NEAR, st.integers(0, 59_999), plain)
def test_a_recorded_attempt_whose_pod_is_still_there_is_resumed_and_not_counted_again(
    trouble: Trouble,
    attempts: tuple[Attempt, ...],
    policy: RecoveryPolicy,
    generation: int,
    now: datetime,
    age: int,
    about: Circumstances,
) -> None:
    recorded = Attempt(
        trouble.suspect, now - timedelta(milliseconds=age), "ProbeFailed", number=1, generation=generation
    )
    record = (*settled(attempts, recorded.at), recorded)
    held = replace(about, unfinished=True, held_by="x", suspended=True, slot_free_at=now)
    decision = decide(trouble, record, policy, generation, now, held)
    if about.retried_at is not None and about.retried_at > recorded.at:
        # A person has asked for a clean record since: what is not done yet is not done any more.
        assert isinstance(decision, Leave)
    else:
        assert decision == Act(record, decision.recovery, resume=True)


@given(troubles, histories, policies, NEAR, plain, st.booleans())
def test_symptoms_and_all_under_a_cause_outside_are_left_alone(
    trouble: Trouble,
    attempts: tuple[Attempt, ...],
    policy: RecoveryPolicy,
    now: datetime,
    about: Circumstances,
    outside: bool,
) -> None:
    attempts = tuple(replace(attempt, pod_uid="gone") for attempt in attempts)
    held = replace(about, suspended=True) if outside else replace(about, held_by="config-manager")
    decision = decide(trouble, attempts, policy, 1, now, held)
    assert isinstance(decision, Leave)
    assert decision.recovery.reason == ("Infrastructure" if outside else "DependencyUnhealthy")


@given(troubles, histories, policies, NEAR, plain, st.integers(1, 30))
def test_a_symptom_is_given_time_after_its_root_got_well_and_is_then_a_root_itself(
    trouble: Trouble,
    attempts: tuple[Attempt, ...],
    policy: RecoveryPolicy,
    now: datetime,
    about: Circumstances,
    seconds: int,
) -> None:
    attempts = tuple(replace(attempt, pod_uid="gone") for attempt in attempts)
    until = now + timedelta(seconds=seconds)
    waiting = replace(about, held_until=until)
    decision = decide(trouble, attempts, policy, 1, now, waiting)
    assert isinstance(decision, Leave)
    assert decision.recovery.next_action_at == until
    assert decide(trouble, attempts, policy, 1, until, waiting) == decide(
        trouble, attempts, policy, 1, until, about
    )


@given(policies, st.lists(st.integers(0, 30_000), min_size=1, max_size=30), plain)
def test_a_component_that_always_fails_again_is_treated_within_its_budget(
    policy: RecoveryPolicy, gaps: list[int], about: Circumstances
) -> None:
    """Over any rhythm of failures: pauses grow, windows hold, the ladder is climbed step by step as it is
    written, and after exhaustion it is tried but rarely."""
    about = replace(about, retried_at=None, recovered_at=None, unfinished=False)
    now, record, since = T0, (), T0
    place = {ActionType(rung.action): index for index, rung in enumerate(policy.ladder)}
    for index, gap in enumerate(gaps):
        now += timedelta(milliseconds=gap)
        decision = decide(Trouble(f"pod-{index}", "ProbeFailed", since), record, policy, 1, now, about)
        if not isinstance(decision, Act):
            continue
        made = decision.history[-1]
        assert RecoveryAction(made.action) in about.applicable
        if made.number > 1 and len(decision.history) > 1:
            before = decision.history[-2]
            assert made.at - before.at >= jittered(policy, before.number, about.seed) or made.after_exhaustion
            if not made.after_exhaustion:
                assert place[before.action] <= place[made.action]
                same = [a for a in decision.history[-made.number :] if a.action is made.action]
                assert len(same) <= policy.ladder[place[made.action]].attempts
        if made.after_exhaustion:
            assert made.at - decision.history[-2].at >= policy.retry_exhausted_every
        record, since = decision.history, now
    for attempt in record:
        assert len(history.within(record, policy.window, attempt.at)) <= policy.max_actions


@given(policies, st.lists(attempts_at(NEAR), max_size=6), possible_steps)
def test_no_step_below_the_highest_that_was_tried_is_taken(
    policy: RecoveryPolicy, run: list[Attempt], possible: frozenset[RecoveryAction]
) -> None:
    """Also when a step that was passed over could be taken now."""
    place = {ActionType(rung.action): index for index, rung in enumerate(policy.ladder)}
    step = ladder.next_step(policy.ladder, run, possible)
    if step is not None:
        assert RecoveryAction(step) in possible
        assert all(place.get(attempt.action, 0) <= place[step] for attempt in run)


@given(troubles, histories, policies, NEAR, plain)
def test_a_retry_gives_a_clean_record(
    trouble: Trouble,
    attempts: tuple[Attempt, ...],
    policy: RecoveryPolicy,
    now: datetime,
    about: Circumstances,
) -> None:
    """It acts at once, at the first step, as if nothing had been."""
    attempts = tuple(replace(attempt, pod_uid="gone") for attempt in settled(attempts, now))
    if not can_begin(policy, about) or any(attempt.at == now for attempt in attempts):
        return
    decision = decide(trouble, attempts, policy, 1, now, replace(about, retried_at=now))
    assert isinstance(decision, Act)
    made = decision.history[-1]
    assert (made.number, made.after_exhaustion) == (1, False)
    assert made.action is ladder.next_step(policy.ladder, (), about.applicable)


@given(troubles, histories, policies, NEAR, plain)
def test_a_step_that_takes_time_is_given_it(
    trouble: Trouble,
    attempts: tuple[Attempt, ...],
    policy: RecoveryPolicy,
    now: datetime,
    about: Circumstances,
) -> None:
    """While the pod that a rollout replaces is still there, the next step waits for the start deadline, unless
    a person asks for a retry meanwhile."""
    retried = replace(about, retried_at=now + timedelta(milliseconds=1))
    about = replace(about, retried_at=None)
    rollout = Attempt(
        trouble.suspect, now, "ProbeFailed", number=1, generation=1, action=ActionType.ROLLOUT_RESTART
    )
    record = (*settled(attempts, now), rollout)
    later = now + about.start_deadline
    for moment in (now, later - timedelta(milliseconds=1)):
        decision = decide(trouble, record, policy, 1, moment, about)
        assert isinstance(decision, Leave)
        assert (decision.recovery.reason, decision.recovery.next_action_at) == ("RecoveryInProgress", later)
    after = decide(trouble, record, policy, 1, later, about)
    assert isinstance(after, Act) or after.recovery.reason != "RecoveryInProgress"
    asked = decide(trouble, record, policy, 1, now + timedelta(milliseconds=1), retried)
    assert isinstance(asked, Act) or asked.recovery.reason != "RecoveryInProgress"


@given(policies, st.integers(1, 200), st.text(max_size=20))
def test_the_pause_grows_up_to_its_maximum_and_varies_by_a_fifth(
    policy: RecoveryPolicy, number: int, seed: str
) -> None:
    assert pause(policy, 1) == min(policy.backoff_initial, policy.backoff_max)
    assert pause(policy, number) <= pause(policy, number + 1) <= policy.backoff_max
    kept = jittered(policy, number, seed)
    assert pause(policy, number) * 4 / 5 <= kept <= pause(policy, number) * 6 / 5
    assert kept == jittered(policy, number, seed)


def test_the_pauses_of_a_crowd_differ() -> None:
    kept = [jittered(RecoveryPolicy(), 8, f"uid-{index}") for index in range(64)]
    assert len(set(kept)) > 50


debts = st.lists(st.builds(Debt, st.sampled_from(("a", "b", "c")), NEAR), unique_by=lambda d: d.dependency)


@given(histories, debts)
def test_the_record_survives_the_annotation(attempts: tuple[Attempt, ...], owed: list[Debt]) -> None:
    text = history.render(attempts, tuple(owed))
    assert history.parse(text) == attempts
    assert history.parse_debts(text) == tuple(sorted(owed, key=lambda debt: debt.dependency))


@given(st.one_of(st.text(), st.recursive(st.none() | st.integers() | st.text(), st.lists).map(repr)))
def test_a_damaged_record_is_an_empty_one(text: str) -> None:
    assert isinstance(history.parse(text), tuple)
    assert isinstance(history.parse_debts(text), tuple)


@given(policies, NEAR, plain)
def test_an_attempt_that_could_not_be_carried_out_for_long_counts_as_made(
    policy: RecoveryPolicy, now: datetime, about: Circumstances
) -> None:
    old = Attempt("pod-a", now - RESUME_WITHIN, "ProbeFailed", number=1, generation=1)
    decision = decide(Trouble("pod-a", "ProbeFailed", now), (old,), policy, 1, now, about)
    assert not (isinstance(decision, Act) and decision.resume)
