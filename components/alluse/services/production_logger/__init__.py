"""production-logger: collects the structured logs of all components, cleans, rotates and finds them.

Every component also writes its records to standard output, so nothing is lost to those who look there
while this component is down.
"""

import asyncio
import contextlib
import os
import time
from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from alluse.runtime.context import Context
from alluse.runtime.errors import (
    CheckDegradedError,
    CheckFailedError,
    InvalidRequestError,
    SelfTestError,
    UnavailableError,
)
from alluse.runtime.events import Event
from alluse.runtime.logs import now
from alluse.runtime.masking import MASK, mask_record
from alluse.runtime.recent import Recent
from alluse.runtime.service import Call, Check, Endpoint, Service, Task
from alluse.schemas.logs import (
    ComponentParam,
    LevelAnswer,
    LevelRequest,
    LogQuery,
    LogsFound,
    LogsTaken,
    LogStats,
)
from alluse.schemas.settings import LogLevel, size_in_bytes
from alluse.services.production_logger.archive import Archive, Taken

MAX_RECORDS: Final = 1000
#: Batches being worked on at once; a sender that is refused keeps its records and comes back.
MAX_BATCHES: Final = 8
BURST_AT: Final = 20
WRITE_PROBE_S: Final = 5.0
#: What half of the trial writes of a minute may take, of at least `ENOUGH_WRITES`.
WRITE_LIMIT_S: Final = 0.25
ENOUGH_WRITES: Final = 3
OWN_FLUSH_S: Final = 0.5
OWN_QUEUE: Final = 10_000


@dataclass(slots=True)
class Logger:
    """The component's state."""

    archive: Archive
    #: Temporary level and the loop time when it ends, by component.
    levels: dict[str, tuple[LogLevel, float]] = field(default_factory=dict)
    #: Records of this process itself, which have no network to cross.
    own: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=OWN_QUEUE))
    batches: int = 0
    #: Seconds that the trial writes took, and what was wrong with the last.
    writes: Recent = field(default_factory=lambda: Recent(most=60))
    write_problem: str = ""
    disk_used: float = 0.0

    def level(self, component: str) -> tuple[LogLevel | None, float]:
        """The temporary level of a component and how long it lasts."""
        level, end = self.levels.get(component, (None, 0.0))
        left = end - asyncio.get_running_loop().time()
        if level is not None and left <= 0:
            del self.levels[component]
            return None, 0.0
        return level, max(0.0, round(left, 3))


async def take(call: Call[Logger]) -> LogsTaken:
    logger = call.state
    if call.body.count(b"\n") > MAX_RECORDS:
        raise InvalidRequestError.field(
            "body", f"holds more than {MAX_RECORDS} records; send several batches"
        )
    if logger.batches >= MAX_BATCHES:
        raise UnavailableError("too many batches at once; send this one again")
    logger.batches += 1
    try:
        taken = await call.context.compute(logger.archive.take_lines, call.body)
    finally:
        logger.batches -= 1
    await _announce(call.context, taken)
    level, left = logger.level(next(iter(taken.components))) if len(taken.components) == 1 else (None, 0.0)
    return LogsTaken(accepted=taken.accepted, rejected=taken.rejected, level=level, ttl_s=left)


async def find(call: Call[Logger], request: LogQuery) -> LogsFound:
    return await call.context.compute(call.state.archive.find, request)


async def get_level(call: Call[Logger], request: ComponentParam) -> LevelAnswer:
    level, left = call.state.level(request.component)
    return LevelAnswer(component=request.component, level=level, ttl_s=left)


async def put_level(call: Call[Logger], request: LevelRequest) -> LevelAnswer:
    end = asyncio.get_running_loop().time() + request.ttl_s
    call.state.levels[call.params.component] = (request.level, end)
    if call.params.component == call.context.identity.name:
        call.context.logs.set_level_for(request.level, request.ttl_s)
    return LevelAnswer(component=call.params.component, level=request.level, ttl_s=request.ttl_s)


async def stats(call: Call[Logger]) -> LogStats:
    return await call.context.compute(call.state.archive.stats)


async def keep_event(context: Context[Logger], event: Event) -> None:
    """What others decided belongs into the log as well."""
    record = {
        "timestamp": now(),
        "level": "INFO",
        "component": event.source.rpartition("/")[2] or event.source,
        "logger": "events",
        "message": f"event {event.name}",
        "event": event.name,
        "id": event.id,
        "data": event.data,
    }
    await _announce(context, await context.compute(context.state.archive.take, [record]))


async def flush_own(context: Context[Logger]) -> None:
    logger = context.state
    records = [logger.own.popleft() for _ in range(min(len(logger.own), MAX_RECORDS))]
    if records:
        await _announce(context, await context.compute(logger.archive.take, records))


async def try_to_write(context: Context[Logger]) -> None:
    """Measure how long the file system takes for a small write, and how full it is."""
    logger = context.state
    path = logger.archive.directory / ".write-test"

    def write() -> float:
        started = time.monotonic()
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
        try:
            os.write(fd, b"x")
        finally:
            os.close(fd)
        return time.monotonic() - started

    try:
        logger.writes.add(await context.compute(write))
        logger.disk_used = await context.compute(logger.archive.disk_used)
        logger.write_problem = ""
    except OSError as error:
        logger.write_problem = f"cannot write to {path.parent}: {error.strerror}"


async def check_write(context: Context[Logger]) -> str:
    logger = context.state
    if logger.write_problem:
        raise CheckFailedError(logger.write_problem)
    if (usual := logger.writes.percentile(0.5, ENOUGH_WRITES)) is None:
        return "nothing was wrong with a write"
    detail = f"a write takes {usual * 1000:.1f} ms"
    if usual > WRITE_LIMIT_S:
        raise CheckDegradedError(f"{detail}, more than {WRITE_LIMIT_S * 1000:.0f} ms")
    return detail


async def check_disk(context: Context[Logger]) -> str:
    used = context.state.disk_used * 100
    limit = context.config.number("health.disk_threshold")
    if used >= limit:
        raise CheckDegradedError(f"the file system is {used:.0f} % full, the limit is {limit:.0f} %")
    return f"the file system is {used:.0f} % full"


async def check_drops(context: Context[Logger]) -> str:
    if context.state.archive.failing():
        raise CheckDegradedError("records could not be written in the last minute")
    return "every record was kept"


async def open_logger(context: Context[Logger]) -> Logger:
    directory = context.identity.state_dir / "logs"
    directory.mkdir(parents=True, exist_ok=True)
    logger = Logger(Archive(directory, BURST_AT))

    def configure() -> None:
        config = context.config
        logger.archive.configure(
            to_files="file" in config.strings("logging.outputs") and config.flag("logging.file.enabled"),
            sanitize=config.flag("security.log_sanitization"),
            all_bounds=(
                size_in_bytes(config.text("logging.rotation.max_size")),
                config.integer("logging.rotation.backup_count"),
            ),
            error_bounds=(
                size_in_bytes(config.text("logging.error_file.max_size")),
                config.integer("logging.error_file.backup_count"),
            ),
        )

    context.config.on_change(configure)
    context.logs.ship = logger.own.append
    return logger


async def close_logger(context: Context[Logger]) -> None:
    context.logs.ship = None
    with contextlib.suppress(OSError):
        await flush_own(context)
    await context.compute(context.state.archive.close)


async def _announce(context: Context[Logger], taken: Taken) -> None:
    for burst in taken.bursts:
        await context.events.emit("log.error_burst", asdict(burst), subject=burst.component)


def golden() -> None:
    """Secrets, addresses and account numbers go; what is needed to find a cause stays."""
    masked = mask_record(
        {
            "message": "login of jane@example.org with password=hunter2, card 4111 1111 1111 1111",
            "api_key": "abc",
            "trace_id": "0" * 32,
            "duration_ms": 12,
        }
    )
    wanted = {
        "message": f"login of {MASK} with password={MASK}, card {MASK}",
        "api_key": MASK,
        "trace_id": "0" * 32,
        "duration_ms": 12,
    }
    if masked != wanted:
        raise SelfTestError(f"masking gave {masked}")


SERVICE: Final[Service[Logger]] = Service(
    name="production-logger",
    open=open_logger,
    close=close_logger,
    selftest=golden,
    checks=(
        Check("write", check_write),
        Check("disk", check_disk, critical=False),
        Check("drops", check_drops, critical=False),
    ),
    tasks=(
        Task("write-test", try_to_write, WRITE_PROBE_S),
        Task("own-records", flush_own, OWN_FLUSH_S),
    ),
    consumers=dict.fromkeys(
        (
            "alert.fired",
            "alert.acknowledged",
            "alert.resolved",
            "intent.unknown",
            "agent.turn_completed",
            "agent.turn_failed",
            "agent.gate_closed",
            "agent.gate_opened",
        ),
        keep_event,
    ),
    endpoints=(
        Endpoint(
            "POST",
            "/v1/logs",
            take,
            answer=LogsTaken,
            summary="Take a batch of records, one JSON object a line",
            status=202,
            media_type="application/x-ndjson",
            errors=(422,),
        ),
        Endpoint("GET", "/v1/logs", find, LogQuery, LogsFound, "Find records, newest first"),
        Endpoint(
            "GET", "/v1/levels/{component}", get_level, ComponentParam, LevelAnswer, "A temporary level"
        ),
        Endpoint(
            "PUT",
            "/v1/levels/{component}",
            put_level,
            LevelRequest,
            LevelAnswer,
            "Log at another level for a while",
            params=ComponentParam,
        ),
        Endpoint("GET", "/v1/stats", stats, answer=LogStats, summary="Counts and files"),
    ),
)
