"""An HTTP/2 client that is not ours: the package h2, without input or output of its own."""

import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, Event, ResponseReceived, StreamEnded, StreamReset

from http2 import frames
from http2.reader import Frame, Reader

Header = tuple[bytes, bytes]


def request(method: str, path: str, *headers: Header) -> list[Header]:
    pseudo = [(":method", method), (":scheme", "https"), (":authority", "x"), (":path", path)]
    return [*((name.encode(), value.encode()) for name, value in pseudo), *headers]


def received(connection: ssl.SSLSocket) -> Iterator[Frame]:
    """The frames that still come, until the server ends the connection. The package h2 wants none after a goodbye."""
    reader = Reader(preface=b"", frame_size=frames.DEFAULT_FRAME_SIZE, max_block=1 << 20)
    while data := connection.recv(65_536):
        yield from reader.read(data)


@dataclass
class Answer:
    """`reset`: the code that its stream was reset with, -1: it was not."""

    headers: list[Header] = field(default_factory=list)
    body: bytes = b""
    ended: bool = False
    reset: int = -1

    @property
    def code(self) -> int:
        return int(dict(self.headers)[b":status"])


class Hyper:
    """`answers` by stream. It says whatever it is told to, valid or not, and takes all that comes at once.

    `goodbye`: the last stream and the code of the server's GOAWAY. `takes`: whether it gives windows back."""

    def __init__(self, takes: bool = True) -> None:
        config = H2Configuration(
            client_side=True,
            header_encoding=None,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
            validate_inbound_headers=True,
        )
        self.connection = H2Connection(config)
        self.connection.initiate_connection()
        self.takes = takes
        self.answers: dict[int, Answer] = {}
        self.goodbyes: list[tuple[int, int]] = []

    def to_send(self) -> bytes:
        data: bytes = self.connection.data_to_send()
        return data

    def received(self, data: bytes) -> None:
        """Raises h2's ProtocolError when the server breaks the protocol."""
        for event in self.connection.receive_data(data):
            self._take(event)

    def _take(self, event: Event) -> None:
        if isinstance(event, ConnectionTerminated):
            self.goodbyes.append((int(event.last_stream_id or 0), int(event.error_code or 0)))
        stream = getattr(event, "stream_id", None)
        if not stream:
            return
        answer = self.answers.setdefault(stream, Answer())
        if isinstance(event, ResponseReceived):
            answer.headers = [(bytes(name), bytes(value)) for name, value in event.headers or ()]
        elif isinstance(event, DataReceived):
            answer.body += event.data or b""
            if self.takes and event.flow_controlled_length:
                self.connection.acknowledge_received_data(event.flow_controlled_length, stream)
        elif isinstance(event, StreamEnded):
            answer.ended = True
        elif isinstance(event, StreamReset):
            answer.reset = int(event.error_code or 0)

    def ask(self, headers: Sequence[Header], body: bytes | None = None, *, end: bool = True) -> int:
        """The request's stream."""
        stream: int = self.connection.get_next_available_stream_id()
        self.connection.send_headers(stream, headers, end_stream=end and body is None)
        if body is not None:
            self.send(stream, body, end=end)
        return stream

    def send(self, stream: int, body: bytes, *, end: bool = False) -> None:
        """Raises h2's FlowControlError when the server does not take so much."""
        size = self.connection.max_outbound_frame_size
        parts = [body[start : start + size] for start in range(0, len(body), size)] or [b""]
        for part in parts:
            self.connection.send_data(stream, part, end_stream=end and part is parts[-1])

    def room(self, stream: int) -> int:
        """Bytes that the server takes now."""
        return int(self.connection.local_flow_control_window(stream))
