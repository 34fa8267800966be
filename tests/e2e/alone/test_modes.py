"""The chart's other ways: rights in some namespaces only, and an uninstall without a living operator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from alluse_operator.cluster.alerting.messages import sign
from applications import component, pod, system, touch
from installation import RELEASE, Release, fresh_namespace
from kube import Kube, Object

KEY = "a-key-that-stands-in-a-secret-alone"
#: Keeps what it is sent, and is healthy.
RECEIVER = """
import http.server, json
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with open("/tmp/told", "a") as told:
            told.write(json.dumps({"headers": {k.lower(): v for k, v in self.headers.items()}, "body": body}) + chr(10))
        self.send_response(200); self.end_headers()
    def log_message(self, *arguments):
        pass
http.server.ThreadingHTTPServer(("", 8080), Answer).serve_forever()
"""


@pytest.fixture
def other(kube: Kube, operator: str) -> Iterator[str]:
    """A namespace that is not served."""
    yield from fresh_namespace(kube)


def test_with_namespaces_only_these_are_served_and_nothing_is_cluster_wide(
    kube: Kube, namespace: str, other: str, operator: str, release: Release
) -> None:
    """Recovery and alerts included: a failing deep check, and a signed webhook with its key from a Secret."""
    key = {"name": "pager", "key": "hmac"}
    pager = {"type": "webhook", "url": f"http://served-pager.{namespace}:8080/", "hmacSecret": key}
    kube.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "pager", "namespace": operator},
            "stringData": {"hmac": KEY},
        }
    )
    release.install(
        f"--set=watchNamespaces={{{namespace}}}", f"--set-json=alerts.sinks={json.dumps({'pager': pager})}"
    )
    ours = "app.kubernetes.io/name=allusesystem-operator"
    cluster_wide = kube.kubectl("get", "clusterroles,clusterrolebindings", "-l", ours, "-o", "name")
    assert cluster_wide == ""
    kube.apply(system("unserved", other, component("web")))
    api = component("api")
    api["health"] |= {"periodSeconds": 1, "unhealthyAfter": 2}
    receiver = {**component("pager"), "command": ["python3", "-c", RECEIVER]}
    broken = component("broken") | {
        "command": ["python3", "-c", "raise SystemExit(3)"],
        "criticality": "Optional",
    }
    routes = [{"severity": severity, "sinks": ["pager"]} for severity in ("Critical", "Warning", "Info")]
    parts = (component("web", "api"), api, receiver, broken)
    kube.apply(system("served", namespace, *parts, alerts={"routes": routes}))
    kube.wait("ready", lambda: kube.status("served", namespace).get("ready") == "3/4", 120, namespace)
    assert kube.status("unserved", other) == {}
    assert kube.items("pods", other) == []
    _recovers(kube, namespace)
    _is_told(kube, namespace)
    kube.kubectl("delete", "allusesystem", "served", "-n", namespace, "--timeout=60s")
    release.install()
    kube.wait("served now", lambda: kube.status("unserved", other).get("ready") == "1/1", 120, other)


def _recovers(kube: Kube, namespace: str) -> None:
    """A component that fails its deep check is restarted by eviction."""
    sick = pod(kube, "served", "api", namespace)
    touch(kube, sick, "/tmp/sick")

    def back() -> bool:
        row = kube.component("served", "api", namespace)
        return (row.get("lastAction") or {}).get("type") == "RestartPod" and row["state"] == "Healthy"

    kube.wait("it is restarted and well", back, 60, namespace)
    assert pod(kube, "served", "api", namespace)["metadata"]["uid"] != sick["metadata"]["uid"]


def _is_told(kube: Kube, namespace: str) -> None:
    """What does not come up is told to the receiver, in a document with a signature that is right."""
    receiver = pod(kube, "served", "pager", namespace)

    def told() -> list[Object]:
        command = "import pathlib; f = pathlib.Path('/tmp/told'); print(f.read_text() if f.exists() else '')"
        said = kube.kubectl(
            "exec", "-n", namespace, receiver["metadata"]["name"], "--", "python3", "-c", command
        )
        found: list[Any] = [json.loads(line) for line in said.splitlines() if line]
        return [one for one in found if '"broken"' in one["body"]]

    delivery = kube.wait("the broken one is told of", told, 60, namespace)[0]
    headers, body = delivery["headers"], delivery["body"]
    expected = sign(KEY.encode(), headers["x-alluse-timestamp"], body.encode())
    assert headers["x-alluse-signature"] == expected


def test_an_operator_that_is_dead_does_not_hold_the_uninstall(
    kube: Kube, namespace: str, operator: str, release: Release
) -> None:
    release.install("--set=uninstall.timeoutSeconds=10")
    kube.apply(system("orphan", namespace, component("web", "api"), component("api")))
    kube.wait("ready", lambda: kube.status("orphan", namespace).get("ready") == "2/2", 120, namespace)
    kube.kubectl("scale", "-n", operator, f"deployment/{RELEASE}", "--replicas=0")
    selector = "app.kubernetes.io/name=allusesystem-operator"
    kube.wait("the operator is gone", lambda: not kube.items("pods", operator, selector), 60, operator)

    release.uninstall("--timeout=90s")

    assert kube.items("allusesystems", namespace) == []
    kube.wait("no pod is left", lambda: not kube.items("pods", namespace), 60, namespace)
