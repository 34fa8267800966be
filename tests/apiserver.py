"""A client for tests of the API server: one request in, status and body out, nothing hidden."""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
import time
import urllib.parse
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tools.cluster.controlplane import ControlPlane

from alluse_operator.api import names

ROOT = Path(__file__).resolve().parents[1]
DEFINITION = ROOT / "crds/allusesystems.yaml"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

_APPLY = "application/apply-patch+yaml"
_ESTABLISHED_SECONDS = 60.0
_LOOK_AGAIN_SECONDS = 0.05

#: What the API server adds when a resource is so wrong that it did not come to the rules.
_MORE_MAY_FOLLOW = "some validation rules were not checked because the object was invalid"

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server said."""

    status: int
    body: Object

    @property
    def ok(self) -> bool:
        return self.status < 300

    @property
    def errors(self) -> list[str]:
        """The lines that kubectl prints for a refusal, sorted; without the remark that there may be more."""
        causes = self.body.get("details", {}).get("causes")
        if not causes:
            return [self.message]
        lines = {f"{cause['field']}: {cause['message']}" for cause in causes}
        return sorted(line for line in lines if _MORE_MAY_FOLLOW not in line)

    @property
    def message(self) -> str:
        """The sentence that kubectl would print for a refusal."""
        return str(self.body.get("message", ""))


class ApiServer:
    """The API server of one control plane, as its administrator.

    Connections are kept: tests look very often, and a handshake costs more than a look.
    """

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane
        self._context = ssl.create_default_context(cafile=str(plane.ca_file))
        self._idle: list[http.client.HTTPSConnection] = []
        weakref.finalize(self, _close_all, self._idle)

    def request(
        self, method: str, path: str, body: object = None, content_type: str = "application/json"
    ) -> Answer:
        """Send one request. Refusals are answers, not exceptions."""
        text = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.plane.token}", "Content-Type": content_type}
        while True:
            used, connection = self._connection()
            try:
                connection.request(method, path, text, headers)
                answer = connection.getresponse()
                content = answer.read()
            except (http.client.HTTPException, OSError):
                connection.close()
                # A server that was restarted has closed what was idle; a new connection tells the truth.
                if used:
                    continue
                raise
            self._idle.append(connection)
            return Answer(answer.status, json.loads(content) if answer.status < 300 else _refusal(content))

    def _connection(self) -> tuple[bool, http.client.HTTPSConnection]:
        """Whether it was used before, and the connection; it belongs to the caller alone."""
        try:
            return True, self._idle.pop()
        except IndexError:
            host = urllib.parse.urlsplit(self.plane.url).netloc
            return False, http.client.HTTPSConnection(host, timeout=30, context=self._context)

    def apply(self, path: str, body: Object, manager: str, force: bool = False) -> Answer:
        """Server-side apply."""
        flag = "&force=true" if force else ""
        return self.request("PATCH", f"{path}?fieldManager={manager}{flag}", body, _APPLY)

    def create(self, system: Object, namespace: str, dry_run: bool = False) -> Answer:
        """Create an AllUseSystem as `kubectl apply` would: unknown fields are refused."""
        path = f"{systems(system['apiVersion'], namespace)}?fieldValidation=Strict"
        return self.request("POST", path + ("&dryRun=All" if dry_run else ""), system)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run kubectl; the caller looks at the exit status."""
        return subprocess.run(
            [*self.plane.kubectl, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def install_definition(self, definition: Object | None = None) -> None:
        """Install or replace the definition of AllUseSystem, and wait until the server goes by it."""
        if definition is None:
            definition = yaml.safe_load(DEFINITION.read_text(encoding="utf-8"))
        name = definition["metadata"]["name"]
        answer = self.apply(f"{DEFINITIONS}/{name}", definition, "tests", force=True)
        assert answer.ok, answer.message
        deadline = time.monotonic() + _ESTABLISHED_SECONDS
        group = definition["spec"]["group"]
        while not self._is_established(name, group):
            assert time.monotonic() < deadline, f"{name} was not established"
            time.sleep(_LOOK_AGAIN_SECONDS)

    def _is_established(self, name: str, group: str) -> bool:
        """Established, and really served: the condition comes a moment before the handler."""
        status = self.request("GET", f"{DEFINITIONS}/{name}").body.get("status", {})
        accepted = {each["type"] for each in status.get("conditions") or () if each["status"] == "True"}
        served = self.request("GET", systems(f"{group}/{names.VERSION}", "default")).ok
        return "Established" in accepted and served


def _close_all(connections: list[http.client.HTTPSConnection]) -> None:
    for connection in connections:
        connection.close()


def systems(api_version: str, namespace: str) -> str:
    """Path of the systems in a namespace."""
    return f"/apis/{api_version}/namespaces/{namespace}/{names.PLURAL}"


def _refusal(text: bytes) -> Object:
    """A Status object; before a group is served the API server answers with a line of text."""
    return dict(json.loads(text)) if text.startswith(b"{") else {"message": text.decode().strip()}


def system(spec: Object, name: str = "demo", namespace: str | None = None) -> Object:
    """An AllUseSystem as a person would write it."""
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": metadata, "spec": spec}
