"""Log files that rotate by size, and the search through them."""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

#: Bytes read at once when a file is read from its end.
_BLOCK: Final = 256 << 10


class RotatingFile:
    """`<name>`, `<name>.1` (the one before), … `<name>.<backups>`; never more than (backups + 1) x max_bytes.

    One record is never split over two files. Not for several threads at a time.
    """

    def __init__(self, path: Path, max_bytes: int, backups: int) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self.backups = backups
        self._fd: int | None = None
        self._size = 0

    def configure(self, max_bytes: int, backups: int) -> None:
        """Other bounds; superfluous old files go at once."""
        self.max_bytes, self.backups = max_bytes, backups
        number = backups + 1
        while (old := self._numbered(number)).exists():
            old.unlink()
            number += 1

    def write(self, lines: list[bytes]) -> None:
        """Append lines (each without its line end). Raises OSError."""
        pending: list[bytes] = []
        size = 0
        for line in lines:
            if self._fd is None:
                self._open()
            if self._size + size + len(line) + 1 > self.max_bytes and self._size + size > 0:
                self._append(pending, size)
                pending, size = [], 0
                self._rotate()
            pending.append(line)
            size += len(line) + 1
        self._append(pending, size)

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def bytes_on_disk(self) -> int:
        return sum(path.stat().st_size for path in self.files() if path.exists())

    def cap(self) -> int:
        return self.max_bytes * (self.backups + 1)

    def files(self) -> list[Path]:
        """Existing files, newest first."""
        return [
            path for path in [self.path, *map(self._numbered, range(1, self.backups + 1))] if path.exists()
        ]

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o640)
        self._size = os.fstat(self._fd).st_size
        if self._size and os.pread(self._fd, 1, self._size - 1) != b"\n":
            # The process died in the middle of a line: let it not swallow the next one.
            self._size += os.write(self._fd, b"\n")

    def _append(self, lines: list[bytes], size: int) -> None:
        if not lines:
            return
        if self._fd is None:
            self._open()
        assert self._fd is not None
        data = memoryview(b"\n".join(lines) + b"\n")
        while data:
            written = os.write(self._fd, data)
            self._size += written
            data = data[written:]

    def _rotate(self) -> None:
        self.close()
        self._numbered(self.backups).unlink(missing_ok=True)
        for number in range(self.backups - 1, 0, -1):
            if (old := self._numbered(number)).exists():
                old.replace(self._numbered(number + 1))
        self.path.replace(self._numbered(1))
        self._open()


def newest_first(file: BinaryIO, size: int) -> Iterator[bytes]:
    """The lines in the first `size` bytes of a file, from the end."""
    position = size
    rest = b""
    while position > 0:
        start = max(0, position - _BLOCK)
        file.seek(start)
        block = file.read(position - start) + rest
        position = start
        lines = block.split(b"\n")
        rest = lines.pop(0) if position > 0 else b""
        yield from reversed([line for line in lines if line])


def search(
    lines: Iterable[bytes],
    wanted: Callable[[dict[str, Any]], bool],
    hints: list[bytes],
    limit: int,
    seconds: float,
) -> tuple[list[dict[str, Any]], bool]:
    """Records that are wanted, and whether the search was complete.

    `hints` are byte strings that a wanted line contains for certain; they spare parsing.
    """
    found: list[dict[str, Any]] = []
    deadline = time.monotonic() + seconds
    for count, line in enumerate(lines):
        if count % 256 == 0 and time.monotonic() > deadline:
            return found, False
        if not all(hint in line for hint in hints):
            continue
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if wanted(record):
            if len(found) == limit:
                return found, False
            found.append(record)
    return found, True
