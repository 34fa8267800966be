"""Runs one component as a process: listens, handles SIGTERM, ends with 0."""

from alluse.runtime import lean  # noqa: F401, I001  first, because it acts on what is imported after it

import asyncio
import gc
import signal
import socket
import sys
from typing import Any, Final

from alluse import contract
from alluse.runtime import spare
from alluse.runtime.faults import EXIT_CODE, must_exit
from alluse.runtime.http_server import HttpServer
from alluse.runtime.identity import Identity
from alluse.runtime.loading import load_service
from alluse.runtime.runtime import Runtime
from alluse.runtime.service import Service

#: Between saying "not ready" and closing the port, so that callers who were just routed here are served.
LINGER_S: Final = 0.1
#: What of the stop time the running requests may take; the rest is for flushing.
DRAIN_S: Final = contract.STOP_SECONDS - 2.5
KEY_WORKERS: Final = "performance.async.max_workers"
KEY_STOP: Final = "deployment.graceful_shutdown_timeout"


def run(identity: Identity, sock: socket.socket) -> int:
    """Run the component until it is told to stop, and return the exit code."""
    if identity.takes_faults and must_exit(identity.state_dir):
        print("fault injected: exit", file=sys.stderr)
        return EXIT_CODE
    asyncio.run(serve(identity, load_service(identity.facts), sock))
    return 0


async def serve(identity: Identity, service: Service[Any], sock: socket.socket) -> None:
    """Run until SIGTERM or SIGINT, on a socket that listens."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runtime = Runtime(identity, service)
    loop.set_default_executor(_executor(runtime.config.integer(KEY_WORKERS)))
    runtime.logs.capture_standard_logging()
    server = HttpServer(runtime.handle)
    port = await server.accept(sock)
    await runtime.start()
    runtime.log.info("listening", port=port)
    # What exists now stays for the life of the process: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    spare.give_back()
    await stop.wait()
    runtime.refuse_work()
    await asyncio.sleep(LINGER_S)
    await server.stop(min(DRAIN_S, runtime.config.number(KEY_STOP)))
    await runtime.stop()


def _executor(workers: int) -> Any:
    """Threads for computations; they are made when they are needed."""
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(max_workers=workers, thread_name_prefix="compute")
