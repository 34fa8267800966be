"""portfolio-optimizer as a caller meets it: objectives, frontier, correlation, rebalancing, refusals."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from alluse.runtime.errors import SelfTestError
from alluse.services import market_analyzer, portfolio_optimizer
from alluse.services.portfolio_optimizer import optimizer as optimizer_module
from ears import Ears, fields_of
from inprocess import Component, System, component, until
from windows import GOLDEN_SYMBOLS, golden_returns

SERVICE, MARKET = portfolio_optimizer.SERVICE, market_analyzer.SERVICE
DAY = "2022-12-28"


@pytest.fixture
def system() -> System:
    return System()


@pytest.fixture
async def market(tmp_path: Path, system: System) -> AsyncIterator[Component]:
    async with component(MARKET, tmp_path, system=system) as running:
        yield running


@pytest.fixture
async def optimizer(tmp_path: Path, system: System) -> AsyncIterator[Component]:
    async with component(SERVICE, tmp_path, system=system) as running:
        yield running


def asked(**fields: Any) -> dict[str, Any]:
    return {"symbols": list(GOLDEN_SYMBOLS), "as_of": DAY, "mu": "historical", **fields}


def given_returns() -> dict[str, list[float]]:
    return {
        symbol: column.tolist() for symbol, column in zip(GOLDEN_SYMBOLS, golden_returns().T, strict=True)
    }


async def test_the_golden_portfolios_from_shipped_data(market: Component, optimizer: Component) -> None:
    found = (await optimizer.post("/v1/optimize", asked(objective="min_variance"))).json
    assert found["weights"] == pytest.approx(
        {"KO": 0.4, "UNH": 0.3013, "XOM": 0.1765, "JPM": 0.1141, "MSFT": 0.0080, "AAPL": 0.0}, abs=6e-5
    )
    assert found["expected_volatility"] == pytest.approx(0.18058, rel=1e-3)
    assert (found["converged"], found["status"], found["constraints_satisfied"]) == (True, "optimal", True)
    assert found["active_constraints"] == ["max_weight:KO"]
    assert sum(found["risk_contributions"].values()) == pytest.approx(1)
    assert (found["as_of"], found["observations"], found["synthetic"]) == (DAY, 252, [])
    found = (await optimizer.post("/v1/optimize", asked(objective="max_sharpe"))).json
    assert found["sharpe_ratio"] == pytest.approx(1.5918, rel=1e-3)
    found = (await optimizer.post("/v1/optimize", asked(objective="risk_parity"))).json
    assert found["risk_contributions"] == pytest.approx(dict.fromkeys(GOLDEN_SYMBOLS, 1 / 6), abs=1e-4)
    assert found["disclaimer"]


async def test_returns_of_the_caller_give_the_same(market: Component, optimizer: Component) -> None:
    shipped = (await optimizer.post("/v1/optimize", asked(objective="min_variance"))).json
    own = (
        await optimizer.post("/v1/optimize", asked(objective="min_variance", returns=given_returns()))
    ).json
    assert own["weights"] == pytest.approx(shipped["weights"], abs=1e-6)


async def test_the_frontier_joins_both_ends(optimizer: Component) -> None:
    body = asked(returns=given_returns(), n=10)
    found = (await optimizer.post("/v1/frontier", body)).json
    assert len(found["points"]) == 10
    least = (
        await optimizer.post("/v1/optimize", asked(objective="min_variance", returns=given_returns()))
    ).json
    most = (await optimizer.post("/v1/optimize", asked(objective="max_return", returns=given_returns()))).json
    assert found["points"][0]["expected_volatility"] == pytest.approx(least["expected_volatility"], rel=1e-6)
    assert found["points"][-1]["expected_return"] == pytest.approx(most["expected_return"], rel=1e-6)


async def test_correlations_name_extremes_and_pairs(market: Component, optimizer: Component) -> None:
    found = (
        await optimizer.post("/v1/correlation", {"symbols": list(GOLDEN_SYMBOLS), "as_of": DAY, "days": 63})
    ).json
    assert found["average"] == pytest.approx(0.5424, rel=1e-3)
    assert set(found["highest"]["symbols"]) == {"AAPL", "MSFT"}
    assert found["highest"]["value"] == pytest.approx(0.8426, rel=1e-3)
    assert found["above"][0] == found["highest"]
    assert found["matrix"]["KO"]["KO"] == 1
    assert found["observations"] == 63


async def test_rebalancing_is_advised_told_and_priced(system: System, optimizer: Component) -> None:
    ears = Ears(system, "memory-manager")
    current = {"AAPL": 0.4, "MSFT": 0.4, "JPM": 0.2}
    body = asked(
        portfolio_id="p",
        objective="min_variance",
        returns=given_returns(),
        current_weights=current,
        value=100_000,
    )
    found = (await optimizer.post("/v1/rebalance", body)).json
    assert found["advised"] is True
    assert found["net_gain"] == pytest.approx(found["gain"] - found["turnover"] * 0.001)
    assert sum(trade["usd"] for trade in found["trades"]) == pytest.approx(0, abs=0.05)
    await until(lambda: ears.data("portfolio.rebalance_advised"), "the advice is told")
    same = {**body, "current_weights": found["weights"], "target_weights": found["weights"]}
    stay = (await optimizer.post("/v1/rebalance", same)).json
    assert (stay["advised"], stay["trades"]) == (False, [])
    assert "drift" in stay["reason"]


async def test_the_last_answer_of_a_portfolio_is_remembered(system: System, optimizer: Component) -> None:
    ears = Ears(system, "memory-manager")
    body = asked(portfolio_id="mine", objective="risk_parity", returns=given_returns())
    answer = (await optimizer.post("/v1/optimize", body)).json
    assert (await optimizer.get("/v1/portfolios/mine")).json == answer
    assert (await optimizer.get("/v1/portfolios/other")).status == 404
    await until(lambda: ears.data("portfolio.optimized"), "it is told")
    assert ears.data("portfolio.optimized")[0]["weights"] == answer["weights"]
    text = (await optimizer.get("/metrics")).body.decode()
    assert 'alluse_optimizer_seconds_count{objective="risk_parity"} 1' in text


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"symbols": ["AAPL"]}, "symbols"),
        ({"symbols": ["AAPL", "AAPL"]}, "symbols"),
        ({"symbols": ["AAPL", "MSFT"]}, "symbols"),
        ({"symbols": ["AAPL", "MSFT"], "constraints": {"min_positions": 2}}, "constraints.max_weight"),
        ({"objective": "target_return", "target_return": 5}, "target_return"),
        ({"objective": "target_risk", "target_risk": 0.01}, "target_risk"),
        ({"objective": "max_sharpe", "risk_free_rate": 0.5}, "objective"),
        ({"constraints": {"max_weight": 0}}, "constraints.max_weight"),
        ({"mu": "magic"}, "mu"),
    ],
)
async def test_refusals_name_the_field(optimizer: Component, fields: dict[str, Any], field: str) -> None:
    answer = await optimizer.post("/v1/optimize", asked(returns=given_returns(), **fields) | fields)
    assert answer.status == 422
    assert fields_of(answer.json) == [field]


async def test_unknown_symbols_and_short_returns(market: Component, optimizer: Component) -> None:
    answer = await optimizer.post("/v1/optimize", asked(symbols=["AAPL", "MSFT", "ZZZZ"]))
    assert answer.status == 404
    assert "ZZZZ" in answer.json["detail"]
    early = await optimizer.post("/v1/optimize", asked(as_of="1985-01-01"))
    assert early.status == 409
    short = {symbol: values[:59] for symbol, values in given_returns().items()}
    assert (await optimizer.post("/v1/optimize", asked(returns=short))).status == 409


async def test_without_the_market_it_says_so(optimizer: Component) -> None:
    answer = await optimizer.post("/v1/optimize", asked())
    assert answer.status == 503
    assert "market-analyzer" in answer.json["detail"]


def test_a_wrong_golden_case_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    optimizer_module.golden()
    monkeypatch.setattr(optimizer_module, "golden_returns", lambda: golden_returns() * 1.01)
    with pytest.raises(SelfTestError, match="volatility"):
        optimizer_module.golden()
