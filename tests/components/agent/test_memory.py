"""memory-manager as a caller meets it."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine

from alluse.runtime.recent import Recent
from alluse.runtime.store import backup, restore
from alluse.services import memory_manager
from ears import Ears
from inprocess import Component, System, component, until

SERVICE = memory_manager.SERVICE
CONSUMERS = ("portfolio-risk-monitor", "drawdown-protection", "enhanced-agent")


@pytest.fixture
def system() -> System:
    return System()


@pytest.fixture
def ears(system: System) -> Ears:
    return Ears(system, *CONSUMERS)


@pytest.fixture
async def memory(tmp_path: Path, system: System, ears: Ears) -> AsyncIterator[Component]:
    async with component(SERVICE, tmp_path, system=system) as running:
        yield running


async def opened(memory: Component, user: str = "u1", amount: float = 50_000) -> dict[str, dict[str, Any]]:
    answer = await memory.put(f"/v1/users/{user}/accounts", {"initial_investment": amount})
    assert answer.status == 201, answer.body
    return {account["type"]: account for account in answer.json["accounts"]}


async def book(memory: Component, account: dict[str, Any], user: str = "u1", **entry: Any) -> Any:
    return await memory.post(f"/v1/users/{user}/accounts/{account['account_id']}/entries", entry)


def turn(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "turn_id": f"turn-{number}",
        "session_id": "s",
        "message": f"what is a delta, question {number}?",
        "reply": f"an answer, number {number}",
        "intent": "explain_protocol",
        "decision": {"action": "explain", "response_type": "explain_protocol"},
        **changes,
    }


async def test_fifty_thousand_become_three_accounts(memory: Component, ears: Ears) -> None:
    accounts = await opened(memory)
    assert {kind: (a["balance"], a["cash_buffer"], a["investable"]) for kind, a in accounts.items()} == {
        "GEN_ACC": (20_000, 1_000, 19_000),
        "REV_ACC": (15_000, 750, 14_250),
        "COM_ACC": (15_000, 750, 14_250),
    }
    again = await memory.put("/v1/users/u1/accounts", {"initial_investment": 50_000})
    assert again.status == 409
    await until(lambda: len(ears.data("memory.accounts_created")) == 3, "all three heard of it")
    assert sorted(ears.data("memory.accounts_created")[0]["cash_flow"].values()) == [15_000, 15_000, 20_000]
    replaced = await memory.put("/v1/users/u1/accounts", {"initial_investment": 1_000, "replace": True})
    assert (replaced.status, replaced.json["total_balance"]) == (201, 1_000)
    state = (await memory.get("/v1/users/u1/protocol-state")).json
    assert [account["balance"] for account in state["closed_accounts"]] == [0, 0, 0]


@pytest.mark.parametrize("amount", [999.99, 0, -5, "many", None, 1000.001, 1e11])
async def test_what_opens_no_account(memory: Component, amount: object) -> None:
    answer = await memory.put("/v1/users/u1/accounts", {"initial_investment": amount})
    assert answer.status == 422
    assert (await memory.get("/v1/users/u1/accounts")).json["accounts"] == []


async def test_a_surplus_of_52_000_is_split_in_halves(memory: Component, ears: Ears) -> None:
    gen = (await opened(memory))["GEN_ACC"]
    early = await memory.post("/v1/users/u1/fork", {})
    assert (early.status, "50000.00 USD are missing" in early.json["detail"]) == (409, True)
    assert (await book(memory, gen, amount=52_000, kind="premium")).status == 200
    await until(lambda: ears.data("memory.fork_ready"), "it is said that it may split")
    assert (await memory.get("/v1/users/u1/fork-outlook")).json["outlook"][0]["ready"] is True
    assert "account_fork" in (await memory.get("/v1/users/u1/context")).json["pending"]
    forked = await memory.post("/v1/users/u1/fork", {}, **{"Idempotency-Key": "f1"})
    assert forked.status == 200
    assert [entry["amount"] for entry in forked.json["entries"]] == [-52_000, 26_000, 26_000]
    again = await memory.post("/v1/users/u1/fork", {}, **{"Idempotency-Key": "f1"})
    assert again.body == forked.body
    assert (await memory.post("/v1/users/u1/fork", {})).status == 409
    accounts = (await memory.get("/v1/users/u1/accounts")).json
    assert accounts["total_balance"] == 102_000
    assert [a["balance"] for a in accounts["accounts"]] == [20_000, 15_000, 15_000, 26_000, 26_000]
    await until(lambda: ears.data("memory.forked"), "the split is told")
    assert sorted(ears.data("memory.forked")[0]["cash_flow"].values()) == [-52_000, 26_000, 26_000]


async def test_a_grown_account_merges_into_the_com_acc_of_its_parent(memory: Component) -> None:
    accounts = await opened(memory)
    await book(memory, accounts["GEN_ACC"], amount=52_000, kind="premium")
    forked = (await memory.post("/v1/users/u1/fork", {})).json["accounts"]
    child = next(a for a in forked if a["parent"] and a["type"] == "GEN_ACC")
    body = {"account_id": child["account_id"], "positions_closed": True}
    assert "it merges from 500000.00" in (await memory.post("/v1/users/u1/merge", body)).json["detail"]
    await book(memory, child, amount=474_000, kind="premium")
    unsaid = await memory.post("/v1/users/u1/merge", {"account_id": child["account_id"]})
    assert (unsaid.status, "positions" in unsaid.json["detail"]) == (409, True)
    merged = await memory.post("/v1/users/u1/merge", body)
    assert merged.status == 200
    balances = {a["account_id"]: a["balance"] for a in merged.json["accounts"]}
    assert child["account_id"] not in balances
    assert balances[accounts["COM_ACC"]["account_id"]] == 515_000
    assert (await book(memory, child, amount=1, kind="deposit")).status == 409


async def test_a_quarter_is_reinvested_once(memory: Component) -> None:
    rev = (await opened(memory))["REV_ACC"]
    assert (await book(memory, rev, amount=1_000, kind="premium")).status == 200
    wrong = await memory.post("/v1/users/u1/reinvest", {"as_of": "2026-05-29"})
    assert (wrong.status, "months 3, 6, 9, 12" in wrong.json["detail"]) == (409, True)
    done = await memory.post("/v1/users/u1/reinvest", {"as_of": "2026-06-26"})
    assert [(e["ref"], e["set_aside"], e["amount"]) for e in done.json["entries"]] == [
        ("contracts", 750, 0),
        ("leaps", 250, 0),
    ]
    await book(memory, rev, amount=1_000, kind="premium")
    assert (await memory.post("/v1/users/u1/reinvest", {"as_of": "2026-06-30"})).status == 409
    assert (await memory.get("/v1/users/u1/accounts")).json["total_balance"] == 52_000


async def test_what_a_ledger_refuses(memory: Component) -> None:
    accounts = await opened(memory)
    com, gen = accounts["COM_ACC"], accounts["GEN_ACC"]
    taken = await book(memory, com, amount=1, kind="withdrawal")
    assert (taken.status, "no_withdrawals" in taken.json["detail"]) == (409, True)
    assert (await book(memory, com, amount=1, kind="transfer", to_account=gen["account_id"])).status == 409
    assert (await book(memory, gen, amount=20_000.01, kind="withdrawal")).status == 409
    for wrong in (
        {"amount": -1, "kind": "deposit"},
        {"amount": 0, "kind": "premium"},
        {"amount": 1.001, "kind": "deposit"},
        {"amount": 1, "kind": "transfer"},
        {"amount": 1, "kind": "fork"},
    ):
        assert (await book(memory, gen, **wrong)).status == 422
    assert (
        await memory.post("/v1/users/u1/accounts/gen-0/entries", {"amount": 1, "kind": "fee"})
    ).status == 404
    moved = await book(memory, gen, amount=5_000, kind="transfer", to_account=com["account_id"])
    assert [entry["amount"] for entry in moved.json["entries"]] == [-5_000, 5_000]


async def test_users_do_not_see_each_other(memory: Component) -> None:
    mine = (await opened(memory))["GEN_ACC"]
    await opened(memory, "u2", 1_000)
    assert (await memory.get("/v1/users/u2/accounts")).json["total_balance"] == 1_000
    assert (await book(memory, mine, user="u2", amount=1, kind="fee")).status == 404
    foreign = await memory.call("GET", "/v1/users/u1/export", headers={"X-User-Id": "u2"})
    assert foreign.status == 403
    assert (await memory.get("/v1/users/a%20b/context")).status == 422


async def test_a_turn_is_stored_once_and_whole(memory: Component) -> None:
    body = turn(
        week={"value": "Green"}, preferences={"risk_appetite": "aggressive"}, explained=["delta", "strike"]
    )
    first = await memory.post("/v1/users/u1/turns", body, **{"Idempotency-Key": "k"})
    second = await memory.post("/v1/users/u1/turns", body, **{"Idempotency-Key": "k"})
    assert (first.status, first.body) == (201, second.body)
    assert (await memory.post("/v1/users/u1/turns", body)).status == 409
    other = await memory.post("/v1/users/u1/turns", turn(2), **{"Idempotency-Key": "k"})
    assert other.status == 422
    context = (await memory.get("/v1/users/u1/context")).json
    assert (context["message_count"], context["last_intent"]) == (2, "explain_protocol")
    assert context["week_classification"]["value"] == "Green"
    assert (context["risk_appetite"], context["explained"]) == ("aggressive", ["delta", "strike"])
    assert context["last_decision"]["paper"] is True
    assert context["pending"] == ["account_setup"]
    with time_machine.travel(datetime.now(UTC) + timedelta(days=8)):
        assert (await memory.get("/v1/users/u1/context")).json["week_classification"] is None


async def test_two_hundred_messages_are_kept_and_all_counted(memory: Component) -> None:
    for number in range(105):
        await memory.post("/v1/users/u1/turns", turn(number))
    found = (await memory.get("/v1/users/u1/messages", limit=200)).json["messages"]
    assert (len(found), found[-1]["content"]) == (200, "an answer, number 104")
    assert len((await memory.get("/v1/users/u1/messages", q="QUESTION 99")).json["messages"]) == 1
    assert len((await memory.get("/v1/users/u1/messages", topic="delta", limit=7)).json["messages"]) == 7
    summary = (await memory.get("/v1/users/u1/summary")).json
    assert summary["counts"] == {"user": 105, "agent": 105}
    assert (summary["engagement"], summary["stage"]) == ("medium", "learning")
    assert summary["dominant_topics"] == ["delta"]


async def test_stated_preferences_beat_inferred_ones(memory: Component) -> None:
    await memory.post("/v1/users/u1/turns", turn())
    inferred = (await memory.get("/v1/users/u1/preferences")).json["preferences"]
    assert (inferred["expertise"]["source"], "risk_appetite" in inferred) == ("inferred", False)
    stated = await memory.call("PATCH", "/v1/users/u1/preferences", {"expertise": "advanced"})
    assert stated.json["preferences"]["expertise"] == {
        "value": "advanced",
        "source": "stated",
        "confidence": 1.0,
    }
    forgotten = await memory.call("PATCH", "/v1/users/u1/preferences", {"expertise": None})
    assert forgotten.json["preferences"]["expertise"]["source"] == "inferred"


async def test_performance_counts_gains_and_not_deposits(memory: Component) -> None:
    with time_machine.travel(datetime(2026, 1, 5, 15, tzinfo=UTC), tick=False) as clock:
        gen = (await opened(memory))["GEN_ACC"]
        first = (await memory.get("/v1/users/u1/performance")).json
        assert (first["value"], len(first["snapshots"]), first["total_return"]) == (50_000, 1, None)
        clock.shift(timedelta(days=2))
        await book(memory, gen, amount=500, kind="premium")
        clock.shift(timedelta(days=2))
        await book(memory, gen, amount=10_000, kind="deposit")
        clock.shift(timedelta(days=38))
        found = (await memory.get("/v1/users/u1/performance", days=60)).json
    assert found["value"] == 60_500
    assert found["total_return"] == pytest.approx(0.01)
    assert found["annualised_return"] == pytest.approx(1.01 ** (365 / 42) - 1)
    assert found["max_drawdown"] == 0
    assert found["net_flows"] == 60_000
    assert found["sharpe"] is not None


async def test_export_holds_everything_and_erasure_leaves_nothing(tmp_path: Path, system: System) -> None:
    secret = "my grandmother's necklace"
    async with component(SERVICE, tmp_path, system=system) as memory:
        await opened(memory)
        await memory.post("/v1/users/u1/turns", turn(message=f"I would sell {secret}"))
        await opened(memory, "u2")
        export = (await memory.get("/v1/users/u1/export")).json
        assert (len(export["messages"]), len(export["entries"]), len(export["accounts"])) == (2, 3, 3)
        erased = (await memory.delete("/v1/users/u1")).json["erased"]
        assert (erased["messages"], erased["entries"], erased["users"]) == (2, 3, 1)
        assert (await memory.get("/v1/users/u1/context")).json["message_count"] == 0
        assert (await memory.get("/v1/users/u1/accounts")).json["accounts"] == []
        assert (await memory.get("/v1/users/u2/accounts")).json["total_balance"] == 50_000
        state = tmp_path / "memory-manager" / "state"
        assert all(secret.encode() not in file.read_bytes() for file in state.iterdir())


async def test_a_backup_taken_while_it_runs_can_be_restored(tmp_path: Path, system: System) -> None:
    store, copy = tmp_path / "memory-manager" / "state" / "memory-manager.db", tmp_path / "copy.db"
    async with component(SERVICE, tmp_path, system=system) as memory:
        gen = (await opened(memory))["GEN_ACC"]
        backup(store, copy)
        await book(memory, gen, amount=1_000, kind="withdrawal")
    restore(copy, store)
    async with component(SERVICE, tmp_path, system=system) as memory:
        assert (await memory.get("/v1/users/u1/accounts")).json["total_balance"] == 50_000


async def test_the_words_of_others_are_kept(memory: Component) -> None:
    accounts = await opened(memory)
    for name, source, data in (
        ("protection.activated", "drawdown-protection", {"portfolio_id": accounts["GEN_ACC"]["account_id"]}),
        ("market.condition_changed", "market-analyzer", {"symbol": "AAPL", "to": "Red"}),
        ("protection.activated", "drawdown-protection", {"portfolio_id": "somebody-elses"}),
    ):
        event = {
            "specversion": "1.0",
            "id": f"{name}-{len(str(data))}",
            "source": f"/alluse/{source}",
            "type": f"com.alluse.{name}.v1",
            "data": data,
        }
        headers = {"content-type": "application/cloudevents+json"}
        assert (await memory.call("POST", "/events", event, headers=headers)).status == 202
    signals = (await memory.get("/v1/users/u1/protocol-state")).json["signals"]
    assert [signal["kind"] for signal in signals] == ["market", "protection"]


async def test_a_store_of_a_newer_version_is_refused(tmp_path: Path, system: System) -> None:
    async with component(SERVICE, tmp_path, system=system):
        pass
    with closing(sqlite3.connect(tmp_path / "memory-manager" / "state" / "memory-manager.db")) as db, db:
        db.execute("UPDATE runtime_schema SET version = 99 WHERE owner = 'memory-manager'")
    async with component(SERVICE, tmp_path, system=system, ready=False) as memory:
        answer = await memory.get("/health/ready")
        assert answer.status == 503


async def test_health_tells_of_the_store(memory: Component) -> None:
    async def store() -> tuple[str, str]:
        memory.runtime.board.forget_report()
        report = (await memory.get("/health")).json
        (check,) = [check for check in report["checks"] if check["name"] == "store"]
        return check["status"], check["detail"]

    memory.state.probes = Recent(60)
    for seconds in (0.001, 0.001, 0.001, 5.0):
        memory.state.probes.add(seconds)
    assert await store() == ("healthy", "a write takes 1.0 ms"), "one slow write is no slow store"
    for _ in range(10):
        memory.state.probes.add(5.0)
    assert await store() == ("degraded", "a write takes 5000 ms, more than 250")
    memory.state.probed_at -= 31
    assert (await store())[0] == "unhealthy"
    assert (await memory.get("/health")).status == 503
