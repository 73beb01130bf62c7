"""Bodies that are converted without holding up the event loop."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from apiserver.machinery.encoding import ITEM, Layout
from apiserver.machinery.pieces import Body, Piece
from apiserver.registry.threads import off_loop

_SMALL_YAML, _LARGE_YAML = 4 * 1024, 64 * 1024
"""Bytes that take a few milliseconds, and a few hundred."""
_yaml_thread, _large_yaml_thread = ThreadPoolExecutor(1, "yaml"), ThreadPoolExecutor(1, "large-yaml")
"""YAML takes a hundred times JSON's time, and of memory as much as a hundred bytes each: one body at a time; who has a
small one does not wait for those with large ones."""
T = TypeVar("T")


async def converted(convert: Callable[[bytes], T], data: bytes, *, yaml: bool = False) -> T:
    """Small bodies are converted at once, large ones in a thread."""
    if not yaml:
        return await off_loop(len(data), partial(convert, data))
    if len(data) <= _SMALL_YAML:
        return convert(data)
    thread = _large_yaml_thread if len(data) > _LARGE_YAML else _yaml_thread
    return await asyncio.get_running_loop().run_in_executor(thread, convert, data)


async def laid_out(body: Body, layout: Layout) -> AsyncIterator[Piece]:
    """JSON in another layout. Of a list, what is around the items, and then them, piece by piece: whoever decodes JSON
    lets nobody else run meanwhile."""
    first = await anext(body.items, None)
    if first is None:
        yield Piece(await converted(layout.document, body.before + body.after, yaml=layout.is_yaml))
        return
    before, after = layout.document(body.before + ITEM + body.after).split(layout.item)
    yield Piece(before)
    yield Piece(await converted(layout.items, first.data, yaml=layout.is_yaml))
    async for piece in body.items:
        items = await converted(layout.items, piece.data.removeprefix(b","), yaml=layout.is_yaml)
        yield Piece(layout.separator + items)
    yield Piece(after)
