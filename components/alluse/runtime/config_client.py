"""Keeps a component's configuration equal to what config-manager serves, and survives its absence.

At the start the last good copy on disk is used, else the packaged values. Then the component's part is
fetched and config-manager's watch is held open; every change is fetched and kept on disk. While
config-manager cannot be reached the last values stay in force.
"""

import asyncio
import json
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from alluse import contract
from alluse.runtime.configuration import Config
from alluse.runtime.logs import Logger
from alluse.runtime.metrics import Metrics
from alluse.runtime.peers import PeerError, Peers
from alluse.schemas.component_config import ComponentConfig

LAST_GOOD: Final = "config.last-good.json"
WATCH_S: Final = 25.0
FETCH_TIMEOUT_S: Final = 2.0
FIRST_BACKOFF_S: Final = 0.2
LAST_BACKOFF_S: Final = 5.0


class ConfigClient:
    """Follows config-manager for one component."""

    def __init__(
        self, component: str, config: Config, state_dir: Path, peers: Peers, metrics: Metrics, log: Logger
    ) -> None:
        self._component = component
        self._config = config
        self._path = state_dir / LAST_GOOD
        self._peers = peers
        self._log = log
        self._revision = metrics.gauge(
            contract.METRIC_CONFIG_REVISION, "Revision of the configuration in use"
        )
        self._wake = asyncio.Event()
        #: Why the values in use may be old; empty while config-manager is followed.
        self.problem = "config-manager has not answered yet"

    def load_last_good(self) -> None:
        """Use the copy on disk, if there is a readable one for this environment."""
        try:
            served = ComponentConfig.model_validate_json(self._path.read_bytes())
        except (OSError, ValidationError):
            return
        if served.environment == self._config.environment and served.component == self._component:
            self._config.take(served.values, served.revision, "last-good")
            self._revision.set(served.revision)

    def refresh_soon(self) -> None:
        """Ask again without waiting for the watch."""
        self._wake.set()

    async def run(self) -> None:
        """Follow until cancelled."""
        backoff = FIRST_BACKOFF_S
        while True:
            try:
                await self._fetch()
                backoff = FIRST_BACKOFF_S
                while not await self._changed():
                    pass
            except PeerError as error:
                if not self.problem:
                    self._log.warning("configuration not followed", error=str(error))
                self.problem = f"using {self._config.source} values: {error}"
                await asyncio.sleep(backoff)
                backoff = min(backoff * 2, LAST_BACKOFF_S)

    async def _fetch(self) -> None:
        served = await self._peers.get(
            contract.CONFIG_MANAGER,
            f"/v1/components/{self._component}/config",
            ComponentConfig,
            timeout_s=FETCH_TIMEOUT_S,
        )
        self.problem = ""
        if served.revision == self._config.revision and self._config.source == "config-manager":
            return
        self._config.take(served.values, served.revision, "config-manager")
        self._revision.set(served.revision)
        await asyncio.to_thread(self._keep, served)
        self._log.info("configuration taken", revision_taken=served.revision)

    async def _changed(self) -> bool:
        """Hold the watch open; True when there is something to fetch."""
        self._wake.clear()
        watch = asyncio.create_task(
            self._peers.send(
                contract.CONFIG_MANAGER,
                "GET",
                "/v1/watch",
                query={"since": self._config.revision, "timeout_s": WATCH_S},
                timeout_s=WATCH_S + FETCH_TIMEOUT_S,
            )
        )
        wake = asyncio.create_task(self._wake.wait())
        try:
            await asyncio.wait({watch, wake}, return_when=asyncio.FIRST_COMPLETED)
            if wake.done():
                return True
            return watch.result().status == 200
        finally:
            watch.cancel()
            wake.cancel()

    def _keep(self, served: ComponentConfig) -> None:
        try:
            partial = self._path.with_suffix(".partial")
            partial.write_text(json.dumps(served.model_dump(mode="json")), encoding="utf-8")
            partial.replace(self._path)
        except OSError as error:
            self._log.warning("configuration not kept on disk", path=str(self._path), error=str(error))
