"""Portfolios: what must hold for every market and every constraint, and what is refused."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alluse.domain.errors import InsufficientDataError, InvalidInputError
from alluse.domain.estimates import Estimates, bayes_stein, estimate
from alluse.domain.feasible import Group, feasible
from alluse.domain.portfolio import HELD, Selected, Task, allowed_weights, frontier, select
from alluse.domain.quadratic import Optimum, Programme, solve
from alluse.domain.rebalance import advise
from alluse.schemas.portfolio import Constraints, MeanEstimate, Objective
from windows import random_returns

NAMES = tuple(f"S{number:02d}" for number in range(50))


def market(seed: int, symbols: int, days: int = 252, mean: MeanEstimate = MeanEstimate.SHRUNK) -> Estimates:
    return estimate(NAMES[:symbols], random_returns(seed, days, symbols), mean)


def chosen(estimates: Estimates, task: Task, constraints: Constraints | None = None) -> Selected:
    constraints = constraints or Constraints()
    return select(estimates, task, allowed_weights(estimates.symbols, constraints, {}), constraints)


def constraint_sets(symbols: int) -> st.SearchStrategy[Constraints]:
    sectors = st.dictionaries(st.sampled_from(NAMES[:symbols]), st.sampled_from(["tech", "oil"]))
    return st.builds(
        Constraints,
        max_weight=st.floats(1 / min(symbols, 10) + 1e-3, 1),
        sector_limit=st.floats(0.3, 1),
        sectors=sectors,
        min_positions=st.integers(1, 3),
        max_positions=st.just(10),
    )


markets = st.tuples(st.integers(0, 10_000), st.integers(3, 14)).flatmap(
    lambda pair: st.tuples(st.just(pair[0]), st.just(pair[1]), constraint_sets(pair[1]))
)


@settings(deadline=None)
@given(markets, st.sampled_from(Objective), st.floats(0, 1))
def test_weights_sum_to_one_within_every_bound(
    case: tuple[int, int, Constraints], objective: Objective, target: float
) -> None:
    seed, symbols, constraints = case
    estimates = market(seed, symbols)
    task = Task(objective, target_return=-0.2 + 0.5 * target, target_risk=0.05 + 0.4 * target)
    try:
        found = chosen(estimates, task, constraints)
    except InvalidInputError:
        return
    assert found.converged
    assert found.violations == ()
    assert found.weights.sum() == pytest.approx(1, abs=1e-9)
    assert found.weights.min() >= -1e-12
    assert found.weights.max() <= constraints.max_weight + 1e-9
    for sector in ("tech", "oil"):
        members = [s for s, name in (constraints.sectors or {}).items() if name == sector]
        held = sum(found.weights[NAMES.index(symbol)] for symbol in members)
        assert held <= constraints.sector_limit + 1e-9
    assert np.count_nonzero(found.weights > HELD) <= 10
    assert found.contributions.sum() == pytest.approx(1)
    if objective is Objective.TARGET_RETURN:
        assert task.target_return is not None
        assert found.expected_return >= task.target_return - 1e-6
    if objective is Objective.TARGET_RISK:
        assert task.target_risk is not None
        assert found.volatility <= task.target_risk + 1e-6


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000), st.integers(3, 10))
def test_each_objective_is_best_at_its_own_measure(seed: int, symbols: int) -> None:
    estimates = market(seed, symbols)
    found = {}
    for objective in (
        Objective.MIN_VARIANCE,
        Objective.MAX_SHARPE,
        Objective.MAX_RETURN,
        Objective.RISK_PARITY,
    ):
        try:
            found[objective] = chosen(estimates, Task(objective))
        except InvalidInputError:
            continue
    least = found[Objective.MIN_VARIANCE].volatility
    highest = found[Objective.MAX_RETURN].expected_return
    for each in found.values():
        assert each.volatility >= least - 1e-9
        assert each.expected_return <= highest + 1e-9
        if Objective.MAX_SHARPE in found:
            assert each.sharpe <= found[Objective.MAX_SHARPE].sharpe + 1e-7


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(3, 8), st.integers(0, 10_000))
def test_no_random_portfolio_beats_the_optimum(seed: int, symbols: int, draw: int) -> None:
    estimates = market(seed, symbols)
    best = chosen(estimates, Task(Objective.MIN_VARIANCE))
    generator = np.random.default_rng(draw)
    for _ in range(50):
        weights = generator.dirichlet(np.ones(symbols))
        if weights.max() <= 0.4:
            assert np.sqrt(weights @ estimates.covariance @ weights) >= best.volatility - 1e-12


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(3, 10), st.integers(2, 20))
def test_the_frontier_rises(seed: int, symbols: int, points: int) -> None:
    estimates = market(seed, symbols)
    constraints = Constraints()
    allowed = allowed_weights(estimates.symbols, constraints, {})
    line = frontier(estimates, Task(Objective.MIN_VARIANCE), allowed, constraints, points)
    assert len(line) == points
    returns, risks = [p.expected_return for p in line], [p.volatility for p in line]
    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(returns))
    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(risks))
    assert all(point.violations == () and point.converged for point in line)


@given(st.integers(0, 10_000), st.integers(2, 12))
def test_shrunk_means_lie_between_history_and_one_value(seed: int, symbols: int) -> None:
    history = market(seed, symbols, mean=MeanEstimate.HISTORICAL)
    shrunk = market(seed, symbols)
    assert 0 < shrunk.mean_shrinkage <= 1
    inverse = np.linalg.solve(history.covariance, np.ones(symbols))
    target = inverse @ history.mean / inverse.sum()
    between = (1 - shrunk.mean_shrinkage) * (history.mean - target) + target
    assert shrunk.mean == pytest.approx(between, abs=1e-12)
    assert np.all(np.abs(shrunk.mean - target) <= np.abs(history.mean - target) + 1e-12)


def test_the_shrinkage_of_means_is_the_same_in_daily_and_yearly_terms() -> None:
    history = market(1, 5, mean=MeanEstimate.HISTORICAL)
    _, weight = bayes_stein(history.mean, history.covariance, 252)
    daily_mean, daily_covariance = history.mean / 252, history.covariance / 252
    inverse = np.linalg.inv(daily_covariance)
    target = inverse.sum(axis=0) @ daily_mean / inverse.sum()
    apart = daily_mean - target
    assert weight == pytest.approx(7 / (7 + 252 * apart @ inverse @ apart))


def test_more_positions_than_allowed_are_dropped_and_fewer_are_filled_up() -> None:
    estimates = market(3, 20)
    parity = chosen(estimates, Task(Objective.RISK_PARITY))
    assert np.count_nonzero(parity.weights > HELD) == 10
    assert parity.violations == ()
    free = chosen(estimates, Task(Objective.RISK_PARITY), Constraints(max_positions=50))
    assert set(np.flatnonzero(parity.weights > HELD)) == set(np.argsort(-free.weights)[:10])
    wide = Constraints(max_weight=1, min_positions=3)
    single = chosen(estimates, Task(Objective.MAX_RETURN), wide)
    assert np.count_nonzero(single.weights > HELD) == 3
    assert single.violations == ()
    assert np.sort(single.weights)[-3:] == pytest.approx([0.01, 0.01, 0.98])


def test_what_cannot_be_is_refused_with_what_can() -> None:
    estimates = market(1, 5)
    with pytest.raises(InvalidInputError, match=r"target_return: 9\.0000 is not attainable; choose from"):
        chosen(estimates, Task(Objective.TARGET_RETURN, target_return=9.0))
    with pytest.raises(InvalidInputError, match=r"target_risk: 0\.0010 is not attainable; choose from"):
        chosen(estimates, Task(Objective.TARGET_RISK, target_risk=0.001))
    with pytest.raises(InvalidInputError, match=r"at least 0\.5000 each"):
        chosen(market(1, 2), Task(Objective.MIN_VARIANCE), Constraints(min_positions=2))
    with pytest.raises(InvalidInputError, match="3 positions are demanded"):
        chosen(market(1, 2), Task(Objective.MIN_VARIANCE))
    single_sector = Constraints(sectors=dict.fromkeys(NAMES[:5], "tech"))
    with pytest.raises(InvalidInputError, match="add another sector"):
        chosen(estimates, Task(Objective.MIN_VARIANCE), single_sector)
    with pytest.raises(InvalidInputError, match=r"sum to 1\.50"):
        chosen(estimates, Task(Objective.MIN_VARIANCE), Constraints(min_weight=0.3, min_positions=1))
    with pytest.raises(InvalidInputError, match="risk-free rate"):
        chosen(estimates, Task(Objective.MAX_SHARPE, risk_free_rate=0.5))
    with pytest.raises(InvalidInputError, match="at most 10 are held"):
        chosen(market(1, 12), Task(Objective.MIN_VARIANCE), Constraints(min_weight=0.01))


def test_estimates_need_days_that_move() -> None:
    with pytest.raises(InsufficientDataError, match="59 days"):
        market(1, 3, days=59)
    flat = random_returns(1, 100, 3)
    flat[:, 1] = 0
    with pytest.raises(InsufficientDataError, match="S01 did not move"):
        estimate(NAMES[:3], flat, MeanEstimate.SHRUNK)
    twins = np.tile(np.array([[0.01, 0.01], [-0.01, -0.01]]), (50, 1))
    with pytest.raises(InvalidInputError, match="leave one out"):
        estimate(NAMES[:2], twins, MeanEstimate.SHRUNK)
    with pytest.raises(InvalidInputError, match="expected_returns"):
        estimate(NAMES[:3], random_returns(1, 100, 3), MeanEstimate.GIVEN, {"S00": 0.1})
    given_means = estimate(NAMES[:2], random_returns(1, 100, 2), MeanEstimate.GIVEN, {"S00": 0.1, "S01": 0.2})
    assert given_means.mean == pytest.approx([0.1, 0.2])


@given(st.integers(0, 10_000), st.integers(1, 8), st.integers(0, 6))
def test_a_programme_ends_at_a_point_that_satisfies_its_conditions(
    seed: int, size: int, inequalities: int
) -> None:
    """Karush, Kuhn and Tucker: feasible, and the gradient is a combination of active constraints."""
    generator = np.random.default_rng(seed)
    root = generator.normal(size=(size, size))
    inside = generator.normal(size=size)
    rows = generator.normal(size=(inequalities, size))
    programme = Programme(
        quadratic=root @ root.T + 0.1 * np.eye(size),
        linear=generator.normal(size=size),
        equal=np.ones((1, size)),
        equal_to=np.array([inside.sum()]),
        at_least=rows,
        bound=rows @ inside - np.abs(generator.normal(size=inequalities)),
    )
    found = solve(programme)
    assert found.solved
    assert found.point.sum() == pytest.approx(inside.sum(), abs=1e-8)
    slack = rows @ found.point - programme.bound
    assert np.all(slack >= -1e-8)
    gradient = programme.quadratic @ found.point + programme.linear
    active = rows[slack < 1e-7]
    normals = np.vstack([programme.equal, active])
    multipliers, *_ = np.linalg.lstsq(normals.T, gradient, rcond=None)
    assert normals.T @ multipliers == pytest.approx(gradient, abs=1e-6)


def test_an_empty_programme_is_recognised() -> None:
    found = solve(
        Programme(
            quadratic=np.eye(2),
            linear=np.zeros(2),
            equal=np.ones((1, 2)),
            equal_to=np.ones(1),
            at_least=-np.eye(2),
            bound=np.full(2, -0.4),
        )
    )
    assert not found.solved


def test_the_best_linear_choice_respects_groups() -> None:
    allowed = feasible(
        NAMES[:4], np.array([0.0, 0.0, 0.1, 0.0]), np.full(4, 0.5), (Group("tech", (0, 1), 0.6),)
    )
    best = allowed.best(np.array([4.0, 3.0, 1.0, 2.0]))
    assert best == pytest.approx([0.5, 0.1, 0.1, 0.3])
    assert allowed.violations(best) == []
    assert set(allowed.active(best)) == {"max_weight:S00", "min_weight:S02", "sector:tech"}
    assert allowed.violations(np.array([0.6, 0.3, 0.0, 0.0])) == [
        "min_weight:S02",
        "max_weight:S00",
        "sector:tech",
        "sum",
    ]


def test_rebalancing_pays_only_with_drift_and_gain() -> None:
    estimates = market(5, 4)
    best = chosen(estimates, Task(Objective.MIN_VARIANCE)).weights
    assert not advise(best, best, estimates).advised
    near = best + np.array([0.01, -0.01, 0, 0])
    assert "drift" in advise(near, best, estimates).reason
    calm = Estimates(
        estimates.symbols, np.array([0.02, 0.02, 0.02, 0.30]), estimates.covariance, 0.0, 0.0, 252
    )
    current, target = np.array([0.4, 0.3, 0.3, 0.0]), np.array([0.2, 0.2, 0.2, 0.4])
    advice = advise(current, target, calm)
    assert advice.advised
    assert advice.turnover == pytest.approx(0.4)
    assert advice.cost == pytest.approx(0.0004)
    assert advice.net_gain == pytest.approx(advice.gain - 0.0004)
    back = advise(target, current, calm)
    assert not back.advised
    assert "gain" in back.reason


@pytest.mark.parametrize("objective", [Objective.MIN_VARIANCE, Objective.MAX_SHARPE])
def test_a_wrong_end_is_not_called_converged(objective: Objective, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether weights are the best is judged by a certificate, not by the solver's word."""

    def careless(programme: Programme) -> Optimum:
        size = programme.linear.size
        return Optimum(np.full(size, 1 / size), True, 1)

    estimates = market(4, 6)
    assert chosen(estimates, Task(objective)).converged
    monkeypatch.setattr("alluse.domain.solver.quadratic.solve", careless)
    assert not chosen(estimates, Task(objective)).converged
