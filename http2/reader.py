"""Frames out of the bytes that a connection receives."""

from collections.abc import Iterator

from http2 import frames
from http2.frames import ConnectionFailed

MAX_BLOCK_FRAMES = 256
"""Frames of one header block: empty ones would cost and not count."""

_PLAIN = frames.END_HEADERS
_WHOLE = frames.END_HEADERS | frames.PADDED | frames.PRIORITIZED
"""Of a HEADERS frame whose payload is the whole block and nothing else, these flags are _PLAIN."""

Frame = tuple[int, int, int, bytes]
"""Type, flags, stream, payload."""


class Reader:
    """`read` yields complete frames; those of one header block as one HEADERS frame, without padding and priority.

    `block`: of a header block that has begun, its stream, its flags and the parts that have come. `has_settings`: the
    peer's first frame has come."""

    def __init__(self, *, preface: bytes, frame_size: int, max_block: int) -> None:
        """`preface` is what has to come before the first frame; `max_block` limits a header block, in bytes."""
        self._preface = preface
        self._frame_size = frame_size
        self._max_block = max_block
        self._buffer = b""
        self.has_settings = False
        self.block: tuple[int, int, list[bytes]] | None = None

    def read(self, data: bytes) -> Iterator[Frame]:
        """Raises ConnectionFailed."""
        data = self._buffer + data if self._buffer else data
        position, size = self._skip_preface(data), len(data)
        while not self._preface and size - position >= frames.HEADER_SIZE:
            high, low, kind, flags, stream_id = frames.unpack_header(data, position)
            if not self.has_settings:
                self._begin(kind, flags)
            length = high << 8 | low
            if length > self._frame_size:
                raise ConnectionFailed(frames.FRAME_SIZE_ERROR, f"a frame of {length} bytes")
            end = position + frames.HEADER_SIZE + length
            if end > size:
                break
            payload = data[position + frames.HEADER_SIZE : end]
            position = end
            if self.block is None and (kind == frames.DATA or (kind == frames.HEADERS and flags & _WHOLE == _PLAIN)):
                yield kind, flags, stream_id & frames.LAST_STREAM, payload
            elif frame := self._control(kind, flags, stream_id & frames.LAST_STREAM, payload):
                yield frame
        self._buffer = data[position:]

    def _skip_preface(self, data: bytes) -> int:
        """Where the frames begin."""
        if not self._preface:
            return 0
        if not data.startswith(self._preface[: len(data)]):
            raise ConnectionFailed(frames.PROTOCOL_ERROR, "this is no HTTP/2")
        if len(data) < len(self._preface):
            return 0
        position, self._preface = len(self._preface), b""
        return position

    def _begin(self, kind: int, flags: int) -> None:
        """Settings come first (RFC 9113 section 3.4)."""
        if kind != frames.SETTINGS or flags & frames.ACK:
            raise ConnectionFailed(frames.PROTOCOL_ERROR, "this is no HTTP/2")
        self.has_settings = True

    def _control(self, kind: int, flags: int, stream_id: int, payload: bytes) -> Frame | None:
        if kind == frames.CONTINUATION:
            return self._continue(flags, stream_id, payload)
        if self.block is not None:
            raise ConnectionFailed(frames.PROTOCOL_ERROR, "a header block is interrupted")
        if kind == frames.HEADERS:
            payload = _header_payload(flags, stream_id, payload)
            if not flags & frames.END_HEADERS:
                self.block = (stream_id, flags, [payload])
                return None
        return kind, flags, stream_id, payload

    def _continue(self, flags: int, stream_id: int, payload: bytes) -> Frame | None:
        if self.block is None or self.block[0] != stream_id:
            raise ConnectionFailed(frames.PROTOCOL_ERROR, "a continuation of nothing")
        _, first_flags, parts = self.block
        parts.append(payload)
        if len(parts) > MAX_BLOCK_FRAMES or sum(map(len, parts)) > self._max_block:
            raise ConnectionFailed(frames.ENHANCE_YOUR_CALM, "a header block that does not end")
        if not flags & frames.END_HEADERS:
            return None
        self.block = None
        return frames.HEADERS, first_flags, stream_id, b"".join(parts)


def _header_payload(flags: int, stream_id: int, payload: bytes) -> bytes:
    """The part of the header block."""
    if not stream_id:
        raise ConnectionFailed(frames.PROTOCOL_ERROR, "headers without a stream")
    payload = frames.unpad(payload, flags)
    if not flags & frames.PRIORITIZED:
        return payload
    if len(payload) < 5:
        raise ConnectionFailed(frames.FRAME_SIZE_ERROR, "a priority of less than 5 bytes")
    if frames.parse_unsigned(payload) == stream_id:
        raise ConnectionFailed(frames.PROTOCOL_ERROR, "a stream that depends on itself")
    return payload[5:]
