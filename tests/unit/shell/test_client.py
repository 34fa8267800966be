"""The client: what it sends, for the requests in which a word too few would harm."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from alluse_operator.cluster.client import Client
from alluse_operator.cluster.kinds import CONFIG_MAP, DEPLOYMENT
from alluse_operator.errors import ApiError

Sent = list[tuple[str, str, Any]]


@asynccontextmanager
async def client(directory: Path, status: int = 200) -> AsyncIterator[tuple[Client, Sent]]:
    """A client of a server that notes what it is sent and answers always the same."""
    sent: Sent = []

    async def answer(request: web.Request) -> web.Response:
        sent.append((request.method, request.path_qs, await request.json() if request.body_exists else None))
        return web.json_response({"kind": "Status", "message": "so it is", "reason": "X"}, status=status)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    path = directory / "kubeconfig"
    entry = {"name": "x", "cluster": {"server": f"http://127.0.0.1:{runner.addresses[0][1]}"}}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "clusters": [entry],
        "users": [{"name": "x", "user": {"token": "t"}}],
    }
    path.write_text(json.dumps(config), encoding="utf-8")
    made = await Client.connect(kubeconfig=str(path), agent="tests")
    try:
        yield made, sent
    finally:
        await made.close()
        await runner.cleanup()


Request = Callable[[Client], Awaitable[Any]]
BODY = {"metadata": {"name": "a", "namespace": "shop"}}
REQUESTS: dict[str, tuple[Request, tuple[str, str, Any]]] = {
    "an eviction is of one very pod": (
        lambda c: c.evict("shop", "a-1", uid="uid-1"),
        (
            "POST",
            "/api/v1/namespaces/shop/pods/a-1/eviction",
            {
                "apiVersion": "policy/v1",
                "kind": "Eviction",
                "metadata": {"name": "a-1", "namespace": "shop"},
                "deleteOptions": {"preconditions": {"uid": "uid-1"}},
            },
        ),
    ),
    "a deletion is of one very object": (
        lambda c: c.delete(DEPLOYMENT, "shop", "a", uid="uid-1", propagation="Foreground", grace_seconds=0),
        (
            "DELETE",
            "/apis/apps/v1/namespaces/shop/deployments/a",
            {
                "apiVersion": "v1",
                "kind": "DeleteOptions",
                "preconditions": {"uid": "uid-1"},
                "propagationPolicy": "Foreground",
                "gracePeriodSeconds": 0,
            },
        ),
    ),
    "an apply says who applies": (
        lambda c: c.apply(CONFIG_MAP, BODY, "me", force=False),
        ("PATCH", "/api/v1/namespaces/shop/configmaps/a?fieldManager=me&force=false", BODY),
    ),
    "of a status, too": (
        lambda c: c.apply(CONFIG_MAP, BODY, "me", subresource="status"),
        ("PATCH", "/api/v1/namespaces/shop/configmaps/a/status?fieldManager=me&force=true", BODY),
    ),
}


@pytest.mark.parametrize("title", REQUESTS)
async def test_what_is_sent(title: str, tmp_path: Path) -> None:
    request, expected = REQUESTS[title]
    async with client(tmp_path) as (made, sent):
        await request(made)
    assert sent == [expected]


async def test_a_refusal_is_an_error_with_the_servers_words(tmp_path: Path) -> None:
    async with client(tmp_path, status=422) as (made, _):
        with pytest.raises(ApiError, match="so it is") as caught:
            await made.get(CONFIG_MAP, "shop", "a")
    assert (caught.value.status, caught.value.reason, caught.value.transient) == (422, "X", False)
