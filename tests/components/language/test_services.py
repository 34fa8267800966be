"""intent-detector and entity-extractor as a caller meets them."""

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from alluse.runtime.errors import SelfTestError
from alluse.runtime.http_client import HttpReply
from alluse.runtime.http_server import HttpRequest
from alluse.schemas.entities import ExtractAnswer
from alluse.schemas.intent import DetectAnswer, Intent, IntentsAnswer
from alluse.services import entity_extractor, intent_detector
from inprocess import Component, System, component, until

DETECTOR, EXTRACTOR = intent_detector.SERVICE, entity_extractor.SERVICE


@pytest.fixture
async def detector(tmp_path: Path) -> AsyncIterator[Component]:
    async with component(DETECTOR, tmp_path) as running:
        yield running


@pytest.fixture
async def extractor(tmp_path: Path) -> AsyncIterator[Component]:
    async with component(EXTRACTOR, tmp_path) as running:
        yield running


async def test_an_intent_with_its_context(detector: Component) -> None:
    reply = await detector.post("/v1/detect", {"text": "Hello, how is the market today?"})
    assert reply.status == 200
    answer = DetectAnswer.model_validate(reply.json)
    assert (answer.intent, answer.secondary) == (Intent.MARKET_OUTLOOK, [Intent.GREETING])
    context = {"has_accounts": False, "week_classified": None, "last_intent": "setup_accounts"}
    reply = await detector.post("/v1/detect", {"text": "well, some 80k then", "context": context})
    assert reply.json["intent"] == "provide_profile"


async def test_all_intents_are_listed(detector: Component) -> None:
    answer = IntentsAnswer.model_validate((await detector.get("/v1/intents")).json)
    assert {each.intent for each in answer.intents} == set(Intent) - {Intent.UNKNOWN}
    assert len(answer.model) == 64


@pytest.mark.parametrize(
    "body",
    [{}, {"text": ""}, {"text": "   "}, {"text": "a" * 2001}, {"text": 3}, {"text": "hi", "context": {"who": 1}},
     {"text": "hi", "context": {"last_intent": "nonsense"}}, b'{"text": "\\ud800"}'],
)  # fmt: skip
async def test_what_is_refused(detector: Component, extractor: Component, body: Any) -> None:
    reply = await detector.post("/v1/detect", body)
    assert reply.status in (400, 422)
    if body == {"text": "   "} or (isinstance(body, dict) and "context" in body):
        return
    assert (await extractor.post("/v1/extract", body)).status in (400, 422)


async def test_what_is_not_understood_is_told_without_the_text(tmp_path: Path) -> None:
    system, events = System(), list[dict[str, Any]]()

    def take(request: HttpRequest) -> HttpReply:
        body = json.loads(request.body) if request.path == "/events" else []
        events.extend(body if isinstance(body, list) else [body])
        return HttpReply(202, {}, b"")

    system.played["production-logger"] = take
    text = "purple bananas sing to Mr Miller"
    async with component(DETECTOR, tmp_path, system=system) as detector:
        assert (await detector.post("/v1/detect", {"text": text})).json["intent"] == "unknown"
        (event,) = await until(
            lambda: [e for e in events if e.get("type") == "com.alluse.intent.unknown.v1"], "event"
        )
        assert event["data"]["text_hash"] == hashlib.sha256(text.encode()).hexdigest()
        assert (event["data"]["length"], len(event["data"]["intents"])) == (len(text), 3)
        assert "Miller" not in json.dumps(events) + detector.out.getvalue()
        metrics = (await detector.get("/metrics")).body.decode()
        assert 'alluse_intent_total{intent="unknown",method="model"} 1' in metrics
        assert "Miller" not in metrics


async def test_entities_with_spans_and_flat_fields(extractor: Component) -> None:
    text = " I'm moderately aggressive with a $50,000 account, 2 SPY puts by next Thursday"
    reply = await extractor.post("/v1/extract", {"text": text, "now": "2024-06-17T23:30:00-04:00"})
    assert reply.status == 200
    answer = ExtractAnswer.model_validate(reply.json)
    assert (answer.amount, answer.risk_level, answer.contracts) == (50_000, "moderately_aggressive", 2)
    assert (answer.stock_symbols, answer.option_type) == (["SPY"], "put")
    # The day is that of the person's own clock.
    assert [day.isoformat() for day in answer.dates] == ["2024-06-20"]
    for entity in answer.entities:
        assert text[entity.start : entity.end] == entity.text


async def test_the_clock_is_now_when_nothing_is_said(extractor: Component) -> None:
    assert len((await extractor.post("/v1/extract", {"text": "tomorrow"})).json["dates"]) == 1


async def test_symbols_of_the_configuration(tmp_path: Path) -> None:
    config = {"protocol.sectors.SHOP": "Technology"}
    async with component(EXTRACTOR, tmp_path, config=config) as extractor:
        reply = await extractor.post("/v1/extract", {"text": "a put on shop"})
        assert reply.json["stock_symbols"] == ["SHOP"]


async def test_locale(extractor: Component) -> None:
    body = {"text": "3/4/2025", "locale": "en-GB"}
    assert (await extractor.post("/v1/extract", body)).json["dates"] == ["2025-04-03"]
    assert (await extractor.post("/v1/extract", {**body, "locale": "xx"})).status == 422


@pytest.mark.parametrize("now", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2024-06-17T00:00:00"])
async def test_any_moment_is_a_day(extractor: Component, now: str) -> None:
    text = "last year, next year, yesterday, tomorrow, in 3 weeks, end of the quarter"
    assert (await extractor.post("/v1/extract", {"text": text, "now": now})).status == 200


def test_a_wrong_answer_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    intent_detector.golden()
    entity_extractor.golden()
    monkeypatch.setattr(intent_detector, "GOLDEN", (("hello", Intent.HELP),))
    with pytest.raises(SelfTestError, match="got greeting, want help"):
        intent_detector.golden()
    monkeypatch.setattr(entity_extractor, "GOLDEN", (("50k", {"amount": 1.0}),))
    with pytest.raises(SelfTestError, match="amount is"):
        entity_extractor.golden()
