"""The parts of the operator, put together: who serves, who leads, and in what order things start and stop.

Always running: the HTTP server and the election. While leading: the observer, the dispatcher with its
passes, the prober, the recorder and the watches. Losing the lease stops all of the latter and keeps the
process, which stands by.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Coroutine, Iterable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

from aiohttp import web

from alluse_operator import server
from alluse_operator.api import names
from alluse_operator.clock import Clock, SystemClock
from alluse_operator.cluster.applier import Applier
from alluse_operator.cluster.client import Client
from alluse_operator.cluster.leases import Lease
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
from alluse_operator.settings import Settings, operator_version
from alluse_operator.supervisor import Supervisor

log = logging.getLogger(__name__)

#: How often the watches are looked after.
WATCH_CHECK = timedelta(seconds=2)
#: All work is given so long to end when the process stops; then it goes.
STOP_WITHIN = timedelta(seconds=1.5)


class Application:
    """One operator process."""

    def __init__(
        self, settings: Settings, client: Client, *, metrics: Metrics, clock: Clock | None = None
    ) -> None:
        self._settings = settings
        self._client = client
        self._metrics = metrics
        self._clock = clock or SystemClock()
        self._stopping = asyncio.Event()
        self._leading = asyncio.Event()
        self._resigned = asyncio.Event()
        self._lease = Lease(
            client,
            namespace=settings.lease_namespace,
            name=settings.lease_name,
            identity=settings.identity,
            times=settings.lease,
            clock=self._clock,
        )
        self._ages = StreamAges()
        self._journal = Journal(metrics=metrics, version=operator_version())
        self._term: _Term | None = None
        self.http_port = 0
        self.explain_port = 0

    @classmethod
    async def run(cls, settings: Settings) -> None:
        """Run until told to stop by SIGTERM or SIGINT."""
        metrics = Metrics()
        client = await Client.connect(
            kubeconfig=settings.kubeconfig,
            agent=f"{names.FIELD_MANAGER}/{operator_version()}",
            observe=metrics.request,
        )
        try:
            await cls(settings, client, metrics=metrics).serve()
        finally:
            await client.close()

    async def serve(self) -> None:
        """Stand by, lead, stand by again, until stopped; then give the lease back."""
        self.take_signals()
        http = await server.start(
            self._settings.http_host,
            self._settings.http_port,
            metrics=self._metrics,
            troubles=self.troubles,
            refresh=self._refresh_metrics,
        )
        self.http_port = server.port_of(http)
        explaining = await self._start_explaining()
        log.info(
            "Started",
            extra={
                "version": operator_version(),
                "identity": self._settings.identity,
                "namespaces": list(self._settings.namespaces) or "all",
                "http_port": self.http_port,
                "explain_port": self.explain_port,
            },
        )
        election = asyncio.create_task(self._elect(), name="election")
        stopping = asyncio.create_task(self._stopping.wait(), name="stop asked for")
        try:
            while not self._stopping.is_set():
                leading = asyncio.create_task(self._leading.wait(), name="wait for the lease")
                await asyncio.wait({leading, stopping}, return_when=asyncio.FIRST_COMPLETED)
                leading.cancel()
                if not self._stopping.is_set():
                    await self._lead(stopping)
        finally:
            for task in (election, stopping):
                task.cancel()
            await asyncio.gather(election, stopping, return_exceptions=True)
            await self._lease.release()
            await http.cleanup()
            if explaining is not None:
                await explaining.cleanup()
            log.info("Stopped")

    async def _start_explaining(self) -> web.AppRunner | None:
        """The operator works without it, too: that a port is taken is no reason to work less."""
        try:
            runner = await server.start_explaining(
                self._settings.explain_port, ring=self._journal.ring, plan=self._plan
            )
        except OSError as error:
            log.warning("The journal is not served: %s", error, extra={"reason": "PortTaken"})
            return None
        self.explain_port = server.port_of(runner)
        return runner

    async def _plan(self, system: str) -> Mapping[str, Any] | None:
        if self._term is None:
            raise server.Unavailable("this process does not lead: ask the one that holds the lease")
        return await self._term.plan(Key(*system.split("/")))

    def stop(self) -> None:
        """End `serve` in good order."""
        self._stopping.set()

    def take_signals(self) -> None:
        """Let SIGTERM and SIGINT end this process in good order (only in a main thread)."""
        loop = asyncio.get_running_loop()
        with suppress(NotImplementedError, RuntimeError, ValueError):
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self.stop)

    # -- readiness -------------------------------------------------------------------------------------------

    def troubles(self) -> list[str]:
        """What keeps the operator from being ready; empty: nothing. Standing by is being ready."""
        if self._stopping.is_set():
            return ["stopping"]
        if self._term is None:
            if self._lease.error:
                return [f"the lease cannot be read or written: {self._lease.error}"]
            return []
        return self._term.troubles()

    def _refresh_metrics(self) -> None:
        for path, age in self._ages.ages().items():
            self._metrics.watch_age.labels(path).set(age.total_seconds())
        if self._term is not None:
            self._term.refresh_metrics()

    # -- leadership ------------------------------------------------------------------------------------------

    def _is_leading(self) -> bool:
        if self._stopping.is_set():
            return False
        return self._lease.held if self._settings.leader_election else True

    async def _elect(self) -> None:
        if not self._settings.leader_election:
            self._leadership_changed(True)
            await asyncio.Event().wait()
        await self._lease.run(self._leadership_changed)

    def _leadership_changed(self, leading: bool) -> None:
        self._metrics.leader.set(leading)
        if leading:
            log.info("Leading", extra={"identity": self._settings.identity})
            self._resigned = asyncio.Event()
            self._leading.set()
        else:
            log.warning("The lease is lost; standing by", extra={"holder": self._lease.holder})
            self._leading.clear()
            self._resigned.set()

    async def _lead(self, stopping: asyncio.Task[Any]) -> None:
        """One term of office: ends when the lease is lost or the process is told to stop."""
        self._term = _Term(
            self._settings,
            self._client,
            leading=self._is_leading,
            clock=self._clock,
            metrics=self._metrics,
            ages=self._ages,
            journal=self._journal,
            take_signals=self.take_signals,
        )
        resigned = asyncio.create_task(self._resigned.wait(), name="wait for the end of the term")
        try:
            await self._term.run({resigned, stopping})
        finally:
            resigned.cancel()
            self._term = None
            self._metrics.leader.set(0)


class _Term:
    """All that a leader does, from taking office to leaving it."""

    def __init__(
        self,
        settings: Settings,
        client: Client,
        *,
        leading: Any,
        clock: Clock,
        metrics: Metrics,
        ages: StreamAges,
        journal: Journal,
        take_signals: Any,
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
