"""Bytes that are part of many bodies, each compressed once.

A gzip stream is a header, deflate blocks and a checksum of all that they unpack to (RFC 1951, 1952). A piece that was
compressed without regard to what stood before it, and flushed to the end of a byte, can stand anywhere in a stream; and
the checksum of the whole follows from those of the pieces, as in zlib's crc32_combine.
"""

import struct
import zlib
from collections.abc import AsyncIterator, Iterable
from functools import lru_cache
from typing import NamedTuple

_LEVEL = 1
_RAW = -15
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"
_LAST_BLOCK = b"\x03\x00"
_POLYNOMIAL = 0xEDB88320
_ONE, _X = 1 << 31, 1 << 30


class Deflated(NamedTuple):
    """`shift` moves the checksum of what stands before it behind it."""

    data: bytes
    checksum: int
    shift: int


class Piece:
    """A part of bodies; compressed at the first use."""

    __slots__ = ("_deflated", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._deflated: Deflated | None = None

    @property
    def is_deflated(self) -> bool:
        return self._deflated is not None

    def deflate(self) -> Deflated:
        """At the first call; later ones return the same."""
        if self._deflated is None:
            compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW)
            data = compressor.compress(self.data) + compressor.flush(zlib.Z_SYNC_FLUSH)
            self._deflated = Deflated(data, zlib.crc32(self.data), _shift(len(self.data)))
        return self._deflated


class Body(NamedTuple):
    """A JSON document: what stands before and after the items of a list, and they, separated by commas; each piece of
    them but the first begins with one. They are made when they are asked for."""

    before: bytes
    items: AsyncIterator[Piece]
    after: bytes = b""


async def no_items() -> AsyncIterator[Piece]:
    """Of what is no list."""
    return
    yield


class Gzip:
    """A gzip stream, to which pieces are added one by one."""

    __slots__ = ("_checksum", "_length")
    header = _HEADER

    def __init__(self) -> None:
        self._checksum = self._length = 0

    def add(self, piece: Piece) -> bytes:
        """The stream's next part."""
        data, own, shift = piece.deflate()
        self._checksum = _multiply(shift, self._checksum) ^ own
        self._length += len(piece.data)
        return data

    def end(self) -> bytes:
        """The stream's last part."""
        return _LAST_BLOCK + struct.pack("<II", self._checksum, self._length & 0xFFFFFFFF)


def gzipped(pieces: Iterable[Piece]) -> list[bytes]:
    """The parts of a gzip stream of all of them."""
    stream = Gzip()
    return [stream.header, *map(stream.add, pieces), stream.end()]


def _multiply(a: int, b: int) -> int:
    """The product of two polynomials modulo CRC-32's; the highest bit is the coefficient of 1."""
    product = 0
    while a:
        if a & _ONE:
            product ^= b
        a = (a << 1) & 0xFFFFFFFF
        b = (b >> 1) ^ _POLYNOMIAL if b & 1 else b >> 1
    return product


@lru_cache(maxsize=1024)
def _shift(length: int) -> int:
    """x to the power of 8 * length: by so much a checksum moves when `length` bytes follow."""
    power, square, bits = _ONE, _X, length * 8
    while bits:
        if bits & 1:
            power = _multiply(power, square)
        square = _multiply(square, square)
        bits >>= 1
    return power
