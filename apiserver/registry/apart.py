"""Work on large objects, which would hold up the event loop: a megabyte of labels, or of items, takes half a second."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

LARGE = 64 * 1024
"""Bytes of an object that is looked through in ten milliseconds or twenty."""
T = TypeVar("T")


async def apart(size: int, work: Callable[[], T]) -> T:
    """Does it at once, or in a thread when it is about many bytes."""
    return await asyncio.to_thread(work) if size > LARGE else work()
