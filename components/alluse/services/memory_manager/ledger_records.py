"""Accounts, entries and daily values in the store. Cents here, USD in the answers."""

import sqlite3
from collections.abc import Sequence
from dataclasses import astuple, fields
from datetime import date, datetime

from alluse.domain.accounts import Account, Booking, buffer_of, investable_of, usd_of
from alluse.domain.accounts_performance import Day, trading_day
from alluse.schemas.common import AccountType
from alluse.schemas.ledger import AccountView, EntryKind, LedgerEntry, Snapshot
from alluse.schemas.protocol import Protocol
from alluse.services.memory_manager.tables import know

_FIELDS = tuple(field.name for field in fields(Account))


class Opened:
    """An account with the moment of its opening."""

    __slots__ = ("account", "at")

    def __init__(self, account: Account, at: str) -> None:
        self.account = account
        self.at = at


def load_accounts(db: sqlite3.Connection, user_id: str) -> list[Opened]:
    """All accounts of a user in the order of their opening, closed ones too."""
    rows = db.execute("SELECT * FROM accounts WHERE user_id = ? ORDER BY place", (user_id,))
    return [Opened(_account(row), row["opened_at"]) for row in rows]


def _account(row: sqlite3.Row) -> Account:
    values = {name: row[name] for name in _FIELDS}
    values["type"] = AccountType(values["type"])
    values["closed"] = bool(values["closed"])
    return Account(**values)


def write_booking(
    db: sqlite3.Connection, user_id: str, booking: Booking, at: datetime, group: str
) -> list[LedgerEntry]:
    """Write accounts, lines and the day's value; the caller's transaction makes it one."""
    moment = at.isoformat()
    know(db, user_id, moment)
    place = db.execute("SELECT count(*) FROM accounts WHERE user_id = ?", (user_id,)).fetchone()[0]
    columns = ", ".join(_FIELDS)
    changes = ", ".join(f"{name} = excluded.{name}" for name in _FIELDS if name != "account_id")
    marks = ", ".join("?" for _ in _FIELDS)
    for offset, account in enumerate(booking.accounts):
        db.execute(
            f"INSERT INTO accounts (user_id, place, opened_at, {columns}) VALUES (?, ?, ?, {marks}) "  # noqa: S608
            f"ON CONFLICT (account_id) DO UPDATE SET {changes}",
            (user_id, place + offset, moment, *astuple(account)),
        )
    written = []
    for line in booking.lines:
        cursor = db.execute(
            "INSERT INTO entries (user_id, account_id, at, kind, amount, balance, set_aside, ref, grp) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                user_id,
                line.account_id,
                moment,
                line.kind,
                line.amount,
                line.balance,
                line.set_aside,
                line.ref,
                group,
            ),
        )
        written.append(
            LedgerEntry(
                seq=cursor.lastrowid or 0,
                account_id=line.account_id,
                at=at,
                kind=line.kind,
                amount=usd_of(line.amount),
                balance=usd_of(line.balance),
                set_aside=usd_of(line.set_aside),
                ref=line.ref,
                group=group,
            )
        )
    _write_snapshot(db, user_id, trading_day(at.date()), booking.external_flow)
    return written


def _write_snapshot(db: sqlite3.Connection, user_id: str, day: date, flow: int) -> None:
    value = db.execute("SELECT sum(balance) FROM accounts WHERE user_id = ?", (user_id,)).fetchone()[0]
    db.execute(
        "INSERT INTO snapshots VALUES (?, ?, ?, ?) ON CONFLICT (user_id, day) "
        "DO UPDATE SET value = excluded.value, flow = flow + excluded.flow",
        (user_id, day.isoformat(), value, flow),
    )


def load_days(db: sqlite3.Connection, user_id: str) -> list[Day]:
    rows = db.execute("SELECT day, value, flow FROM snapshots WHERE user_id = ? ORDER BY day", (user_id,))
    return [Day(date.fromisoformat(row["day"]), row["value"], row["flow"]) for row in rows]


def snapshots(days: Sequence[Day]) -> list[Snapshot]:
    return [Snapshot(day=each.day, value=usd_of(each.value), flow=usd_of(each.flow)) for each in days]


def load_entries(
    db: sqlite3.Connection,
    user_id: str,
    account_id: str | None = None,
    kind: EntryKind | None = None,
    limit: int = -1,
) -> list[LedgerEntry]:
    """The latest entries of a user, newest first."""
    rows = db.execute(
        "SELECT * FROM entries WHERE user_id = ? AND (? IS NULL OR account_id = ?) "
        "AND (? IS NULL OR kind = ?) ORDER BY seq DESC LIMIT ?",
        (user_id, account_id, account_id, kind, kind, limit),
    )
    return [
        LedgerEntry(
            seq=row["seq"],
            account_id=row["account_id"],
            at=row["at"],
            kind=row["kind"],
            amount=usd_of(row["amount"]),
            balance=usd_of(row["balance"]),
            set_aside=usd_of(row["set_aside"]),
            ref=row["ref"],
            group=row["grp"],
        )
        for row in rows
    ]


def view(opened: Opened, protocol: Protocol) -> AccountView:
    account = opened.account
    return AccountView(
        account_id=account.account_id,
        type=account.type,
        balance=usd_of(account.balance),
        base=usd_of(account.base),
        surplus=usd_of(account.surplus),
        cash_buffer=usd_of(buffer_of(account, protocol)),
        investable=usd_of(investable_of(account, protocol)),
        contracts=usd_of(account.contracts),
        leaps=usd_of(account.leaps),
        peak=usd_of(account.peak),
        drawdown=round(account.drawdown, 6),
        net_flows=usd_of(account.net_flows),
        parent=account.parent,
        set_id=account.set_id,
        opened_at=datetime.fromisoformat(opened.at),
        closed=account.closed,
    )


def views(opened: Sequence[Opened], protocol: Protocol, closed: bool = False) -> list[AccountView]:
    """The accounts that are open (or those that are closed)."""
    return [view(each, protocol) for each in opened if each.account.closed is closed]
