"""Files that rotate: nothing lost within the bounds, the bounds kept whatever is written."""

import json
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from alluse.services.production_logger.files import RotatingFile, newest_first, search


def lines_of(file: RotatingFile) -> list[bytes]:
    """All lines, newest first."""
    found: list[bytes] = []
    for path in file.files():
        with path.open("rb") as opened:
            found += newest_first(opened, path.stat().st_size)
    return found


lines = st.lists(st.binary(min_size=1, max_size=40).map(lambda raw: raw.hex().encode()), max_size=12)


@given(st.lists(lines, max_size=15), st.integers(20, 300), st.integers(1, 4))
def test_the_newest_lines_are_kept_within_the_bounds(
    batches: list[list[bytes]], max_bytes: int, backups: int
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        file = RotatingFile(Path(directory) / "x.log", max_bytes, backups)
        written: list[bytes] = []
        for batch in batches:
            file.write(batch)
            written += batch
        found = lines_of(file)
        assert found == written[::-1][: len(found)]
        longest = max((len(line) + 1 for line in written), default=0)
        assert file.bytes_on_disk() <= (backups + 1) * max(max_bytes, longest)
        assert all(path.stat().st_size <= max(max_bytes, longest) for path in file.files())
        if len(found) < len(written):
            assert len(file.files()) == backups + 1
        file.close()


@given(st.lists(st.binary(max_size=300).map(lambda raw: raw.hex().encode()), max_size=40), st.integers(1, 64))
def test_reading_from_the_end_gives_every_line(content: list[bytes], block: int) -> None:
    from alluse.services.production_logger import files

    normal, files._BLOCK = files._BLOCK, block
    try:
        with tempfile.TemporaryFile() as file:
            data = b"\n".join(content) + b"\n" if content else b""
            file.write(data)
            assert list(newest_first(file, len(data))) == [line for line in content[::-1] if line]
    finally:
        files._BLOCK = normal


def test_half_a_line_of_a_killed_process_does_not_swallow_the_next(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(b'{"a": 1}\n{"b": ')
    file = RotatingFile(path, 1000, 1)
    file.write([b'{"c": 3}'])
    assert path.read_bytes() == b'{"a": 1}\n{"b": \n{"c": 3}\n'
    file.close()


def test_fewer_backups_take_effect_at_once(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path / "x.log", 10, 3)
    for number in range(8):
        file.write([f"line {number}".encode()])
    assert len(list(tmp_path.iterdir())) == 4
    file.configure(10, 1)
    assert len(list(tmp_path.iterdir())) == 2
    file.close()


def test_a_search_ends_at_its_limit_and_at_its_time() -> None:
    records = [json.dumps({"n": number}).encode() for number in range(1000)]
    found, complete = search(records, lambda record: record["n"] % 2 == 0, [], 10, 5)
    assert ([record["n"] for record in found], complete) == (list(range(0, 20, 2)), False)
    assert search(records, lambda record: True, [], 10, -1) == ([], False)
    assert search([b"{broken", b"3"][:1], lambda record: True, [], 10, 5) == ([], True)
