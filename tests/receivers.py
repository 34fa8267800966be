"""Receivers of alerts on loopback: real HTTP servers that keep what they are sent and answer as they are told."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Delivery:
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """`with Receiver() as receiver: ... receiver.url, receiver.deliveries`."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    deliveries: list[Delivery] = field(default_factory=list)
    _server: ThreadingHTTPServer | None = None

    def __enter__(self) -> Receiver:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                receiver.deliveries.append(Delivery(self.path, dict(self.headers), body))
                self.send_response(receiver.status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def until(self, wanted: Callable[[list[Delivery]], Found], what: str, seconds: float = 30.0) -> Found:
        """Wait until what has arrived satisfies `wanted`, and return what that says."""
        deadline = time.monotonic() + seconds
        while not (found := wanted(list(self.deliveries))):
            assert time.monotonic() < deadline, (
                f"not within {seconds:g} s: {what}; arrived: {self.deliveries}"
            )
            time.sleep(0.02)
        return found


def is_genuine(key: bytes, headers: Mapping[str, str], body: bytes, now: float, seen: set[str]) -> bool:
    """What docs/howto/alerts.md tells receivers to do: check the signature, the age, and whether it is new."""
    timestamp = headers.get("X-Alluse-Timestamp", "")
    if not timestamp.isdigit() or abs(now - int(timestamp)) > 300:
        return False
    wanted = "sha256=" + hmac.new(key, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(wanted, headers.get("X-Alluse-Signature", "")):
        return False
    delivery = json.loads(body)["id"]
    if delivery in seen:
        return False
    seen.add(delivery)
    return True
