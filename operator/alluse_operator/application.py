"""One operator process: who serves, who leads, and in what order things start and stop.

Always running: the HTTP server and the election. While leading, also a `Term`; losing the lease ends it and
keeps the process, which stands by.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from aiohttp import web

from alluse_operator import server
from alluse_operator.api import names
from alluse_operator.clock import Clock, SystemClock
from alluse_operator.cluster.client import Client
from alluse_operator.cluster.leases import Lease
from alluse_operator.cluster.mirror import Key
from alluse_operator.cluster.streams import StreamAges
from alluse_operator.journal import Journal
from alluse_operator.metrics import Metrics
from alluse_operator.settings import Settings
from alluse_operator.term import Term
from alluse_operator.version import operator_version

log = logging.getLogger(__name__)


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
        self._term: Term | None = None
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
        try:
            self.http_port = server.port_of(http)
            explaining = await self._start_explaining()
            try:
                await self._stand_by()
            finally:
                if explaining is not None:
                    await explaining.cleanup()
        finally:
            await http.cleanup()
            log.info("Stopped")

    async def _stand_by(self) -> None:
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
        if leading:
            log.info("Leading", extra={"identity": self._settings.identity})
            self._resigned = asyncio.Event()
            self._leading.set()
        else:
            self._metrics.leader.set(0)
            log.warning("The lease is lost; standing by", extra={"holder": self._lease.holder})
            self._leading.clear()
            self._resigned.set()

    async def _lead(self, stopping: asyncio.Task[Any]) -> None:
        """One term of office: ends when the lease is lost or the process is told to stop."""
        self._term = Term(
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
        # Here, and not when the lease is got: the term before may end later than that.
        self._metrics.leader.set(1)
        try:
            await self._term.run({resigned, stopping})
        finally:
            resigned.cancel()
            self._term = None
            self._metrics.leader.set(0)
            self._metrics.forget_systems()
