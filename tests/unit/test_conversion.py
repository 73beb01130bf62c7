"""Large bodies: converted in threads, lists piece by piece."""

import asyncio
import threading
from collections.abc import AsyncIterator

import orjson
import pytest

from apiserver.endpoints.conversion import converted, laid_out
from apiserver.machinery.encoding import AS_YAML, INDENTED, Layout
from apiserver.machinery.pieces import Body, Piece

LARGE, SMALL = bytes(100_000), bytes(10_000)


async def each(pieces: list[Piece]) -> AsyncIterator[Piece]:
    for piece in pieces:
        yield piece


@pytest.mark.parametrize("layout", [INDENTED, AS_YAML], ids=["indented", "yaml"])
@pytest.mark.parametrize("count", [0, 1, 2, 700])
async def test_lists_in_pieces(layout: Layout, count: int) -> None:
    """A list's pieces in another layout are, together, what the whole list is in it; and none of them is all of it."""
    items = [{"a": "ITEM", "b": [f"two words <{number}>\n" * 3, []], "c": {}} for number in range(count)]
    chunks = [items[start : start + 300] for start in range(0, count, 300)]
    pieces = [Piece(b","[: bool(index)] + orjson.dumps(chunk)[1:-1]) for index, chunk in enumerate(chunks)]
    before, after = b'{"apiVersion":"v1","items":[', b'],"kind":"List","metadata":{"continue":""}}'
    made = [piece.data async for piece in laid_out(Body(before, each(pieces), after), layout)]
    assert b"".join(made) == layout.document(before + b"".join([piece.data for piece in pieces]) + after)
    assert len(made) == (len(chunks) + 2 if count else 1)


async def test_yaml_keeps_nobody_waiting() -> None:
    """Large YAML, which takes long, is converted one body at a time, and all other bodies meanwhile."""
    begun, go_on = threading.Semaphore(0), threading.Event()

    def convert(data: bytes) -> int:
        begun.release()
        go_on.wait()
        return len(data)

    slow = [asyncio.create_task(converted(convert, LARGE, yaml=True)) for _ in range(10)]
    try:
        assert await converted(lambda _: begun.acquire(), LARGE)
        assert await converted(len, LARGE) == len(LARGE)
        assert await converted(len, SMALL, yaml=True) == len(SMALL)
        assert not begun.acquire(blocking=False)
        given_up = slow.pop()
        given_up.cancel()
        await asyncio.wait([given_up])
    finally:
        go_on.set()
    assert await asyncio.gather(*slow) == [len(LARGE)] * 9
    # Who has given up is not converted for.
    assert [begun.acquire(blocking=False) for _ in range(9)] == [True] * 8 + [False]


@pytest.mark.parametrize(("size", "yaml", "apart"), [
    (64 * 1024, False, False), (64 * 1024 + 1, False, True), (4 * 1024, True, False), (4 * 1024 + 1, True, True),
])  # fmt: skip
async def test_where(size: int, yaml: bool, apart: bool) -> None:
    """What takes a few milliseconds is not worth a thread."""
    here = threading.get_ident()
    assert (await converted(lambda _: threading.get_ident(), bytes(size), yaml=yaml) != here) is apart
