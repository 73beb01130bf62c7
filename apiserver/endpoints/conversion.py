"""Bodies that are converted without holding up the event loop."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from apiserver.machinery.encoding import ITEM, Layout
from apiserver.machinery.pieces import Body, Piece

LARGE, _LARGE_YAML = 64 * 1024, 4 * 1024
"""Bytes that are converted in a few milliseconds."""
_yaml_thread = ThreadPoolExecutor(1, "yaml")
"""YAML takes a hundred times JSON's time, and of memory as much as a hundred bytes each: one body at a time, and nobody
else waits for a thread."""
T = TypeVar("T")


async def off_loop(convert: Callable[[bytes], T], data: bytes, *, yaml: bool = False) -> T:
    """Small bodies are converted at once, large ones in a thread."""
    if len(data) <= (_LARGE_YAML if yaml else LARGE):
        return convert(data)
    return await asyncio.get_running_loop().run_in_executor(_yaml_thread if yaml else None, convert, data)


async def laid_out(body: Body, layout: Layout) -> AsyncIterator[Piece]:
    """JSON in another layout. Of a list, what is around the items, and then them, piece by piece: whoever decodes JSON
    lets nobody else run meanwhile."""
    first = await anext(body.items, None)
    if first is None:
        yield Piece(await _converted(layout.document, body.before + body.after, layout))
        return
    before, after = layout.document(body.before + ITEM + body.after).split(layout.item)
    yield Piece(before)
    yield Piece(await _converted(layout.items, first.data, layout))
    async for piece in body.items:
        yield Piece(layout.separator + await _converted(layout.items, piece.data.removeprefix(b","), layout))
    yield Piece(after)


async def _converted(convert: Callable[[bytes], bytes], data: bytes, layout: Layout) -> bytes:
    return await off_loop(convert, data, yaml=layout.is_yaml)
