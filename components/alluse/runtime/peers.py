"""Calls to other components: typed, within the caller's remaining time, retried only where that is safe.

PeerError
├── PeerUnreachableError  nobody answers there                              retry may help
├── PeerTimeoutError      no answer within the time                         retry may help
├── PeerFailedError       answered 5xx: it cannot do it now                 retry may help
├── PeerRefusedError      answered 4xx: our request is wrong for it         retry is useless
└── PeerUnreadableError   answered what its contract does not allow         retry is useless
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, ValidationError

from alluse import contract
from alluse.runtime import trace
from alluse.runtime.http_client import HttpError, HttpReply, HttpTimeoutError, Transport
from alluse.runtime.identity import Identity
from alluse.runtime.metrics import Metrics
from alluse.runtime.silence import Silence, SilentError
from alluse.schemas.base import Problem

A = TypeVar("A", bound=BaseModel)

DEFAULT_TIMEOUT_S: Final = 5.0
ATTEMPTS: Final = 3
FIRST_PAUSE_S: Final = 0.05
#: A call that is given more time than usual expects silence.
PATIENT_S: Final = DEFAULT_TIMEOUT_S
#: Retries may be at most this share of requests, beyond a few to begin with: a struggling peer is not
#: helped by more traffic.
RETRY_SHARE: Final = 0.1
RETRIES_AT_FIRST: Final = 10.0
DEADLINE: Final = "x-deadline-ms"
_REPEATABLE: Final = frozenset({"GET", "PUT", "DELETE"})


class PeerError(Exception):
    """A call to `component` did not succeed; the text says what happened."""

    retryable = False

    def __init__(self, component: str, detail: str) -> None:
        super().__init__(f"{component}: {detail}")
        self.component = component
        self.detail = detail


class PeerUnreachableError(PeerError):
    retryable = True


class PeerTimeoutError(PeerError):
    retryable = True


class PeerFailedError(PeerError):
    """`problem` is the peer's own explanation, if it gave one."""

    retryable = True

    def __init__(self, component: str, status: int, problem: Problem | None) -> None:
        super().__init__(component, _said(status, problem))
        self.status = status
        self.problem = problem


class PeerRefusedError(PeerError):
    """`problem` is the peer's own explanation, if it gave one."""

    def __init__(self, component: str, status: int, problem: Problem | None) -> None:
        super().__init__(component, _said(status, problem))
        self.status = status
        self.problem = problem


class PeerUnreadableError(PeerError):
    pass


def _said(status: int, problem: Problem | None) -> str:
    return f"answered {status}" + (f": {problem.detail}" if problem and problem.detail else "")


class Peers:
    """The other components of the system, by name."""

    def __init__(self, identity: Identity, metrics: Metrics, transport: Transport) -> None:
        self._identity = identity
        self._transport = transport
        self._tokens = RETRIES_AT_FIRST
        self._up = metrics.gauge(
            contract.METRIC_DEPENDENCY_UP, "1 when the last call to a component succeeded", ("dep",)
        )
        self.silence = Silence()
        #: Event-loop time and text of the last failure of components whose last call failed.
        self._down: dict[str, tuple[float, str]] = {}
        self.timeout_s = DEFAULT_TIMEOUT_S

    async def get(
        self,
        component: str,
        path: str,
        answer: type[A],
        *,
        query: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
    ) -> A:
        """GET and read the answer. Raises PeerError."""
        reply = await self.send(component, "GET", path, query=query, timeout_s=timeout_s)
        return self._read(component, answer, reply)

    async def post(
        self,
        component: str,
        path: str,
        body: BaseModel | Mapping[str, Any],
        answer: type[A],
        *,
        safe: bool = False,
        idempotency_key: str = "",
        timeout_s: float | None = None,
    ) -> A:
        """POST a model or a mapping and read the answer. Raises PeerError.

        Retried only when `safe` says that the operation changes nothing, or under an idempotency key.
        """
        reply = await self.send(
            component,
            "POST",
            path,
            body=_json(body),
            headers={"idempotency-key": idempotency_key} if idempotency_key else {},
            timeout_s=timeout_s,
            repeatable=safe or bool(idempotency_key),
        )
        return self._read(component, answer, reply)

    async def put(
        self,
        component: str,
        path: str,
        body: BaseModel | Mapping[str, Any],
        answer: type[A],
        *,
        timeout_s: float | None = None,
    ) -> A:
        """PUT a model or a mapping and read the answer. Raises PeerError."""
        reply = await self.send(component, "PUT", path, body=_json(body), timeout_s=timeout_s)
        return self._read(component, answer, reply)

    async def send(
        self,
        component: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: bytes = b"",
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        repeatable: bool | None = None,
        observe: bool = True,
    ) -> HttpReply:
        """Exchange raw bytes; the reply has a 2xx status. Raises PeerError.

        `observe=False` keeps the outcome out of this component's view of its dependencies. On behalf of a
        request a component that does not answer is asked once, and one that answers nobody is not waited for.
        """
        may_repeat = method in _REPEATABLE if repeatable is None else repeatable
        self._tokens = min(RETRIES_AT_FIRST, self._tokens + RETRY_SHARE)

        async def exchange() -> HttpReply:
            return await self.exchange(
                component,
                method,
                path,
                query=query,
                body=body,
                content_type=content_type,
                headers=headers,
                timeout_s=timeout_s,
            )

        request = trace.current.get()
        if request is None or not observe or (timeout_s or 0.0) > PATIENT_S:
            return await self._repeating(component, exchange, may_repeat, observe)
        if component in request.missed:
            raise PeerUnreachableError(component, "did not answer a moment ago in this request")
        try:
            self.silence.refuse_if_silent(component)
            async with self.silence.listening(component):
                return await self._repeating(component, exchange, may_repeat, observe)
        except SilentError as silent:
            request.missed.add(component)
            error = PeerTimeoutError(component, str(silent))
            self._note(component, error)
            raise error from None
        except (PeerUnreachableError, PeerTimeoutError):
            request.missed.add(component)
            raise

    async def _repeating(
        self, component: str, exchange: Callable[[], Awaitable[HttpReply]], may_repeat: bool, observe: bool
    ) -> HttpReply:
        """Exchange until there is a 2xx, as often as that may help. Raises PeerError."""
        attempt = 0
        while True:
            attempt += 1
            try:
                reply = await exchange()
                self.silence.answered(component)
                self._raise_for(component, reply)
            except PeerError as error:
                if observe:
                    self._note(component, error)
                # Who let the time pass once would let it pass again.
                again = may_repeat and error.retryable and not isinstance(error, PeerTimeoutError)
                pause = FIRST_PAUSE_S * 2**attempt * random.uniform(0.5, 1.0)  # noqa: S311
                if not (again and attempt < ATTEMPTS and self._affords(pause)):
                    raise
                await asyncio.sleep(pause)
            else:
                if observe:
                    self._note(component, None)
                return reply

    async def exchange(
        self,
        component: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: bytes = b"",
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> HttpReply:
        """One exchange, whatever its status. Raises PeerUnreachableError or PeerTimeoutError."""
        context = trace.current.get() or trace.Trace.new()
        limit = timeout_s if timeout_s is not None else self.timeout_s
        if (remaining := context.remaining()) is not None:
            if remaining <= 0:
                raise PeerTimeoutError(component, "the time for this request is spent")
            limit = min(limit, remaining)
        fields = {**context.headers(), "user-agent": f"alluse/{self._identity.name}", **(headers or {})}
        fields[DEADLINE] = str(int(limit * 1000))
        if body:
            fields["content-type"] = content_type
        try:
            return await self._transport.request(
                self._identity.url(component), method, path + _query(query), fields, body, limit
            )
        except HttpTimeoutError as error:
            raise PeerTimeoutError(component, str(error)) from None
        except HttpError as error:
            raise PeerUnreachableError(component, str(error)) from None

    def down(self) -> dict[str, str]:
        """Components whose last observed call failed as if they were not there, with the reason."""
        return {component: text for component, (_, text) in self._down.items()}

    def forget_down(self, older_than_s: float) -> None:
        """Forget failures that are old: nobody has called since, so nobody knows."""
        limit = asyncio.get_running_loop().time() - older_than_s
        for component in [name for name, (since, _) in self._down.items() if since < limit]:
            del self._down[component]
            self._up.drop(dep=component)

    def _note(self, component: str, error: PeerError | None) -> None:
        failed = error is not None and error.retryable
        self._up.set(0 if failed else 1, dep=component)
        if failed:
            self._down[component] = (asyncio.get_running_loop().time(), str(error))
        else:
            self._down.pop(component, None)

    def _affords(self, pause: float) -> bool:
        """Whether a retry after `pause` fits budget and remaining time; takes it from the budget."""
        context = trace.current.get()
        remaining = context.remaining() if context else None
        if self._tokens < 1 or (remaining is not None and remaining <= pause):
            return False
        self._tokens -= 1
        return True

    @staticmethod
    def _raise_for(component: str, reply: HttpReply) -> None:
        if reply.status < 300:
            return
        try:
            problem = Problem.model_validate_json(reply.body)
        except ValidationError:
            problem = None
        if reply.status == 504:
            raise PeerTimeoutError(component, _said(reply.status, problem))
        if reply.status >= 500 or reply.status < 400:
            raise PeerFailedError(component, reply.status, problem)
        raise PeerRefusedError(component, reply.status, problem)

    @staticmethod
    def _read(component: str, answer: type[A], reply: HttpReply) -> A:
        try:
            return answer.model_validate_json(reply.body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "body"
            raise PeerUnreadableError(
                component, f"answer is not a {answer.__name__}: {place}: {first['msg']}"
            ) from None


def _json(body: BaseModel | Mapping[str, Any]) -> bytes:
    if isinstance(body, BaseModel):
        return body.model_dump_json().encode()
    import json

    return json.dumps(body).encode()


def _query(query: Mapping[str, Any] | None) -> str:
    if not query:
        return ""
    pairs = [(name, value) for name, value in query.items() if value is not None]
    return f"?{urlencode(pairs, doseq=True)}"
