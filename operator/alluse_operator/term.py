"""One term of office: all that a leader does, from getting the lease to losing it.

The watches fill the mirror and wake the dispatcher, whose passes the observer, the prober, the applier, the
reporter, the recorder and the notifier serve.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

from alluse_operator import server
from alluse_operator.clock import Clock
from alluse_operator.cluster.applier import Applier
from alluse_operator.cluster.client import Client
from alluse_operator.cluster.mirror import Key, Mirror
from alluse_operator.cluster.notifier import Notifier
from alluse_operator.cluster.observer import TRUSTED_FOR, Observer
from alluse_operator.cluster.prober import Prober
from alluse_operator.cluster.recorder import Recorder
from alluse_operator.cluster.reporter import Reporter
from alluse_operator.cluster.streams import StreamAges
from alluse_operator.core.outline import outline
from alluse_operator.dispatcher import Dispatcher
from alluse_operator.journal import Journal
from alluse_operator.metrics import Metrics
from alluse_operator.reconciler import Reconciler
from alluse_operator.settings import Settings
from alluse_operator.supervisor import Supervisor

#: How often the watches are looked after.
WATCH_CHECK = timedelta(seconds=2)
#: All work is given so long to end when the process stops; then it goes.
STOP_WITHIN = timedelta(seconds=1.5)


class Term:
    """All that a leader does, from taking office to leaving it."""

    def __init__(
        self,
        settings: Settings,
        client: Client,
        *,
        leading: Callable[[], bool],
        clock: Clock,
        metrics: Metrics,
        ages: StreamAges,
        journal: Journal,
        take_signals: Callable[[], None],
    ) -> None:
        self._client = client
        self._metrics = metrics
        self._ages = ages
        self._mirror = Mirror(lambda: asyncio.get_running_loop().time())
        self._observer = Observer(
            client, self._mirror, namespaces=settings.namespaces, clock=clock, metrics=metrics
        )
        self._recorder = Recorder(
            client, instance=settings.identity, leading=leading, clock=clock, metrics=metrics
        )
        self._applier = Applier(client, self._mirror, leading=leading, wake=self._wake, metrics=metrics)
        self._notifier = Notifier(
            settings.alert_sinks, self._recorder, wake=self._wake, leading=leading, metrics=metrics
        )
        self._reporter = Reporter(
            client,
            self._mirror,
            self._recorder,
            self._notifier,
            leading=leading,
            wake=self._wake,
            metrics=metrics,
        )
        self._prober = Prober(self._wake, clock=clock, metrics=metrics)
        reconciler = Reconciler(
            mirror=self._mirror,
            observer=self._observer,
            prober=self._prober,
            applier=self._applier,
            reporter=self._reporter,
            notifier=self._notifier,
            clock=clock,
            defaults=settings.defaults,
            journal=journal,
            deep_checks=settings.deep_checks,
        )
        self._reconciler = reconciler
        self._dispatcher = Dispatcher(reconciler.reconcile, clock=clock, metrics=metrics)
        self._supervisor = Supervisor(
            mirror=self._mirror,
            wake=self._wake,
            wake_soon=self._dispatcher.wake_soon,
            endpoint=client.endpoint,
            namespaces=settings.namespaces,
            identity=settings.identity,
            ages=ages,
            metrics=metrics,
            take_signals=take_signals,
        )

    async def run(self, until: set[asyncio.Task[Any]]) -> None:
        """Work until one of these tasks ends. Should a part of the work end by itself, that is a mistake of
        ours: the whole term ends with its error.
        """
        parts = [
            self._start(self._supervisor.run(), "watches"),
            self._start(self._observe(), "observer"),
            self._start(self._recorder.run(), "recorder"),
            self._start(self._notifier.run(), "notifier"),
            self._start(self._look_after_watches(), "watch check"),
        ]
        try:
            await asyncio.wait({*until, *parts}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for part in parts:
                part.cancel()
            stops = asyncio.gather(
                self._dispatcher.stop(),
                self._applier.stop(),
                self._reporter.stop(),
                self._prober.stop(),
                *parts,
                return_exceptions=True,
            )
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_WITHIN.total_seconds()):
                    await stops
        for part in parts:
            if part.done() and not part.cancelled() and (error := part.exception()) is not None:
                raise error

    def troubles(self) -> list[str]:
        found = []
        if self._observer.synced_at is None:
            found.append("not everything has been listed yet")
        elif self._observer.age > TRUSTED_FOR:
            found.append(f"nothing could be listed for {self._observer.age.total_seconds():.0f} s")
        found += [f"cannot list {kind.plural}: {error}" for kind, error in self._observer.errors.items()]
        found += [f"the watch of {path} is silent" for path in self._ages.silent()]
        return found

    async def plan(self, key: Key) -> Mapping[str, Any] | None:
        """What the next pass over a system would decide, in outline."""
        if self._observer.synced_at is None:
            raise server.Unavailable("not everything has been listed yet")
        found = await self._reconciler.dry_plan(key)
        return outline(*found) if found is not None else None

    def refresh_metrics(self) -> None:
        if self._observer.synced_at is not None:
            self._metrics.mirror_age.set(self._observer.age.total_seconds())
        self._metrics.systems.set(len(self._mirror.systems()))

    def _wake(self, key: Key) -> None:
        self._dispatcher.wake(key)

    async def _observe(self) -> None:
        """Nothing is decided before everything has been listed once."""

        def changed(keys: Iterable[Key]) -> None:
            if self._observer.synced_at is None:
                return
            if not self._dispatcher.running:
                self._dispatcher.start(self._mirror.systems())
            for key in keys:
                self._dispatcher.wake(key)

        await self._observer.run(
            busy=self._reconciler.busy,
            changed=changed,
            appeared=lambda: self._supervisor.restart("a kind is served that was not served before"),
        )

    async def _look_after_watches(self) -> None:
        while True:
            await asyncio.sleep(WATCH_CHECK.total_seconds())
            if stalled := self._observer.stalled():
                self._supervisor.restart(f"the watch of {', '.join(stalled)} is behind")
                self._observer.hurry()
            elif silent := self._ages.silent():
                self._supervisor.restart(f"nothing comes on the watch of {', '.join(silent)}")

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        return asyncio.create_task(work, name=name)
