"""kubectl as the way to the cluster: objects as JSON, streams of changes, requests to a port of a pod.

The person's own kubectl brings the kubeconfig, the context and the rights; nothing is asked of the API
server that kubectl itself would not ask.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, Final

from alluse.client.errors import ConnectError
from alluse.client.forwarding import Place, end_forward, open_forward

Object = Mapping[str, Any]

QUERY_S: Final = 20.0
STOP_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Change:
    """One event of a watch, with the moment of its arrival (`time.monotonic()`)."""

    kind: str
    """ADDED, MODIFIED or DELETED."""
    obj: Object
    at: float


@dataclass(frozen=True, slots=True)
class Cluster:
    """kubectl for one place: a context, a namespace and a system in it."""

    place: Place

    def get(self, *what: str, namespace: str = "") -> Object:
        """The object, or the list, that `kubectl get WHAT -o json` prints. Raises ConnectError."""
        command = self.place.command(
            f"--namespace={namespace or self.place.namespace}", "get", *what, "--output=json"
        )
        found = self._run([*command, "--request-timeout=15s"])
        try:
            return dict(json.loads(found))
        except (ValueError, TypeError):
            raise ConnectError(
                f"kubectl gave something for {' '.join(what)} that cannot be read", "Try: kubectl version"
            ) from None

    def items(self, *what: str, namespace: str = "") -> list[Object]:
        """The items of a list."""
        return list(self.get(*what, namespace=namespace).get("items") or ())

    def change(self, *arguments: str) -> str:
        """Run a kubectl command that changes something; what it printed. Raises ConnectError."""
        return self._run(self.place.command(f"--namespace={self.place.namespace}", *arguments))

    @contextmanager
    def watch(self, *what: str, told: Callable[[Change], None]) -> Iterator[subprocess.Popen[str]]:
        """Tell each change of `kubectl get WHAT --watch`, from a thread of its own, until the block ends."""
        command = self.place.command(f"--namespace={self.place.namespace}", "get", *what)
        process = subprocess.Popen(
            [*command, "--watch", "--output-watch-events", "--output=json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        assert process.stdout is not None
        reader = threading.Thread(target=_read, args=(process.stdout, told), daemon=True)
        reader.start()
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            reader.join(STOP_S)
            process.stdout.close()

    @contextmanager
    def port(self, pod: str, port: int, namespace: str = "") -> Iterator[Port]:
        """A way to a port inside a pod. Raises ConnectError."""
        here = self.place
        place = Place(here.context, here.kubeconfig, namespace or here.namespace, here.system, here.kubectl)
        process, local = open_forward(place, f"pod/{pod}", port)
        try:
            yield Port(pod, local)
        finally:
            end_forward(process)

    def _run(self, command: list[str]) -> str:
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=QUERY_S, check=False)
        except subprocess.TimeoutExpired:
            raise ConnectError(
                f"kubectl gave no answer within {QUERY_S:.0f} s",
                "Is the cluster running? Try: kubectl version",
            ) from None
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["no reason given"]
            raise ConnectError(
                f"kubectl says: {lines[-1]}", "Check --context and --namespace, and your rights."
            )
        return done.stdout


@dataclass(frozen=True, slots=True)
class Port:
    """A forwarded port of a pod."""

    pod: str
    local: int

    def ask(
        self, method: str, path: str, body: Object | None = None, timeout_s: float = 10.0
    ) -> tuple[int, Object]:
        """Status and JSON object of the answer; anything else than an object is an empty one.

        Raises ConnectError.
        """
        payload = None if body is None else json.dumps(body).encode()
        headers = {"accept": "application/json", "content-type": "application/json"}
        connection = http.client.HTTPConnection("127.0.0.1", self.local, timeout=timeout_s)
        try:
            connection.request(method, path, payload, headers)
            answer = connection.getresponse()
            return answer.status, _mapping(answer.read())
        except (OSError, http.client.HTTPException) as error:
            raise ConnectError(
                f"pod {self.pod} gave no answer to {method} {path}: {error or type(error).__name__}",
                "See its log: kubectl logs",
            ) from None
        finally:
            connection.close()


def _mapping(raw: bytes) -> Object:
    try:
        found = json.loads(raw)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _read(stream: IO[str], told: Callable[[Change], None]) -> None:
    """JSON objects one after the other, each on a line of its own or over several lines."""
    decoder, text = json.JSONDecoder(), ""
    for line in stream:
        text += line
        # Over several lines, the last one is a brace in the first column: the others need not be tried.
        if line[0] not in "{}":
            continue
        try:
            event, end = decoder.raw_decode(text.lstrip())
        except ValueError:
            continue
        text = text.lstrip()[end:]
        told(Change(str(event.get("type", "")), event.get("object") or {}, time.monotonic()))
