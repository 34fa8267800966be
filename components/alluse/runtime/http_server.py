"""An HTTP/1.1 server over asyncio: whole requests in, whole replies out. What is not plain is h11's.

What is bounded: the number of connections, the size of headers (h11: 16 KiB together) and of bodies, the
time in which a started request must have arrived whole, the time a connection may be idle or an answer
unread. While a request is worked on, no more is read from its connection, so requests sent ahead wait in the
kernel. Stopping refuses new connections, closes idle ones, lets running requests finish within a time and
then gives up on what is left.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import h11

from alluse.runtime import http_plain
from alluse.runtime.http_client import HttpReply

MAX_BODY: Final = (1 << 20) + 4096
MAX_CONNECTIONS: Final = 512
#: Longer than the client keeps an idle connection, so that the client is the one to close it.
KEEP_ALIVE_S: Final = 75.0
#: Time for a started request to arrive whole.
RECEIVE_S: Final = 15.0
#: How long a client that was refused may go on sending before the connection ends.
LINGER_S: Final = 1.0
_SERVER_ERROR: Final = HttpReply(500, {"content-type": "text/plain"}, b"internal error\n")
_UNWRITABLE: Final = b"HTTP/1.1 500 \r\ncontent-length: 0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request; `query` is raw, header names are in lower case, repeated headers joined by commas."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


Handler = Callable[[HttpRequest], Awaitable[HttpReply]]


class HttpServer:
    """Listens on one port and hands requests to a handler."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.stopping = False
        self.connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None
        self._idle = asyncio.Event()

    async def accept(self, sock: socket.socket) -> int:
        """Begin to accept on a socket that listens, and own it. Returns its port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), sock=sock)
        return int(sock.getsockname()[1])

    async def stop(self, timeout_s: float) -> None:
        """Stop accepting, finish what runs within the time, then close everything."""
        self.stopping = True
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.close_if_idle()
        try:
            async with asyncio.timeout(timeout_s):
                while self.connections:
                    self._idle.clear()
                    await self._idle.wait()
        except TimeoutError:
            for connection in list(self.connections):
                connection.abort()

    def forget(self, connection: "_Connection") -> None:
        self.connections.discard(connection)
        self._idle.set()


class _Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        #: Made for the first message that is not plain: most connections never have one.
        self._h11: h11.Connection | None = None
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._request: h11.Request | None = None
        self._chunks: list[bytes] = []
        self._size = 0
        self._receiving = False
        #: The request being worked on was plain: h11 knows nothing of it.
        self._plain = False
        #: It was answered that its message cannot be read: what it still sends is let go by.
        self._refused = False
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._server.stopping or len(self._server.connections) >= MAX_CONNECTIONS:
            transport.abort()
            return
        self._server.connections.add(self)
        self._wait(KEEP_ALIVE_S)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._cancel_timer()
        if self._task is None:
            self._server.forget(self)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if self._between_messages() and (plain := http_plain.read_request(data)) is not None:
            path, _, query = plain.target.partition("?")
            self._plain = True
            self._begin(HttpRequest(plain.method, path, query, plain.headers, plain.body))
            return
        if not self._receiving:
            # Once for the whole request: a client that sends byte by byte gains no time.
            self._receiving = True
            self._wait(RECEIVE_S)
        try:
            self._http.receive_data(data)
            self._advance()
        except h11.RemoteProtocolError as error:
            self._refuse(error.error_status_hint, str(error))

    def _between_messages(self) -> bool:
        """Whether what arrives now begins a message: h11 holds nothing of one."""
        if self._task is not None or self._receiving:
            return False
        held = self._h11
        return held is None or (held.their_state is h11.IDLE and not held.trailing_data[0])

    @property
    def _http(self) -> h11.Connection:
        if self._h11 is None:
            self._h11 = h11.Connection(h11.SERVER)
        return self._h11

    def eof_received(self) -> bool | None:
        return self._task is not None

    def close_if_idle(self) -> None:
        if self._task is None and self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._task is not None:
            self._task.cancel()
        if self._transport is not None:
            self._transport.abort()

    def _advance(self) -> None:
        """Read events until a request is whole or more data are needed."""
        while self._task is None:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                if self._http.they_are_waiting_for_100_continue:
                    self._write(h11.InformationalResponse(status_code=100, headers=[]))
                return
            if event is h11.PAUSED:
                return
            if isinstance(event, h11.Request):
                self._request, self._chunks, self._size = event, [], 0
            elif isinstance(event, h11.Data):
                self._size += len(event.data)
                if self._size > MAX_BODY:
                    self._refuse(413, f"the body is larger than {MAX_BODY} bytes")
                    return
                self._chunks.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                assert self._request is not None
                request = _request(self._request, b"".join(self._chunks))
                self._request, self._chunks, self._receiving = None, [], False
                self._begin(request)
            else:
                if self._transport is not None:
                    self._transport.close()
                return

    def _begin(self, request: HttpRequest) -> None:
        self._cancel_timer()
        if self._transport is not None:
            self._transport.pause_reading()
        self._task = self._loop.create_task(self._answer(request))

    async def _answer(self, request: HttpRequest) -> None:
        try:
            try:
                reply = await self._server.handler(request)
            except Exception:
                reply = _SERVER_ERROR
            self._reply(reply, head=request.method == "HEAD")
        finally:
            self._task = None
            if self._transport is None:
                self._server.forget(self)
        if self._transport is None:
            return
        if self._server.stopping or not (self._plain or self._http.our_state is h11.DONE):
            self._transport.close()
            return
        self._wait(KEEP_ALIVE_S)
        self._transport.resume_reading()
        if self._plain:
            self._plain = False
            return
        try:
            self._http.start_next_cycle()
            self._advance()
        except h11.RemoteProtocolError as error:
            self._refuse(error.error_status_hint, str(error))

    def _reply(self, reply: HttpReply, head: bool) -> None:
        if self._transport is None:
            return
        if self._plain:
            headers = {**reply.headers, "connection": "close"} if self._server.stopping else reply.headers
            self._transport.write(
                http_plain.write_answer(reply.status, headers, reply.body, head) or _UNWRITABLE
            )
            return
        fields = [(name, value) for name, value in reply.headers.items() if name != "content-length"]
        if reply.status != 204:
            fields.append(("content-length", str(len(reply.body))))
        if self._server.stopping:
            fields.append(("connection", "close"))
        message = self._bytes(h11.Response(status_code=reply.status, headers=fields))
        if reply.body and not head and reply.status != 204:
            message += self._bytes(h11.Data(data=reply.body))
        self._transport.write(message + self._bytes(h11.EndOfMessage()))

    def _refuse(self, status: int, reason: str) -> None:
        """Answer a message that cannot be read and end the connection."""
        if self._transport is None:
            return
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = f"{reason}\n".encode()
            headers = [
                ("content-type", "text/plain; charset=utf-8"),
                ("content-length", str(len(body))),
                ("connection", "close"),
            ]
            self._write(h11.Response(status_code=status, headers=headers))
            self._write(h11.Data(data=body))
            self._write(h11.EndOfMessage())
        if self._server.stopping:
            self._transport.close()
            return
        # Closed while the client still sends, the connection would be reset, and the answer lost with it.
        self._refused = True
        self._transport.write_eof()
        self._cancel_timer()
        self._timer = self._loop.call_later(LINGER_S, self._transport.close)

    def _write(self, event: Any) -> None:
        if self._transport is not None:
            self._transport.write(self._bytes(event))

    def _bytes(self, event: Any) -> bytes:
        return self._http.send(event) or b""

    def _wait(self, seconds: float) -> None:
        """Close the connection unless something happens within the time."""
        self._cancel_timer()
        self._timer = self._loop.call_later(seconds, self._timed_out)

    def _timed_out(self) -> None:
        if self._transport is None or self._task is not None:
            return
        if self._transport.get_write_buffer_size():
            self._transport.abort()
        elif self._receiving:
            self._refuse(408, f"the request did not arrive within {RECEIVE_S:g} s")
        else:
            self._transport.close()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _request(event: h11.Request, body: bytes) -> HttpRequest:
    headers: dict[str, str] = {}
    for raw_name, raw_value in event.headers:
        name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    path, _, query = event.target.decode("latin-1").partition("?")
    return HttpRequest(event.method.decode("ascii"), path, query, headers, body)
