"""drawdown-protection as a caller meets it: the workflow, events, restarts, and what it takes from others."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine

from alluse.runtime.errors import SelfTestError
from alluse.services import drawdown_protection
from alluse.services.drawdown_protection import protection
from ears import Ears, fields_of
from inprocess import Component, System, component, until

SERVICE = drawdown_protection.SERVICE
START = datetime(2026, 1, 5, 15, tzinfo=UTC)


@pytest.fixture
def system() -> System:
    return System()


@pytest.fixture
async def protector(tmp_path: Path, system: System) -> AsyncIterator[Component]:
    async with component(SERVICE, tmp_path, system=system) as running:
        yield running


def book(value: float, portfolio_id: str = "w3", shares: float = 100, **fields: Any) -> dict[str, Any]:
    positions = [
        {"symbol": "AAPL", "quantity": shares, "price": 150},
        {"symbol": "MSFT", "quantity": shares / 2, "price": 300},
    ]
    held = sum(each["quantity"] * each["price"] for each in positions)
    return {"portfolio_id": portfolio_id, "positions": positions, "cash": value - held, **fields}


async def check(running: Component, value: float, **fields: Any) -> dict[str, Any]:
    answer = await running.post("/v1/check", book(value, **fields))
    assert answer.status == 200
    found: dict[str, Any] = answer.json
    return found


async def test_the_workflow_of_a_fall_of_ten_percent(
    tmp_path: Path, system: System, protector: Component
) -> None:
    found = await check(protector, 45_000, peak_value=50_000)
    assert found["current_drawdown"] == pytest.approx(0.10)
    assert (found["protection_level"], found["level_needed"]) == ("Moderate", "Moderate")
    portfolio = book(45_000, peak_value=50_000)
    answer = (await protector.post("/v1/activate", {"portfolio": portfolio, "drawdown": 0.10})).json
    assert answer["protection_level"] == "Moderate"
    assert answer["exposure_factor"] == 0.6
    assert [(a["symbol"], a["from"], a["to"]) for a in answer["adjustments_made"]] == [
        ("AAPL", 100, 60),
        ("MSFT", 50, 30),
    ]
    assert answer["disclaimer"]
    reduced = book(45_000, shares=80)
    confirmed = (await protector.put("/v1/portfolios/w3", reduced)).json
    assert confirmed["adjustments_today"] == 1
    assert confirmed["in_cooldown"] is True
    second = (await protector.post("/v1/activate", {"portfolio": reduced})).json
    assert second["reason_not_activated"] == "cooldown"
    assert second["adjustments_made"] == []
    escalated = await check(protector, 42_000)
    assert escalated["protection_level"] == "Aggressive"
    ended = await check(protector, 49_200)
    assert (ended["protection_level"], ended["peak_value"]) == ("None", 50_000)


async def test_a_dry_run_is_no_observation(protector: Component) -> None:
    portfolio = book(45_000, peak_value=50_000)
    answer = (await protector.post("/v1/activate", {"portfolio": portfolio})).json
    assert (answer["activated"], answer["reason_not_activated"]) == (False, "dry_run")
    assert (await protector.get("/v1/portfolios/w3")).status == 404
    supposed = {"portfolio": book(10_000, "whatif"), "drawdown": 0.2}
    answer = (await protector.post("/v1/activate", supposed)).json
    assert answer["protection_level"] == "Emergency"
    assert answer["stop_new_entries"] is True
    real = {"portfolio": portfolio, "dry_run": False}
    answer = (await protector.post("/v1/activate", real)).json
    assert (answer["activated"], answer["reason_not_activated"]) == (True, None)
    assert (await protector.get("/v1/portfolios/w3")).json["protection_level"] == "Moderate"


async def test_the_peak_survives_a_restart(tmp_path: Path, system: System) -> None:
    async with component(SERVICE, tmp_path, system=system) as running:
        await check(running, 45_000, peak_value=50_000)
        await running.post("/v1/activate", {"portfolio": book(45_000), "dry_run": False})
        before = (await running.get("/v1/portfolios/w3")).json
    async with component(SERVICE, tmp_path, system=system) as running:
        after = (await running.get("/v1/portfolios/w3")).json
        assert {**after, "duration_days": 0} == {**before, "duration_days": 0}
        assert (after["peak_value"], after["adjustments_today"]) == (50_000, 1)
        again = (await running.post("/v1/activate", {"portfolio": book(45_000), "dry_run": False})).json
        assert again["reason_not_activated"] == "cooldown"
        text = (await running.get("/metrics")).body.decode()
        assert 'alluse_protection_level{portfolio="w3"} 2' in text


async def test_events_tell_of_every_change(tmp_path: Path, system: System, protector: Component) -> None:
    ears = Ears(system, "alert-manager")
    for value in (50_000, 47_500, 40_000, 50_000):
        await check(protector, value, account_type="GEN_ACC")
    await until(lambda: len(ears.data("protection.ended")) == 1, "the episode ends")
    assert [event["level"] for event in ears.data("drawdown.detected")] == ["Light", "Emergency"]
    (activated,) = ears.data("protection.activated")
    assert (activated["from"], activated["to"], activated["exposure_factor"]) == ("None", "Light", 0.8)
    (escalated,) = ears.data("protection.escalated")
    assert (escalated["to"], escalated["stop_new_entries"]) == ("Emergency", True)
    shown = (await protector.get("/v1/portfolios/w3")).json
    assert [change["kind"] for change in shown["history"]] == ["ended", "escalated", "activated"]


async def test_half_recovered_for_a_day_relaxes_one_level(tmp_path: Path, system: System) -> None:
    with time_machine.travel(START, tick=True) as clock:
        async with component(SERVICE, tmp_path, system=system) as running:
            await check(running, 100_000)
            await check(running, 80_000)
            assert (await check(running, 90_000))["protection_level"] == "Emergency"
            clock.shift(timedelta(hours=23, minutes=59))
            assert (await check(running, 90_000))["protection_level"] == "Emergency"
            clock.shift(timedelta(minutes=2))
            found = await check(running, 90_000)
            assert (found["protection_level"], found["recovery"]) == ("Aggressive", pytest.approx(0.5))
            assert found["duration_days"] == pytest.approx(1, abs=0.01)


async def test_cash_flows_do_not_look_like_losses_or_gains(protector: Component) -> None:
    await check(protector, 100_000)
    assert (await check(protector, 50_000, cash_flow=-50_000))["current_drawdown"] == 0
    assert (await check(protector, 80_000, cash_flow=30_000))["current_drawdown"] == 0
    found = await check(protector, 72_000)
    assert found["current_drawdown"] == pytest.approx(0.10)
    found = await check(protector, 36_000, cash_flow=-36_000)
    assert found["current_drawdown"] == pytest.approx(0.10)


async def send(running: Component, name: str, id_: str, **data: Any) -> None:
    event = {
        "specversion": "1.0",
        "id": id_,
        "source": "/alluse/test",
        "type": f"com.alluse.{name}.v1",
        "data": data,
    }
    answer = await running.call(
        "POST", "/events", event, headers={"content-type": "application/cloudevents+json"}
    )
    assert answer.status == 202


async def test_values_of_the_risk_monitor_protect_what_nobody_checks(protector: Component) -> None:
    await send(protector, "risk.assessed", "1", portfolio_id="p", total_value=100.0, peak_value=100.0)
    await send(protector, "risk.assessed", "2", portfolio_id="p", total_value=85.0, peak_value=100.0)
    assert (await protector.get("/v1/portfolios/p")).json["protection_level"] == "Aggressive"
    await send(
        protector, "risk.assessed", "3", portfolio_id="p", total_value=185.0, peak_value=None, net_flows=100.0
    )
    assert (await protector.get("/v1/portfolios/p")).json["current_drawdown"] == pytest.approx(0.15)


async def test_one_source_rules_a_portfolio(protector: Component) -> None:
    await check(protector, 100_000, portfolio_id="p")
    await send(protector, "risk.assessed", "1", portfolio_id="p", total_value=200_000.0, peak_value=200_000.0)
    assert (await protector.get("/v1/portfolios/p")).json["peak_value"] == 100_000


async def test_a_flow_of_the_ledger_is_counted_with_the_next_value(protector: Component) -> None:
    await check(protector, 100_000, portfolio_id="a")
    await send(protector, "memory.forked", "1", user_id="u", cash_flow={"a": -52_000, "b": 26_000})
    await send(protector, "memory.forked", "1", user_id="u", cash_flow={"a": -52_000, "b": 26_000})
    found = await check(protector, 48_000, portfolio_id="a")
    assert (found["current_drawdown"], found["protection_level"]) == (0, "None")
    assert (await check(protector, 46_000, portfolio_id="a"))["current_drawdown"] > 0.04


async def test_a_reset_is_remembered_with_who_and_why(protector: Component) -> None:
    await check(protector, 80_000, peak_value=100_000)
    answer = await protector.post("/v1/portfolios/w3/reset", {"by": "ann", "reason": "new mandate"})
    assert answer.status == 200
    assert (answer.json["peak_value"], answer.json["protection_level"]) == (80_000, "None")
    shown = (await protector.get("/v1/portfolios/w3")).json
    assert shown["history"][0]["kind"] == "reset"
    assert "ann: new mandate" in shown["history"][0]["detail"]
    assert (await protector.post("/v1/portfolios/nobody/reset", {"by": "a", "reason": "b"})).status == 404
    answer = await protector.post("/v1/portfolios/w3/reset", {"by": " ", "reason": "b"})
    assert fields_of(answer.json) == ["by"]


async def test_a_repeated_check_under_one_key_counts_once(protector: Component) -> None:
    await check(protector, 100_000)
    body = book(150_000, cash_flow=50_000)
    for _ in range(2):
        answer = await protector.post("/v1/check", body, **{"Idempotency-Key": "deposit-1"})
        assert answer.json["peak_value"] == 150_000


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/check", {}, "portfolio_id"),
        ("/v1/check", book(1000, peak_value=0), "peak_value"),
        ("/v1/check", book(1000, account_type="ROTH"), "account_type"),
        ("/v1/activate", {"portfolio": book(1000), "drawdown": 1}, "drawdown"),
        (
            "/v1/activate",
            {"portfolio": {"portfolio_id": "p", "cash": -5}, "drawdown": 0.1},
            "portfolio.total_value",
        ),
    ],
)
async def test_refusals_name_the_field(
    protector: Component, path: str, body: dict[str, Any], field: str
) -> None:
    answer = await protector.post(path, body)
    assert answer.status == 422
    assert fields_of(answer.json) == [field]
    mismatch = await protector.put("/v1/portfolios/other", book(1000))
    assert fields_of(mismatch.json) == ["portfolio_id"]


async def test_account_limits_follow_the_configuration(tmp_path: Path, system: System) -> None:
    config = {"protocol.accounts.COM_ACC.drawdown_limit": "0.03"}
    async with component(SERVICE, tmp_path, system=system, config=config) as running:
        await check(running, 100_000, account_type="Com-Acc")
        found = await check(running, 96_900)
        assert (found["protection_level"], found["stop_new_entries"]) == ("Aggressive", True)


async def test_a_stuck_loop_makes_it_unhealthy(protector: Component) -> None:
    await until(lambda: protector.state.loops > 0, "the first loop is over")
    protector.state.looped_at -= 1_000
    protector.runtime.board.forget_report()
    assert (await protector.get("/health")).status == 503


def test_a_wrong_golden_case_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    protection.golden()
    right = protection.rules_of

    def never_relaxes(protocol: Any) -> Any:
        from dataclasses import replace

        return replace(right(protocol), relax_at=0.99)

    monkeypatch.setattr(protection, "rules_of", never_relaxes)
    with pytest.raises(SelfTestError, match="level at 90000"):
        protection.golden()
