"""`status --watch`: the tree redrawn on a terminal, or one line a change where there is none."""

from __future__ import annotations

import os
import queue
import shutil
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from alluse.client.errors import ConnectError
from alluse.client.screen import Screen
from alluse_operator.cli import tree
from alluse_operator.cli.picture import Picture, Row, read
from alluse_operator.cli.transport import Change, Cluster
from alluse_operator.cli.words import clock, plain

#: Ages are counted on a terminal at least this often.
REDRAW_S: Final = 1.0
#: Cursor home; then each line is cleared to its end, and after the last one the rest of the screen.
_HOME, _CLEAR_LINE, _CLEAR_REST, _CLEAR_ALL = "\x1b[H", "\x1b[K", "\x1b[J", "\x1b[2J"
#: A pipe has no width.
_PIPE_WIDTH: Final = 400


def frame(screen: Screen) -> tuple[tree.Strokes, int]:
    """What trees are drawn with here, and how wide."""
    width = shutil.get_terminal_size().columns if screen.out.isatty() else _PIPE_WIDTH
    return tree.strokes(getattr(screen.out, "encoding", None)), width


def is_terminal(screen: Screen) -> bool:
    return screen.out.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def follow(cluster: Cluster, resource: str, screen: Screen, now: Callable[[], datetime]) -> int:
    """Show the system until it is deleted (0) or the person stops. Raises ConnectError."""
    changes: queue.SimpleQueue[Change] = queue.SimpleQueue()
    show = _Drawn(screen) if is_terminal(screen) else _Told(screen)
    change: Change | None = None
    with cluster.watch(resource, cluster.place.system, told=changes.put) as watching:
        while True:
            try:
                change = changes.get(timeout=REDRAW_S)
            except queue.Empty:
                if watching.poll() is not None:
                    raise ConnectError(
                        f"kubectl stopped watching {cluster.place.namespace}/{cluster.place.system}",
                        "Is it there? kubectl allusesystem status",
                    ) from None
            if change is None:
                continue
            if change.kind == "DELETED":
                screen.say(f"{cluster.place.namespace}/{cluster.place.system} is gone")
                return 0
            show(read(change.obj, now()))


class _Drawn:
    """The whole tree, over the one before."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._begun = False

    def __call__(self, picture: Picture) -> None:
        lines = tree.status(picture, *frame(self._screen))
        height = max(1, shutil.get_terminal_size().lines - 1)
        shown = [self._screen.styled(line.text, line.style) + _CLEAR_LINE for line in lines[:height]]
        start = _HOME if self._begun else _CLEAR_ALL + _HOME
        self._begun = True
        self._screen.out.write(start + "\n".join(shown) + "\n" + _CLEAR_REST)
        self._screen.out.flush()


class _Told:
    """First the tree, then a line for each change."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._rows: Mapping[str, Row] | None = None
        self._cause = ""

    def __call__(self, picture: Picture) -> None:
        before, self._rows = self._rows, picture.rows
        cause = str(picture.status.get("cause") or "")
        if before is None:
            for line in tree.status(picture, *frame(self._screen)):
                self._screen.say(line.text)
        else:
            at = clock(picture.now)
            for old, new in tree.changes(before, picture.rows):
                self._screen.say(f"{at}  {tree.change_line(picture, old, new)}")
            if cause != self._cause:
                self._screen.say(plain(f"{at}  cause: {cause or 'none any more'}"))
        self._cause = cause
