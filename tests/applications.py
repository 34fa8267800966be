"""Small applications for the tests: each component is a few lines of HTTP whose health a test can turn.

A component answers /live always, /ready with 200 while /tmp/closed is absent and /health with 200
while /tmp/sick is absent; `closed` components start closed. So a test opens, closes and sickens a
component by touching files in its pod.
"""

from __future__ import annotations

from typing import Any

from tools import testenv

from kube import Kube, Object

SERVER = """
import http.server, os, signal, sys
if os.environ.get("START") == "closed":
    open("/tmp/closed", "w").close()
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        sign = {"/ready": "/tmp/closed", "/health": "/tmp/sick"}.get(self.path)
        self.send_response(503 if sign and os.path.exists(sign) else 200)
        self.end_headers()
    def log_message(self, *arguments):
        pass
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
http.server.ThreadingHTTPServer(("", 8080), Answer).serve_forever()
"""


def component(name: str, *depends_on: str, closed: bool = False, **fields: Any) -> Object:
    """A component of the small server, with Required/Healthy edges to `depends_on`."""
    made: Object = {
        "name": name,
        "command": ["python3", "-c", SERVER],
        "health": {"path": "/health", "livenessPath": "/live", "readinessPath": "/ready"},
        "stopGraceSeconds": 2,
        **fields,
    }
    if depends_on:
        made["dependsOn"] = [{"name": name} for name in depends_on]
    if closed:
        made["env"] = [{"name": "START", "value": "closed"}]
    return made


def system(name: str, namespace: str, *components: Object, **spec: Any) -> Object:
    return {
        "apiVersion": "alluse.io/v1alpha1",
        "kind": "AllUseSystem",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"profile": "Custom", "components": list(components), **spec},
    }


def pod(kube: Kube, system: str, component: str, namespace: str) -> Object:
    """The one living pod of a component."""
    found = kube.items("pods", namespace, f"alluse.io/system={system},alluse.io/component={component}")
    living = [pod for pod in found if not pod["metadata"].get("deletionTimestamp")]
    assert len(living) == 1, f"{component} has {len(living)} pods"
    return living[0]


def touch(kube: Kube, pod: Object, path: str) -> None:
    kube.kubectl(
        "exec",
        "-n",
        pod["metadata"]["namespace"],
        pod["metadata"]["name"],
        "--",
        "python3",
        "-c",
        f"open({path!r}, 'w').close()",
    )


def remove(kube: Kube, pod: Object, path: str) -> None:
    kube.kubectl(
        "exec",
        "-n",
        pod["metadata"]["namespace"],
        pod["metadata"]["name"],
        "--",
        "python3",
        "-c",
        f"__import__('os').remove({path!r})",
    )


def send_signal(cluster: testenv.Cluster, pod: Object, signal: str) -> None:
    """A signal to the first process of a pod's container, from its node."""
    cluster.node_exec(pod["spec"]["nodeName"], "kill", f"-{signal}", process_of(cluster, pod))


def process_of(cluster: testenv.Cluster, pod: Object) -> str:
    """The id of the first process of a pod's container, as its node counts."""
    container = pod["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://")
    return cluster.node_exec(
        pod["spec"]["nodeName"],
        "crictl", "inspect", "--output", "go-template", "--template", "{{.info.pid}}", container,
    ).strip()  # fmt: skip
