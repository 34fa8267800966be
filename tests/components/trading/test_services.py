"""The three trading components as a caller meets them: endpoints, errors by field, events, caches, health."""

import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from alluse.runtime.errors import SelfTestError
from alluse.runtime.http_client import HttpReply
from alluse.runtime.http_server import HttpRequest
from alluse.services import delta_selector, market_analyzer, position_sizer
from inprocess import Component, System, component, until

ANALYZER, SIZER, SELECTOR = market_analyzer.SERVICE, position_sizer.SERVICE, delta_selector.SERVICE
GREEN = {"symbol": "AAPL", "as_of": "2024-06-18"}
DISCLAIMER = "simulation, not investment advice"


@pytest.fixture
async def analyzer(tmp_path: Path) -> AsyncIterator[Component]:
    async with component(ANALYZER, tmp_path) as running:
        yield running


@pytest.fixture
async def sizer(tmp_path: Path) -> AsyncIterator[Component]:
    async with component(SIZER, tmp_path) as running:
        yield running


@pytest.fixture
async def selector(tmp_path: Path) -> AsyncIterator[Component]:
    async with component(SELECTOR, tmp_path) as running:
        yield running


async def analysis(analyzer: Component, **fields: Any) -> dict[str, Any]:
    answer = await analyzer.post("/v1/analyze", {**GREEN, **fields})
    assert answer.status == 200
    found: dict[str, Any] = answer.json
    return found


def fields_of(problem: dict[str, Any]) -> list[str]:
    return [error["field"] for error in problem["errors"]]


async def metric(running: Component, line: str) -> bool:
    return line in (await running.get("/metrics")).body.decode().splitlines()


class Listener:
    """Plays a consumer of events and keeps what it was sent."""

    def __init__(self, system: System, *names: str) -> None:
        self.events: list[dict[str, Any]] = []
        for name in names:
            system.played[name] = self._take

    def _take(self, request: HttpRequest) -> HttpReply:
        body = json.loads(request.body) if request.body else []
        self.events += body if isinstance(body, list) else [body]
        return HttpReply(202, {}, b"")

    def of(self, name: str) -> Callable[[], list[dict[str, Any]]]:
        return lambda: [event["data"] for event in self.events if event["type"] == f"com.alluse.{name}.v1"]


# -- market-analyzer -------------------------------------------------------------------------------


async def test_the_golden_week_is_green(analyzer: Component) -> None:
    found = await analysis(analyzer)
    assert (found["market_condition"], found["confidence"], found["quality"]) == ("Green", 0.9, "ok")
    assert found["volatility"] == pytest.approx(0.3513, rel=1e-3)
    assert found["data"] == {
        "source": "hvsampledata", "synthetic": False, "bars": 1375,
        "first_bar": "2019-01-02", "last_bar": "2024-06-18",
    }  # fmt: skip
    assert found["disclaimer"] == DISCLAIMER


async def test_repeated_questions_are_answered_from_the_cache(analyzer: Component) -> None:
    for _ in range(10):
        await analysis(analyzer)
    assert await metric(analyzer, 'alluse_cache_hits_total{cache="analysis"} 9')
    assert await metric(analyzer, 'alluse_cache_misses_total{cache="analysis"} 1')
    state = (await analyzer.post("/admin/cache", {"max_size": 20, "ttl_s": 60})).json
    assert [entry["name"] for entry in state["after"]] == ["analysis"]
    assert state["after"][0]["entries"] == 1
    # Another volatility, price or day is another question.
    await analysis(analyzer, implied_volatility=0.5)
    await analysis(analyzer, current_price=200)
    await analysis(analyzer, as_of="2024-06-17")
    assert await metric(analyzer, 'alluse_cache_misses_total{cache="analysis"} 4')


async def test_the_cache_can_be_switched_off(tmp_path: Path) -> None:
    config = {"components.trading_engine.cache_enabled": "false"}
    async with component(ANALYZER, tmp_path, config=config) as analyzer:
        await analysis(analyzer)
        await analysis(analyzer)
        assert await metric(analyzer, 'alluse_cache_entries{cache="analysis"} 0')


async def test_bars_of_the_caller_and_their_older_form(analyzer: Component) -> None:
    closes = [100 + place % 5 for place in range(80)]
    found = (await analyzer.post("/v1/analyze", {"symbol": "ZZZ", "historical_prices": closes})).json
    assert (found["data"]["source"], found["quality"]) == ("given", "ok")
    few = (await analyzer.post("/v1/analyze", {"symbol": "ZZZ", "historical_prices": closes[:59]})).json
    assert (few["quality"], few["market_condition"], few["recommendations"]) == (
        "insufficient_data",
        None,
        None,
    )
    bars = [
        {"date": f"2024-{1 + place // 28:02}-{1 + place % 28:02}", "close": close}
        for place, close in enumerate(closes)
    ]
    assert (await analyzer.post("/v1/analyze", {"symbol": "ZZZ", "bars": bars})).json["scores"] == found[
        "scores"
    ]


@pytest.mark.parametrize(
    ("body", "status", "fields"),
    [
        ({"symbol": "NOPE"}, 404, ["symbol"]),
        ({"symbol": "AAPL", "as_of": "1980-01-01"}, 409, ["as_of"]),
        ({"symbol": "AAPL", "as_of": "yesterday"}, 422, ["as_of"]),
        ({"symbol": "AAPL", "implied_volatility": 7}, 422, ["implied_volatility"]),
        ({"symbol": "A APL!"}, 422, ["symbol"]),
        ({"symbol": "AAPL", "bars": []}, 422, ["bars"]),
        ({"symbol": "AAPL", "bars": [{"date": "2024-01-01", "close": 0}]}, 422, ["bars.0.close"]),
        (
            {"symbol": "AAPL", "bars": [{"date": "2024-01-01", "close": 1}], "as_of": "2023-01-01"},
            422,
            ["as_of"],
        ),
        (
            {"symbol": "AAPL", "historical_prices": [1.0], "bars": [{"date": "2024-01-01", "close": 1}]},
            422,
            ["body"],
        ),
        ({"symbol": "AAPL", "horizon": 3}, 422, ["horizon"]),
        ({}, 422, ["symbol"]),
    ],
)
async def test_what_cannot_be_analysed(
    analyzer: Component, body: dict[str, Any], status: int, fields: list[str]
) -> None:
    answer = await analyzer.post("/v1/analyze", body)
    assert (answer.status, fields_of(answer.json)) == (status, fields)


async def test_a_summary_of_the_market(analyzer: Component) -> None:
    body = {"symbols": ["AAPL", "TSLA", "AAPL"], "as_of": "2024-06-18"}
    found = (await analyzer.post("/v1/summary", body)).json
    assert sum(found["conditions"].values()) == 2
    assert found["synthetic"] == ["TSLA"]
    assert found["as_of"] == "2024-06-18"
    assert (await analyzer.post("/v1/summary", {"symbols": []})).status == 422


async def test_bars_returns_and_symbols(analyzer: Component) -> None:
    bars = (
        await analyzer.call("GET", "/v1/bars/aapl", query={"from": "2024-12-23", "to": "2024-12-26"})
    ).json
    assert [bar["close"] for bar in bars["bars"]] == [255.27, 258.2, 259.02]
    backwards = await analyzer.call("GET", "/v1/bars/AAPL", query={"from": "2024-12-26", "to": "2024-12-23"})
    assert backwards.status == 422
    returns = (await analyzer.get("/v1/returns", symbols="AAPL,MSFT", days=252, as_of="2022-12-28")).json
    assert len(returns["dates"]) == len(returns["returns"]["MSFT"]) == 252
    assert returns["data"]["AAPL"]["source"] == "skfolio"
    assert (await analyzer.get("/v1/returns", symbols="AAPL,NOPE")).status == 404
    assert (await analyzer.get("/v1/returns", symbols="AAPL", days=0)).status == 422
    symbols = {entry["symbol"]: entry for entry in (await analyzer.get("/v1/symbols")).json["symbols"]}
    assert symbols["TSLA"]["data"]["synthetic"]
    assert not symbols["MSFT"]["data"]["synthetic"]
    assert "VIX" not in symbols


async def test_the_day_of_the_configuration_is_today(tmp_path: Path) -> None:
    async with component(ANALYZER, tmp_path, config={"market_data.as_of": "2022-06-16"}) as analyzer:
        found = (await analyzer.post("/v1/analyze", {"symbol": "AAPL"})).json
        assert (found["as_of"], found["market_condition"]) == ("2022-06-16", "Red")
        expiries = (await analyzer.get("/v1/expiries", count=2)).json
        assert expiries["expiries"] == [{"day": "2022-06-17", "dte": 1}, {"day": "2022-06-24", "dte": 8}]


async def test_a_synthetic_chain_says_that_it_is_one(analyzer: Component) -> None:
    chain = (await analyzer.get("/v1/chain/AAPL", as_of="2024-06-18")).json
    assert (chain["expiry"], chain["dte"], chain["source"]) == ("2024-06-21", 3, "synthetic")
    assert len(chain["puts"]) == len(chain["calls"]) == 41
    holiday = await analyzer.get("/v1/chain/AAPL", as_of="2024-06-18", expiry="2024-06-25")
    assert (holiday.status, fields_of(holiday.json)) == (422, ["expiry"])
    assert "2024-06-21" in holiday.json["detail"]


async def test_names_of_weeks(analyzer: Component) -> None:
    put = {"position": "short_put", "strike": 100, "close": 90}
    assert (await analyzer.post("/v1/week", put)).json["week_type"] == "P-AOL"
    answer = await analyzer.post("/v1/week", {"position": "short_put", "close": 90})
    assert (answer.status, fields_of(answer.json)) == (422, ["strike"])


async def test_analyses_are_told_once_and_a_changed_condition_to_those_it_concerns(tmp_path: Path) -> None:
    system = System()
    listener = Listener(system, "metrics-collector", "memory-manager", "portfolio-risk-monitor")
    async with component(ANALYZER, tmp_path, system=system) as analyzer:
        await analysis(analyzer, as_of="2022-06-16")
        await analysis(analyzer, as_of="2022-06-16")
        await analysis(analyzer, as_of="2024-06-18")
        changed = listener.of("market.condition_changed")
        await until(lambda: len(changed()) == 2, "both consumers are told of the change")
        # An earlier day and a caller's own bars are no news.
        await analysis(analyzer, as_of="2022-06-15")
        await analyzer.post("/v1/analyze", {"symbol": "AAPL", "historical_prices": [100.0] * 80})
        told = listener.of("market.analyzed")
        await until(lambda: len(told()) == 3, "each new analysis of the shipped bars is told")
        assert told()[0] == {"symbol": "AAPL", "condition": "Red", "confidence": 1.0, "as_of": "2022-06-16"}
        assert changed() == [{"symbol": "AAPL", "from": "Red", "to": "Green", "as_of": "2024-06-18"}] * 2
        assert await metric(analyzer, 'alluse_market_condition{symbol="AAPL",condition="Green"} 1')
        assert await metric(analyzer, 'alluse_market_condition{symbol="AAPL",condition="Red"} 0')


# -- position-sizer --------------------------------------------------------------------------------


async def test_the_golden_position(analyzer: Component, sizer: Component) -> None:
    body = {"account_type": "gen-acc", "account_balance": 50_000, "market_analysis": await analysis(analyzer)}
    found = (await sizer.post("/v1/size", body)).json
    assert found["position_size"] == pytest.approx(7_199, rel=1e-3)
    assert (found["contracts"], found["symbol"], found["account_type"]) == (1, "AAPL", "GEN_ACC")
    assert found["disclaimer"] == DISCLAIMER


async def test_the_four_fields_of_the_older_form_do_not_size_without_a_forecast(sizer: Component) -> None:
    body = {
        "account_balance": 50_000, "account_type": "GEN_ACC", "market_condition": "Green", "volatility": 0.35,
    }  # fmt: skip
    found = (await sizer.post("/v1/size", body)).json
    assert (found["position_size"], found["blocked_by"]) == (0, "no_price")
    priced = (await sizer.post("/v1/size", {**body, "current_price": 214.29})).json
    assert priced["blocked_by"] == "no_forecast"
    complete = (
        await sizer.post("/v1/size", {**body, "current_price": 214.29, "forecast_volatility": 0.31})
    ).json
    assert complete["position_size"] > 0
    assert await metric(sizer, 'alluse_sizing_blocked_total{reason="no_forecast"} 1')


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"account_type": "SAVINGS"}, ["account_type"]),
        ({"account_balance": 0}, ["account_balance"]),
        ({"account_balance": "NaN"}, ["account_balance"]),
        ({"option": {"dte": 0}}, ["option.dte"]),
        ({"option": {"strike": 90, "target_delta": 0.3}}, ["option"]),
        ({"option": {"strike": 90, "premium": 91}}, ["option.premium"]),
        ({"current_price": 1e-300}, ["spot"]),
        ({"exposure_factor": 2}, ["exposure_factor"]),
        ({"portfolio": {"portfolio_id": "p", "positions": {"KO": {"quantity": 1, "price": -1}}}}, ["portfolio.positions.0.price"]),
        ({"portfolio": {"portfolio_id": "p", "cash": 1e5, "positions": [
            {"symbol": "KO", "kind": "put", "quantity": -1, "price": 1}]}}, ["portfolio.positions"]),
        ({"balance": 1, "r": -1}, ["r", "balance"]),
    ],
)  # fmt: skip
async def test_what_cannot_be_sized(sizer: Component, changes: dict[str, Any], fields: list[str]) -> None:
    body = {
        "account_balance": 50_000, "account_type": "GEN_ACC", "current_price": 100, "volatility": 0.3,
        "forecast_volatility": 0.25, **changes,
    }  # fmt: skip
    answer = await sizer.post("/v1/size", body)
    assert (answer.status, fields_of(answer.json)) == (422, fields)


async def test_positions_by_symbol_are_the_older_form_of_a_portfolio(sizer: Component) -> None:
    body = {
        "account_balance": 50_000, "account_type": "REV_ACC", "symbol": "KO", "current_price": 60,
        "volatility": 0.3, "forecast_volatility": 0.25, "market_condition": "Green",
        "portfolio": {"portfolio_id": "p", "cash": 47_000, "positions": {"KO": {"quantity": 50, "price": 60, "value": 3_000}}},
    }  # fmt: skip
    assert (await sizer.post("/v1/size", body)).json["caps"]["position"] == 3_000


async def test_a_batch_sizes_each_and_names_the_one_that_fails(sizer: Component) -> None:
    one = {
        "account_balance": 50_000, "account_type": "GEN_ACC", "current_price": 100, "volatility": 0.3,
        "forecast_volatility": 0.25, "market_condition": "Green",
    }  # fmt: skip
    batch = {"requests": [one, {**one, "account_type": "COM_ACC"}]}
    found = (await sizer.post("/v1/size/batch", batch)).json
    assert [result["account_type"] for result in found["results"]] == ["GEN_ACC", "COM_ACC"]
    bad = {**one, "portfolio": {"portfolio_id": "p", "cash": 1e5, "positions": [
        {"symbol": "KO", "kind": "put", "quantity": -1, "price": 1}]}}  # fmt: skip
    answer = await sizer.post("/v1/size/batch", {"requests": [one, bad]})
    assert (answer.status, fields_of(answer.json)) == (422, ["requests.1.portfolio.positions"])
    assert (await sizer.post("/v1/size/batch", {"requests": []})).status == 422


async def test_a_sizing_is_told(tmp_path: Path) -> None:
    system = System()
    listener = Listener(system, "metrics-collector")
    async with component(SIZER, tmp_path, system=system) as sizer:
        await sizer.post("/v1/size", {"account_balance": 1_000, "account_type": "GEN_ACC", "symbol": "KO"})
        told = await until(listener.of("sizing.computed"), "the sizing is told")
        assert told == [{"account_type": "GEN_ACC", "symbol": "KO", "result": 0, "blocked_by": "no_price"}]


# -- delta-selector --------------------------------------------------------------------------------


async def test_the_golden_delta(analyzer: Component, selector: Component) -> None:
    body = {"account_type": "GEN_ACC", "symbol": "AAPL", "market_analysis": await analysis(analyzer)}
    found = (await selector.post("/v1/select", body)).json
    assert (found["selected_delta"], found["signed_delta"]) == (0.5, -0.5)
    assert found["strike"] == pytest.approx(214.626, rel=1e-3)
    other = (await selector.post("/v1/select", {**body, "account_type": "Rev-Acc"})).json
    assert (other["selected_delta"], other["strike"]) == (0.4, pytest.approx(211.997, rel=1e-3))
    assert await metric(selector, 'alluse_delta_selected_bucket{le="0.4"} 1')


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"dte": 731}, ["dte"]),
        ({"option_type": "straddle"}, ["option_type"]),
        ({"chain": [{"strike": 1, "bid": 2, "ask": 1}], "spot": 1}, ["chain.0"]),
        ({"chain": [{"strike": 1, "bid": 1, "ask": 2}]}, ["spot"]),
        ({"expiry": "2024-01-05"}, ["as_of"]),
        ({"market_analysis": {"symbol": "KO"}}, ["market_analysis.as_of", "market_analysis.current_price",
                                                "market_analysis.quality", "market_analysis.data"]),
    ],
)  # fmt: skip
async def test_what_cannot_be_selected(
    selector: Component, changes: dict[str, Any], fields: list[str]
) -> None:
    answer = await selector.post("/v1/select", {"account_type": "COM_ACC", **changes})
    assert (answer.status, fields_of(answer.json)) == (422, fields)


async def test_a_batch_of_selections(selector: Component) -> None:
    requests = [{"account_type": account, "market_condition": "Green"} for account in ("GEN_ACC", "COM_ACC")]
    found = (await selector.post("/v1/select/batch", {"requests": requests})).json
    assert [result["selected_delta"] for result in found["results"]] == [0.45, 0.25]
    assert (found["diversification"], found["mean_risk"]) == (0.5, 2.0)


async def test_a_selection_is_told(tmp_path: Path) -> None:
    system = System()
    listener = Listener(system, "metrics-collector")
    async with component(SELECTOR, tmp_path, system=system) as selector:
        await selector.post("/v1/select", {"account_type": "GEN_ACC"})
        told = await until(listener.of("delta.selected"), "the selection is told")
        assert told == [{"account_type": "GEN_ACC", "symbol": None, "result": 0.45, "blocked_by": None}]


# -- parameters and health -------------------------------------------------------------------------


async def test_parameters_follow_the_configuration(tmp_path: Path) -> None:
    config = {
        "protocol.accounts.COM_ACC.delta_band.high": "0.26",
        "protocol.accounts.COM_ACC.delta_band.low": 0.24,
    }
    async with component(SELECTOR, tmp_path, config=config) as selector:
        body = {"account_type": "COM_ACC", "volatility": 0.15}
        assert (await selector.post("/v1/select", body)).json["selected_delta"] == 0.26


@pytest.mark.parametrize("service", [ANALYZER, SIZER, SELECTOR], ids=lambda service: service.name)
async def test_parameters_that_were_never_valid_keep_a_component_from_being_healthy(
    service: Any, tmp_path: Path
) -> None:
    config = {"protocol.accounts.GEN_ACC.share": 0.9}
    async with component(service, tmp_path, config=config, ready=False) as running:
        await until(lambda: running.runtime.context.is_open, "the component is open")
        health = await running.get("/health")
        (check,) = [check for check in health.json["checks"] if check["name"] == "protocol"]
        assert health.status == 503
        assert check["status"] == "unhealthy"
        assert "sum to 1" in check["detail"]


@pytest.mark.parametrize("service", [ANALYZER, SIZER, SELECTOR], ids=lambda service: service.name)
def test_the_golden_case_passes_within_fifty_milliseconds(service: Any) -> None:
    durations = []
    for _ in range(5):
        started = time.process_time()
        service.selftest()
        durations.append(time.process_time() - started)
    assert min(durations) < 0.05


@pytest.mark.parametrize(
    ("module", "function"),
    [(market_analyzer, "analyze"), (position_sizer, "size"), (delta_selector, "strike_from_delta")],
)
def test_a_wrong_computation_fails_the_golden_case(
    module: Any, function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = getattr(module, function)

    def wrong(*arguments: Any, **named: Any) -> Any:
        found = right(*arguments, **named)
        if isinstance(found, float):
            return found * 1.01
        return found.model_copy(update={"confidence": 0.1, "kelly": None})

    monkeypatch.setattr(module, function, wrong)
    with pytest.raises(SelfTestError, match="want"):
        module.golden()
