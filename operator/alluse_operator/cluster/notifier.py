"""Delivers notices: a queue and a worker for each sink, so that one that is down holds up nobody else.

A notice is given to all its sinks; when each has taken it or been given up, its delivery is kept for the
next pass, which records it in the status. What is given up is counted, logged and told by an Event: a dead
letter. Nothing is sent by a process that no longer leads; its successor finds in the status what is owed.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import aiohttp

from alluse_operator.api.status import ALERTS_MAX
from alluse_operator.cluster.alerting.configuration import SinkSettings
from alluse_operator.cluster.alerting.messages import Message, sentence
from alluse_operator.cluster.alerting.sinks import LogSink, Rejected, Result, Retry, Sent, Sink, build
from alluse_operator.cluster.mirror import Key
from alluse_operator.cluster.recorder import Recorder
from alluse_operator.core.events import Event, EventReason
from alluse_operator.core.notices import EVENT_SINK, Delivery, Notice, NoticeKind, Outbox
from alluse_operator.metrics import Metrics

log = logging.getLogger(__name__)

#: Messages that wait for one sink, of all systems.
QUEUE_LIMIT = 256
#: Deliveries of one system that are remembered until a pass has recorded them.
DONE_LIMIT = 4 * ALERTS_MAX


@dataclass(frozen=True, slots=True)
class Patience:
    """How a sink is tried: each try for `timeout`, pauses doubling from `pause` to `pause_limit` with jitter,
    all of it within `budget`."""

    timeout: timedelta = timedelta(seconds=10)
    pause: timedelta = timedelta(seconds=1)
    pause_limit: timedelta = timedelta(seconds=60)
    budget: timedelta = timedelta(minutes=10)


@dataclass(slots=True)
class _Underway:
    """A notice that some of its sinks have not answered yet."""

    notice: Notice
    waiting: set[str]
    taken: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Letter:
    key: Key
    resource: Mapping[str, Any]
    message: Message


@dataclass(slots=True)
class _Lane:
    """What waits for one sink."""

    letters: deque[_Letter] = field(default_factory=deque)
    something: asyncio.Event = field(default_factory=asyncio.Event)


class Notifier:
    """All sinks of one operator process."""

    def __init__(
        self,
        settings: Iterable[SinkSettings],
        recorder: Recorder,
        *,
        wake: Callable[[Key], None],
        leading: Callable[[], bool],
        metrics: Metrics,
        patience: Patience | None = None,
    ) -> None:
        self._settings = tuple(settings)
        self._recorder = recorder
        self._wake = wake
        self._leading = leading
        self._metrics = metrics
        self._patience = patience or Patience()
        self._lanes: dict[str, _Lane] = {
            name: _Lane() for name in (LogSink.name, *(one.name for one in self._settings))
        }
        self._names = frozenset({EVENT_SINK, *self._lanes})
        self._underway: dict[Key, dict[str, _Underway]] = {}
        self._done: dict[Key, OrderedDict[str, Delivery]] = {}

    def outbox(self, key: Key) -> Outbox:
        """What has become of the notices of one system."""
        return Outbox(
            sinks=self._names,
            sending=frozenset(self._underway.get(key, ())),
            done=dict(self._done.get(key, {})),
        )

    def submit(self, key: Key, resource: Mapping[str, Any], notices: Iterable[Notice]) -> None:
        """Hand out notices about a system (its raw object); what is on its way already is left out."""
        underway = self._underway.setdefault(key, {})
        done = self._done.get(key) or OrderedDict()
        new = [notice for notice in notices if notice.key not in underway and notice.key not in done]
        by_sink: dict[str, list[Notice]] = {}
        for notice in new:
            underway[notice.key] = _Underway(notice, set(notice.sinks))
            for sink in notice.sinks:
                by_sink.setdefault(sink, []).append(notice)
        for sink, together in by_sink.items():
            self._post(sink, _Letter(key, resource, Message(key.namespace, key.name, tuple(together))))
        if not underway:
            self._underway.pop(key, None)

    def forget(self, key: Key) -> None:
        """The system is gone. What is on its way still arrives."""
        self._done.pop(key, None)

    async def run(self) -> None:
        """Deliver for ever."""
        timeout = aiohttp.ClientTimeout(total=self._patience.timeout.total_seconds())
        async with (
            aiohttp.ClientSession(
                timeout=timeout, trust_env=False, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
            ) as session,
            asyncio.TaskGroup() as tasks,
        ):
            sinks: list[Sink] = [LogSink(), *(build(one, session) for one in self._settings)]
            for sink in sinks:
                tasks.create_task(self._work(sink), name=f"alerts to {sink.name}")

    # -- one sink --------------------------------------------------------------------------------------

    def _post(self, sink: str, letter: _Letter) -> None:
        if sink == EVENT_SINK:
            self._recorder.record(letter.resource, _event(letter.message))
            self._settle(sink, letter, taken=True)
            return
        lane = self._lanes.get(sink)
        if lane is None:
            self._give_up(sink, letter, "no sink of that name is set up")
        elif len(lane.letters) >= QUEUE_LIMIT:
            self._give_up(sink, letter, f"{QUEUE_LIMIT} messages wait for it already")
        else:
            lane.letters.append(letter)
            lane.something.set()
            self._metrics.alert_queue.labels(sink).set(len(lane.letters))

    async def _work(self, sink: Sink) -> None:
        lane = self._lanes[sink.name]
        while True:
            await lane.something.wait()
            lane.something.clear()
            while lane.letters:
                letter = lane.letters[0]
                result = await self._deliver(sink, letter.message)
                lane.letters.popleft()
                self._metrics.alert_queue.labels(sink.name).set(len(lane.letters))
                match result:
                    case Sent():
                        self._metrics.alerts_sent.labels(sink.name).inc(len(letter.message.notices))
                        self._settle(sink.name, letter, taken=True)
                    case Rejected(reason) | Retry(reason):
                        self._give_up(sink.name, letter, reason)
                    case None:
                        self._drop(letter)

    async def _deliver(self, sink: Sink, message: Message) -> Result | None:
        """The last answer; None: this process leads no more, and its successor delivers."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._patience.budget.total_seconds()
        pause = self._patience.pause.total_seconds()
        while True:
            if not self._leading():
                return None
            result = await self._try(sink, message)
            if not isinstance(result, Retry):
                return result
            wait = max(pause * random.uniform(0.5, 1.0), result.after)  # noqa: S311 - spreads load
            if loop.time() + wait >= until:
                return result
            self._metrics.alert_retries.labels(sink.name).inc()
            await asyncio.sleep(wait)
            pause = min(2 * pause, self._patience.pause_limit.total_seconds())

    async def _try(self, sink: Sink, message: Message) -> Result:
        try:
            async with asyncio.timeout(self._patience.timeout.total_seconds()):
                return await sink.send(message)
        except TimeoutError:
            return Retry("no answer in time")
        except Exception as error:
            # A sink that breaks must not take the others with it. Its text may hold a credential.
            return Retry(f"it failed ({type(error).__name__})")

    # -- what became of it -----------------------------------------------------------------------------

    def _give_up(self, sink: str, letter: _Letter, reason: str) -> None:
        count = len(letter.message.notices)
        self._metrics.alert_dead_letters.labels(sink).inc(count)
        log.error(
            "Alert not delivered",
            extra={
                "namespace": letter.key.namespace,
                "system": letter.key.name,
                "sink": sink,
                "reason": reason,
                "notices": count,
            },
        )
        note = f"sink {sink} was not told: {reason}. {letter.message.text}"
        self._recorder.record(letter.resource, Event(EventReason.ALERT_NOT_DELIVERED, note, sink))
        self._settle(sink, letter, taken=False)

    def _settle(self, sink: str, letter: _Letter, *, taken: bool) -> None:
        finished = False
        underway = self._underway.get(letter.key, {})
        done = self._done.setdefault(letter.key, OrderedDict())
        for notice in letter.message.notices:
            entry = underway.get(notice.key)
            if entry is None:
                continue
            entry.waiting.discard(sink)
            if taken:
                entry.taken.append(sink)
            if not entry.waiting:
                del underway[notice.key]
                done[notice.key] = Delivery(notice, tuple(entry.taken))
                finished = True
        while len(done) > DONE_LIMIT:
            done.popitem(last=False)
        if not underway:
            self._underway.pop(letter.key, None)
        if finished:
            self._wake(letter.key)

    def _drop(self, letter: _Letter) -> None:
        for notice in letter.message.notices:
            self._underway.get(letter.key, {}).pop(notice.key, None)


def _event(message: Message) -> Event:
    firing = [notice for notice in message.notices if notice.kind is NoticeKind.FIRING]
    reason = EventReason.ALERT_FIRING if firing else EventReason.ALERT_RESOLVED
    subjects = {notice.subject for notice in message.notices}
    text = "; ".join(sentence(notice) for notice in message.notices)
    return Event(reason, text, subjects.pop() if len(subjects) == 1 else "")
