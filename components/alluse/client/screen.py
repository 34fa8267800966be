"""What a person sees: wrapped text, marks that also work without colour."""

import os
import shutil
import sys
import textwrap
from collections.abc import Iterable
from typing import Final, TextIO

MAX_WIDTH: Final = 100
_CODES: Final = {"good": "32", "bad": "31", "dim": "2", "bold": "1"}


class Screen:
    """Writes to a stream; colours only a terminal, and none when NO_COLOR is set."""

    def __init__(self, out: TextIO | None = None) -> None:
        self.out = out or sys.stdout
        self.coloured = self.out.isatty() and not os.environ.get("NO_COLOR")
        self.width = min(MAX_WIDTH, shutil.get_terminal_size((80, 24)).columns)

    def say(self, text: str = "", style: str = "") -> None:
        """One line, as it is."""
        print(self.styled(text, style), file=self.out, flush=True)

    def prose(self, text: str, indent: str = "", style: str = "") -> None:
        """Text that keeps its own line breaks and is wrapped where it is too wide."""
        for line in text.splitlines() or [""]:
            hang = indent + " " * (len(line) - len(line.lstrip()))
            wrapped = textwrap.wrap(
                line.strip(),
                self.width,
                initial_indent=hang,
                subsequent_indent=hang,
                break_long_words=False,
                # Names of components and pods are full of hyphens.
                break_on_hyphens=False,
            )
            for part in wrapped or [""]:
                self.say(part, style)

    def facts(self, facts: Iterable[tuple[str, str]], indent: str = "    ") -> None:
        for name, value in facts:
            self.prose(f"{name}: {value}", indent, "dim")

    def styled(self, text: str, style: str) -> str:
        if not self.coloured or style not in _CODES:
            return text
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m"


def milliseconds(seconds: float) -> str:
    """`87 ms` or `1.24 s`."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"
