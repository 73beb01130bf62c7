"""The work queue's rules, as its docstring numbers them."""

import asyncio

from reconciler.workqueue import WorkQueue, backoff


async def test_waiting_key_is_not_added_twice() -> None:
    """Rule 1: a key waits once, however often it is added."""
    queue = WorkQueue()
    queue.add("a")
    queue.add("a")

    assert await queue.get() == "a"
    assert len(queue) == 0


async def test_key_being_processed_comes_back_after_done() -> None:
    """Rule 2: a key added while it is processed is handed out again, but only after `done`."""
    queue = WorkQueue()
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("a")
    queue.add("a")

    assert len(queue) == 0
    queue.done("a")
    assert await queue.get() == "a"
    queue.done("a")
    assert len(queue) == 0


async def test_keys_come_in_order() -> None:
    """Rule 3: first in, first out."""
    queue = WorkQueue()
    for key in "bca":
        queue.add(key)

    assert [await queue.get() for _ in range(3)] == ["b", "c", "a"]


async def test_get_waits_for_add() -> None:
    """A worker on an empty queue wakes up when a key arrives."""
    queue = WorkQueue()
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add("a")

    assert await waiting == "a"


async def test_each_key_goes_to_one_worker() -> None:
    """Of several waiting workers each gets another key."""
    queue = WorkQueue()
    workers = [asyncio.create_task(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    for key in "abc":
        queue.add(key)

    assert sorted(str(key) for key in await asyncio.gather(*workers)) == ["a", "b", "c"]


async def test_add_after_keeps_the_earliest_time() -> None:
    """Rule 4: a later time does not postpone a key, an earlier one brings it forward; it comes once."""
    queue = WorkQueue()
    queue.add_after("a", 3600)
    queue.add_after("a", 0.001)
    queue.add_after("a", 3600)

    assert await queue.get() == "a"
    queue.done("a")
    assert len(queue) == 0


async def test_key_already_waiting_absorbs_a_later_addition() -> None:
    """A delayed addition of a key that waits by then changes nothing."""
    queue = WorkQueue()
    queue.add_after("a", 0)
    queue.add("a")
    queue.add_after("b", 0.001)

    assert await queue.get() == "a"
    assert await queue.get() == "b"
    assert len(queue) == 0


async def test_rate_limited_key_comes_later() -> None:
    """A key that failed is not handed out at once, but it is."""
    queue = WorkQueue()
    queue.add_rate_limited("a")

    assert len(queue) == 0
    assert await queue.get() == "a"


async def test_forget_resets_the_delay() -> None:
    """Rule 4: failures add up per key until `forget`."""
    queue = WorkQueue()
    for _ in range(20):
        queue.add_rate_limited("a")
        queue.add("a")
        assert await queue.get() == "a"
        queue.done("a")
    queue.forget("a")
    queue.add_rate_limited("a")

    assert await queue.get() == "a"


def test_backoff_doubles_up_to_a_minute() -> None:
    """5 ms, 10 ms, 20 ms and so on, at most 60 s."""
    assert [backoff(n) for n in range(4)] == [0.005, 0.01, 0.02, 0.04]
    assert backoff(13) == 40.96
    assert backoff(14) == backoff(100_000) == 60.0


async def test_shut_down_drains_then_ends() -> None:
    """Rule 5: what waits is handed out, what comes later is dropped, and every worker ends."""
    queue = WorkQueue()
    queue.add("a")
    queue.add_after("b", 0)
    queue.shut_down()
    queue.add("c")
    queue.add_after("d", 0)

    assert await queue.get() == "a"
    assert [await queue.get() for _ in range(2)] == [None, None]


async def test_shut_down_wakes_waiting_workers() -> None:
    """A worker that waits on an empty queue ends too."""
    queue = WorkQueue()
    workers = [asyncio.create_task(queue.get()) for _ in range(2)]
    await asyncio.sleep(0)
    queue.shut_down()

    assert await asyncio.gather(*workers) == [None, None]
