"""The smallest client of the API server that the benchmarks need, counting its requests."""

from __future__ import annotations

import base64
import json
import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import aiohttp
import yaml


class Api:
    """JSON over one pooled session, with the credentials of a kubeconfig's current context."""

    requests: ClassVar[int] = 0

    def __init__(self, session: aiohttp.ClientSession, server: str) -> None:
        self._session, self._server = session, server

    @classmethod
    @asynccontextmanager
    async def connect(cls, kubeconfig: str) -> AsyncIterator[Api]:
        config = _read(kubeconfig)
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        context = ssl.create_default_context(cadata=_data(cluster, "certificate-authority") or None)
        certificate, key = _data(user, "client-certificate"), _data(user, "client-key")
        if certificate and key:
            with tempfile.NamedTemporaryFile("w", suffix=".pem") as chain:
                chain.write(certificate + key)
                chain.flush()
                context.load_cert_chain(chain.name)
        headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        connector = aiohttp.TCPConnector(ssl=context, limit=50)
        async with aiohttp.ClientSession(connector=connector, headers=headers, timeout=timeout) as session:
            yield cls(session, cluster["server"])

    async def get(self, path: str) -> dict[str, Any]:
        return await self._call("GET", path)

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return await self._call("POST", path, body)

    async def put(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return await self._call("PUT", path, body)

    async def delete(self, path: str) -> dict[str, Any]:
        return await self._call("DELETE", path)

    async def cpu_seconds(self) -> float:
        """What the server has used until now."""
        async with self._session.get(f"{self._server}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        return next(float(row.split()[1]) for row in lines if row.startswith("process_cpu_seconds_total "))

    async def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        Api.requests += 1
        async with self._session.request(method, self._server + path, json=body) as answer:
            if answer.status >= 400:
                raise RuntimeError(f"{method} {path}: {answer.status} {(await answer.text())[:300]}")
            return dict(await answer.json())

    async def watch(self, path: str) -> AsyncIterator[dict[str, Any]]:
        """Events of a watch; lines may be long, so they are put together from chunks."""
        Api.requests += 1
        async with self._session.get(self._server + path) as answer:
            answer.raise_for_status()
            rest = b""
            async for chunk in answer.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    if line.strip():
                        yield json.loads(line)


def _read(kubeconfig: str) -> dict[str, Any]:
    return dict(yaml.safe_load(Path(kubeconfig).read_text()))


def _data(section: dict[str, Any], name: str) -> str:
    if f"{name}-data" in section:
        return base64.b64decode(section[f"{name}-data"]).decode()
    return Path(section[name]).read_text() if name in section else ""
