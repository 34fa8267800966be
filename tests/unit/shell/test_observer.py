"""The observer: how often it lists, and that it goes on whatever the API server does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import pytest

import virtual_time
from alluse_operator.api import names
from alluse_operator.cluster.client import Client
from alluse_operator.cluster.kinds import MIRRORED, POD
from alluse_operator.cluster.mirror import Key, Mirror
from alluse_operator.cluster.observer import TRUSTED_FOR, Observer, Rhythm
from alluse_operator.errors import ApiUnreachable
from alluse_operator.metrics import Metrics
from fake_api import FakeApi
from virtual_time import LoopClock

CHEAP = timedelta(seconds=0.08)
DEAR = timedelta(seconds=2)


@pytest.mark.parametrize(
    ("busy", "took", "failures", "seconds"),
    [
        pytest.param(True, CHEAP, 0, 10, id="often while something is under way"),
        pytest.param(True, DEAR, 0, 10, id="whatever it costs"),
        pytest.param(False, CHEAP, 0, 10, id="as often at rest, where it is cheap"),
        pytest.param(False, timedelta(seconds=1), 0, 20, id="a twentieth of the time at rest"),
        pytest.param(False, DEAR, 0, 30, id="but never more seldom than this"),
        pytest.param(False, CHEAP, 1, 1, id="soon again after a failure"),
        pytest.param(False, CHEAP, 2, 2, id="a little later after the next"),
        pytest.param(True, DEAR, 50, 5, id="and at last every few seconds"),
    ],
)
def test_how_long_it_pauses(busy: bool, took: timedelta, failures: int, seconds: float) -> None:
    pause = Rhythm().pause(busy=busy, took=took, failures=failures)
    assert pause == timedelta(seconds=seconds)


def test_what_is_known_stays_trusted_while_two_listings_in_a_row_fail() -> None:
    assert 3 * Rhythm().longest < TRUSTED_FOR


@dataclass
class Scene:
    """An observer that runs for ever, what it is told, and what it tells."""

    busy: bool = False
    api: FakeApi = field(default_factory=FakeApi)
    news: list[tuple[float, set[Key]]] = field(default_factory=list)
    observer: Observer = field(init=False)

    def __post_init__(self) -> None:
        loop = asyncio.get_running_loop()

        def changed(keys: Iterable[Key]) -> None:
            self.news.append((loop.time(), set(keys)))

        self.observer = Observer(
            cast("Client", self.api),
            Mirror(loop.time),
            namespaces=(),
            clock=LoopClock(),
            metrics=Metrics(),
        )
        self.task = asyncio.create_task(
            self.observer.run(busy=lambda: self.busy, changed=changed, appeared=lambda: None)
        )

    @property
    def listings(self) -> int:
        return sum(1 for request in self.api.requests if (request.verb, request.kind) == ("LIST", POD.name))


def scenario(play: Callable[[Scene], Awaitable[None]]) -> None:
    async def run() -> None:
        scene = Scene()
        try:
            await virtual_time.until(lambda: scene.observer.synced_at is not None)
            await play(scene)
        finally:
            scene.task.cancel()

    virtual_time.run(run())


def pod(name: str) -> dict[str, Any]:
    labels = {names.SYSTEM_LABEL: "demo", names.MANAGED_BY_LABEL: names.MANAGED_BY}
    return {"metadata": {"name": name, "namespace": "shop", "labels": labels}}


def test_at_rest_a_change_that_no_watch_tells_is_found_within_ten_seconds() -> None:
    async def play(scene: Scene) -> None:
        await asyncio.sleep(123)
        scene.api.put(POD, pod("web"))
        began = asyncio.get_running_loop().time()
        found = await virtual_time.until(lambda: scene.news[-1][1] == {Key("shop", "demo")})
        assert found - began <= 10.1

    scenario(play)


def test_where_listing_is_dear_it_is_done_seldom_until_something_is_under_way() -> None:
    async def play(scene: Scene) -> None:
        scene.api.latency = 0.5
        await asyncio.sleep(60)
        before = scene.listings
        await asyncio.sleep(300)
        assert 9 <= scene.listings - before <= 13
        before = scene.listings
        scene.busy = True
        began = asyncio.get_running_loop().time()
        await virtual_time.until(lambda: scene.listings >= before + 2)
        assert asyncio.get_running_loop().time() - began <= 25

    scenario(play)


def test_it_goes_on_when_the_api_server_has_been_away_for_five_minutes() -> None:
    async def play(scene: Scene) -> None:
        def away(*_: object) -> None:
            raise ApiUnreachable("nobody answers")

        scene.api.fault = away
        await asyncio.sleep(300)
        assert len(scene.observer.errors) >= len(MIRRORED)
        assert scene.observer.age > TRUSTED_FOR
        scene.api.fault = None
        began = asyncio.get_running_loop().time()
        await virtual_time.until(lambda: not scene.observer.errors)
        assert asyncio.get_running_loop().time() - began <= 5.1
        assert scene.observer.age < timedelta(seconds=1)

    scenario(play)
