"""What the server promises to every client: bounds, order, and an orderly end."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from alluse.runtime import http_server
from alluse.runtime.http_client import HttpClient, HttpError, HttpReply, HttpTimeoutError
from alluse.runtime.http_server import HttpRequest, HttpServer
from alluse.runtime.listening import listen
from inprocess import until

Handler = Callable[[HttpRequest], Awaitable[HttpReply]]


async def echo(request: HttpRequest) -> HttpReply:
    return HttpReply(200, {"content-type": "text/plain", "x-path": request.path}, request.body or b"nothing")


class Wire:
    """A client that sends what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 5)).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return int(first.split()[1]), headers, body

    async def ended(self) -> bool:
        return await asyncio.wait_for(self.reader.read(), 5) == b""


@asynccontextmanager
async def listening(handler: Handler = echo) -> AsyncIterator[tuple[HttpServer, int]]:
    server = HttpServer(handler)
    port = await server.accept(listen("127.0.0.1", 0))
    try:
        yield server, port
    finally:
        await server.stop(1.0)


@asynccontextmanager
async def wire(port: int) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def post(path: str, body: bytes, headers: str = "") -> bytes:
    return f"POST {path} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {len(body)}\r\n\r\n".encode() + body


async def test_a_connection_is_kept_for_the_next_request() -> None:
    async with listening() as (server, port), wire(port) as client:
        for path in ("/one", "/two"):
            client.send(post(path, b"body"))
            status, headers, body = await client.answer()
            assert (status, headers["x-path"], body) == (200, path, b"body")
        assert len(server.connections) == 1


async def test_requests_sent_ahead_are_answered_in_their_order() -> None:
    order: list[str] = []

    async def slow_first(request: HttpRequest) -> HttpReply:
        if request.path == "/0":
            await asyncio.sleep(0.05)
        order.append(request.path)
        return await echo(request)

    async with listening(slow_first) as (_, port), wire(port) as client:
        client.send(b"".join(post(f"/{number}", b"x") for number in range(5)))
        paths = [(await client.answer())[1]["x-path"] for _ in range(5)]
    assert paths == order == [f"/{number}" for number in range(5)]


async def test_while_a_request_runs_nothing_more_is_read() -> None:
    release = asyncio.Event()

    async def wait(request: HttpRequest) -> HttpReply:
        await release.wait()
        return await echo(request)

    async with listening(wait) as (server, port), wire(port) as client:
        client.send(post("/", b"x"))
        await until(lambda: [c for c in server.connections if c._task is not None], "the request runs")
        flood = post("/", b"y" * 100_000) * 100
        client.send(flood)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.writer.drain()
        release.set()
        for _ in range(101):
            assert (await client.answer())[0] == 200


async def test_headers_that_are_too_large_are_refused() -> None:
    async with listening() as (_, port), wire(port) as client:
        client.send(b"GET / HTTP/1.1\r\nhost: x\r\nlong: " + b"a" * 20_000)
        assert (await client.answer())[0] == 431
        assert await client.ended()


async def test_a_body_that_is_too_large_is_refused_before_it_has_arrived() -> None:
    async with listening() as (_, port), wire(port) as client:
        size = 10 * http_server.MAX_BODY
        client.send(f"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {size}\r\n\r\n".encode())
        client.send(b"a" * (http_server.MAX_BODY + 1))
        assert (await client.answer())[0] == 413


async def test_a_refused_client_may_go_on_sending_and_is_not_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reset, it could lose the answer that it has not read yet."""
    monkeypatch.setattr(http_server, "LINGER_S", 60.0)
    async with listening() as (_, port), wire(port) as client, wire(port) as other:
        client.send(b"nonsense\r\n\r\n")
        assert (await client.answer())[0] == 400
        assert await client.ended()
        for _ in range(2):
            client.send(b"more")
            # What was sent before this answer has arrived, and with it what the server's end makes of it.
            other.send(post("/", b""))
            assert (await other.answer())[0] == 200
        connection = client.writer.get_extra_info("socket")
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        assert not client.writer.transport.is_closing()


async def test_a_refused_client_that_sends_for_ever_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "LINGER_S", 0.1)
    async with listening() as (server, port), wire(port) as client:
        client.send(b"nonsense\r\n\r\n")
        assert (await client.answer())[0] == 400
        assert len(server.connections) == 1

        def dropped() -> bool:
            client.send(b"more")
            return not server.connections

        await until(dropped, "the connection is dropped")


async def test_a_client_that_sends_byte_by_byte_gains_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "RECEIVE_S", 0.2)
    async with listening() as (_, port), wire(port) as client:

        async def trickle() -> None:
            for byte in b"GET / HTTP/1.1\r\nhost: " + b"x" * 1000:
                client.send(bytes([byte]))
                await asyncio.sleep(0.02)

        trickling = asyncio.create_task(trickle())
        status, _, _ = await client.answer()
        trickling.cancel()
    assert status == 408


async def test_an_idle_connection_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "KEEP_ALIVE_S", 0.1)
    async with listening() as (_, port), wire(port) as client:
        client.send(post("/", b""))
        await client.answer()
        assert await client.ended()


async def test_a_client_that_does_not_read_its_answer_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "KEEP_ALIVE_S", 0.1)

    async def huge(request: HttpRequest) -> HttpReply:
        return HttpReply(200, {}, b"x" * (32 << 20))

    async with listening(huge) as (server, port), wire(port) as client:
        client.send(post("/", b""))
        await until(lambda: server.connections, "the connection is there")
        await until(lambda: not server.connections, "the connection is dropped")


async def test_one_connection_too_many_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "MAX_CONNECTIONS", 1)
    async with listening() as (server, port), wire(port) as first:
        first.send(post("/", b""))
        await first.answer()
        async with wire(port) as second:
            second.send(post("/", b""))
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await second.answer()
        assert len(server.connections) == 1


@pytest.mark.parametrize(
    "message",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
    ],
    ids=["no HTTP", "no host", "a negative length"],
)
async def test_what_is_no_http_is_answered_with_400(message: bytes) -> None:
    async with listening() as (_, port), wire(port) as client:
        client.send(message)
        assert (await client.answer())[0] == 400
        assert await client.ended()


async def test_expect_100_is_answered_before_the_body() -> None:
    async with listening() as (_, port), wire(port) as client:
        client.send(b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
        assert (await client.answer())[0] == 100
        client.send(b"ok")
        assert (await client.answer())[2] == b"ok"


async def test_a_chunked_body_is_read_whole() -> None:
    async with listening() as (_, port), wire(port) as client:
        client.send(
            b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
        )
        assert (await client.answer())[2] == b"abc"


async def test_a_body_that_looks_like_a_request_is_a_body() -> None:
    """Also when it arrives by itself, behind a message that was sent ahead."""
    inner = post("/inner", b"x")
    seen: list[HttpRequest] = []

    async def note(request: HttpRequest) -> HttpReply:
        seen.append(request)
        return await echo(request)

    async with listening(note) as (_, port), wire(port) as client:
        outer = post("/outer", inner)
        client.send(post("/first", b"") + outer[: -len(inner)])
        assert (await client.answer())[1]["x-path"] == "/first"
        client.send(inner)
        assert (await client.answer())[1]["x-path"] == "/outer"
    assert [(request.path, request.body) for request in seen] == [("/first", b""), ("/outer", inner)]


async def test_a_header_that_cannot_be_written_gives_500() -> None:
    async def fail(request: HttpRequest) -> HttpReply:
        return HttpReply(200, {"x": "a\r\nb: c"}, b"")

    async with listening(fail) as (_, port), wire(port) as client:
        client.send(post("/", b""))
        assert (await client.answer())[0] == 500


async def test_head_has_headers_and_no_body() -> None:
    async with listening() as (_, port), wire(port) as client:
        client.send(b"HEAD /x HTTP/1.1\r\nhost: x\r\n\r\n" + post("/next", b"after"))
        head = (await client.reader.readuntil(b"\r\n\r\n")).decode()
        assert "content-length: 7" in head
        assert (await client.answer())[2] == b"after"


async def test_a_handler_that_raises_gives_500_and_the_server_goes_on() -> None:
    async def fail(request: HttpRequest) -> HttpReply:
        if request.path == "/bad":
            raise RuntimeError("boom")
        return await echo(request)

    async with listening(fail) as (_, port), wire(port) as client:
        client.send(post("/bad", b""))
        assert (await client.answer())[0] == 500
        client.send(post("/good", b""))
        assert (await client.answer())[0] == 200


async def test_stopping_finishes_what_runs_and_refuses_what_is_new() -> None:
    release = asyncio.Event()

    async def wait(request: HttpRequest) -> HttpReply:
        await release.wait()
        return await echo(request)

    async with listening(wait) as (server, port), wire(port) as busy, wire(port) as idle:
        busy.send(post("/", b"last"))
        await until(lambda: [c for c in server.connections if c._task is not None], "the request runs")
        await until(lambda: len(server.connections) == 2, "both are connected")
        stopping = asyncio.create_task(server.stop(5.0))
        assert await idle.ended()
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", port)
        release.set()
        status, headers, body = await busy.answer()
        assert (status, headers["connection"], body) == (200, "close", b"last")
        await asyncio.wait_for(stopping, 5)
        assert await busy.ended()


async def test_stopping_gives_up_on_what_takes_too_long() -> None:
    async def never(request: HttpRequest) -> HttpReply:
        await asyncio.Event().wait()
        raise AssertionError

    async with listening(never) as (server, port), wire(port) as client:
        client.send(post("/", b""))
        await until(lambda: [c for c in server.connections if c._task is not None], "the request runs")
        started = asyncio.get_running_loop().time()
        await server.stop(0.1)
        assert asyncio.get_running_loop().time() - started < 2
        await until(lambda: not server.connections, "the connection is gone")


# -- the client ----------------------------------------------------------------------------------------


async def ask(client: HttpClient, port: int, method: str = "GET", timeout_s: float = 5.0) -> HttpReply:
    return await client.request(f"http://127.0.0.1:{port}", method, "/x?y=1", {"a": "b"}, b"", timeout_s)


async def test_the_client_uses_a_connection_again() -> None:
    client = HttpClient()
    async with listening() as (server, port):
        for _ in range(3):
            reply = await ask(client, port)
            assert (reply.status, reply.headers["x-path"]) == (200, "/x")
        assert len(server.connections) == 1
        await client.close()


async def test_the_client_gets_over_a_server_that_began_anew() -> None:
    client = HttpClient()
    async with listening() as (_, port):
        await ask(client, port)
    server = HttpServer(echo)
    await server.accept(listen("127.0.0.1", port))
    assert (await ask(client, port, "POST")).status == 200
    await client.close()
    await server.stop(1.0)


@pytest.mark.parametrize(
    ("pieces", "body"),
    [
        pytest.param([b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab", b"cd"], b"abcd", id="in two parts"),
        pytest.param([b"HTTP/1.1 2", b"00 OK\r\ncontent-length: 2\r\n\r\nab"], b"ab", id="a broken head"),
        pytest.param(
            [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n", b"0\r\n\r\n"],
            b"ab",
            id="in chunks",
        ),
        pytest.param([b"HTTP/1.1 204 \r\n\r\n"], b"", id="no body"),
        pytest.param([b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab"], None, id="broken off"),
        pytest.param([b"HTTP/1.1 200 OK\r\nconte"], None, id="broken off in the head"),
    ],
)
async def test_the_client_reads_an_answer_however_it_arrives(pieces: list[bytes], body: bytes | None) -> None:
    ended = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02)
        writer.close()
        await writer.wait_closed()
        ended.set()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = HttpClient()
    if body is None:
        with pytest.raises(HttpError):
            await ask(client, port)
    else:
        assert (await ask(client, port)).body == body
    await ended.wait()
    await client.close()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize(("method", "received"), [("GET", 3), ("POST", 2)])
async def test_the_client_repeats_only_what_does_no_harm(method: str, received: int) -> None:
    """The second request is read and then left without an answer, as by a server that dies over it."""
    requests: list[bytes] = []

    async def dies_over_the_second(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while True:
                requests.append(await reader.readuntil(b"\r\n\r\n"))
                if len(requests) == 2:
                    break
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(dies_over_the_second, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = HttpClient()
    assert (await ask(client, port, method)).status == 200
    if method == "GET":
        assert (await ask(client, port, method)).status == 200
    else:
        with pytest.raises(HttpError):
            await ask(client, port, method)
    assert len(requests) == received
    await client.close()
    server.close()
    await server.wait_closed()


async def test_the_client_says_when_nobody_is_there() -> None:
    client = HttpClient()
    async with listening() as (_, port):
        pass
    with pytest.raises(HttpError, match="cannot reach"):
        await ask(client, port)


async def test_the_client_waits_only_so_long() -> None:
    async def never(request: HttpRequest) -> HttpReply:
        await asyncio.Event().wait()
        raise AssertionError

    client = HttpClient()
    async with listening(never) as (server, port):
        with pytest.raises(HttpTimeoutError):
            await ask(client, port, timeout_s=0.1)
        await server.stop(0.1)
    await client.close()


async def test_the_client_does_not_take_nonsense_for_an_answer() -> None:
    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"hello?\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(nonsense, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = HttpClient()
    with pytest.raises(HttpError, match="does not speak HTTP"):
        await ask(client, port)
    server.close()
    await server.wait_closed()
