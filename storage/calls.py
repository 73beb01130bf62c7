"""gRPC's calls, each a stream of an HTTP/2 connection (grpc.io: PROTOCOL-HTTP2.md); messages are bytes here."""

import asyncio
import enum
import struct
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from http2 import frames, hpack
from http2.connection import Connection
from http2.frames import StreamFailed
from http2.hpack import Header
from http2.stream import ConnectionLost, Stream, StreamClosed

MAX_MESSAGE = 2**31 - 1
"""Bytes of an answer: protobuf's own limit."""
_PREFIX = struct.Struct(">BI")
"""Before each message: whether it is compressed, and its length."""


class Status(enum.IntEnum):
    """How a call ends."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


_BY_HTTP_STATUS = {
    b"400": Status.INTERNAL,
    b"401": Status.UNAUTHENTICATED,
    b"403": Status.PERMISSION_DENIED,
    b"404": Status.UNIMPLEMENTED,
    b"429": Status.UNAVAILABLE,
    b"502": Status.UNAVAILABLE,
    b"503": Status.UNAVAILABLE,
    b"504": Status.UNAVAILABLE,
}
"""Of an answer that is not gRPC's (grpc.io: http-grpc-status-mapping.md); UNKNOWN for others."""
_BY_RESET = {
    frames.REFUSED_STREAM: Status.UNAVAILABLE,
    frames.CANCEL: Status.CANCELLED,
    frames.ENHANCE_YOUR_CALM: Status.RESOURCE_EXHAUSTED,
    frames.INADEQUATE_SECURITY: Status.PERMISSION_DENIED,
}
"""INTERNAL for others."""


class CallFailed(Exception):
    """A call has ended with another status than OK. `refused`: the peer has not begun with it, so that it may be sent
    again."""

    def __init__(self, status: Status, text: str, *, refused: bool = False) -> None:
        super().__init__(text)
        self.status = status
        self.refused = refused


@dataclass(frozen=True, slots=True, eq=False)
class Method:
    """`path` is /package.Service/Method; `parse` makes the answer of a message's bytes; `timeout` in seconds, 0 for
    none; `metadata` goes with each call."""

    path: str
    parse: Callable[[bytes], Any]
    timeout: float = 0
    metadata: tuple[Header, ...] = ()

    def block(self, scheme: str, authority: str) -> bytes:
        """The header block of each of its calls."""
        # The peer is given a little more: what happens in time is decided here.
        timeout = [(b"grpc-timeout", b"%dm" % (self.timeout * 1000 + 500))] if self.timeout else []
        return hpack.encode(
            [
                (b":method", b"POST"),
                (b":scheme", scheme.encode()),
                (b":path", self.path.encode()),
                (b":authority", authority.encode()),
                *timeout,
                (b"te", b"trailers"),
                (b"content-type", b"application/grpc"),
                *self.metadata,
            ]
        )


class Call:
    """What is asked once there is a connection. Subclasses take the answer: `message_received`, `ended`.

    `exchange` is the stream that it has become."""

    __slots__ = ("exchange", "message", "method")
    ends = True
    """Whether the first message is the only one."""

    def __init__(self, method: Method, message: bytes) -> None:
        self.method = method
        self.message = message
        self.exchange: Exchange | None = None

    def message_received(self, message: bytes) -> None:
        raise NotImplementedError

    def ended(self, error: CallFailed | None) -> None:
        """Called once, unless the call was cancelled."""
        raise NotImplementedError

    @property
    def is_behind(self) -> bool:
        """Whether messages wait to be read: the peer should send no more."""
        return False

    def cancel(self) -> None:
        """Without effect on one that has ended."""
        if self.exchange is not None:
            self.exchange.cancel()


class UnaryCall(Call):
    """One message is asked, one is the answer: `answer` is done with it, or with what went wrong."""

    __slots__ = ("_received", "answer")

    def __init__(self, method: Method, message: bytes) -> None:
        super().__init__(method, message)
        self.again()

    def again(self) -> None:
        """Makes it as new."""
        self._received: bytes | None = None
        self.answer: asyncio.Future[bytes | CallFailed | TimeoutError] = asyncio.get_running_loop().create_future()

    def message_received(self, message: bytes) -> None:
        self._received = message

    def ended(self, error: CallFailed | None) -> None:
        if not self.answer.done():
            outcome = error or self._received
            self.answer.set_result(CallFailed(Status.INTERNAL, "no message came") if outcome is None else outcome)

    def expire(self) -> None:
        """Its time is over."""
        if not self.answer.done():
            self.answer.set_result(TimeoutError())


class StreamCall(Call):
    """Messages both ways. What is not read keeps the peer from sending more than a window of it."""

    __slots__ = ("_arrival", "_end", "_messages")
    ends = False

    def __init__(self, method: Method, message: bytes) -> None:
        super().__init__(method, message)
        self._messages: deque[bytes] = deque()
        self._end: CallFailed | EOFError | None = None
        self._arrival: asyncio.Future[None] | None = None

    async def read(self) -> Any:
        """The next message, parsed. Raises CallFailed, EOFError after the last one."""
        while not self._messages:
            if self._end is not None:
                raise self._end
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival
        message = self._messages.popleft()
        if not self._messages and self.exchange is not None:
            self.exchange.go_on()
        return self.method.parse(message)

    def write(self, message: bytes) -> None:
        """Dropped when the peer takes nothing now."""
        if self.exchange is not None and self.exchange.is_writable:
            self.exchange.send_message(message)

    def message_received(self, message: bytes) -> None:
        self._messages.append(message)
        self._arrived()

    def ended(self, error: CallFailed | None) -> None:
        self._end = error or EOFError()
        self._arrived()

    @property
    def is_behind(self) -> bool:
        return bool(self._messages)

    def _arrived(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)


class Exchange(Stream):
    """A call on its way. `_parts`: what has come of the next message, `_size` bytes; `_wanted` are needed to go on."""

    __slots__ = ("_answered", "_call", "_parts", "_size", "_unacknowledged", "_wanted")

    def __init__(self, connection: Connection, stream_id: int, call: Call) -> None:
        super().__init__(connection, stream_id)
        self._call: Call | None = call
        self._answered = False
        self._parts: list[bytes] = []
        self._size = self._unacknowledged = 0
        self._wanted = _PREFIX.size

    def send_call(self, block: bytes, message: bytes, *, end: bool) -> None:
        """Headers and the first message."""
        if not (end and self.send_all(block, _framed(message))):
            self.send_headers(block)
            self.send_data(_framed(message), end=end)

    def send_message(self, message: bytes) -> None:
        self.send_data(_framed(message))

    def cancel(self) -> None:
        self._call = None
        self.reset(frames.CANCEL)

    def go_on(self) -> None:
        """The peer may send as much as it has sent."""
        size, self._unacknowledged = self._unacknowledged, 0
        self.acknowledge(size)

    def headers_received(self, headers: Sequence[Header], end: bool) -> None:
        fields = dict(headers)
        if not self._answered:
            if fields.get(b":status", b"").startswith(b"1") and not end:
                return
            self._answered = True
            if b"grpc-status" not in fields and (error := _foreign(fields)):
                self._finish(error)
                return
        elif not end:
            raise StreamFailed(frames.PROTOCOL_ERROR, "trailers without the end")
        if end:
            self._finish(_failure(fields))

    def data_received(self, data: bytes, end: bool) -> None:
        self._parts.append(data)
        self._size += len(data)
        self._unacknowledged += len(data)
        if self._size >= self._wanted:
            self._take_messages()
        if self._call is not None and not self._call.is_behind:
            self.go_on()
        if end:
            self._finish(CallFailed(Status.INTERNAL, "the answer ends without a status"))

    def closed(self, error: StreamClosed | None) -> None:
        if error is not None:
            self._tell(_reset_failure(error))

    def _take_messages(self) -> None:
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        position, self._wanted = 0, _PREFIX.size
        while self._call is not None and len(data) - position >= _PREFIX.size:
            compressed, size = _PREFIX.unpack_from(data, position)
            if compressed or size > MAX_MESSAGE:
                self._finish(CallFailed(Status.INTERNAL, "a message is compressed, or too large"))
                return
            start, end = position + _PREFIX.size, position + _PREFIX.size + size
            if end > len(data):
                self._wanted = end - position
                break
            self._call.message_received(data[start:end])
            position = end
        self._size = len(data) - position
        self._parts = [data[position:]] if self._size else []

    def _finish(self, error: CallFailed | None) -> None:
        if self._size and not error:
            error = CallFailed(Status.INTERNAL, "the answer ends within a message")
        self._tell(error)
        if not (self.received_end and self.sent_end):
            self.reset(frames.CANCEL)

    def _tell(self, error: CallFailed | None) -> None:
        call, self._call = self._call, None
        if call is not None:
            call.ended(error)


def _framed(message: bytes) -> bytes:
    return _PREFIX.pack(0, len(message)) + message


def _foreign(fields: Mapping[bytes, bytes]) -> CallFailed | None:
    """What is wrong with an answer's headers."""
    status, kind = fields.get(b":status", b""), fields.get(b"content-type", b"")
    if status == b"200" and kind.startswith(b"application/grpc"):
        return None
    text = f"the answer is not gRPC's: status {_text(status)}, content-type {_text(kind)!r}"
    return CallFailed(_BY_HTTP_STATUS.get(status, Status.UNKNOWN), text)


def _failure(trailers: Mapping[bytes, bytes]) -> CallFailed | None:
    code = trailers.get(b"grpc-status", b"")
    if code == b"0":
        return None
    if not code.isdigit() or int(code) > max(Status):
        return CallFailed(Status.UNKNOWN, f"the answer's status is {_text(code)!r}")
    return CallFailed(Status(int(code)), _text(unquote_to_bytes(trailers.get(b"grpc-message", b""))))


def _reset_failure(error: StreamClosed) -> CallFailed:
    if isinstance(error, ConnectionLost):
        return CallFailed(Status.UNAVAILABLE, str(error))
    status = _BY_RESET.get(error.code, Status.INTERNAL)
    return CallFailed(status, str(error), refused=error.code == frames.REFUSED_STREAM)


def _text(data: bytes) -> str:
    return data.decode(errors="replace")
