"""How far the protocol's rules are kept, as far as the ledger can tell."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from alluse.domain.adherence import adherence
from alluse.schemas.common import AccountType
from alluse.schemas.ledger import AccountView, EntryKind, LedgerEntry
from alluse.schemas.protocol import Protocol
from alluse.services import memory_manager
from inprocess import component

PROTOCOL = Protocol()
MONDAY = datetime(2026, 1, 5, 15, tzinfo=UTC)


def account(kind: AccountType, **changes: Any) -> AccountView:
    fields: dict[str, Any] = {
        "account_id": kind.value,
        "type": kind,
        "balance": 20_000.0,
        "base": 20_000.0,
        "surplus": 0.0,
        "cash_buffer": 1_000.0,
        "investable": 19_000.0,
        "contracts": 0.0,
        "leaps": 0.0,
        "peak": 20_000.0,
        "drawdown": 0.0,
        "net_flows": 0.0,
        "set_id": "s",
        "opened_at": MONDAY,
    }
    return AccountView(**{**fields, **changes})


def entry(
    kind: EntryKind, account: AccountType, weekday: int, amount: float, group: str = "g"
) -> LedgerEntry:
    at = MONDAY + timedelta(days=weekday)
    return LedgerEntry(
        seq=1, account_id=account.value, at=at, kind=kind, amount=amount, balance=0.0, group=group
    )


GEN, REV, COM = AccountType
P, F = EntryKind.PREMIUM, EntryKind.FORK


@pytest.mark.parametrize(
    ("rule", "accounts", "entries", "kept", "broken"),
    [
        ("entry_days", [], [entry(P, GEN, 3, 100), entry(P, GEN, 0, 100), entry(P, REV, 2, 9)], 2, 1),
        ("entry_days", [], [entry(P, COM, day, 50) for day in range(5)], 5, 0),
        ("entry_days", [], [entry(P, GEN, 0, -100), entry(EntryKind.FEE, GEN, 0, 5)], 0, 0),
        ("cash_buffer", [account(GEN), account(REV, contracts=15_000.0, leaps=4_500.0)], [], 1, 1),
        ("cash_buffer", [account(GEN, balance=0.0)], [], 0, 0),
        ("drawdown_limit", [account(GEN, drawdown=0.14), account(COM, drawdown=0.07)], [], 1, 1),
        ("fork_when_ready", [account(GEN, surplus=50_000.0)], [], 0, 1),
        (
            "fork_when_ready",
            [account(REV, surplus=90_000.0)],
            [entry(F, GEN, 0, -1), entry(F, COM, 0, 1)],
            1,
            0,
        ),
    ],
)
def test_rules(
    rule: str, accounts: list[AccountView], entries: list[LedgerEntry], kept: int, broken: int
) -> None:
    found = adherence(accounts, entries, {kind.value: kind for kind in AccountType}, PROTOCOL)
    judged = {each.rule: (each.kept, each.broken) for each in found.rules}
    assert judged[rule] == (kept, broken)


def test_nothing_to_judge_is_no_score() -> None:
    assert adherence([], [], {}, PROTOCOL).score is None
    assert adherence([account(GEN)], [], {}, PROTOCOL).score == 1


async def test_it_is_part_of_the_protocol_state(tmp_path: Path) -> None:
    async with component(memory_manager.SERVICE, tmp_path) as memory:
        empty = (await memory.get("/v1/users/u1/protocol-state")).json["adherence"]
        assert (empty["score"], len(empty["rules"])) == (None, 4)
        await memory.put("/v1/users/u1/accounts", {"initial_investment": 50_000})
        opened = (await memory.get("/v1/users/u1/protocol-state")).json
        assert opened["adherence"]["score"] == 1
        gen = opened["accounts"][0]["account_id"]
        loss = {"amount": 5_000, "kind": "fee"}
        assert (await memory.post(f"/v1/users/u1/accounts/{gen}/entries", loss)).status == 200
        after = (await memory.get("/v1/users/u1/protocol-state")).json["adherence"]
        assert after["score"] == pytest.approx(5 / 6, abs=1e-4)
