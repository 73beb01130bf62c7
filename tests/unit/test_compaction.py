"""Compaction rounds of several servers over one storage."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from storage.compaction import COMPACT_KEY, Round, compaction_loop, compaction_round
from storage.interface import Compacted
from storage.sqlite import SQLiteStorage


@pytest.fixture
async def storage() -> AsyncIterator[SQLiteStorage]:
    storage = await SQLiteStorage.open(":memory:")
    yield storage
    await storage.close()


async def compacted(storage: SQLiteStorage, revision: int) -> bool:
    try:
        await storage.list("/", revision=revision)
    except Compacted:
        return True
    return False


async def test_first_round_compacts_nothing(storage: SQLiteStorage) -> None:
    """The first round only takes note of the revision: a history of one interval is always kept."""
    revision = await storage.put("/a", b"", 0)
    last = await compaction_round(storage, Round())
    assert last.revision > revision
    assert not await compacted(storage, revision)


async def test_second_round_compacts_to_the_first(storage: SQLiteStorage) -> None:
    """The next round drops what was history at the time of the one before, and keeps what came after."""
    old = await storage.put("/a", b"", 0)
    last = await compaction_round(storage, Round())
    new = await storage.put("/b", b"", 0)
    await compaction_round(storage, last)
    assert await compacted(storage, old)
    assert not await compacted(storage, new)


async def test_two_servers_compact_once(storage: SQLiteStorage) -> None:
    """Of two servers in a round, the second only learns where things are; history is dropped once an interval."""
    one, two = await compaction_round(storage, Round()), await compaction_round(storage, Round())
    for _ in range(3):
        written = (await storage.get("/a"))[0]
        recent = await storage.put("/a", b"", written.mod_revision if written else 0)
        marker = (await storage.get(COMPACT_KEY))[0]
        one = await compaction_round(storage, one)
        two = await compaction_round(storage, two)
        assert marker is not None
        assert one.marker == two.marker > marker.mod_revision
        assert not await compacted(storage, recent)


async def test_a_server_takes_over(storage: SQLiteStorage) -> None:
    """When the server that compacted is gone, the other one does it in the next round."""
    one, two = await compaction_round(storage, Round()), await compaction_round(storage, Round())
    one = await compaction_round(storage, one)
    two = await compaction_round(storage, two)
    recent = await storage.put("/a", b"", 0)
    two = await compaction_round(storage, two)
    assert not await compacted(storage, recent)
    await compaction_round(storage, two)
    assert await compacted(storage, recent)


async def test_the_loop_goes_on(storage: SQLiteStorage) -> None:
    """The loop compacts again and again until it is cancelled."""
    loop = asyncio.create_task(compaction_loop(storage, interval=0))
    for _ in range(3):
        revision = await storage.current_revision()
        while not await compacted(storage, revision):
            assert not loop.done()
    loop.cancel()
    await asyncio.wait([loop])
    assert loop.cancelled()
