"""Work on large objects, which would hold up the event loop: a megabyte of labels, or of items, takes half a second."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

LARGE = 64 * 1024
"""Bytes of an object that is looked through in ten milliseconds or twenty."""
_threads = ThreadPoolExecutor(2, "large")
"""More would only wait for each other, and keep other threads waiting."""
T = TypeVar("T")


async def off_loop(size: int, work: Callable[[], T]) -> T:
    """Does it at once, or in a thread when it is about many bytes."""
    return await asyncio.get_running_loop().run_in_executor(_threads, work) if size > LARGE else work()
