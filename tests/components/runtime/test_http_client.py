"""The client's connections: kept while they lead where they should."""

from __future__ import annotations

import pytest

from alluse.runtime.http_client import HttpClient, HttpReply
from alluse.runtime.http_server import HttpRequest, HttpServer
from alluse.runtime.listening import listen


@pytest.mark.parametrize(
    ("first", "kept"),
    [
        pytest.param(200, True, id="an answer is given by whom we wanted"),
        pytest.param(503, True, id="so is a refusal"),
        pytest.param(404, False, id="who knows no such path may be somebody else at the same address"),
    ],
)
async def test_a_connection_is_used_again_while_it_leads_where_it_should(first: int, kept: bool) -> None:
    statuses, seen = [first, 200], []

    async def answer(request: HttpRequest) -> HttpReply:
        seen.append(set(server.connections))
        return HttpReply(statuses.pop(0), {}, b"")

    server, client = HttpServer(answer), HttpClient()
    address = f"http://127.0.0.1:{await server.accept(listen('127.0.0.1', 0))}"
    try:
        for _ in range(2):
            await client.request(address, "GET", "/v1/thing", {}, b"", 5.0)
    finally:
        await client.close()
        await server.stop(1.0)
    assert bool(seen[0] & seen[1]) is kept
