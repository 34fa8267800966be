"""Calls to peers: time, headers, retries that help and none that harm."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from alluse.contract import COMPONENTS
from alluse.runtime import peers
from alluse.runtime.http_client import HttpReply
from alluse.runtime.http_server import HttpRequest
from alluse.runtime.identity import Identity, StartError
from alluse.runtime.peers import (
    PeerFailedError,
    PeerRefusedError,
    PeerTimeoutError,
    PeerUnreachableError,
    PeerUnreadableError,
)
from alluse.runtime.service import Call, Endpoint, Service
from alluse.runtime.trace import Trace, current
from alluse.schemas.base import Answer
from inprocess import Component, System, component


class Price(Answer):
    price: float


class Analyzer:
    """Plays market-analyzer: a list of answers, the last of which is given for ever."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        self.answers = list(answers)
        self.requests: list[HttpRequest] = []

    def __call__(self, request: HttpRequest) -> HttpReply:
        self.requests.append(request)
        status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return HttpReply(status, {}, json.dumps(body).encode())


GOOD = (200, {"price": 1.5, "news": "ignored"})
BUSY = (503, {"title": "Unavailable", "status": 503, "detail": "busy"})


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> System:
    monkeypatch.setattr(peers, "FIRST_PAUSE_S", 0.001)
    return System()


@pytest.fixture
async def it(tmp_path: Path, system: System) -> AsyncIterator[Component]:
    async def forward(call: Call[None]) -> Price:
        return await call.context.peers.get("market-analyzer", "/v1/price", Price)

    service: Service[None] = Service(
        name="position-sizer", endpoints=(Endpoint("GET", "/v1/forward", forward),)
    )
    async with component(service, tmp_path, system=system) as running:
        yield running


async def test_an_answer_is_read_and_what_is_unknown_is_ignored(it: Component, system: System) -> None:
    analyzer = system.played["market-analyzer"] = Analyzer(GOOD)
    got = await it.runtime.peers.get(
        "market-analyzer", "/v1/price", Price, query={"symbol": "KO", "none": None, "tags": ["a", "b"]}
    )
    assert got == Price(price=1.5)
    assert analyzer.requests[0].query == "symbol=KO&tags=a&tags=b"


async def test_reading_is_tried_again(it: Component, system: System) -> None:
    analyzer = system.played["market-analyzer"] = Analyzer(BUSY, BUSY, GOOD)
    assert (await it.runtime.peers.get("market-analyzer", "/v1/price", Price)).price == 1.5
    assert len(analyzer.requests) == 3


@pytest.mark.parametrize(
    ("options", "requests"), [({}, 1), ({"safe": True}, 3), ({"idempotency_key": "k"}, 3)]
)
async def test_a_post_is_only_tried_again_where_that_is_safe(
    it: Component, system: System, options: dict[str, Any], requests: int
) -> None:
    analyzer = system.played["market-analyzer"] = Analyzer(BUSY)
    with pytest.raises(PeerFailedError, match="market-analyzer: answered 503: busy"):
        await it.runtime.peers.post("market-analyzer", "/v1/price", {}, Price, **options)
    assert len(analyzer.requests) == requests


async def test_a_refusal_is_not_tried_again_and_says_why(it: Component, system: System) -> None:
    problem = {"title": "Invalid input", "status": 422, "detail": "symbol: unknown"}
    analyzer = system.played["market-analyzer"] = Analyzer((422, problem))
    with pytest.raises(PeerRefusedError) as raised:
        await it.runtime.peers.get("market-analyzer", "/v1/price", Price)
    assert len(analyzer.requests) == 1
    assert raised.value.problem is not None
    assert raised.value.problem.detail == "symbol: unknown"


async def test_an_answer_that_breaks_the_contract_is_an_error(it: Component, system: System) -> None:
    system.played["market-analyzer"] = Analyzer((200, {"prize": 1}))
    with pytest.raises(PeerUnreadableError, match="answer is not a Price: price: Field required"):
        await it.runtime.peers.get("market-analyzer", "/v1/price", Price)


async def test_retries_have_a_budget(it: Component, system: System) -> None:
    analyzer = system.played["market-analyzer"] = Analyzer(BUSY)
    for _ in range(40):
        with pytest.raises(PeerFailedError):
            await it.runtime.peers.get("market-analyzer", "/v1/price", Price)
    assert 40 + peers.RETRIES_AT_FIRST - 1 <= len(analyzer.requests) <= 40 + peers.RETRIES_AT_FIRST + 4


async def test_who_is_missed_is_known_and_forgotten(it: Component, system: System) -> None:
    with pytest.raises(PeerUnreachableError):
        await it.runtime.peers.get("market-analyzer", "/v1/price", Price)
    assert "market-analyzer" in it.runtime.peers.down()
    assert 'alluse_dependency_up{dep="market-analyzer"} 0' in it.runtime.metrics.render()
    it.runtime.board.forget_report()
    report = (await it.get("/health")).json
    (check,) = [check for check in report["checks"] if check["name"] == "soft-dependencies"]
    assert (check["status"], "market-analyzer" in check["detail"]) == ("degraded", True)
    system.played["market-analyzer"] = Analyzer(GOOD)
    await it.runtime.peers.get("market-analyzer", "/v1/price", Price)
    assert "market-analyzer" not in it.runtime.peers.down()
    assert 'alluse_dependency_up{dep="market-analyzer"} 1' in it.runtime.metrics.render()


async def test_a_request_s_thread_goes_on_to_the_peer(it: Component, system: System) -> None:
    analyzer = system.played["market-analyzer"] = Analyzer(GOOD)
    trace = "0af7651916cd43dd8448eb211c80319c"
    answer = await it.call(
        "GET",
        "/v1/forward",
        headers={
            "traceparent": f"00-{trace}-b7ad6b7169203331-01",
            "X-Request-Id": "r1",
            "X-User-Id": "jane",
            "X-Deadline-Ms": "5000",
        },
    )
    assert answer.json == {"price": 1.5}
    headers = analyzer.requests[0].headers
    assert headers["traceparent"].split("-")[1] == trace
    assert headers["traceparent"].split("-")[2] != "b7ad6b7169203331"
    assert (headers["x-request-id"], headers["x-user-id"]) == ("r1", "jane")
    assert 0 < int(headers["x-deadline-ms"]) <= 5000


async def test_a_missing_peer_is_503_and_a_spent_deadline_504(it: Component, system: System) -> None:
    assert (await it.get("/v1/forward")).status == 503
    system.played["market-analyzer"] = Analyzer((504, {"title": "Deadline exceeded", "status": 504}))
    answer = await it.call("GET", "/v1/forward", headers={"X-Deadline-Ms": "4000"})
    assert answer.status == 504


async def test_nothing_is_asked_when_no_time_is_left(it: Component, system: System) -> None:
    analyzer = system.played["market-analyzer"] = Analyzer(GOOD)
    now = asyncio.get_running_loop().time()
    token = current.set(Trace(trace_id="a" * 32, request_id="r", deadline=now - 1))
    try:
        with pytest.raises(PeerTimeoutError):
            await it.runtime.peers.get("market-analyzer", "/v1/price", Price)
    finally:
        current.reset(token)
    assert analyzer.requests == []


# -- who am I, where are the others -------------------------------------------------------------------


def test_the_environment_says_who_and_where() -> None:
    identity = Identity.from_environ(
        {
            "ALLUSE_COMPONENT": "delta-selector",
            "ALLUSE_SYSTEM": "demo",
            "ALL_USE_ENV": "production",
            "ALLUSE_SERVICE_PREFIX": "demo-",
            "ALLUSE_PORT": "9000",
            "ALLUSE_PEERS": '{"config-manager": "http://127.0.0.1:1/"}',
            "ALL_USE__SYSTEM__DEBUG": "true",
            "POD_NAME": "demo-delta-selector-0",
        }
    )
    assert identity.facts is COMPONENTS["delta-selector"]
    assert (identity.environment, identity.port, identity.pod) == (
        "production",
        9000,
        "demo-delta-selector-0",
    )
    assert identity.url("market-analyzer") == "http://demo-market-analyzer:8080"
    assert identity.url("config-manager") == "http://127.0.0.1:1"
    assert identity.variables == {"ALL_USE__SYSTEM__DEBUG": "true"}


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({}, "ALLUSE_COMPONENT is ''"),
        ({"ALLUSE_COMPONENT": "nobody"}, "must be one of config-manager"),
        ({"ALLUSE_COMPONENT": "config-manager", "ALLUSE_PORT": "x"}, "ALLUSE_PORT is 'x'"),
        ({"ALLUSE_COMPONENT": "config-manager", "ALLUSE_PORT": "70000"}, "must be a port"),
        ({"ALLUSE_COMPONENT": "config-manager", "ALLUSE_PEERS": "x"}, "ALLUSE_PEERS is not JSON"),
        ({"ALLUSE_COMPONENT": "config-manager", "ALLUSE_PEERS": "[]"}, "must be a JSON object"),
        ({"ALLUSE_COMPONENT": "config-manager", "ALLUSE_PEERS": '{"x": "y"}'}, "unknown components: x"),
    ],
)
def test_a_wrong_environment_is_named(environ: dict[str, str], message: str) -> None:
    with pytest.raises(StartError, match=message):
        Identity.from_environ(environ)
