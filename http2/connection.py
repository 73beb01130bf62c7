"""One end of an HTTP/2 connection over asyncio (RFC 9113): frames in and out, settings, flow control, limits.

What is written within one turn of the event loop leaves together: one TLS record, one call of the system, for however
many streams. What streams carry is their makers'.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from http2 import frames
from http2.frames import ConnectionFailed, StreamFailed
from http2.hpack import Decoder, Header, HeadersTooLarge, HpackError, MalformedHeader
from http2.reader import Reader
from http2.stream import ConnectionLost, Stream, StreamClosed

MAX_HEADER_LIST = 1 << 20
"""Bytes of a request's or an answer's headers; Go's default."""
MAX_UNREAD_ANSWERS = 10_000
"""Frames of control that a peer causes without reading them; as Go's server."""
MAX_OVERHEAD, OVERHEAD_SECONDS = 10_000, 10.0
"""So many frames that carry nothing (pings, settings, priorities, empty data, faults) in so short a time are an
attack."""
REMEMBERED_RESETS = 256
"""Streams reset here on which the peer's frames may still be on their way."""

_received = memoryview(bytearray(64 * 1024))
"""What a connection has just received. All have the one buffer: it is taken before the event loop goes on. Frames may
be of a few bytes each, and so many take milliseconds: the rest waits in TLS until others have had their turn."""


class Connection(asyncio.BufferedProtocol):
    """Subclasses open streams: `accept` for those of the peer, `open` for their own.

    `streams`: those that are open. `window`: bytes that the peer takes on all of them. `paused`: the transport's buffer
    is full. `_ready`: streams that have something to send, in the order of their turns."""

    def __init__(
        self,
        settings: Mapping[int, int],
        *,
        is_client: bool,
        connection_window: int,
        max_header_list: int = MAX_HEADER_LIST,
    ) -> None:
        self.initial_window = settings.get(frames.INITIAL_WINDOW_SIZE, frames.DEFAULT_WINDOW)
        self.peer_initial_window = self.window = frames.DEFAULT_WINDOW
        self.peer_frame_size = frames.DEFAULT_FRAME_SIZE
        self.peer_max_streams = frames.LAST_STREAM
        self.streams: dict[int, Stream] = {}
        self.last_stream = 0
        """The newest stream, whoever may open them."""
        self.going_away = False
        """No streams are opened any more."""
        self.paused = False
        self.transport = cast(asyncio.Transport, None)
        self._settings = settings
        self.is_client = is_client
        self._connection_window = self._receive_window = connection_window
        self._decoder = Decoder(max_header_list)
        self.reader = Reader(
            preface=b"" if is_client else frames.PREFACE,
            frame_size=settings.get(frames.MAX_FRAME_SIZE, frames.DEFAULT_FRAME_SIZE),
            max_block=2 * max_header_list,
        )
        self._out: list[bytes | memoryview] = []
        self._ready: dict[Stream, None] = {}
        self._resets: deque[int] = deque(maxlen=REMEMBERED_RESETS)
        self._failure: ConnectionFailed | None = None
        """What the peer did wrong."""
        self._last_served = frames.LAST_STREAM
        self._unread_answers = self._overhead = 0
        self._overhead_since = 0.0

    # For subclasses

    def accept(self, stream_id: int) -> Stream:
        """The stream that the peer opens. May raise StreamFailed."""
        raise ConnectionFailed(frames.PROTOCOL_ERROR, "only the client opens streams")

    def failed(self, error: Exception | None) -> None:
        """Called once when the connection has ended; its streams are closed already."""

    def settings_received(self) -> None:
        """The peer's settings, the first or others, are in force."""

    def peer_leaves(self) -> None:
        """The peer has said goodbye: a client can open no streams any more, those that are open go on."""

    # Of the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.loop = asyncio.get_running_loop()
        self._overhead_since = self.loop.time()
        if self.is_client:
            self.write(frames.PREFACE)
        self.write(frames.settings(self._settings))
        self.write(frames.window_update(0, self._connection_window - frames.DEFAULT_WINDOW))

    def get_buffer(self, sizehint: int) -> memoryview:
        return _received

    def buffer_updated(self, nbytes: int) -> None:
        self.bytes_received(bytes(_received[:nbytes]))

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        self._unread_answers = 0
        self._pump()
        for stream in list(self.streams.values()):
            if stream.is_writable:
                stream.has_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self.going_away = True
        reason = self._failure or exc
        error = ConnectionLost(frames.INTERNAL_ERROR, str(reason or "the connection has ended"))
        for stream in list(self.streams.values()):
            self.forget(stream, error)
        # It may keep our methods (uvloop's does), and we keep it: all of TLS would wait for the garbage collector.
        self.transport.set_protocol(asyncio.BufferedProtocol())
        self.failed(reason)

    # For streams

    def write(self, data: bytes | memoryview) -> None:
        """Leaves at the end of this turn of the event loop."""
        if not self._out:
            self.loop.call_soon(self._flush)
        self._out.append(data)

    def schedule(self, stream: Stream) -> None:
        """Sends what waits in the stream as soon as there is room."""
        self._ready[stream] = None
        self._pump()

    def reset(self, stream_id: int, code: int) -> None:
        """Tells the peer that the stream has ended."""
        self._resets.append(stream_id)
        self.answer(frames.rst_stream(stream_id, code))

    def forget(self, stream: Stream, error: StreamClosed | None) -> None:
        """The stream is closed."""
        if self.streams.pop(stream.id, None) is not None:
            # While there is no room nobody else would take it out.
            self._ready.pop(stream, None)
            stream.has_room()
            stream.closed(error)
            self.stream_closed()

    def stream_closed(self) -> None:
        """There is one stream less."""

    def end(self, code: int, text: str = "") -> None:
        """Tells the peer why, and closes the connection when all that was written has left."""
        if not self.transport.is_closing():
            self.say_goodbye(code, text)
            self.close()

    def say_goodbye(self, code: int, text: str = "") -> None:
        """Tells the peer that of its streams none opened later is served, and opens none."""
        self.going_away = True
        # The number must not grow from one goodbye to the next.
        self._last_served = min(self._last_served, 0 if self.is_client else self.last_stream)
        self.write(frames.goaway(self._last_served, code, text))

    def close(self) -> None:
        """Closes the connection when all that was written has left."""
        self._flush()
        self.transport.close()

    def _flush(self) -> None:
        out, self._out = self._out, []
        if out and not self.transport.is_closing():
            self.transport.write(b"".join(out) if len(out) > 1 else out[0])

    def _pump(self) -> None:
        """Each stream in turn sends a quantum, until nobody has something to send or nobody has room."""
        while self._ready and not self.paused and self.window > 0:
            stream = next(iter(self._ready))
            del self._ready[stream]
            if stream.id not in self.streams:
                continue
            if stream.pump() and stream.window > 0:
                # Its turn comes again, at the latest when the connection has room.
                self._ready[stream] = None
            self._flush()
            if stream.is_writable:
                stream.has_room()

    # What is received

    def bytes_received(self, data: bytes) -> None:
        """Any part of what the peer sends."""
        try:
            for kind, flags, stream_id, payload in self.reader.read(data):
                if self.transport.is_closing():
                    return
                if kind < len(_RECEIVERS):
                    self._receive(kind, flags, stream_id, payload)
            # Once for all the room that has come: some give it byte by byte.
            self._pump()
        except ConnectionFailed as error:
            # The one that was raised has a traceback, and so this connection.
            self._failure = ConnectionFailed(error.code, str(error))
            self.end(error.code, str(error))

    def _receive(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        try:
            if kind > frames.HEADERS:
                frames.require_form(kind, flags, stream_id, payload)
            _RECEIVERS[kind](self, flags, stream_id, payload)
        except StreamFailed as error:
            self._carries_nothing()
            self.reset(stream_id, error.code)
            if stream := self.streams.get(stream_id):
                self.forget(stream, StreamClosed(error.code, str(error)))

    def _data(self, flags: int, stream_id: int, payload: bytes) -> None:
        size = len(payload)
        self._receive_window -= size
        if self._receive_window < 0:
            raise ConnectionFailed(frames.FLOW_CONTROL_ERROR, "more data than the connection's window")
        if self._receive_window * 2 <= self._connection_window:
            self.write(frames.window_update(0, self._connection_window - self._receive_window))
            self._receive_window = self._connection_window
        stream = self._stream(stream_id, "data")
        if stream is None:
            if not self.is_client and stream_id not in self._resets:
                raise StreamFailed(frames.STREAM_CLOSED, "data on a closed stream")
            return
        if stream.received_end:
            raise StreamFailed(frames.STREAM_CLOSED, "data after the end")
        data = frames.unpad(payload, flags) if flags & frames.PADDED else payload
        stream.receive_window -= size
        if stream.receive_window < 0:
            raise StreamFailed(frames.FLOW_CONTROL_ERROR, "more data than the stream's window")
        end = bool(flags & frames.END_STREAM)
        if not data and not end:
            self._carries_nothing()
        stream.received_end = end
        stream.data_received(data, end)
        stream.acknowledge(size - len(data))
        self._close_if_ended(stream)

    def _headers(self, flags: int, stream_id: int, block: bytes) -> None:
        """Every block is decoded, whatever comes of its stream: later ones refer to it."""
        headers: Sequence[Header] | None = None
        failure: StreamFailed | None = None
        try:
            headers = self._decoder.decode(block)
        except HpackError as error:
            raise ConnectionFailed(frames.COMPRESSION_ERROR, str(error)) from None
        except MalformedHeader as error:
            failure = StreamFailed(frames.PROTOCOL_ERROR, str(error))
        except HeadersTooLarge:
            pass
        stream = self.streams.get(stream_id) or self._new_stream(stream_id)
        if failure is not None:
            raise failure
        if stream is None:
            return
        if stream.received_end:
            raise StreamFailed(frames.STREAM_CLOSED, "headers after the end")
        end = bool(flags & frames.END_STREAM)
        stream.received_end = end
        if headers is None:
            stream.headers_too_large(end)
        else:
            stream.headers_received(headers, end)
        self._close_if_ended(stream)

    def _new_stream(self, stream_id: int) -> Stream | None:
        """None: what comes on it is dropped."""
        if self.is_client or (stream_id <= self.last_stream and stream_id in self._resets):
            self._stream(stream_id, "headers")
            return None
        if stream_id % 2 == 0 or stream_id <= self.last_stream:
            raise ConnectionFailed(frames.PROTOCOL_ERROR, f"stream {stream_id} cannot be opened")
        self.last_stream = stream_id
        if self.going_away:
            raise StreamFailed(frames.REFUSED_STREAM, "the connection ends")
        stream = self.accept(stream_id)
        self.streams[stream_id] = stream
        return stream

    def _close_if_ended(self, stream: Stream) -> None:
        if stream.received_end and stream.sent_end:
            self.forget(stream, None)

    def _stream(self, stream_id: int, what: str) -> Stream | None:
        """None: it is closed. Raises ConnectionFailed for one that nobody has opened."""
        stream = self.streams.get(stream_id)
        if stream is None and (not stream_id or stream_id > self.last_stream or stream_id % 2 == 0):
            raise ConnectionFailed(frames.PROTOCOL_ERROR, f"{what} on stream {stream_id}, which was never opened")
        return stream

    def _priority(self, flags: int, stream_id: int, payload: bytes) -> None:
        self._carries_nothing()
        if frames.parse_unsigned(payload) == stream_id:
            raise StreamFailed(frames.PROTOCOL_ERROR, "a stream that depends on itself")

    def _rst_stream(self, flags: int, stream_id: int, payload: bytes) -> None:
        stream = self._stream(stream_id, "reset")
        if stream is not None:
            code = int.from_bytes(payload)
            self.forget(stream, StreamClosed(code, f"the peer has reset the stream with code {code}"))
        elif stream_id in self._resets:
            # It knows, and nothing more is on its way.
            self._resets.remove(stream_id)

    def _set(self, flags: int, stream_id: int, payload: bytes) -> None:
        if flags & frames.ACK:
            return
        self._carries_nothing()
        window = self.peer_initial_window
        for identifier, value in frames.parse_settings(payload):
            if identifier == frames.INITIAL_WINDOW_SIZE:
                self.peer_initial_window = value
            elif identifier == frames.MAX_FRAME_SIZE:
                self.peer_frame_size = value
            elif identifier == frames.MAX_CONCURRENT_STREAMS:
                self.peer_max_streams = value
        if self.peer_initial_window != window:
            for stream in self.streams.values():
                self._widen(stream, self.peer_initial_window - window)
        self.answer(frames.SETTINGS_ACK)
        self.settings_received()

    def _widen(self, stream: Stream, change: int) -> None:
        stream.window += change
        if stream.window > frames.LARGEST_WINDOW:
            raise ConnectionFailed(frames.FLOW_CONTROL_ERROR, "a stream's window is too large")
        if stream.waits:
            self._ready[stream] = None

    def _push_promise(self, flags: int, stream_id: int, payload: bytes) -> None:
        raise ConnectionFailed(frames.PROTOCOL_ERROR, "pushes are switched off")

    def _ping(self, flags: int, stream_id: int, payload: bytes) -> None:
        self._carries_nothing()
        if flags & frames.ACK:
            self.pong_received()
        else:
            self.answer(frames.ping(payload, ack=True))

    def pong_received(self) -> None:
        """The peer has answered a ping."""

    def _goaway(self, flags: int, stream_id: int, payload: bytes) -> None:
        if self.is_client:
            self.going_away = True
            last, code = frames.parse_unsigned(payload), int.from_bytes(payload[4:8])
            refused = StreamClosed(frames.REFUSED_STREAM, f"the peer ends the connection with code {code}")
            for stream in [stream for stream in self.streams.values() if stream.id > last]:
                self.forget(stream, refused)
        self.peer_leaves()

    def _window_update(self, flags: int, stream_id: int, payload: bytes) -> None:
        increment = frames.parse_unsigned(payload)
        if not increment:
            raise (StreamFailed if stream_id else ConnectionFailed)(frames.PROTOCOL_ERROR, "a window update of 0")
        if not stream_id:
            self.window += increment
            if self.window > frames.LARGEST_WINDOW:
                raise ConnectionFailed(frames.FLOW_CONTROL_ERROR, "the connection's window is too large")
        elif stream := self._stream(stream_id, "a window update"):
            if stream.window + increment > frames.LARGEST_WINDOW:
                raise StreamFailed(frames.FLOW_CONTROL_ERROR, "the stream's window is too large")
            self._widen(stream, increment)

    def answer(self, frame: bytes) -> None:
        """Writes a frame that the peer's own has caused, whether there is room or not."""
        if self.paused:
            self._unread_answers += 1
            if self._unread_answers > MAX_UNREAD_ANSWERS:
                self.transport.abort()
        self.write(frame)

    def _carries_nothing(self) -> None:
        """Counts a frame of the peer, one that fails its stream, too. Raises ConnectionFailed when a client sends too
        many of them; a server that answers fast may well measure its connection by as many pings."""
        self._overhead += 1
        if self._overhead > MAX_OVERHEAD and not self.is_client:
            now = self.loop.time()
            if now - self._overhead_since < OVERHEAD_SECONDS:
                raise ConnectionFailed(frames.ENHANCE_YOUR_CALM, "too many frames that carry nothing")
            self._overhead, self._overhead_since = 0, now


_RECEIVERS: tuple[Callable[[Connection, int, int, bytes], None], ...] = (
    Connection._data, Connection._headers, Connection._priority, Connection._rst_stream, Connection._set,
    Connection._push_promise, Connection._ping, Connection._goaway, Connection._window_update,
)  # fmt: skip
"""By type of frame."""
