"""Progress that a person can follow: one line when a step starts and ends, its log in a file.

A command's output goes to the step's log and not to the terminal. When a command fails, the error
says which command, shows the last lines and names the log.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TextIO, TypeVar

from tools.cluster import paths

#: A step that lasts longer says so at this interval, so that nobody thinks it hangs.
HEARTBEAT_SECONDS = 20.0
_TAIL_LINES = 15
_KEPT_RUNS = 20

T = TypeVar("T")


class StepError(Exception):
    """A step could not be done. The message says what failed, what to look at and, if known, what to do."""


def duration(seconds: float) -> str:
    """A length of time as a person says it: 0.8 s, 12 s, 4 min 27 s."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"


def tail(text: str, lines: int = _TAIL_LINES) -> str:
    """The last lines of a text, indented."""
    return "\n".join(f"    {line}" for line in text.rstrip().splitlines()[-lines:])


@dataclass
class Step:
    """One step under way: runs commands into its log and collects notes for its closing line."""

    name: str
    log: Path
    say: Callable[[str], None]
    notes: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    seconds: float | None = None

    def note(self, text: str) -> None:
        """Add to the closing line, for example the reason for a decision."""
        self.notes.append(text)
        self.write(f"note: {text}\n")

    def write(self, text: str) -> None:
        """Append to the log."""
        with open(self.log, "a") as file:
            file.write(text)

    def waiting(self) -> None:
        """Say that another run has the lock which this one needs."""
        self.say(f"    {self.name}: waiting for another run that is doing the same")

    def fail(self, what: str, remedy: str = "") -> StepError:
        """The error to raise when this step cannot be done."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        parts = [f"{self.name}: {what}"]
        if text.strip():
            parts.append(tail(text))
        parts.append(f"    log: {self.log}")
        if remedy:
            parts.append(f"    {remedy}")
        return StepError("\n".join(parts))

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: str | bytes | None = None,
        timeout: float | None = None,
        check: bool = True,
        remedy: str = "",
    ) -> subprocess.CompletedProcess[str]:
        """Run a command with its standard error in the log; its standard output is logged and returned."""
        command = [str(a) for a in argv]
        self.write(f"$ {shlex.join(command)}\n")
        data = stdin.encode() if isinstance(stdin, str) else stdin
        with open(self.log, "ab") as log:
            try:
                done = subprocess.run(
                    command,
                    env={**os.environ, **(env or {})},
                    cwd=cwd,
                    input=data,
                    stdin=subprocess.DEVNULL if data is None else None,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    timeout=timeout,
                    check=False,
                )
            except subprocess.TimeoutExpired as error:
                raise self.fail(f"`{command[0]}` did not finish within {timeout:.0f} s", remedy) from error
            except FileNotFoundError as error:
                raise self.fail(f"`{command[0]}` is not installed", remedy) from error
        output = done.stdout.decode(errors="replace")
        self.write(output if len(output) < 20_000 else output[:20_000] + "\n[...]\n")
        if check and done.returncode != 0:
            raise self.fail(
                f"`{shlex.join(command[:4])} ...` failed with exit code {done.returncode}", remedy
            )
        return subprocess.CompletedProcess(command, done.returncode, output, "")


class Progress:
    """The steps of one run: prints them, times them, and keeps their logs in one folder."""

    def __init__(self, title: str, stream: TextIO | None = None) -> None:
        """Make the log folder of this run, and drop those of old runs."""
        self._stream = stream or sys.stderr
        self._lock = threading.Lock()
        self.started = time.monotonic()
        self.steps: list[Step] = []
        root = paths.logs_root()
        self.logs = root / f"{time.strftime('%Y%m%d-%H%M%S')}-{title}-{os.getpid()}"
        self.logs.mkdir(parents=True, exist_ok=True)
        for old in sorted(root.iterdir())[:-_KEPT_RUNS]:
            with contextlib.suppress(OSError):
                for file in old.iterdir():
                    file.unlink()
                old.rmdir()

    def say(self, text: str = "") -> None:
        """Print a line whole, also while other threads print."""
        with self._lock:
            print(text, file=self._stream, flush=True)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Do a step: prints its start, a sign of life while it lasts, its end and how long it took."""
        step = Step(name, self.logs / f"{len(self.steps):02d}-{name.replace(' ', '-')}.log", self.say)
        step.log.touch()
        self.steps.append(step)
        ended = threading.Event()

        def heartbeat() -> None:
            while not ended.wait(HEARTBEAT_SECONDS):
                self.say(f"    {name}: {duration(time.monotonic() - step.started)} ... ({step.log})")

        self.say(f"==> {name}")
        thread = threading.Thread(target=heartbeat, daemon=True)
        thread.start()
        try:
            yield step
        except BaseException as error:
            word = "interrupted" if isinstance(error, KeyboardInterrupt) else "FAILED"
            self.say(f"    {name}: {word} after {duration(time.monotonic() - step.started)}")
            raise
        finally:
            ended.set()
            step.seconds = time.monotonic() - step.started
        notes = f" ({'; '.join(step.notes)})" if step.notes else ""
        self.say(f"    {name}: done in {duration(step.seconds)}{notes}")

    def summary(self) -> str:
        """How long each step took. Steps that ran at the same time add up to more than the total."""
        width = max((len(s.name) for s in self.steps), default=0)
        lines = [
            f"  {s.name:<{width}}  {duration(s.seconds):>12}" for s in self.steps if s.seconds is not None
        ]
        lines.append(f"  {'in all':<{width}}  {duration(time.monotonic() - self.started):>12}")
        return "\n".join(lines)


class Background(Generic[T]):
    """Work in a thread whose error surfaces where its result is asked for."""

    def __init__(self, work: Callable[[], T]) -> None:
        """Start at once."""
        self._value: list[T] = []
        self._error: BaseException | None = None

        def run() -> None:
            try:
                self._value.append(work())
            except BaseException as error:  # handed over to the caller of result()
                self._error = error

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def result(self) -> T:
        """Wait, then return the value or raise what the work raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._value[0]


def main_guard(run: Callable[[], int]) -> int:
    """Run a command-line entry point: a failed step is a message, Ctrl-C is not a traceback."""
    try:
        return run()
    except StepError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "\nInterrupted. It is safe to run the same command again; finished work is kept.", file=sys.stderr
        )
        return 130
