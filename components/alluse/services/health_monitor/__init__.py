"""health-monitor: the system's own view of the health of all components. The operator does the repair."""

import asyncio
from typing import Final

from alluse.contract import COMPONENTS
from alluse.runtime.context import Context
from alluse.runtime.errors import (
    CheckDegradedError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    SelfTestError,
)
from alluse.runtime.events import Event
from alluse.runtime.service import Call, Check, Endpoint, Service, Task
from alluse.schemas.health import (
    CheckList,
    CheckRequest,
    ComponentHistory,
    ComponentQuery,
    ComponentStatus,
    OverallStatus,
    SystemHealth,
)
from alluse.services.health_monitor.ledger import MISSES, Look, Record, overall, system_health
from alluse.services.health_monitor.monitor import KEY_FAST, KEY_SWEEP, MAX_CHECKS, Monitor

#: Registered checks are looked through this often.
CHECKS_S: Final = 1.0
#: Whoever failed the last look is looked at again this often.
AGAIN_S: Final = 1.0


async def health(call: Call[Monitor]) -> SystemHealth:
    return system_health(call.state.records, call.state.swept)


async def one(call: Call[Monitor], request: ComponentQuery) -> ComponentHistory:
    record = call.state.records.get(request.component)
    if record is None:
        raise NotFoundError(f"there is no component or check {request.component}")
    return ComponentHistory(name=record.name, health=record.health(), history=record.entries(request.history))


async def register(call: Call[Monitor], request: CheckRequest) -> CheckRequest:
    monitor = call.state
    if request.component not in COMPONENTS:
        raise InvalidRequestError.field("component", f"must be one of {', '.join(COMPONENTS)}")
    if request.name in COMPONENTS:
        raise ConflictError(f"{request.name} is a component and is checked anyway; take another name")
    if request.name not in monitor.checks and len(monitor.checks) >= MAX_CHECKS:
        raise ConflictError(f"there are {MAX_CHECKS} checks already")
    monitor.register(request)
    return request


async def list_checks(call: Call[Monitor]) -> CheckList:
    return CheckList(checks=list(call.state.checks.values()))


async def run(call: Call[Monitor]) -> SystemHealth:
    await call.state.run_everything()
    return system_health(call.state.records, call.state.swept)


async def open_monitor(context: Context[Monitor]) -> Monitor:
    return Monitor(context)


async def look_live(context: Context[Monitor]) -> None:
    if context.config.flag("monitoring.enabled"):
        await context.state.look_live()


async def look_again(context: Context[Monitor]) -> None:
    if context.config.flag("monitoring.enabled"):
        await context.state.look_again()


async def sweep(context: Context[Monitor]) -> None:
    if context.config.flag("monitoring.enabled"):
        await context.state.sweep()


async def run_checks(context: Context[Monitor]) -> None:
    await context.state.run_due_checks()


async def look_at_target(context: Context[Monitor], event: Event) -> None:
    """Somebody noticed something: look at once instead of with the next round."""
    component = str(event.data.get("component", ""))
    if component in COMPONENTS:
        await context.state.look_live([component])


async def check_sweep(context: Context[Monitor]) -> str:
    if not context.config.flag("monitoring.enabled"):
        return "monitoring is switched off"
    monitor = context.state
    if monitor.swept_at is None:
        return "the first sweep is on its way"
    age = asyncio.get_running_loop().time() - monitor.swept_at
    interval = context.config.number(KEY_SWEEP)
    if age > 2 * interval:
        raise CheckDegradedError(f"the last sweep was {age:.0f} s ago, the interval is {interval:g} s")
    return f"the last sweep was {age:.0f} s ago"


def golden() -> None:
    """Three misses make a critical component fail and the system critical; one answer takes it back."""
    record = Record("market-analyzer", critical=True)
    healthy = Look(ComponentStatus.HEALTHY, "t", 1.0)
    missed = Look(ComponentStatus.UNREACHABLE, "t", 1.0, "no answer", partial=True)
    record.take(healthy)
    seen = []
    for _ in range(MISSES):
        record.take(missed)
        seen.append(overall([record], swept=True))
    record.take(healthy)
    seen.append(overall([record], swept=True))
    wanted = [*[OverallStatus.HEALTHY] * (MISSES - 1), OverallStatus.CRITICAL, OverallStatus.HEALTHY]
    if seen != wanted:
        raise SelfTestError(f"the system went through {seen}, want {wanted}")


SERVICE: Final[Service[Monitor]] = Service(
    name="health-monitor",
    open=open_monitor,
    selftest=golden,
    checks=(Check("sweep", check_sweep, critical=False),),
    tasks=(
        Task("sweep", sweep, lambda context: context.config.number(KEY_SWEEP)),
        Task("live", look_live, lambda context: context.config.number(KEY_FAST)),
        Task("again", look_again, AGAIN_S),
        Task("checks", run_checks, CHECKS_S),
    ),
    consumers={"metrics.target_down": look_at_target, "metrics.target_up": look_at_target},
    endpoints=(
        Endpoint("GET", "/v1/health", health, answer=SystemHealth, summary="All components"),
        Endpoint(
            "GET",
            "/v1/health/{component}",
            one,
            ComponentQuery,
            ComponentHistory,
            "One component or check, with its history",
            errors=(404,),
        ),
        Endpoint("GET", "/v1/checks", list_checks, answer=CheckList, summary="Registered checks"),
        Endpoint(
            "POST",
            "/v1/checks",
            register,
            CheckRequest,
            CheckRequest,
            "Register a check",
            status=201,
            errors=(409,),
        ),
        Endpoint("POST", "/v1/run", run, answer=SystemHealth, summary="Look at everything now"),
    ),
)
