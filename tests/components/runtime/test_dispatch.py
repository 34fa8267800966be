"""From a request to a handler and back: validation, errors, time, repetition."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

from alluse.domain.errors import InsufficientDataError, InvalidInputError, UnknownSymbolError
from alluse.runtime import budget
from alluse.runtime.errors import ConflictError
from alluse.runtime.peers import PeerRefusedError, PeerTimeoutError, PeerUnreachableError
from alluse.runtime.service import Call, Endpoint, Reply, Service
from alluse.schemas.base import Answer, Request
from inprocess import Component, component


class Order(Request):
    symbol: str
    size: Annotated[int, Field(ge=1)]


class Confirmation(Answer):
    text: str


class Listing(Request):
    id: str
    tags: list[str] = Field(default_factory=list)
    limit: Annotated[int, Field(ge=1, le=10)] = 5


class Place(Request):
    id: str
    loud: bool = False


made: list[str] = []

ERRORS = {
    "conflict": ConflictError("no"),
    "invalid": InvalidInputError("strike", "must be positive"),
    "unknown": UnknownSymbolError("symbol", "XYZ is unknown"),
    "few": InsufficientDataError("bars", "60 are needed"),
    "unreachable": PeerUnreachableError("market-analyzer", "cannot reach it"),
    "late": PeerTimeoutError("market-analyzer", "too late"),
    "refused": PeerRefusedError("market-analyzer", 422, None),
    "bug": RuntimeError("secret detail"),
}


async def order(call: Call[None], request: Order) -> Confirmation:
    made.append(request.symbol)
    return Confirmation(text=f"{request.symbol} x {request.size} #{len(made)}")


async def listing(call: Call[None], request: Listing) -> dict[str, object]:
    return request.model_dump()


async def place(call: Call[None], request: Order) -> Reply:
    return Reply({"id": call.params.id, "loud": call.params.loud}, status=201, headers={"x-made": "yes"})


async def raise_(call: Call[None]) -> None:
    raise ERRORS[call.path["which"]]


async def slow(call: Call[None]) -> None:
    await asyncio.sleep(30)


async def quick(call: Call[None]) -> None:
    return None


SERVICE: Service[None] = Service(
    name="market-analyzer",
    endpoints=(
        Endpoint("POST", "/v1/orders", order, Order, Confirmation, changes_state=True),
        Endpoint("GET", "/v1/lists/{id}", listing, Listing),
        Endpoint("PUT", "/v1/places/{id}", place, Order, params=Place),
        Endpoint("GET", "/v1/raise/{which}", raise_),
        Endpoint("GET", "/v1/slow", slow),
        Endpoint("GET", "/v1/quick", quick, budget=0.000001),
    ),
)


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[Component]:
    made.clear()
    async with component(SERVICE, tmp_path) as running:
        yield running


async def test_a_valid_request_reaches_the_handler(it: Component) -> None:
    answer = await it.post("/v1/orders", {"symbol": "KO", "size": 2})
    assert (answer.status, answer.json) == (200, {"text": "KO x 2 #1"})


async def test_wrong_fields_are_named(it: Component) -> None:
    answer = await it.post("/v1/orders", {"size": 0, "sise": 1})
    assert answer.status == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json
    assert {error["field"] for error in problem["errors"]} == {"symbol", "size", "sise"}
    assert problem["trace_id"] == answer.headers["traceparent"].split("-")[1]
    assert made == []


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {}, 400),
        (b"", {}, 400),
        (b"\xff\xfe", {}, 400),
        (b"[1]", {}, 422),
        (b"[" * 100_000, {}, 400),
        (b'{"symbol": "KO", "size": 1}', {"content-type": "text/plain"}, 400),
        (b'{"symbol": "KO", "size": NaN}', {}, 422),
        (b" " * (1 << 20) + b"{}", {}, 413),
    ],
    ids=["broken", "empty", "no text", "a list", "deep", "other type", "NaN", "too large"],
)
async def test_messages_that_cannot_be_read(
    it: Component, body: bytes, headers: dict[str, str], status: int
) -> None:
    assert (await it.call("POST", "/v1/orders", body, headers=headers)).status == status


async def test_path_and_query_are_validated_together(it: Component) -> None:
    answer = await it.get("/v1/lists/a%20b", tags=["x", "y,z"], limit=3)
    assert answer.json == {"id": "a b", "tags": ["x", "y", "z"], "limit": 3}
    assert (await it.get("/v1/lists/a", limit=11)).status == 422
    assert (await it.get("/v1/lists/a", limit=[1, 2])).status == 422
    assert (await it.get("/v1/lists/a", unknown=1)).status == 422


async def test_a_body_and_parameters_are_apart(it: Component) -> None:
    answer = await it.call("PUT", "/v1/places/7", {"symbol": "KO", "size": 1}, query={"loud": "true"})
    assert (answer.status, answer.json, answer.headers["x-made"]) == (201, {"id": "7", "loud": True}, "yes")


@pytest.mark.parametrize(
    ("which", "status", "field"),
    [
        ("conflict", 409, None),
        ("invalid", 422, "strike"),
        ("unknown", 404, "symbol"),
        ("few", 409, "bars"),
        ("unreachable", 503, None),
        ("late", 503, None),
        ("refused", 500, None),
        ("bug", 500, None),
    ],
)
async def test_errors_become_problems(it: Component, which: str, status: int, field: str | None) -> None:
    answer = await it.get(f"/v1/raise/{which}")
    assert (answer.status, answer.json["status"]) == (status, status)
    assert [error["field"] for error in answer.json["errors"]] == ([field] if field else [])


@pytest.mark.parametrize(("sanitize", "shown"), [(True, False), (False, True)])
async def test_details_of_a_failure_are_shown_only_where_it_is_allowed(
    tmp_path: Path, sanitize: bool, shown: bool
) -> None:
    config = {"security.error_sanitization": sanitize, "logging.format": "json"}
    async with component(SERVICE, tmp_path, config=config) as it:
        answer = await it.get("/v1/raise/bug")
        assert ("secret detail" in answer.json["detail"]) is shown
        (record,) = [record for record in it.records if record["level"] == "ERROR"]
    assert "RuntimeError: secret detail" in record["exception"]
    assert record["trace_id"] == answer.json["trace_id"]


async def test_unknown_paths_and_methods(it: Component) -> None:
    assert (await it.get("/v1/nothing")).status == 404
    answer = await it.call("DELETE", "/v1/orders")
    assert (answer.status, "POST" in answer.json["detail"]) == (405, True)
    assert answer.headers["allow"] == "POST"
    assert (await it.call("POST", "/v1/quick")).headers["allow"] == "GET, HEAD"
    assert (await it.call("HEAD", "/v1/quick")).status == 204


async def test_the_caller_s_time_is_kept(it: Component) -> None:
    answer = await it.call("GET", "/v1/slow", headers={"X-Deadline-Ms": "30"})
    assert answer.status == 504
    assert (await it.call("GET", "/v1/quick", headers={"X-Deadline-Ms": "0"})).status == 504


async def test_our_own_time_limit_is_kept(tmp_path: Path) -> None:
    async with component(SERVICE, tmp_path, config={"performance.async.timeout_seconds": 0.05}) as it:
        assert (await it.get("/v1/slow")).status == 504


async def test_trace_and_request_id_are_continued(it: Component) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01", "X-Request-Id": "mine"}
    answer = await it.call("GET", "/v1/quick", headers=headers)
    assert answer.headers["traceparent"].split("-")[1] == trace
    assert answer.headers["x-request-id"] == "mine"


@pytest.mark.parametrize("header", ["", "nonsense", "00-" + "0" * 32 + "-b7ad6b7169203331-01"])
async def test_a_bad_trace_begins_a_new_one(it: Component, header: str) -> None:
    answer = await it.call("GET", "/v1/quick", headers={"traceparent": header, "X-Request-Id": "a b"})
    assert len(answer.headers["traceparent"].split("-")[1].strip("0")) > 0
    assert " " not in answer.headers["x-request-id"]


async def test_a_repeated_post_has_one_effect(it: Component) -> None:
    body = {"symbol": "KO", "size": 1}
    key = {"Idempotency-Key": "k1"}
    first = await it.post("/v1/orders", body, **key)
    again = await it.post("/v1/orders", body, **key)
    assert (again.status, again.json, made) == (200, first.json, ["KO"])
    assert again.headers["idempotency-replayed"] == "true"
    other_user = await it.post("/v1/orders", body, **key, **{"X-User-Id": "u2"})
    assert other_user.json != first.json
    assert (await it.post("/v1/orders", {"symbol": "PG", "size": 1}, **key)).status == 422
    assert len(made) == 2


async def test_a_repeated_post_is_remembered_over_a_restart(tmp_path: Path) -> None:
    made.clear()
    for _ in range(2):
        async with component(SERVICE, tmp_path) as it:
            answer = await it.post("/v1/orders", {"symbol": "KO", "size": 1}, **{"Idempotency-Key": "k"})
            assert answer.json["text"] == "KO x 1 #1"
    assert made == ["KO"]


async def test_a_refused_post_may_be_corrected_under_the_same_key(it: Component) -> None:
    key = {"Idempotency-Key": "k"}
    assert (await it.post("/v1/orders", {"symbol": "KO"}, **key)).status == 422
    assert (await it.post("/v1/orders", {"symbol": "KO", "size": 1}, **key)).status == 200


async def test_an_overrun_budget_is_counted_and_makes_degraded(
    it: Component, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "LASTING_S", 0.0)
    for _ in range(25):
        await it.get("/v1/quick")
    metrics = (await it.get("/metrics")).body.decode()
    assert 'alluse_budget_exceeded_total{op="GET /v1/quick"} 25' in metrics
    it.runtime.board.forget_report()
    report = (await it.get("/health")).json
    (check,) = [check for check in report["checks"] if check["name"] == "budgets"]
    assert (check["status"], report["status"]) == ("degraded", "degraded")


async def test_requests_are_counted_by_route_and_not_by_path(it: Component) -> None:
    for number in range(3):
        await it.get(f"/v1/lists/{number}")
    metrics = (await it.get("/metrics")).body.decode()
    assert 'alluse_requests_total{route="/v1/lists/{id}",code="200"} 3' in metrics
    assert 'alluse_request_seconds_count{route="/v1/lists/{id}"} 3' in metrics


async def test_a_component_that_stops_takes_no_work_but_says_that_it_lives(it: Component) -> None:
    it.runtime.refuse_work()
    assert (await it.get("/v1/quick")).status == 503
    assert (await it.get("/health/ready")).status == 503
    assert (await it.get("/health/live")).status == 200


async def test_the_document_describes_every_endpoint(it: Component) -> None:
    document = (await it.get("/openapi.json")).json
    assert document["openapi"].startswith("3.1")
    operations = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert {(endpoint.method, endpoint.path) for endpoint in SERVICE.endpoints} <= operations
    assert ("GET", "/health/ready") in operations
    put = document["paths"]["/v1/places/{id}"]["put"]
    assert {(parameter["name"], parameter["in"]) for parameter in put["parameters"]} == {
        ("id", "path"),
        ("loud", "query"),
    }
    order_type = put["requestBody"]["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
    assert document["components"]["schemas"][order_type]["required"] == ["symbol", "size"]


async def test_health_and_metrics_have_a_second_path_where_the_configuration_says_so(tmp_path: Path) -> None:
    config = {"deployment.health_check_path": "/status", "deployment.metrics_path": "/numbers"}
    async with component(SERVICE, tmp_path, config=config) as it:
        assert (await it.get("/status")).json["component"] == "market-analyzer"
        assert b"alluse_inflight" in (await it.get("/numbers")).body
        assert (await it.get("/health")).status == 200
        assert (await it.post("/status")).status == 404
