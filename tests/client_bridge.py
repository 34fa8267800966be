"""Components and a played agent behind real addresses, for a client that runs in a thread."""

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from alluse.runtime.http_server import HttpRequest
from alluse.schemas.agent import Action, ChatAnswer, ChatRequest, DecisionView, ResponseType
from inprocess import Component

#: Status and JSON.
Answerer = Callable[[str, str, bytes], tuple[int, Any]]


class Door:
    """An HTTP server on a port of its own."""

    def __init__(self, answer: Answerer) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                status, found = answer(self.command, self.path, self.rfile.read(length))
                body = found if isinstance(found, bytes) else json.dumps(found).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_PUT = do_GET  # noqa: N815  the names that the base class looks for

            def log_message(self, *arguments: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    @property
    def port(self) -> int:
        return int(self.server.server_port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def through(component: Component, loop: asyncio.AbstractEventLoop) -> Answerer:
    """A real component that runs in the test's loop."""

    def answer(method: str, target: str, body: bytes) -> tuple[int, Any]:
        path, _, query = target.partition("?")
        work = component.runtime.handle(HttpRequest(method, path, query, {}, body))
        reply = asyncio.run_coroutine_threadsafe(work, loop).result(10)
        return reply.status, reply.body

    return answer


@dataclass
class Agent:
    """Plays the agent in its own wire types: a reply and an intent for each message."""

    replies: dict[str, tuple[str, str]] = field(default_factory=dict)
    turns: list[ChatRequest] = field(default_factory=list)
    balances: tuple[float, ...] = (20_000.0, 15_000.0, 15_000.0)
    degraded: tuple[str, ...] = ()
    #: Turns that end with this status before any is answered.
    failures: list[int] = field(default_factory=list)
    resets: int = 0

    def answer(self, method: str, target: str, body: bytes) -> tuple[int, Any]:
        if target == "/v1/chat":
            return self._turn(ChatRequest.model_validate_json(body))
        if target.endswith("/reset"):
            self.resets += 1
            return 200, {"user_id": "u", "reset": True}
        if target.endswith("/status"):
            accounts = [
                {"type": kind, "balance": balance}
                for kind, balance in zip(("GEN_ACC", "REV_ACC", "COM_ACC"), self.balances, strict=False)
            ]
            return 200, {"has_accounts": True, "accounts": accounts, "total_balance": sum(self.balances)}
        return 404, {"title": "Not found", "status": 404, "detail": f"there is no {target}"}

    def _turn(self, request: ChatRequest) -> tuple[int, Any]:
        if self.failures:
            status = self.failures.pop(0)
            return status, {"title": "Unavailable", "status": status, "detail": "memory-manager is away"}
        self.turns.append(request)
        reply, intent = next(
            (found for part, found in self.replies.items() if part in request.message.lower()),
            (f"You said: {request.message}", "unknown"),
        )
        decision = DecisionView(
            action=Action.RESPOND,
            response_type=ResponseType.HELP,
            parameters={},
            rationale="played",
            confidence=1.0,
        )
        answer = ChatAnswer(
            reply=reply,
            intent=intent,
            entities={},
            decision=decision,
            data={},
            degraded=list(self.degraded),
            timings_ms={"total": 1.0},
            turn_id=f"t{len(self.turns)}",
        )
        return 200, answer.model_dump(mode="json")


def good_agent() -> Agent:
    """One that says what the workflows want to hear."""
    return Agent(
        {
            "new to all-use": ("Welcome. The first step is an account.", "greeting"),
            "set up my trading": ("Three accounts: Gen-Acc, Rev-Acc, Com-Acc.", "setup_accounts"),
            "moderately aggressive": ("Noted your risk appetite and 50,000 USD.", "provide_profile"),
            "this week": ("I recommend no trade in Gen-Acc: no contract fits.", "recommend_trades"),
            "track my performance": ("Your performance is tracked from today.", "check_performance"),
            "spy": ("SPY: sell a put of delta 0.40.", "recommend_trades"),
            "down 10%": ("Drawdown 10 %: reduce every position to 60 %.", "drawdown_help"),
        }
    )
