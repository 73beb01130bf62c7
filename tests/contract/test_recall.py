"""The watch cache over each storage that keeps data: what it knows of the time before it started."""

import asyncio
from contextlib import aclosing

import pytest

from storage.cacher import Cacher
from storage.interface import Compacted, Storage
from tests.contract.conftest import running
from tests.contract.watching import events_after, take

Written = list[tuple[str, int]]


async def write(storage: Storage, prefix: str, count: int) -> Written:
    """Creates, changes and deletes some keys again and again: the key and the revision of each write."""
    written: Written = []
    for number in range(count):
        key = f"{prefix}{number % 7}"
        kv, _ = await storage.get(key)
        if kv and number % 3 == 0:
            written.append((key, await storage.delete(key, kv.mod_revision)))
        else:
            written.append((key, await storage.put(key, str(number).encode(), kv.mod_revision if kv else 0)))
    return written


async def test_watches_from_before_the_start(backend: Storage, prefix: str) -> None:
    """A cache that has just started serves watches from before, if the storage has the events still: nobody who comes
    back after a restart has to list again. Each has every event after its revision once and in order, and goes on."""
    begin = await backend.current_revision()
    written = await write(backend, prefix, 40)
    await backend.put(f"/elsewhere{prefix}", b"", 0)
    starts = [begin, *(revision for _, revision in written)]
    async with running(Cacher(backend, prefix)) as cacher:
        streams = [cacher.watch(prefix, after) for after in reversed(starts)]
        last = asyncio.gather(*(take(stream, number + 1) for number, stream in enumerate(streams)))
        written += await write(cacher, prefix + "more/", 1)
        for after, events in zip(reversed(starts), await last, strict=True):
            assert [(event.key, event.revision) for event in events] == [each for each in written if each[1] > after]
        for stream in streams:
            await stream.aclose()


async def test_events_from_before_the_start(backend: Storage, prefix: str) -> None:
    """They tell before and after as the storage's do, with the KeyValues that are in memory."""
    begin = await backend.current_revision()
    await write(backend, prefix, 40)
    async with running(Cacher(backend, prefix)) as cacher:
        events = await events_after(cacher, prefix, begin, 40)
        assert events == await events_after(backend, prefix, begin, 40)
        kept = {kv.key: kv for kv in (await cacher.list(prefix)).items}
    for event in events:
        known = [other.kv for other in events if other.kv and event.previous and other.kv == event.previous]
        assert not known or event.previous is known[0]
        current = kept.get(event.key)
        assert not (event.kv and current and event.kv == current) or event.kv is current


async def test_watches_from_before_a_compaction(backend: Storage, prefix: str) -> None:
    """What the storage has no history of is Compacted; what it has is served at the same time."""
    begin = await backend.current_revision()
    written = await write(backend, prefix, 20)
    compacted = written[9][1]
    await backend.compact(compacted)
    async with running(Cacher(backend, prefix)) as cacher:
        old = [asyncio.create_task(events_after(cacher, prefix, after, 1)) for after in (begin, written[3][1])]
        events = await events_after(cacher, prefix, compacted, 10)
        assert [(event.key, event.revision) for event in events] == written[10:]
        for watch in old:
            with pytest.raises(Compacted):
                await watch


async def test_a_quiet_past(backend: Storage, prefix: str) -> None:
    """Writes of others leave no events: a watch from before them is served, and waits for the next."""
    begin = await backend.current_revision()
    for number in range(3):
        await backend.put(f"/elsewhere{prefix}{number}", b"", 0)
    async with running(Cacher(backend, prefix)) as cacher, aclosing(cacher.watch(prefix, begin)) as stream:
        reader = asyncio.create_task(take(stream, 1))
        revision = await cacher.put(f"{prefix}a", b"", 0)
        assert [event.revision for event in await reader] == [revision]
