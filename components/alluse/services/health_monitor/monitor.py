"""Looks at every component: its liveness often, its own report less often, all at once, each in its time."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from pydantic import ValidationError

from alluse import contract
from alluse.contract import COMPONENTS
from alluse.runtime.context import Context
from alluse.runtime.health import NOT_RUN, OPEN, SELF_TEST, Health, HealthReport
from alluse.runtime.logs import now
from alluse.runtime.peers import PeerError
from alluse.schemas.health import CheckRequest, ComponentStatus, OverallStatus
from alluse.services.health_monitor.ledger import Look, Record, Transition, overall

LIVE_TIMEOUT_S: Final = 2.0
KEY_FAST: Final = "monitoring.health.fast_interval"
KEY_SWEEP: Final = "monitoring.health.check_interval"
KEY_TIMEOUT: Final = "monitoring.health.timeout_seconds"
KEY_STARTUP: Final = "deployment.startup_timeout"
MAX_CHECKS: Final = 100


class Monitor:
    """The component's state: a record for each component and for each registered check."""

    def __init__(self, context: Context["Monitor"]) -> None:
        self._context = context
        self._me = context.identity.name
        self.records = {facts.name: Record(facts.name, facts.critical) for facts in COMPONENTS.values()}
        self.checks: dict[str, CheckRequest] = {}
        self._check_due: dict[str, float] = {}
        #: Loop time when the last sweep ended; None before the first.
        self.swept_at: float | None = None
        self._overall = OverallStatus.UNKNOWN
        #: Loop time since when the system runs, as far as is known: the oldest process that told its age.
        self._system_since = asyncio.get_running_loop().time()

    @property
    def swept(self) -> bool:
        return self.swept_at is not None

    async def look_live(self, names: Iterable[str] | None = None) -> None:
        """One light look at each component."""
        chosen = [name for name in (names or COMPONENTS) if name != self._me]
        await self._look_all(chosen, self._live)
        # Being alive does not say how those are who came back, are new, or were not well.
        unclear = [name for name in names or COMPONENTS if self._wants_report(self.records[name])]
        if unclear:
            await self._look_all(unclear, self._report)

    async def look_again(self) -> None:
        """Look at those who did not answer or said that they are unhealthy: soon sure, soon well again."""
        unsure = [name for name in COMPONENTS if self.records[name].failures]
        if unsure:
            await self.look_live(unsure)

    async def sweep(self) -> None:
        """One look at every component's own report."""
        await self._look_all(list(COMPONENTS), self._report)
        self.swept_at = asyncio.get_running_loop().time()
        await self._announce_overall()

    async def run_due_checks(self) -> None:
        """Run the registered checks whose time has come."""
        loop_time = asyncio.get_running_loop().time()
        due = [name for name, at in self._check_due.items() if at <= loop_time]
        for name in due:
            self._check_due[name] = loop_time + self.checks[name].interval_s
        await self._look_all(due, self._check)

    async def run_everything(self) -> None:
        """A sweep and every registered check, now."""
        await asyncio.gather(self.sweep(), self._look_all(list(self.checks), self._check))

    def register(self, check: CheckRequest) -> None:
        """Add or replace a check; it runs with the next round."""
        self.checks[check.name] = check
        self._check_due[check.name] = 0.0
        record = self.records.get(check.name)
        if record is None or record.critical is not check.critical:
            self.records[check.name] = Record(check.name, check.critical)

    async def _look_all(self, names: list[str], look: Callable[[str], Awaitable[Look]]) -> None:
        async def one(name: str) -> None:
            found = await look(name)
            # At once: put down later, it might take back what a newer look has found meanwhile.
            if (transition := self.records[name].take(found)) is not None:
                await self._announce(transition)

        await asyncio.gather(*(one(name) for name in names))
        await self._announce_overall()

    async def _live(self, name: str) -> Look:
        return await self._ask(name, contract.PATH_LIVE, LIVE_TIMEOUT_S, partial=True)

    async def _check(self, name: str) -> Look:
        check = self.checks[name]
        return await self._ask(check.component, check.path, check.timeout_s, partial=False)

    async def _ask(self, component: str, path: str, timeout_s: float, partial: bool) -> Look:
        """Healthy for a 2xx, unhealthy for another answer, unreachable for none."""
        started = time.perf_counter()
        status, problem = ComponentStatus.HEALTHY, ""
        try:
            reply = await self._context.peers.exchange(component, "GET", path, timeout_s=timeout_s)
        except PeerError as error:
            status, problem = ComponentStatus.UNREACHABLE, error.detail
        else:
            if not 200 <= reply.status < 300:
                status, problem = ComponentStatus.UNHEALTHY, f"{path} answers {reply.status}"
        starting = status is ComponentStatus.UNREACHABLE and self._system_starts()
        return Look(status, now(), _ms(started), problem or None, partial, starting)

    async def _report(self, name: str) -> Look:
        """What the component says about itself."""
        started = time.perf_counter()
        try:
            reply = await self._context.peers.exchange(
                name, "GET", contract.PATH_HEALTH, timeout_s=self._context.config.number(KEY_TIMEOUT)
            )
            report = HealthReport.model_validate_json(reply.body)
        except PeerError as error:
            missed = ComponentStatus.UNREACHABLE
            return Look(missed, now(), _ms(started), error.detail, starting=self._system_starts())
        except ValidationError:
            problem = f"{contract.PATH_HEALTH} answers {reply.status} with something that is no report"
            return Look(ComponentStatus.UNHEALTHY, now(), _ms(started), problem)
        bad = [
            f"{check.name}: {check.detail}" for check in report.checks if check.status is not Health.HEALTHY
        ]
        status = ComponentStatus(report.status.value)
        self._system_since = min(self._system_since, asyncio.get_running_loop().time() - report.uptime_s)
        starting = report.uptime_s < self._context.config.number(KEY_STARTUP) and _not_open_yet(report)
        return Look(status, now(), _ms(started), "; ".join(bad)[:500] or None, starting=starting)

    def _system_starts(self) -> bool:
        """Whether one that nobody has seen yet may only be on its way."""
        age = asyncio.get_running_loop().time() - self._system_since
        return age < self._context.config.number(KEY_STARTUP)

    @staticmethod
    def _wants_report(record: Record) -> bool:
        looks = list(record.history)[-2:]
        came_back = len(looks) == 2 and looks[0].status.failing and not looks[1].status.failing
        first_seen = len(looks) == 1 and not looks[0].status.failing
        unwell = record.said_unhealthy or record.status is ComponentStatus.DEGRADED
        return came_back or first_seen or unwell or record.said_opening

    async def _announce(self, transition: Transition) -> None:
        self._context.log.info(
            "health changed",
            target=transition.name,
            was=transition.was.value,
            now=transition.now.value,
            error=transition.error,
        )
        if transition.was is ComponentStatus.UNKNOWN and transition.now is ComponentStatus.HEALTHY:
            return  # That everything starts well is no news for anybody.
        await self._context.events.emit(
            "health.changed",
            {
                "component": transition.name,
                "from": transition.was.value,
                "to": transition.now.value,
                "critical": transition.critical,
                "consecutive_failures": transition.consecutive_failures,
                "error": transition.error,
            },
            subject=transition.name,
        )

    async def _announce_overall(self) -> None:
        status = overall(self.records.values(), self.swept)
        if status is self._overall:
            return
        was, self._overall = self._overall, status
        self._context.log.info("system health changed", was=was.value, now=status.value)
        if was is OverallStatus.UNKNOWN and status is OverallStatus.HEALTHY:
            return
        failing = [record.name for record in self.records.values() if record.status.failing]
        await self._context.events.emit(
            "health.system_changed", {"from": was.value, "to": status.value, "failing": failing}
        )


def _not_open_yet(report: HealthReport) -> bool:
    """Whether it is still to be opened or tried out: whatever else fails then may follow from that."""
    return any(
        check.status is Health.UNHEALTHY
        and (check.name == OPEN or (check.name == SELF_TEST and check.detail == NOT_RUN))
        for check in report.checks
    )


def _ms(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
