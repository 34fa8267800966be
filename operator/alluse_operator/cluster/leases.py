"""Which operator process leads: one Lease, renewed on a monotonic clock, given back on the way out.

The holder is leader from the moment an answer confirms its write until `renew_within` after that
write was *sent*; the others wait until they have seen the record unchanged for its whole
`duration`, on their own clocks. `renew_within` < `duration`, so two never lead at once, whatever
the wall clocks say; what is left is a write that is already on its way (see the fences on the writes
themselves: uid, resourceVersion, and `held` asked before each).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from alluse_operator.clock import Clock
from alluse_operator.cluster.client import Client
from alluse_operator.cluster.kinds import LEASE
from alluse_operator.errors import ApiError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """How long a record binds the others, within what time the holder must renew, how often both try."""

    duration: timedelta = timedelta(seconds=15)
    renew_within: timedelta = timedelta(seconds=10)
    retry: timedelta = timedelta(seconds=2)


@dataclass(slots=True)
class _Seen:
    """The last record seen and since when it has not changed."""

    mark: tuple[Any, ...]
    since: float


class Lease:
    """One process's part in the election."""

    def __init__(
        self, client: Client, *, namespace: str, name: str, identity: str, times: LeaseTimes, clock: Clock
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name
        self.identity = identity
        self._times = times
        self._clock = clock
        self._confirmed: float | None = None
        self._seen: _Seen | None = None
        self._holder = ""
        self._ours: dict[str, Any] | None = None
        self.error: str | None = None
        """Why the last attempt got no answer that counts; None: it did."""

    @property
    def held(self) -> bool:
        """Whether this process certainly leads now."""
        if self._confirmed is None:
            return False
        return _now() - self._confirmed < self._times.renew_within.total_seconds()

    @property
    def holder(self) -> str:
        """Who was the holder at the last look; empty: nobody."""
        return self._holder

    async def run(self, changed: Callable[[bool], None]) -> None:
        """Take part until cancelled; `changed` is told each time leadership begins or ends."""
        was = False
        while True:
            started = _now()
            await self._attempt()
            if self.held is not was:
                was = self.held
                changed(was)
            pause = self._times.retry.total_seconds() - (_now() - started)
            if was and self._confirmed is not None:
                # Never sleep past the end of our own leadership.
                end = self._confirmed + self._times.renew_within.total_seconds()
                pause = min(pause, max(end - _now(), 0.0))
            await asyncio.sleep(max(pause, 0.01))
            if self.held is not was:
                was = self.held
                changed(was)

    async def release(self) -> None:
        """Give the lease back, so that the next one need not wait; does nothing if it is not ours."""
        if not self.held:
            return
        self._confirmed = None
        with contextlib.suppress(ApiError, TimeoutError):
            async with asyncio.timeout(1.0):
                current = await self._client.get(LEASE, self._namespace, self._name)
                if (current.get("spec") or {}).get("holderIdentity") == self.identity:
                    await self._client.replace(LEASE, self._body(current, holder="", seconds=1))
                    self._holder = ""

    async def _attempt(self) -> None:
        sent = _now()
        limit = self._times.renew_within.total_seconds() / 2
        if self.held and self._confirmed is not None:
            # An answer after the end of our leadership would be of no use, and its end must be noticed in
            # time.
            end = self._confirmed + self._times.renew_within.total_seconds()
            limit = min(limit, max(end - sent, 0.01))
        try:
            async with asyncio.timeout(limit):
                taken = await self._take()
        except ApiError as error:
            if error.status == 409:
                return
            problem = error.message
        except TimeoutError:
            problem = f"no answer within {limit:.1f} s"
        else:
            self.error = None
            self._confirmed = sent if taken else None
            return
        if self.error is None:
            log.warning("Cannot reach the lease %s/%s: %s", self._namespace, self._name, problem)
        self.error = problem

    async def _take(self) -> bool:
        """Create, renew or take over the record; False: it is somebody else's."""
        if self._ours is not None:
            # The record as we wrote it last: renewing takes one request. Has somebody touched it, that is a
            # conflict.
            ours, self._ours = self._ours, None
            self._ours = await self._client.replace(LEASE, self._body(ours, self.identity, self._seconds))
            return True
        try:
            current = await self._client.get(LEASE, self._namespace, self._name)
        except ApiError as error:
            if error.status != 404:
                raise
            self._ours = await self._client.create(LEASE, self._body(None, self.identity, self._seconds))
            self._holder = self.identity
            return True
        spec = current.get("spec") or {}
        self._holder = spec.get("holderIdentity") or ""
        if self._holder not in ("", self.identity) and not self._expired(spec):
            return False
        self._ours = await self._client.replace(LEASE, self._body(current, self.identity, self._seconds))
        self._holder = self.identity
        return True

    def _expired(self, spec: dict[str, Any]) -> bool:
        """Whether the record has stood unchanged for its whole duration before our eyes."""
        mark = (spec.get("holderIdentity"), spec.get("renewTime"), spec.get("leaseTransitions"))
        if self._seen is None or self._seen.mark != mark:
            self._seen = _Seen(mark, _now())
        duration = spec.get("leaseDurationSeconds") or self._seconds
        return _now() - self._seen.since > duration

    @property
    def _seconds(self) -> int:
        return int(self._times.duration.total_seconds())

    def _body(self, current: dict[str, Any] | None, holder: str, seconds: int) -> dict[str, Any]:
        stamp = self._clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        before = (current or {}).get("spec") or {}
        changes_hands = before.get("holderIdentity") != holder
        spec = {
            "holderIdentity": holder,
            "leaseDurationSeconds": seconds,
            "renewTime": stamp,
            "acquireTime": stamp if changes_hands else before.get("acquireTime") or stamp,
            "leaseTransitions": int(before.get("leaseTransitions") or 0) + (1 if changes_hands else 0),
        }
        # Labels and owners that somebody (the chart) has put on it stay.
        metadata = dict((current or {}).get("metadata") or {"name": self._name, "namespace": self._namespace})
        metadata.pop("managedFields", None)
        return {"apiVersion": LEASE.api_version, "kind": LEASE.name, "metadata": metadata, "spec": spec}


def _now() -> float:
    return asyncio.get_running_loop().time()
