"""A conversation with the agent in the terminal."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from alluse.client.calls import System
from alluse.client.errors import ClientError
from alluse.client.screen import Screen, milliseconds

AGENT: Final = "enhanced-agent"
CHAT: Final = "/v1/chat"
MAX_MESSAGE: Final = 2_000
PROMPT: Final = "you> "
HISTORY_LINES: Final = 1_000

HELP: Final = """\
Write a sentence, for example:
  I want to set up my accounts with $50,000
  What should I trade this week?
  My portfolio is down 10%, what should I do?
Or a command:
  /status        your accounts and what the agent knows of you
  /performance   how your accounts have done
  /why           how the last answer came about: intent, decision, figures, times
  /new           forget this conversation (accounts and ledger stay)
  /help          this text
  /quit          leave (Ctrl-D does too)"""


@dataclass(slots=True)
class Conversation:
    """One user's session with the agent."""

    system: System
    screen: Screen
    user_id: str
    session_id: str = field(default_factory=lambda: f"cli-{uuid4().hex[:12]}")
    last: dict[str, Any] | None = None

    def send(self, message: str) -> dict[str, Any]:
        """One turn: the agent's whole answer. Raises ClientError."""
        body = {"user_id": self.user_id, "session_id": self.session_id, "message": message}
        self.last = self.system.post(AGENT, CHAT, body)
        return self.last

    def turn(self, message: str) -> None:
        """Send a message and show the reply."""
        if len(message) > MAX_MESSAGE:
            self.screen.say(f"(at most {MAX_MESSAGE} characters; this has {len(message)})", "bad")
            return
        started = time.perf_counter()
        answer = self.send(message)
        self.screen.prose(str(answer.get("reply", "")))
        notes = [milliseconds(time.perf_counter() - started)]
        if degraded := answer.get("degraded"):
            notes.append(f"without {', '.join(map(str, degraded))}")
        if answer.get("saved") is False:
            notes.append("not saved")
        if disclaimer := answer.get("disclaimer"):
            notes.append(str(disclaimer))
        self.screen.say(f"({'; '.join(notes)})", "dim")

    def command(self, text: str) -> bool:
        """Carry out a command; False to leave."""
        match text.split():
            case ["/quit" | "/exit" | "/q"]:
                return False
            case ["/help" | "/?"]:
                self.screen.say(HELP)
            case ["/status"]:
                self._show(self.system.get(AGENT, f"/v1/users/{self.user_id}/status"))
            case ["/performance"]:
                self._show(self.system.get(AGENT, f"/v1/users/{self.user_id}/performance"))
            case ["/why"]:
                self._why()
            case ["/new"]:
                self.system.post(AGENT, f"/v1/users/{self.user_id}/reset", {})
                self.session_id, self.last = f"cli-{uuid4().hex[:12]}", None
                self.screen.say("(a new conversation)", "dim")
            case _:
                self.screen.say(f"There is no command {text.split()[0]}. /help lists them.", "bad")
        return True

    def _why(self) -> None:
        if self.last is None:
            self.screen.say("There is no answer yet.")
            return
        self._show({name: value for name, value in self.last.items() if name != "reply"})

    def _show(self, found: dict[str, Any]) -> None:
        self.screen.facts(flattened(found))


def flattened(found: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """The leaves of a JSON value by path, empty ones left out."""
    if isinstance(found, dict):
        for name, value in found.items():
            yield from flattened(value, f"{prefix}.{name}" if prefix else str(name))
    elif isinstance(found, list):
        if all(not isinstance(value, dict | list) for value in found):
            if found:
                yield prefix, ", ".join(map(str, found))
            return
        for number, value in enumerate(found, 1):
            yield from flattened(value, f"{prefix} {number}")
    elif found not in (None, ""):
        yield prefix, str(found)


def converse(conversation: Conversation, read: Callable[[], str], greet: bool) -> int:
    """Read and answer until the end of the input. 1 when a turn without anybody watching failed."""
    screen, failed = conversation.screen, False
    if greet:
        screen.say(f"Talking to the agent as {conversation.user_id}. /help shows what you can do.", "dim")
    while True:
        try:
            line = read().strip()
        except EOFError:
            break
        except KeyboardInterrupt:
            screen.say()
            continue
        if not line:
            continue
        try:
            if line.startswith("/"):
                if not conversation.command(line):
                    break
            else:
                conversation.turn(line)
        except ClientError as error:
            failed = True
            show_error(error, screen)
        except KeyboardInterrupt:
            screen.say("(no longer waiting for the answer)", "dim")
    if greet:
        screen.say()
    return 1 if failed and not greet else 0


def show_error(error: ClientError, screen: Screen) -> None:
    screen.prose(f"{error}.", style="bad")
    if error.remedy:
        screen.prose(error.remedy, "  ")


def history_file() -> Path:
    """Where what was typed is kept between sessions."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "alluse" / "history"


@contextlib.contextmanager
def line_editing(path: Path) -> Iterator[None]:
    """Arrow keys and a history that outlives the session, where the platform has them."""
    try:
        import readline
    except ImportError:
        yield
        return
    with contextlib.suppress(OSError):
        readline.read_history_file(path)
    readline.set_history_length(HISTORY_LINES)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600)
            readline.write_history_file(path)


def reader(interactive: bool) -> Callable[[], str]:
    """Lines as they are typed, or of a pipe."""
    if interactive:
        return lambda: input(PROMPT)

    def read() -> str:
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line

    return read
