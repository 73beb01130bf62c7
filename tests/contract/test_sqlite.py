"""SQLiteStorage and its file: what survives, what is refused, and watches that are far behind."""

import asyncio
import os
import signal
import sqlite3
import sys
import tracemalloc
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from storage.interface import Compacted, KeyValue, NoSpace, Unavailable
from storage.sqlite import MAX_VALUE_BYTES, RECENT_BYTES, RECENT_EVENTS, SQLiteStorage
from tests.contract.batches import in_batches
from tests.contract.watching import events_after

WRITES_UNTIL_KILLED = """
import asyncio, os, signal, sys
from storage.sqlite import SQLiteStorage

async def main():
    storage = await SQLiteStorage.open(sys.argv[1])
    for number in range(20):
        print(await storage.put(f"/{number}", b"value", 0), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_reopening(tmp_path: Path) -> None:
    """Keys, revisions, history and the counter are there after closing and opening again."""
    path = str(tmp_path / "storage.db")
    storage = await SQLiteStorage.open(path)
    created = await storage.put("/a", b"1", 0)
    updated = await storage.put("/a", b"2", created)
    deleted = await storage.delete("/a", updated)
    await storage.close()
    await storage.close()
    storage = await SQLiteStorage.open(path)
    assert await storage.current_revision() == deleted
    assert (await storage.list("/", revision=updated)).items[0].value == b"2"
    creation, update, deletion = await events_after(storage, "/", created - 1, 3)
    assert (creation.previous, update.previous) == (None, creation.kv)
    assert (deletion.kv, deletion.previous, deletion.revision) == (None, update.kv, deleted)
    assert await storage.put("/a", b"3", 0) > deleted
    await storage.close()


async def test_reopening_after_compaction(tmp_path: Path) -> None:
    """The compaction is remembered, and the counter never goes back, though nothing of the last revision is left."""
    path = str(tmp_path / "storage.db")
    storage = await SQLiteStorage.open(path)
    created = await storage.put("/a", b"1", 0)
    deleted = await storage.delete("/a", created)
    await storage.compact(deleted)
    await storage.close()
    storage = await SQLiteStorage.open(path)
    assert await storage.current_revision() == deleted
    with pytest.raises(Compacted):
        await storage.list("/", revision=created)
    await storage.close()


async def test_kill_9(tmp_path: Path) -> None:
    """Every acknowledged write is there after kill -9, and the file opens at once."""
    path = str(tmp_path / "storage.db")
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITES_UNTIL_KILLED, path, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    output, _ = await writer.communicate()
    assert writer.returncode == -signal.SIGKILL
    storage = await SQLiteStorage.open(path)
    acknowledged = sorted(item.mod_revision for item in (await storage.list("/")).items)
    assert acknowledged == [int(line) for line in output.split()]
    assert len(acknowledged) == 20
    await storage.close()


async def test_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that must not grow takes no values, and says so. Reads and watches go on, and it counts as there; when a
    compaction has made room, it takes values again."""
    connect = sqlite3.connect

    def connect_to_small(*args: Any, **options: Any) -> sqlite3.Connection:
        db: sqlite3.Connection = connect(*args, **options)
        db.execute("PRAGMA max_page_count = 100")
        return db

    monkeypatch.setattr(sqlite3, "connect", connect_to_small)
    storage = await SQLiteStorage.open(str(tmp_path / "storage.db"))
    created = await storage.put("/a", bytes(10_000), 0)
    with pytest.raises(NoSpace, match=r"^SQLite: database or disk is full$"):
        await put_again_and_again(storage, "/a", created)
    await storage.check()
    kv, at = await storage.get("/a")
    assert kv is not None
    revision = kv.mod_revision
    assert at == revision == await storage.current_revision()
    assert len(await events_after(storage, "/", created, revision - created)) == revision - created
    await storage.compact(revision)
    assert await storage.put("/a", bytes(10_000), revision) == revision + 1
    await storage.close()


async def put_again_and_again(storage: SQLiteStorage, key: str, revision: int) -> None:
    while True:
        revision = await storage.put(key, bytes(10_000), revision)


async def test_locked_by_another_program(tmp_path: Path) -> None:
    """While another program writes to the file, writes are Unavailable; reads go on, and so it counts as there."""
    path = str(tmp_path / "storage.db")
    storage = await SQLiteStorage.open(path)
    created = await storage.put("/a", b"", 0)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable):
            await storage.put("/b", b"", 0)
        await storage.check()
        assert await storage.get("/a") == (KeyValue("/a", b"", created), created)
    await storage.put("/c", b"", 0)
    await storage.close()


async def test_second_opener(tmp_path: Path) -> None:
    """A file that is open cannot be opened again; after closing it can."""
    path = str(tmp_path / "storage.db")
    storage = await SQLiteStorage.open(path)
    with pytest.raises(Unavailable, match=r"another process has .*storage\.db open"):
        await SQLiteStorage.open(path)
    await storage.put("/a", b"", 0)
    await storage.close()
    await (await SQLiteStorage.open(path)).close()


async def test_not_a_database(tmp_path: Path) -> None:
    """A file of something else is refused in a sentence that names it, and left as it is."""
    path = tmp_path / "storage.db"
    contents = b"not a database " * 100
    path.write_bytes(contents)
    with pytest.raises(Unavailable, match=r"storage\.db: file is not a database"):
        await SQLiteStorage.open(str(path))
    assert path.read_bytes() == contents


async def test_database_of_another_program(tmp_path: Path) -> None:
    """A SQLite database of another program is refused."""
    path = tmp_path / "storage.db"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE log (line TEXT)")
    db.close()
    with pytest.raises(Unavailable, match=r"storage\.db: is a database of another program"):
        await SQLiteStorage.open(str(path))


async def test_no_such_folder(tmp_path: Path) -> None:
    """A path whose folder does not exist is refused."""
    with pytest.raises(Unavailable, match=r"cannot open .*: No such file or directory"):
        await SQLiteStorage.open(str(tmp_path / "missing" / "storage.db"))


async def test_a_folder(tmp_path: Path) -> None:
    """A path that is a folder is refused."""
    folder = tmp_path / "storage.db"
    os.mkdir(folder)
    with pytest.raises(Unavailable, match="unable to open database file"):
        await SQLiteStorage.open(str(folder))


async def test_closed() -> None:
    """After closing, every call and every open watch is Unavailable."""
    storage = await SQLiteStorage.open(":memory:")
    reader = asyncio.create_task(events_after(storage, "/", 1, 1))
    await asyncio.sleep(0)
    await storage.close()
    outcomes = await asyncio.gather(
        reader,
        storage.get("/a"),
        storage.list("/"),
        storage.put("/a", b"", 0),
        storage.check(),
        storage.current_revision(),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 6


async def test_closing_finishes_writes(tmp_path: Path) -> None:
    """Writes under way when the storage is closed are answered, and are in the file."""
    path = str(tmp_path / "storage.db")
    storage = await SQLiteStorage.open(path)
    writes = [asyncio.create_task(storage.put(f"/{number}", b"", 0)) for number in range(10)]
    await asyncio.sleep(0)
    await storage.close()
    revisions = await asyncio.gather(*writes)
    storage = await SQLiteStorage.open(path)
    assert sorted(item.mod_revision for item in (await storage.list("/")).items) == sorted(revisions)
    await storage.close()


async def test_watch_far_behind(tmp_path: Path) -> None:
    """A watch that starts before what memory keeps reads the log, and goes on live."""
    storage = await SQLiteStorage.open(str(tmp_path / "storage.db"))
    count = RECENT_EVENTS + 500
    revisions = await in_batches(storage.put(f"/{number}", b"", 0) for number in range(count))
    reader = asyncio.create_task(events_after(storage, "/", revisions[0] - 1, count + 1))
    revisions.append(await storage.put("/last", b"", 0))
    assert [event.revision for event in await reader] == revisions
    await storage.close()


async def test_large_values_are_not_hoarded(tmp_path: Path) -> None:
    """What memory keeps for watches is bounded in bytes too; a watch that starts before it reads the log."""
    storage = await SQLiteStorage.open(str(tmp_path / "storage.db"))
    created = revision = await storage.put("/a", b"", 0)
    tracemalloc.start()
    try:
        for _ in range(40):
            revision = await storage.put("/a", bytes(MAX_VALUE_BYTES), revision)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # An event has the value before, too.
    assert kept < 2 * (RECENT_BYTES + MAX_VALUE_BYTES)
    events = await events_after(storage, "/", created, 40)
    assert [event.revision for event in events] == list(range(created + 1, revision + 1))
    await storage.close()


async def test_large_deleted_values_are_not_hoarded(tmp_path: Path) -> None:
    """A deletion has the value before: it is bounded as well."""
    storage = await SQLiteStorage.open(str(tmp_path / "storage.db"))
    tracemalloc.start()
    try:
        for number in range(40):
            revision = await storage.put(f"/{number}", bytes(MAX_VALUE_BYTES), 0)
            await storage.delete(f"/{number}", revision)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < RECENT_BYTES + 2 * MAX_VALUE_BYTES
    await storage.close()


async def test_compaction_in_steps(tmp_path: Path) -> None:
    """A compaction over many revisions leaves one row for each key that exists, and only those."""
    path = tmp_path / "storage.db"
    storage = await SQLiteStorage.open(str(path))
    await in_batches(storage.put(f"/{number}", b"1", 0) for number in range(1500))
    kept = (await storage.list("/")).items
    await in_batches(storage.put(kv.key, b"2", kv.mod_revision) for kv in kept[:1000])
    await in_batches(storage.delete(kv.key, kv.mod_revision) for kv in kept[1000:])
    await storage.compact(await storage.current_revision())
    await storage.close()
    db = sqlite3.connect(path)
    assert db.execute("SELECT count(*), min(value), max(value) FROM log").fetchone() == (1000, b"2", b"2")
    db.close()
