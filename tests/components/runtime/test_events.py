"""Events: sent until they are taken, taken once, and given up where that is right."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse.contract import COMPONENTS, EVENTS, consumers, event_name, event_type
from alluse.runtime import inbox, outbox
from alluse.runtime.context import Context
from alluse.runtime.events import Event, uuid7
from alluse.runtime.http_client import HttpReply
from alluse.runtime.http_server import HttpRequest
from alluse.runtime.service import Service
from inprocess import Component, System, component, until


def sender() -> Service[None]:
    """Emits market.condition_changed, consumed by memory-manager and portfolio-risk-monitor."""
    return Service(name="market-analyzer")


class Consumer:
    """Plays a component that takes events, as the test wants it."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.status = 202
        self.refuse: set[str] = set()

    def __call__(self, request: HttpRequest) -> HttpReply:
        batch = json.loads(request.body)
        if any(event["subject"] in self.refuse for event in batch):
            return HttpReply(422, {}, b"{}")
        if self.status == 202:
            self.got += batch
        return HttpReply(self.status, {}, b"{}")

    @property
    def subjects(self) -> list[str]:
        return [event["subject"] for event in self.got]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "FIRST_BACKOFF_S", 0.01)
    monkeypatch.setattr(outbox, "LAST_BACKOFF_S", 0.05)


async def emit(it: Component, *subjects: str) -> None:
    for subject in subjects:
        await it.runtime.outbox.emit("market.condition_changed", {"symbol": subject}, subject=subject)


async def test_every_consumer_gets_an_event_once(tmp_path: Path) -> None:
    system = System()
    memory, risk = Consumer(), Consumer()
    system.played = {"memory-manager": memory, "portfolio-risk-monitor": risk}
    async with component(sender(), tmp_path, system=system) as it:
        await emit(it, "A", "B")
        await until(lambda: memory.subjects == risk.subjects == ["A", "B"], "both have both")
    event = memory.got[0]
    assert event["type"] == "com.alluse.market.condition_changed.v1"
    assert event["source"] == "/alluse/market-analyzer"
    assert event["specversion"] == "1.0"
    assert event["data"] == {"symbol": "A"}


async def test_several_events_are_one_transaction(tmp_path: Path) -> None:
    system = System()
    memory = Consumer()
    system.played = {"memory-manager": memory, "portfolio-risk-monitor": Consumer()}
    async with component(sender(), tmp_path, system=system) as it:
        told = [({"symbol": name}, name) for name in "ABC"]
        await it.runtime.outbox.emit_all("market.condition_changed", told)
        await it.runtime.outbox.emit_all("market.condition_changed", [])
        await until(lambda: memory.subjects == ["A", "B", "C"], "all arrive in their order")


@pytest.mark.usefixtures("quick")
async def test_an_event_waits_for_a_consumer_that_fails(tmp_path: Path) -> None:
    system = System()
    memory, risk = Consumer(), Consumer()
    memory.status = 503
    system.played = {"memory-manager": memory, "portfolio-risk-monitor": risk}
    async with component(sender(), tmp_path, system=system) as it:
        await emit(it, "A")
        await until(lambda: risk.subjects == ["A"], "the other one is not held up")
        assert await it.runtime.outbox.waiting() == 1
        memory.status = 202
        await until(lambda: memory.subjects == ["A"], "the failing one gets it later")


async def test_an_event_survives_the_sender(tmp_path: Path) -> None:
    async with component(sender(), tmp_path) as it:
        await emit(it, "A")
    system = System()
    memory = Consumer()
    system.played = {"memory-manager": memory, "portfolio-risk-monitor": Consumer()}
    async with component(sender(), tmp_path, system=system):
        await until(lambda: memory.subjects == ["A"], "it is delivered by the next process")


@pytest.mark.usefixtures("quick")
async def test_what_cannot_be_delivered_in_time_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "GIVE_UP_S", 0.05)
    async with component(sender(), tmp_path, config={"logging.format": "json"}) as it:
        await emit(it, "A")

        async def nothing_waits() -> bool:
            return await it.runtime.outbox.waiting() == 0

        await until(nothing_waits, "it is given up")
        metrics = it.runtime.metrics.render()
        dead = await it.runtime.store.read(lambda db: db.execute("SELECT * FROM runtime_dead").fetchall())
        logged = [record for record in it.records if record["message"] == "event not delivered"]
    assert 'alluse_events_dead_total{type="market.condition_changed"} 2' in metrics
    assert {row["consumer"] for row in dead} == {"memory-manager", "portfolio-risk-monitor"}
    assert len(logged) == 2


async def test_one_refused_event_does_not_hold_up_the_others(tmp_path: Path) -> None:
    system = System()
    memory = Consumer()
    memory.refuse = {"B"}
    system.played = {"memory-manager": memory, "portfolio-risk-monitor": Consumer()}
    async with component(sender(), tmp_path, system=system) as it:
        await it.runtime.store.write(
            lambda db: [
                it.runtime.outbox.enqueue(db, "market.condition_changed", {}, subject) for subject in "ABC"
            ]
        )
        await until(lambda: memory.subjects == ["A", "C"], "the good ones arrive")
        dead = await until(
            lambda: it.runtime.store.read(lambda db: db.execute("SELECT * FROM runtime_dead").fetchall()),
            "the bad one is given up",
        )
    assert len(dead) == 1


async def test_an_event_of_a_transaction_that_fails_is_never_sent(tmp_path: Path) -> None:
    async with component(sender(), tmp_path) as it:

        def fail(db: Any) -> None:
            it.runtime.outbox.enqueue(db, "market.condition_changed", {})
            raise RuntimeError("no")

        with pytest.raises(RuntimeError):
            await it.runtime.store.write(fail)
        assert await it.runtime.outbox.waiting() == 0


async def test_only_one_s_own_events_can_be_emitted(tmp_path: Path) -> None:
    async with component(sender(), tmp_path) as it:
        with pytest.raises(ValueError, match=r"does not emit risk\.breach"):
            await it.runtime.outbox.emit("risk.breach", {})


# -- receiving -----------------------------------------------------------------------------------------


class Taker:
    def __init__(self) -> None:
        self.ids: list[str] = []
        self.fail = False

    def service(self) -> Service[None]:
        async def take(context: Context[None], event: Event) -> None:
            if self.fail:
                raise RuntimeError("not now")
            self.ids.append(event.id)

        return Service(name="memory-manager", consumers={"market.condition_changed": take})


def event(id_: str, type_: str = "com.alluse.market.condition_changed.v1") -> dict[str, Any]:
    return {"specversion": "1.0", "id": id_, "source": "/alluse/market-analyzer", "type": type_, "data": {}}


async def test_an_event_has_its_effect_once_even_over_a_restart(tmp_path: Path) -> None:
    taker = Taker()
    for _ in range(2):
        async with component(taker.service(), tmp_path) as it:
            for _ in range(2):
                assert (await it.post("/events", [event("1"), event("2")])).status == 202
    assert taker.ids == ["1", "2"]


async def test_a_handler_that_fails_gets_the_event_again(tmp_path: Path) -> None:
    taker = Taker()
    async with component(taker.service(), tmp_path) as it:
        taker.fail = True
        assert (await it.post("/events", event("1"))).status == 503
        taker.fail = False
        answer = await it.post("/events", event("1"))
        assert (answer.status, answer.json["accepted"]) == (202, 1)
    assert taker.ids == ["1"]


async def test_an_event_that_is_still_being_handled_is_not_acknowledged(tmp_path: Path) -> None:
    begun, release = asyncio.Event(), asyncio.Event()
    outcomes = [RuntimeError("lost on the way"), None]

    async def take(context: Context[None], event: Event) -> None:
        begun.set()
        await release.wait()
        if (error := outcomes.pop(0)) is not None:
            raise error

    service: Service[None] = Service(name="memory-manager", consumers={"market.condition_changed": take})
    async with component(service, tmp_path) as it:
        first = asyncio.create_task(it.post("/events", event("1")))
        await begun.wait()
        assert (await it.post("/events", event("1"))).status == 503
        release.set()
        assert (await first).status == 503
        assert (await it.post("/events", event("1"))).json["accepted"] == 1


async def test_a_handler_has_only_so_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "HANDLE_S", 0.05)

    async def take(context: Context[None], event: Event) -> None:
        await asyncio.Event().wait()

    service: Service[None] = Service(name="memory-manager", consumers={"market.condition_changed": take})
    async with component(service, tmp_path) as it:
        assert (await it.post("/events", event("1"))).status == 503


async def test_events_of_no_interest_are_acknowledged(tmp_path: Path) -> None:
    async with component(Taker().service(), tmp_path) as it:
        answer = await it.post("/events", event("1", "org.example.other"))
    assert (answer.status, answer.json) == (202, {"accepted": 0, "repeated": 0, "ignored": 1})


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"nonsense", 400),
        (b"3", 422),
        (b"{}", 422),
        (json.dumps({**event("1"), "specversion": "0.3"}).encode(), 422),
        (json.dumps({**event(""), "id": ""}).encode(), 422),
        (json.dumps([event(str(number)) for number in range(1001)]).encode(), 422),
    ],
    ids=["no JSON", "a number", "nothing", "other version", "no id", "too many"],
)
async def test_what_is_no_event_is_refused(tmp_path: Path, body: bytes, status: int) -> None:
    async with component(Taker().service(), tmp_path) as it:
        assert (await it.post("/events", body)).status == status


async def test_events_cross_from_one_component_to_another(tmp_path: Path) -> None:
    system, taker = System(), Taker()
    async with (
        component(taker.service(), tmp_path, system=system),
        component(sender(), tmp_path, system=system) as it,
    ):
        await emit(it, "A", "B", "C")
        await until(lambda: len(taker.ids) == 3, "all three have arrived")
    assert len(set(taker.ids)) == 3


# -- the table -----------------------------------------------------------------------------------------


def test_every_event_has_an_emitter_and_consumers_that_exist() -> None:
    for facts in EVENTS.values():
        assert facts.emitter in COMPONENTS
        assert consumers(facts.name)
        assert set(consumers(facts.name)) <= set(COMPONENTS) - {facts.emitter}
        for name in consumers(facts.name):
            assert facts.name in COMPONENTS[name].consumes
            assert name in COMPONENTS[facts.emitter].calls


@given(st.text())
def test_names_and_types_of_events_belong_together(name: str) -> None:
    assert event_name(event_type(name)) == name


def test_ids_ascend_and_differ() -> None:
    ids = [uuid7() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert [id_[:8] for id_ in ids] == sorted(id_[:8] for id_ in ids)
    assert {id_[14] for id_ in ids} == {"7"}
    assert {id_[19] for id_ in ids} <= set("89ab")
