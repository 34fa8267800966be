"""A real Alertmanager on loopback, with a configuration of the test's own."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import yaml
from tools.cluster.ports import free_ports

READY_SECONDS = 30.0


class Alertmanager:
    """`with Alertmanager(program, directory, configuration) as manager: ...`."""

    def __init__(self, program: Path, directory: Path, configuration: dict[str, Any]) -> None:
        self._directory = directory
        self._file = directory / "alertmanager.yaml"
        self._file.write_text(yaml.safe_dump(configuration))
        self.url = f"http://127.0.0.1:{free_ports(1)[0]}"
        self._command = [
            str(program),
            f"--config.file={self._file}",
            f"--storage.path={directory / 'data'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
            "--cluster.listen-address=",
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Alertmanager:
        log = (self._directory / "alertmanager.log").open("ab")
        with log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + READY_SECONDS
        while not self._is_ready():
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def log(self) -> str:
        return (self._directory / "alertmanager.log").read_text(errors="replace")[-4000:]

    def post(self, alerts: list[dict[str, Any]]) -> None:
        """As Prometheus hands in its alerts."""
        request = urllib.request.Request(
            f"{self.url}/api/v2/alerts",
            data=json.dumps(alerts).encode(),
            headers={"Content-Type": "application/json"},
            method="POST",
        )
        try:
            urllib.request.urlopen(request, timeout=10).close()
        except urllib.error.HTTPError as refused:
            with refused:
                raise AssertionError(f"refused: {refused.read()!r}") from None

    def alerts(self) -> list[dict[str, Any]]:
        """Those that it holds, with their state (`active`, `suppressed`)."""
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)
        return found
