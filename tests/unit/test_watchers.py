"""Events on their way to the watches of a cache, in virtual time: it depends on how long a delivery has taken."""

import asyncio

import pytest

from storage.interface import SMALL, Batch, Event, KeyValue, Progress
from storage.watchers import MOST_RESTED, PART, SlowWatcher, Watchers
from tests.unit.virtual_time import be_busy, virtually


def event(revision: int, size: int = 0) -> Event:
    return Event(revision, KeyValue("/a", b"x" * size, revision), None)


def written(revision: int, size: int = 0) -> Batch:
    return Batch([event(revision, size)])


def revisions(batch: Batch | Progress) -> list[int]:
    assert isinstance(batch, Batch)
    return [event.revision for event in batch]


@virtually
async def test_who_has_left_is_given_nothing() -> None:
    """Events that wait for the event loop to rest are not for a watch that has been closed meanwhile."""
    gone, there = list[int](), asyncio.Queue[int]()

    def take_slowly(batch: Batch) -> bool:
        be_busy(2 * MOST_RESTED)
        gone.append(batch.revision)
        return True

    def take(batch: Batch) -> bool:
        there.put_nowait(batch.revision)
        return True

    watchers = Watchers(buffer=10 * SMALL)
    slow, quick = (watchers.join("/", (), 0, each) for each in (take_slowly, take))
    waiting = [asyncio.create_task(watcher.next()) for watcher in (slow, quick)]
    await asyncio.sleep(0)
    watchers.fan_out(written(1))
    watchers.fan_out(written(2))
    watchers.leave("/", slow)
    assert [await there.get(), await there.get()] == [1, 2]
    assert gone == [1]
    for task in waiting:
        task.cancel()


@virtually
async def test_events_that_come_singly_do_not_wait() -> None:
    """After a quiet time each of two deliveries is made at once; the loop is not asked to come back for one."""
    taken: list[int] = []

    def take(batch: Batch) -> bool:
        be_busy(MOST_RESTED / 2)
        taken.append(batch.revision)
        return True

    watchers = Watchers(buffer=10 * SMALL)
    waiting = asyncio.create_task(watchers.join("/", (), 0, take).next())
    await asyncio.sleep(MOST_RESTED)
    for revision in (1, 2):
        watchers.fan_out(written(revision))
        assert taken[-1] == revision
    waiting.cancel()


@virtually
async def test_what_is_not_taken_is_had_in_order() -> None:
    """What could not be taken at once comes before what could, and all of it once."""
    has_room, taken = [False], list[int]()

    def take(batch: Batch) -> bool:
        taken.extend(event.revision for event in batch if has_room[0])
        return has_room[0]

    watchers = Watchers(buffer=10 * SMALL)
    watcher = watchers.join("/", (), 0, take)
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


@virtually
async def test_large_events_come_a_few_at_a_time() -> None:
    """What was missed, and what has come while the watch was busy, is given in parts that memory can bear."""
    watchers, size = Watchers(buffer=10 * PART), PART // 2
    watcher = watchers.join("/", [event(revision, size) for revision in range(1, 5)], 0, None)
    for revision in range(5, 10):
        watchers.fan_out(written(revision, size))
    given = [revisions(await watcher.next()) for _ in range(5)]
    assert given == [[1, 2], [3, 4], [5, 6], [7, 8], [9]]


@virtually
async def test_a_revision_is_not_split() -> None:
    """Events of one revision are given together, however large."""
    same = [event(1), *(event(2, PART) for _ in range(3)), event(3)]
    watcher = Watchers(buffer=10 * SMALL).join("/", same, 0, None)
    assert [revisions(await watcher.next()) for _ in range(2)] == [[1, 2, 2, 2], [3]]


@virtually
async def test_what_is_due_is_taken_in_parts() -> None:
    """A watch that has room again takes parts until it has none; what is left comes in order, and before the news."""
    taken, room = list[list[int]](), [0]

    def take(batch: Batch) -> bool:
        if not room[0]:
            return False
        room[0] -= 1
        taken.append(revisions(batch))
        return True

    watchers = Watchers(buffer=10 * PART)
    watcher = watchers.join("/", (), 0, take)
    waiting = asyncio.create_task(watcher.next())
    await asyncio.sleep(0)
    for revision in range(1, 5):
        watchers.fan_out(written(revision, PART))
    room[0] = 2
    watchers.fan_out(written(5, PART))
    assert taken == [[1], [2]]
    assert revisions(await waiting) == [3]
    assert [revisions(await watcher.next()) for _ in range(2)] == [[4], [5]]


@virtually
async def test_large_events_are_not_hoarded() -> None:
    """A watch that takes nothing holds no more events than the limit has bytes, and is ended then."""
    watchers = Watchers(buffer=3 * PART)
    watcher = watchers.join("/", (), 0, None)
    for revision in range(1, 5):
        watchers.fan_out(written(revision, PART))
    assert watcher.due == []
    with pytest.raises(SlowWatcher):
        await watcher.next()


@virtually
async def test_what_was_missed_is_not_slowness() -> None:
    """A watch is ended when it is behind with what has come since it was opened, however much was before."""
    watchers = Watchers(buffer=2 * SMALL)
    watcher = watchers.join("/", [event(revision, PART) for revision in range(1, 10)], 0, None)
    for revision in (10, 11):
        watchers.fan_out(written(revision))
    given = [revisions(await watcher.next()) for _ in range(10)]
    assert given == [*([revision] for revision in range(1, 10)), [10, 11]]
    for revision in (12, 13, 14):
        watchers.fan_out(written(revision))
    with pytest.raises(SlowWatcher):
        await watcher.next()
