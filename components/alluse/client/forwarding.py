"""Ways to the components: addresses that were given, or `kubectl port-forward` to the Services.

A port-forward, not the API server's proxy for Services: it ends inside the pod, so that the system's network
policies need no hole for people, and it needs no right but the one to forward.
"""

import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Final, Protocol

from alluse import contract
from alluse.client.errors import ConnectError, UsageError

START_S: Final = 15.0
STOP_S: Final = 2.0
POLL_S: Final = 0.02
QUERY_S: Final = 15.0
_FORWARDING: Final = re.compile(rb"^Forwarding from 127\.0\.0\.1:(\d+) ->", re.MULTILINE)


class Ways(Protocol):
    """Where a component answers."""

    def address(self, component: str) -> tuple[str, int]:
        """Host and port. Raises ConnectError."""

    def lost(self, component: str) -> bool:
        """The address does not answer any more; True when the next one may be another."""

    def close(self) -> None: ...


@dataclass(slots=True)
class Given:
    """Addresses by component, as host and port."""

    addresses: Mapping[str, tuple[str, int]]

    def address(self, component: str) -> tuple[str, int]:
        try:
            return self.addresses[component]
        except KeyError:
            raise ConnectError(
                f"no address of {component} is given",
                f"Add --url {component}=http://HOST:PORT, or leave --url out to go through kubectl.",
            ) from None

    def lost(self, component: str) -> bool:
        return False

    def close(self) -> None:
        """Nothing to close."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which system in which cluster; what is empty is found out."""

    context: str = ""
    kubeconfig: str = ""
    namespace: str = ""
    system: str = ""
    kubectl: str = "kubectl"

    def command(self, *arguments: str) -> list[str]:
        """The kubectl command with the flags of this place.

        Raises UsageError when there is no such program.
        """
        if shutil.which(self.kubectl) is None:
            raise UsageError(
                f"there is no program {self.kubectl}",
                "Install kubectl, name it with --kubectl, or give an address with --url http://HOST:PORT.",
            )
        flags = [f"--context={self.context}"] if self.context else []
        flags += [f"--kubeconfig={self.kubeconfig}"] if self.kubeconfig else []
        return [self.kubectl, *flags, *arguments]


@dataclass(slots=True)
class Forwards:
    """One `kubectl port-forward` for each component that is asked for, started when it is first asked for."""

    place: Place
    _running: dict[str, tuple[subprocess.Popen[bytes], int]] = field(default_factory=dict)

    def address(self, component: str) -> tuple[str, int]:
        if component in self._running:
            process, port = self._running[component]
            if process.poll() is None:
                return "127.0.0.1", port
            self._stop(component)
        if not (self.place.system and self.place.namespace):
            self.place = find_system(self.place)
        service = f"svc/{self.place.system}-{component}"
        self._running[component] = open_forward(self.place, service, contract.PORT)
        return "127.0.0.1", self._running[component][1]

    def lost(self, component: str) -> bool:
        """The pod behind may have been replaced: the next address leads to its successor."""
        self._stop(component)
        return True

    def close(self) -> None:
        for component in list(self._running):
            self._stop(component)

    def _stop(self, component: str) -> None:
        if (found := self._running.pop(component, None)) is not None:
            end_forward(found[0])


def open_forward(place: Place, target: str, port: int) -> tuple[subprocess.Popen[bytes], int]:
    """A running `kubectl port-forward` to `target` (`svc/NAME`, `pod/NAME`) in the place's namespace, and its
    local port on 127.0.0.1. The caller ends it with `end_forward`. Raises ConnectError.
    """
    command = place.command(
        f"--namespace={place.namespace}", "port-forward", "--address=127.0.0.1", target, f":{port}"
    )
    # A file, not a pipe: kubectl says a line for every connection and would stop when a pipe is full.
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            # Ctrl-C ends what is being typed, not the way to the agent.
            start_new_session=True,
        )
        try:
            return process, _port(process, said, target, place)
        except BaseException:
            end_forward(process)
            raise


def find_system(place: Place) -> Place:
    """The place with the one system that it can mean. Raises ConnectError or UsageError."""
    scope = [f"--namespace={place.namespace}"] if place.namespace else ["--all-namespaces"]
    asked = place.command("get", "allusesystems.alluse.io", *scope, "--output=json", "--request-timeout=10s")
    try:
        done = subprocess.run(asked, capture_output=True, timeout=QUERY_S, check=False)
    except subprocess.TimeoutExpired:
        raise ConnectError(
            f"kubectl gave no answer within {QUERY_S:.0f} s", "Is the cluster running? Try: kubectl version"
        ) from None
    if done.returncode:
        said = _last_line(done.stderr)
        remedy = "Check --context and --kubeconfig (kubectl config get-contexts); is the operator installed?"
        if "(Forbidden)" in said:
            remedy = (
                "Name the system with --namespace and --system, or ask for the right to list allusesystems."
            )
        raise ConnectError(f"kubectl cannot list the systems: {said}", remedy)
    try:
        items = json.loads(done.stdout)["items"]
        found = [(item["metadata"]["namespace"], item["metadata"]["name"]) for item in items]
    except (ValueError, KeyError, TypeError):
        raise ConnectError("kubectl gave a list that cannot be read", "Try: kubectl get aus -A") from None
    found = [pair for pair in found if place.system in ("", pair[1])]
    where = f"namespace {place.namespace}" if place.namespace else "the cluster"
    if not found:
        named = f"called {place.system} " if place.system else ""
        raise ConnectError(
            f"there is no AllUseSystem {named}in {where}",
            "Create one (kubectl apply -f manifests/samples/minimal.yaml), or run: make demo",
        )
    if len(found) > 1:
        names = ", ".join(f"--namespace {namespace} --system {name}" for namespace, name in found[:10])
        raise UsageError(f"there are {len(found)} systems in {where}", f"Say which: {names}")
    namespace, name = found[0]
    return Place(place.context, place.kubeconfig, namespace, name, place.kubectl)


def _port(process: subprocess.Popen[bytes], said: IO[bytes], service: str, place: Place) -> int:
    """The local port that kubectl chose. Raises ConnectError."""
    deadline = time.monotonic() + START_S
    while True:
        ended = process.poll() is not None
        said.seek(0)
        text = said.read()
        if (match := _FORWARDING.search(text)) is not None and not ended:
            return int(match[1])
        remedy = f"See how the system is: kubectl get aus {place.system} -n {place.namespace}"
        if ended:
            raise ConnectError(f"kubectl cannot forward a port to {service}: {_last_line(text)}", remedy)
        if time.monotonic() > deadline:
            raise ConnectError(f"kubectl forwarded no port to {service} within {START_S:.0f} s", remedy)
        time.sleep(POLL_S)


def end_forward(process: subprocess.Popen[bytes]) -> None:
    """End it, by force if it does not go by itself."""
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last_line(text: bytes) -> str:
    lines = text.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "no reason given"


def parse_urls(texts: Sequence[str], default: str) -> dict[str, tuple[str, int]]:
    """`http://HOST:PORT` of the default component, or `COMPONENT=http://HOST:PORT`. Raises UsageError."""
    addresses = {}
    for text in texts:
        component, separator, url = text.partition("=")
        if not separator:
            component, url = default, text
        if component not in contract.COMPONENTS:
            raise UsageError(
                f"there is no component {component}", f"One of: {', '.join(contract.COMPONENTS)}"
            )
        match = re.fullmatch(r"http://([A-Za-z0-9.\-]+|\[[0-9a-fA-F:]+\])(?::(\d{1,5}))?/?", url)
        if match is None or not 0 < int(match[2] or contract.PORT) < 65536:
            raise UsageError(f"{url!r} is not an address", "Write it as http://HOST:PORT.")
        addresses[component] = match[1].strip("[]"), int(match[2] or contract.PORT)
    return addresses
