"""The shape of a component: what it serves, checks, runs and consumes, as data.

    async def size(call: Call[None], request: SizeRequest) -> SizeAnswer:
        return sizing.size(request, protocol_of(call.context))

    SERVICE = Service(
        name="position-sizer",
        endpoints=(Endpoint("POST", "/v1/size", size, SizeRequest, SizeAnswer, "Size one position"),),
        selftest=golden,
    )

`S` is the type of what `open` returns: the component's own state, reached as `call.state` and
`context.state`. A component without state leaves `open` out and has `S = None`.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from pydantic import BaseModel

from alluse.runtime.store import Migration

if TYPE_CHECKING:
    from alluse.runtime.context import Context
    from alluse.runtime.events import Event

S = TypeVar("S")

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with a status or headers of its own; `body` as a handler would return it."""

    body: "Body"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


#: A model or JSON-able mapping or list becomes JSON, bytes go out as they are (Reply names their
#: content-type), None is an empty answer (204).
Body = BaseModel | Mapping[str, Any] | Sequence[Any] | bytes | None


@dataclass(slots=True)
class Call(Generic[S]):
    """One request as a handler sees it."""

    context: "Context[S]"
    #: Values of the `{names}` in the endpoint's path, as text.
    path: Mapping[str, str]
    #: The validated `params` model of an endpoint that has one, else None.
    params: Any
    #: Names in lower case.
    headers: Mapping[str, str]
    body: bytes

    @property
    def state(self) -> S:
        return self.context.state

    @property
    def user_id(self) -> str:
        """`X-User-Id`, or the empty string."""
        return self.headers.get("x-user-id", "")

    @property
    def idempotency_key(self) -> str:
        """`Idempotency-Key`, or the empty string."""
        return self.headers.get("idempotency-key", "")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One operation of a component.

    `request` is validated from the JSON body (POST, PUT, PATCH) or from path and query together (GET,
    DELETE). `params` is validated from path and query of an operation that has a body; it is found as
    `call.params`. Without `request` the handler gets only the call. A field that is a list is read from
    a query as `a=1&a=2` or `a=1,2`.

    `answer` documents the body of the successful answer; None means no body. `budget` names the
    operation's soft time limit: a key of the configuration (milliseconds) or milliseconds. It is counted
    and makes the component degraded when its p95 is over, it never aborts. `changes_state` lets a caller
    repeat a POST under the same Idempotency-Key. `errors` are further statuses for the documentation, `also`
    further ones of success, with the same body.
    `media_type` other than JSON hands the body over unread in `call.body`.
    """

    method: Method
    path: str
    handler: Callable[..., Awaitable[Any]]
    request: type[BaseModel] | None = None
    answer: type[BaseModel] | None = None
    summary: str = ""
    status: int = 200
    params: type[BaseModel] | None = None
    budget: str | float | None = None
    changes_state: bool = False
    errors: tuple[int, ...] = ()
    also: tuple[int, ...] = ()
    media_type: str = "application/json"
    max_body: int = 1 << 20


@dataclass(frozen=True, slots=True)
class Check(Generic[S]):
    """A health check: returns a detail, or raises CheckFailedError or CheckDegradedError.

    It is called at most once a second and must answer within 50 ms: let a task do the work and the check
    read what it found. A critical check that fails makes the component unhealthy, any other degraded.
    """

    name: str
    run: Callable[["Context[S]"], Awaitable[str]]
    critical: bool = True


@dataclass(frozen=True, slots=True)
class Task(Generic[S]):
    """Work that repeats beside the requests, first at start (once `open` has returned).

    `interval` is seconds or a function of the context, asked before each wait. An exception is logged and
    counted, and the task goes on.
    """

    name: str
    run: Callable[["Context[S]"], Awaitable[None]]
    interval: float | Callable[["Context[S]"], float]


@dataclass(frozen=True, slots=True)
class Service(Generic[S]):
    """A component as the runtime sees it.

    `open` runs before the component is ready and is repeated with back-off while it raises; `close` runs
    after the last request. `selftest` is the golden case: plain code, run in a thread at start and every
    two seconds, that raises SelfTestError (or anything) when the answer is wrong. `consumers` maps an event's
    short name to what it does; it runs before the event is acknowledged and again if it raised.
    `migrations` create the component's tables in its store; `durable` makes every commit survive a power
    failure (synchronous=FULL). `needs_hard` says whether a lost hard dependency takes readiness away
    again ("always") or is only waited for at the start ("start", for a component that can still do part
    of its work without).
    """

    name: str
    endpoints: Sequence[Endpoint] = ()
    open: "Callable[[Context[S]], Awaitable[S]] | None" = None
    close: "Callable[[Context[S]], Awaitable[None]] | None" = None
    checks: "Sequence[Check[S]]" = ()
    selftest: Callable[[], None] | None = None
    tasks: "Sequence[Task[S]]" = ()
    consumers: "Mapping[str, Callable[[Context[S], Event], Awaitable[None]]]" = field(default_factory=dict)
    migrations: Sequence[Migration] = ()
    durable: bool = False
    needs_hard: Literal["always", "start"] = "always"
    #: False for a component whose endpoints are not part of this version: /v1/* answers 501.
    built: bool = True
