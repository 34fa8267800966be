"""Objects of a cluster over a connection that is kept.

Tests look several times a second, and a start of kubectl costs as much as twenty looks.
"""

from __future__ import annotations

import functools
import json
import urllib.parse
from pathlib import Path
from typing import Any

from kubernetes import client, config

Object = dict[str, Any]

#: Plural -> the group that serves it.
GROUPS = {
    "allusesystems": "/apis/alluse.io/v1alpha1",
    "configmaps": "/api/v1",
    "deployments": "/apis/apps/v1",
    "events": "/api/v1",
    "jobs": "/apis/batch/v1",
    "networkpolicies": "/apis/networking.k8s.io/v1",
    "nodes": "/api/v1",
    "persistentvolumeclaims": "/api/v1",
    "poddisruptionbudgets": "/apis/policy/v1",
    "pods": "/api/v1",
    "serviceaccounts": "/api/v1",
    "services": "/api/v1",
    "statefulsets": "/apis/apps/v1",
}
#: As people write them.
PLURALS = {"networkpolicy": "networkpolicies"}
CLUSTER_WIDE = frozenset({"nodes"})
_TIMEOUT_SECONDS = 20.0


def read(kubeconfig: Path, kind: str, namespace: str, *, name: str = "", selector: str = "") -> Object | None:
    """The object of that name, or the list; None when there is none. Raises OSError for any other refusal."""
    plural = PLURALS.get(kind, kind if kind in GROUPS else f"{kind}s")
    place = "" if plural in CLUSTER_WIDE else f"/namespaces/{namespace}"
    path = f"{GROUPS[plural]}{place}/{plural}" + (f"/{name}" if name else "")
    if selector:
        path += f"?{urllib.parse.urlencode({'labelSelector': selector})}"
    api = _connection(kubeconfig, kubeconfig.stat().st_mtime_ns)
    answer = api.call_api("GET", api.configuration.host + path, _request_timeout=_TIMEOUT_SECONDS)
    content = answer.read()
    if answer.status == 404:
        return None
    if answer.status != 200:
        raise OSError(f"GET {path}: {answer.status} {content.decode(errors='replace')}")
    return dict(json.loads(content))


@functools.lru_cache(maxsize=4)
def _connection(kubeconfig: Path, _written: int) -> client.ApiClient:
    """A cluster that is made anew has a kubeconfig that is written anew."""
    return config.new_client_from_config(config_file=str(kubeconfig))
