"""Listening to components: the events they send and the fields they refuse."""

import json
from typing import Any

from alluse.runtime.http_client import HttpReply
from alluse.runtime.http_server import HttpRequest
from inprocess import System


class Ears:
    """Plays the consumers of events and keeps what each was sent."""

    def __init__(self, system: System, *names: str) -> None:
        self.heard: list[dict[str, Any]] = []
        for name in names:
            system.played[name] = self._take

    def _take(self, request: HttpRequest) -> HttpReply:
        body = json.loads(request.body) if request.body else []
        self.heard += body if isinstance(body, list) else [body]
        return HttpReply(202, {}, b"")

    def data(self, name: str) -> list[dict[str, Any]]:
        return [event["data"] for event in self.heard if event["type"] == f"com.alluse.{name}.v1"]


def fields_of(problem: dict[str, Any]) -> list[str]:
    """The fields that a problem document names."""
    return [error["field"] for error in problem["errors"]]
