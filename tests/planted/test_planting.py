"""Only a test that fails while it runs is a catch of a planted bug."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: As a process of its own: pytest cannot run within itself.
PLANT = """
import json, sys
from planting import Bug, plant
bugs = [Bug(**row) for row in json.loads(sys.argv[1])]
tell = lambda outcome: print(json.dumps([outcome.bug.title, outcome.caught, outcome.remark]), flush=True)
plant(bugs[:-1], 2, tell)
plant(bugs[-1:], 2, tell, timeout=1)
"""
OLD = "    return type(want) is type(have) and bool(want == have)"
TEST = "tests/unit/core/test_drift.py::test_drift"


@dataclass(frozen=True)
class Row:
    title: str
    new: str
    old: str = OLD
    module: str = "core/drift.py"
    caught_by: str = TEST


#: Each with whether it is a catch, and with what is said of it.
ROWS = {
    Row("a bug", "    return True"): (True, ""),
    Row("no bug", f"{OLD}  # and no bug"): (False, ""),
    Row("another place", "", old="    return nonsense"): (
        False,
        "does not fit core/drift.py any more (0 places)",
    ),
    Row("two places", "", old="return"): (False, "does not fit core/drift.py any more ("),
    Row("no Python", "    return ("): (False, "cannot be run: tests/unit/core/test_drift.py"),
    Row("a name that is missing", "    pass\n\n\nnonsense()"): (
        False,
        "cannot be run: tests/unit/core/test_drift.py",
    ),
    Row("another test", "    return True", caught_by=f"{TEST}_no_more"): (False, "pytest ended with 4"),
    Row("a test of something else", "    return True", caught_by="tests/unit/tools/test_steps.py"): (
        False,
        "the test does not import alluse_operator.core.drift",
    ),
    Row("an end", "    __import__('os')._exit(1)"): (False, "died"),
    Row("too early", "", old="ALL-USE", module="catalog.py"): (False, "is imported before it can be changed"),
    Row("the last but one", "    return True"): (True, ""),
    Row("an endless test", "    __import__('time').sleep(600)"): (False, "not done after 1 s"),
}


@pytest.fixture(scope="module")
def told() -> list[tuple[str, bool, str]]:
    done = subprocess.run(
        [sys.executable, "-c", PLANT, json.dumps([asdict(row) for row in ROWS])],
        env={
            **os.environ,
            "PYTHONPATH": f"{ROOT / 'tests/planted'}:{ROOT / 'operator'}:{ROOT / 'components'}",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return [tuple(json.loads(line)) for line in done.stdout.splitlines() if line.startswith("[")]


def test_each_is_told_of_in_the_order_of_the_list(told: list[tuple[str, bool, str]]) -> None:
    assert [title for title, _, _ in told] == [row.title for row in ROWS]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.title)
def test_what_is_a_catch(row: Row, told: list[tuple[str, bool, str]]) -> None:
    caught, remark = next((caught, remark) for title, caught, remark in told if title == row.title)
    assert caught is ROWS[row][0], remark
    assert ROWS[row][1] in remark if ROWS[row][1] else not remark


def test_nothing_is_written(told: list[tuple[str, bool, str]]) -> None:
    assert (ROOT / "operator/alluse_operator/core/drift.py").read_text(encoding="utf-8").count(OLD) == 1
