"""Several lanes of stages side by side, each stage's output in one piece.

Stages of one lane run one after the other, in their order; lanes run beside each other. A stage begins when
all that it needs has passed, in whatever lane that is; where something that it needs has failed, it fails,
too: it is never skipped. What to begin next is a pure function (`next_moves`); `Run` carries it out.

Stages have priorities, so that a cluster that works for one stage is not made to wait for the type checker of
another.

A stage's output goes to a file while it runs, and to the terminal when it ends, whole, so that lanes do not
mix. Meanwhile a line tells every few seconds what runs, for how long, and the last that it said.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TextIO

#: How often a running stage is looked at; and how often a line tells of it: on a terminal, else.
LOOK_SECONDS = 0.1
TELL_SECONDS = 1.0
TELL_SECONDS_IN_A_FILE = 10.0


@dataclass(frozen=True, slots=True)
class Stage:
    """One step: arguments for this Python, and the stages without which it makes no sense."""

    name: str
    arguments: tuple[str, ...]
    needs: tuple[str, ...] = ()
    lane: str = "quick"
    environment: Mapping[str, str] = field(default_factory=dict)
    nice: int = 0
    """How far it steps back for others: 0 (not at all) to 19 (takes the processor time that they leave)."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a stage ended."""

    stage: Stage
    passed: bool
    seconds: float
    computed: float = 0.0
    """Seconds of processor time, its own and that of all that it started and waited for."""


@dataclass(frozen=True, slots=True)
class Moves:
    """What can be done now."""

    begin: tuple[Stage, ...]
    give_up: tuple[tuple[Stage, tuple[str, ...]], ...]
    """Stages that can never begin, each with those of its needs that have failed."""


def next_moves(stages: Sequence[Stage], ended: Mapping[str, bool], running: Collection[str]) -> Moves:
    """What to begin, given which stages have ended (and whether they passed) and which are running.

    A need that is not among `stages` counts as met: whoever runs one stage alone has seen to its ground.
    """
    names = {stage.name for stage in stages}
    busy = {stage.lane for stage in stages if stage.name in running}
    begin: list[Stage] = []
    give_up: list[tuple[Stage, tuple[str, ...]]] = []
    for stage in stages:
        if stage.name in ended or stage.name in running:
            continue
        needs = [need for need in stage.needs if need in names]
        failed = tuple(need for need in needs if ended.get(need) is False)
        if failed:
            give_up.append((stage, failed))
        elif stage.lane not in busy and all(need in ended for need in needs):
            begin.append(stage)
            busy.add(stage.lane)
    return Moves(tuple(begin), tuple(give_up))


@dataclass(slots=True)
class _Running:
    stage: Stage
    process: subprocess.Popen[bytes]
    output: Path
    file: IO[bytes]
    started: float
    computed: float = 0.0

    def ended(self) -> bool:
        """Whether it has ended; asks the system itself, which tells with it what it has computed."""
        found, status, usage = os.wait4(self.process.pid, os.WNOHANG)
        if not found:
            return False
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.computed = usage.ru_utime + usage.ru_stime
        return True

    def terminate(self) -> None:
        """End it with all that it has started: it leads a session of its own."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)

    @property
    def last_words(self) -> str:
        """The last line of its output that says anything."""
        with self.output.open("rb") as file:
            file.seek(max(0, self.output.stat().st_size - 2000))
            lines = file.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")


class Run:
    """Runs stages to their end, all of them; answers how each ended, in the order of the list."""

    def __init__(
        self,
        stages: Sequence[Stage],
        *,
        directory: Path,
        outputs: Path,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stages = stages
        self._directory = directory
        self._outputs = outputs
        self._stream = stream or sys.stdout
        self._clock = clock
        self._terminal = self._stream.isatty()
        self._told_at = clock()
        self._line = ""

    def to_the_end(self) -> list[Result]:
        self._outputs.mkdir(parents=True, exist_ok=True)
        results: dict[str, Result] = {}
        running: dict[str, _Running] = {}
        try:
            while len(results) < len(self._stages):
                ended = {name: result.passed for name, result in results.items()}
                moves = next_moves(self._stages, ended, running)
                for stage, failed in moves.give_up:
                    results[stage.name] = Result(stage, False, 0.0)
                    self._say(f"━━ {stage.name} cannot start: {', '.join(failed)} failed")
                for stage in moves.begin:
                    running[stage.name] = self._begin(stage)
                for name, one in list(running.items()):
                    if one.ended():
                        results[name] = self._end(one)
                        del running[name]
                        break
                else:
                    if running:
                        self._tell(running.values())
                        time.sleep(LOOK_SECONDS)
        finally:
            for one in running.values():
                one.terminate()
            for one in running.values():
                one.process.wait()
                one.file.close()
        return [results[stage.name] for stage in self._stages]

    def _begin(self, stage: Stage) -> _Running:
        output = self._outputs / f"{stage.name.replace(' ', '-')}.log"
        file = output.open("wb")
        process = subprocess.Popen(
            [sys.executable, *stage.arguments],
            cwd=self._directory,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **stage.environment},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=functools.partial(_step_back, stage.nice),
        )
        return _Running(stage, process, output, file, self._clock())

    def _end(self, one: _Running) -> Result:
        one.file.close()
        passed, seconds = one.process.returncode == 0, self._clock() - one.started
        result = Result(one.stage, passed, seconds, one.computed)
        text = one.output.read_text(encoding="utf-8", errors="replace").strip("\n")
        self._say(f"\n━━ {one.stage.name}" + (f"\n{text}" if text else ""))
        self._say(f"━━ {one.stage.name} {verdict(result)} after {result.seconds:.1f} s")
        return result

    def _tell(self, running: Collection[_Running]) -> None:
        """On a terminal one line that changes; in a file a line now and then."""
        now = self._clock()
        if now - self._told_at < (TELL_SECONDS if self._terminal else TELL_SECONDS_IN_A_FILE):
            return
        self._told_at = now
        parts = [f"{one.stage.name} {now - one.started:.0f} s: {one.last_words[-60:]}" for one in running]
        line = "   … " + " ┃ ".join(parts)
        if self._terminal:
            self._wipe()
            self._line = line[: _columns() - 1]
            self._stream.write(self._line)
            self._stream.flush()
        else:
            print(line, file=self._stream, flush=True)

    def _say(self, text: str) -> None:
        self._wipe()
        self._told_at = self._clock()
        print(text, file=self._stream, flush=True)

    def _wipe(self) -> None:
        if self._line:
            self._stream.write("\r\x1b[K")
            self._line = ""


def _step_back(nice: int) -> None:
    """Take a lower priority, in a new process that leads a session.

    Linux may share the processor among sessions first (`sched_autogroup_enabled`) and heeds the priority of a
    process within its session only; then the session steps back.
    """
    reached = os.nice(nice)
    if reached > 0:
        with contextlib.suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(reached), encoding="ascii")


def verdict(result: Result) -> str:
    return "passed" if result.passed else "failed"


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError):
        return 110
