"""Events on their way to the watches of a cache."""

import asyncio

from storage.interface import Batch, Event, KeyValue
from storage.watchers import Watchers


def written(revision: int) -> Batch:
    return Batch([Event(revision, KeyValue("/a", b"", revision), None)])


async def test_who_has_left_is_given_nothing() -> None:
    """Events that wait for the event loop to rest are not for a watch that has been closed meanwhile."""
    clock = asyncio.get_running_loop().time
    gone, there = list[int](), asyncio.Queue[int]()

    def take_slowly(batch: Batch) -> bool:
        until = clock() + 0.02
        while clock() < until:
            pass
        gone.append(batch.revision)
        return True

    def take(batch: Batch) -> bool:
        there.put_nowait(batch.revision)
        return True

    watchers = Watchers(buffer=10)
    slow, quick = (watchers.join("/", Batch(()), 0, each) for each in (take_slowly, take))
    waiting = [asyncio.create_task(watcher.next()) for watcher in (slow, quick)]
    await asyncio.sleep(0)
    watchers.fan_out(written(1))
    watchers.fan_out(written(2))
    watchers.leave("/", slow)
    assert [await there.get(), await there.get()] == [1, 2]
    assert gone == [1]
    for task in waiting:
        task.cancel()
