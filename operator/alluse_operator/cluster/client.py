"""The one way to the API server: pooled, asynchronous, plain JSON in and out.

Only this module imports `kubernetes`: it loads the credentials (kubeconfig or the Pod's service
account, tokens read again when they rotate) and sends the requests. Objects stay plain mappings,
because server-side apply, the mirror and the planner all want exactly what the server said; the
generated model classes would cost memory and time and lose unknown fields.

No request is retried here: whoever asks knows what a retry means.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration
from yarl import URL

from alluse_operator.cluster.kinds import Kind
from alluse_operator.errors import ApiError, ApiUnreachable, SettingsError

#: The package carries no types.
config_loader: Any = config

Object = Mapping[str, Any]
#: Called after each request with verb, status (0: no answer) and seconds.
RequestObserver = Callable[[str, int, float], None]

REQUEST_SECONDS = 15.0
CONNECT_SECONDS = 5.0
#: Connections that may be open at once, and for how long an idle one is kept: longer than the pause between
#: two listings at rest, so that a change finds some of them open.
CONNECTIONS = 32
KEPT_SECONDS = 75.0
PAGE = 500

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"


@dataclass(frozen=True, slots=True)
class Listing:
    """All objects of a collection as of `version`."""

    items: Sequence[dict[str, Any]]
    version: int


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What another HTTP session needs to reach the same server as the same user."""

    server: str
    ssl: ssl.SSLContext
    headers: Mapping[str, str]


class Client:
    """Requests to one API server."""

    def __init__(self, api: Any, observe: RequestObserver | None = None) -> None:
        self._api = api
        self._observe = observe or (lambda verb, status, seconds: None)
        self._host: str = api.configuration.host
        self._server_name: str | None = api.configuration.tls_server_name
        # A session of our own: the package's one asks for proxies and passwords in a thread at each request.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=CONNECTIONS, keepalive_timeout=KEPT_SECONDS, ssl=api.rest_client.ssl_context
            ),
            timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS, sock_connect=CONNECT_SECONDS),
            headers={"Accept": "application/json", "User-Agent": api.user_agent},
            proxy=api.configuration.proxy or _proxy(self._host),
        )

    @classmethod
    async def connect(
        cls, *, kubeconfig: str | None, agent: str, observe: RequestObserver | None = None
    ) -> Client:
        """Load credentials: the file given, else the Pod's service account, else the user's kubeconfig."""
        configuration: Any = Configuration()
        try:
            if kubeconfig is None and "KUBERNETES_SERVICE_HOST" in os.environ:
                config_loader.load_incluster_config(client_configuration=configuration)
            else:
                await config_loader.load_kube_config(
                    config_file=kubeconfig, client_configuration=configuration
                )
        except (config_loader.ConfigException, OSError) as error:
            where = kubeconfig or "the service account of this Pod or the default kubeconfig"
            raise SettingsError(f"no credentials for the Kubernetes API from {where}: {error}") from error
        api = ApiClient(configuration)
        api.user_agent = agent
        return cls(api, observe)

    async def close(self) -> None:
        await self._session.close()
        await self._api.close()

    async def endpoint(self) -> Endpoint:
        """Server, TLS and headers as they are now; the token is read again if it has rotated."""
        headers: dict[str, str] = {"User-Agent": self._api.user_agent}
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], "", "GET", None)
        return Endpoint(self._api.configuration.host, self._api.rest_client.ssl_context, headers)

    async def get(self, kind: Kind, namespace: str | None, name: str) -> dict[str, Any]:
        return await self._request("GET", kind.path(namespace, name))

    async def list(self, kind: Kind, namespace: str | None, selector: str = "") -> Listing:
        """Every object, page by page; the first page's version, because later pages are of that moment."""
        items: list[dict[str, Any]] = []
        version = 0
        query: dict[str, str] = {"limit": str(PAGE)}
        if selector:
            query["labelSelector"] = selector
        while True:
            page = await self._request("GET", kind.path(namespace), query, verb="LIST")
            metadata = page.get("metadata") or {}
            version = version or int(metadata.get("resourceVersion") or 0)
            items.extend(page.get("items") or ())
            if not metadata.get("continue"):
                return Listing(items, version)
            query["continue"] = metadata["continue"]

    async def apply(
        self, kind: Kind, body: Object, manager: str, *, subresource: str | None = None, force: bool = True
    ) -> dict[str, Any]:
        """Server-side apply; `force` takes over fields that others hold. Answers the object as it is now."""
        metadata = body["metadata"]
        path = kind.path(metadata["namespace"], metadata["name"], subresource)
        query = {"fieldManager": manager, "force": "true" if force else "false"}
        return await self._request("PATCH", path, query, body, APPLY, verb="APPLY")

    async def create(self, kind: Kind, body: Object) -> dict[str, Any]:
        return await self._request("POST", kind.path(body["metadata"]["namespace"]), body=body)

    async def replace(self, kind: Kind, body: Object) -> dict[str, Any]:
        """Write the whole object; with its resourceVersion a conflict answers 409."""
        metadata = body["metadata"]
        return await self._request("PUT", kind.path(metadata["namespace"], metadata["name"]), body=body)

    async def merge(
        self, kind: Kind, namespace: str, name: str, body: Object, manager: str
    ) -> dict[str, Any]:
        query = {"fieldManager": manager}
        return await self._request("PATCH", kind.path(namespace, name), query, body, MERGE)

    async def patch(
        self, kind: Kind, namespace: str, name: str, operations: Sequence[Object], manager: str
    ) -> dict[str, Any]:
        """JSON patch: its `test` operations make it conditional."""
        query = {"fieldManager": manager}
        return await self._request("PATCH", kind.path(namespace, name), query, list(operations), JSON_PATCH)

    async def delete(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        *,
        uid: str | None = None,
        propagation: str | None = None,
        grace_seconds: int | None = None,
    ) -> dict[str, Any]:
        """Delete that very object (409 if the name now belongs to another uid)."""
        options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        if propagation is not None:
            options["propagationPolicy"] = propagation
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        return await self._request("DELETE", kind.path(namespace, name), body=options)

    async def evict(
        self, namespace: str, pod: str, *, uid: str, grace_seconds: int | None = None
    ) -> dict[str, Any]:
        """Ask for a Pod's eviction; disruption budgets are honoured (429 when they forbid it)."""
        options: dict[str, Any] = {"preconditions": {"uid": uid}}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod, "namespace": namespace},
            "deleteOptions": options,
        }
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/eviction"
        return await self._request("POST", path, body=body, verb="EVICT")

    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        *,
        verb: str | None = None,
    ) -> dict[str, Any]:
        headers = {"Content-Type": content_type}
        data = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        started = time.monotonic()
        status = 0
        try:
            await self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
            url = URL(self._host + path + (f"?{urlencode(query)}" if query else ""), encoded=True)
            async with self._session.request(
                method, url, headers=headers, data=data, server_hostname=self._server_name
            ) as response:
                content = await response.read()
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError, asyncio.IncompleteReadError) as error:
            detail = str(error) or type(error).__name__
            raise ApiUnreachable(f"{method} {path}: no answer from the API server: {detail}") from error
        finally:
            self._observe(verb or method, status, time.monotonic() - started)
        try:
            parsed: Any = json.loads(content)
        except ValueError:
            parsed = content.decode(errors="replace")
        if not 200 <= status < 300:
            raise ApiError.from_answer(status, parsed, response.headers.get("Retry-After"))
        if not isinstance(parsed, dict):
            raise ApiUnreachable(f"{method} {path}: the answer is not a JSON object")
        return parsed


def _proxy(host: str) -> str | None:
    """The proxy that the environment names for this server, asked once."""
    address = urlsplit(host)
    if address.hostname is None or proxy_bypass(address.hostname):
        return None
    return getproxies().get(address.scheme)
