"""One exchange on a connection: what is sent waits here until the peer has room for it."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from http2 import frames
from http2.frames import StreamFailed
from http2.hpack import Header

if TYPE_CHECKING:
    from http2.connection import Connection


class StreamClosed(Exception):
    """A stream has ended before its time: reset by the peer, with `code`, or with its connection."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class ConnectionLost(StreamClosed):
    """A stream's connection has ended; what the peer has seen of the stream is not known."""


class Stream:
    """Subclasses say what arrives: `headers_received`, `data_received`, `closed`; called by the connection.

    `window`: bytes that the peer takes now. `receive_window`: bytes that it may send, `_taken` those that it has sent
    and has not been told to be done with. `_pending`: what waits for room, `_pending_end`: the end comes after it."""

    __slots__ = (
        "__weakref__",
        "_pending",
        "_pending_end",
        "_room",
        "_taken",
        "connection",
        "id",
        "receive_window",
        "received_end",
        "sent_end",
        "window",
    )

    def __init__(self, connection: "Connection", stream_id: int) -> None:
        self.connection = connection
        self.id = stream_id
        self.window = connection.peer_initial_window
        self.receive_window = connection.initial_window
        self.received_end = self.sent_end = False
        self._taken = 0
        self._pending: deque[memoryview] = deque()
        self._pending_end = False
        self._room: asyncio.Future[None] | None = None

    def headers_received(self, headers: Sequence[Header], end: bool) -> None:
        """The first headers, or trailers. May raise StreamFailed, ConnectionFailed."""
        raise NotImplementedError

    def headers_too_large(self, end: bool) -> None:
        """Instead of `headers_received`. May raise StreamFailed."""
        raise StreamFailed(frames.ENHANCE_YOUR_CALM, "too many headers")

    def data_received(self, data: bytes, end: bool) -> None:
        """Whoever takes it calls `acknowledge`. May raise StreamFailed."""
        raise NotImplementedError

    def closed(self, error: StreamClosed | None) -> None:
        """Called once: when both sides have ended, or with what ended it before."""
        raise NotImplementedError

    def send_headers(self, block: bytes, *, end: bool = False) -> None:
        """Headers or trailers, as hpack.encode made them; trailers only when nothing waits. Without effect on a stream
        that is closed."""
        if self.id in self.connection.streams:
            self.connection.answer(frames.headers(self.id, block, end=end, frame_size=self.connection.peer_frame_size))
            if end:
                self._end()

    def send_all(self, block: bytes, data: bytes) -> bool:
        """Headers, data and the end. False: there is no room for them at once, and nothing was sent. Without effect on
        a stream that is closed."""
        connection, size = self.connection, len(data)
        if len(block) > frames.DEFAULT_FRAME_SIZE or (size and not self._has_room_for(size)):
            return False
        if self.id not in connection.streams:
            return True
        if size:
            self.window -= size
            connection.window -= size
            connection.write(frames.message(self.id, block, data))
        else:
            connection.answer(frames.headers(self.id, block, end=True))
        self._end()
        return True

    def send_data(self, data: bytes, *, end: bool = False) -> None:
        """Sent as far as there is room, the rest when there is; `drain` waits for that. Without effect on a stream that
        is closed."""
        connection, size = self.connection, len(data)
        if self.id not in connection.streams or not (size or end):
            return
        if not self._pending and (not size or self._has_room_for(size)):
            self._send(data, size, end)
            return
        if data:
            self._pending.append(memoryview(data))
        self._pending_end = end
        connection.schedule(self)

    def _has_room_for(self, size: int) -> bool:
        """Whether so many bytes can go at once."""
        connection = self.connection
        most = min(self.window, connection.window, connection.peer_frame_size, frames.QUANTUM)
        return size <= most and not connection.paused

    @property
    def is_writable(self) -> bool:
        """Whether nothing waits for room here, or for the connection."""
        return not self._pending and not self.connection.paused

    @property
    def waits(self) -> bool:
        """Whether something is to be sent, or the end."""
        return bool(self._pending) or (self._pending_end and not self.sent_end)

    @property
    def waiting(self) -> memoryview | None:
        """What is sent next; another object once a byte of it was."""
        return self._pending[0] if self._pending else None

    async def drain(self) -> None:
        """Returns when the stream is writable or closed."""
        while not self.is_writable and self.id in self.connection.streams:
            self._room = asyncio.get_running_loop().create_future()
            await self._room

    def acknowledge(self, size: int) -> None:
        """So many bytes that were received are done with: the peer may send as many more."""
        self._taken += size
        if self._taken * 2 >= self.connection.initial_window and not self.received_end:
            self.connection.write(frames.window_update(self.id, self._taken))
            self.receive_window += self._taken
            self._taken = 0

    def reset(self, code: int) -> None:
        """Ends the stream, both ways, and tells the peer; what waits is dropped."""
        if self.id in self.connection.streams:
            self.connection.reset(self.id, code)
            self.connection.forget(self, None)

    def pump(self) -> bool:
        """Sends one quantum of what waits. Whether something still waits."""
        connection, left = self.connection, frames.QUANTUM
        while self._pending and left > 0:
            data = self._pending[0]
            size = min(len(data), self.window, connection.window, connection.peer_frame_size, frames.QUANTUM)
            if size <= 0:
                return True
            rest = data[size:]
            if rest:
                self._pending[0] = rest
            else:
                self._pending.popleft()
            left -= size
            self._send(data[:size], size, self._pending_end and not self._pending)
        if self._pending_end and not self._pending and not self.sent_end:
            self._send(b"", 0, end=True)
        return bool(self._pending)

    def has_room(self) -> None:
        """Lets those go on who wait in `drain`."""
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    def _send(self, data: bytes | memoryview, size: int, end: bool) -> None:
        connection = self.connection
        self.window -= size
        connection.window -= size
        connection.write(frames.header(size, frames.DATA, frames.END_STREAM if end else 0, self.id))
        if size:
            connection.write(data)
        if end:
            self._end()

    def _end(self) -> None:
        self.sent_end = True
        if self.received_end:
            self.connection.forget(self, None)
        elif not self.connection.is_client:
            # What is answered needs no more of its request (RFC 9113 section 8.1).
            self.reset(frames.NO_ERROR)
