"""Components in the test's own process: no port, no network, real runtime.

    async with component(SERVICE, tmp_path) as sizer:
        answer = await sizer.post("/v1/size", {...})
        assert answer.status == 200

Several components that call each other share a `System`.
"""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from pydantic import BaseModel

from alluse.contract import COMPONENTS
from alluse.runtime.http_client import HttpError, HttpReply, HttpTimeoutError
from alluse.runtime.http_server import HttpRequest
from alluse.runtime.identity import Identity
from alluse.runtime.logs import Logs
from alluse.runtime.runtime import Runtime
from alluse.runtime.service import Service


@dataclass(frozen=True)
class Response:
    """An answer as tests look at it."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class System:
    """Components that reach each other by name; one that is not here cannot be reached."""

    running: dict[str, "Component"] = field(default_factory=dict)
    #: Answers for components that are only played: (method, path) -> (status, JSON-able) or a function.
    played: dict[str, Callable[[HttpRequest], HttpReply]] = field(default_factory=dict)

    async def request(
        self,
        base_url: str,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        timeout_s: float,
    ) -> HttpReply:
        name = base_url.removeprefix("http://").partition(":")[0]
        path, _, query = target.partition("?")
        request = HttpRequest(method, path, query, dict(headers), body)
        if name in self.played:
            return self.played[name](request)
        if name not in self.running:
            raise HttpError(f"cannot reach {name}: not running")
        # A task of its own, because a peer shares neither trace nor cancellation with its caller.
        try:
            async with asyncio.timeout(timeout_s):
                return await asyncio.create_task(self.running[name].runtime.handle(request))
        except TimeoutError:
            raise HttpTimeoutError(f"no answer from {name} within {timeout_s} s") from None

    async def close(self) -> None:
        """Nothing to close."""


@dataclass
class Component:
    """One running component."""

    runtime: Runtime
    out: io.StringIO

    @property
    def state(self) -> Any:
        return self.runtime.context.state

    @property
    def records(self) -> list[dict[str, Any]]:
        """What it logged, with `logging.format` json."""
        return [json.loads(line) for line in self.out.getvalue().splitlines() if line.startswith("{")]

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send a request: a model or JSON-able body, or bytes as they are."""
        if isinstance(body, BaseModel):
            raw = body.model_dump_json().encode()
        elif isinstance(body, bytes):
            raw = body
        else:
            raw = b"" if body is None else json.dumps(body).encode()
        lower = {name.lower(): value for name, value in (headers or {}).items()}
        reply = await asyncio.create_task(
            self.runtime.handle(HttpRequest(method, path, urlencode(query or {}, doseq=True), lower, raw))
        )
        return Response(reply.status, reply.headers, reply.body)

    async def get(self, path: str, **query: Any) -> Response:
        return await self.call("GET", path, query=query)

    async def post(self, path: str, body: Any = None, **headers: str) -> Response:
        return await self.call("POST", path, body, headers=headers)

    async def put(self, path: str, body: Any = None, **headers: str) -> Response:
        return await self.call("PUT", path, body, headers=headers)

    async def delete(self, path: str) -> Response:
        return await self.call("DELETE", path)


@asynccontextmanager
async def component(
    service: Service[Any],
    directory: Path,
    *,
    system: System | None = None,
    config: Mapping[str, Any] | None = None,
    environment: str = "test",
    variables: Mapping[str, str] | None = None,
    faults: bool = False,
    ready: bool = True,
) -> AsyncIterator[Component]:
    """Run a service with its state below `directory`; `config` is the ConfigMap by dotted key.

    With `ready` the block begins when the component says that it is ready.
    """
    place = directory / service.name
    (place / "config").mkdir(parents=True, exist_ok=True)
    if config is not None:
        (place / "config" / "config.json").write_text(json.dumps(dict(config)))
    identity = Identity(
        facts=COMPONENTS[service.name],
        system="test",
        environment=environment,
        version="test",
        config_dir=place / "config",
        state_dir=place / "state",
        variables=variables or {},
        faults=faults,
    )
    shared = system or System()
    out = io.StringIO()
    logs = Logs(identity, out)
    running = Component(Runtime(identity, service, shared, logs), out)
    shared.running[service.name] = running
    await running.runtime.start()
    try:
        if ready:
            await until(lambda: running.runtime.board.readiness().ready, "the component is ready")
        yield running
    finally:
        del shared.running[service.name]
        await running.runtime.stop()


async def until(condition: Callable[[], Any], what: str, seconds: float = 10.0) -> Any:
    """Wait until the condition (plain or async) gives something true and return that."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        found = condition()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        await asyncio.sleep(0.01)
