"""Progress: what a person reads when a step ends, and when it fails."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from tools.cluster import steps
from tools.cluster.steps import Background, Progress, StepError


@pytest.fixture
def stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return io.StringIO()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (12.4, "12 s"), (59.6, "1 min 00 s"), (267, "4 min 27 s")],
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert steps.duration(seconds) == text


def test_a_step_says_that_it_began_and_how_it_ended(stream: io.StringIO) -> None:
    progress = Progress("test", stream)
    with progress.step("engine") as step:
        step.note("it was there")
    assert stream.getvalue() == "==> engine\n    engine: done in 0.0 s (it was there)\n"
    assert "engine" in progress.summary()


def test_output_goes_to_the_log_and_to_the_caller(stream: io.StringIO) -> None:
    progress = Progress("test", stream)
    with progress.step("engine") as step:
        done = step.run([sys.executable, "-c", "print('hello')"])
    assert done.stdout == "hello\n"
    assert "hello" in step.log.read_text()
    assert "hello" not in stream.getvalue()


def test_a_failure_names_the_command_the_log_and_the_remedy(stream: io.StringIO) -> None:
    progress = Progress("test", stream)
    with pytest.raises(StepError) as caught, progress.step("engine") as step:
        step.run([sys.executable, "-c", "import sys; sys.exit('no space left')"], remedy="Make room.")
    message = str(caught.value)
    assert "exit code 1" in message
    assert "no space left" in message
    assert str(step.log) in message
    assert message.endswith("Make room.")
    assert "engine: FAILED" in stream.getvalue()


def test_a_command_that_is_not_installed_is_a_failure_and_not_a_traceback(stream: io.StringIO) -> None:
    progress = Progress("test", stream)
    with pytest.raises(StepError, match="is not installed"), progress.step("engine") as step:
        step.run(["no-such-command"])


def test_a_command_that_hangs_is_given_up(stream: io.StringIO) -> None:
    progress = Progress("test", stream)
    with pytest.raises(StepError, match="did not finish"), progress.step("engine") as step:
        step.run([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.2)


def test_old_logs_are_dropped(stream: io.StringIO) -> None:
    for _ in range(25):
        Progress("test", stream).logs.joinpath("00-x.log").touch()
    root = Progress("last", stream).logs.parent
    assert len(list(root.iterdir())) <= 20


def test_an_error_in_the_background_surfaces_where_the_result_is_asked_for() -> None:
    def fail() -> int:
        raise StepError("broken")

    background = Background(fail)
    with pytest.raises(StepError, match="broken"):
        background.result()
    assert Background(lambda: 3).result() == 3


def test_the_command_line_shows_a_failed_step_as_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> int:
        raise StepError("engine: it broke")

    assert steps.main_guard(fail) == 1
    assert "engine: it broke" in capsys.readouterr().err


def test_an_interrupt_says_that_it_is_safe_to_run_again(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt() -> int:
        raise KeyboardInterrupt

    assert steps.main_guard(interrupt) == 130
    assert "safe to run the same command again" in capsys.readouterr().err
