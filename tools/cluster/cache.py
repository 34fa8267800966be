"""Results of builds, kept under a key made of what they were built from.

An entry appears by an atomic rename when it is complete, so an interrupted build leaves nothing that
looks finished; a lock per entry makes a second run wait for the first instead of building twice.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from tools.cluster import paths

#: Never part of what something is built from.
_IGNORED = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}


def files_below(path: Path) -> Iterator[tuple[str, Path]]:
    """Every file of a tree with its name relative to it, in a stable order; a file yields itself."""
    if path.is_file():
        yield path.name, path
        return
    for directory, subdirectories, names in os.walk(path):
        subdirectories[:] = sorted(d for d in subdirectories if d not in _IGNORED)
        for name in sorted(names):
            if not name.endswith(".pyc"):
                file = Path(directory, name)
                yield str(file.relative_to(path)), file


def key(*parts: str | Path) -> str:
    """A digest of texts and of the contents of files and trees.

    A path counts by what is in it (relative names, contents, execute bits), not by where it is.
    A path that does not exist is an error, because a silent gap would make two different builds equal.
    """
    digest = hashlib.sha256()

    def add(data: bytes) -> None:
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)

    for part in parts:
        if isinstance(part, str):
            add(b"text")
            add(part.encode())
            continue
        if not part.exists():
            raise FileNotFoundError(part)
        add(b"tree")
        for name, file in files_below(part):
            add(name.encode())
            add(b"x" if os.access(file, os.X_OK) else b"-")
            add(file.read_bytes())
    return digest.hexdigest()[:16]


@contextlib.contextmanager
def lock(name: str, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold a lock between processes; `waiting` is called once if another run holds it."""
    directory = paths.cache_root() / "locks"
    directory.mkdir(parents=True, exist_ok=True)
    with open(directory / name.replace("/", "-"), "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting is not None:
                waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def path_of(kind: str, entry_key: str) -> Path:
    """Where an entry is, or would be."""
    return paths.cache_root() / kind / entry_key


@contextlib.contextmanager
def scratch(kind: str) -> Iterator[Path]:
    """A fresh directory on the cache's filesystem (so that a rename out of it is atomic), removed after.

    Call it while holding the kind's lock: what an earlier, killed run left there is removed.
    """
    directory = paths.cache_root() / "tmp" / kind.replace("/", "-")
    remove_tree(directory)
    directory.mkdir(parents=True)
    try:
        yield directory
    finally:
        remove_tree(directory)


def get_or_build(
    kind: str,
    entry_key: str,
    build: Callable[[Path], None],
    waiting: Callable[[], None] | None = None,
) -> tuple[Path, bool]:
    """The entry's directory, and whether it had to be built by filling the directory given to `build`."""
    entry = path_of(kind, entry_key)
    if entry.exists():
        return entry, False
    with lock(f"{kind}-{entry_key}", waiting):
        if entry.exists():
            return entry, False
        with scratch(f"{kind}-{entry_key}") as directory:
            build(directory)
            entry.parent.mkdir(parents=True, exist_ok=True)
            directory.rename(entry)
            directory.mkdir()  # scratch removes what it made
    return entry, True


def remove_tree(path: Path) -> None:
    """Remove a tree, also one with read-only directories (as Go's module cache makes them)."""
    if not path.exists():
        return
    for directory, _, _ in os.walk(path):
        with contextlib.suppress(OSError):
            os.chmod(directory, 0o700)
    shutil.rmtree(path)
