"""The trading gate: closed in time whatever happens, open again by itself, and never open for a wrong reason."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse.domain.trading_gate import Gate
from alluse.runtime.http_client import HttpError, HttpReply
from alluse.runtime.http_server import HttpRequest
from alluse.schemas.agent import GateReading as Reading
from alluse.services.enhanced_agent import gating
from conversations import Conversation, conversation
from inprocess import until

LIMIT = 5.0
NAMES = ("drawdown-protection", "portfolio-risk-monitor")
PROTECTION, RISK = NAMES

#: What may happen: time passes, or somebody is looked at (the look began a little earlier).
steps = st.lists(
    st.one_of(
        st.floats(0, 10).map(lambda seconds: ("wait", seconds, None)),
        st.tuples(st.sampled_from(NAMES), st.floats(0, 2), st.sampled_from(Reading)),
    ),
    max_size=60,
)


def replay(history: list[Any]) -> tuple[Gate, float, dict[str, list[tuple[float, Reading]]]]:
    now, gate = 100.0, Gate.new(NAMES, LIMIT, 100.0)
    seen: dict[str, list[tuple[float, Reading]]] = {name: [] for name in NAMES}
    for who, seconds, reading in history:
        if who == "wait":
            now += seconds
        else:
            gate = gate.seen(who, reading, "", now - seconds)
            seen[who].append((now - seconds, reading))
        gate = gate.settled(now)
    return gate, now, seen


@given(steps)
def test_open_only_while_both_were_good_within_the_limit(history: list[Any]) -> None:
    gate, now, seen = replay(history)
    for looks in seen.values():
        good = [at for at, reading in looks if reading is Reading.GOOD]
        if gate.open:
            assert good
            assert now - max(good) <= LIMIT
    assert gate.open is (not gate.blockers(now))


@given(steps, st.floats(LIMIT + 0.001, 100))
def test_it_closes_by_itself_when_nobody_looks_any_more(history: list[Any], later: float) -> None:
    gate, now, _ = replay(history)
    assert {each.component for each in gate.blockers(now + later)} == set(NAMES)
    assert not gate.settled(now + later).open


@given(steps)
def test_it_opens_by_itself_when_both_are_good(history: list[Any]) -> None:
    gate, now, _ = replay(history)
    for name in NAMES:
        gate = gate.seen(name, Reading.GOOD, "", now)
    assert gate.settled(now).open


@given(steps)
def test_a_blocker_names_the_first_bad_look_after_the_last_good_one(history: list[Any]) -> None:
    gate, now, _ = replay(history)
    for each in gate.blockers(now):
        assert each.component in NAMES
        assert each.since <= now
        good_at = gate.guardians[each.component].good_at
        assert good_at is None or each.since >= good_at


@given(steps)
def test_the_announced_moment_of_closing_is_right(history: list[Any]) -> None:
    gate, now, _ = replay(history)
    closes = gate.closes_at()
    if closes is not None and closes > now:
        assert gate.settled(now).open
        assert not gate.settled(closes + 0.001).open


@given(steps, steps)
def test_what_the_gate_does_not_require_changes_nothing(history: list[Any], more: list[Any]) -> None:
    gate, now, _ = replay(history)
    assert gate.seen("market-analyzer", Reading.UNKNOWN, "", now) == gate


def test_at_the_start_it_is_closed() -> None:
    gate = Gate.new(NAMES, LIMIT, 0.0)
    assert [(each.component, each.since) for each in gate.blockers(0.0)] == [(name, 0.0) for name in NAMES]
    half = gate.seen(PROTECTION, Reading.GOOD, "", 0.0)
    assert [each.component for each in half.blockers(0.0)] == [RISK]


def test_a_late_look_does_not_undo_a_newer_one() -> None:
    gate = Gate.new((RISK,), LIMIT, 0.0).seen(RISK, Reading.UNHEALTHY, "wrong", 9.0)
    assert gate.seen(RISK, Reading.GOOD, "", 8.0) == gate


# -- at work -------------------------------------------------------------------------------------------


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def talk(tmp_path: Path) -> AsyncIterator[Conversation]:
    async with conversation(tmp_path) as running:
        yield running


async def gate_of(talk: Conversation) -> dict[str, Any]:
    found: dict[str, Any] = (await talk.agent.get("/v1/trading-gate")).json
    return found


def unhealthy(_: HttpRequest) -> HttpReply:
    report = {
        "component": PROTECTION,
        "version": "1",
        "status": "unhealthy",
        "uptime_s": 1.0,
        "config_revision": 1,
        "checks": [
            {"name": "self-test", "status": "unhealthy", "critical": True, "detail": "peak: got 2, want 1"}
        ],
        "ts": "2026-01-05T12:00:00Z",
    }
    return HttpReply(503, {}, json.dumps(report).encode())


def unreachable(_: HttpRequest) -> HttpReply:
    raise HttpError("connection refused")


def nonsense(_: HttpRequest) -> HttpReply:
    return HttpReply(200, {}, b"hello")


@pytest.mark.parametrize(
    ("answers", "reading", "detail"),
    [
        (unhealthy, "unhealthy", "peak: got 2, want 1"),
        (unreachable, "unknown", "connection refused"),
        (nonsense, "unknown", "without a health report"),
    ],
)
@pytest.mark.parametrize("component", NAMES)
async def test_it_closes_after_the_limit_says_who_and_opens_again(
    talk: Conversation, component: str, answers: Any, reading: str, detail: str
) -> None:
    if answers is unhealthy and component != PROTECTION:
        detail = f"{PROTECTION} answered in its place"
        reading = "unknown"
    clock = Clock()
    keeper = talk.agent.state.gate = gating.Gatekeeper(talk.agent.runtime.context, clock)
    await keeper.look()
    assert (await gate_of(talk))["open"]
    talk.system.played[component] = answers
    clock.now += LIMIT - 1
    await keeper.look()
    clock.now += 1
    assert (await gate_of(talk))["open"], "not before the limit"
    clock.now += 0.001
    state = await gate_of(talk)
    assert not state["open"], "without another look"
    (blocker,) = state["blockers"]
    assert (blocker["component"], blocker["reading"]) == (component, reading)
    assert detail in blocker["detail"]

    told = await talk.say("u1", 'recommend_trades {"amount": 50000}')
    assert told["decision"]["response_type"] == "gate_closed"
    assert component in told["reply"]
    assert f"since {blocker['since'][:10]}" in told["reply"]
    assert (told["degraded"], "trades" in told["data"]) == ([component], False)
    for message in ("select_delta", 'size_position {"amount": 50000}', "recommend_trades"):
        assert (await talk.say("u1", message))["decision"]["response_type"] == "gate_closed"
    assert (await talk.say("u1", "market_outlook"))["degraded"] == []
    talk.agent.runtime.board.forget_report()
    health = await talk.agent.get("/health")
    checks = {each["name"]: each for each in health.json["checks"]}
    assert (health.status, health.json["status"]) == (200, "degraded")
    assert component in checks["trading-gate"]["detail"]

    del talk.system.played[component]
    clock.now += 1
    await keeper.look()
    assert (await gate_of(talk))["open"]
    assert (await talk.say("u1", "select_delta"))["decision"]["response_type"] == "delta"


async def test_a_change_is_an_event_and_a_metric(talk: Conversation) -> None:
    heard: list[Any] = []

    def hear(request: HttpRequest) -> HttpReply:
        if request.path == "/events":
            body = json.loads(request.body)
            heard.extend(body if isinstance(body, list) else [body])
        return HttpReply(202, {}, b'{"accepted": 1, "repeated": 0, "ignored": 0}')

    talk.system.played["production-logger"] = hear
    clock = Clock()
    keeper = talk.agent.state.gate = gating.Gatekeeper(talk.agent.runtime.context, clock)
    await keeper.look()
    assert "alluse_trading_gate_open 1" in (await talk.agent.get("/metrics")).body.decode()
    talk.without(RISK)
    for _ in range(2):
        clock.now += LIMIT - 1
        await keeper.look()
    text = (await talk.agent.get("/metrics")).body.decode()
    assert "alluse_trading_gate_open 0" in text
    assert "alluse_trading_gate_seconds 0" in text

    def told() -> list[Any]:
        return [each["data"] for each in heard if each["type"] == "com.alluse.agent.gate_closed.v1"]

    (data,) = await until(told, "the event has arrived")
    assert [each["component"] for each in data["blockers"]] == [RISK]


async def test_a_guard_that_fails_in_the_turn_stops_new_entries_at_once(talk: Conversation) -> None:
    await talk.say("u1", 'setup_accounts {"amount": 900000}')
    assert (await talk.say("u1", "recommend_trades"))["degraded"] == []
    talk.without(PROTECTION)
    answer = await talk.say("u1", "recommend_trades")
    assert answer["degraded"] == [PROTECTION]
    assert all(trade["contracts"] is None and trade["size"] is None for trade in answer["data"]["trades"])
    assert "No new entry: drawdown-protection does not answer" in answer["reply"]


async def test_who_is_required_is_configured(talk: Conversation, monkeypatch: pytest.MonkeyPatch) -> None:
    config = talk.agent.runtime.context.config
    text = type(config).text

    def configured(self: Any, key: str) -> str:
        return f"{RISK}, market-analyzer" if key == gating.KEY_REQUIRES else text(self, key)

    monkeypatch.setattr(type(config), "text", configured)
    keeper = talk.agent.state.gate = gating.Gatekeeper(talk.agent.runtime.context, Clock())
    talk.without(PROTECTION)
    await keeper.look()
    state = await gate_of(talk)
    assert (state["open"], state["requires"]) == (True, [RISK, "market-analyzer"])


async def test_the_limit_is_configured(tmp_path: Path) -> None:
    async with conversation(tmp_path) as talk:
        clock = Clock()
        keeper = talk.agent.state.gate = gating.Gatekeeper(talk.agent.runtime.context, clock)
        await keeper.look()
        assert (await gate_of(talk))["within_seconds"] == 5.0
        assert keeper.next_look_s() <= gating.EVERY_S
        clock.now += LIMIT - 0.3
        assert keeper.next_look_s() == pytest.approx(0.3, abs=0.05), "it looks when it would close"
