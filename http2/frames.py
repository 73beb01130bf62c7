"""Frames of HTTP/2 (RFC 9113 sections 4, 6 and 7) as bytes."""

import struct
from collections.abc import Iterator, Mapping

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITIZED = 0x1, 0x1, 0x4, 0x8, 0x20
(
    NO_ERROR,
    PROTOCOL_ERROR,
    INTERNAL_ERROR,
    FLOW_CONTROL_ERROR,
    SETTINGS_TIMEOUT,
    STREAM_CLOSED,
    FRAME_SIZE_ERROR,
    REFUSED_STREAM,
    CANCEL,
    COMPRESSION_ERROR,
    CONNECT_ERROR,
    ENHANCE_YOUR_CALM,
    INADEQUATE_SECURITY,
) = range(13)
ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = 2, 3, 4, 5, 6

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client sends first."""
DEFAULT_WINDOW = 65_535
LARGEST_WINDOW = 2**31 - 1
DEFAULT_FRAME_SIZE = 16_384
LARGEST_FRAME_SIZE = 2**24 - 1
HEADER_SIZE = 9
QUANTUM = 64 * 1024
"""Bytes that a stream sends before others have their turn."""
SETTINGS_ACK = b"\0\0\0\x04\x01\0\0\0\0"
LAST_STREAM = 2**31 - 1

unpack_header = struct.Struct(">HBBBI").unpack_from
"""(length >> 8, length & 0xff, type, flags, stream), of bytes and an offset. The stream's first bit has no meaning."""
_pack_header = struct.Struct(">HBBBI").pack
_pack_setting = struct.Struct(">HI")
_unsigned = struct.Struct(">I")


class ConnectionFailed(Exception):
    """The peer broke the protocol, and the connection ends; `code` is what it is told."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class StreamFailed(Exception):
    """The same for one stream."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def header(length: int, kind: int, flags: int, stream: int) -> bytes:
    """What comes before a frame's payload."""
    return _pack_header(length >> 8, length & 0xFF, kind, flags, stream)


def headers(stream: int, block: bytes, *, end: bool, frame_size: int = DEFAULT_FRAME_SIZE) -> bytes:
    """A header block, in as many frames as it takes."""
    flags = END_STREAM if end else 0
    if len(block) <= frame_size:
        return header(len(block), HEADERS, flags | END_HEADERS, stream) + block
    parts = [block[start : start + frame_size] for start in range(0, len(block), frame_size)]
    first = header(len(parts[0]), HEADERS, flags, stream) + parts[0]
    more = [header(len(part), CONTINUATION, 0, stream) + part for part in parts[1:-1]]
    return b"".join([first, *more, header(len(parts[-1]), CONTINUATION, END_HEADERS, stream), parts[-1]])


def message(stream: int, block: bytes, data: bytes) -> bytes:
    """A header block and the data after it, which end the stream: a frame each."""
    size, length = len(block), len(data)
    return b"%b%b%b%b" % (
        _pack_header(size >> 8, size & 0xFF, HEADERS, END_HEADERS, stream),
        block,
        _pack_header(length >> 8, length & 0xFF, DATA, END_STREAM, stream),
        data,
    )


def settings(values: Mapping[int, int]) -> bytes:
    payload = b"".join([_pack_setting.pack(identifier, value) for identifier, value in values.items()])
    return header(len(payload), SETTINGS, 0, 0) + payload


def parse_settings(payload: bytes) -> Iterator[tuple[int, int]]:
    """(identifier, value), as they come; the payload's length is a multiple of 6. Raises ConnectionFailed for a value
    that a setting cannot have."""
    for identifier, value in _pack_setting.iter_unpack(payload):
        lowest, highest, code = _VALUES.get(identifier, _ANY_VALUE)
        if not lowest <= value <= highest:
            raise ConnectionFailed(code, f"setting {identifier} has the value {value}")
        yield identifier, value


_ANY_VALUE = 0, 2**32 - 1, NO_ERROR
_VALUES = {
    ENABLE_PUSH: (0, 1, PROTOCOL_ERROR),
    INITIAL_WINDOW_SIZE: (0, LARGEST_WINDOW, FLOW_CONTROL_ERROR),
    MAX_FRAME_SIZE: (DEFAULT_FRAME_SIZE, LARGEST_FRAME_SIZE, PROTOCOL_ERROR),
}
"""The lowest, the highest, and what any other is told (RFC 9113 section 6.5.2)."""
_SIZES = {PRIORITY: 5, RST_STREAM: 4, PING: 8, WINDOW_UPDATE: 4}
_OF_STREAMS, _OF_CONNECTIONS = (PRIORITY, RST_STREAM), (SETTINGS, PING, GOAWAY)


def require_form(kind: int, flags: int, stream: int, payload: bytes) -> None:
    """Of a frame of control: whether it names a stream, and its size (RFC 9113 section 6). Raises ConnectionFailed, for
    a priority's size StreamFailed."""
    if kind in (_OF_CONNECTIONS if stream else _OF_STREAMS):
        raise ConnectionFailed(PROTOCOL_ERROR, f"a frame of type {kind} on stream {stream}")
    size = len(payload)
    if kind in _SIZES:
        is_right = size == _SIZES[kind]
    elif kind == SETTINGS:
        is_right = size == 0 if flags & ACK else size % 6 == 0
    else:
        is_right = kind != GOAWAY or size >= 8
    if not is_right:
        failure = StreamFailed if kind == PRIORITY else ConnectionFailed
        raise failure(FRAME_SIZE_ERROR, f"a frame of type {kind} with {size} bytes")


def window_update(stream: int, increment: int) -> bytes:
    return header(4, WINDOW_UPDATE, 0, stream) + _unsigned.pack(increment)


def rst_stream(stream: int, code: int) -> bytes:
    return header(4, RST_STREAM, 0, stream) + _unsigned.pack(code)


def ping(payload: bytes, *, ack: bool = False) -> bytes:
    """`payload` has 8 bytes."""
    return header(8, PING, ACK if ack else 0, 0) + payload


def goaway(last_stream: int, code: int, text: str = "") -> bytes:
    debug = text.encode()
    return header(8 + len(debug), GOAWAY, 0, 0) + _unsigned.pack(last_stream) + _unsigned.pack(code) + debug


def parse_unsigned(payload: bytes, offset: int = 0) -> int:
    """Four bytes without the first bit, which has no meaning (or is zero)."""
    value: int = _unsigned.unpack_from(payload, offset)[0]
    return value & 0x7FFF_FFFF


def unpad(payload: bytes, flags: int) -> bytes:
    """The payload of DATA or HEADERS without padding and priority. Raises ConnectionFailed."""
    padding = 0
    if flags & PADDED:
        if not payload:
            raise ConnectionFailed(FRAME_SIZE_ERROR, "a padded frame without the padding's length")
        padding, payload = payload[0], payload[1:]
    if padding > len(payload):
        raise ConnectionFailed(PROTOCOL_ERROR, "more padding than payload")
    return payload[: len(payload) - padding]
