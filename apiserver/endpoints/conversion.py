"""Bodies that are converted without holding up the event loop."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from apiserver.machinery.encoding import ITEM, Layout
from apiserver.machinery.pieces import Piece

LARGE, _LARGE_YAML = 64 * 1024, 4 * 1024
"""Bytes that are converted in a few milliseconds."""
_yaml_thread = ThreadPoolExecutor(1, "yaml")
"""YAML takes a hundred times JSON's time, and of memory as much as a hundred bytes each: one body at a time, and nobody
else waits for a thread."""
_FRAMED = 3
T = TypeVar("T")


async def off_loop(convert: Callable[[bytes], T], data: bytes, *, yaml: bool = False) -> T:
    """Small bodies are converted at once, large ones in a thread."""
    if len(data) <= (_LARGE_YAML if yaml else LARGE):
        return convert(data)
    return await asyncio.get_running_loop().run_in_executor(_yaml_thread if yaml else None, convert, data)


async def laid_out(pieces: Sequence[Piece], layout: Layout) -> list[Piece]:
    """JSON in another layout. Of a list, what is around the items, and then them, piece by piece: whoever decodes JSON
    lets nobody else run meanwhile."""
    if len(pieces) < _FRAMED:
        return [Piece(await _converted(layout.document, b"".join([piece.data for piece in pieces]), layout))]
    before, after = layout.document(pieces[0].data + ITEM + pieces[-1].data).split(layout.item)
    made, separator = [Piece(before)], b""
    for piece in pieces[1:-1]:
        made.append(Piece(separator + await _converted(layout.items, piece.data.removeprefix(b","), layout)))
        separator = layout.separator
    return [*made, Piece(after)]


async def _converted(convert: Callable[[bytes], bytes], data: bytes, layout: Layout) -> bytes:
    return await off_loop(convert, data, yaml=layout.is_yaml)
