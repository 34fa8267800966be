"""A cluster as the tests see it: kubectl and helm on one kubeconfig, and waiting for conditions."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from reading import read

Found = TypeVar("Found")
Object = dict[str, Any]

#: How often a condition is looked at again; every wait has a deadline of its own.
LOOK_AGAIN_SECONDS = 0.2


class CommandError(Exception):
    """A command ended with an error; the message holds what it printed."""


@dataclass(frozen=True, slots=True)
class Kube:
    """kubectl and helm bound to one cluster. Nothing here reads the person's own kubeconfig."""

    kubectl_path: Path
    helm_path: Path
    kubeconfig: Path

    def kubectl(self, *arguments: str, stdin: str | None = None, timeout: float = 120) -> str:
        return self._run(
            [str(self.kubectl_path), "--kubeconfig", str(self.kubeconfig), *arguments], stdin, timeout
        )

    def helm(self, *arguments: str, timeout: float = 300) -> str:
        return self._run(
            [str(self.helm_path), "--kubeconfig", str(self.kubeconfig), *arguments], None, timeout
        )

    def _run(self, command: list[str], stdin: str | None, timeout: float) -> str:
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, timeout=timeout, check=False
        )
        if done.returncode != 0:
            raise CommandError(f"{' '.join(command[3:])}\n{done.stdout}{done.stderr}")
        return done.stdout

    def get(self, kind: str, name: str, namespace: str) -> Object | None:
        """The object, or None when there is none."""
        return read(self.kubeconfig, kind, namespace, name=name)

    def items(self, kind: str, namespace: str, selector: str = "") -> list[Object]:
        """The objects of a kind, or of several with commas between them."""
        lists = [read(self.kubeconfig, one, namespace, selector=selector) for one in kind.split(",")]
        return [
            {"apiVersion": found["apiVersion"], "kind": found["kind"].removesuffix("List"), **item}
            for found in lists
            if found is not None
            for item in found["items"]
        ]

    def apply(self, manifest: Object, *more: str) -> str:
        return self.kubectl("apply", "-f", "-", *more, stdin=json.dumps(manifest))

    def status(self, name: str, namespace: str) -> Object:
        """The status of an AllUseSystem; empty before the operator's first pass."""
        system = self.get("allusesystem", name, namespace)
        return dict((system or {}).get("status", {}))

    def component(self, name: str, component: str, namespace: str) -> Object:
        rows = self.status(name, namespace).get("components", [])
        return next((dict(row) for row in rows if row["name"] == component), {})

    def wait_event(self, reason: str, namespace: str, seconds: float = 60) -> None:
        """Wait for an Event. Events follow the status that tells the same, and are never there with it."""
        self.wait(
            f"an Event {reason}",
            lambda: any(event["reason"] == reason for event in self.items("events", namespace)),
            seconds,
            namespace,
        )

    def wait(self, what: str, look: Callable[[], Found | None], seconds: float, namespace: str = "") -> Found:
        """Look until something is found. On the deadline, fail with what the cluster looked like."""
        deadline = time.monotonic() + seconds
        while True:
            found = look()
            if found:
                return found
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds:g} s: {what}\n{self.describe(namespace)}")
            time.sleep(LOOK_AGAIN_SECONDS)

    def describe(self, namespace: str) -> str:
        """What a person would look at first."""
        where = ["-n", namespace] if namespace else ["-A"]
        parts = [
            ("allusesystems", ["get", "allusesystems", *where, "-o", "wide"]),
            ("pods", ["get", "pods", *where, "-o", "wide"]),
            ("events", ["get", "events", *where, "--sort-by=.lastTimestamp"]),
            (
                "operator",
                [
                    "logs",
                    "-n",
                    "alluse-system",
                    "-l",
                    "app.kubernetes.io/name=allusesystem-operator",
                    "--tail=40",
                ],
            ),
        ]
        texts = []
        for title, arguments in parts:
            try:
                text = self.kubectl(*arguments, timeout=20)
            except (CommandError, subprocess.TimeoutExpired) as error:
                text = str(error)
            texts.append(f"--- {title}\n{text[-6000:]}")
        return "\n".join(texts)

    @contextmanager
    def watch(self, kind: str, namespace: str) -> Iterator[Watch]:
        """Every change of the objects of a kind, in the order in which the API server told it."""
        command = [str(self.kubectl_path), "--kubeconfig", str(self.kubeconfig), "get", kind, "-n", namespace]
        command += ["--watch", "--output-watch-events", "-o", "json"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        watch = Watch()
        reader = threading.Thread(target=watch.read, args=(process,), daemon=True)
        reader.start()
        try:
            yield watch
        finally:
            process.terminate()
            process.wait(timeout=10)
            reader.join(timeout=10)
            if process.stdout is not None:
                process.stdout.close()


@dataclass(slots=True)
class Watch:
    """What a watch told: (type, object, time.monotonic() of its arrival), oldest first."""

    events: list[tuple[str, Object, float]] = field(default_factory=list)

    def read(self, process: subprocess.Popen[str]) -> None:
        decoder, text = json.JSONDecoder(), ""
        assert process.stdout is not None
        for line in process.stdout:
            text += line
            try:
                event, end = decoder.raw_decode(text.lstrip())
            except ValueError:
                continue
            text = text.lstrip()[end:]
            self.events.append((event["type"], event["object"], time.monotonic()))

    def deleted(self) -> list[str]:
        return [obj["metadata"]["name"] for kind, obj, _ in self.events if kind == "DELETED"]

    def created(self) -> list[str]:
        return [obj["metadata"]["name"] for kind, obj, _ in self.events if kind == "ADDED"]


def moment(text: str) -> datetime:
    """An RFC 3339 time stamp of the API."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def condition(obj: Object | Sequence[Object], kind: str) -> Object:
    """The condition of that type, or an empty one."""
    conditions = obj.get("status", {}).get("conditions", []) if isinstance(obj, dict) else obj
    return next((dict(c) for c in conditions if c["type"] == kind), {})
