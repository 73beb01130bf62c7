"""The work queue's rules, as its docstring numbers them."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from reconciler.metrics import Instruments
from reconciler.workqueue import WorkQueue
from tests.unit.virtual_time import run


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


def test_key_already_waiting_absorbs_a_later_addition() -> None:
    """A delayed addition of a key that waits by then changes nothing."""

    async def work() -> list[str | None]:
        queue = WorkQueue()
        queue.add_after("a", 1)
        queue.add("a")
        queue.add_after("b", 2)
        await asyncio.sleep(3)
        assert len(queue) == 2
        return [await queue.get(), await queue.get()]

    assert run(work()) == ["a", "b"]


async def test_key_that_need_not_wait_is_added() -> None:
    """Rule 4: no seconds are an addition, so a key that is being processed comes again when it is done."""
    queue = WorkQueue()
    queue.add_after("a", 0)
    queue.add_after("b", 0)
    assert (len(queue), await queue.get()) == (2, "a")
    queue.add_after("a", 0)
    queue.done("a")

    assert [await queue.get(), await queue.get()] == ["b", "a"]


def test_rate_limited_key_comes_later_each_time() -> None:
    """Rule 4: 5 ms, 10 ms and so on, at most 1000 s, until `forget`."""

    async def waits() -> list[float]:
        queue, clock, seen = WorkQueue(), asyncio.get_running_loop().time, list[float]()
        for failure in range(21):
            if failure == 20:
                queue.forget("a")
            asked = clock()
            queue.add_rate_limited("a")
            assert await queue.get() == "a"
            queue.done("a")
            seen.append(clock() - asked)
        return seen

    found = run(waits())
    assert found[:3] == pytest.approx([0.005, 0.01, 0.02])
    assert found[18:] == pytest.approx([1000.0, 1000.0, 0.005])


def test_rate_limited_key_does_not_come_before_it_may() -> None:
    """Who asks for a longer wait than the back-off gets it; who asks for a shorter one does not."""

    async def waits() -> list[float]:
        queue, clock, seen = WorkQueue(), asyncio.get_running_loop().time, list[float]()
        for not_before in (3.0, 0.001):
            asked = clock()
            queue.add_rate_limited("a", not_before)
            assert await queue.get() == "a"
            queue.done("a")
            seen.append(clock() - asked)
        return seen

    assert run(waits()) == pytest.approx([3.0, 0.01])


def test_many_failing_keys_come_ten_a_second() -> None:
    """Rule 4: the first hundred come at once, the rest at the overall rate."""

    async def last() -> float:
        queue = WorkQueue()
        for number in range(150):
            queue.add_rate_limited(str(number))
        for _ in range(150):
            await queue.get()
        return asyncio.get_running_loop().time()

    assert run(last()) == pytest.approx(5.0)


def test_delayed_key_comes_when_it_is_due() -> None:
    """An hour's delay is an hour, and a shorter one that was asked for later counts."""

    async def times() -> list[float]:
        queue, clock = WorkQueue(), asyncio.get_running_loop().time
        queue.add_after("a", 3600)
        queue.add_after("b", 7200)
        queue.add_after("b", 60)
        return [clock() for _ in range(2) if await queue.get()]

    assert run(times()) == pytest.approx([60.0, 3600.0])


def test_metrics_of_a_queue() -> None:
    """Depth, additions, retries, time waited and worked, and what is not finished, under client-go's names."""
    registry = CollectorRegistry()

    def value(name: str) -> float | None:
        return registry.get_sample_value(f"workqueue_{name}", {"name": "q"})

    async def work() -> None:
        queue = WorkQueue("q", Instruments(registry))
        for key in ("a", "b", "a"):
            queue.add(key)
        assert (value("depth"), value("adds_total")) == (2, 2)
        await asyncio.sleep(3)
        await queue.get()
        assert (value("depth"), value("queue_duration_seconds_sum")) == (1, 3)
        await queue.get()
        await asyncio.sleep(5)
        assert (value("unfinished_work_seconds"), value("longest_running_processor_seconds")) == (10, 5)
        queue.done("a")
        queue.add_rate_limited("a")
        assert (value("work_duration_seconds_count"), value("work_duration_seconds_sum")) == (1, 5)
        assert (value("unfinished_work_seconds"), value("retries_total"), value("adds_total")) == (5, 1, 2)

    run(work())


async def test_shut_down_drains_then_ends() -> None:
    """Rule 5: what waits is handed out, what comes later is dropped, and every worker ends."""
    queue = WorkQueue()
    queue.add("a")
    queue.add_after("b", 0.001)
    queue.shut_down()
    queue.add("c")
    queue.add_after("d", 0)
    queue.add_after("e", 0.001)

    assert await queue.get() == "a"
    assert [await queue.get() for _ in range(2)] == [None, None]


async def test_shut_down_wakes_waiting_workers() -> None:
    """A worker that waits on an empty queue ends too."""
    queue = WorkQueue()
    workers = [asyncio.create_task(queue.get()) for _ in range(2)]
    await asyncio.sleep(0)
    queue.shut_down()

    assert await asyncio.gather(*workers) == [None, None]


def test_calm_is_when_nothing_has_come_for_a_while() -> None:
    """At once for a queue that nothing has come to; some time after the last key has come, if none waits or is being
    processed then; or after the given time."""

    async def work() -> list[float]:
        queue, clock, times = WorkQueue(), asyncio.get_running_loop().time, list[float]()

        async def calm() -> None:
            await queue.calm(quiet=2, within=10)
            times.append(clock())

        async def processed(key: str, seconds: float) -> None:
            queue.add(key)
            await asyncio.sleep(seconds)
            assert await queue.get() == key
            queue.done(key)

        await calm()
        queue.add("a")
        await calm()
        await queue.get()
        await calm()
        queue.done("a")
        await calm()
        await asyncio.gather(processed("b", 1), calm())
        await asyncio.gather(processed("c", 1), processed("d", 3), calm())
        return times

    assert run(work()) == [0, 10, 20, 20, 22, 26]
