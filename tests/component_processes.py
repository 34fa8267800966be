"""Components as real processes on loopback, for what only a process can show: signals, death, start-up.

with Cluster(tmp_path) as cluster:
    manager = cluster.start("config-manager")
    manager.wait_ready()
    manager.get("/v1/config")
"""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from tools.cluster.ports import free_ports

from alluse.contract import COMPONENTS

_ROOT = Path(__file__).parents[1]


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 30.0) -> Any:
    """Wait until the condition gives something true and return that."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(0.02)
    return found


class Process:
    """One component process."""

    def __init__(
        self, name: str, port: int, directory: Path, environ: Mapping[str, str], python: str = sys.executable
    ) -> None:
        self.name = name
        self.port = port
        self.state = directory / "state"
        self.log_path = directory / "log"
        directory.mkdir(parents=True, exist_ok=True)
        self._python = python
        self._environ = {
            **os.environ,
            "PYTHONPATH": str(_ROOT / "components"),
            "ALLUSE_COMPONENT": name,
            "ALLUSE_SYSTEM": "test",
            "ALLUSE_HOST": "127.0.0.1",
            "ALLUSE_PORT": str(port),
            "ALLUSE_STATE_DIR": str(self.state),
            "ALLUSE_CONFIG_DIR": str(directory / "config"),
            **environ,
        }
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [python, "-m", "alluse"],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=directory,
                env=self._environ,
            )

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of the module's commands beside the component, with its environment."""
        return subprocess.run(
            [self._python, "-m", "alluse", *arguments],
            env=self._environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def request(self, method: str, path: str, body: Any = None, timeout_s: float = 5.0) -> tuple[int, Any]:
        """Status and body (JSON where it is JSON). Raises OSError when nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
            connection.request(method, path, raw, {"content-type": "application/json"})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        try:
            return answer.status, json.loads(content)
        except ValueError:
            return answer.status, content.decode()

    def get(self, path: str, timeout_s: float = 5.0) -> tuple[int, Any]:
        return self.request("GET", path, timeout_s=timeout_s)

    def status(self, path: str, timeout_s: float = 5.0) -> int:
        """The status of GET, 0 when nobody answers."""
        try:
            return self.get(path, timeout_s)[0]
        except OSError:
            return 0

    def wait_ready(self, seconds: float = 60.0) -> None:
        def ready() -> bool:
            if self.process.poll() is not None:
                raise AssertionError(f"{self.name} ended with {self.process.returncode}:\n{self.log}")
            return self.status("/health/ready") == 200

        wait_for(ready, f"{self.name} is ready; it says\n{self.log}", seconds)

    def stop(self) -> float:
        """SIGTERM; seconds until it has ended with 0."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        took = time.monotonic() - started
        assert code == 0, f"{self.name} ended with {code}:\n{self.log}"
        return took

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")[-4000:]


class Cluster:
    """Components that find each other; everything ends with the block. `python` is the one that runs them."""

    def __init__(
        self,
        directory: Path,
        variables: Mapping[str, str] | None = None,
        python: str = sys.executable,
    ) -> None:
        self.directory = directory
        self.python = python
        self.variables = dict(variables or {})
        self.ports = dict(zip(COMPONENTS, free_ports(len(COMPONENTS)), strict=True))
        self.running: dict[str, Process] = {}

    def start(self, name: str, **environ: str) -> Process:
        """Start a component, or start it again with the state that it left."""
        peers = {peer: f"http://127.0.0.1:{port}" for peer, port in self.ports.items()}
        process = Process(
            name,
            self.ports[name],
            self.directory / name,
            {"ALLUSE_PEERS": json.dumps(peers), **self.variables, **environ},
            self.python,
        )
        self.running[name] = process
        return process

    def make_whole(self) -> None:
        """Start whoever of the sixteen does not run, and wait until all are well by their own account."""
        for name in COMPONENTS:
            if name not in self.running or self.running[name].process.poll() is not None:
                self.start(name)
        for process in self.running.values():
            process.wait_ready(120)
        monitor, agent = self.running["health-monitor"], self.running["enhanced-agent"]
        wait_for(
            lambda: monitor.get("/v1/health")[1]["overall_status"] in ("healthy", "degraded"),
            "a system that is well by its own account",
            90,
        )
        wait_for(lambda: agent.get("/v1/trading-gate")[1]["open"], "the gate is open")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for process in self.running.values():
            if process.process.poll() is None:
                process.process.kill()
        for process in self.running.values():
            process.process.wait(10)
