"""Reading a watch in tests."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from storage.interface import Event, Progress, Storage


async def take(stream: AsyncIterator[list[Event] | Progress], count: int) -> list[Event]:
    """The next events, `count` or as many more as come with the last; every revision is whole in one batch."""
    events: list[Event] = []
    while len(events) < count:
        batch = await anext(stream)
        if isinstance(batch, Progress):
            continue
        assert batch
        assert not events or events[-1].revision < batch[0].revision, "a revision is split over two batches"
        events += batch
    return events


async def events_after(storage: Storage, prefix: str, after: int, count: int) -> list[Event]:
    """The first `count` events of a new watch."""
    async with aclosing(storage.watch(prefix, after)) as stream:
        return await take(stream, count)


async def progress_of_at_least(stream: AsyncIterator[list[Event] | Progress], revision: int) -> Progress:
    """The first such Progress."""
    async for batch in stream:
        if isinstance(batch, Progress) and batch.revision >= revision:
            return batch
    raise AssertionError("the watch ended by itself")
