"""HPACK (RFC 7541). Decoding is complete. Encoding keeps no dynamic table: fields leave as literals with an indexed
name, which any decoder takes, and for which one encoder serves all connections."""

import string
from collections import deque
from collections.abc import Iterable, Sequence

from http2 import huffman

Header = tuple[bytes, bytes]
TABLE_SIZE = 4096
"""Bytes of the dynamic table, when no setting says otherwise."""
FIELD_OVERHEAD = 32
"""Bytes that a field counts beside its name and value, in the table (section 4.1) and in a list's size (RFC 9113,
section 10.5.1)."""
_REMEMBERED, _REMEMBERED_BYTES = 16, 256
"""Blocks that a decoder remembers, and how long they may be: a peer that says the same again says it in few bytes."""
_ENCODED, _UNIQUE_FROM = 1024, 32
"""Encoded fields that are remembered, and from what length on a value is not: then it is most likely unique."""

_STATIC = (
    ":authority\t|:method\tGET|:method\tPOST|:path\t/|:path\t/index.html|:scheme\thttp|:scheme\thttps|:status\t200|"
    ":status\t204|:status\t206|:status\t304|:status\t400|:status\t404|:status\t500|accept-charset\t|"
    "accept-encoding\tgzip, deflate|accept-language\t|accept-ranges\t|accept\t|access-control-allow-origin\t|age\t|"
    "allow\t|authorization\t|cache-control\t|content-disposition\t|content-encoding\t|content-language\t|"
    "content-length\t|content-location\t|content-range\t|content-type\t|cookie\t|date\t|etag\t|expect\t|expires\t|"
    "from\t|host\t|if-match\t|if-modified-since\t|if-none-match\t|if-range\t|if-unmodified-since\t|last-modified\t|"
    "link\t|location\t|max-forwards\t|proxy-authenticate\t|proxy-authorization\t|range\t|referer\t|refresh\t|"
    "retry-after\t|server\t|set-cookie\t|strict-transport-security\t|transfer-encoding\t|user-agent\t|vary\t|via\t|"
    "www-authenticate\t"
)


def _static_table() -> list[Header]:
    pairs = (field.encode().split(b"\t") for field in _STATIC.split("|"))
    return [(name, value) for name, value in pairs]


STATIC_TABLE = _static_table()
"""Appendix A; its first entry has index 1."""
_TOKEN = (string.ascii_lowercase + string.digits + "!#$%&'*+-.^_`|~").encode()
"""Bytes of a field's name."""
_PSEUDO = frozenset((b":method", b":scheme", b":path", b":authority", b":status"))
_TEXT = bytes([9, *range(32, 127), *range(128, 256)])
"""Bytes of a value: no control characters, as Go's and HTTP/1.1's parsers have it."""
_FIRST_DYNAMIC = len(STATIC_TABLE) + 1
_ONE_BYTE_DYNAMIC = 0x80 | _FIRST_DYNAMIC


class HpackError(Exception):
    """A header block that no encoder makes. The connection cannot go on: its table is in doubt."""


class MalformedHeader(Exception):
    """A field that is none (RFC 9113 section 8.2.1). The connection can go on."""


class HeadersTooLarge(Exception):
    """A header list is larger than the limit. The connection can go on: the table is as the encoder believes."""


class Decoder:
    """One direction of a connection: `limit` is the size of the largest header list (RFC 9113 section 10.5.1)."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._table: deque[Header] = deque()
        self._size = 0
        self._capacity = TABLE_SIZE
        self._remembered: dict[bytes, list[Header]] = {}
        """Blocks that did not change the table, and what they say while nothing else changes it."""
        self._malformed: set[Header] = set()
        """Fields that are none, and may be in the table."""
        self._coded = 0
        """Bytes of Huffman code in a block. It is used where it is shorter, so a list within the limit has no more of
        it; and so many take a tenth of a second."""

    def decode(self, block: bytes) -> Sequence[Header]:
        """The fields of a complete header block; their names and values are of the characters that may stand there.
        Raises HpackError, HeadersTooLarge, MalformedHeader."""
        return self._remembered.get(block) or self._decode_new(block)

    def _decode_new(self, block: bytes) -> list[Header]:
        remembered = self._remembered
        if self._malformed:
            self._malformed.intersection_update(self._table)
        try:
            headers = self._decode(block)
        except (IndexError, ValueError) as error:
            raise HpackError(f"cannot decode a header block: {error}") from None
        if self._malformed and not self._malformed.isdisjoint(headers):
            raise MalformedHeader("a header of characters that may not stand there")
        if remembered is self._remembered and len(block) <= _REMEMBERED_BYTES:
            if len(remembered) == _REMEMBERED:
                remembered.clear()
            remembered[block] = headers
        return headers

    def _decode(self, block: bytes) -> list[Header]:
        headers: list[Header] = []
        table = self._table
        self._coded = 0
        position, end, size = self._take_sizes(block), len(block), 0
        while position < end:
            first = block[position]
            if _ONE_BYTE_DYNAMIC <= first < 0xFF:
                # What most fields are.
                field = table[first - _ONE_BYTE_DYNAMIC]
                position += 1
            elif first & 0x80:
                index, position = _integer(block, position, 0x7F)
                field = self._field(index)
            elif first & 0x40:
                field, position = self._literal(block, position, 0x3F)
                self._add(field)
            elif first & 0x20:
                raise ValueError("the table's size changes within a block")
            else:
                field, position = self._literal(block, position, 0x0F)
            size += len(field[0]) + len(field[1]) + FIELD_OVERHEAD
            if size <= self._limit:
                headers.append(field)
            elif size > 2 * self._limit:
                raise ValueError("a header list that does not end")
        if size > self._limit:
            raise HeadersTooLarge(f"a header list of {size} bytes; at most {self._limit}")
        return headers

    def _take_sizes(self, block: bytes) -> int:
        """Of the table, at most two (section 4.2); where the fields begin."""
        position = 0
        for _ in range(2):
            if block[position : position + 1] and block[position] & 0xE0 == 0x20:
                capacity, position = _integer(block, position, 0x1F)
                self._resize(capacity)
        return position

    def _field(self, index: int) -> Header:
        if index >= _FIRST_DYNAMIC:
            return self._table[index - _FIRST_DYNAMIC]
        if not index:
            raise ValueError("index 0")
        return STATIC_TABLE[index - 1]

    def _literal(self, block: bytes, position: int, mask: int) -> tuple[Header, int]:
        index = block[position] & mask
        if index < mask:
            position += 1
        else:
            index, position = _integer(block, position, mask)
        if index:
            name = self._field(index)[0]
        else:
            name, position = self._string(block, position)
        value, position = self._string(block, position)
        field = (name, value)
        # A name of the dynamic table may have come with a field that was refused.
        if value.translate(None, _TEXT) or not (0 < index < _FIRST_DYNAMIC or _is_name(name)):
            self._malformed.add(field)
        return field, position

    def _string(self, block: bytes, position: int) -> tuple[bytes, int]:
        """Section 5.2: the string, and where it ends."""
        first = block[position]
        length = first & 0x7F
        if length < 0x7F:
            position += 1
        else:
            length, position = _integer(block, position, 0x7F)
        end = position + length
        if end > len(block):
            raise ValueError("a string ends after its block")
        text = block[position:end]
        if first < 0x80:
            return text, end
        self._coded += length
        if self._coded > self._limit:
            raise ValueError("more Huffman code than a header list has bytes")
        return huffman.decode(text), end

    def _add(self, field: Header) -> None:
        size = len(field[0]) + len(field[1]) + FIELD_OVERHEAD
        self._remembered = {}
        room = self._capacity - size
        if self._size > room:
            self._evict(room)
        # One that is larger than the table empties it.
        if room >= 0:
            self._table.appendleft(field)
            self._size += size

    def _resize(self, capacity: int) -> None:
        if capacity > TABLE_SIZE:
            raise ValueError(f"a table of {capacity} bytes")
        self._capacity = capacity
        self._remembered = {}
        self._evict(capacity)

    def _evict(self, size: int) -> None:
        while self._table and self._size > size:
            name, value = self._table.pop()
            self._size -= len(name) + len(value) + FIELD_OVERHEAD


def _is_name(name: bytes) -> bool:
    return (name != b"" and not name.translate(None, _TOKEN)) or name in _PSEUDO


def encode(headers: Iterable[Header]) -> bytes:
    """A header block; names are in lower case. Raises ValueError for a value that might become more than one."""
    encoded = _encoded
    return b"".join([encoded.get(field) or _encode_literal(field) for field in headers])


def _encode_literal(field: Header) -> bytes:
    name, value = field
    if b"\n" in value or b"\r" in value or b"\0" in value:
        raise ValueError("a header's value holds a line break")
    length = len(value)
    prefix = _NAMES.get(name) or b"\0" + _encode_integer(len(name), 0x7F) + name
    literal = prefix + (b"%c" % length if length < 0x7F else _encode_integer(length, 0x7F)) + value
    if length < _UNIQUE_FROM:
        if len(_encoded) == _ENCODED:
            _encoded.clear()
            _encoded.update(_INDEXED)
        _encoded[field] = literal
    return literal


def _encode_integer(value: int, mask: int, bits: int = 0) -> bytes:
    """Section 5.1, in a byte whose bits above the mask are `bits`."""
    if value < mask:
        return bytes([bits | value])
    encoded, value = [bits | mask], value - mask
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


_INDEXED = {field: bytes([0x80 | index]) for index, field in enumerate(STATIC_TABLE, 1) if field[1]}
_encoded = dict(_INDEXED)
_NAMES = {name: _encode_integer(index, 0x0F) for index, (name, _) in reversed(list(enumerate(STATIC_TABLE, 1)))}
"""How a literal that enters no table begins."""


def _integer(block: bytes, position: int, mask: int) -> tuple[int, int]:
    """Section 5.1: the value, and where it ends."""
    value = block[position] & mask
    position += 1
    if value < mask:
        return value, position
    for shift in range(0, 28, 7):
        byte = block[position]
        position += 1
        value += (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("an integer of more than four bytes")
