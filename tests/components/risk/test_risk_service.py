"""portfolio-risk-monitor as a caller meets it: endpoints, errors, sweep, events, restarts, missing market."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from alluse.runtime.errors import SelfTestError
from alluse.runtime.service import Service
from alluse.services import drawdown_protection, market_analyzer, portfolio_optimizer, portfolio_risk_monitor
from alluse.services.portfolio_risk_monitor import assessing, monitor
from ears import Ears, fields_of
from inprocess import Component, System, component, until
from windows import GOLDEN_SYMBOLS

SERVICE, MARKET = portfolio_risk_monitor.SERVICE, market_analyzer.SERVICE
FAST = {"components.risk_management.loop_interval_s": "0.05"}
DAY = "2022-12-28"


def book(portfolio_id: str = "golden", **fields: Any) -> dict[str, Any]:
    positions = [{"symbol": symbol, "quantity": 100 / 6, "price": 1000} for symbol in GOLDEN_SYMBOLS]
    return {"portfolio_id": portfolio_id, "as_of": DAY, "positions": positions, **fields}


@pytest.fixture
def system() -> System:
    return System()


@pytest.fixture
async def market(tmp_path: Path, system: System) -> AsyncIterator[Component]:
    async with component(MARKET, tmp_path, system=system) as running:
        yield running


@pytest.fixture
async def risk(tmp_path: Path, system: System) -> AsyncIterator[Component]:
    async with component(SERVICE, tmp_path, system=system) as running:
        yield running


async def test_the_golden_book_is_assessed_with_shipped_data(market: Component, risk: Component) -> None:
    answer = await risk.post("/v1/assess", book())
    assert answer.status == 200
    found = answer.json
    assert found["var"]["method"] == "historical"
    assert found["var"]["0.95"]["usd"] == pytest.approx(2416.14, rel=1e-3)
    assert found["var"]["0.99"]["usd"] == pytest.approx(3207.46, rel=1e-3)
    assert found["cvar"]["0.95"]["usd"] == pytest.approx(2945.09, rel=1e-3)
    assert found["correlation"]["average"] == pytest.approx(0.5424, rel=1e-3)
    assert found["volatility"] == pytest.approx(0.2038, rel=1e-3)
    assert found["max_drawdown"] == pytest.approx(0.1375, rel=1e-3)
    assert found["beta"] == pytest.approx(0.86, abs=0.15)
    assert (found["data_quality"], found["as_of"]) == ("ok", DAY)
    assert found["overall_risk_level"] == "High"
    assert {part["name"] for part in found["components"]} == {
        "var",
        "drawdown",
        "correlation",
        "concentration",
        "liquidity",
        "volatility",
    }
    parametric = (await risk.post("/v1/assess", {"portfolio": book(), "method": "parametric"})).json
    assert parametric["var"]["0.95"]["usd"] == pytest.approx(2222.97, rel=1e-3)
    assert parametric["cvar"]["0.99"]["usd"] == pytest.approx(3601.96, rel=1e-3)


async def test_a_random_book_of_the_scenarios_is_assessed_and_never_low(
    market: Component, risk: Component
) -> None:
    positions = {
        "TSLA": {"quantity": 50, "price": 200, "volatility": 0.5},
        "NFLX": {"quantity": 20, "price": 400, "volatility": 0.4},
        "AAPL": {"quantity": 80, "price": 180},
    }
    answer = await risk.post("/v1/assess", {"portfolio_id": "w2", "positions": positions, "cash": 5000})
    assert answer.status == 200
    found = answer.json
    assert found["var"]["method"] == "parametric"
    assert 0 <= found["risk_score"] <= 1
    assert found["overall_risk_level"] != "Low"
    assert found["data_quality"] == "partial"
    assert found["data"]["by_volatility"] == ["NFLX"]
    assert found["data"]["synthetic"] == ["TSLA"]


async def test_symbols_without_data_or_volatility_are_left_out_and_named(
    market: Component, risk: Component
) -> None:
    positions = [
        {"symbol": "AAPL", "quantity": 10, "price": 200},
        {"symbol": "ZZZZ", "quantity": 1, "price": 10},
    ]
    found = (await risk.post("/v1/assess", {"portfolio_id": "p", "positions": positions})).json
    assert found["data"]["unmeasured"] == ["ZZZZ"]
    assert found["var"]["complete"] is False
    assert found["overall_risk_level"] != "Low"
    only = {"portfolio_id": "p", "positions": positions[1:]}
    answer = await risk.post("/v1/assess", only)
    assert answer.status == 409
    assert fields_of(answer.json) == ["positions"]
    assert "volatility" in answer.json["detail"]


async def test_a_fallen_value_alone_is_answered(risk: Component) -> None:
    body = {"portfolio_id": "w3", "total_value": 45_000, "peak_value": 50_000}
    found = (await risk.post("/v1/assess", body)).json
    assert found["current_drawdown"] == pytest.approx(0.10)
    assert found["overall_risk_level"] in ("High", "Critical")
    assert found["var"] is None


async def test_returns_of_the_caller_need_no_market(risk: Component) -> None:
    returns = {"ABC": [0.01, -0.012] * 130}
    positions = [{"symbol": "ABC", "quantity": 10, "price": 100}]
    body = {"portfolio_id": "own", "positions": positions, "returns": returns, "as_of": "2024-01-05"}
    found = (await risk.post("/v1/assess", body)).json
    assert found["var"]["0.95"]["usd"] == pytest.approx(12)
    assert found["data_quality"] == "ok"
    too_short = {**body, "returns": {"ABC": [0.01] * 59}}
    assert (await risk.post("/v1/assess", too_short)).status == 409


async def test_options_are_revalued_from_shipped_prices(market: Component, risk: Component) -> None:
    put = {
        "symbol": "AAPL",
        "kind": "put",
        "quantity": -2,
        "price": 3.64,
        "strike": 213,
        "expiry": "2024-06-25",
        "iv": 0.35,
    }
    body = {"portfolio_id": "opt", "as_of": "2024-06-18", "positions": [put], "cash": 50_000}
    first = (await risk.post("/v1/assess", body)).json
    assert first["var"]["method"] == "monte_carlo"
    assert first["data_quality"] == "ok"
    assert 200 < first["var"]["0.95"]["usd"] < 1500
    assert first["liquidity_score"] is not None
    assert (await risk.post("/v1/assess", body)).json == first


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "portfolio_id"),
        (book(method="guess"), "method"),
        (book(portfolio_id="no spaces"), "portfolio_id"),
        (book(peak_value=-1), "peak_value"),
        (book(surprise=1), "surprise"),
        (book(returns={"AAPL": [-1.5]}), "returns.AAPL.0"),
        ({"portfolio_id": "p", "positions": [{"symbol": "AAPL", "quantity": 1}]}, "positions.0.price"),
        ({"portfolio_id": "p", "cash": -5}, "total_value"),
    ],
)
async def test_refusals_name_the_field(risk: Component, body: dict[str, Any], field: str) -> None:
    answer = await risk.post("/v1/assess", body)
    assert answer.status == 422
    assert fields_of(answer.json) == [field]


async def test_without_the_market_what_is_given_is_used_and_the_rest_is_503(risk: Component) -> None:
    by_volatility = [{"symbol": "AAPL", "quantity": 10, "price": 100, "volatility": 0.3}]
    found = (await risk.post("/v1/assess", {"portfolio_id": "p", "positions": by_volatility})).json
    assert found["var"]["method"] == "parametric"
    assert found["data_quality"] == "partial"
    answer = await risk.post("/v1/assess", book())
    assert answer.status == 503
    assert "market-analyzer" in answer.json["detail"]
    report = (await risk.get("/health")).json
    assert report["status"] == "degraded"


async def test_a_watched_portfolio_is_assessed_again_and_again_and_told_of(
    tmp_path: Path, system: System, market: Component
) -> None:
    ears = Ears(system, "drawdown-protection", "alert-manager", "metrics-collector")
    async with component(SERVICE, tmp_path, system=system, config=FAST) as risk:
        answer = await risk.put("/v1/portfolios/golden", book(peak_value=110_000))
        assert answer.status == 201
        assert answer.json["assessment"]["overall_risk_level"] == "Critical"
        assert answer.json["peak_value"] == 110_000

        async def three_results() -> list[Any]:
            found = (await risk.get("/v1/portfolios/golden", history=10)).json["history"]
            return found if len(found) >= 3 else []

        await until(three_results, "the sweep assesses it again")
        await until(lambda: len(ears.data("risk.assessed")) >= 3, "events of assessments")
        breaches = {event["kind"] for event in ears.data("risk.breach")}
        assert breaches == {"var_95", "var_99"}
        assert len(ears.data("risk.breach")) == 2 * 2, "each is told once to each of two consumers"
        assert ears.data("risk.assessed")[0]["peak_value"] == 110_000
        calm = {**book(), "positions": book()["positions"], "cash": 400_000, "net_flows": 400_000}
        answer = await risk.put("/v1/portfolios/golden", calm)
        assert answer.status == 200
        assert answer.json["revision"] == 2
        await until(lambda: len(ears.data("risk.cleared")) == 4, "the breaches are cleared")
        shown = (await risk.get("/v1/portfolios/golden", history=100)).json
        assert {(alert["kind"], alert["state"]) for alert in shown["alerts"]} == {
            ("var_95", "breach"),
            ("var_99", "breach"),
            ("var_95", "cleared"),
            ("var_99", "cleared"),
        }
        # The deposit of 400,000 moved the peak like the value: the drawdown of 1/11 stays.
        assert shown["assessment"]["current_drawdown"] == pytest.approx(1 / 11)
        text = (await risk.get("/metrics")).body.decode()
        assert 'alluse_portfolio_var_ratio{portfolio="golden",level="0.95"}' in text


async def test_a_watched_portfolio_that_falls_is_protected(
    tmp_path: Path, system: System, market: Component
) -> None:
    """Two components: what the one measures arms the other, and a deposit is no gain for either."""
    async with (
        component(SERVICE, tmp_path, system=system) as risk,
        component(drawdown_protection.SERVICE, tmp_path, system=system) as protector,
    ):

        async def level() -> str | None:
            answer = await protector.get("/v1/portfolios/golden")
            return answer.json["protection_level"] if answer.status == 200 else None

        await risk.put("/v1/portfolios/golden", book(cash=20_000))
        await until(lambda: _is(level, "None"), "it is known")
        await risk.put("/v1/portfolios/golden", book(cash=5_000))
        await until(lambda: _is(level, "Moderate"), "it is protected")
        await risk.put("/v1/portfolios/golden", book(cash=110_000, net_flows=105_000))
        await until(lambda: _has(protector, "total_value", 210_000), "the deposit is seen")
        found = (await protector.get("/v1/portfolios/golden")).json
        assert found["current_drawdown"] == pytest.approx(0.125)
        assert found["protection_level"] == "Moderate"


async def _is(level: Callable[[], Awaitable[str | None]], wanted: str) -> bool:
    return await level() == wanted


async def _has(running: Component, field: str, wanted: float) -> bool:
    return bool((await running.get("/v1/portfolios/golden")).json[field] == wanted)


async def test_watched_portfolios_peaks_and_results_survive_a_restart(
    tmp_path: Path, system: System, market: Component
) -> None:
    async with component(SERVICE, tmp_path, system=system) as risk:
        await risk.put("/v1/portfolios/golden", book(peak_value=120_000))
        before = (await risk.get("/v1/portfolios/golden", history=10)).json
    async with component(SERVICE, tmp_path, system=system) as risk:
        after = (await risk.get("/v1/portfolios/golden", history=1000)).json
        assert after["peak_value"] == 120_000
        assert after["history"][-1] == before["history"][-1]
        assert after["portfolio"] == before["portfolio"]
        # The kept peak counts in an assessment of the same portfolio that names none.
        asked = (await risk.post("/v1/assess", book())).json
        assert asked["current_drawdown"] == pytest.approx(1 / 6)


async def test_flows_announced_by_the_ledger_move_the_peak_once(
    tmp_path: Path, system: System, market: Component
) -> None:
    async with component(SERVICE, tmp_path, system=system) as risk:
        await risk.put("/v1/portfolios/golden", book())
        event = {
            "specversion": "1.0",
            "id": "e1",
            "source": "/alluse/memory-manager",
            "type": "com.alluse.memory.forked.v1",
            "data": {"user_id": "u", "cash_flow": {"golden": 50_000, "other": 1}},
        }
        for _ in range(2):
            answer = await risk.call(
                "POST", "/events", event, headers={"content-type": "application/cloudevents+json"}
            )
            assert answer.status == 202
        answer = await risk.put("/v1/portfolios/golden", book(cash=50_000))
        assert answer.json["assessment"]["current_drawdown"] == pytest.approx(0, abs=1e-9)
        assert answer.json["peak_value"] == pytest.approx(150_000)
        assert answer.json["net_flows"] == 50_000


async def test_reporting_twice_changes_nothing(market: Component, risk: Component) -> None:
    await risk.put("/v1/portfolios/golden", book())
    for _ in range(2):
        answer = await risk.put("/v1/portfolios/golden", book(cash=100_000, net_flows=100_000))
        assert answer.json["peak_value"] == pytest.approx(200_000)


async def test_what_cannot_be_assessed_keeps_its_breaches_and_degrades(
    tmp_path: Path, system: System
) -> None:
    ears = Ears(system, "drawdown-protection", "alert-manager", "metrics-collector")
    async with component(SERVICE, tmp_path, system=system) as risk:
        async with component(MARKET, tmp_path, system=system):
            await risk.put("/v1/portfolios/golden", book())
            await until(lambda: ears.data("risk.breach"), "the breaches are told")
        await risk.post("/admin/cache", {"ttl_s": 30})
        risk.runtime.context.cache("market").clear()
        risk.runtime.context.cache(assessing.RESULTS_CACHE).clear()
        await monitor.sweep(risk.runtime.context)
        shown = (await risk.get("/v1/portfolios/golden")).json
        assert "market-analyzer" in shown["problem"]
        assert shown["assessment"]["breaches"]
        assert ears.data("risk.cleared") == []
        report = (await risk.get("/health")).json
        sweep = next(check for check in report["checks"] if check["name"] == "sweep")
        assert sweep["status"] == "degraded"
        assert "golden" in sweep["detail"]


async def test_list_forget_and_unknown_portfolios(market: Component, risk: Component) -> None:
    await risk.put("/v1/portfolios/b", book("b"))
    await risk.put("/v1/portfolios/a", book("a"))
    listed = (await risk.get("/v1/portfolios")).json["portfolios"]
    assert [each["portfolio_id"] for each in listed] == ["a", "b"]
    assert listed[0]["overall_risk_level"] == "High"
    assert (await risk.delete("/v1/portfolios/a")).status == 204
    assert (await risk.get("/v1/portfolios/a")).status == 404
    assert (await risk.delete("/v1/portfolios/a")).status == 404
    answer = await risk.put("/v1/portfolios/a", book("b"))
    assert answer.status == 422
    assert fields_of(answer.json) == ["portfolio_id"]


async def test_a_backtest_counts_exceptions_and_judges_them(market: Component, risk: Component) -> None:
    await risk.put("/v1/portfolios/golden", book())
    for method in ("parametric", "historical"):
        found = (
            await risk.get("/v1/backtest", portfolio_id="golden", days=500, level=0.95, method=method)
        ).json
        assert found["days"] == 500
        assert found["expected"] == pytest.approx(25)
        assert 5 <= found["exceptions"] <= 60
        assert found["accepted"] is (found["p_value"] >= 0.05)
        assert found["last_date"] == DAY
    assert (await risk.get("/v1/backtest", portfolio_id="nobody")).status == 404
    assert (await risk.get("/v1/backtest", portfolio_id="golden", method="monte_carlo")).status == 422


async def test_results_are_bounded(
    market: Component, risk: Component, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alluse.services.portfolio_risk_monitor.records.MAX_RESULTS", 5)
    await risk.put("/v1/portfolios/golden", book())
    for _ in range(8):
        await monitor.sweep(risk.runtime.context)
    shown = (await risk.get("/v1/portfolios/golden", history=100)).json
    assert len(shown["history"]) == 5
    times = [entry["at"] for entry in shown["history"]]
    assert times == sorted(times, reverse=True)


async def test_a_stuck_sweep_makes_it_unhealthy(risk: Component) -> None:
    await until(lambda: risk.state.sweeps > 0, "the first sweep is over")
    risk.state.swept_at -= 1_000
    risk.runtime.board.forget_report()
    answer = await risk.get("/health")
    assert answer.status == 503
    assert "last sweep" in answer.body.decode()


def test_a_wrong_golden_case_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monitor.golden()
    from alluse.domain import risk as rules

    right = rules.ledoit_wolf
    monkeypatch.setattr(monitor, "ledoit_wolf", lambda returns: right(returns * 1.01))
    with pytest.raises(SelfTestError, match="deviation"):
        monitor.golden()


@pytest.mark.parametrize("service", [SERVICE, drawdown_protection.SERVICE, portfolio_optimizer.SERVICE])
async def test_each_describes_every_endpoint(tmp_path: Path, system: System, service: Service[Any]) -> None:
    async with component(service, tmp_path, system=system) as running:
        answer = await running.get("/openapi.json")
        assert answer.status == 200
        described = {(method.upper(), path) for path, item in answer.json["paths"].items() for method in item}
        assert {(endpoint.method, endpoint.path) for endpoint in service.endpoints} <= described
