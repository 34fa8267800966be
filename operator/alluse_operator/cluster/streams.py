"""Signs of life of the watch streams.

Kopf reads the streams and hands on the events, but neither the bookmarks that the API server sends about
once a minute at rest nor when it last heard anything. So the HTTP session that Kopf is given
notes each arrival of bytes, by resource: the age of a stream is the time since then. At rest it stays
around a minute; beyond `SILENT` a stream is dead and the mirror's events are not to be trusted.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import aiohttp

from alluse_operator.cluster.client import Endpoint

#: Two missed bookmarks and Kopf's own reconnection (70 s) fit below.
SILENT = timedelta(seconds=150)


class StreamAges:
    """When each watch stream was last heard, on the event loop's clock."""

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock or (lambda: asyncio.get_running_loop().time())
        self._heard: dict[str, float] = {}

    def heard(self, path: str) -> None:
        self._heard[path] = self._clock()

    def forget(self) -> None:
        """Streams are about to be opened anew: their ages begin now, so that none looks dead or alive."""
        now = self._clock()
        self._heard = dict.fromkeys(self._heard, now)

    def ages(self) -> dict[str, timedelta]:
        now = self._clock()
        return {path: timedelta(seconds=now - at) for path, at in self._heard.items()}

    def silent(self) -> list[str]:
        """The streams that have said nothing for too long."""
        return sorted(path for path, age in self.ages().items() if age > SILENT)


class _HeardContent:
    """A stream reader that reports each chunk; only what Kopf uses of it."""

    def __init__(self, content: aiohttp.StreamReader, heard: Callable[[], None]) -> None:
        self._content = content
        self._heard = heard

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        async for chunk in self._content.iter_chunked(size):
            self._heard()
            yield chunk


def watch_session(endpoint: Endpoint, ages: StreamAges) -> aiohttp.ClientSession:
    """A session for long-lived watches that keeps `ages`."""

    class HeardResponse(aiohttp.ClientResponse):
        async def start(self, connection: Any) -> aiohttp.ClientResponse:
            await super().start(connection)
            if self.url.query.get("watch") == "true" and self.status == 200:
                path = self.url.path
                ages.heard(path)
                self.content = _HeardContent(self.content, lambda: ages.heard(path))  # type: ignore[assignment]
            return self

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=endpoint.ssl),
        headers=dict(endpoint.headers),
        response_class=HeardResponse,
        trust_env=True,
    )
