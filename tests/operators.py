"""The operator as a process of its own, for tests against a real API server."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from tools.cluster.ports import free_ports

ROOT = Path(__file__).resolve().parents[1]
READY_SECONDS = 30.0
STOP_SECONDS = 10.0


class OperatorProcess:
    """One `python -m alluse_operator`; its log is in `log`."""

    def __init__(self, kubeconfig: Path, directory: Path, *flags: str, lease: str = "operator") -> None:
        self.kubeconfig = kubeconfig
        self.log = directory / f"operator-{time.monotonic_ns()}.log"
        self.port, self.explain_port = free_ports(2)
        self._command = [
            sys.executable, "-m", "alluse_operator", "--kubeconfig", str(kubeconfig),
            "--http-host", "127.0.0.1", "--http-port", str(self.port),
            "--explain-port", str(self.explain_port),
            "--lease-namespace", "default", "--lease-name", lease,
            "--lease-duration-seconds", "3", "--lease-renew-seconds", "2", "--lease-retry-seconds", "0.5",
            "--component-version", "0.1.0", *flags,
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> OperatorProcess:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ALLUSE_")}
        environment["PYTHONPATH"] = f"{ROOT / 'operator'}:{ROOT / 'components'}"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT, env=environment
            )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> int:
        """SIGTERM; answers the exit status. Raises subprocess.TimeoutExpired after STOP_SECONDS."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """SIGKILL, if it still runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(STOP_SECONDS)

    def get(self, path: str, port: int = 0) -> tuple[int, str]:
        """Ask its HTTP server, or another port of it; status 0 if nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port or self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read().decode()
        except OSError:
            return 0, ""

    def wait_until_leading(self) -> None:
        """Until it leads and has nothing to complain of."""
        deadline = time.monotonic() + READY_SECONDS
        while not (self.get("/readyz")[0] == 200 and self.metric("allusesystem_leader") == 1.0):
            assert self.running, f"the operator has ended:\n{self.tail()}"
            assert time.monotonic() < deadline, f"the operator does not get ready:\n{self.tail()}"
            time.sleep(0.05)

    def metric(self, name: str, **labels: str) -> float:
        """Sum of a metric's series that have these labels."""
        total = 0.0
        for line in self.get("/metrics")[1].splitlines():
            if match := re.fullmatch(rf"{name}(?:\{{(.*)\}})? (\S+)", line):
                found = dict(re.findall(r'(\w+)="([^"]*)"', match[1] or ""))
                if labels.items() <= found.items():
                    total += float(match[2])
        return total

    def tail(self, lines: int = 40) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
