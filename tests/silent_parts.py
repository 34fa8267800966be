"""Stand-ins on a component's port that do not answer, in the ways in which a dead part does not answer.

with BlackHole(port) as hole:
    ...
    assert hole.taken < 20
"""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self


class Refusing:
    """Nobody listens: connections are refused at once."""

    def __init__(self, port: int) -> None:
        self.taken = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to end."""


class BlackHole:
    """Takes every connection and whatever is sent, and never answers. `taken` connections."""

    def __init__(self, port: int) -> None:
        self.taken = 0
        self._listener = socket.create_server(("127.0.0.1", port), backlog=256)
        self._held: list[socket.socket] = []
        self._thread = threading.Thread(target=self._take, daemon=True)

    def _take(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._held.append(self._listener.accept()[0])
                self.taken += 1

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)
        for connection in self._held:
            connection.close()


class Dropping:
    """Lets no connection come about: its queue is full, so the kernel drops whoever knocks."""

    def __init__(self, port: int) -> None:
        self.taken = 0
        self._listener = socket.create_server(("127.0.0.1", port), backlog=0)
        self._held: list[socket.socket] = []
        while len(self._held) < 16:
            knocking = socket.socket()
            self._held.append(knocking)
            knocking.settimeout(0.2)
            try:
                knocking.connect(("127.0.0.1", port))
            except TimeoutError:
                break
        else:
            raise AssertionError("the queue does not fill")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in (self._listener, *self._held):
            each.close()
