"""Protection: what must hold for every sequence of values, flows and times."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from alluse.domain.drawdown import (
    Observation,
    Rules,
    drawdown_of,
    moved_peak,
    needed_level,
    observe,
    recovery,
    restart,
    standing,
    stop_new_entries,
)
from alluse.domain.errors import InvalidInputError
from alluse.schemas.common import AccountType
from alluse.schemas.drawdown import Change, Protection, ProtectionLevel

START = datetime(2026, 1, 5, 15, tzinfo=UTC)
RULES = Rules()
accounts = st.none() | st.sampled_from(AccountType)


def see(
    state: Protection | None, value: float, at: datetime = START, **more: object
) -> tuple[Protection, tuple[Change, ...]]:
    return observe(state, "book", Observation(value, at, **more), RULES)  # type: ignore[arg-type]


class Portfolios(RuleBasedStateMachine):
    """One portfolio whose value moves as it likes; a plain model of the rules runs beside."""

    @initialize(value=st.floats(1_000, 1e6), account=accounts)
    def open(self, value: float, account: AccountType | None) -> None:
        self.now = START
        self.peak = value
        self.value = value
        self.account = account
        self.worst = 0.0
        #: Times at which recovery was seen below one half, or the level changed.
        self.unrecovered = START
        self.state, _ = see(None, value, account_type=account)
        self.changes: list[Change] = []

    def observe(self, value: float, flow: float = 0.0) -> None:
        before = self.state
        self.state, changes = see(before, value, self.now, cash_flow=flow)
        self.value = value
        self.peak = max(moved_peak(self.peak, value, flow), value)
        self.changes = list(changes)
        drawdown = drawdown_of(value, self.peak)
        if before.level is ProtectionLevel.NONE and self.state.level is ProtectionLevel.NONE:
            self.worst = 0.0
        self.worst = max(self.worst, drawdown) if self.state.episode else 0.0
        if recovery(drawdown, self.worst) < 0.5 - 1e-9 or changes:
            self.last_unrecovered = self.unrecovered
            self.unrecovered = self.now
        if self.state.level.rank < before.level.rank:
            self.deescalated(before, drawdown, flow)

    def deescalated(self, before: Protection, drawdown: float, flow: float) -> None:
        """Never too early: nine tenths recovered, or one level after 24 h of at least one half."""
        assert before.episode is not None
        recovered = recovery(drawdown, max(before.episode.worst_drawdown, drawdown))
        if recovered >= 0.9 - 1e-9:
            return
        assert recovered >= 0.5 - 1e-9
        assert before.level.rank - self.state.level.rank == 1
        assert self.now - self.last_unrecovered >= timedelta(hours=24)

    @rule(move=st.floats(-0.12, 0.12), hours=st.sampled_from([0, 1, 12, 24, 30]))
    def drift(self, move: float, hours: int) -> None:
        self.now += timedelta(hours=hours)
        self.observe(self.value * (1 + move))

    @rule(share=st.floats(0, 1.2), hours=st.sampled_from([0, 23, 24, 48]))
    def recover(self, share: float, hours: int) -> None:
        self.now += timedelta(hours=hours)
        self.observe(self.value + share * (self.peak - self.value))

    @rule(fall=st.floats(0.04, 0.25))
    def fall(self, fall: float) -> None:
        self.observe(self.peak * (1 - fall))

    @rule(share=st.floats(-0.9, 3))
    def flow(self, share: float) -> None:
        """A deposit or withdrawal alone changes neither the drawdown nor, upwards, the level."""
        before = standing(self.state, self.now, RULES)
        amount = self.value * share
        self.observe(self.value + amount, amount)
        after = standing(self.state, self.now, RULES)
        assert after.current_drawdown == pytest.approx(before.current_drawdown, abs=1e-9)
        assert after.protection_level.rank <= before.protection_level.rank

    @invariant()
    def holds(self) -> None:
        if not hasattr(self, "state"):
            return
        found = standing(self.state, self.now, RULES)
        assert self.state.peak >= self.state.value
        assert self.state.peak == pytest.approx(self.peak)
        # Never late: the level is at least what the present drawdown needs.
        assert found.protection_level.rank >= found.level_needed.rank
        assert (self.state.episode is None) == (self.state.level is ProtectionLevel.NONE)
        if self.state.episode:
            assert self.state.episode.worst_drawdown >= found.current_drawdown - 1e-9
            assert found.recovery is not None
            assert 0 <= found.recovery <= 1
        assert Protection.model_validate_json(self.state.model_dump_json()) == self.state


TestPortfolios = Portfolios.TestCase
TestPortfolios.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@given(st.lists(st.floats(1, 1e6), min_size=1, max_size=30), accounts)
def test_the_level_depends_only_on_values_not_on_how_often_they_are_seen(
    values: list[float], account: AccountType | None
) -> None:
    once: Protection | None = None
    twice: Protection | None = None
    for index, value in enumerate(values):
        at = START + timedelta(hours=index)
        once, _ = see(once, value, at, account_type=account)
        for _ in range(2):
            twice, _ = see(twice, value, at, account_type=account)
    assert once == twice


@given(st.floats(0.001, 1e9), st.floats(0, 0.99), st.floats(-0.99, 10))
def test_a_flow_moves_the_peak_like_the_value(peak: float, drawdown: float, share: float) -> None:
    before = peak * (1 - drawdown)
    flow = before * share
    if before < 0.01:
        return
    moved = moved_peak(peak, before + flow, flow)
    assert drawdown_of(before + flow, moved) == pytest.approx(drawdown_of(before, peak), abs=1e-6)


def test_withdrawing_everything_and_beginning_again_is_no_loss() -> None:
    state, _ = see(None, 50_000)
    state, changes = see(state, 0, cash_flow=-50_000)
    assert (state.level, changes) == (ProtectionLevel.NONE, ())
    state, changes = see(state, 20_000, cash_flow=20_000)
    assert (state.peak, changes) == (20_000, ())


def test_a_first_observation_takes_its_flow_as_done() -> None:
    state, _ = see(None, 20_000, cash_flow=15_000)
    assert state.peak == 20_000


@pytest.mark.parametrize(
    ("account", "drawdown", "level", "stop"),
    [
        (AccountType.COM_ACC, 0.069, ProtectionLevel.LIGHT, False),
        (AccountType.COM_ACC, 0.07, ProtectionLevel.AGGRESSIVE, True),
        (AccountType.REV_ACC, 0.10, ProtectionLevel.AGGRESSIVE, True),
        (AccountType.GEN_ACC, 0.10, ProtectionLevel.MODERATE, False),
        (AccountType.GEN_ACC, 0.15, ProtectionLevel.AGGRESSIVE, True),
        (None, 0.15, ProtectionLevel.AGGRESSIVE, False),
        (None, 0.0499, ProtectionLevel.NONE, False),
        (None, 0.05, ProtectionLevel.LIGHT, False),
        (None, 0.20, ProtectionLevel.EMERGENCY, True),
        (None, 0.99, ProtectionLevel.EMERGENCY, True),
    ],
)
def test_levels_by_drawdown_and_account(
    account: AccountType | None, drawdown: float, level: ProtectionLevel, stop: bool
) -> None:
    state, _ = see(None, 100_000, account_type=account)
    state, _ = see(state, 100_000 * (1 - drawdown))
    assert state.level is level
    assert stop_new_entries(state) is stop


@given(st.floats(0, 1.5), st.floats(0, 1.5), accounts)
def test_a_deeper_fall_never_needs_less(low: float, high: float, account: AccountType | None) -> None:
    low, high = sorted((low, high))
    assert needed_level(low, account, RULES).rank <= needed_level(high, account, RULES).rank


def test_the_workflow_of_a_fall_of_ten_percent() -> None:
    state, _ = see(None, 45_000, peak=50_000)
    assert (state.level, state.peak) == (ProtectionLevel.MODERATE, 50_000)
    state, changes = see(state, 42_000)
    assert [(c.kind, c.to_level) for c in changes] == [("escalated", ProtectionLevel.AGGRESSIVE)]
    state, changes = see(state, 49_200)
    assert [c.kind for c in changes] == ["ended"]


def test_recovery_must_hold_for_a_day_without_relapse() -> None:
    state, _ = see(None, 100)
    state, _ = see(state, 80)
    for hours, value in ((1, 90), (24, 90), (24.5, 89)):
        state, changes = see(state, value, START + timedelta(hours=hours))
        assert changes == ()
    state, changes = see(state, 90, START + timedelta(hours=25))
    assert changes == ()
    state, changes = see(state, 90, START + timedelta(hours=48.9))
    assert changes == ()
    state, changes = see(state, 90, START + timedelta(hours=49))
    assert [c.to_level for c in changes] == [ProtectionLevel.AGGRESSIVE]


def test_relaxing_stops_at_what_is_still_needed() -> None:
    state, _ = see(None, 100)
    state, _ = see(state, 50)
    for day in range(1, 9):
        state, _ = see(state, 78, START + timedelta(days=day))
    assert state.level is ProtectionLevel.EMERGENCY
    state, _ = see(state, 95, START + timedelta(days=10))
    assert state.level is ProtectionLevel.LIGHT
    assert state.episode is not None


def test_a_reset_forgets_the_fall_and_says_who_did_it() -> None:
    state, _ = see(None, 100)
    state, _ = see(state, 80)
    state, change = restart(state, START, "ann", "agreed with the owner")
    assert (state.peak, state.level, state.episode) == (80, ProtectionLevel.NONE, None)
    assert (change.kind, change.from_level) == ("reset", ProtectionLevel.EMERGENCY)
    assert "ann" in change.detail


def test_a_peak_must_be_positive() -> None:
    with pytest.raises(InvalidInputError, match="peak_value"):
        see(None, 100, peak=0.0)


def test_a_value_below_zero_is_a_whole_loss_even_when_nobody_knows_a_peak() -> None:
    state, _ = see(None, -1.0)
    assert (state.level, drawdown_of(state.value, state.peak)) == (ProtectionLevel.EMERGENCY, 1.0)
