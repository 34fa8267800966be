"""The store: transactions, migrations, copies; and what a killed process leaves behind."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from alluse.runtime.store import Migration, Store, StoreError, backup, restore, schema_version

ONE = (Migration(1, ("CREATE TABLE things (name TEXT PRIMARY KEY) STRICT",)),)
TWO = (*ONE, Migration(2, ("ALTER TABLE things ADD COLUMN size INTEGER NOT NULL DEFAULT 7",)))


async def opened(path: Path, migrations: tuple[Migration, ...] = ONE, durable: bool = True) -> Store:
    store = Store(path, durable)
    await store.open({"me": migrations})
    return store


async def names(store: Store) -> list[str]:
    return [
        row["name"]
        for row in await store.read(lambda db: db.execute("SELECT name FROM things ORDER BY name").fetchall())
    ]


async def test_what_is_written_is_there_after_a_restart(tmp_path: Path) -> None:
    store = await opened(tmp_path / "s.db")
    await store.write(lambda db: db.execute("INSERT INTO things VALUES ('a')"))
    await store.close()
    store = await opened(tmp_path / "s.db")
    assert await names(store) == ["a"]
    await store.close()


async def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    store = await opened(tmp_path / "s.db")

    def half(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO things VALUES ('a')")
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        await store.write(half)
    assert await names(store) == []
    await store.write(lambda db: db.execute("INSERT INTO things VALUES ('b')"))
    assert await names(store) == ["b"]
    await store.close()


async def held(store: Store, go: threading.Event) -> "asyncio.Task[bool]":
    """A write that is under way until `go`: those that come meanwhile wait together."""
    begun = threading.Event()

    def work(db: sqlite3.Connection) -> bool:
        begun.set()
        return go.wait(10)

    writing = asyncio.create_task(store.write(work))
    assert await asyncio.to_thread(begun.wait, 10)
    return writing


async def test_writes_at_the_same_time_share_a_commit_and_fail_alone(tmp_path: Path) -> None:
    store = await opened(tmp_path / "s.db")
    commits: list[str] = []
    go = threading.Event()

    def trace(db: sqlite3.Connection) -> None:
        db.set_trace_callback(lambda said: commits.append(said) if said == "COMMIT" else None)

    def insert(number: int) -> Callable[[sqlite3.Connection], int]:
        def work(db: sqlite3.Connection) -> int:
            db.execute("INSERT INTO things VALUES (?)", (f"{number:02}",))
            if number % 3 == 0:
                raise LookupError(number)
            return number

        return work

    await store.read(trace)
    first = await held(store, go)
    together = [asyncio.create_task(store.write(insert(number))) for number in range(12)]
    given_up = asyncio.create_task(store.write(insert(50)))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.sleep(0)
    go.set()
    assert await first
    found = await asyncio.gather(*together, return_exceptions=True)
    for number, result in enumerate(found):
        assert isinstance(result, LookupError) if number % 3 == 0 else result == number
    assert await names(store) == [f"{number:02}" for number in range(12) if number % 3]
    assert len(commits) == 2
    await store.close()


class _EndError(BaseException):
    """No Exception, as KeyboardInterrupt is none."""


@pytest.mark.parametrize("error", [_EndError("stop"), StopIteration("stop"), LookupError("stop")])
async def test_whatever_a_work_raises_nobody_waits_for_ever(tmp_path: Path, error: BaseException) -> None:
    def fail(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO things VALUES ('lost')")
        raise error

    store = await opened(tmp_path / "s.db")
    go = threading.Event()
    async with asyncio.timeout(10):
        first = await held(store, go)
        bad = asyncio.create_task(store.write(fail))
        good = asyncio.create_task(store.write(lambda db: db.execute("INSERT INTO things VALUES ('a')")))
        await asyncio.sleep(0)
        go.set()
        await first
        raised, _ = await asyncio.gather(bad, good, return_exceptions=True)
        assert "stop" in str(raised)
        await store.write(lambda db: db.execute("INSERT INTO things VALUES ('b')"))
        assert await names(store) == ["a", "b"]
        await store.close()


async def test_when_the_commit_fails_nobody_is_told_of_success(tmp_path: Path) -> None:
    store = await opened(tmp_path / "s.db")
    await store.write(
        lambda db: db.execute(
            "CREATE TABLE parts (thing TEXT REFERENCES things (name) DEFERRABLE INITIALLY DEFERRED) STRICT"
        )
    )
    go = threading.Event()
    first = await held(store, go)
    good = asyncio.create_task(store.write(lambda db: db.execute("INSERT INTO things VALUES ('a')")))
    bad = asyncio.create_task(store.write(lambda db: db.execute("INSERT INTO parts VALUES ('none')")))
    await asyncio.sleep(0)
    go.set()
    await first
    found = await asyncio.gather(good, bad, return_exceptions=True)
    assert [type(each) for each in found] == [sqlite3.IntegrityError] * 2
    assert await names(store) == []
    await store.write(lambda db: db.execute("INSERT INTO things VALUES ('b')"))
    assert await names(store) == ["b"]
    await store.close()


async def test_a_newer_program_migrates_and_keeps_what_there_is(tmp_path: Path) -> None:
    store = await opened(tmp_path / "s.db")
    await store.write(lambda db: db.execute("INSERT INTO things VALUES ('a')"))
    await store.close()
    store = await opened(tmp_path / "s.db", TWO)
    row = await store.read(lambda db: db.execute("SELECT * FROM things").fetchone())
    assert (row["name"], row["size"]) == ("a", 7)
    assert await store.read(lambda db: schema_version(db, "me")) == 2
    await store.close()


async def test_an_older_program_refuses_and_says_why(tmp_path: Path) -> None:
    await (await opened(tmp_path / "s.db", TWO)).close()
    with pytest.raises(StoreError, match="have version 2, this program knows 1"):
        await opened(tmp_path / "s.db")


async def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    await (await opened(tmp_path / "s.db")).close()
    bad = (*ONE, Migration(2, ("ALTER TABLE things ADD COLUMN size INTEGER", "nonsense")))
    with pytest.raises(StoreError, match="nonsense"):
        await opened(tmp_path / "s.db", bad)
    store = await opened(tmp_path / "s.db")
    assert await store.read(lambda db: schema_version(db, "me")) == 1
    await store.close()


async def test_migrations_are_numbered_without_gaps(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="numbered"):
        await opened(tmp_path / "s.db", (Migration(2, ()),))


async def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreError, match=r"s\.db"):
        await opened(tmp_path / "s.db")


async def test_a_place_that_cannot_be_written_is_an_error_and_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot open"):
        await opened(tmp_path / "file" / "s.db")


@pytest.mark.parametrize(("durable", "level"), [(True, 2), (False, 1)], ids=["FULL", "NORMAL"])
async def test_a_durable_store_waits_for_the_disk(tmp_path: Path, durable: bool, level: int) -> None:
    store = await opened(tmp_path / "s.db", durable=durable)
    assert await store.read(lambda db: db.execute("PRAGMA synchronous").fetchone()[0]) == level
    assert await store.read(lambda db: db.execute("PRAGMA journal_mode").fetchone()[0]) == "wal"
    await store.close()


async def test_a_backup_of_a_store_in_use_can_be_restored(tmp_path: Path) -> None:
    path, copy = tmp_path / "s.db", tmp_path / "copy.db"
    store = await opened(path)
    await store.write(lambda db: db.execute("INSERT INTO things VALUES ('before')"))
    backup(path, copy)
    await store.write(lambda db: db.execute("INSERT INTO things VALUES ('after')"))
    with pytest.raises(StoreError, match="in use"):
        restore(copy, path)
    assert await names(store) == ["after", "before"]
    await store.write(lambda db: db.execute("INSERT INTO things VALUES ('then')"))
    await store.close()
    restore(copy, path)
    store = await opened(path)
    assert await names(store) == ["before"]
    await store.close()
    kept = await opened(tmp_path / "s.db.before-restore")
    assert await names(kept) == ["after", "before", "then"]
    await kept.close()


async def test_a_damaged_store_can_be_replaced(tmp_path: Path) -> None:
    path, copy = tmp_path / "s.db", tmp_path / "copy.db"
    store = await opened(path)
    await store.write(lambda db: db.execute("INSERT INTO things VALUES ('before')"))
    backup(path, copy)
    await store.close()
    path.write_bytes(b"junk" * 1000)
    restore(copy, path)
    assert path.with_name("s.db.before-restore").read_bytes().startswith(b"junk")
    store = await opened(path)
    assert await names(store) == ["before"]
    await store.close()


def test_only_a_whole_store_can_be_restored(tmp_path: Path) -> None:
    (tmp_path / "junk").write_bytes(b"junk" * 1000)
    sqlite3.connect(tmp_path / "foreign.db").close()
    for name in ("missing.db", "junk", "foreign.db"):
        with pytest.raises(StoreError):
            restore(tmp_path / name, tmp_path / "s.db")
    assert not (tmp_path / "s.db").exists()


WRITER = """
import asyncio, sys
from pathlib import Path
from alluse.runtime.store import Migration
from alluse.runtime.store import Store

async def main():
    store = Store(Path(sys.argv[1]), durable=True)
    await store.open({"me": (Migration(1, ("CREATE TABLE things (name TEXT PRIMARY KEY) STRICT",)),)})
    number = 0
    while True:
        await store.write(lambda db: db.execute("INSERT INTO things VALUES (?)", (f"{number:06}",)))
        print(number, flush=True)
        number += 1

asyncio.run(main())
"""


def test_a_killed_process_loses_nothing_that_it_confirmed(tmp_path: Path) -> None:
    root = Path(__file__).parents[3] / "components"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "s.db")],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    ) as process:
        assert process.stdout is not None
        confirmed = -1
        for line in process.stdout:
            confirmed = int(line)
            if confirmed == 30:
                process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    with closing(sqlite3.connect(tmp_path / "s.db")) as db:
        found = [name for (name,) in db.execute("SELECT name FROM things ORDER BY name")]
    assert found[: confirmed + 1] == [f"{number:06}" for number in range(confirmed + 1)]
    assert len(found) <= confirmed + 2
