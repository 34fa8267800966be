"""Requests to the components, in JSON; once more on a new way when a pod was replaced meanwhile."""

import http.client
import json
import time
import uuid
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from alluse.client.errors import AnsweredError, ConnectError
from alluse.client.forwarding import Ways

TIMEOUT_S: Final = 60.0
ATTEMPTS: Final = 4
PAUSE_S: Final = 0.5


class System:
    """The components of one system. `timeout_s` bounds each exchange."""

    def __init__(self, ways: Ways, timeout_s: float = TIMEOUT_S, pause_s: float = PAUSE_S) -> None:
        self._ways = ways
        self._timeout_s = timeout_s
        self._pause_s = pause_s

    def get(self, component: str, path: str, **query: Any) -> dict[str, Any]:
        """GET and read a JSON object. Raises ClientError."""
        target = path + (f"?{urlencode(query, doseq=True)}" if query else "")
        return self._exchange(component, "GET", target, None)

    def post(self, component: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST an object under a key of its own, so that a repetition has no second effect."""
        return self._exchange(component, "POST", path, body)

    def put(self, component: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._exchange(component, "PUT", path, body)

    def connect(self, component: str) -> None:
        """Make sure that there is a way to a component. Raises ClientError."""
        self._ways.address(component)

    def close(self) -> None:
        self._ways.close()

    def _exchange(
        self, component: str, method: str, target: str, body: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        headers = {"accept": "application/json"}
        payload = None
        if body is not None:
            payload = json.dumps(body).encode()
            headers["content-type"] = "application/json"
            headers["idempotency-key"] = uuid.uuid4().hex
        for attempt in range(1, ATTEMPTS + 1):
            host, port = self._ways.address(component)
            connection = http.client.HTTPConnection(host, port, timeout=self._timeout_s)
            try:
                connection.request(method, target, payload, headers)
                answer = connection.getresponse()
                status, raw = answer.status, answer.read()
                break
            except TimeoutError:
                raise ConnectError(
                    f"{component} gave no answer within {self._timeout_s:.0f} s",
                    "It may be busy; try again, or see its pod's logs.",
                ) from None
            except (OSError, http.client.HTTPException) as error:
                may_retry = self._ways.lost(component)
                if not may_retry or attempt == ATTEMPTS:
                    raise ConnectError(
                        f"{component} cannot be reached at {host}:{port}: {error or type(error).__name__}",
                        "Is the system running? kubectl get aus -A",
                    ) from None
                time.sleep(self._pause_s * attempt)
            finally:
                connection.close()
        return _read(component, status, raw)


def _read(component: str, status: int, raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw) if raw else {}
    except ValueError:
        found = None
    if 200 <= status < 300:
        if not isinstance(found, dict):
            raise AnsweredError(component, status, "something that is no JSON object")
        return found
    problem = found if isinstance(found, dict) else {}
    detail = str(problem.get("detail") or problem.get("title") or "no reason given")
    errors = problem.get("errors") or []
    fields = "; ".join(f"{each.get('field')}: {each.get('msg')}" for each in errors if isinstance(each, dict))
    if fields and fields not in detail:
        detail = f"{detail} ({fields})"
    remedy = {
        422: "Change what is named and try again.",
        501: "This version of the component cannot do it yet.",
        503: "Something that it needs is missing; wait a little and try again.",
    }.get(status, "")
    raise AnsweredError(component, status, detail, remedy)
