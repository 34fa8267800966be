"""What a component says about itself: live, ready, and the report with its checks.

Live looks at nothing. Ready is true when the configuration is loaded, the store and the component are
open, the self-test passed, and the hard dependencies are reachable. The report turns each fact into a
check: a critical one that fails makes the component unhealthy, any other makes it degraded.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from pydantic import Field

from alluse import contract
from alluse.runtime.errors import CheckDegradedError, CheckFailedError, SelfTestError
from alluse.runtime.faults import FaultKind, Faults
from alluse.runtime.logs import Logger, now
from alluse.runtime.metrics import Metrics
from alluse.schemas.base import Answer

CACHE_S: Final = 1.0
#: How long a report waits for checks: it is to be answered within 100 ms.
WAIT_S: Final = 0.05
#: From here on a check hangs. Shorter than anybody waits for a report, and far longer than a check of a
#: component that works takes on a machine that is busy with other things.
HUNG_S: Final = 1.0
#: A wrong answer must be known within seconds; the golden cases take a few milliseconds.
SELFTEST_EVERY_S: Final = 2.0

#: The check and what it says until the golden case has run for the first time.
SELF_TEST: Final = "self-test"
NOT_RUN: Final = "has not run yet"
#: The check that fails until store and component are open.
OPEN: Final = "open"


class Health(StrEnum):
    """How a component is."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class CheckResult(Answer):
    """One fact of the report."""

    name: str
    status: Health
    critical: bool
    duration_ms: float = 0.0
    detail: str = ""


class HealthReport(Answer):
    """Answer of GET /health."""

    component: str
    version: str
    status: Health
    uptime_s: float
    config_revision: int
    checks: list[CheckResult] = Field(default_factory=list)
    ts: str


class Readiness(Answer):
    """Answer of GET /health/ready; `reasons` says what is missing."""

    component: str
    ready: bool
    reasons: list[str] = Field(default_factory=list)


class Liveness(Answer):
    """Answer of GET /health/live."""

    component: str
    status: str = "alive"


def overall(checks: Sequence[CheckResult]) -> Health:
    """Unhealthy when a critical check is, degraded when anything is not healthy."""
    if any(check.critical and check.status is Health.UNHEALTHY for check in checks):
        return Health.UNHEALTHY
    if any(check.status is not Health.HEALTHY for check in checks):
        return Health.DEGRADED
    return Health.HEALTHY


@dataclass(slots=True)
class BoundCheck:
    """A check with everything it needs: from the runtime or from the component."""

    name: str
    critical: bool
    run: Callable[[], Awaitable[str]]
    #: The look that is under way, since when (monotonic seconds), and what the one before it found.
    looking: "asyncio.Task[CheckResult] | None" = None
    since: float = 0.0
    last: CheckResult | None = None


@dataclass(slots=True)
class SelfTest:
    """The golden case and its last result; no result yet counts as not passed."""

    run: Callable[[], None] | None
    #: Sentence about what was wrong, empty when it passed.
    problem: str = NOT_RUN
    duration_s: float = 0.0
    ran: bool = False

    @property
    def passed(self) -> bool:
        return not self.problem


@dataclass(slots=True)
class HealthBoard:
    """Gathers checks and answers the three questions."""

    component: str
    version: str
    log: Logger
    metrics: Metrics
    selftest: SelfTest
    faults: Faults
    revision: Callable[[], int]
    checks: list[BoundCheck] = field(default_factory=list)
    #: Sentences about why the component is not ready, asked each time.
    obstacles: list[Callable[[], list[str]]] = field(default_factory=list)
    _started: float = field(default_factory=time.monotonic)
    _report: HealthReport | None = None
    _report_at: float = -CACHE_S
    _reporting: asyncio.Lock = field(default_factory=asyncio.Lock)

    def readiness(self) -> Readiness:
        """Whether the component can take work now."""
        reasons = [reason for ask in self.obstacles for reason in ask()]
        if not self.selftest.passed:
            reasons.append(f"self-test: {self.selftest.problem}")
        reasons += [
            f"fault injected: {kind}"
            for kind in (FaultKind.NOT_READY, FaultKind.FLAP)
            if self.faults.active(kind)
        ]
        return Readiness(component=self.component, ready=not reasons, reasons=reasons)

    async def report(self) -> HealthReport:
        """The report, at most `CACHE_S` old."""
        async with self._reporting:
            if self._report is None or time.monotonic() - self._report_at >= CACHE_S:
                self._report = await self._make_report()
                self._report_at = time.monotonic()
        return self._report

    def forget_report(self) -> None:
        """Make the next report from fresh checks."""
        self._report_at = -CACHE_S

    async def stop(self) -> None:
        """End the checks that are under way."""
        looking = [check.looking for check in self.checks if check.looking is not None]
        for task in looking:
            task.cancel()
        await asyncio.gather(*looking, return_exceptions=True)

    async def _make_report(self) -> HealthReport:
        results = [self._selftest_result()]
        results += await asyncio.gather(*(self._run(check) for check in self.checks))
        return HealthReport(
            component=self.component,
            version=self.version,
            status=overall(results),
            uptime_s=round(time.monotonic() - self._started, 3),
            config_revision=self.revision(),
            checks=results,
            ts=now(),
        )

    def _selftest_result(self) -> CheckResult:
        problem = self.selftest.problem
        if self.faults.active(FaultKind.FLAP):
            problem = "fault injected: flap"
        return CheckResult(
            name=SELF_TEST,
            status=Health.UNHEALTHY if problem else Health.HEALTHY,
            critical=True,
            duration_ms=round(self.selftest.duration_s * 1000, 3),
            detail=problem or ("golden case passed" if self.selftest.run else "nothing to compute"),
        )

    async def _run(self, check: BoundCheck) -> CheckResult:
        """What a check finds; while it takes its time, what it found before, until it must be called hung.

        One that hangs is not begun again beside itself: the report changes when it ends.
        """
        if check.looking is None:
            check.since = time.monotonic()
            # In a context of its own: a check belongs to no request, and to no request's time.
            check.looking = asyncio.create_task(self._look(check), name=check.name, context=Context())
        left = HUNG_S - (time.monotonic() - check.since)
        await asyncio.wait({check.looking}, timeout=left if check.last is None else min(WAIT_S, left))
        if check.looking.done():
            check.last, check.looking = check.looking.result(), None
            return check.last
        took = time.monotonic() - check.since
        if check.last is None or took >= HUNG_S:
            return _result(check, Health.UNHEALTHY, f"no answer for {took:.1f} s", took)
        return check.last

    async def _look(self, check: BoundCheck) -> CheckResult:
        started = time.monotonic()
        status = Health.HEALTHY
        try:
            detail = await check.run()
        except CheckDegradedError as error:
            status, detail = Health.DEGRADED, str(error)
        except CheckFailedError as error:
            status, detail = Health.UNHEALTHY, str(error)
        except Exception as error:
            status, detail = Health.UNHEALTHY, f"{type(error).__name__}: {error}"
            self.log.exception("health check raised", check=check.name)
        return _result(check, status, detail, time.monotonic() - started)

    async def run_selftest(self) -> None:
        """Run the golden case once, in a thread."""
        test = self.selftest
        started = time.monotonic()
        problem = ""
        if self.faults.active(FaultKind.WRONG_ANSWER):
            problem = "the golden case gives a wrong answer (fault injected)"
        elif test.run is not None:
            try:
                await asyncio.to_thread(test.run)
            except SelfTestError as error:
                problem = str(error) or "wrong answer"
            except Exception as error:
                problem = f"{type(error).__name__}: {error}"
        test.duration_s = time.monotonic() - started
        if problem and (problem != test.problem or not test.ran):
            self.log.error("self-test failed", problem=problem)
        elif not problem and test.ran and test.problem:
            self.log.info("self-test passes again")
        test.problem, test.ran = problem, True
        self.metrics.gauge(contract.METRIC_SELFTEST_OK, "1 when the golden case gave the right answer").set(
            1 if test.passed else 0
        )
        self.forget_report()

    async def run_selftests(self) -> None:
        """Repeat the golden case until cancelled."""
        while True:
            await asyncio.sleep(SELFTEST_EVERY_S)
            await self.run_selftest()


def _result(check: BoundCheck, status: Health, detail: str, took_s: float) -> CheckResult:
    if status is Health.UNHEALTHY and not check.critical:
        status = Health.DEGRADED
    return CheckResult(
        name=check.name,
        status=status,
        critical=check.critical,
        duration_ms=round(took_s * 1000, 3),
        detail=detail,
    )
