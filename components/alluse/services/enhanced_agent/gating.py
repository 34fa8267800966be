"""The trading gate at work: looks at those who guard the capital, once a second, whoever else does.

It needs neither operator nor health-monitor, and a look that does not end in time is one that found nothing.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError

from alluse import contract
from alluse.domain.trading_gate import Gate
from alluse.runtime.context import Context
from alluse.runtime.errors import CheckDegradedError
from alluse.runtime.health import Health, HealthReport
from alluse.runtime.peers import PeerError, PeerFailedError, PeerRefusedError
from alluse.schemas.agent import GateBlocker, TradingGate
from alluse.schemas.agent import GateReading as Reading

KEY_REQUIRES: Final = "interlocks.trading_gate.requires"
KEY_LIMIT: Final = "interlocks.trading_gate.within_seconds"
EVERY_S: Final = 1.0
#: Until all were seen good for the first time: they start at the same time as the agent.
AT_FIRST_S: Final = 0.25
#: Long enough for who is well on a busy machine: a look counts from its beginning, so that it is the limit
#: and not this that closes the gate.
TIMEOUT_S: Final = 2.0
#: After the moment of closing, so that the clock has passed it.
_JUST_AFTER_S: Final = 0.01


class Gatekeeper:
    """Keeps the gate's state and tells when it changes."""

    def __init__(self, context: Context[Any], clock: Callable[[], float] = time.monotonic) -> None:
        self._context = context
        self._clock = clock
        names = context.config.text(KEY_REQUIRES).split(",")
        self._required = tuple(dict.fromkeys(name.strip() for name in names))
        self._gate = Gate.new(self._required, self._limit(), clock())
        metrics = context.metrics
        self._open = metrics.gauge("alluse_trading_gate_open", "1 while new trades may be recommended")
        self._seconds = metrics.gauge("alluse_trading_gate_seconds", "Since the gate last opened or closed")
        self._open.set(0)

    def _limit(self) -> float:
        return self._context.config.number(KEY_LIMIT)

    async def look(self) -> None:
        """Look at all that are required, at the same time, and tell what has changed."""
        await self._settle()
        await asyncio.gather(*(self._look(component) for component in self._required))
        await self._settle()

    def next_look_s(self) -> float:
        """How long to wait before the next look: not beyond the moment when the gate would close."""
        closes = self._gate.closes_at()
        if closes is None:
            return AT_FIRST_S
        left = closes - self._clock() + _JUST_AFTER_S
        return min(EVERY_S, left) if left > 0 else EVERY_S

    def note(self, error: PeerError) -> None:
        """A call to a component did not succeed: it is not good until a later look says so."""
        if isinstance(error, PeerRefusedError):
            return
        reading = Reading.UNHEALTHY if isinstance(error, PeerFailedError) else Reading.UNKNOWN
        self._gate = self._gate.seen(error.component, reading, error.detail, self._clock())

    def standing(self) -> TradingGate:
        """The gate as it is at this moment."""
        now, today = self._clock(), datetime.now(UTC)
        gate = replace(self._gate, limit_s=self._limit()).settled(now)

        def moment(at: float) -> datetime:
            return (today - timedelta(seconds=now - at)).replace(microsecond=0)

        return TradingGate(
            open=gate.open,
            since=moment(gate.changed_at),
            seconds=round(now - gate.changed_at, 3),
            within_seconds=gate.limit_s,
            requires=list(self._required),
            blockers=[
                GateBlocker(
                    component=each.component,
                    since=moment(each.since),
                    seconds=round(now - each.since, 3),
                    reading=each.reading,
                    detail=each.detail,
                )
                for each in gate.blockers(now)
            ],
        )

    async def _look(self, component: str) -> None:
        begun = self._clock()
        try:
            async with asyncio.timeout(TIMEOUT_S):
                reply = await self._context.peers.exchange(
                    component, "GET", contract.PATH_HEALTH, timeout_s=TIMEOUT_S
                )
            report = HealthReport.model_validate_json(reply.body)
        except TimeoutError:
            reading, detail = Reading.UNKNOWN, f"no answer within {TIMEOUT_S:g} s"
        except PeerError as error:
            reading, detail = Reading.UNKNOWN, error.detail
        except ValidationError:
            reading, detail = Reading.UNKNOWN, f"answered {reply.status} without a health report"
        else:
            reading, detail = _judge(component, reply.status, report)
        self._gate = self._gate.seen(component, reading, detail, begun)

    async def _settle(self) -> None:
        """Write down whether the gate is open now, and tell others when that has changed."""
        before = self._gate
        self._gate = replace(before, limit_s=self._limit()).settled(self._clock())
        self._seconds.set(round(self._clock() - self._gate.changed_at, 3))
        if self._gate.open is before.open:
            return
        self._open.set(1 if self._gate.open else 0)
        told = self.standing().model_dump(mode="json")
        name = "agent.gate_opened" if self._gate.open else "agent.gate_closed"
        self._context.log.warning("trading gate", open=self._gate.open, blockers=told["blockers"])
        await self._context.events.emit(name, told)


def _judge(component: str, status: int, report: HealthReport) -> tuple[Reading, str]:
    if report.component != component:
        return Reading.UNKNOWN, f"{report.component} answered in its place"
    if report.status is Health.UNHEALTHY or status != 200:
        wrong = [check.detail for check in report.checks if check.critical and check.status != Health.HEALTHY]
        return Reading.UNHEALTHY, "; ".join(wrong) or f"answered {status}, {report.status}"
    return Reading.GOOD, report.status.value


async def check_gate(context: Context[Any]) -> str:
    """Detail of the health check `trading-gate`; a closed gate degrades the agent, it never fails it."""
    gate: TradingGate = context.state.gate.standing()
    if gate.open:
        return f"open for {gate.seconds:.0f} s"
    named = "; ".join(f"{each.component}: {each.reading}, {each.detail}" for each in gate.blockers)
    raise CheckDegradedError(f"closed for {gate.seconds:.0f} s: {named}")
