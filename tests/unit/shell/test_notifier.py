"""Delivery: each sink by itself, patiently, within bounds; what is given up is told. Time is virtual."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
import logging
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import fake_api
import virtual_time
from alluse_operator.api.spec import AlertSeverity
from alluse_operator.cluster import notifier as module
from alluse_operator.cluster.alerting.configuration import SinkSettings, SinkType
from alluse_operator.cluster.alerting.messages import Message
from alluse_operator.cluster.alerting.sinks import Rejected, Result, Retry, Sent, Sink
from alluse_operator.cluster.mirror import Key
from alluse_operator.cluster.notifier import QUEUE_LIMIT, Notifier, Patience
from alluse_operator.cluster.recorder import Recorder
from alluse_operator.core.notices import AlertName, Notice, NoticeKind
from alluse_operator.metrics import Metrics
from builders import T0
from receivers import Receiver

KEY = Key("shop", "demo")
SYSTEM = {"metadata": {"name": "demo", "namespace": "shop", "uid": "uid-demo"}}


def notice(name: str = "web", *sinks: str, kind: NoticeKind = NoticeKind.FIRING) -> Notice:
    return Notice(
        key=f"{name}-{kind}",
        fingerprint="0123456789abcdef",
        name=AlertName.COMPONENT_NOT_WELL,
        subject=name,
        kind=kind,
        severity=AlertSeverity.WARNING,
        message=f"{name} is not well",
        since=T0,
        made_at=T0,
        sinks=sinks or ("pager",),
    )


class Scripted:
    """A sink that answers as a function of the attempt's number, and notes when it was asked."""

    def __init__(self, name: str, answer: Callable[[int], Result]) -> None:
        self.name = name
        self.answer = answer
        self.asked: list[tuple[float, Message]] = []

    async def send(self, message: Message) -> Result:
        self.asked.append((asyncio.get_running_loop().time(), message))
        return self.answer(len(self.asked))


class Setting:
    """A notifier with scripted sinks, and all that it tells others."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *sinks: Sink) -> None:
        by_name = {sink.name: sink for sink in sinks}
        monkeypatch.setattr(module, "build", lambda settings, _session: by_name[settings.name])
        self.api = fake_api.FakeApi()
        self.metrics = Metrics()
        self.leads = True
        self.woken: list[Key] = []
        self.recorder = Recorder(
            self.api,  # type: ignore[arg-type]
            instance="me",
            leading=lambda: True,
            clock=virtual_time.LoopClock(),
            metrics=self.metrics,
        )
        self.notifier = Notifier(
            [SinkSettings(name, SinkType.WEBHOOK, url="http://127.0.0.1:1") for name in by_name],
            self.recorder,
            wake=self.woken.append,
            leading=lambda: self.leads,
            metrics=self.metrics,
        )

    async def work(self, seconds: float) -> None:
        parts = [asyncio.create_task(self.notifier.run()), asyncio.create_task(self.recorder.run())]
        await asyncio.sleep(seconds)
        for part in parts:
            part.cancel()
        await asyncio.gather(*parts, return_exceptions=True)

    def events(self, reason: str) -> list[dict[str, Any]]:
        return [event for event in self.api.objects.values() if event["reason"] == reason]

    def count(self, name: str, sink: str) -> float:
        return self.metrics.registry.get_sample_value(f"allusesystem_{name}", {"sink": sink}) or 0.0


def test_what_is_delivered_is_known_to_the_next_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        pager = Scripted("pager", lambda _: Sent())
        setting = Setting(monkeypatch, pager)
        one = notice("web", "pager", "event", "log")
        setting.notifier.submit(KEY, SYSTEM, [one])
        assert setting.notifier.outbox(KEY).sending == {one.key}
        await setting.work(5)
        outbox = setting.notifier.outbox(KEY)
        assert not outbox.sending
        assert set(outbox.done[one.key].taken) == {"pager", "event", "log"}
        assert outbox.sinks == {"pager", "event", "log"}
        assert setting.woken == [KEY]
        [event] = setting.events("AlertFiring")
        assert (event["type"], "web is not well" in event["message"]) == ("Warning", True)
        setting.notifier.submit(KEY, SYSTEM, [one])
        assert not setting.notifier.outbox(KEY).sending, "given once"
        assert len(pager.asked) == 1

    virtual_time.run(scenario())


def test_notices_of_one_pass_are_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        pager = Scripted("pager", lambda _: Sent())
        setting = Setting(monkeypatch, pager)
        setting.notifier.submit(KEY, SYSTEM, [notice(f"c{n}", "pager", "event") for n in range(16)])
        await setting.work(5)
        [(_, message)] = pager.asked
        assert len(message.notices) == 16
        assert len(setting.events("AlertFiring")) == 1

    virtual_time.run(scenario())


def test_a_sink_that_is_down_is_tried_with_growing_pauses_and_holds_up_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario() -> None:
        down = Scripted("pager", lambda n: Sent() if n > 5 else Retry("HTTP 503"))
        well = Scripted("chat", lambda _: Sent())
        setting = Setting(monkeypatch, down, well)
        setting.notifier.submit(KEY, SYSTEM, [notice("web", "pager", "chat")])
        setting.notifier.submit(KEY, SYSTEM, [notice("web", "pager", kind=NoticeKind.RESOLVED)])
        await setting.work(120)
        assert [at for at, _ in well.asked] == [0.0]
        times = [at for at, message in down.asked if message.notices[0].kind is NoticeKind.FIRING]
        pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
        for number, pause in enumerate(pauses):
            assert 0.5 * 2**number <= pause <= 2**number
        assert [message.notices[0].kind for _, message in down.asked][-2:] == [
            NoticeKind.FIRING,
            NoticeKind.RESOLVED,
        ], "in order: no end before its beginning"
        assert setting.count("alert_retries_total", "pager") == 5
        assert setting.count("alert_dead_letters_total", "pager") == 0

    virtual_time.run(scenario())


@pytest.mark.parametrize(
    ("answer", "attempts"), [(Rejected("HTTP 400"), range(1, 2)), (Retry("HTTP 503"), range(12, 40))]
)
def test_what_is_given_up_is_counted_logged_and_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, answer: Result, attempts: range
) -> None:
    async def scenario() -> None:
        pager = Scripted("pager", lambda _: answer)
        setting = Setting(monkeypatch, pager)
        one = notice()
        setting.notifier.submit(KEY, SYSTEM, [one])
        await setting.work(Patience().budget.total_seconds() + 1)
        assert len(pager.asked) in attempts
        assert setting.notifier.outbox(KEY).done[one.key].taken == ()
        assert setting.count("alert_dead_letters_total", "pager") == 1
        [event] = setting.events("AlertNotDelivered")
        assert f"sink pager was not told: {answer.reason}" in event["message"]  # type: ignore[union-attr]
        assert "Alert not delivered" in caplog.text

    virtual_time.run(scenario())


def test_the_receiver_s_own_pause_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        pager = Scripted("pager", lambda n: Sent() if n > 1 else Retry("HTTP 429", 42.0))
        setting = Setting(monkeypatch, pager)
        setting.notifier.submit(KEY, SYSTEM, [notice()])
        await setting.work(60)
        assert [at for at, _ in pager.asked] == [0.0, 42.0]

    virtual_time.run(scenario())


def test_no_more_waits_for_a_sink_than_its_queue_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        pager = Scripted("pager", lambda _: Sent())
        setting = Setting(monkeypatch, pager)
        for number in range(QUEUE_LIMIT + 3):
            setting.notifier.submit(KEY, SYSTEM, [notice(f"c{number}")])
        assert setting.count("alert_queue", "pager") == QUEUE_LIMIT
        assert setting.count("alert_dead_letters_total", "pager") == 3
        await setting.work(1)
        assert len(pager.asked) == QUEUE_LIMIT
        assert setting.count("alert_queue", "pager") == 0

    virtual_time.run(scenario())


def test_who_leads_no_more_sends_nothing_and_settles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        pager = Scripted("pager", lambda _: Sent())
        setting = Setting(monkeypatch, pager)
        setting.notifier.submit(KEY, SYSTEM, [notice()])
        setting.leads = False
        await setting.work(30)
        assert not pager.asked
        assert not setting.notifier.outbox(KEY).done
        assert setting.count("alert_dead_letters_total", "pager") == 0

    virtual_time.run(scenario())


def test_a_sink_that_breaks_or_hangs_is_only_its_own_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        def breaks(_: int) -> Result:
            raise RuntimeError("planted-secret in an exception")

        class Hangs:
            name = "hangs"

            async def send(self, message: Message) -> Result:
                await asyncio.Event().wait()
                return Sent()

        well = Scripted("well", lambda _: Sent())
        setting = Setting(monkeypatch, Scripted("breaks", breaks), Hangs(), well)
        setting.notifier.submit(KEY, SYSTEM, [notice("web", "breaks", "hangs", "well")])
        await setting.work(700)
        assert len(well.asked) == 1
        notes = sorted(event["message"] for event in setting.events("AlertNotDelivered"))
        assert "sink breaks was not told: it failed (RuntimeError)" in notes[0]
        assert "sink hangs was not told: no answer in time" in notes[1]
        assert not any("planted" in note for note in notes)

    virtual_time.run(scenario())


async def test_a_planted_secret_is_nowhere_but_in_the_signature(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A key, a token and a secret address, over success, refusal and a receiver that is gone."""
    caplog.set_level(logging.DEBUG)
    secrets = {"key": "planted-key-77aa", "token": "planted-token-88bb", "path": "planted-path-99cc"}
    (tmp_path / "key").write_text(secrets["key"])
    (tmp_path / "token").write_text(secrets["token"])
    api, metrics = fake_api.FakeApi(), Metrics()
    recorder = Recorder(
        api,  # type: ignore[arg-type]
        instance="me",
        leading=lambda: True,
        clock=virtual_time.LoopClock(),
        metrics=metrics,
    )
    with Receiver() as gone:
        nobody = gone.url
    with Receiver() as good, Receiver(status=400) as refusing:
        urls = {"good": good.url, "refusing": refusing.url, "gone": nobody}
        for name, url in urls.items():
            (tmp_path / name).write_text(f"{url}/{secrets['path']}")
        notifier = Notifier(
            [
                SinkSettings(
                    name,
                    SinkType.WEBHOOK,
                    url_file=tmp_path / name,
                    hmac_key_file=tmp_path / "key",
                    token_file=tmp_path / "token",
                )
                for name in urls
            ],
            recorder,
            wake=lambda _: settled.set(),
            leading=lambda: True,
            metrics=metrics,
            patience=Patience(pause=timedelta(seconds=0.01), budget=timedelta(seconds=0.2)),
        )
        settled = asyncio.Event()
        one = dataclasses.replace(notice(), sinks=(*urls, "log", "event"))
        parts = [asyncio.create_task(notifier.run()), asyncio.create_task(recorder.run())]
        notifier.submit(KEY, SYSTEM, [one])
        async with asyncio.timeout(20):
            await settled.wait()
            while len([e for e in api.objects.values() if e["reason"] == "AlertNotDelivered"]) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        for part in parts:
            part.cancel()
        await asyncio.gather(*parts, return_exceptions=True)
        [delivery] = good.deliveries
    assert set(notifier.outbox(KEY).done[one.key].taken) == {"good", "log", "event"}
    assert delivery.headers["Authorization"] == f"Bearer {secrets['token']}"
    logged = "\n".join(json.dumps(record.__dict__, default=str) for record in caplog.records)
    told = json.dumps([*api.objects.values()])
    for secret in secrets.values():
        for where in (
            logged,
            told,
            metrics.render().decode(),
            delivery.body.decode(),
            repr(notifier.outbox(KEY)),
        ):
            assert secret not in where
