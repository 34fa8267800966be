"""Bodies that the server would not have: the same is not sent again for a while, another at once.

So a refusal never becomes a hot loop.
"""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass

from alluse_operator.cluster.mirror import Key
from alluse_operator.core.actions import Action, Apply
from alluse_operator.core.objects import Object, Ref
from alluse_operator.errors import ApiError


@dataclass(frozen=True, slots=True)
class _Refused:
    """A body that the server would not have, and until when it is not offered again."""

    body: int
    until: float
    times: int
    error: str


class Refusals:
    """What was refused of each system."""

    def __init__(self) -> None:
        self._known: dict[Key, dict[Ref, _Refused]] = {}

    def remembered(self, key: Key, action: Action) -> str | None:
        if not isinstance(action, Apply):
            return None
        refused = self._known.get(key, {}).get(action.ref)
        if refused is None or refused.body != _fingerprint(action.obj) or refused.until <= _now():
            return None
        return refused.error

    def note(self, key: Key, action: Action, error: ApiError) -> None:
        """Offer the same body again after 2, 4, 8, then every 10 s."""
        if not isinstance(action, Apply):
            return
        body = _fingerprint(action.obj)
        before = self._known.get(key, {}).get(action.ref)
        times = before.times + 1 if before is not None and before.body == body else 1
        until = _now() + min(2.0**times, 10.0) * random.uniform(0.8, 1.0)  # noqa: S311 - spreads load
        self._known.setdefault(key, {})[action.ref] = _Refused(body, until, times, error.message)

    def clear(self, key: Key, ref: Ref) -> None:
        """It was accepted."""
        self._known.get(key, {}).pop(ref, None)

    def forget(self, key: Key) -> None:
        """The system is gone."""
        self._known.pop(key, None)


def _fingerprint(obj: Object) -> int:
    return hash(json.dumps(obj, sort_keys=True, default=str))


def _now() -> float:
    return asyncio.get_running_loop().time()
