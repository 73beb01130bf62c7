"""gRPC's calls over our own HTTP/2, beside gRPC's own server and beside one that says what no server should."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from http2 import frames, hpack
from storage.calls import CallFailed, Method, Status
from storage.channels import STREAM_WINDOW, Channels
from tests.unit.peer import HEADERS, OK, Peer, connected, data, headers, serving

PATIENCE = 30.0
"""Seconds of a call that is meant to be answered."""
ECHO = Method("/test.Test/Echo", bytes, PATIENCE)
CHAT = Method("/test.Test/Chat", bytes, metadata=((b"tone", b"low"),))
UNLIMITED = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))
Handler = Callable[[Any, Any], Any]


@asynccontextmanager
async def grpc_server(
    unary: Handler | None = None, stream: Handler | None = None, options: tuple[tuple[str, int], ...] = UNLIMITED
) -> AsyncIterator[Channels]:
    """Channels to gRPC's own server; messages are bytes there, too."""
    server = grpc.aio.server(options=options)
    handlers = {"Echo": grpc.unary_unary_rpc_method_handler(unary)} if unary else {}
    if stream:
        handlers["Chat"] = grpc.stream_stream_rpc_method_handler(stream)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Test", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with connected(f"http://127.0.0.1:{port}") as channels:
            yield channels
    finally:
        await server.stop(None)


async def _echo(request: bytes, _context: Any) -> bytes:
    return request


@pytest.mark.parametrize("size", [0, 1, 16_379, 16_380, 70_000, STREAM_WINDOW, 3 * STREAM_WINDOW + 1])
async def test_messages_of_any_size(size: int) -> None:
    """Both ways, whatever the frames and windows."""
    message = bytes(range(256)) * (size // 256 + 1)
    async with grpc_server(_echo) as channels:
        assert await channels.call(ECHO, message[:size]) == message[:size]


async def test_many_calls_at_once() -> None:
    """Each has its own answer."""
    messages = [b"%d" % number for number in range(500)]
    async with grpc_server(_echo) as channels:
        assert await asyncio.gather(*[channels.call(ECHO, message) for message in messages]) == messages


@pytest.mark.parametrize("status", [status for status in Status if status])
async def test_a_status_and_its_text(status: Status) -> None:
    """Every status that a peer answers is the call's, and its text, which is percent-encoded on its way."""
    text = "größer als 100 %\nund mehr"
    code = next(code for code in grpc.StatusCode if code.value[0] == status)

    async def refuse(_request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        await context.abort(code, text)
        return b""

    async with grpc_server(refuse) as channels:
        with pytest.raises(CallFailed) as caught:
            await channels.call(ECHO, b"")
    assert (caught.value.status, str(caught.value)) == (status, text)


async def test_an_unknown_method() -> None:
    """What gRPC's server answers to it."""
    async with grpc_server() as channels:
        with pytest.raises(CallFailed) as caught:
            await channels.call(ECHO, b"")
    assert caught.value.status is Status.UNIMPLEMENTED


class _Stuck:
    """A handler that never answers, and says when it begins and when its call is given up."""

    def __init__(self) -> None:
        self.began, self.cancelled = asyncio.Event(), asyncio.Event()

    async def answer(self, _request: Any, _context: Any) -> bytes:
        self.began.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.cancelled.set()
        return b""


async def test_no_answer_in_time() -> None:
    """The call fails by its own clock, names who did not answer, and the peer learns that nobody waits any more."""
    stuck = _Stuck()
    async with grpc_server(stuck.answer) as channels:
        with pytest.raises(CallFailed, match=r"no answer from http://127\.0\.0\.1:\d+ within 0\.2 s") as caught:
            await channels.call(Method(ECHO.path, bytes, 0.2), b"")
        if stuck.began.is_set():
            await stuck.cancelled.wait()
    assert caught.value.status is Status.DEADLINE_EXCEEDED


async def test_a_cancelled_call() -> None:
    """The peer learns of it."""
    stuck = _Stuck()
    async with grpc_server(stuck.answer) as channels:
        call = asyncio.create_task(channels.call(ECHO, b""))
        await stuck.began.wait()
        call.cancel()
        await stuck.cancelled.wait()
        with pytest.raises(asyncio.CancelledError):
            await call


async def test_as_many_calls_as_the_peer_takes() -> None:
    """The others wait for their turn, and have it."""
    running = most = 0
    two = asyncio.Event()

    async def count(request: bytes, _context: Any) -> bytes:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == 2:
            two.set()
        await two.wait()
        running -= 1
        return request

    # Else gRPC's server also refuses calls for the sake of those that it has answered and not yet forgotten.
    limits = (("grpc.max_concurrent_streams", 2), ("grpc.http.overload_protection", 0))
    async with grpc_server(count, options=limits) as channels:
        messages = [b"%d" % number for number in range(50)]
        assert await asyncio.gather(*[channels.call(ECHO, message) for message in messages]) == messages
    assert most == 2


async def test_a_conversation() -> None:
    """Messages go both ways in order, metadata goes along, and the end is an end."""

    async def chat(requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        yield str(dict(context.invocation_metadata())["tone"]).encode()
        async for request in requests:
            if request == b"bye":
                return
            yield request * 2

    async with grpc_server(stream=chat) as channels:
        call, tone = await channels.open(CHAT, b"a", PATIENCE)
        assert (tone, await call.read()) == (b"low", b"aa")
        for message in (b"b", b"c", b"bye"):
            call.write(message)
        assert [await call.read(), await call.read()] == [b"bb", b"cc"]
        with pytest.raises(EOFError):
            await call.read()


async def test_a_cancelled_conversation() -> None:
    """The peer learns of it."""
    ended = asyncio.Event()

    async def chat(requests: AsyncIterator[bytes], _context: Any) -> AsyncIterator[bytes]:
        try:
            async for request in requests:
                yield request
        finally:
            ended.set()

    async with grpc_server(stream=chat) as channels:
        call, _ = await channels.open(CHAT, b"a", PATIENCE)
        call.cancel()
        await ended.wait()


async def test_who_does_not_read_is_not_sent_more() -> None:
    """A peer may send a window of messages, and more once they are read."""
    message = bytes(STREAM_WINDOW // 64 - 5)
    read_all = asyncio.Event()
    windows: list[int] = []

    async def behave(peer: Peer) -> None:
        stream, _ = await peer.request()
        peer.send(headers(stream, HEADERS), *[data(stream, message[:16_000]) for _ in range(65)])
        # Its answer comes after everything that the messages have caused.
        peer.send(frames.ping(b"8 bytes!"))
        while (arrived := await peer.arrived.get())[0] != frames.PING:
            assert arrived[0] != frames.WINDOW_UPDATE or arrived[2] != stream
        read_all.set()
        while not windows:
            _, about, payload = await peer.frame(frames.WINDOW_UPDATE)
            windows.extend([int.from_bytes(payload)] if about == stream else [])
        peer.send(data(stream, b"end"))

    async with serving(behave) as endpoint, connected(endpoint) as channels:
        call, first = await channels.open(CHAT, b"", PATIENCE)
        await read_all.wait()
        assert {first, *[await call.read() for _ in range(64)]} == {message[:16_000]}
        assert await call.read() == b"end"
    assert windows == [65 * 16_005]


async def test_an_answer_byte_by_byte() -> None:
    """Nothing depends on how the network cuts it."""

    async def bytewise(peer: Peer) -> None:
        stream, message = await peer.request()
        frame = data(stream, message)
        pieces = [frames.header(1, frames.DATA, 0, stream) + frame[at : at + 1] for at in range(9, len(frame))]
        for byte in headers(stream, HEADERS) + b"".join(pieces) + headers(stream, OK, end=True):
            peer.send(bytes([byte]))
            await peer.writer.drain()

    async with serving(bytewise) as endpoint, connected(endpoint) as channels:
        assert await channels.call(ECHO, b"byte by byte") == b"byte by byte"


def _block(**fields: str) -> bytes:
    return hpack.encode([(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()])


def _html(status: str) -> bytes:
    return hpack.encode([(b":status", status.encode()), (b"content-type", b"text/html")])


WRONG = {
    "a web page": (headers(1, _html("200"), end=True), Status.UNKNOWN, "status 200, content-type 'text/html'"),
    "not allowed": (headers(1, _html("403"), end=True), Status.PERMISSION_DENIED, "status 403"),
    "a proxy's": (headers(1, _html("503")), Status.UNAVAILABLE, "status 503"),
    "no status": (headers(1, HEADERS) + headers(1, _block(a="b"), end=True), Status.UNKNOWN, "status is ''"),
    "no number": (headers(1, HEADERS) + headers(1, _block(grpc_status="x"), end=True), Status.UNKNOWN, "status is 'x'"),
    "no such": (headers(1, HEADERS) + headers(1, _block(grpc_status="17"), end=True), Status.UNKNOWN, "status is '17'"),
    "no message": (headers(1, HEADERS) + headers(1, OK, end=True), Status.INTERNAL, "no message"),
    "cut": (headers(1, HEADERS) + data(1, b"12345")[:-1].replace(b"\n", b"\t", 1) + headers(1, OK, end=True),
            Status.INTERNAL, "within a message"),
    "compressed": (headers(1, HEADERS) + data(1, b"x", compressed=1), Status.INTERNAL, "compressed"),
    "no trailers": (headers(1, HEADERS) + frames.header(0, frames.DATA, frames.END_STREAM, 1), Status.INTERNAL,
                    "without a status"),
    "headers twice": (headers(1, HEADERS) * 2, Status.INTERNAL, "trailers without the end"),
    "refused": (frames.rst_stream(1, frames.ENHANCE_YOUR_CALM), Status.RESOURCE_EXHAUSTED, "code 11"),
    "cancelled": (frames.rst_stream(1, frames.CANCEL), Status.CANCELLED, "code 8"),
    "failed": (frames.rst_stream(1, frames.INTERNAL_ERROR), Status.INTERNAL, "code 2"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
async def test_an_answer_that_is_wrong(what: str) -> None:
    """Each ends its call with the status that gRPC's documents name, and the connection is of use afterwards."""
    answer, status, text = WRONG[what]

    async def behave(peer: Peer) -> None:
        await peer.request()
        peer.send(answer)
        peer.answer(*await peer.request())

    async with serving(behave) as endpoint, connected(endpoint) as channels:
        with pytest.raises(CallFailed, match=text) as caught:
            await channels.call(ECHO, b"")
        assert await channels.call(ECHO, b"again") == b"again"
    assert caught.value.status is status


async def test_an_answer_before_all_is_asked() -> None:
    """A peer that refuses a large message does not have to read it; the rest is not sent."""

    async def behave(peer: Peer) -> None:
        stream, _ = await peer.request()
        peer.send(headers(stream, _block(**{":status": "200", "content_type": "application/grpc", "grpc_status": "8",
                                            "grpc_message": "too large"}), end=True))  # fmt: skip
        assert int.from_bytes((await peer.frame(frames.RST_STREAM))[2]) == frames.CANCEL

    async with serving(behave) as endpoint, connected(endpoint) as channels:
        with pytest.raises(CallFailed, match="too large") as caught:
            await channels.call(ECHO, bytes(1 << 20))
    assert caught.value.status is Status.RESOURCE_EXHAUSTED
