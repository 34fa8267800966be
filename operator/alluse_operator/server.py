"""The operator's own HTTP server: is it alive, is it ready, what does it count.

It runs on the same event loop as everything else, so `/livez` answers only while that loop turns: a frozen
process does not answer, and the kubelet restarts it. What would not be mended by a restart (the API server
is away, a right is missing) shows in `/readyz`, never in `/livez`.

A second server, on the loopback address alone, explains decisions. Who may forward a port of the operator's
Pod may read them; nobody else can.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from alluse_operator.core.journal import Ring
from alluse_operator.metrics import CONTENT_TYPE, Metrics

LOOPBACK = "127.0.0.1"


async def start(
    host: str,
    port: int,
    *,
    metrics: Metrics,
    troubles: Callable[[], Sequence[str]],
    refresh: Callable[[], None],
) -> web.AppRunner:
    """Serve until the runner is cleaned up. `troubles` says what keeps the operator from being ready."""

    async def livez(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        found = troubles()
        text = "".join(f"{trouble}\n" for trouble in found) or "ok\n"
        return web.Response(text=text, status=503 if found else 200)

    async def show_metrics(_: web.Request) -> web.Response:
        refresh()
        return web.Response(body=metrics.render(), headers={"Content-Type": CONTENT_TYPE})

    application = web.Application()
    application.add_routes(
        [web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", show_metrics)]
    )
    return await _listen(application, host, port)


class Unavailable(Exception):  # noqa: N818 - an answer, not a mistake
    """This process cannot say: it does not lead, or does not know enough yet."""


async def start_explaining(
    port: int, *, ring: Ring, plan: Callable[[str], Awaitable[Mapping[str, Any] | None]]
) -> web.AppRunner:
    """Serve the journal and plans on 127.0.0.1. `plan` takes `namespace/name`; None: there is no such system,
    and `Unavailable` where it cannot be said. Raises OSError when the port is taken.
    """

    async def list_records(request: web.Request) -> web.Response:
        return web.json_response({"records": list(ring.summaries(request.query.get("system", "")))})

    async def show_record(request: web.Request) -> web.Response:
        record = ring.get(request.match_info["id"])
        if record is None:
            return _refuse(404, "no such record: it was never made, or newer ones have taken its place")
        return web.json_response(record)

    async def show_plan(request: web.Request) -> web.Response:
        system = request.query.get("system", "")
        if system.count("/") != 1:
            return _refuse(400, "say which system: ?system=NAMESPACE/NAME")
        try:
            found = await plan(system)
        except Unavailable as error:
            return _refuse(503, str(error))
        return web.json_response(found) if found is not None else _refuse(404, f"no system {system} is known")

    application = web.Application()
    application.add_routes(
        [
            web.get("/journal", list_records),
            web.get("/journal/{id}", show_record),
            web.get("/plan", show_plan),
        ]
    )
    return await _listen(application, LOOPBACK, port)


async def _listen(application: web.Application, host: str, port: int) -> web.AppRunner:
    """Serve an application; nothing is left open where that fails or is broken off. Raises OSError."""
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except BaseException:
        await runner.cleanup()
        raise
    return runner


def _refuse(status: int, detail: str) -> web.Response:
    return web.json_response({"detail": detail}, status=status)


def port_of(runner: web.AppRunner) -> int:
    """The port that is really served, where 0 was asked for."""
    return int(runner.addresses[0][1])
