"""What the ledger books is known to those who guard the capital at once, not with the next conversation."""

from pathlib import Path

from conversations import Conversation, conversation
from inprocess import Component, until


async def state_of(it: Component, account: str) -> tuple[int, dict[str, float]]:
    answer = await it.get(f"/v1/portfolios/{account}")
    return answer.status, answer.json


async def accounts_of(talk: Conversation) -> dict[str, str]:
    found = (await talk.memory.get("/v1/users/u1/accounts")).json["accounts"]
    return {each["type"]: each["account_id"] for each in found}


async def test_a_loss_is_seen_and_a_deposit_is_no_gain(tmp_path: Path) -> None:
    async with conversation(tmp_path) as talk:
        risk, protection = (
            talk.system.running[name] for name in ("portfolio-risk-monitor", "drawdown-protection")
        )
        assert (await talk.memory.put("/v1/users/u1/accounts", {"initial_investment": 50_000})).status == 201
        gen = (await accounts_of(talk))["GEN_ACC"]

        async def book(**entry: object) -> None:
            path = f"/v1/users/u1/accounts/{gen}/entries"
            assert (await talk.memory.post(path, entry)).status == 200

        async def value(wanted: float) -> bool:
            status, found = await state_of(protection, gen)
            return status == 200 and found["total_value"] == wanted

        await until(lambda: value(20_000), "an account that was opened is watched without a conversation")
        await book(amount=5_000, kind="deposit")
        await until(lambda: value(25_000), "the deposit is known")
        assert (await state_of(protection, gen))[1]["peak_value"] == 25_000
        await book(amount=2_500, kind="fee")
        await until(lambda: value(22_500), "the loss is known")
        _, found = await state_of(protection, gen)
        assert (found["current_drawdown"], found["protection_level"]) == (0.1, "Moderate")
        assert (await state_of(risk, gen))[1]["net_flows"] == 5_000
        await book(amount=4_500, kind="withdrawal")
        await until(lambda: value(18_000), "the withdrawal is known")
        assert (await state_of(protection, gen))[1]["current_drawdown"] == 0.1


async def test_who_is_erased_is_forgotten_by_all(tmp_path: Path) -> None:
    async with conversation(tmp_path) as talk:
        watchers = [talk.system.running[name] for name in ("portfolio-risk-monitor", "drawdown-protection")]
        await talk.say("u1", 'setup_accounts {"amount": 50000}')
        accounts = (await accounts_of(talk)).values()

        async def seen(status: int) -> bool:
            found = [await state_of(each, account) for each in watchers for account in accounts]
            return {found_status for found_status, _ in found} == {status}

        await until(lambda: seen(200), "all are watched")
        assert (await talk.memory.delete("/v1/users/u1")).status == 200
        await until(lambda: seen(404), "nobody knows of them any more")
        for each in watchers:
            told = (await each.get("/metrics")).body.decode()
            assert not any(account in told for account in accounts)


async def test_accounts_that_were_replaced_are_watched_no_more(tmp_path: Path) -> None:
    async with conversation(tmp_path) as talk:
        risk = talk.system.running["portfolio-risk-monitor"]
        await talk.memory.put("/v1/users/u1/accounts", {"initial_investment": 50_000})
        await talk.memory.put("/v1/users/u1/accounts", {"initial_investment": 9_000, "replace": True})

        async def watched() -> bool:
            found = (await risk.get("/v1/portfolios")).json["portfolios"]
            return sorted(each["total_value"] for each in found) == [2_700, 2_700, 3_600]

        await until(watched, "only the new ones are watched")
