"""A proxy between an operator and the API server that counts requests and does bad things on order.

    with FaultProxy(plane) as proxy:
        line = proxy.open_line()              # an address of its own for each life of an operator
        proxy.kubeconfig(directory, line)
        proxy.decide = lambda request: Drop(after=True) if request.write == 7 else None

A line that is cut forwards nothing any more: to the cluster, whoever used it is dead.
"""

from __future__ import annotations

import asyncio
import gc
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from tools.cluster.controlplane import ControlPlane

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_HOP = frozenset(
    {"host", "connection", "transfer-encoding", "content-length", "keep-alive", "accept-encoding"}
)


@dataclass(frozen=True, slots=True)
class Seen:
    """One request."""

    line: int
    method: str
    path: str
    write: int
    """Position among the writes that count (leases do not), from 1; 0: it is none."""
    watch: bool
    agent: str
    body: bytes = field(repr=False, default=b"")


@dataclass(frozen=True, slots=True)
class Delay:
    """Forward it so much later."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Drop:
    """Close the connection without an answer, before or after the server has done the work."""

    after: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer in the server's place."""

    status: int
    reason: str = "Fault"
    message: str = "a fault that a test has asked for"


@dataclass(frozen=True, slots=True)
class Cut:
    """The operator on this line dies, before or after the server has done the work."""

    after: bool = False


@dataclass(frozen=True, slots=True)
class Stall:
    """A watch from which nothing comes any more."""


@dataclass(frozen=True, slots=True)
class StreamError:
    """A watch that begins with an error event and ends."""

    code: int


Fault = StreamError | Delay | Drop | Answer | Cut | Stall


@dataclass(slots=True)
class _Line:
    runner: web.AppRunner
    server: Any
    port: int
    alive: bool = True


class _Loop(asyncio.SelectorEventLoop):
    """Closes whoever was let in by a server that has been closed since: asyncio would leave that one open."""

    def _make_socket_transport(self, sock: Any, *arguments: Any, **options: Any) -> Any:
        server = options.get("server")
        if server is not None and not server.sockets:
            sock.close()
            raise ConnectionAbortedError
        return super()._make_socket_transport(sock, *arguments, **options)  # type: ignore[misc]


class FaultProxy:
    """Runs in a thread of its own; its methods are called from the test's."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._loop = _Loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault proxy", daemon=True)
        self._lines: list[_Line] = []
        self._session: aiohttp.ClientSession | None = None
        self.decide: Callable[[Seen], Fault | None] = lambda request: None
        self.cut: Callable[[int], None] = lambda line: None
        """Told when a line is cut by a fault."""
        self.one_at_a_time = False
        """Let no write begin before the one before it is answered: what happens then happens always."""
        self._turn = asyncio.Lock()
        self.seen: list[Seen] = []
        self.answers: list[tuple[Seen, int]] = []
        self._writes = 0
        self._watches: set[asyncio.Task[Any]] = set()
        self._held: set[asyncio.Task[Any]] = set()

    def __enter__(self) -> FaultProxy:
        self._thread.start()
        self._call(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    # -- what a test says ------------------------------------------------------------------------------------

    def open_line(self) -> int:
        """A new address; answers its number."""
        return self._call(self._open_line())

    def url(self, line: int) -> str:
        return f"http://127.0.0.1:{self._lines[line].port}"

    def kubeconfig(self, directory: Path, line: int) -> Path:
        """Credentials of the administrator, by way of this line."""
        path = directory / f"line-{line}.kubeconfig"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "x",
            "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
            "clusters": [{"name": "x", "cluster": {"server": self.url(line)}}],
            "users": [{"name": "x", "user": {"token": self._plane.token}}],
        }
        path.write_text(json.dumps(config), encoding="utf-8")
        return path

    def cut_line(self, line: int) -> None:
        """From now on nothing passes."""
        self._lines[line].alive = False

    def cut_watches(self) -> None:
        """Break every watch that is open now."""
        self._loop.call_soon_threadsafe(lambda: [task.cancel() for task in self._watches])

    def hold_watches(self) -> None:
        """Let nothing come any more from the watches that are open now; they stay open."""
        self._loop.call_soon_threadsafe(lambda: self._held.update(self._watches))

    def close_line(self, line: int) -> None:
        """Give the address back."""
        self._call(self._close_line(self._lines[line]))

    def reset(self) -> None:
        """Forget what was seen and expect nothing bad."""
        self.decide = lambda request: None
        self.seen.clear()
        self.answers.clear()
        self._writes = 0

    def created(self) -> Iterator[str]:
        """What was made, once for each time it was: `shop/deployments/demo-web`."""
        for request, status in self.answers:
            if status == 201 and request.method == "PATCH":
                yield "/".join(request.path.split("/")[-3:])

    # -- inside ----------------------------------------------------------------------------------------------

    def _call(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _open(self) -> None:
        context = ssl.create_default_context(cafile=str(self._plane.ca_file))
        connector = aiohttp.TCPConnector(ssl=context, limit=0)
        self._session = aiohttp.ClientSession(
            connector=connector, auto_decompress=False, timeout=aiohttp.ClientTimeout(total=None)
        )

    async def _close(self) -> None:
        for line in self._lines:
            await self._close_line(line)
        if self._session is not None:
            await self._session.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        gc.collect()
        # Connections under TLS, and those that were aborted, end in the next turns of the loop.
        await asyncio.sleep(0.1)

    async def _close_line(self, line: _Line) -> None:
        line.alive = False
        await line.runner.cleanup()
        # Whoever connected while the line was being closed is met a few turns of the loop later, by a server
        # that has been shut down already; and what is aborted ends in a later turn, too.
        for _ in range(5):
            await asyncio.sleep(0)
            await line.server.shutdown(0)

    async def _open_line(self) -> int:
        number = len(self._lines)

        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._handle(number, request)

        application = web.Application(client_max_size=16 * 2**20)
        application.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self._lines.append(_Line(runner, runner.server, runner.addresses[0][1]))
        return number

    async def _handle(self, line: int, request: web.Request) -> web.StreamResponse:
        if self.one_at_a_time and request.method in WRITES:
            async with self._turn:
                return await self._serve(line, request)
        return await self._serve(line, request)

    async def _serve(self, line: int, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        counts = request.method in WRITES and "/leases" not in request.path
        if counts and self._lines[line].alive:
            self._writes += 1
        seen = Seen(
            line,
            request.method,
            request.path,
            self._writes if counts else 0,
            request.query.get("watch") == "true",
            request.headers.get("User-Agent", ""),
            body,
        )
        if not self._lines[line].alive:
            return self._hang_up(request)
        self.seen.append(seen)
        fault = self.decide(seen)
        match fault:
            case Delay(seconds):
                await asyncio.sleep(seconds)
            case Drop(after=False):
                return self._hang_up(request)
            case Answer(status, reason, message):
                self.answers.append((seen, status))
                text = {
                    "kind": "Status",
                    "status": "Failure",
                    "reason": reason,
                    "message": message,
                    "code": status,
                }
                return web.json_response(text, status=status)
            case Cut(after=False):
                self._lines[line].alive = False
                self.cut(line)
                return self._hang_up(request)
        if seen.watch:
            if isinstance(fault, StreamError):
                status = {
                    "kind": "Status",
                    "status": "Failure",
                    "code": fault.code,
                    "message": "etcdserver: leader changed",
                }
                return web.Response(text=json.dumps({"type": "ERROR", "object": status}) + "\n")
            return await self._forward_watch(line, request, stalled=isinstance(fault, Stall))
        status, headers, content = await self._forward(request, body)
        self.answers.append((seen, status))
        match fault:
            case Drop(after=True):
                return self._hang_up(request)
            case Cut(after=True):
                self._lines[line].alive = False
                self.cut(line)
                return self._hang_up(request)
        if not self._lines[line].alive:
            return self._hang_up(request)
        return web.Response(status=status, headers=headers, body=content)

    async def _forward(self, request: web.Request, body: bytes) -> tuple[int, dict[str, str], bytes]:
        assert self._session is not None
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        url = self._plane.url + request.path_qs
        async with self._session.request(request.method, url, headers=headers, data=body or None) as answer:
            content = await answer.read()
            kept = {
                n: v
                for n, v in answer.headers.items()
                if n.lower() in ("content-type", "retry-after", "content-encoding")
            }
            return answer.status, kept, content

    async def _forward_watch(self, line: int, request: web.Request, *, stalled: bool) -> web.StreamResponse:
        assert self._session is not None
        task = asyncio.current_task()
        assert task is not None
        self._watches.add(task)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        try:
            async with self._session.get(self._plane.url + request.path_qs, headers=headers) as answer:
                response = web.StreamResponse(
                    status=answer.status, headers={"Content-Type": "application/json"}
                )
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    if not self._lines[line].alive:
                        break
                    if not stalled and task not in self._held:
                        await response.write(chunk)
                return response
        except aiohttp.ClientError:
            # One of the two sides has gone.
            return self._hang_up(request)
        except asyncio.CancelledError:
            if request.transport is not None:
                request.transport.abort()
            raise
        finally:
            self._watches.discard(task)
            self._held.discard(task)

    @staticmethod
    def _hang_up(request: web.Request) -> web.Response:
        if request.transport is not None:
            request.transport.abort()
        return web.Response()
