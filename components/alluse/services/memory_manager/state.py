"""What the handlers share: parameters, the caller's right to a user's data, changes under a key, events."""

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from alluse.domain.accounts import Booking, RefusedError, usd_of
from alluse.runtime.context import Context
from alluse.runtime.errors import ConflictError, NotAllowedError
from alluse.runtime.recent import Recent
from alluse.runtime.service import Call, Reply
from alluse.schemas.ledger import AccountView, LedgerEntry
from alluse.schemas.protocol import Protocol
from alluse.services.memory_manager.tables import once
from alluse.services.parameters import Parameters


@dataclass(slots=True)
class State:
    """Parameters, when the store was last written by a probe (monotonic seconds), and how long they took."""

    parameters: Parameters
    probed_at: float
    probes: Recent = field(default_factory=lambda: Recent(most=60))

    @property
    def protocol(self) -> Protocol:
        return self.parameters.protocol


def now() -> datetime:
    return datetime.now(UTC)


def fresh_state(context: Context[Any]) -> State:
    return State(Parameters(context.config), time.monotonic())


def own(call: Call[State], user_id: str) -> str:
    """The user in the path. Raises NotAllowedError when the request was made for somebody else."""
    if call.user_id and call.user_id != user_id:
        raise NotAllowedError("X-User-Id names another user than the path; a user's data are nobody else's")
    return user_id


async def change(
    call: Call[State],
    user_id: str,
    operation: str,
    work: Callable[[sqlite3.Connection], BaseModel],
    status: int = 200,
) -> Reply:
    """Run a change in one transaction with the answer to its Idempotency-Key.

    Raises ConflictError where the rules stand against it.
    """
    own(call, user_id)
    key, request = call.idempotency_key, call.body
    try:
        body = await call.context.store.write(
            lambda db: once(db, user_id, operation, key, request, lambda: work(db))
        )
    except RefusedError as error:
        raise ConflictError(f"{error} ({error.reason})") from None
    return Reply(body, status, {"content-type": "application/json"})


def tell(
    context: Context[State],
    db: sqlite3.Connection,
    event: str,
    user_id: str,
    booking: Booking,
    accounts: list[AccountView],
    entries: list[LedgerEntry],
    closed: list[str],
) -> None:
    """Enqueue a ledger event; `cash_flow` is USD by account, whose id is also its portfolio's.

    `closed` are the accounts that this user had and has no more.
    """
    context.events.enqueue(
        db,
        event,
        {
            "user_id": user_id,
            "accounts": [account.model_dump(mode="json") for account in accounts],
            "closed": closed,
            "entries": [entry.model_dump(mode="json") for entry in entries],
            "cash_flow": {name: usd_of(cents) for name, cents in booking.cash_flow.items()},
        },
        subject=user_id,
    )
