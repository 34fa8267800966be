"""The endpoints that every component has: health, metrics, information, events, administration."""

import asyncio
import gc
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BaseModel, Field, ValidationError

from alluse import contract
from alluse.contract import ALL, COMPONENTS
from alluse.runtime import metrics as metrics_text
from alluse.runtime import openapi
from alluse.runtime.cache import MAX_SIZE, MAX_TTL_S, MIN_SIZE, MIN_TTL_S
from alluse.runtime.dispatch import refused
from alluse.runtime.errors import ConflictError, InvalidRequestError, NotFoundError, UnavailableError
from alluse.runtime.events import EVENTS_BODY
from alluse.runtime.faults import FaultAnswer, FaultKind, FaultRequest
from alluse.runtime.health import Health, HealthReport, Liveness, Readiness
from alluse.runtime.metrics import resident_bytes
from alluse.runtime.service import Call, Endpoint, Reply
from alluse.schemas.base import Answer, Request

if TYPE_CHECKING:
    from alluse.runtime.runtime import Runtime

#: How long "ready?" waits for a component that is being opened.
OPENING_S: Final = 0.5


class Info(Answer):
    """Answer of GET /info. `system` is the resource that this component belongs to, `system_name` and
    `system_version` are what its configuration calls the whole."""

    name: str
    group: str
    order: int
    purpose: str
    version: str
    system: str
    system_name: str
    system_version: str
    environment: str
    built: bool
    hard_deps: list[str]
    soft_deps: list[str]
    emits: list[str]
    consumes: list[str]


class EventsTaken(Answer):
    """Answer of POST /events: `repeated` were known already, `ignored` are of no interest here."""

    accepted: int
    repeated: int
    ignored: int


class CacheBounds(Request):
    """New bounds of one cache, or of all."""

    cache: str | None = None
    max_size: Annotated[int, Field(ge=MIN_SIZE, le=MAX_SIZE)] | None = None
    ttl_s: Annotated[float, Field(ge=MIN_TTL_S, le=MAX_TTL_S)] | None = None


class CacheInfo(Answer):
    """One cache."""

    name: str
    max_size: int
    ttl_s: float
    entries: int


class CacheChange(Answer):
    """The caches before and after the change."""

    before: list[CacheInfo]
    after: list[CacheInfo]


class MemoryChange(Answer):
    """Resident memory around a garbage collection, in megabytes."""

    before_mb: float
    after_mb: float
    collected: int


class SystemEndpoints:
    """Handlers over one runtime."""

    def __init__(self, runtime: "Runtime") -> None:
        self._runtime = runtime

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint("GET", contract.PATH_LIVE, self.live, answer=Liveness, summary="Can the process serve?"),
            Endpoint("GET", contract.PATH_READY, self.ready, answer=Readiness, summary="Can it take work?"),
            Endpoint(
                "GET", contract.PATH_HEALTH, self.health, answer=HealthReport, summary="How it is, in detail"
            ),
            Endpoint("GET", contract.PATH_METRICS, self.metrics, summary="Metrics as Prometheus text"),
            Endpoint("GET", contract.PATH_INFO, self.info, answer=Info, summary="What this component is"),
            Endpoint("GET", contract.PATH_OPENAPI, self.openapi, summary="This document"),
            Endpoint(
                "POST",
                contract.PATH_EVENTS,
                self.events,
                answer=EventsTaken,
                summary="Take CloudEvents, one or a list",
                status=202,
                media_type="application/cloudevents+json",
                errors=(422,),
            ),
            Endpoint(
                "POST",
                contract.PATH_ADMIN_CACHE,
                self.cache,
                CacheBounds,
                CacheChange,
                "Change the bounds of caches",
            ),
            Endpoint(
                "POST", contract.PATH_ADMIN_GC, self.collect, answer=MemoryChange, summary="Collect garbage"
            ),
            Endpoint(
                "POST",
                contract.PATH_ADMIN_FAULT,
                self.fault,
                FaultRequest,
                FaultAnswer,
                "Break the component on purpose, where that is allowed",
                status=202,
                errors=(404, 409),
            ),
        ]

    async def live(self, call: Call[Any]) -> BaseModel:
        if self._runtime.faults.active(FaultKind.NOT_LIVE):
            raise UnavailableError("fault injected: not-live")
        return Liveness(component=call.context.identity.name)

    async def ready(self, call: Call[Any]) -> Reply:
        """While the component opens, the answer waits a little for it: it is asked once a second only."""
        with suppress(TimeoutError):
            async with asyncio.timeout(OPENING_S):
                await self._runtime.tried.wait()
        readiness = self._runtime.board.readiness()
        return Reply(readiness, 200 if readiness.ready else 503)

    async def health(self, call: Call[Any]) -> Reply:
        report = await self._runtime.board.report()
        return Reply(report, 503 if report.status is Health.UNHEALTHY else 200)

    async def metrics(self, call: Call[Any]) -> Reply:
        text = call.context.metrics.render().encode()
        return Reply(text, headers={"content-type": metrics_text.CONTENT_TYPE})

    async def info(self, call: Call[Any]) -> BaseModel:
        identity = call.context.identity
        facts = identity.facts
        soft = tuple(COMPONENTS) if ALL in facts.soft else (*contract.EVERYBODY_CALLS, *facts.soft)
        return Info(
            name=facts.name,
            group=facts.group,
            order=facts.order,
            purpose=facts.purpose,
            version=identity.version,
            system=identity.system,
            system_name=call.context.config.text("system.name"),
            system_version=call.context.config.text("system.version"),
            environment=identity.environment,
            built=self._runtime.service.built,
            hard_deps=list(facts.hard),
            soft_deps=[name for name in soft if name != facts.name and name not in facts.hard],
            emits=[contract.event_type(name) for name in facts.emits],
            consumes=[contract.event_type(name) for name in facts.consumes],
        )

    async def openapi(self, call: Call[Any]) -> dict[str, Any]:
        identity = call.context.identity
        endpoints = [*self._runtime.service.endpoints, *self.endpoints()]
        return openapi.document(identity.name, identity.facts.purpose, identity.version, endpoints)

    async def events(self, call: Call[Any]) -> BaseModel:
        body = call.body.strip()
        if not body.startswith(b"["):
            body = b"[" + body + b"]"
        try:
            events = EVENTS_BODY.validate_json(body)
        except ValidationError as error:
            raise refused(error) from None
        if not call.context.is_open:
            raise UnavailableError("the component is starting; deliver again")
        received = await self._runtime.inbox.receive(events)
        if received.failed:
            raise UnavailableError(f"{len(received.failed)} event(s) were not handled; deliver again")
        return EventsTaken(accepted=received.accepted, repeated=received.repeated, ignored=received.ignored)

    async def cache(self, call: Call[Any], request: CacheBounds) -> BaseModel:
        caches = call.context.caches
        before = [CacheInfo(**state._asdict()) for state in caches.states()]
        try:
            caches.tune(request.max_size, request.ttl_s, request.cache)
        except KeyError:
            known = ", ".join(info.name for info in before) or "none"
            raise InvalidRequestError.field("cache", f"there is no such cache; known: {known}") from None
        return CacheChange(before=before, after=[CacheInfo(**state._asdict()) for state in caches.states()])

    async def collect(self, call: Call[Any]) -> BaseModel:
        before = resident_bytes()
        collected = gc.collect()
        return MemoryChange(
            before_mb=round(before / 1e6, 2), after_mb=round(resident_bytes() / 1e6, 2), collected=collected
        )

    async def fault(self, call: Call[Any], request: FaultRequest) -> BaseModel:
        context, runtime = call.context, self._runtime
        allowed = context.identity.faults or context.config.flag("development.test_mode")
        if not (context.identity.takes_faults and allowed):
            raise NotFoundError(f"{context.identity.name} takes no faults here")
        context.log.warning("fault injected", fault=request.fault.value, seconds=request.seconds)
        try:
            runtime.faults.inject(request, runtime.resources.memory_limit())
        except (ValueError, OSError) as error:
            raise ConflictError(f"{request.fault} is not possible: {error}") from None
        runtime.board.forget_report()
        return FaultAnswer(fault=request.fault, seconds=request.seconds)
