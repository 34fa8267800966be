"""The operator's own HTTP server: is it alive, is it ready, what does it count.

It runs on the same event loop as everything else, so `/livez` answers only while that loop turns: a frozen
process does not answer, and the kubelet restarts it. What would not be mended by a restart (the API server
is away, a right is missing) shows in `/readyz`, never in `/livez`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aiohttp import web

from alluse_operator.metrics import CONTENT_TYPE, Metrics


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
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner


def port_of(runner: web.AppRunner) -> int:
    """The port that is really served, where 0 was asked for."""
    return int(runner.addresses[0][1])
