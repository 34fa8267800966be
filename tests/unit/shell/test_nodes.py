"""The observer: nodes are listed seldom, and only by who serves all namespaces."""

from __future__ import annotations

import asyncio
from typing import Any

import fake_api
import virtual_time
from alluse_operator.cluster.kinds import MIRRORED, NODE, POD
from alluse_operator.cluster.mirror import Key, Mirror
from alluse_operator.cluster.observer import NODES_LISTED_EVERY, Observer
from alluse_operator.errors import ApiError
from alluse_operator.metrics import Metrics

KEY = Key("shop", "demo")


def make(api: fake_api.FakeApi, *namespaces: str) -> tuple[Observer, Mirror]:
    mirror = Mirror(lambda: asyncio.get_running_loop().time())
    observer = Observer(
        api,  # type: ignore[arg-type]
        mirror,
        namespaces=namespaces,
        clock=virtual_time.LoopClock(),
        metrics=Metrics(),
    )
    return observer, mirror


def listings(api: fake_api.FakeApi) -> list[str]:
    return [request.kind for request in api.requests if request.verb == "LIST"]


def node(status: str) -> dict[str, Any]:
    return {
        "metadata": {"name": "one", "namespace": ""},
        "status": {"conditions": [{"type": "Ready", "status": status}]},
    }


def test_nodes_are_listed_once_in_a_while_and_wake_who_has_pods_there() -> None:
    async def scenario() -> None:
        api = fake_api.FakeApi()
        api.put(NODE, node("True"))
        pod = {"name": "a", "namespace": "shop", "labels": {"alluse.io/system": "demo"}}
        api.put(POD, {"metadata": pod, "spec": {"nodeName": "one"}})
        observer, mirror = make(api)
        await observer.resync()
        assert listings(api).count("Node") == 1
        assert len(listings(api)) == len(MIRRORED) + 1
        assert [obj["metadata"]["name"] for obj in mirror.nodes.known()] == ["one"]
        api.put(NODE, node("False"))
        await observer.resync()
        assert listings(api).count("Node") == 1
        await asyncio.sleep(NODES_LISTED_EVERY.total_seconds())
        assert KEY in await observer.resync()
        assert listings(api).count("Node") == 2

    virtual_time.run(scenario())


def test_who_serves_some_namespaces_asks_for_no_nodes_and_is_not_the_worse_for_it() -> None:
    async def scenario() -> None:
        api = fake_api.FakeApi()
        api.fault = fake_api.failing(99, ApiError(403, "Forbidden", "no"), kind="Node")
        observer, mirror = make(api, "shop")
        await observer.resync()
        assert "Node" not in listings(api)
        assert (observer.errors, list(mirror.nodes.known())) == ({}, [])
        assert observer.synced_at is not None

    virtual_time.run(scenario())


def test_without_the_right_to_read_nodes_it_works_and_does_not_ask_all_the_time() -> None:
    async def scenario() -> None:
        api = fake_api.FakeApi()
        api.fault = fake_api.failing(99, ApiError(403, "Forbidden", "no"), kind="Node")
        observer, _ = make(api)
        for _ in range(3):
            await observer.resync()
            await asyncio.sleep(10)
        assert listings(api).count("Node") == 1
        assert observer.errors == {}
        assert observer.synced_at is not None

    virtual_time.run(scenario())


def test_a_listing_of_nodes_that_fails_is_made_again_with_the_next() -> None:
    async def scenario() -> None:
        api = fake_api.FakeApi()
        api.fault = fake_api.failing(1, ApiError(503, "X", "later"), kind="Node")
        observer, _ = make(api)
        for _ in range(3):
            await observer.resync()
        assert listings(api).count("Node") == 2

    virtual_time.run(scenario())
