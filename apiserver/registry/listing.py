"""One page of a list: what is read of the storage, and where the next one begins (wire.md 3.12)."""

import asyncio
from collections.abc import Iterator, Sequence

from apiserver.machinery.continuation import encode_continue
from apiserver.registry.item import Chunk, Matches, chunk_of, item_of
from apiserver.registry.options import ItemList
from apiserver.registry.selection import Position
from storage.interface import KeyValue, Page, Run, Storage

_SELECTED_PAGE = 500
_CHUNK = 250
"""Objects that are encoded before others have their turn."""


async def read_page(storage: Storage, prefix: str, at: Position, matches: Matches | None) -> ItemList:
    """What matches (None: all) of the keys that begin with `prefix`. Raises StorageError."""
    if matches is not None and at.limit:
        return await _selected_page(storage, prefix, at, matches)
    page = await _read(storage, prefix, at, at.limit)
    chunks = await chunks_of(page.runs, matches)
    if not page.remaining:
        return ItemList(chunks, str(page.revision))
    token = encode_continue(page.revision, _last(page).removeprefix(prefix))
    return ItemList(chunks, str(page.revision), token, page.remaining)


async def _selected_page(storage: Storage, prefix: str, at: Position, matches: Matches) -> ItemList:
    """Reads on until `limit` objects match, all at the first read's revision."""
    found: list[KeyValue] = []
    while True:
        page = await _read(storage, prefix, at, max(at.limit, _SELECTED_PAGE))
        for run in page.runs:
            found += [kv for kv in run.items if matches(item_of(kv))]
            # A page from memory does not wait for anything: let others run.
            await asyncio.sleep(0)
        if len(found) >= at.limit or not page.remaining:
            break
        at = Position(_last(page).removeprefix(prefix) + "\0", page.revision, None, at.limit)
    shown = found[: at.limit]
    chunks, revision = list(_in_chunks(shown)), str(page.revision)
    # Keys that follow may match or not: the client is sent on to see.
    if len(shown) < at.limit or not (page.remaining or shown[-1].key != _last(page)):
        return ItemList(chunks, revision)
    last = shown[-1].key.removeprefix(prefix)
    return ItemList(chunks, revision, encode_continue(page.revision, last))


def _in_chunks(found: Sequence[KeyValue]) -> Iterator[Chunk]:
    for start in range(0, len(found), _CHUNK):
        yield Chunk([item_of(kv) for kv in found[start : start + _CHUNK]])


def _last(page: Page) -> str:
    """The last key of one that is not empty."""
    return page.runs[-1].items[-1].key


async def _read(storage: Storage, prefix: str, at: Position, limit: int) -> Page:
    start = prefix + at.start if at.start else ""
    return await storage.list(prefix, start=start, limit=limit, revision=at.revision, not_older_than=at.oldest)


async def chunks_of(runs: Sequence[Run], matches: Matches | None) -> list[Chunk]:
    """What matches of each run; None matches all. A run of which all matches is as any other list has it."""
    if matches is None:
        return [chunk_of(run) for run in runs]
    chunks = []
    for run in runs:
        if items := [item for item in map(item_of, run.items) if matches(item)]:
            chunks.append(Chunk(items) if len(items) < len(run.items) else chunk_of(run))
        # All may have to be decoded: let others run.
        await asyncio.sleep(0)
    return chunks
