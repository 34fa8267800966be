"""Remembers for a day what a state-changing POST answered, so that its repetition changes nothing.

The memory is written after the change. A component for which even the death of the process between the
two must not matter keeps the key in the same transaction as its change (`call.idempotency_key`).
"""

import hashlib
import json
import sqlite3
import time
from typing import Final, NamedTuple

from alluse.runtime.errors import ConflictError, InvalidRequestError
from alluse.runtime.store import Store

REMEMBER_S: Final = 24 * 3600
MAX_KEY: Final = 128


class Remembered(NamedTuple):
    """An answer as it was given."""

    status: int
    headers: dict[str, str]
    body: bytes


class Idempotency:
    """Answers by key, operation and user."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._running: set[str] = set()

    @staticmethod
    def scope(key: str, method: str, path: str, user_id: str) -> str:
        """The name under which an answer is kept. Raises InvalidRequestError for an unusable key."""
        if not key.isascii() or not key.isprintable() or len(key) > MAX_KEY:
            raise InvalidRequestError.field(
                "Idempotency-Key", f"must be at most {MAX_KEY} printable ASCII characters"
            )
        return f"{method} {path} {user_id} {key}"

    @staticmethod
    def fingerprint(body: bytes) -> str:
        return hashlib.sha256(body).hexdigest()

    async def begin(self, scope: str, fingerprint: str) -> Remembered | None:
        """The earlier answer, or None after which the caller must end with `finish` or `abandon`.

        Raises ConflictError while the first request is being worked on, InvalidRequestError when the key
        was used for another body.
        """
        if scope in self._running:
            raise ConflictError("a request with this Idempotency-Key is being worked on; repeat it later")
        self._running.add(scope)
        try:
            row = await self._store.read(
                lambda db: db.execute(
                    "SELECT * FROM runtime_idempotency WHERE key = ? AND at >= ?",
                    (scope, time.time() - REMEMBER_S),
                ).fetchone()
            )
        except BaseException:
            self._running.discard(scope)
            raise
        if row is None:
            return None
        self._running.discard(scope)
        if row["fingerprint"] != fingerprint:
            raise InvalidRequestError.field(
                "Idempotency-Key", "was used for another request body; use a new key for a new request"
            )
        return Remembered(row["status"], json.loads(row["headers"]), row["body"])

    async def finish(self, scope: str, fingerprint: str, answer: Remembered) -> None:
        """Keep the answer of the request that `begin` let through."""

        def keep(db: sqlite3.Connection) -> None:
            at = time.time()
            db.execute("DELETE FROM runtime_idempotency WHERE at < ?", (at - REMEMBER_S,))
            db.execute(
                "INSERT OR REPLACE INTO runtime_idempotency VALUES (?, ?, ?, ?, ?, ?)",
                (scope, fingerprint, answer.status, json.dumps(answer.headers), answer.body, at),
            )

        try:
            await self._store.write(keep)
        finally:
            self._running.discard(scope)

    def abandon(self, scope: str) -> None:
        """Forget a request that failed: it may be tried again."""
        self._running.discard(scope)
