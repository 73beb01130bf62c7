"""Events on their way to the watches of a cache."""

import asyncio

from storage.interface import Batch, Event, KeyValue
from storage.watchers import MOST_RESTED, Watchers


def written(revision: int) -> Batch:
    return Batch([Event(revision, KeyValue("/a", b"", revision), None)])


async def test_who_has_left_is_given_nothing() -> None:
    """Events that wait for the event loop to rest are not for a watch that has been closed meanwhile."""
    clock = asyncio.get_running_loop().time
    gone, there = list[int](), asyncio.Queue[int]()

    def take_slowly(batch: Batch) -> bool:
        until = clock() + 2 * MOST_RESTED
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


async def test_events_that_come_singly_do_not_wait() -> None:
    """After a quiet time each of two deliveries is made at once; the loop is not asked to come back for one."""
    taken: list[int] = []

    def take(batch: Batch) -> bool:
        taken.append(batch.revision)
        return True

    watchers = Watchers(buffer=10)
    waiting = asyncio.create_task(watchers.join("/", Batch(()), 0, take).next())
    await asyncio.sleep(0)
    for revision in (1, 2):
        watchers.fan_out(written(revision))
        assert taken[-1] == revision
    waiting.cancel()


async def test_what_is_not_taken_is_had_in_order() -> None:
    """What could not be taken at once comes before what could, and all of it once."""
    has_room, taken = [False], list[int]()

    def take(batch: Batch) -> bool:
        taken.extend(event.revision for event in batch if has_room[0])
        return has_room[0]

    watchers = Watchers(buffer=10)
    watcher = watchers.join("/", Batch(()), 0, take)
    waiting = asyncio.create_task(watcher.next())
    await asyncio.sleep(0)
    watchers.fan_out(written(1))
    has_room[0] = True
    watchers.fan_out(written(2))
    assert taken == [1, 2]
    watchers.fan_out(written(2))
    watchers.fan_out(written(3))
    assert taken == [1, 2, 3]
    waiting.cancel()
    await asyncio.wait([waiting])
    watchers.fan_out(written(4))
    left = await watcher.next()
    assert isinstance(left, Batch)
    assert left.revision == 4
