"""HPACK's Huffman code (RFC 7541 section 5.2 and appendix B), for reading: what is sent here is sent plain.

The code is canonical: codes of one length follow each other in the order of their symbols, so the lengths are enough.
"""

from functools import lru_cache
from typing import Any

# fmt: off
LENGTHS = (
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
    28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12,
    10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6,
    5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22,
    22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20,
    22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28,
    27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28,
    27, 27, 27, 27, 27, 26, 30,
)
"""Bits of each symbol's code: the 256 bytes, and the end of the string."""
# fmt: on
END_OF_STRING = 256
_REMEMBERED = 128
"""Bytes of the longest string that is remembered: names and values that come again."""

Row = list[Any]
"""What follows at a node, by the byte that comes: the row of the node after it, and the bytes that ended within it;
None until it was needed, since text needs little of it. The last entry is the node's number."""


def decode(data: bytes) -> bytes:
    """Raises ValueError for what no encoder makes."""
    return _decode_remembered(data) if len(data) <= _REMEMBERED else _decode(data)


def _decode(data: bytes) -> bytes:
    row, decoded = _ROWS[0], []
    for byte in data:
        row, text = row[byte] or _step(row, byte)
        decoded.append(text)
    if row[_NUMBER] not in _PADDING:
        raise ValueError("a Huffman-coded string ends within a symbol")
    return b"".join(decoded)


_decode_remembered = lru_cache(maxsize=2048)(_decode)


def _tree() -> list[list[int]]:
    """Inner nodes by number, 0 the root: each the node, or ~symbol, that follows a 0 and a 1."""
    nodes, code, length = [[0, 0]], 0, 0
    for symbol in sorted(range(len(LENGTHS)), key=lambda symbol: (LENGTHS[symbol], symbol)):
        code <<= LENGTHS[symbol] - length
        length = LENGTHS[symbol]
        node = 0
        for shift in range(length - 1, 0, -1):
            bit = code >> shift & 1
            if not nodes[node][bit]:
                nodes.append([0, 0])
                nodes[node][bit] = len(nodes) - 1
            node = nodes[node][bit]
        nodes[node][code & 1] = ~symbol
        code += 1
    return nodes


def _step(row: Row, byte: int) -> tuple[Row, bytes]:
    node, text = row[_NUMBER], b""
    for shift in range(7, -1, -1):
        node = _NODES[node][byte >> shift & 1]
        if node == ~END_OF_STRING:
            raise ValueError("the end of a Huffman-coded string within it")
        if node < 0:
            text, node = text + bytes([~node]), 0
    step = row[byte] = _ROWS[node], text
    return step


def _padding(nodes: list[list[int]]) -> frozenset[int]:
    """Where a string may end: at a symbol's end, or up to 7 bits of ones after it."""
    ends, node = [0], 0
    for _ in range(7):
        node = nodes[node][1]
        ends.append(node)
    return frozenset(ends)


_NUMBER = 256
_NODES = _tree()
_ROWS: list[Row] = [[*[None] * _NUMBER, number] for number in range(len(_NODES))]
_PADDING = _padding(_NODES)
