"""Our portfolios against skfolio's and scipy's."""

import numpy as np
import pytest
from scipy.optimize import Bounds, linprog, minimize
from skfolio import RiskMeasure
from skfolio.measures import variance
from skfolio.moments import EmpiricalMu, LedoitWolf
from skfolio.optimization import MeanRisk, ObjectiveFunction, RiskBudgeting
from skfolio.prior import EmpiricalPrior

from alluse.domain.estimates import Estimates, estimate
from alluse.domain.feasible import Feasible, Group, feasible
from alluse.domain.portfolio import Task, allowed_weights, select
from alluse.domain.solver import contributions, max_return_at_risk, max_sharpe, min_variance, risk_parity
from alluse.schemas.portfolio import Constraints, MeanEstimate, Objective
from windows import GOLDEN_SYMBOLS, golden_returns, random_returns

RISK_FREE = 0.02


def prior() -> EmpiricalPrior:
    return EmpiricalPrior(mu_estimator=EmpiricalMu(), covariance_estimator=LedoitWolf())


def windows() -> list[np.ndarray]:
    return [golden_returns(), *(random_returns(seed, 252, 4 + seed) + 0.0004 for seed in range(8))]


def ours(returns: np.ndarray, task: Task) -> np.ndarray:
    names = tuple(f"S{index}" for index in range(returns.shape[1]))
    constraints = Constraints(max_positions=50)
    estimates = estimate(names, returns, MeanEstimate.HISTORICAL)
    return select(estimates, task, allowed_weights(names, constraints, {}), constraints).weights


@pytest.mark.parametrize("returns", windows())
def test_minimum_variance(returns: np.ndarray) -> None:
    model = MeanRisk(risk_measure=RiskMeasure.VARIANCE, prior_estimator=prior(), max_weights=0.4)
    assert ours(returns, Task(Objective.MIN_VARIANCE)) == pytest.approx(model.fit(returns).weights_, abs=2e-4)


@pytest.mark.parametrize("returns", windows())
def test_maximum_sharpe_ratio(returns: np.ndarray) -> None:
    model = MeanRisk(
        objective_function=ObjectiveFunction.MAXIMIZE_RATIO,
        risk_measure=RiskMeasure.VARIANCE,
        prior_estimator=prior(),
        max_weights=0.4,
        risk_free_rate=RISK_FREE / 252,
    )
    theirs = model.fit(returns).weights_
    mean = returns.mean(axis=0) - RISK_FREE / 252
    covariance = LedoitWolf().fit(returns).covariance_

    def sharpe(weights: np.ndarray) -> float:
        return float(mean @ weights / np.sqrt(weights @ covariance @ weights))

    # skfolio's ratio is of the variance root it optimises; near ties the weights may differ a little.
    found = ours(returns, Task(Objective.MAX_SHARPE))
    assert sharpe(found) >= sharpe(theirs) - 1e-6
    assert found == pytest.approx(theirs, abs=2e-2)


@pytest.mark.parametrize("returns", windows())
def test_risk_parity(returns: np.ndarray) -> None:
    model = RiskBudgeting(risk_measure=RiskMeasure.VARIANCE, prior_estimator=prior())
    theirs = model.fit(returns).weights_
    if theirs.max() <= 0.4:
        assert ours(returns, Task(Objective.RISK_PARITY)) == pytest.approx(theirs, abs=2e-4)


def test_variance_is_skfolios() -> None:
    weights = np.full(6, 1 / 6)
    estimates = estimate(GOLDEN_SYMBOLS, golden_returns(), MeanEstimate.HISTORICAL)
    sample = np.cov(golden_returns().T) * 252
    assert weights @ sample @ weights == pytest.approx(variance(golden_returns() @ weights) * 252)
    assert weights @ estimates.covariance @ weights == pytest.approx(weights @ sample @ weights, rel=0.05)


def problems() -> list[tuple[Estimates, Feasible]]:
    """Random markets with tight and degenerate sets of constraints."""
    found = []
    generator = np.random.default_rng(7)
    for seed in range(40):
        size = int(generator.integers(2, 14))
        names = tuple(f"S{index}" for index in range(size))
        upper = np.full(size, max(generator.uniform(0.2, 1), 1 / size))
        groups: tuple[Group, ...] = ()
        if seed % 5 == 0:
            upper = np.full(size, 1 / size)
        elif size >= 6:
            groups = (Group("half", tuple(range(size // 2)), 0.5),)
        returns = random_returns(seed, 120, size)
        if seed % 7 == 0:
            returns[:, 0] = returns[:, -1]
        estimates = estimate(names, returns, MeanEstimate.HISTORICAL)
        if not groups or upper[size // 2 :].sum() >= 0.5:
            found.append((estimates, feasible(names, np.zeros(size), upper, groups)))
    return found


def scipy_constraints(allowed: Feasible) -> list[dict[str, object]]:
    caps = [
        {"type": "ineq", "fun": lambda w, g=group: g.cap - w[list(g.members)].sum()}
        for group in allowed.groups
    ]
    return [{"type": "eq", "fun": lambda w: w.sum() - 1}, *caps]


@pytest.mark.parametrize("problem", problems())
def test_nothing_that_slsqp_finds_is_better(problem: tuple[Estimates, Feasible]) -> None:
    estimates, allowed = problem
    covariance, mean = estimates.covariance, estimates.mean
    size = len(estimates.symbols)

    def slsqp(function: object) -> np.ndarray:
        return minimize(  # type: ignore[no-any-return]
            function,
            np.full(size, 1 / size),
            bounds=Bounds(allowed.lower, allowed.upper),
            constraints=scipy_constraints(allowed),
            method="SLSQP",
            options={"maxiter": 500, "ftol": 1e-14},
        ).x

    calm = min_variance(covariance, allowed)
    assert calm.converged
    theirs = slsqp(lambda w: 10 * w @ covariance @ w)
    assert calm.weights @ covariance @ calm.weights <= theirs @ covariance @ theirs + 1e-8

    equal = risk_parity(covariance, allowed)
    assert equal.converged

    def spread(weights: np.ndarray) -> float:
        return float(size * np.sum((contributions(weights, covariance) - 1 / size) ** 2))

    assert spread(equal.weights) <= spread(slsqp(spread)) + 1e-6

    for share in (0.0, 0.3, 0.7, 1.0):
        low, high = mean @ calm.weights, mean @ allowed.best(mean)
        at_return = min_variance(covariance, allowed, mean=mean, least_return=low + share * (high - low))
        assert at_return.converged
        volatility = float(np.sqrt(at_return.weights @ covariance @ at_return.weights))
        at_risk = max_return_at_risk(mean, covariance, allowed, volatility)
        assert at_risk.converged
        assert mean @ at_risk.weights >= mean @ at_return.weights - 1e-4

    excess = mean - mean.min()
    best = max_sharpe(excess, covariance, allowed)
    assert best.converged


@pytest.mark.parametrize("problem", problems())
def test_the_greedy_choice_solves_the_linear_programme(problem: tuple[Estimates, Feasible]) -> None:
    estimates, allowed = problem
    size = len(estimates.symbols)
    rows = np.zeros((len(allowed.groups), size))
    for row, group in zip(rows, allowed.groups, strict=True):
        row[list(group.members)] = 1
    found = linprog(
        -estimates.mean,
        A_ub=rows if allowed.groups else None,
        b_ub=[group.cap for group in allowed.groups] or None,
        A_eq=np.ones((1, size)),
        b_eq=[1],
        bounds=list(zip(allowed.lower, allowed.upper, strict=True)),
    )
    assert estimates.mean @ allowed.best(estimates.mean) == pytest.approx(-found.fun, abs=1e-9)
