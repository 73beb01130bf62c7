"""An HTTP/2 server for tests that says frame by frame what it is told to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from http2 import frames, hpack
from http2.reader import Reader
from storage.channels import Channels, TLSFiles

HEADERS = hpack.encode([(b":status", b"200"), (b"content-type", b"application/grpc")])
OK = hpack.encode([(b"grpc-status", b"0")])


@dataclass
class Peer:
    """One connection, and the frames that have come on it."""

    writer: asyncio.StreamWriter
    arrived: "asyncio.Queue[tuple[int, int, int, bytes]]" = field(default_factory=asyncio.Queue)

    async def frame(self, kind: int) -> tuple[int, int, bytes]:
        """The flags, stream and payload of the next frame of this type; others before it are dropped."""
        while True:
            arrived, flags, stream, payload = await self.arrived.get()
            if arrived == kind:
                return flags, stream, payload

    async def request(self) -> tuple[int, bytes]:
        """The stream of the next call, and its first message."""
        _, stream, _ = await self.frame(frames.HEADERS)
        _, _, data = await self.frame(frames.DATA)
        return stream, data[5:]

    def send(self, *parts: bytes) -> None:
        self.writer.write(b"".join(parts))

    def answer(self, stream: int, message: bytes) -> None:
        """All of a call's answer."""
        self.send(headers(stream, HEADERS), data(stream, message), headers(stream, OK, end=True))

    def hang_up(self) -> None:
        self.writer.close()


Behaviour = Callable[[Peer], Awaitable[None]]


def headers(stream: int, block: bytes, *, end: bool = False) -> bytes:
    return frames.headers(stream, block, end=end)


def data(stream: int, message: bytes, *, compressed: int = 0) -> bytes:
    """One message in one frame."""
    framed = bytes([compressed]) + len(message).to_bytes(4) + message
    return frames.header(len(framed), frames.DATA, 0, stream) + framed


@asynccontextmanager
async def serving(behaviour: Behaviour, settings: Mapping[int, int] | None = None) -> AsyncIterator[str]:
    """The endpoint of a server that treats each connection so, after its settings. Its failure is the test's."""
    running: list[asyncio.Task[None]] = []

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running.append(asyncio.create_task(_serve(behaviour, settings or {}, reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in running:
            task.cancel()
        ends = await asyncio.gather(*running, return_exceptions=True)
    assert not [end for end in ends if isinstance(end, Exception)]


async def _serve(
    behaviour: Behaviour, settings: Mapping[int, int], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    peer = Peer(writer)
    peer.send(frames.settings(settings))
    receiving = asyncio.create_task(_receive(reader, peer))
    try:
        await behaviour(peer)
        await receiving
    finally:
        receiving.cancel()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def _receive(reader: asyncio.StreamReader, peer: Peer) -> None:
    """Until the client ends the connection, by a reset or not."""
    parser = Reader(preface=frames.PREFACE, frame_size=frames.DEFAULT_FRAME_SIZE, max_block=1 << 20)
    with suppress(ConnectionResetError):
        while received := await reader.read(1 << 16):
            for frame in parser.read(received):
                peer.arrived.put_nowait(frame)


@asynccontextmanager
async def connected(*endpoints: str, ping_interval: float = 10, ping_timeout: float = 5) -> AsyncIterator[Channels]:
    channels = Channels(endpoints, TLSFiles(), ping_interval=ping_interval, ping_timeout=ping_timeout)
    try:
        yield channels
    finally:
        await channels.close()
