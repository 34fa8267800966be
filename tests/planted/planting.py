"""Plants bugs, each in a process of its own that begins where all of them would begin alike.

One process reads pytest's configuration and imports what no bug changes (pytest, hypothesis, Kopf, pydantic, the
types of the resource). For each bug it forks a child. There the one module is compiled from its changed source when
a test imports it, and the named test is collected and run. Nothing is written: the source stays as it is, and so do
the compiled modules.

Only a test that fails while it runs is a catch. One that cannot be collected or set up, that ends before the module
was imported or does not end in time proves nothing.
"""

from __future__ import annotations

import gc
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: The roots of what is planted for: the operator's package, unless the file is said to be one of the components'.
OPERATOR, COMPONENTS = ROOT / "operator", ROOT / "components"
#: The same for every bug, and slow to import. Of the operator only what stands below all that is changed.
COMMON = (
    "aiohttp.test_utils",
    "aiohttp.web",
    "hypothesis.stateful",
    "kopf",
    "kubernetes.client",
    "kubernetes.config",
    "prometheus_client",
    "structlog",
    "yaml",
    "alluse_operator.api.crd",
    "alluse_operator.catalog",
)
TIMEOUT_SECONDS = 120.0
LOOK_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Bug:
    """A change of one place of a module, and the test that has to notice it."""

    title: str
    module: str
    """The file, as seen from the operator's package; one of the components begins with `alluse/`."""
    old: str
    new: str
    caught_by: str
    """A test as pytest names it, or a file of tests."""

    @property
    def path(self) -> Path:
        return (
            self._root / self.module if self._is_component else self._root / "alluse_operator" / self.module
        )

    @property
    def name(self) -> str:
        return ".".join(self.path.relative_to(self._root).with_suffix("").parts)

    @property
    def _is_component(self) -> bool:
        return self.module.startswith("alluse/")

    @property
    def _root(self) -> Path:
        return COMPONENTS if self._is_component else OPERATOR


@dataclass(frozen=True, slots=True)
class Outcome:
    bug: Bug
    caught: bool
    remark: str = ""
    seconds: float = 0.0


def misfit(bug: Bug) -> str:
    """Why it cannot be planted; empty if it can."""
    places = bug.path.read_text(encoding="utf-8").count(bug.old)
    if places != 1:
        return f"does not fit {bug.module} any more ({places} places)"
    return f"{bug.name} is imported before it can be changed" if bug.name in sys.modules else ""


class _Loader(importlib.machinery.SourceFileLoader):
    """Compiles the changed source; neither reads nor writes a compiled file."""

    def __init__(self, bug: Bug) -> None:
        super().__init__(bug.name, str(bug.path))
        self._bug = bug
        self.done = False

    def get_code(self, fullname: str) -> CodeType:
        source = self._bug.path.read_text(encoding="utf-8").replace(self._bug.old, self._bug.new)
        return self.source_to_code(source, self.path)

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        self.done = True


class _Finder(importlib.abc.MetaPathFinder):
    """Finds one module, before anything else does."""

    def __init__(self, bug: Bug) -> None:
        self._bug = bug
        self.loader = _Loader(bug)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._bug.name:
            return None
        return importlib.util.spec_from_file_location(fullname, self._bug.path, loader=self.loader)


@dataclass(eq=False)
class _Child:
    """A run of one test with one bug. It hears of what happens as a plugin of pytest."""

    bug: Bug
    verdict: int
    """An open file that takes what it found."""
    finder: _Finder = field(init=False)
    failed: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.finder = _Finder(self.bug)

    def begin(self, session: pytest.Session) -> None:
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        sys.dont_write_bytecode = True
        sys.meta_path.insert(0, self.finder)
        session.config.pluginmanager.register(self)
        session.perform_collect([self.bug.caught_by])

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.broken.append(f"{report.nodeid}: {report.longreprtext[-300:]}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and report.when == "call":
            self.failed.append(report.nodeid)
        elif report.failed and report.when == "setup":
            self.broken.append(f"{report.nodeid}: {report.longreprtext[-300:]}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Say what was found, and leave: what a test that failed has left open is no error of its own."""
        remark = ""
        if self.broken:
            remark = f"cannot be run: {self.broken[0]}"
        elif exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            remark = f"pytest ended with {int(exitstatus)}"
        elif not self.finder.loader.done:
            remark = f"the test does not import {self.bug.name}"
        caught = not remark and bool(self.failed)
        os.write(self.verdict, json.dumps({"caught": caught, "remark": remark}).encode())
        os._exit(0)


@dataclass
class _Running:
    bug: Bug
    pid: int
    verdict: int
    began: float
    timeout: float

    def ended(self) -> Outcome | None:
        """How it ended, if it has."""
        seconds = time.monotonic() - self.began
        pid, _ = os.waitpid(self.pid, os.WNOHANG)
        if pid == 0 and seconds < self.timeout:
            return None
        if pid == 0:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            said = {"caught": False, "remark": f"not done after {self.timeout:g} s"}
        else:
            said = json.loads(os.read(self.verdict, 1 << 16) or '{"caught": false, "remark": "died"}')
        os.close(self.verdict)
        return Outcome(self.bug, said["caught"], said["remark"], seconds)


class _Parent:
    """Stands where pytest would collect: all is configured, and nothing of ours is imported yet."""

    def __init__(
        self, bugs: Sequence[Bug], jobs: int, tell: Callable[[Outcome], None], timeout: float
    ) -> None:
        self._bugs = bugs
        self._jobs = jobs
        self._tell = tell
        self._timeout = timeout

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> bool:
        for name in COMMON:
            importlib.import_module(name)
        # What is there already is not looked through, and so not copied, in each child.
        gc.collect()
        gc.freeze()
        for outcome in in_order(self._bugs, self._run(session)):
            self._tell(outcome)
        return True

    def _run(self, session: pytest.Session) -> Iterator[Outcome]:
        """The outcomes as they come; in a child, which begins here, none."""
        left, running = list(self._bugs), list[_Running]()
        while left or running:
            while left and len(running) < self._jobs:
                bug = left.pop(0)
                if remark := misfit(bug):
                    yield Outcome(bug, False, remark)
                    continue
                read, write = os.pipe()
                sys.stdout.flush()
                pid = os.fork()
                if pid == 0:
                    _Child(bug, write).begin(session)
                    return
                os.close(write)
                running.append(_Running(bug, pid, read, time.monotonic(), self._timeout))
            for one in list(running):
                if (outcome := one.ended()) is not None:
                    running.remove(one)
                    yield outcome
            time.sleep(LOOK_SECONDS)


def in_order(bugs: Sequence[Bug], outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
    """Each as soon as all before it in the list are there."""
    kept: dict[str, Outcome] = {}
    waiting = list(bugs)
    for outcome in outcomes:
        kept[outcome.bug.title] = outcome
        while waiting and waiting[0].title in kept:
            yield kept[waiting.pop(0).title]


def plant(
    bugs: Sequence[Bug], jobs: int, tell: Callable[[Outcome], None], timeout: float = TIMEOUT_SECONDS
) -> None:
    """Try all of them, `jobs` at a time, and tell of each in the order of the list."""
    os.chdir(ROOT)
    os.environ |= {"HYPOTHESIS_PROFILE": "check", "PLANTED_BUG": "1"}
    parent = _Parent(bugs, jobs, tell, timeout)
    quiet = ["-x", "-s", "-qq", "--no-header", "--no-summary", "-p", "no:cacheprovider"]
    pytest.main([*quiet, "tests"], plugins=[parent])
