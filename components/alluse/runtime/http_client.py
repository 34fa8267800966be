"""A small HTTP/1.1 client: keep-alive connections per host, one deadline for the whole exchange.

Only what components need to talk to each other: plain TCP, no redirects, no proxies, no cookies. What is not
a plain message is h11's.
"""

import asyncio
import socket
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import h11

from alluse.runtime import http_plain

MAX_BODY: Final = 16 << 20
IDLE_S: Final = 30.0
#: Who is there takes a connection at once; this leaves room for one that was lost on its way.
CONNECT_S: Final = 1.25
#: As many as a burst of users keeps busy at once: opening one anew costs as much as the exchange itself.
IDLE_PER_HOST: Final = 32
REMEMBER_NAME_S: Final = 10.0
LOOKUP_THREADS: Final = 4
_READ: Final = 65_536
_BROKEN_OFF: Final = "the connection was closed in the middle of the answer"
_SAFE_TO_REPEAT: Final = frozenset({"GET", "HEAD", "PUT", "DELETE"})


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What came back; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpError(Exception):
    """No usable answer: the peer could not be reached or does not speak HTTP."""


class HttpTimeoutError(HttpError):
    """The time for the exchange was over before the answer was complete."""


class Transport(Protocol):
    """Exchanges one request for one reply; raises HttpError."""

    async def request(
        self,
        base_url: str,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        timeout_s: float,
    ) -> HttpReply: ...

    async def close(self) -> None: ...


class _StaleError(Exception):
    """A kept connection was closed by the peer before it answered anything."""


class HttpClient:
    """Transport over TCP."""

    def __init__(self) -> None:
        self._idle: dict[tuple[str, int], list[tuple[float, _Connection]]] = {}
        self._names = _Names()

    async def request(
        self,
        base_url: str,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        timeout_s: float,
    ) -> HttpReply:
        parts = urlsplit(base_url)
        address = (parts.hostname or "", parts.port or 80)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._exchange(address, method, parts.path + target, headers, body)
        except TimeoutError:
            raise HttpTimeoutError(f"no answer from {parts.netloc} within {timeout_s:.2f} s") from None
        except OSError as error:
            raise HttpError(f"cannot reach {parts.netloc}: {error.strerror or error}") from None
        except h11.ProtocolError as error:
            raise HttpError(f"{parts.netloc} does not speak HTTP: {error}") from None

    async def _exchange(
        self, address: tuple[str, int], method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> HttpReply:
        while (kept := self._kept(address)) is not None:
            try:
                return await self._on(kept, address, method, target, headers, body)
            except _StaleError:
                if method not in _SAFE_TO_REPEAT:
                    raise ConnectionResetError("the kept connection was closed") from None
        try:
            streams = await _connect(await self._names.resolve(address), address[1])
        except OSError:
            self._names.forget(address)
            raise
        connection = _Connection(*streams, host=address)
        try:
            return await self._on(connection, address, method, target, headers, body)
        except _StaleError:
            raise ConnectionResetError("closed the connection without an answer") from None

    async def _on(
        self,
        connection: "_Connection",
        address: tuple[str, int],
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
    ) -> HttpReply:
        try:
            reply = await connection.exchange(method, target, headers, body)
        except BaseException:
            connection.close()
            raise
        # Who knows nothing of what was asked for may be somebody else, who had taken over an address when the
        # connection was opened. The next exchange finds its own way.
        if reply.status != HTTPStatus.NOT_FOUND and connection.reusable():
            now, kept = time.monotonic(), self._idle.setdefault(address, [])
            kept.append((now, connection))
            # The last used is used next, so those of a burst that is over grow old at the front.
            while len(kept) > IDLE_PER_HOST or now - kept[0][0] > IDLE_S:
                kept.pop(0)[1].close()
        else:
            connection.close()
        return reply

    def _kept(self, address: tuple[str, int]) -> "_Connection | None":
        """The connection used last, if it is still open and young."""
        kept = self._idle.get(address, [])
        while kept:
            since, connection = kept.pop()
            if time.monotonic() - since < IDLE_S and not connection.closed_by_peer():
                return connection
            connection.close()
        return None

    async def close(self) -> None:
        """Close what is kept, and wait until the sockets are gone."""
        connections = [connection for kept in self._idle.values() for _, connection in kept]
        self._idle.clear()
        for connection in connections:
            connection.close()
        await asyncio.gather(*(connection.closed() for connection in connections))
        # Those that were closed after a failure go with the next round of the event loop.
        await asyncio.sleep(0)
        self._names.close()


async def _connect(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Raises OSError."""
    try:
        async with asyncio.timeout(CONNECT_S) as timer:
            return await asyncio.open_connection(host, port)
    except TimeoutError:
        if timer.expired():
            raise ConnectionError(f"no connection within {CONNECT_S:g} s") from None
        raise


class _Names:
    """Addresses of host names, for a short time, looked up in threads of their own.

    A look-up blocks its thread, for ten seconds when the name server is silent: computations must not
    wait behind that.
    """

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None
        self._known: dict[tuple[str, int], tuple[float, str]] = {}

    async def resolve(self, address: tuple[str, int]) -> str:
        """The first address of a host. Raises OSError."""
        known = self._known.get(address)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        if self._threads is None:
            self._threads = ThreadPoolExecutor(max_workers=LOOKUP_THREADS, thread_name_prefix="names")
        found = await asyncio.get_running_loop().run_in_executor(self._threads, _look_up, address)
        self._known[address] = (time.monotonic() + REMEMBER_NAME_S, found)
        return found

    def forget(self, address: tuple[str, int]) -> None:
        self._known.pop(address, None)

    def close(self) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(address: tuple[str, int]) -> str:
    return str(socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0][4][0])


class _Connection:
    """One TCP connection and its HTTP state."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: tuple[str, int]
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._host = host
        #: Made for the first answer that is not plain: most connections never have one.
        self._h11: h11.Connection | None = None
        #: The last answer was plain and ended where it said: h11 knows nothing of it.
        self._whole = False

    @property
    def _http(self) -> h11.Connection:
        if self._h11 is None:
            self._h11 = h11.Connection(h11.CLIENT)
        return self._h11

    async def exchange(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> HttpReply:
        host, port = self._host
        fields = [("host", f"[{host}]:{port}" if ":" in host else f"{host}:{port}"), *headers.items()]
        if body or method in ("POST", "PUT", "PATCH"):
            fields.append(("content-length", str(len(body))))
        plain = None if method == "HEAD" else http_plain.write_request(method, target, fields, body)
        try:
            if plain is None:
                self._writer.write(self._sent(method, target, fields, body))
                await self._writer.drain()
                return await self._receive()
            self._writer.write(plain)
            await self._writer.drain()
            return await self._receive_plain(method, target, fields, body)
        except (ConnectionResetError, BrokenPipeError):
            raise _StaleError from None

    async def _receive_plain(
        self, method: str, target: str, fields: list[tuple[str, str]], body: bytes
    ) -> HttpReply:
        """The answer, if its beginning shows that it is plain; else h11 hears of both request and answer."""
        data = await self._reader.read(_READ)
        if not data:
            raise _StaleError
        head = http_plain.read_head(data)
        if head is None or head.length > MAX_BODY:
            self._sent(method, target, fields, body)
            self._http.receive_data(data)
            return await self._receive(begun=True)
        missing = head.start + head.length - len(data)
        if missing > 0:
            try:
                data += await self._reader.readexactly(missing)
            except asyncio.IncompleteReadError:
                raise h11.RemoteProtocolError(_BROKEN_OFF) from None
        self._whole = missing >= 0
        return HttpReply(head.status, head.headers, data[head.start : head.start + head.length])

    def _sent(self, method: str, target: str, fields: list[tuple[str, str]], body: bytes) -> bytes:
        self._whole = False
        message = self._send(h11.Request(method=method, target=target, headers=fields))
        if body:
            message += self._send(h11.Data(data=body))
        return message + self._send(h11.EndOfMessage())

    def _send(self, event: Any) -> bytes:
        return self._http.send(event) or b""

    async def _receive(self, begun: bool = False) -> HttpReply:
        status, headers, chunks, size = 0, {}, [], 0
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                data = await self._reader.read(_READ)
                if not data and not status and not begun:
                    raise _StaleError
                begun = True
                self._http.receive_data(data)
            elif isinstance(event, h11.Response):
                status = event.status_code
                headers = {name.decode("ascii"): value.decode("latin-1") for name, value in event.headers}
            elif isinstance(event, h11.Data):
                size += len(event.data)
                if size > MAX_BODY:
                    raise h11.RemoteProtocolError(f"the answer is larger than {MAX_BODY} bytes")
                chunks.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                return HttpReply(status, headers, b"".join(chunks))
            elif isinstance(event, h11.ConnectionClosed):
                raise h11.RemoteProtocolError(_BROKEN_OFF)

    def reusable(self) -> bool:
        """Make the connection ready for another exchange; False when that is not possible."""
        if self._whole:
            return True
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            return True
        return False

    def closed_by_peer(self) -> bool:
        return self._reader.at_eof() or self._writer.is_closing()

    def close(self) -> None:
        self._writer.close()

    async def closed(self) -> None:
        """Wait until a closed connection is gone."""
        with suppress(OSError):
            await self._writer.wait_closed()
