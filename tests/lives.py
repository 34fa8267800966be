"""An operator that can die a hundred times in a minute: in this process, in a thread, on a line of the fault proxy.

To the cluster the end of a line is the same as `kill -9`: nothing arrives any more, and all that the operator
knew is lost with its objects. What a real process adds (its start, signals, the lease's time-out) is tested with real
processes.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from pathlib import Path

from alluse_operator.application import Application
from alluse_operator.cluster.client import Client
from alluse_operator.metrics import Metrics
from alluse_operator.settings import Settings
from fault_proxy import FaultProxy


class Lives:
    """One operator after the other; a new one begins as soon as the one before has died."""

    def __init__(self, proxy: FaultProxy, directory: Path) -> None:
        self._proxy = proxy
        self._directory = directory
        self._thread = threading.Thread(target=self._run, name="operator", daemon=True)
        self._loop = asyncio.new_event_loop()
        self._died: asyncio.Event | None = None
        self._stopping = False
        self.count = 0
        self.error: BaseException | None = None

    def __enter__(self) -> Lives:
        self._proxy.cut = lambda line: self.die()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        self.die()
        self._thread.join(20)
        assert not self._thread.is_alive(), "the operator does not end"
        if self.error is not None:
            raise self.error

    def die(self) -> None:
        """Kill the one that lives now."""
        self._loop.call_soon_threadsafe(lambda: self._died.set() if self._died is not None else None)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        # Kopf warns in every life that signals do not come to a thread.
        logging.getLogger("kopf").setLevel(logging.ERROR)
        try:
            while not self._stopping:
                self._loop.run_until_complete(self._live())
        except BaseException as error:
            self.error = error
        finally:
            left = asyncio.all_tasks(self._loop)
            for task in left:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            # Streams that Kopf has left in mid-air are closed by the collector, which needs the loop to be there.
            gc.collect()
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.run_until_complete(asyncio.sleep(0.1))
            self._loop.close()

    async def _live(self) -> None:
        self._died = asyncio.Event()
        if self._stopping:
            return
        self.count += 1
        line = self._proxy.open_line()
        metrics = Metrics()
        client = await Client.connect(
            kubeconfig=str(self._proxy.kubeconfig(self._directory, line)),
            agent="operator",
            observe=metrics.request,
        )
        settings = Settings(
            component_version="0.1.0",
            deep_checks=False,
            leader_election=False,
            http_host="127.0.0.1",
            http_port=0,
            explain_port=0,
            identity=f"life-{self.count}",
        )
        living = asyncio.create_task(Application(settings, client, metrics=metrics).serve())
        dying = asyncio.create_task(self._died.wait())
        done, _ = await asyncio.wait({living, dying}, return_when=asyncio.FIRST_COMPLETED)
        self._proxy.cut_line(line)
        for task in (living, dying):
            task.cancel()
        await asyncio.gather(living, dying, return_exceptions=True)
        await client.close()
        self._proxy.close_line(line)
        if living in done and (error := living.exception()) is not None:
            raise error
