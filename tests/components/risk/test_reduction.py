"""Reductions: never multiply, never increase, and asked for no more often than the rules allow."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse.domain.drawdown import Observation, Rules, observe, stop_new_entries
from alluse.domain.reduction import confirmed, exposure_of, holdings_of, propose, reductions
from alluse.schemas.common import Position
from alluse.schemas.drawdown import ActivateAnswer, NotActivated, Protection, ProtectionLevel

START = datetime(2026, 1, 5, 12, tzinfo=UTC)
RULES = Rules()
SYMBOLS = ("AAA", "BBB", "CCC", "DDD")


def stock(symbol: str, quantity: float, price: float = 100, **more: object) -> Position:
    return Position.model_validate({"symbol": symbol, "quantity": quantity, "price": price, **more})


def put(symbol: str, contracts: float, strike: float = 50, **more: object) -> Position:
    return Position.model_validate(
        {"symbol": symbol, "kind": "put", "quantity": contracts, "price": 1, "strike": strike, **more}
    )


def fallen(drawdown: float, positions: list[Position], at: datetime = START) -> Protection:
    state, _ = observe(
        None, "book", Observation(100 * (1 - drawdown), at, peak=100, holdings=holdings_of(positions)), RULES
    )
    return state


def ask(
    state: Protection, positions: list[Position], at: datetime = START, dry_run: bool = False
) -> tuple[Protection, ActivateAnswer]:
    return propose(state, positions, {}, at, RULES, dry_run=dry_run)


quantities = st.floats(-500, 500).filter(lambda quantity: abs(quantity) > 0.01)
contracts = st.integers(-50, 50).filter(bool)
position_lists = st.lists(
    st.builds(stock, st.sampled_from(SYMBOLS), quantities, volatility=st.floats(0.1, 0.9))
    | st.builds(put, st.sampled_from(SYMBOLS), contracts, volatility=st.floats(0.1, 0.9)),
    min_size=1,
    max_size=6,
    unique_by=lambda position: (position.symbol, position.kind),
)
falls = st.sampled_from([0.05, 0.10, 0.15, 0.20])


def applied(positions: list[Position], answer: list[object]) -> list[Position]:
    by_name = {adjustment.instrument: adjustment.to for adjustment in answer}  # type: ignore[attr-defined]
    after = []
    for position in positions:
        (name,) = holdings_of([position])
        quantity = by_name.get(name, position.quantity)
        share = quantity / position.quantity if position.quantity else 0.0
        after.append(
            position.model_copy(update={"quantity": quantity, "market_value": position.market_value * share})
        )
    return after


@given(position_lists, falls)
def test_reductions_reduce_towards_zero_and_keep_their_sign(positions: list[Position], fall: float) -> None:
    for adjustment in reductions(fallen(fall, positions), positions, {}, RULES):
        assert abs(adjustment.to) < abs(adjustment.from_)
        assert adjustment.to * adjustment.from_ >= 0
        assert adjustment.fraction == pytest.approx(1 - adjustment.to / adjustment.from_)
        assert (adjustment.action == "close") == (adjustment.to == 0)


@given(position_lists, falls)
def test_steps_never_multiply(positions: list[Position], fall: float) -> None:
    """Carrying a proposal out leaves nothing more to do on the same level."""
    state = fallen(fall, positions)
    after = applied(positions, list(reductions(state, positions, {}, RULES)))
    assert reductions(state, after, {}, RULES) == []


@given(position_lists, st.lists(falls, min_size=1, max_size=4))
def test_the_exposure_left_is_that_of_the_deepest_level(positions: list[Position], path: list[float]) -> None:
    """However the levels are passed through, each holding keeps at most its share of the beginning."""
    state = fallen(path[0], positions)
    held = positions
    deepest = path[0]
    for fall in path:
        deepest = max(deepest, fall)
        state, _ = observe(
            state, "book", Observation(100 * (1 - fall), START, holdings=holdings_of(held)), RULES
        )
        held = applied(held, list(reductions(state, held, {}, RULES)))
    begun = sum(exposure_of(position) for position in positions)
    left = sum(exposure_of(position) for position in held)
    factor = {0.05: 1.0, 0.10: 0.6, 0.15: 0.4, 0.20: 0.2}[deepest]
    assert left <= factor * begun * (1 + 1e-9) + 1e-6
    if deepest < 0.20 and all(position.kind == "stock" for position in positions) and deepest > 0.05:
        assert left == pytest.approx(factor * begun)


def test_each_position_keeps_its_share() -> None:
    positions = [stock("AAA", 100), stock("BBB", -50), put("CCC", -5)]
    found = reductions(fallen(0.10, positions), positions, {}, RULES)
    assert [(a.symbol, a.from_, a.to) for a in found] == [
        ("AAA", 100, 60),
        ("BBB", -50, -30),
        ("CCC", -5, -3),
    ]


def test_contracts_are_rounded_down() -> None:
    positions = [put("AAA", -3), put("BBB", -1), put("CCC", 2)]
    found = reductions(fallen(0.10, positions), positions, {}, RULES)
    assert [(a.symbol, a.to, a.action) for a in found] == [
        ("AAA", -1, "reduce"),
        ("BBB", 0, "close"),
        ("CCC", 1, "reduce"),
    ]


def test_light_touches_only_what_is_volatile_or_unknown() -> None:
    positions = [stock("AAA", 10, volatility=0.36), stock("BBB", 10, volatility=0.35), stock("CCC", 10)]
    state = fallen(0.05, positions)
    assert [a.symbol for a in reductions(state, positions, {}, RULES)] == ["AAA", "CCC"]
    assert [a.symbol for a in reductions(state, positions, {"CCC": 0.2}, RULES)] == ["AAA"]


def test_an_emergency_closes_the_riskiest_first_until_a_fifth_is_left() -> None:
    positions = [
        stock("AAA", 100, volatility=0.2),
        stock("BBB", 100, volatility=0.9),
        stock("CCC", 100, volatility=0.5),
    ]
    state = fallen(0.20, positions)
    found = reductions(state, positions, {}, RULES)
    assert [(a.symbol, a.action) for a in found] == [("BBB", "close"), ("CCC", "close"), ("AAA", "reduce")]
    assert found[2].to == pytest.approx(60)
    assert stop_new_entries(state)


def test_what_was_sold_by_hand_is_not_sold_again() -> None:
    positions = [stock("AAA", 100)]
    state = fallen(0.10, positions)
    assert reductions(state, [stock("AAA", 55)], {}, RULES) == []
    (found,) = reductions(state, [stock("AAA", 80)], {}, RULES)
    assert found.to == pytest.approx(60)


def test_the_beginning_is_what_was_last_seen_when_only_a_value_falls() -> None:
    state, _ = observe(
        None, "book", Observation(100, START, holdings=holdings_of([stock("AAA", 100)])), RULES
    )
    state, _ = observe(state, "book", Observation(89, START), RULES)
    (found,) = reductions(state, [stock("AAA", 90)], {}, RULES)
    assert found.to == pytest.approx(60)


def test_a_repetition_waits_for_the_cooldown_and_the_day() -> None:
    positions = [stock("AAA", 100)]
    state, first = ask(fallen(0.10, positions), positions)
    assert first.activated
    _, again = ask(state, positions, START + timedelta(seconds=299))
    assert again.reason_not_activated is NotActivated.COOLDOWN
    at = START
    for _ in range(4):
        at += timedelta(seconds=300)
        state, answer = ask(state, positions, at)
        assert answer.activated
    at += timedelta(seconds=300)
    _, answer = ask(state, positions, at)
    assert answer.reason_not_activated is NotActivated.DAILY_LIMIT
    _, answer = ask(state, positions, START + timedelta(hours=12))
    assert answer.activated


def test_an_escalation_ignores_the_cooldown_and_an_emergency_the_limit() -> None:
    positions = [stock("AAA", 100)]
    state, _ = ask(fallen(0.10, positions), positions)
    state, _ = observe(state, "book", Observation(85, START), RULES)
    state, answer = ask(state, positions)
    assert answer.activated
    state, _ = observe(state, "book", Observation(80, START), RULES)
    for _ in range(8):
        state, answer = ask(state, positions)
        assert answer.activated
        assert answer.protection_level is ProtectionLevel.EMERGENCY


def test_a_proposal_changes_nothing_until_it_is_reported_as_done() -> None:
    positions = [stock("AAA", 100)]
    state, answer = ask(fallen(0.10, positions), positions, dry_run=True)
    assert not answer.activated
    assert answer.reason_not_activated is NotActivated.DRY_RUN
    assert [a.to for a in answer.adjustments_made] == [pytest.approx(60)]
    _, again = ask(state, positions, START + timedelta(seconds=60), dry_run=True)
    assert again.reason_not_activated is NotActivated.COOLDOWN
    _, real = ask(state, positions, START + timedelta(seconds=60))
    assert real.activated
    done = confirmed(state, START + timedelta(seconds=30))
    assert done.actions == 1
    _, after = ask(done, positions, START + timedelta(seconds=60))
    assert after.reason_not_activated is NotActivated.COOLDOWN
    assert confirmed(done, START + timedelta(seconds=60)) == done


def test_nothing_to_do_is_said_so() -> None:
    positions = [stock("AAA", 100)]
    _, answer = ask(fallen(0.01, positions), positions)
    assert answer.reason_not_activated is NotActivated.NOT_NEEDED
    _, answer = ask(fallen(0.10, positions), [stock("AAA", 10)])
    assert answer.reason_not_activated is NotActivated.ALREADY_REDUCED
