"""Time limits for many."""

import asyncio

from http2.timers import Timers


async def test_calls_in_order() -> None:
    """What was added is called once, in the order in which it was added; what was removed is not."""
    called: list[str] = []
    done = asyncio.Event()
    timers = Timers(0.01)
    calls = [lambda name=name: called.append(name) for name in ("first", "removed", "second")]
    for call in calls:
        timers.add(call)
    timers.remove(calls[1])
    timers.add(done.set)
    await done.wait()
    assert called == ["first", "second"]


async def test_runs_again() -> None:
    """After it had nothing to wait for, it waits for what is added."""
    timers = Timers(0.01)
    for _ in range(2):
        done = asyncio.Event()
        timers.add(done.set)
        await done.wait()


async def test_each_waits_its_time() -> None:
    """What is added later is called later, though the loop's timer runs for an earlier one."""
    loop = asyncio.get_running_loop()
    timers = Timers(0.02)
    early, late = asyncio.Event(), asyncio.Event()
    timers.add(early.set)
    await asyncio.sleep(0.005)
    added = loop.time()
    timers.add(late.set)
    await early.wait()
    await late.wait()
    assert loop.time() >= added + 0.02
