"""Lanes: what may begin when, and what a person sees of it."""

from __future__ import annotations

import dataclasses
import io
import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tools import stages
from tools.lanes import Result, Run, Stage, next_moves


def stage(name: str, *needs: str, lane: str = "quick", code: str = "pass") -> Stage:
    return Stage(name, ("-c", code), needs=needs, lane=lane)


PARTS = stage("parts", lane="cluster")
UNIT = stage("unit")
FAULTS = stage("faults", "parts")
CHART = stage("chart")
CLUSTER = stage("cluster", "parts", lane="cluster")
ALL = (UNIT, PARTS, FAULTS, CHART, CLUSTER)


def names(found: Sequence[Stage]) -> list[str]:
    return [one.name for one in found]


@pytest.mark.parametrize(
    ("ended", "running", "begin"),
    [
        pytest.param({}, [], ["unit", "parts"], id="one of each lane begins"),
        pytest.param({}, ["unit"], ["parts"], id="a lane that is busy waits"),
        pytest.param({"unit": True}, ["parts"], ["chart"], id="who needs what runs is overtaken"),
        pytest.param({"unit": False}, ["parts"], ["chart"], id="a failure that nobody needs stops nobody"),
        pytest.param({"unit": True, "parts": True}, [], ["faults", "cluster"], id="what was needed is there"),
    ],
)
def test_what_may_begin(ended: dict[str, bool], running: list[str], begin: list[str]) -> None:
    assert names(next_moves(ALL, ended, running).begin) == begin


def test_what_needs_a_failed_stage_is_given_up_with_its_name() -> None:
    moves = next_moves(ALL, {"unit": True, "parts": False}, [])
    assert [(one.name, failed) for one, failed in moves.give_up] == [
        ("faults", ("parts",)),
        ("cluster", ("parts",)),
    ]
    assert names(moves.begin) == ["chart"]


def test_a_need_that_is_not_asked_for_counts_as_met() -> None:
    assert names(next_moves((FAULTS,), {}, []).begin) == ["faults"]


@given(st.data())
def test_every_stage_ends_once_whatever_fails_and_however_long_it_takes(data: st.DataObject) -> None:
    lanes = st.sampled_from(["a", "b", "c"])
    every: list[Stage] = []
    for number in range(data.draw(st.integers(1, 8))):
        earlier = [one.name for one in every]
        needs = data.draw(st.lists(st.sampled_from(earlier), unique=True)) if earlier else []
        every.append(stage(f"s{number}", *needs, lane=data.draw(lanes)))
    ended: dict[str, bool] = {}
    running: list[str] = []
    while len(ended) < len(every):
        moves = next_moves(every, ended, running)
        for one, failed in moves.give_up:
            assert failed
            ended[one.name] = False
        for one in moves.begin:
            assert all(ended[need] for need in one.needs)
            running.append(one.name)
        busy = [one.lane for one in every if one.name in running]
        assert len(busy) == len(set(busy))
        if running:
            done = running.pop(data.draw(st.integers(0, len(running) - 1)))
            ended[done] = data.draw(st.booleans())
        else:
            assert moves.give_up, "nothing runs and nothing can begin"
    assert set(ended) == {one.name for one in every}


def run(tmp_path: Path, *every: Stage) -> tuple[list[Result], str]:
    stream = io.StringIO()
    results = Run(every, directory=tmp_path, outputs=tmp_path / "outputs", stream=stream).to_the_end()
    return results, stream.getvalue()


def test_outputs_come_whole_with_verdict_and_time(tmp_path: Path) -> None:
    """Both write in turns: each waits for a line of the other."""
    talk = (
        "import pathlib, time\n"
        "def wait(path):\n"
        "    while not pathlib.Path(path).exists(): time.sleep(0.01)\n"
        "print('{me} one'); pathlib.Path('{me}').touch(); wait('{other}'); print('{me} two')\n"
    )
    results, text = run(
        tmp_path,
        stage("left", lane="a", code=talk.format(me="left", other="right")),
        stage("right", lane="b", code=talk.format(me="right", other="left")),
    )
    assert all(result.passed for result in results)
    for name in ("left", "right"):
        assert f"\n━━ {name}\n{name} one\n{name} two\n━━ {name} passed after " in text


def test_a_stage_that_fails_shows_all_it_said_and_fails_what_stands_on_it(tmp_path: Path) -> None:
    results, text = run(
        tmp_path,
        stage("ground", code="import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"),
        stage("house", "ground"),
        stage("garden"),
    )
    assert [(one.stage.name, one.passed) for one in results] == [
        ("ground", False),
        ("house", False),
        ("garden", True),
    ]
    assert "out" in text
    assert "err" in text
    assert "━━ house cannot start: ground failed" in text


def test_who_waits_is_told_what_runs_and_what_it_said_last(tmp_path: Path) -> None:
    """The clock of this test jumps, so that the line is due at once."""
    ticks = iter(range(0, 100_000, 20))
    stream = io.StringIO()
    waits = stage(
        "slow",
        code="import pathlib, time\nprint('half way')\nwhile not pathlib.Path('go').exists(): time.sleep(0.01)",
    )
    looks = 0

    def clock() -> float:
        nonlocal looks
        looks += 1
        if "half way" in stream.getvalue():
            (tmp_path / "go").touch()
        return float(next(ticks))

    Run((waits,), directory=tmp_path, outputs=tmp_path / "o", stream=stream, clock=clock).to_the_end()
    assert "… slow " in stream.getvalue().split("━━")[0]
    assert "half way" in stream.getvalue().split("━━")[0]


def test_a_stage_that_steps_back_leaves_the_processor_to_the_others(tmp_path: Path) -> None:
    """Its session, too, where the kernel shares the processor among sessions."""
    code = (
        "import os, pathlib; group = pathlib.Path('/proc/self/autogroup'); nice = os.nice(0)\n"
        f"print(nice - {os.nice(0)}, group.read_text().split()[-1] == str(nice) if group.exists() else True)"
    )
    back = dataclasses.replace(stage("back", lane="a", code=code), nice=19 - os.nice(0))
    _, text = run(tmp_path, back, stage("front", lane="b", code=code))
    assert f"━━ back\n{19 - os.nice(0)} True\n" in text
    assert "━━ front\n0 True\n" in text


def test_what_a_stage_has_started_ends_with_a_run_that_is_broken_off(tmp_path: Path) -> None:
    """The stage starts a process of its own, and the person presses Ctrl-C once that is there."""
    code = (
        "import pathlib, subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "pathlib.Path('child').write_text(str(child.pid)); child.wait()\n"
    )

    def clock() -> float:
        if (tmp_path / "child").exists() and (tmp_path / "child").read_text():
            raise KeyboardInterrupt
        return time.monotonic()

    with pytest.raises(KeyboardInterrupt):
        Run(
            (stage("parent", code=code),),
            directory=tmp_path,
            outputs=tmp_path / "o",
            stream=io.StringIO(),
            clock=clock,
        ).to_the_end()
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 10
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        if " Z " in Path(f"/proc/{child}/stat").read_text():
            break
        time.sleep(0.01)
    else:
        assert not Path(f"/proc/{child}").exists(), "the child of the stage lives on"


@pytest.mark.parametrize("suite", [stages.CHECK, stages.TEST], ids=["check", "test"])
def test_the_suites_can_be_run_in_their_order(suite: Sequence[Stage]) -> None:
    """Each name once, and nothing needs what comes after it."""
    seen: set[str] = set()
    for one in suite:
        assert set(one.needs) <= seen
        assert one.name not in seen
        seen.add(one.name)


def test_the_table_tells_how_long_all_of_it_took() -> None:
    text = stages.table([Result(UNIT, True, 38.04, 31.2), Result(CHART, False, 2, 1.5)], 39)
    assert text.splitlines() == [
        "unit           passed       38.0 s     31.2 s cpu",
        "chart          failed        2.0 s      1.5 s cpu",
        "all                         39.0 s     32.7 s cpu",
    ]


def test_what_a_stage_and_its_children_have_computed_is_told(tmp_path: Path) -> None:
    spin = "import time\nwhile time.process_time() < 0.3: pass"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {spin!r}])\n{spin}"
    [result], _ = run(tmp_path, stage("busy", code=code))
    assert result.computed >= 0.6
