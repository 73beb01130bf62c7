"""What a client can make an HTTP/2 connection hold, and do: bounded, however little the client pays for it."""

import asyncio
import gc
import tracemalloc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from apiserver.http import h2, h2_exchange, h2_request
from apiserver.http.asgi import Receive, Scope, Send
from apiserver.http.body import read_body
from http2 import connection, frames, hpack
from http2.hpack import Decoder, HpackError
from http2.reader import Reader
from tests.hyper import Hyper, request
from tests.unit.virtual_time import virtually
from tests.unit.wire import Wire, body, say_ok, start

GET = hpack.encode(request("GET", "/"))
POST = hpack.encode(request("POST", "/"))


@contextmanager
def no_collector() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def at_most(size: int) -> Iterator[None]:
    """Bytes that are allocated at the same time."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < size
    finally:
        tracemalloc.stop()


async def begun(app: Any = say_ok, settings: dict[int, int] | None = None) -> Wire:
    """A connection whose client has said hello, with these settings, and gives no window back."""
    client = Hyper(takes=False)
    if settings:
        client.connection.update_settings(settings)
    wire = Wire(app, client)
    await wire.settle()
    return wire


async def turn(wire: Wire) -> bytes:
    """What is written until the requests of this moment have ended, or wait."""
    for _ in range(5):
        await asyncio.sleep(0)
    written = b"".join(wire.pipe.written)
    wire.pipe.written.clear()
    return written


def data_of(written: bytes) -> list[bytes]:
    """The payloads of the DATA frames."""
    reader = Reader(preface=b"", frame_size=frames.LARGEST_FRAME_SIZE, max_block=1 << 20)
    reader.has_settings = True
    return [payload for kind, _, _, payload in reader.read(written) if kind == frames.DATA]


# What is held


@pytest.mark.parametrize("taken", [False, True])
async def test_dribbled_body(taken: bool) -> None:
    """A body that comes in frames of two bytes is held as if it had come at once, until the application takes it and
    then by what reads it."""
    size = 20_000
    going, ended = asyncio.Event(), list[int]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if not taken:
            await going.wait()
        ended.append(len(await read_body(receive, {})))
        await send(start())
        await send(body(b""))

    wire = await begun(app)
    wire.say(frames.headers(1, POST, end=False))
    data = frames.header(2, frames.DATA, 0, 1) + b"ab"
    with at_most(4 * size):
        for _ in range(size // 2):
            wire.say(data)
            await asyncio.sleep(0)
    wire.say(frames.header(0, frames.DATA, frames.END_STREAM, 1))
    going.set()
    await asyncio.gather(*wire.state.tasks)
    assert ended == [size]
    await wire.close()


@pytest.mark.parametrize("full", [False, True])
async def test_reset_before_there_is_room(full: bool) -> None:
    """An answer that had no room, on the connection or its transport, is forgotten with its stream."""
    exchanges = list[weakref.ref[Any]]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        exchanges.append(weakref.ref(scope["extensions"]["connection"]))
        await send(start())
        await send(body(b"x" * (1 << 18)))

    wire = await begun(app, {frames.INITIAL_WINDOW_SIZE: 1 << 20})
    if full:
        wire.say(frames.window_update(0, 1 << 20))
        wire.pipe.on_write = wire.server.pause_writing
    wire.say(frames.headers(1, GET, end=True))
    await turn(wire)
    assert wire.server.streams[1].waits
    with no_collector():
        wire.say(frames.rst_stream(1, frames.CANCEL))
        await turn(wire)
        wire.seen.clear()
        assert [exchange() for exchange in exchanges] == [None]
    await wire.close()


async def test_failed_connection_is_freed() -> None:
    """Who breaks the protocol leaves nothing to the garbage collector."""
    wire = await begun()
    server = weakref.ref(wire.server)
    with no_collector():
        wire.say(frames.headers(1, b"\x80", end=True))
        assert wire.pipe.closed
        await wire.close()
        await turn(wire)
        del wire.server
        assert server() is None


async def test_body_of_an_answered_request() -> None:
    """Who has been answered and does not take it sends a body in vain: it is not kept."""
    wire = await begun(settings={frames.INITIAL_WINDOW_SIZE: 0})
    wire.say(frames.headers(1, POST, end=False) + frames.header(5, frames.DATA, 0, 1) + b"early")
    await turn(wire)
    wire.say(frames.header(4, frames.DATA, 0, 1) + b"late")
    exchange = wire.server.streams[1]
    assert isinstance(exchange, h2_exchange.Exchange)
    assert not exchange._body
    await wire.close()


async def test_large_answers_of_one_moment() -> None:
    """A client that takes a gigabyte in frames of any size is written to no faster than it reads."""
    size = 1 << 20

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await send(body(b"x" * size))

    wire = await begun(app, {frames.INITIAL_WINDOW_SIZE: 1 << 30, frames.MAX_FRAME_SIZE: frames.LARGEST_FRAME_SIZE})
    wire.say(frames.window_update(0, 1 << 30))
    wire.pipe.on_write = wire.server.pause_writing
    wire.say(b"".join([frames.headers(number, GET, end=True) for number in range(1, 40, 2)]))
    assert len(await turn(wire)) < 2 * frames.QUANTUM
    await wire.close()


def _too_large(stream: int) -> bytes:
    """A header list beyond the limit, in a few hundred bytes."""
    field = hpack.encode([(b"a", b"x" * 4000)])
    return frames.headers(stream, b"\x40" + field[1:] + b"\xbe" * 300, end=True)


def _expecting(stream: int) -> bytes:
    return frames.headers(stream, hpack.encode(request("POST", "/", (b"expect", b"100-continue"))), end=False)


@pytest.mark.parametrize("ask", [_too_large, _expecting])
async def test_answers_to_nobody(ask: Any) -> None:
    """What a client that does not read is told, again and again, is not piled up for it."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()

    wire = await begun(app)
    wire.server.pause_writing()
    number = 1
    while not wire.pipe.closed and number < 4 * connection.MAX_UNREAD_ANSWERS:
        wire.say(ask(number))
        await asyncio.sleep(0)
        wire.say(frames.rst_stream(number, frames.CANCEL))
        number += 2
    assert wire.pipe.closed
    await wire.close()


async def test_answer_that_nobody_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream whose client gives its answer no room is reset after a time, even one of a watch, which has no other
    limit: it would keep the server from its end."""
    monkeypatch.setattr(h2_exchange, "SEND_SECONDS", 0.0)
    wire = await begun(settings={frames.INITIAL_WINDOW_SIZE: 0})
    wire.say(frames.headers(1, GET, end=True))
    await asyncio.gather(*wire.state.tasks)
    assert frames.rst_stream(1, frames.INTERNAL_ERROR) in await turn(wire)
    assert not wire.server.streams
    await wire.close()


# What is done


async def test_windows_of_one_byte() -> None:
    """Room that comes in drops is used at once: not one frame, record and call of the system for each."""
    drops = 1000

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await send(body(b"x" * 2 * drops))

    wire = await begun(app, {frames.INITIAL_WINDOW_SIZE: 0})
    wire.say(frames.headers(1, GET, end=True))
    await turn(wire)
    wire.say(frames.window_update(1, 1) * drops)
    assert data_of(await turn(wire)) == [b"x" * drops]
    await wire.close()


async def test_many_settings_in_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams learn of a new initial window once a frame, not as often as the frame says it."""
    widened = list[int]()
    widen = h2.Connection._widen
    monkeypatch.setattr(h2.Connection, "_widen", lambda *args: widened.append(args[2]) or widen(*args))  # type: ignore[func-returns-value]
    wire = await begun()
    wire.say(frames.headers(1, POST, end=False))
    values = [frames.settings({frames.INITIAL_WINDOW_SIZE: value})[frames.HEADER_SIZE :] for value in (0, 70_000)]
    payload = b"".join(values) * 1000
    wire.say(frames.header(len(payload), frames.SETTINGS, 0, 0) + payload)
    assert widened == [70_000 - frames.DEFAULT_WINDOW]
    await wire.close()


def test_table_sizes_without_end() -> None:
    """A block begins with at most two sizes of its table (RFC 7541 section 4.2), and has none later."""
    assert Decoder(1 << 20).decode(b"\x20\x3f\xe1\x1f\x82") == [(b":method", b"GET")]
    for block in (b"\x20" * 3, b"\x82\x20"):
        with pytest.raises(HpackError):
            Decoder(1 << 20).decode(block)


def test_no_table_size_after_a_large_field() -> None:
    """Not even after a field that is too large to be kept."""
    with pytest.raises(HpackError):
        Decoder(100).decode(hpack.encode([(b"a", b"x" * 100)]) + b"\x20")


@pytest.mark.parametrize("sizes", [(101,), (20, 40, 41)])
def test_strings_coded_beyond_the_limit(sizes: tuple[int, ...]) -> None:
    """Strings whose code alone is larger than a header list may be are not decoded."""
    fields = [b"\x00\x01a" + hpack._encode_integer(size, 0x7F, 0x80) + bytes(size) for size in sizes]
    with pytest.raises(HpackError, match="Huffman"):
        Decoder(100).decode(b"".join(fields))


def test_large_fields_of_the_table() -> None:
    """A field that a client repeats by its number is looked at once: judging a list of a megabyte takes no megabyte."""
    headers = [*request("GET", "/"), *[(b"a" * 2000, b"x" * 2000)] * 200]
    with at_most(100_000):
        h2_request.complete({}, headers)


@pytest.mark.parametrize("ask", [
    hpack.encode([(b":method", b"GET")]),
    hpack.encode([*request("GET", "/"), (b"content-length", b"1")]),
])  # fmt: skip
@virtually
async def test_streams_that_the_server_resets(ask: bytes) -> None:
    """Who makes the server reset stream after stream is cut off (CVE-2025-8671)."""
    wire = await begun()
    streams = [frames.headers(number, ask, end=True) for number in range(1, 2 * connection.MAX_OVERHEAD + 3, 2)]
    wire.say(b"".join(streams[:-10]))
    assert not wire.pipe.closed
    wire.say(b"".join(streams[-10:]))
    assert (wire.pipe.closed, wire.seen) == (True, [])
    await wire.close()


@virtually
async def test_streams_that_are_refused() -> None:
    """The same for streams beyond the limit."""
    holding = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await holding.wait()

    wire = await begun(app)
    count = h2.MAX_STREAMS + connection.MAX_OVERHEAD + 1
    streams = [frames.headers(number, GET, end=True) for number in range(1, 2 * count, 2)]
    wire.say(b"".join(streams[:-10]))
    assert not wire.pipe.closed
    wire.say(b"".join(streams[-10:]))
    assert wire.pipe.closed
    holding.set()
    await wire.close()
