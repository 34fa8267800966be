"""The cache: keys tell contents apart, entries appear whole, two runs do not build the same thing."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path

import pytest
from tools.cluster import cache


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def tree(root: Path, **files: str) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_the_key_of_a_tree_does_not_depend_on_where_it_is(tmp_path: Path) -> None:
    assert cache.key(tree(tmp_path / "a", x="1", y="2")) == cache.key(tree(tmp_path / "b", y="2", x="1"))


@pytest.mark.parametrize(
    "other",
    [{"x": "1", "y": "3"}, {"x": "1", "z": "2"}, {"x": "1"}, {"x": "12", "y": ""}],
    ids=["content", "name", "one file less", "content moved between files"],
)
def test_the_key_of_a_tree_changes_with_it(tmp_path: Path, other: dict[str, str]) -> None:
    assert cache.key(tree(tmp_path / "a", x="1", y="2")) != cache.key(tree(tmp_path / "b", **other))


def test_the_key_knows_an_executable_file(tmp_path: Path) -> None:
    file = tree(tmp_path, x="1") / "x"
    before = cache.key(file)
    file.chmod(0o755)
    assert cache.key(file) != before


def test_byte_code_is_not_part_of_a_key(tmp_path: Path) -> None:
    root = tree(tmp_path / "a", **{"x.py": "1"})
    before = cache.key(root)
    tree(root, **{"__pycache__/x.cpython-311.pyc": "2", "x.pyc": "3"})
    assert cache.key(root) == before


def test_texts_do_not_run_together() -> None:
    assert cache.key("ab", "c") != cache.key("a", "bc")


def test_a_path_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        cache.key(tmp_path / "absent")


def test_an_entry_is_built_once() -> None:
    def build(directory: Path) -> None:
        (directory / "result").write_text("done")

    first, built_first = cache.get_or_build("kind", "k", build)
    second, built_second = cache.get_or_build("kind", "k", build)
    assert (first, built_first, built_second) == (second, True, False)
    assert (first / "result").read_text() == "done"


def test_a_failed_build_leaves_no_entry_and_can_be_tried_again() -> None:
    def fail(directory: Path) -> None:
        (directory / "half").write_text("")
        raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError):
        cache.get_or_build("kind", "k", fail)
    assert not cache.path_of("kind", "k").exists()
    entry, built = cache.get_or_build("kind", "k", lambda d: (d / "whole").touch())
    assert built
    assert [p.name for p in entry.iterdir()] == ["whole"]


def build_slowly(counter: Path) -> None:
    def build(directory: Path) -> None:
        with open(counter, "a") as file:
            file.write("built\n")
        time.sleep(0.3)
        (directory / "result").touch()

    cache.get_or_build("kind", "shared", build)


def test_two_processes_build_an_entry_once(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=build_slowly, args=(counter,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [p.exitcode for p in processes] == [0, 0, 0]
    assert counter.read_text() == "built\n"


def test_read_only_trees_can_be_removed(tmp_path: Path) -> None:
    root = tree(tmp_path / "a", **{"deep/x": "1"})
    (root / "deep").chmod(0o500)
    cache.remove_tree(root)
    assert not root.exists()
