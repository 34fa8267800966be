"""The component's own memory, CPU and disk, read from a control group that the test writes."""

import io
from pathlib import Path

import pytest

from alluse.contract import COMPONENTS
from alluse.runtime.configuration import Config
from alluse.runtime.errors import CheckDegradedError
from alluse.runtime.identity import Identity
from alluse.runtime.logs import Logs
from alluse.runtime.resources import Resources
from alluse.runtime.service import Service
from inprocess import component


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def it(tmp_path: Path, out: io.StringIO) -> Resources:
    log = Logs(Identity(facts=COMPONENTS["position-sizer"]), out).logger()
    made = Resources(tmp_path, Config("production"), log, tmp_path)
    made.read_disk = lambda: 0.5  # type: ignore[method-assign]
    return made


def group(directory: Path, memory: str, limit: str, usage: int, quota: str) -> None:
    (directory / "memory.current").write_text(f"{memory}\n")
    (directory / "memory.max").write_text(f"{limit}\n")
    (directory / "cpu.stat").write_text(f"usage_usec {usage}\nuser_usec 1\n")
    (directory / "cpu.max").write_text(f"{quota}\n")


def test_shares_of_the_limits(it: Resources, tmp_path: Path) -> None:
    group(tmp_path, "50", "100", 1_000_000, "50000 100000")
    it.sample(lambda: 10.0)
    assert (it.memory, it.cpu, it.disk) == (0.5, None, 0.5)
    group(tmp_path, "60", "100", 2_000_000, "50000 100000")
    it.sample(lambda: 20.0)
    assert (it.memory, it.cpu) == (0.6, pytest.approx(0.2))
    assert it.check() == "memory 60 %, cpu 20 %, disk 50 %"


def test_the_older_control_groups_say_the_same(it: Resources, tmp_path: Path) -> None:
    for name in ("memory", "cpu", "cpuacct"):
        (tmp_path / name).mkdir()

    def write(memory: int, limit: int, nanoseconds: int, quota: int) -> None:
        (tmp_path / "memory/memory.usage_in_bytes").write_text(f"{memory}\n")
        (tmp_path / "memory/memory.limit_in_bytes").write_text(f"{limit}\n")
        (tmp_path / "cpuacct/cpuacct.usage").write_text(f"{nanoseconds}\n")
        (tmp_path / "cpu/cpu.cfs_quota_us").write_text(f"{quota}\n")
        (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000\n")

    write(50, 100, 1_000_000_000, 50_000)
    it.sample(lambda: 10.0)
    write(60, 100, 2_000_000_000, 50_000)
    it.sample(lambda: 20.0)
    assert (it.memory, it.cpu) == (0.6, pytest.approx(0.2))
    assert it.memory_limit() == 100
    write(60, 9_223_372_036_854_771_712, 3_000_000_000, -1)
    it.sample(lambda: 30.0)
    assert (it.memory, it.cpu, it.memory_limit()) == (None, None, None)


def test_what_has_no_limit_says_nothing(it: Resources, tmp_path: Path) -> None:
    group(tmp_path, "50", "max", 1, "max 100000")
    it.sample()
    assert it.check() == "disk 50 %"


def test_without_a_control_group_nothing_is_known(it: Resources) -> None:
    it.read_disk = lambda: None  # type: ignore[method-assign]
    it.sample()
    assert it.check() == "no limits are set"


@pytest.mark.parametrize(
    ("memory", "collects", "degraded"), [(79, False, False), (85, True, False), (95, True, True)]
)
def test_short_memory_is_collected_and_then_reported(
    it: Resources, tmp_path: Path, out: io.StringIO, memory: int, collects: bool, degraded: bool
) -> None:
    group(tmp_path, str(memory), "100", 1, "max 100000")
    it.sample()
    assert ("memory is short" in out.getvalue()) is collects
    if degraded:
        with pytest.raises(CheckDegradedError, match="memory 95 %, the threshold is 90 %"):
            it.check()
    else:
        assert it.check().startswith("memory")


@pytest.mark.parametrize(("name", "shown"), [("memory-manager", True), ("position-sizer", False)])
async def test_who_keeps_state_shows_how_full_its_volume_is(tmp_path: Path, name: str, shown: bool) -> None:
    async with component(Service(name=name), tmp_path) as it:
        text = (await it.get("/metrics")).body.decode()
    assert ("\nalluse_disk_used_ratio 0." in text) is shown
