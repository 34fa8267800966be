"""One component at work: its service with everything around it, from start to stop.

Starting never fails for want of something else: what is missing is retried with back-off while the
component says that it is not ready. `start` returns when requests can be answered and the opening has begun.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from alluse import contract
from alluse.runtime import metrics as process_metrics
from alluse.runtime.budget import Budgets
from alluse.runtime.cache import KEY_MAX_SIZE, KEY_TTL, Caches
from alluse.runtime.config_client import ConfigClient
from alluse.runtime.configuration import Config, LocalLayers
from alluse.runtime.context import Context
from alluse.runtime.dependencies import Dependencies
from alluse.runtime.dispatch import Dispatcher
from alluse.runtime.errors import CheckDegradedError, CheckFailedError
from alluse.runtime.events import Event
from alluse.runtime.faults import Faults
from alluse.runtime.health import OPEN, BoundCheck, HealthBoard, SelfTest
from alluse.runtime.http_client import HttpClient, Transport
from alluse.runtime.idempotency import Idempotency
from alluse.runtime.identity import Identity
from alluse.runtime.inbox import Inbox
from alluse.runtime.logs import Logs
from alluse.runtime.metrics import Metrics
from alluse.runtime.outbox import Outbox
from alluse.runtime.peers import Peers
from alluse.runtime.resources import Resources
from alluse.runtime.service import Check, Service, Task
from alluse.runtime.shipping import PATIENCE_S, Shipper
from alluse.runtime.store import Store, StoreError
from alluse.runtime.system import SystemEndpoints
from alluse.runtime.tables import MIGRATIONS

FIRST_BACKOFF_S: Final = 0.2
LAST_BACKOFF_S: Final = 5.0
#: Age after which a failed call says nothing about a soft dependency any more.
SOFT_MEMORY_S: Final = 30.0
FLUSH_S: Final = 1.0


class Runtime:
    """Builds the parts around a service and runs them."""

    def __init__(
        self,
        identity: Identity,
        service: Service[Any],
        transport: Transport | None = None,
        logs: Logs | None = None,
    ) -> None:
        facts = identity.facts
        self.identity = identity
        self.service = service
        self.logs = logs or Logs(identity)
        self.log = self.logs.logger()
        self.metrics = Metrics()
        process_metrics.register_process_metrics(self.metrics)
        self._transport = transport or HttpClient()
        self.peers = Peers(identity, self.metrics, self._transport)
        self.store = Store(identity.state_dir / f"{identity.name}.db", service.durable)
        # config-manager puts its layers together itself; it tells its own Config what came out.
        is_manager = identity.name == contract.CONFIG_MANAGER
        self.config = Config(
            identity.environment,
            None if is_manager else LocalLayers(identity.config_dir, identity.variables),
        )
        self.caches = Caches(self.metrics)
        self.budgets = Budgets(self.metrics)
        self.outbox = Outbox(identity.name, self.store, self.peers, self.metrics, self.log, facts.emits)
        self.context: Context[Any] = Context(
            identity=identity,
            config=self.config,
            log=self.log,
            logs=self.logs,
            metrics=self.metrics,
            peers=self.peers,
            store=self.store,
            events=self.outbox,
            caches=self.caches,
        )
        self.dependencies = Dependencies(facts.hard, self.peers, self.metrics)
        self.config_client = (
            None
            if is_manager
            else ConfigClient(
                identity.name, self.config, identity.state_dir, self.peers, self.metrics, self.log
            )
        )
        self.shipper = (
            None
            if identity.name == contract.PRODUCTION_LOGGER
            else Shipper(identity.name, self.peers, self.metrics, self.logs.set_level_for)
        )
        self.faults = Faults(identity.state_dir)
        self.board = HealthBoard(
            component=identity.name,
            version=identity.version,
            log=self.log,
            metrics=self.metrics,
            selftest=SelfTest(service.selftest),
            faults=self.faults,
            revision=lambda: self.config.revision,
        )
        self.resources = Resources(identity.state_dir, self.config, self.log)
        self.inbox = Inbox(self.store, self.metrics, self.log, self._consumers())
        self.dispatcher = Dispatcher(
            self.context,
            self.board,
            self.budgets,
            self.faults,
            Idempotency(self.store),
            SystemEndpoints(self).endpoints(),
            list(service.endpoints),
            service.built,
        )
        self.handle = self.dispatcher.handle
        self._opening = "the component has not been opened yet"
        #: Set once it has been tried to open the component, whatever came of it.
        self.tried = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._add_checks()
        if facts.stateful:
            self.metrics.before_render(self._show_disk)

    def _show_disk(self) -> None:
        if (used := self.resources.read_disk()) is not None:
            self.metrics.gauge(
                contract.METRIC_DISK_USED, "Share of the volume with the component's state that is used"
            ).set(round(used, 4))

    # -- life ------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Load the configuration and begin to open; answers requests from now on."""
        if self.shipper is not None:
            self.logs.ship = self.shipper.put
        if self.config_client is not None:
            self.config_client.load_last_good()
        self.config.on_change(self._configured)
        if self.config_client is not None:
            self._begin(self.config_client.run(), "config")
        if self.shipper is not None:
            self._begin(self.shipper.run(), "log-shipping")
        self._begin(self.dependencies.run(), "dependencies")
        self._begin(self.resources.run(), "resources")
        self._begin(self._open(), "open")

    async def stop(self) -> None:
        """Close the component after its last request: tasks, component, events, logs, store."""
        self.log.info("stopping")
        self.faults.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.board.stop()
        if self.context.is_open and self.service.close is not None:
            try:
                await self.service.close(self.context)
            except Exception as error:
                self.log.exception("closing failed", error=str(error))
        if self.context.is_open:
            await self.outbox.flush(FLUSH_S)
        self.log.info("stopped")
        if self.shipper is not None:
            await self.shipper.flush(FLUSH_S)
        await self.store.close()
        await self._transport.close()

    def refuse_work(self) -> None:
        """Say that the component is not ready any more and take no new requests."""
        self.dispatcher.stopping = True
        self.context.stopping.set()

    def _begin(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.log.critical("a task of the runtime ended", task=task.get_name(), exc_info=error)

    async def _open(self) -> None:
        """Open store and component, run the golden case, then begin the component's own tasks."""
        backoff = FIRST_BACKOFF_S
        while True:
            try:
                await self.store.open(
                    {"runtime": MIGRATIONS, self.identity.name: tuple(self.service.migrations)}
                )
                self.context.state = (
                    None if self.service.open is None else await self.service.open(self.context)
                )
                break
            except Exception as error:
                self._opening = f"{error}"
                if isinstance(error, StoreError):
                    self.log.error("the store cannot be opened", error=str(error))
                else:
                    self.log.exception("the component cannot be opened", error=str(error))
                self.tried.set()
                await asyncio.sleep(backoff)
                backoff = min(backoff * 2, LAST_BACKOFF_S)
        self._opening = ""
        await self.board.run_selftest()
        self.tried.set()
        self._begin(self.board.run_selftests(), "self-test")
        self._begin(self.outbox.run(), "outbox")
        for task in self.service.tasks:
            self._begin(self._repeat(task), task.name)
        self.log.info("open", version=self.identity.version, environment=self.identity.environment)

    async def _repeat(self, task: Task[Any]) -> None:
        errors = self.metrics.counter(contract.METRIC_ERRORS, "Requests that failed", ("kind",))
        while True:
            try:
                await task.run(self.context)
            except Exception as error:
                errors.inc(kind=f"task:{task.name}")
                self.log.exception("task failed", task=task.name, error=str(error))
            await asyncio.sleep(task.interval(self.context) if callable(task.interval) else task.interval)

    # -- configuration ---------------------------------------------------------------------------------

    def _configured(self) -> None:
        config = self.config
        self.logs.configure(
            level="DEBUG" if config.flag("system.debug") else config.text("logging.level"),
            format_=config.text("logging.format"),
            console=config.flag("logging.console.enabled"),
            sanitize=config.flag("security.log_sanitization"),
        )
        self.caches.configure(config.integer(KEY_MAX_SIZE), config.number(KEY_TTL))
        self.board.forget_report()

    def _consumers(self) -> dict[str, Callable[[Event], Awaitable[None]]]:
        consumers: dict[str, Callable[[Event], Awaitable[None]]] = {"config.changed": self._config_changed}
        for name, handler in self.service.consumers.items():
            if name not in self.identity.facts.consumes:
                raise ValueError(f"{self.identity.name} does not receive {name}: see alluse.contract.EVENTS")
            consumers[name] = self._bound(handler)
        return consumers

    def _bound(
        self, handler: Callable[[Context[Any], Event], Awaitable[None]]
    ) -> Callable[[Event], Awaitable[None]]:
        async def handle(event: Event) -> None:
            await handler(self.context, event)

        return handle

    async def _config_changed(self, event: Event) -> None:
        if self.config_client is not None:
            self.config_client.refresh_soon()

    # -- health ----------------------------------------------------------------------------------------

    def _add_checks(self) -> None:
        board = self.board
        board.obstacles += [self._own_obstacles, self._missing_hard]
        board.checks.append(BoundCheck(OPEN, True, self._check_open))
        board.checks.append(BoundCheck("configuration", False, self._check_config))
        if self.identity.facts.hard:
            board.checks.append(BoundCheck("hard-dependencies", False, self._check_hard))
        board.checks.append(BoundCheck("soft-dependencies", False, self._check_soft))
        board.checks.append(BoundCheck("budgets", False, self._check_budgets))
        board.checks.append(BoundCheck("resources", False, self._check_resources))
        if self.shipper is not None:
            board.checks.append(BoundCheck("log-shipping", False, self._check_shipping))
        for check in self.service.checks:
            board.checks.append(BoundCheck(check.name, check.critical, self._own_check(check)))

    def _own_obstacles(self) -> list[str]:
        reasons = [self._opening] if self._opening else []
        if self.dispatcher.stopping:
            reasons.append("the component is stopping")
        return reasons

    def _missing_hard(self) -> list[str]:
        if self.service.needs_hard == "start" and self.dependencies.seen_ready:
            return []
        return [f"{name}: {detail}" for name, detail in self.dependencies.missing().items()]

    async def _check_open(self) -> str:
        if self._opening:
            raise CheckFailedError(self._opening)
        return "store and component are open"

    async def _check_config(self) -> str:
        problems = [*self.config.problems, *self.config.unused]
        if self.config_client is not None and self.config_client.problem:
            problems.append(self.config_client.problem)
        if problems:
            raise CheckDegradedError("; ".join(problems))
        return f"revision {self.config.revision} from {self.config.source}"

    async def _check_hard(self) -> str:
        if missing := self.dependencies.missing():
            raise CheckDegradedError("; ".join(f"{name}: {detail}" for name, detail in missing.items()))
        return "reachable"

    async def _check_soft(self) -> str:
        self.peers.forget_down(SOFT_MEMORY_S)
        down = {name: detail for name, detail in self.peers.down().items() if name != contract.CONFIG_MANAGER}
        if down:
            raise CheckDegradedError("; ".join(down.values()))
        return "no failed call"

    async def _check_budgets(self) -> str:
        if overrun := self.budgets.overrun():
            raise CheckDegradedError("; ".join(overrun))
        return "kept"

    async def _check_resources(self) -> str:
        return self.resources.check()

    async def _check_shipping(self) -> str:
        assert self.shipper is not None
        if (seconds := self.shipper.failing_for()) > PATIENCE_S:
            raise CheckDegradedError(f"production-logger has taken no log for {seconds:.0f} s")
        return "working"

    def _own_check(self, check: Check[Any]) -> Callable[[], Awaitable[str]]:
        async def run() -> str:
            if not self.context.is_open:
                raise CheckFailedError("the component is not open yet")
            return await check.run(self.context)

        return run
