"""More calls of a storage than may wait for each other."""

import asyncio
from collections.abc import Awaitable, Iterable
from itertools import islice
from typing import TypeVar

SIZE = 100

T = TypeVar("T")


async def in_batches(calls: Iterable[Awaitable[T]]) -> list[T]:
    """Their results. A call has a deadline, towards which its wait for those before it counts."""
    found: list[T] = []
    remaining = iter(calls)
    while batch := list(islice(remaining, SIZE)):
        found += await asyncio.gather(*batch)
    return found
