"""Gzip streams of pieces."""

import gzip
import random
import zlib

import pytest

from apiserver.machinery.pieces import Piece, gzipped

RANDOM = random.Random(7)
TEXTS = [b"", b"a", b"x" * 100_000, RANDOM.randbytes(1000), bytes(range(256)) * 300, b'{"a":1}']


def stream(*pieces: Piece) -> bytes:
    return b"".join(gzipped(pieces))


@pytest.mark.parametrize("texts", [(), *((text,) for text in TEXTS), TEXTS, TEXTS[::-1], TEXTS * 3])
def test_unpacks_to_the_whole(texts: list[bytes]) -> None:
    """A stream is of all pieces in order, with the right checksum and length, and has nothing after it."""
    data = stream(*map(Piece, texts))
    assert gzip.decompress(data) == b"".join(texts)
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    unpacker.decompress(data)
    assert unpacker.eof
    assert unpacker.unused_data == b""


def test_compressed_once() -> None:
    """A piece is compressed at its first use, and used again as it is, wherever it stands."""
    first, second = Piece(b"a" * 1000), Piece(b"b" * 1000)
    assert not first.is_deflated
    stream(first, second)
    before = first.deflate(), second.deflate()
    assert gzip.decompress(stream(second, first, second)) == b"b" * 1000 + b"a" * 1000 + b"b" * 1000
    assert first.deflate() is before[0]
    assert second.deflate() is before[1]


def test_is_small() -> None:
    """Pieces of a list's size compress nearly as well as the whole does."""
    text = b",".join(b'{"kind":"Widget","metadata":{"name":"kept-%d"}}' % number for number in range(10_000))
    pieces = [Piece(text[start : start + 100_000]) for start in range(0, len(text), 100_000)]
    assert len(stream(*pieces)) < 1.05 * len(gzip.compress(text, 1))
