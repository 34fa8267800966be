"""The golden cases of the risk components, to a thousandth."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from alluse.domain.book import History
from alluse.domain.covariance import correlations, ledoit_wolf
from alluse.domain.drawdown import Observation, Rules, observe, standing
from alluse.domain.estimates import estimate
from alluse.domain.portfolio import Task, allowed_weights, select
from alluse.domain.risk import assess
from alluse.domain.tail_risk import parametric_tail
from alluse.schemas.drawdown import ProtectionLevel
from alluse.schemas.portfolio import Constraints, MeanEstimate, Objective
from alluse.schemas.risk import Assessment, AssessRequest, Method
from windows import GOLDEN_SYMBOLS, golden_returns

LAST_DAY = date(2022, 12, 28)


def golden_history() -> History:
    return History(GOLDEN_SYMBOLS, golden_returns(), LAST_DAY)


def golden_book(method: str) -> Assessment:
    positions = [{"symbol": symbol, "quantity": 100 / 6, "price": 1000} for symbol in GOLDEN_SYMBOLS]
    request = AssessRequest.model_validate(
        {"portfolio_id": "golden", "positions": positions, "method": method}
    )
    return assess(request, golden_history())


def close(value: float) -> object:
    return pytest.approx(value, rel=1e-3)


def test_covariance_is_shrunk_as_published() -> None:
    shrunk = ledoit_wolf(golden_returns())
    weights = np.full(6, 1 / 6)
    assert shrunk.intensity == close(0.03418)
    assert np.sqrt(weights @ shrunk.covariance @ weights) == close(0.013515)


@pytest.mark.parametrize(
    ("method", "var_95", "var_99", "cvar_95", "cvar_99"),
    [
        ("parametric", 2222.97, 3143.99, 2787.69, 3601.96),
        ("historical", 2416.14, 3207.46, 2945.09, 3759.59),
    ],
)
def test_losses_of_six_equal_shares(
    method: str, var_95: float, var_99: float, cvar_95: float, cvar_99: float
) -> None:
    found = golden_book(method)
    assert found.var is not None
    assert found.cvar is not None
    assert found.var.method == Method(method)
    assert found.var.level_95.usd == close(var_95)
    assert found.var.level_99.usd == close(var_99)
    assert found.cvar.level_95.usd == close(cvar_95)
    assert found.cvar.level_99.usd == close(cvar_99)


def test_figures_of_six_equal_shares() -> None:
    found = golden_book("auto")
    assert found.var is not None
    assert found.var.method is Method.HISTORICAL
    assert found.correlation.average == close(0.5424)
    assert found.correlation.max_pair is not None
    assert found.correlation.max_pair.value == close(0.8426)
    assert set(found.correlation.max_pair.symbols) == {"AAPL", "MSFT"}
    assert found.volatility == close(0.2038)
    assert found.max_drawdown == close(0.1375)
    assert found.concentration.largest_weight == close(1 / 6)
    assert found.concentration.effective_positions == close(6)


def test_correlations_are_those_of_the_window() -> None:
    returns = golden_returns()[-63:]
    assert np.allclose(correlations(returns), np.corrcoef(returns.T))


def test_losses_of_one_scalar_book() -> None:
    deviation = 0.358911 / np.sqrt(252)
    assert parametric_tail(101_000, deviation, 0.95).var == close(3756)
    assert parametric_tail(101_000, deviation, 0.99).var == close(5312)
    assert parametric_tail(101_000, deviation, 0.95).cvar == close(4710)


def test_protection_along_a_fall_and_back() -> None:
    start, rules = datetime(2026, 1, 5, tzinfo=UTC), Rules()
    state, _ = observe(None, "golden", Observation(100_000, start), rules)
    falling = [
        (95_000, ProtectionLevel.LIGHT, 0.8),
        (90_000, ProtectionLevel.MODERATE, 0.6),
        (85_000, ProtectionLevel.AGGRESSIVE, 0.4),
        (80_000, ProtectionLevel.EMERGENCY, 0.2),
    ]
    for value, level, factor in falling:
        state, _ = observe(state, "golden", Observation(value, start), rules)
        assert state.level is level
        assert standing(state, start, rules).exposure_factor == factor
    state, _ = observe(state, "golden", Observation(90_000, start), rules)
    assert standing(state, start, rules).recovery == pytest.approx(0.5)
    assert state.level is ProtectionLevel.EMERGENCY
    state, changes = observe(state, "golden", Observation(90_000, start + timedelta(hours=24)), rules)
    assert state.level is ProtectionLevel.AGGRESSIVE
    assert [change.kind for change in changes] == ["relaxed"]
    state, changes = observe(state, "golden", Observation(98_000, start + timedelta(hours=25)), rules)
    assert state.level is ProtectionLevel.NONE
    assert state.peak == 100_000
    assert [change.kind for change in changes] == ["ended"]


@pytest.mark.parametrize(
    ("objective", "weights", "figure"),
    [
        (
            Objective.MIN_VARIANCE,
            {"KO": 0.4, "UNH": 0.3013, "XOM": 0.1765, "JPM": 0.1141, "MSFT": 0.0080, "AAPL": 0.0},
            ("volatility", 0.18058),
        ),
        (
            Objective.MAX_SHARPE,
            {"KO": 0.4, "XOM": 0.4, "UNH": 0.2, "AAPL": 0.0, "MSFT": 0.0, "JPM": 0.0},
            ("sharpe", 1.5918),
        ),
        (
            Objective.RISK_PARITY,
            {"AAPL": 0.1172, "MSFT": 0.1248, "JPM": 0.1537, "KO": 0.2378, "XOM": 0.1734, "UNH": 0.1932},
            None,
        ),
    ],
)
def test_portfolios_of_six_shares(
    objective: Objective, weights: dict[str, float], figure: tuple[str, float] | None
) -> None:
    estimates = estimate(GOLDEN_SYMBOLS, golden_returns(), MeanEstimate.HISTORICAL)
    constraints = Constraints()
    allowed = allowed_weights(GOLDEN_SYMBOLS, constraints, {})
    found = select(estimates, Task(objective), allowed, constraints)
    by_symbol = dict(zip(GOLDEN_SYMBOLS, found.weights, strict=True))
    for symbol, weight in weights.items():
        assert by_symbol[symbol] == pytest.approx(weight, abs=6e-5), symbol
    assert found.converged
    assert found.violations == ()
    if figure is not None:
        assert getattr(found, figure[0]) == close(figure[1])
    if objective is Objective.RISK_PARITY:
        assert found.contributions == pytest.approx(np.full(6, 1 / 6), abs=1e-6)
