"""From a request to the handler of its endpoint and back, with everything that every request needs.

Trace and deadline, validation, hard time limit, soft budget, idempotency, metrics, and errors as problem
documents.
"""

import asyncio
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, unquote

from pydantic import BaseModel, ValidationError

from alluse import contract
from alluse.domain import errors as domain
from alluse.runtime import trace
from alluse.runtime.budget import Budgets
from alluse.runtime.context import Context
from alluse.runtime.errors import (
    ApiError,
    BadMessageError,
    ConflictError,
    DeadlineExceededError,
    InvalidRequestError,
    MethodNotAllowedError,
    NotBuiltError,
    NotFoundError,
    TooLargeError,
    UnavailableError,
)
from alluse.runtime.faults import Faults
from alluse.runtime.health import HealthBoard
from alluse.runtime.http_client import HttpReply
from alluse.runtime.http_server import HttpRequest
from alluse.runtime.idempotency import Idempotency, Remembered
from alluse.runtime.logs import LEVELS
from alluse.runtime.peers import PeerError, PeerTimeoutError
from alluse.runtime.service import Call, Endpoint, Reply
from alluse.schemas.base import FieldProblem

JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
_PARAMETER: Final = re.compile(r"\{([a-z_]+)\}")
KEY_TIMEOUT: Final = "performance.async.timeout_seconds"
_MAX_ERRORS: Final = 50
_PLAIN: Final = frozenset({"number", "integer", "boolean"})
_ALIASES: Final = (
    ("deployment.health_check_path", contract.PATH_HEALTH),
    ("deployment.metrics_path", contract.PATH_METRICS),
)


class Route:
    """An endpoint with its path as a pattern."""

    def __init__(self, endpoint: Endpoint, system: bool) -> None:
        self.endpoint = endpoint
        #: Answered while starting, stopping or failing its self-test, and without a time limit.
        self.system = system
        self.parameters = tuple(_PARAMETER.findall(endpoint.path))
        pattern = _PARAMETER.sub("([^/]+)", endpoint.path.replace(".", r"\."))
        self.pattern = re.compile(f"^{pattern}$")
        source = endpoint.params if endpoint.method in _WITH_BODY else endpoint.request
        #: How the query parameters are written.
        self.forms = _Forms.of(source)


class Dispatcher:
    """Answers every request of one component."""

    def __init__(
        self,
        context: Context[Any],
        board: HealthBoard,
        budgets: Budgets,
        faults: Faults,
        idempotency: Idempotency,
        system: list[Endpoint],
        own: list[Endpoint],
        built: bool,
    ) -> None:
        self._context = context
        self._board = board
        self._budgets = budgets
        self._faults = faults
        self._idempotency = idempotency
        self._built = built
        self._routes = [Route(endpoint, True) for endpoint in system]
        self._routes += [Route(endpoint, False) for endpoint in own]
        self._static: dict[str, list[Route]] = {}
        for route in self._routes:
            if not route.parameters:
                self._static.setdefault(route.endpoint.path, []).append(route)
        self.stopping = False
        metrics = context.metrics
        self._requests = metrics.counter(contract.METRIC_REQUESTS, "Requests answered", ("route", "code"))
        self._seconds = metrics.histogram(
            contract.METRIC_REQUEST_SECONDS, "Time from a request to its answer", ("route",)
        )
        self._inflight = metrics.gauge(contract.METRIC_INFLIGHT, "Requests being worked on")
        self._errors = metrics.counter(contract.METRIC_ERRORS, "Requests that failed", ("kind",))

    async def handle(self, request: HttpRequest) -> HttpReply:
        """Answer one request; never raises."""
        thread = trace.Trace.from_headers(request.headers)
        token = trace.current.set(thread)
        started = time.perf_counter()
        self._inflight.add(1)
        route: Route | None = None
        try:
            try:
                route, path = self._route(request)
                reply = await self._within_time(route, request, path, thread)
            except Exception as error:
                reply = self._problem(error, thread)
            seconds = time.perf_counter() - started
            label = route.endpoint.path if route else "unmatched"
            self._requests.inc(route=label, code=str(reply.status))
            self._seconds.observe(seconds, route=label)
            if route is not None and not route.system and self._context.logs.level <= LEVELS["DEBUG"]:
                self._context.log.debug(
                    "request",
                    method=request.method,
                    route=label,
                    status=reply.status,
                    duration_ms=round(seconds * 1000, 2),
                )
            headers = {
                **reply.headers,
                "x-request-id": thread.request_id,
                "traceparent": thread.headers()["traceparent"],
            }
            return HttpReply(reply.status, headers, reply.body)
        finally:
            self._inflight.add(-1)
            trace.current.reset(token)

    def _route(self, request: HttpRequest) -> tuple[Route, dict[str, str]]:
        method = "GET" if request.method == "HEAD" else request.method
        others: set[str] = set()
        for route in self._static.get(request.path, ()):
            if route.endpoint.method == method:
                return route, {}
            others.add(route.endpoint.method)
        for route in self._routes:
            if route.parameters and (match := route.pattern.match(request.path)):
                if route.endpoint.method == method:
                    values = (unquote(value) for value in match.groups())
                    return route, dict(zip(route.parameters, values, strict=True))
                others.add(route.endpoint.method)
        if (alias := self._alias(request)) is not None:
            return alias, {}
        if others:
            allowed = others | {"HEAD"} if "GET" in others else others
            raise MethodNotAllowedError(request.path, request.method, allowed)
        name = self._context.identity.name
        if not self._built and (request.path == "/v1" or request.path.startswith("/v1/")):
            raise NotBuiltError(f"{name} runs, but its own endpoints are not part of this version")
        raise NotFoundError(f"{name} has no {request.path}; {contract.PATH_OPENAPI} lists what there is")

    def _alias(self, request: HttpRequest) -> Route | None:
        """Health and metrics under the paths that the configuration gives them beside their own."""
        for key, path in _ALIASES:
            if request.method == "GET" and request.path == self._context.config.text(key):
                return self._static[path][0]
        return None

    async def _within_time(
        self, route: Route, request: HttpRequest, path: dict[str, str], thread: trace.Trace
    ) -> HttpReply:
        if route.system:
            if route.endpoint.path == contract.PATH_HEALTH:
                await self._faults.delay()
            return await self._run(route, request, path)
        self._refuse_unless_able()
        limit = self._context.config.number(KEY_TIMEOUT)
        if (remaining := thread.remaining()) is not None:
            if remaining <= 0:
                raise DeadlineExceededError("the time for this request was spent before it arrived")
            limit = min(limit, remaining)
        try:
            # Whoever is asked on behalf of this request is told how much of its time is left.
            async with asyncio.timeout(limit) as timer:
                with trace.within(limit):
                    await self._faults.delay()
                    started = time.perf_counter()
                    reply = await self._idempotent(route, request, path)
                    if not self._context.identity.facts.stateful:
                        reply = HttpReply(reply.status, reply.headers, self._faults.distorted(reply.body))
        except TimeoutError:
            if timer.expired():
                raise DeadlineExceededError(f"no answer within {limit:.2f} s") from None
            raise
        if (budget := route.endpoint.budget) is not None and reply.status < 400:
            limit_ms = self._context.config.number(budget) if isinstance(budget, str) else budget
            operation = f"{route.endpoint.method} {route.endpoint.path}"
            self._budgets.record(operation, time.perf_counter() - started, limit_ms / 1000)
        return reply

    def _refuse_unless_able(self) -> None:
        if self.stopping:
            raise UnavailableError("the component is stopping; ask again")
        if not self._context.is_open:
            raise UnavailableError("the component is starting; ask again")
        test = self._board.selftest
        if test.ran and not test.passed:
            raise UnavailableError("the component's self-test fails, so it does not compute")

    async def _idempotent(self, route: Route, request: HttpRequest, path: dict[str, str]) -> HttpReply:
        key = request.headers.get("idempotency-key", "")
        if not (key and route.endpoint.changes_state and route.endpoint.method == "POST"):
            return await self._run(route, request, path)
        scope = self._idempotency.scope(
            key, request.method, request.path, request.headers.get("x-user-id", "")
        )
        fingerprint = self._idempotency.fingerprint(request.body)
        earlier = await self._idempotency.begin(scope, fingerprint)
        if earlier is not None:
            return HttpReply(
                earlier.status, {**earlier.headers, "idempotency-replayed": "true"}, earlier.body
            )
        try:
            reply = await self._run(route, request, path)
        except BaseException:
            self._idempotency.abandon(scope)
            raise
        await self._idempotency.finish(
            scope, fingerprint, Remembered(reply.status, dict(reply.headers), reply.body)
        )
        return reply

    async def _run(self, route: Route, request: HttpRequest, path: dict[str, str]) -> HttpReply:
        endpoint = route.endpoint
        call: Call[Any] = Call(
            context=self._context, path=path, params=None, headers=request.headers, body=request.body
        )
        if endpoint.method in _WITH_BODY:
            if len(request.body) > endpoint.max_body:
                raise TooLargeError(f"the body is larger than {endpoint.max_body} bytes")
            if endpoint.params is not None:
                call.params = _validated(endpoint.params, _parameters(request, route, path))
            if endpoint.media_type != JSON and not request.body:
                raise BadMessageError(f"the body is empty; send {endpoint.media_type}")
            model = None if endpoint.request is None else _from_body(endpoint, request)
        else:
            model = None
            if endpoint.request is not None:
                model = _validated(endpoint.request, _parameters(request, route, path))
        answer = await (endpoint.handler(call) if endpoint.request is None else endpoint.handler(call, model))
        return _reply(answer, endpoint.status)

    def _problem(self, error: Exception, thread: trace.Trace) -> HttpReply:
        problem = self._as_api_error(error)
        self._errors.inc(kind=type(error).__name__)
        if problem.status >= 500:
            log = self._context.log
            if isinstance(error, ApiError | PeerError):
                log.warning("request failed", status=problem.status, error=str(error))
            else:
                log.error("request failed", status=problem.status, error=str(error), exc_info=error)
        document = problem.problem(thread.trace_id)
        headers = {"content-type": PROBLEM, **problem.headers}
        return HttpReply(document.status, headers, document.model_dump_json().encode())

    def _as_api_error(self, error: Exception) -> ApiError:
        match error:
            case ApiError():
                return error
            case domain.UnknownSymbolError():
                return NotFoundError(str(error), _field(error))
            case domain.InsufficientDataError():
                return ConflictError(str(error), _field(error))
            case domain.DomainError():
                return InvalidRequestError(str(error), _field(error))
            case PeerTimeoutError() if (trace.current.get() or trace.Trace.new()).remaining() is not None:
                return DeadlineExceededError(str(error))
            case PeerError(retryable=True):
                return UnavailableError(str(error))
        if self._context.config.flag("security.error_sanitization"):
            return ApiError("the component failed; its log says why under this trace_id")
        return ApiError(f"{type(error).__name__}: {error}")


def _field(error: domain.DomainError) -> list[FieldProblem]:
    return [FieldProblem(field=error.field, msg=error.message)]


def _reply(answer: Any, status: int) -> HttpReply:
    headers: Mapping[str, str] = {}
    if isinstance(answer, Reply):
        answer, status, headers = answer.body, answer.status, answer.headers
    if answer is None:
        return HttpReply(204 if status == 200 else status, headers, b"")
    if isinstance(answer, bytes):
        return HttpReply(status, headers, answer)
    if isinstance(answer, BaseModel):
        body = answer.model_dump_json(by_alias=True).encode()
    else:
        body = json.dumps(answer, default=_jsonable, allow_nan=False).encode()
    return HttpReply(status, {"content-type": JSON, **headers}, body)


def _jsonable(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    return str(value)


def _from_body(endpoint: Endpoint, request: HttpRequest) -> Any:
    if endpoint.media_type != JSON:
        raise TypeError(f"{endpoint.path} reads {endpoint.media_type} itself and takes no request model")
    media_type = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    if media_type != JSON and not media_type.endswith("+json"):
        raise BadMessageError(f"content-type must be {JSON}, not {media_type}")
    assert endpoint.request is not None
    try:
        return endpoint.request.model_validate_json(request.body)
    except ValidationError as error:
        raise refused(error) from None
    except RecursionError:
        raise BadMessageError("the body is nested too deeply") from None


def _validated(model: type[BaseModel], values: Mapping[str, Any]) -> BaseModel:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise refused(error) from None


def refused(error: ValidationError) -> ApiError:
    """The answer to input that a model does not accept: 400 for broken JSON, else 422 with the fields."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    if found[0]["type"] == "json_invalid":
        return BadMessageError(f"the body is not JSON: {found[0]['msg']}")
    problems = [
        FieldProblem(field=".".join(str(part) for part in item["loc"]) or "body", msg=_message(item["msg"]))
        for item in found[:_MAX_ERRORS]
        if item["type"] != "default_factory_not_called"
    ]
    fields = ", ".join(problem.field for problem in problems[:5])
    return InvalidRequestError(f"{len(problems)} problem(s) in {fields}", problems)


def _message(text: str) -> str:
    return text.removeprefix("Value error, ")


@dataclass(frozen=True, slots=True)
class _Forms:
    """Names of the query parameters that are lists, and of those that are numbers or truth values."""

    lists: frozenset[str] = frozenset()
    plain: frozenset[str] = frozenset()

    @classmethod
    def of(cls, model: type[BaseModel] | None) -> "_Forms":
        if model is None:
            return cls()
        kinds = {
            name: {str(option.get("type")) for option in (field, *field.get("anyOf", ()))}
            for name, field in model.model_json_schema().get("properties", {}).items()
        }
        return cls(
            frozenset(name for name, types in kinds.items() if "array" in types),
            frozenset(name for name, types in kinds.items() if types & _PLAIN and "string" not in types),
        )


def _parameters(request: HttpRequest, route: Route, path: Mapping[str, str]) -> dict[str, Any]:
    """Parameters of query and path by name: lists where they are lists; a repeated scalar stays a list."""
    try:
        found = parse_qs(request.query, keep_blank_values=True, max_num_fields=200)
    except ValueError as error:
        raise BadMessageError(f"the query cannot be read: {error}") from None
    lists, plain = route.forms.lists, route.forms.plain
    values: dict[str, Any] = {}
    for name, texts in (found | {name: [text] for name, text in path.items()}).items():
        if name in lists:
            values[name] = [part for text in texts for part in text.split(",") if part]
        elif len(texts) > 1:
            values[name] = texts
        else:
            values[name] = _plain(texts[0]) if name in plain else texts[0]
    return values


def _plain(text: str) -> Any:
    """The number or truth value that a text writes as JSON does, else the text, for the model to refuse."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, int | float) else text
